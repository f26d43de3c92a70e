// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: the file handler "memfd-v2", as far as the kernel that
 * preserves a memfd goes. memfd_luo_retrieve.c has the rest.
 *
 * A preserved memfd keeps working. Its size and its holes can't change while it
 * is preserved: growing, shrinking, fallocate() and hole punching fail with
 * EPERM. Each of its folios has one reference more, so it is neither reclaimed
 * nor migrated nor split, and what is written to it is in the memory that the
 * next kernel gets. A hole that is filled meanwhile gets a folio that is not in
 * the table yet; freeze() takes those in. What is written to a hole after that,
 * in the last moment before the jump, is lost.
 *
 * Invariants:
 *  - a folio in the table is up to date, preserved, outside of scratch, and has
 *    our reference; the table is sorted by index, holes are not in it;
 *  - the flag of the inode is set exactly while there is a struct memfd_luo;
 *  - the pages of the table count as locked memory of the user who preserved
 *    them, as nobody can swap them out.
 *
 * The inode lock is taken under the mutex of the session, and only for a limited
 * time: who holds it may be waiting for a page of somebody who never answers.
 */
#define pr_fmt(fmt) "memfd_luo: " fmt

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"
#include "memfd_luo.h"

/* Of a millisecond each. */
#define MEMFD_LUO_LOCK_TRIES	1000

/* A memfd that is preserved for the next kernel; under the session's mutex. */
struct memfd_luo {
	struct memfd_luo_ser *ser;
	/* vmalloc area, NULL if @nr is 0 */
	struct memfd_luo_folio_ser *table;
	unsigned long nr;
	/* of the folios in @table; none of them can leave the file */
	unsigned long nrpages;
	/* num_poisoned_pages when the folios of @table were looked at */
	long nr_poisoned;
	/* who preserved it; @nr_locked pages are charged there */
	struct user_struct *user;
	unsigned long nr_locked;
};

static struct folio *ser_folio(const struct memfd_luo_folio_ser *ser)
{
	return pfn_folio(ser->pfn);
}

static pgoff_t memfd_end(struct inode *inode)
{
	return DIV_ROUND_UP(i_size_read(inode), PAGE_SIZE);
}

/* Entries of the page cache, folios and what is swapped out, below @end. */
static unsigned long memfd_count_entries(struct address_space *mapping,
					 pgoff_t end)
{
	XA_STATE(xas, &mapping->i_pages, 0);
	unsigned long count = 0;
	void *entry;

	if (!end)
		return 0;

	rcu_read_lock();
	xas_for_each(&xas, entry, end - 1) {
		if (xas_retry(&xas, entry))
			continue;
		/* A large swap entry may come back as single folios. */
		count += xa_is_value(entry) ? 1UL << xas_get_order(&xas) : 1;
		if (need_resched()) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	rcu_read_unlock();
	return count;
}

/*
 * Folios in scratch, or anywhere else where memory must stay movable, are moved
 * out. @nr neighbours are done in one go.
 */
static int memfd_migrate_out(struct file *file, pgoff_t index, unsigned long nr)
{
	struct folio *folios[PAGEVEC_SIZE];
	pgoff_t offset;
	long pinned;

	nr = min(nr, memfd_end(file_inode(file)) - index);
	pinned = memfd_pin_folios(file, (loff_t)index << PAGE_SHIFT,
				  ((loff_t)(index + nr) << PAGE_SHIFT) - PAGE_SIZE,
				  folios, ARRAY_SIZE(folios), &offset);
	if (pinned < 0)
		return pinned;
	unpin_folios(folios, pinned);
	return 0;
}

/* What fallocate() has left is zeroed at first use; no later kernel would. */
static int memfd_make_uptodate(struct folio *folio)
{
	int err = 0;

	if (likely(folio_test_uptodate(folio)))
		return 0;

	folio_lock(folio);
	if (!folio->mapping) {
		err = -EAGAIN;
	} else if (!folio_test_uptodate(folio)) {
		folio_zero_segment(folio, 0, folio_size(folio));
		flush_dcache_folio(folio);
		folio_mark_uptodate(folio);
	}
	folio_unlock(folio);
	return err;
}

/*
 * Preserve one folio, and take over the reference to it. -ERANGE: not where it is
 * now.
 */
static int memfd_take_folio(struct folio *folio, struct memfd_luo_folio_ser *ser)
{
	int err;

	if (unlikely(!folio_is_longterm_pinnable(folio)))
		return -ERANGE;
	if (folio_contain_hwpoisoned_page(folio))
		return -EHWPOISON;
	err = memfd_make_uptodate(folio);
	if (err)
		return err;
	err = kho_preserve_folio(folio);
	if (err)
		return err;

	ser->pfn = folio_pfn(folio);
	ser->index = folio->index;
	/* Clean pages are dropped under reclaim, and writes go on till the jump. */
	ser->flags = MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE;
	return 0;
}

static void memfd_drop_folio(const struct memfd_luo_folio_ser *ser)
{
	kho_unpreserve_folio(ser_folio(ser));
	folio_put(ser_folio(ser));
}

static long memfd_nr_poisoned(void)
{
#ifdef CONFIG_MEMORY_FAILURE
	return atomic_long_read(&num_poisoned_pages);
#else
	return 0;
#endif
}

/* Pages may break while they are preserved; the next kernel would not know. */
static int memfd_check_poison(struct memfd_luo *memfd)
{
	long nr_poisoned = memfd_nr_poisoned();
	unsigned long i;

	if (nr_poisoned == memfd->nr_poisoned)
		return 0;
	for (i = 0; i < memfd->nr; i++) {
		if (folio_contain_hwpoisoned_page(ser_folio(&memfd->table[i])))
			return -EHWPOISON;
		if (!(i % 1024))
			cond_resched();
	}
	memfd->nr_poisoned = nr_poisoned;
	return 0;
}

/* Give up the entries of @table that @old, a part of it, does not have. */
static void memfd_drop_new(const struct memfd_luo_folio_ser *table,
			   unsigned long nr, const struct memfd_luo *old)
{
	unsigned long i, o = 0;

	for (i = 0; i < nr; i++) {
		if (o < old->nr && old->table[o].index == table[i].index)
			o++;
		else
			memfd_drop_folio(&table[i]);
	}
}

/* A table that is being filled. */
struct memfd_fill {
	struct file *file;
	/* of it, what is there already is not preserved again; @o is how far we are */
	const struct memfd_luo *old;
	unsigned long o;
	struct memfd_luo_folio_ser *table;
	unsigned long nr, max;
	/* of the folios in @table */
	unsigned long nrpages;
	/* where to look next, and what was not to be had at the last look */
	pgoff_t index, stuck;
};

/*
 * Folios from fill->index on, as many as there is room for, each with a reference. What
 * is swapped out comes last, as an index of the file that has to be read.
 */
static bool memfd_find_folios(struct memfd_fill *fill, struct folio_batch *fbatch,
			      pgoff_t end, pgoff_t *swapped)
{
	XA_STATE(xas, &fill->file->f_mapping->i_pages, fill->index);
	struct folio *folio;

	*swapped = ULONG_MAX;
	folio_batch_reinit(fbatch);
	rcu_read_lock();
	xas_for_each(&xas, folio, end - 1) {
		if (xas_retry(&xas, folio))
			continue;
		if (xa_is_value(folio)) {
			*swapped = xas.xa_index;
			break;
		}
		if (!folio_try_get(folio)) {
			xas_reset(&xas);
			continue;
		}
		if (unlikely(folio != xas_reload(&xas))) {
			folio_put(folio);
			xas_reset(&xas);
			continue;
		}
		if (!folio_batch_add(fbatch, folio))
			break;
	}
	rcu_read_unlock();
	return folio_batch_count(fbatch) || *swapped != ULONG_MAX;
}

/* Takes over the reference to @folio, unless it fails. */
static int memfd_fill_one(struct memfd_fill *fill, struct folio *folio)
{
	const struct memfd_luo *old = fill->old;
	pgoff_t at = folio->index;
	int err;

	if (fill->nr == fill->max)
		return -EAGAIN;
	while (fill->o < old->nr && old->table[fill->o].index < at)
		fill->o++;
	if (fill->o < old->nr && old->table[fill->o].pfn == folio_pfn(folio)) {
		fill->table[fill->nr] = old->table[fill->o];
		folio_put(folio);
	} else {
		err = memfd_take_folio(folio, &fill->table[fill->nr]);
		if (err)
			return err;
	}
	fill->nr++;
	fill->nrpages += folio_nr_pages(folio);
	fill->index = at + folio_nr_pages(folio);
	return 0;
}

/* Some neighbours are moved out of where they can't stay, to be looked up again. */
static int memfd_fill_migrate(struct memfd_fill *fill, pgoff_t at, unsigned long nr)
{
	if (fill->stuck == at)
		return -EBUSY;
	fill->stuck = at;
	return memfd_migrate_out(fill->file, at, nr);
}

static int memfd_fill_batch(struct memfd_fill *fill, struct folio_batch *fbatch)
{
	unsigned int nr = folio_batch_count(fbatch), i, j;
	unsigned long pages = 0;
	pgoff_t at = 0;
	int err = 0;

	for (i = 0; i < nr; i++) {
		err = memfd_fill_one(fill, fbatch->folios[i]);
		if (err)
			break;
	}
	if (likely(i == nr))
		return 0;

	at = fbatch->folios[i]->index;
	/* Our references would keep them where they are. */
	for (j = i; j < nr; j++) {
		if (fbatch->folios[j]->index == at + pages)
			pages += folio_nr_pages(fbatch->folios[j]);
		folio_put(fbatch->folios[j]);
	}
	return err == -ERANGE ? memfd_fill_migrate(fill, at, pages) : err;
}

/* Read it in, and look again. */
static int memfd_swap_in(struct file *file, pgoff_t index)
{
	struct folio *folio = shmem_read_folio(file->f_mapping, index);

	if (IS_ERR(folio))
		return PTR_ERR(folio);
	folio_put(folio);
	return 0;
}

/*
 * Fill @table, of @max entries, with the folios of @file. Those that are in the
 * table of @old are taken from there, the others are preserved. *@nrpages is how
 * many pages they have.
 *
 * Return: the number of entries, or a negative errno with nothing changed:
 * -EAGAIN if there are more than @max.
 */
static long memfd_fill_table(struct file *file, const struct memfd_luo *old,
			     struct memfd_luo_folio_ser *table, unsigned long max,
			     unsigned long *nrpages)
{
	struct memfd_fill fill = {
		.file = file, .old = old, .table = table, .max = max, .stuck = ULONG_MAX,
	};
	pgoff_t end = memfd_end(file_inode(file)), swapped;
	struct folio_batch fbatch;
	int err = 0;

	folio_batch_init(&fbatch);
	while (!err && fill.index < end &&
	       memfd_find_folios(&fill, &fbatch, end, &swapped)) {
		err = memfd_fill_batch(&fill, &fbatch);
		if (!err && swapped != ULONG_MAX && swapped >= fill.index)
			err = memfd_swap_in(file, swapped);
		cond_resched();
	}
	if (err) {
		memfd_drop_new(table, fill.nr, old);
		return err;
	}
	*nrpages = fill.nrpages;
	return fill.nr;
}

/*
 * Room for holes that are filled as we look: what is missed all the same is seen
 * by nrpages, and taken in by the next update.
 */
static unsigned long memfd_table_size(struct file *file)
{
	struct inode *inode = file_inode(file);
	unsigned long max = memfd_count_entries(inode->i_mapping, memfd_end(inode));

	return round_up(max + max / 8, PAGE_SIZE / sizeof(struct memfd_luo_folio_ser));
}

/* Bring the table up to date, and have it preserved. */
static int memfd_update_table(struct memfd_luo *memfd, struct file *file)
{
	struct address_space *mapping = file->f_mapping;
	struct memfd_luo_folio_ser *table = NULL;
	unsigned long nrpages, max;
	unsigned int tries = 0;
	struct kho_vmalloc kv = {};
	long nr = 0;
	int err;

	/* Nothing can have gone: as many are the same ones. */
	if (memfd->table && READ_ONCE(mapping->nrpages) == memfd->nrpages &&
	    !READ_ONCE(SHMEM_I(mapping->host)->swapped))
		return 0;

	do {
		vfree(table);
		table = NULL;
		nr = 0;
		nrpages = 0;
		max = memfd_table_size(file);
		if (!max)
			break;
		table = kho_alloc_vmalloc(array_size(max, sizeof(*table)));
		if (!table)
			return -ENOMEM;
		nr = memfd_fill_table(file, memfd, table, max, &nrpages);
	} while (nr == -EAGAIN && ++tries < 5);
	if (nr < 0) {
		vfree(table);
		return nr == -EAGAIN ? -EBUSY : nr;
	}
	if (nr) {
		err = kho_preserve_vmalloc(table, &kv);
		if (err)
			goto undo;
	}
	if (memfd->nr)
		kho_unpreserve_vmalloc(&memfd->ser->folios);
	vfree(memfd->table);
	memfd->table = table;
	memfd->nr = nr;
	memfd->nrpages = nrpages;
	memfd->ser->folios = kv;
	memfd->ser->nr_folios = nr;
	return 0;

undo:
	memfd_drop_new(table, nr, memfd);
	vfree(table);
	return err;
}

static bool memfd_lock_allowed(unsigned long nr_locked)
{
	return nr_locked <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT || capable(CAP_IPC_LOCK);
}

/*
 * Charge what the table has and was not charged yet. What is @due may not fail:
 * who fills holes must not be able to keep the host from its next kernel.
 */
static int memfd_charge_locked(struct memfd_luo *memfd, bool due)
{
	unsigned long more = memfd->nrpages - memfd->nr_locked;
	long now = atomic_long_read(&memfd->user->locked_vm);

	do {
		if (!due && !memfd_lock_allowed(now + more))
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&memfd->user->locked_vm, &now, now + more));
	memfd->nr_locked += more;
	return 0;
}

static void memfd_write_ser(struct memfd_luo *memfd, struct file *file)
{
	struct inode *inode = file_inode(file);

	memfd->ser->pos = file->f_pos;
	memfd->ser->size = i_size_read(inode);
	memfd->ser->seals = READ_ONCE(SHMEM_I(inode)->seals);
	memfd->ser->flags = 0;
}

static bool memfd_luo_can_preserve(struct liveupdate_file_handler *handler,
				   struct file *file)
{
	struct inode *inode = file_inode(file);

	/*
	 * On the kernel's own mount, without a name, and not for the kernel's
	 * own use as System V shared memory is: made by memfd_create().
	 */
	return shmem_file(file) && S_ISREG(inode->i_mode) && !inode->i_nlink &&
	       (inode->i_sb->s_flags & SB_KERNMOUNT) && !IS_PRIVATE(inode);
}

static void memfd_luo_release(struct memfd_luo *memfd, struct file *file)
{
	struct inode *inode = file_inode(file);
	unsigned long i;

	if (memfd->nr)
		kho_unpreserve_vmalloc(&memfd->ser->folios);
	for (i = 0; i < memfd->nr; i++) {
		memfd_drop_folio(&memfd->table[i]);
		cond_resched();
	}
	vfree(memfd->table);
	kho_unpreserve_free(memfd->ser);
	atomic_long_sub(memfd->nr_locked, &memfd->user->locked_vm);
	free_uid(memfd->user);
	kfree(memfd);
	shmem_set_preserved(inode, false);
}

/* Whoever is changing size or holes has done so, and nobody begins to. */
static int memfd_hold_still(struct inode *inode)
{
	unsigned int tries;

	for (tries = 0; !inode_trylock(inode); tries++) {
		if (tries == MEMFD_LUO_LOCK_TRIES)
			return -EBUSY;
		if (signal_pending(current))
			return -EINTR;
		fsleep(USEC_PER_MSEC);
	}
	shmem_set_preserved(inode, true);
	inode_unlock(inode);
	return 0;
}

static int memfd_luo_preserve(struct liveupdate_file_op_args *args)
{
	struct file *file = args->file;
	struct memfd_luo *memfd;
	int err;

	/* The file comes back readable and writable: that is not to be gained. */
	if ((file->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EPERM;

	memfd = kzalloc(sizeof(*memfd), GFP_KERNEL_ACCOUNT);
	if (!memfd)
		return -ENOMEM;
	memfd->ser = kho_alloc_preserve(sizeof(*memfd->ser));
	if (IS_ERR(memfd->ser)) {
		err = PTR_ERR(memfd->ser);
		kfree(memfd);
		return err;
	}

	memfd->user = get_uid(current_user());
	memfd->nr_poisoned = memfd_nr_poisoned();
	err = memfd_hold_still(file_inode(file));
	if (!err)
		err = memfd_update_table(memfd, file);
	if (!err)
		err = memfd_charge_locked(memfd, false);
	if (err) {
		memfd_luo_release(memfd, file);
		return err;
	}

	memfd_write_ser(memfd, file);
	args->private_data = memfd;
	args->serialized_data = virt_to_phys(memfd->ser);
	return 0;
}

static void memfd_luo_unpreserve(struct liveupdate_file_op_args *args)
{
	memfd_luo_release(args->private_data, args->file);
}

static int memfd_luo_freeze(struct liveupdate_file_op_args *args)
{
	struct memfd_luo *memfd = args->private_data;
	int err;

	err = memfd_check_poison(memfd);
	if (err)
		return err;
	err = memfd_update_table(memfd, args->file);
	if (!err)
		err = memfd_charge_locked(memfd, true);
	if (err)
		return err;
	/* Seals may have been added since, and the position has moved. */
	memfd_write_ser(memfd, args->file);
	return 0;
}

static const struct liveupdate_file_ops memfd_luo_ops = {
	.owner = THIS_MODULE,
	.can_preserve = memfd_luo_can_preserve,
	.preserve = memfd_luo_preserve,
	.unpreserve = memfd_luo_unpreserve,
	.freeze = memfd_luo_freeze,
	.retrieve = memfd_luo_retrieve,
	.finish = memfd_luo_finish,
	.get_size = memfd_luo_get_size,
};

static struct liveupdate_file_handler memfd_luo_handler = {
	.ops = &memfd_luo_ops,
	.compatible = MEMFD_LUO_COMPATIBLE,
};

static int __init memfd_luo_init(void)
{
	int err;

	if (!liveupdate_enabled())
		return 0;
	err = liveupdate_register_file_handler(&memfd_luo_handler);
	if (err)
		pr_err("memfds can't be preserved: %d\n", err);
	return err;
}
late_initcall(memfd_luo_init);

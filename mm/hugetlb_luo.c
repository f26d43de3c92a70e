// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds in huge pages: the file handler "hugetlb-memfd-v1", as
 * far as the kernel that preserves a memfd goes. hugetlb_luo_retrieve.c has the
 * rest, hugetlb_luo_pool.c what concerns all of them.
 *
 * It is a memfd like others (memfd_luo.c): it keeps working, its size and its
 * holes can't change but by filling holes, and freeze() takes in what was
 * filled. What is different is the pool that its pages belong to, and that a
 * hole may have a reservation there; these are written down at freeze.
 *
 * Invariants:
 *  - a folio in the table is preserved, outside of scratch, and has our
 *    reference; the table is sorted by index, holes are not in it;
 *  - the flag of the inode is set exactly while there is a struct hugetlb_luo.
 *
 * Huge pages are never swapped out, so to preserve them locks no memory that was
 * not locked before.
 *
 * The inode lock is taken under the mutex of the session, and only for a limited
 * time: fallocate() may hold it for long.
 */
#define pr_fmt(fmt) "hugetlb_luo: " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/hugetlb_memfd.h>
#include <linux/liveupdate.h>
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "internal.h"
#include "hugetlb_luo.h"

/* Of a millisecond each. */
#define HUGETLB_LUO_LOCK_TRIES	1000

/* Tables have room for as many entries as fit a page, or a multiple. */
#define HUGETLB_LUO_ROOM	(PAGE_SIZE / sizeof(struct hugetlb_luo_folio_ser))

/* A memfd that is preserved for the next kernel; under the session's mutex. */
struct hugetlb_luo {
	struct hugetlb_luo_ser *ser;
	/* vmalloc area, NULL if @nr is 0 */
	struct hugetlb_luo_folio_ser *table;
	unsigned long nr;
	/* while frozen; vmalloc area, NULL if there are none */
	struct hugetlb_luo_range_ser *ranges;
	/* num_poisoned_pages when the folios of @table were looked at */
	long nr_poisoned;
};

static struct folio *ser_folio(const struct hugetlb_luo_folio_ser *ser)
{
	return pfn_folio(ser->pfn);
}

/* In huge pages; what is behind is not a part of the file. */
static pgoff_t hugetlb_luo_end(struct inode *inode)
{
	return DIV_ROUND_UP(i_size_read(inode), huge_page_size(hstate_inode(inode)));
}

/* Preserve one folio, with a reference of our own. */
static int hugetlb_luo_take_folio(struct hstate *h, struct folio *folio,
				  struct hugetlb_luo_folio_ser *ser)
{
	int err;

	if (folio_test_hwpoison(folio))
		return -EHWPOISON;
	/* It was zeroed, or filled, before it got into the file. */
	if (WARN_ON_ONCE(!folio_test_uptodate(folio) ||
			 folio_order(folio) != huge_page_order(h)))
		return -EIO;
	err = kho_preserve_folio(folio);
	if (err)
		return err;

	folio_get(folio);
	ser->pfn = folio_pfn(folio);
	ser->index = folio->index >> huge_page_order(h);
	return 0;
}

static void hugetlb_luo_drop_folio(const struct hugetlb_luo_folio_ser *ser)
{
	kho_unpreserve_folio(ser_folio(ser));
	folio_put(ser_folio(ser));
}

static long hugetlb_luo_nr_poisoned(void)
{
#ifdef CONFIG_MEMORY_FAILURE
	return atomic_long_read(&num_poisoned_pages);
#else
	return 0;
#endif
}

/* Pages may break while they are preserved; the next kernel would not know. */
static int hugetlb_luo_check_poison(struct hugetlb_luo *memfd)
{
	long nr_poisoned = hugetlb_luo_nr_poisoned();
	unsigned long i;

	if (nr_poisoned == memfd->nr_poisoned)
		return 0;
	for (i = 0; i < memfd->nr; i++) {
		if (folio_test_hwpoison(ser_folio(&memfd->table[i])))
			return -EHWPOISON;
		cond_resched();
	}
	memfd->nr_poisoned = nr_poisoned;
	return 0;
}

/*
 * A folio that lies in scratch, or anywhere else where memory must stay movable,
 * is moved out: into a free page of the pool, or one that takes its place there.
 * The caller's reference is dropped: it would keep it where it is.
 */
static int hugetlb_luo_migrate_out(struct folio *folio, enum migrate_reason reason)
{
	struct migration_target_control target = {
		.nid = folio_nid(folio),
		.gfp_mask = GFP_USER | __GFP_NOWARN,
		.reason = reason,
	};
	unsigned int flags;
	LIST_HEAD(list);
	bool isolated;
	int failed;

	isolated = isolate_hugetlb(folio, &list);
	folio_put(folio);
	if (!isolated)
		return -EBUSY;
	flags = memalloc_pin_save();
	failed = migrate_pages(&list, alloc_migration_target, NULL,
			       (unsigned long)&target, MIGRATE_SYNC, reason, NULL);
	memalloc_pin_restore(flags);
	if (!failed)
		return 0;
	putback_movable_pages(&list);
	return -ENOMEM;
}

/* Give up the entries of @table that @old, a part of it, does not have. */
static void hugetlb_luo_drop_new(const struct hugetlb_luo_folio_ser *table,
				 unsigned long nr, const struct hugetlb_luo *old)
{
	unsigned long i, o = 0;

	for (i = 0; i < nr; i++) {
		if (o < old->nr && old->table[o].index == table[i].index)
			o++;
		else
			hugetlb_luo_drop_folio(&table[i]);
	}
}

/* The page at @index, with a reference, and moved to where it can be preserved. */
static struct folio *hugetlb_luo_get_folio(struct file *file, pgoff_t index)
{
	/* To the same node; or, rather than to fail, to any. */
	static const enum migrate_reason reasons[] = { MR_LONGTERM_PIN, MR_SYSCALL };
	unsigned int order = huge_page_order(hstate_file(file)), i;
	struct folio *folio;
	int err = 0;

	for (i = 0; i <= ARRAY_SIZE(reasons); i++) {
		folio = filemap_get_folio(file->f_mapping, index << order);
		if (IS_ERR(folio) || folio_is_longterm_pinnable(folio))
			return folio;
		if (i == ARRAY_SIZE(reasons)) {
			folio_put(folio);
			break;
		}
		err = hugetlb_luo_migrate_out(folio, reasons[i]);
	}
	return ERR_PTR(err ?: -EBUSY);
}

/*
 * Fill @table, of @max entries, with the folios of @file. Those that are in the
 * table of @old are taken from there, the others are preserved.
 *
 * Return: the number of entries, or a negative errno with nothing changed:
 * -EAGAIN if there are more than @max.
 */
static long hugetlb_luo_fill_table(struct file *file, const struct hugetlb_luo *old,
				   struct hugetlb_luo_folio_ser *table,
				   unsigned long max)
{
	struct address_space *mapping = file->f_mapping;
	struct hstate *h = hstate_file(file);
	unsigned int order = huge_page_order(h);
	pgoff_t index, end = hugetlb_luo_end(mapping->host) << order;
	unsigned long at = 0, nr = 0, o = 0;
	struct folio *folio;
	int err = 0;

	while (at < end && xa_find(&mapping->i_pages, &at, end - 1, XA_PRESENT)) {
		index = at >> order;
		at = (index + 1) << order;
		cond_resched();
		if (nr == max) {
			err = -EAGAIN;
			break;
		}
		while (o < old->nr && old->table[o].index < index)
			o++;
		/* None of those can leave the file, or its place. */
		if (o < old->nr && old->table[o].index == index) {
			table[nr++] = old->table[o++];
			continue;
		}

		folio = hugetlb_luo_get_folio(file, index);
		if (IS_ERR(folio)) {
			err = PTR_ERR(folio);
			break;
		}
		err = hugetlb_luo_take_folio(h, folio, &table[nr]);
		folio_put(folio);
		if (err)
			break;
		nr++;
	}
	if (!err)
		return nr;

	hugetlb_luo_drop_new(table, nr, old);
	return err;
}

/* Bring the table up to date, and have it preserved. */
static int hugetlb_luo_update_table(struct hugetlb_luo *memfd, struct file *file)
{
	unsigned int order = huge_page_order(hstate_file(file)), tries = 0;
	unsigned long *nrpages = &file->f_mapping->nrpages;
	struct hugetlb_luo_folio_ser *table;
	struct kho_vmalloc kv = {};
	unsigned long max;
	long nr;
	int err;

	/* Nothing can have gone: as many are the same ones. */
	if (READ_ONCE(*nrpages) >> order == memfd->nr)
		return 0;

	do {
		/* Room for holes that are filled as we look. */
		max = (READ_ONCE(*nrpages) >> order) + 1;
		max = round_up(max, HUGETLB_LUO_ROOM);
		table = kho_alloc_vmalloc(array_size(max, sizeof(*table)));
		if (!table)
			return -ENOMEM;
		nr = hugetlb_luo_fill_table(file, memfd, table, max);
		if (nr <= 0) {
			vfree(table);
			table = NULL;
		}
	} while (nr == -EAGAIN && ++tries < 5);
	if (nr < 0)
		return nr == -EAGAIN ? -EBUSY : nr;
	if (nr) {
		err = kho_preserve_vmalloc(table, &kv);
		if (err) {
			hugetlb_luo_drop_new(table, nr, memfd);
			vfree(table);
			return err;
		}
	}

	if (memfd->nr)
		kho_unpreserve_vmalloc(&memfd->ser->folios);
	vfree(memfd->table);
	memfd->table = table;
	memfd->nr = nr;
	memfd->ser->folios = kv;
	memfd->ser->nr_folios = nr;
	return 0;
}

/*
 * What of the reservation map @map is for holes of the file, into @holes.
 *
 * Return: number of ranges in @holes, not more than @nr and @memfd->nr together.
 */
static unsigned long hugetlb_luo_find_holes(const struct hugetlb_luo *memfd,
					    u64 end,
					    const struct hugetlb_luo_range_ser *map,
					    unsigned long nr,
					    struct hugetlb_luo_range_ser *holes)
{
	unsigned long i, t = 0, count = 0;

	for (i = 0; i < nr; i++) {
		u64 from = map[i].from, to = min(map[i].to, end);

		while (from < to) {
			u64 page = to;

			while (t < memfd->nr && memfd->table[t].index < from)
				t++;
			if (t < memfd->nr)
				page = min(page, memfd->table[t].index);
			if (from < page)
				holes[count++] = (struct hugetlb_luo_range_ser) {
					.from = from, .to = page,
				};
			from = page + 1;
		}
	}
	return count;
}

static void hugetlb_luo_drop_ranges(struct hugetlb_luo *memfd)
{
	if (memfd->ranges)
		kho_unpreserve_vmalloc(&memfd->ser->ranges);
	vfree(memfd->ranges);
	memfd->ranges = NULL;
	memfd->ser->nr_ranges = 0;
	memfd->ser->ranges = (struct kho_vmalloc) {};
}

/* Write down what is reserved for holes. */
static int hugetlb_luo_write_ranges(struct hugetlb_luo *memfd, struct inode *inode)
{
	struct hugetlb_luo_range_ser *map = NULL;
	unsigned long nr, max = 0, count;
	int err = -ENOMEM;

	while ((nr = hugetlb_reserved_ranges(inode, map, max)) > max) {
		vfree(map);
		max = round_up(nr, HUGETLB_LUO_ROOM);
		map = vmalloc(array_size(max, sizeof(*map)));
		if (!map)
			return -ENOMEM;
	}
	if (!nr)
		return 0;

	memfd->ranges = kho_alloc_vmalloc(array_size(nr + memfd->nr, sizeof(*map)));
	if (!memfd->ranges)
		goto free_map;
	count = hugetlb_luo_find_holes(memfd, hugetlb_luo_end(inode), map, nr,
				       memfd->ranges);
	err = count ? kho_preserve_vmalloc(memfd->ranges, &memfd->ser->ranges) : 0;
	if (err || !count) {
		vfree(memfd->ranges);
		memfd->ranges = NULL;
	} else {
		memfd->ser->nr_ranges = count;
	}
free_map:
	vfree(map);
	return err;
}

static void hugetlb_luo_write_ser(struct hugetlb_luo *memfd, struct file *file)
{
	struct inode *inode = file_inode(file);

	memfd->ser->pos = file->f_pos;
	memfd->ser->size = i_size_read(inode);
	memfd->ser->seals = READ_ONCE(HUGETLBFS_I(inode)->seals);
	memfd->ser->order = huge_page_order(hstate_inode(inode));
}

static bool hugetlb_luo_can_preserve(struct liveupdate_file_handler *handler,
				     struct file *file)
{
	struct inode *inode = file_inode(file);

	/*
	 * On the kernel's own mount and without a name there also are System V
	 * shared memory, which is private, and what is behind an anonymous
	 * mapping, which only its name tells from what memfd_create() makes.
	 */
	return is_file_hugepages(file) && S_ISREG(inode->i_mode) &&
	       !inode->i_nlink && (inode->i_sb->s_flags & SB_KERNMOUNT) &&
	       !IS_PRIVATE(inode) &&
	       str_has_prefix(file->f_path.dentry->d_name.name, "memfd:");
}

static void hugetlb_luo_release(struct hugetlb_luo *memfd, struct file *file)
{
	struct inode *inode = file_inode(file);
	unsigned long i;

	if (memfd->nr)
		kho_unpreserve_vmalloc(&memfd->ser->folios);
	for (i = 0; i < memfd->nr; i++) {
		hugetlb_luo_drop_folio(&memfd->table[i]);
		cond_resched();
	}
	vfree(memfd->table);
	kho_unpreserve_free(memfd->ser);
	kfree(memfd);
	hugetlbfs_set_preserved(inode, false);
}

/* Whoever is changing size or holes has done so, and nobody begins to. */
static int hugetlb_luo_hold_still(struct inode *inode)
{
	unsigned int tries;

	for (tries = 0; !inode_trylock(inode); tries++) {
		if (tries == HUGETLB_LUO_LOCK_TRIES)
			return -EBUSY;
		if (signal_pending(current))
			return -EINTR;
		fsleep(USEC_PER_MSEC);
	}
	hugetlbfs_set_preserved(inode, true);
	inode_unlock(inode);
	return 0;
}

static int hugetlb_luo_preserve(struct liveupdate_file_op_args *args)
{
	struct file *file = args->file;
	struct hugetlb_luo *memfd;
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

	memfd->nr_poisoned = hugetlb_luo_nr_poisoned();
	err = hugetlb_luo_hold_still(file_inode(file));
	if (!err)
		err = hugetlb_luo_update_table(memfd, file);
	if (err) {
		hugetlb_luo_release(memfd, file);
		return err;
	}

	hugetlb_luo_write_ser(memfd, file);
	args->private_data = memfd;
	args->serialized_data = virt_to_phys(memfd->ser);
	return 0;
}

static void hugetlb_luo_unpreserve(struct liveupdate_file_op_args *args)
{
	hugetlb_luo_release(args->private_data, args->file);
}

static int hugetlb_luo_freeze(struct liveupdate_file_op_args *args)
{
	struct hugetlb_luo *memfd = args->private_data;
	int err;

	err = hugetlb_luo_check_poison(memfd);
	if (err)
		return err;
	err = hugetlb_luo_update_table(memfd, args->file);
	if (err)
		return err;
	err = hugetlb_luo_write_ranges(memfd, file_inode(args->file));
	if (err)
		return err;
	err = hugetlb_luo_pool_add(hstate_file(args->file), memfd->table, memfd->nr);
	if (err) {
		hugetlb_luo_drop_ranges(memfd);
		return err;
	}
	/* Seals may have been added since, and the position has moved. */
	hugetlb_luo_write_ser(memfd, args->file);
	return 0;
}

static void hugetlb_luo_unfreeze(struct liveupdate_file_op_args *args)
{
	struct hugetlb_luo *memfd = args->private_data;

	hugetlb_luo_pool_remove(hstate_file(args->file), memfd->table, memfd->nr);
	hugetlb_luo_drop_ranges(memfd);
}

static const struct liveupdate_file_ops hugetlb_luo_ops = {
	.owner = THIS_MODULE,
	.can_preserve = hugetlb_luo_can_preserve,
	.preserve = hugetlb_luo_preserve,
	.unpreserve = hugetlb_luo_unpreserve,
	.freeze = hugetlb_luo_freeze,
	.unfreeze = hugetlb_luo_unfreeze,
	.retrieve = hugetlb_luo_retrieve,
	.finish = hugetlb_luo_finish,
	.get_size = hugetlb_luo_get_size,
};

static struct liveupdate_file_handler hugetlb_luo_handler = {
	.ops = &hugetlb_luo_ops,
	.compatible = HUGETLB_LUO_COMPATIBLE,
};

static int __init hugetlb_luo_init(void)
{
	int err;

	if (!liveupdate_enabled())
		return 0;
	err = liveupdate_register_file_handler(&hugetlb_luo_handler);
	if (err)
		pr_err("memfds in huge pages can't be preserved: %d\n", err);
	return err;
}
late_initcall(hugetlb_luo_init);

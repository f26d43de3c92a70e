// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: a memfd of the previous kernel comes back.
 *
 * Invariants:
 *  - a table is checked to its end before a folio is taken; that its folios
 *    were preserved is found out as they are taken;
 *  - what describes a memfd is taken before its folios, so that it can't be one;
 *  - a folio that is taken is in the file or in the batch of struct
 *    memfd_luo_in, so a retrieval that ran out of memory can go on;
 *  - while hardware may have access to them, by another file of the session, folios
 *    have a reference of ours until the session is finished: so they stay where they
 *    are, whatever becomes of the file;
 *  - memory of a table that can't be believed is never free: it stays preserved,
 *    or in a file that nobody can reach.
 *
 * All of it is under the mutex of the session; nobody else knows the file yet.
 */
#define pr_fmt(fmt) "memfd_luo: " fmt

#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/kmemleak.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "memfd_luo.h"

#define MEMFD_LUO_SEALS		(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | \
				 F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC)

#define MEMFD_LUO_BATCH		64

/* A memfd that is being retrieved, kept between tries. */
struct memfd_luo_in {
	struct memfd_luo_ser ser;
	struct file *file;
	struct memfd_luo_folio_ser *table;
	unsigned long nr;
	/* the entries below are restored, into the file or the batch */
	unsigned long next;
	/* what is in the file has a reference of ours, too, until it is finished */
	bool hold;
	struct folio *folios[MEMFD_LUO_BATCH];
	pgoff_t indices[MEMFD_LUO_BATCH];
	unsigned int nr_batch;
};

VISIBLE_IF_KUNIT int memfd_check_ser(const struct memfd_luo_ser *ser)
{
	if (ser->size > MAX_LFS_FILESIZE || ser->pos > MAX_LFS_FILESIZE ||
	    ser->seals & ~MEMFD_LUO_SEALS || ser->flags ||
	    !ser->nr_folios != !ser->folios.first ||
	    ser->nr_folios > div_u64((u64)ser->folios.total_pages << PAGE_SHIFT,
				     sizeof(struct memfd_luo_folio_ser)))
		return -EINVAL;
	return 0;
}

/* All entries, before one of them is believed. */
VISIBLE_IF_KUNIT int memfd_check_table(const struct memfd_luo_folio_ser *table,
				       unsigned long nr, u64 size)
{
	u64 end = DIV_ROUND_UP_ULL(size, PAGE_SIZE), next = 0;
	unsigned long i;

	for (i = 0; i < nr; i++) {
		if (!(i % 1024))
			cond_resched();
		if (!table[i].pfn)
			continue;
		if (table[i].index < next || table[i].index >= end ||
		    table[i].flags & ~(MEMFD_LUO_FOLIO_DIRTY |
				       MEMFD_LUO_FOLIO_UPTODATE))
			return -EINVAL;
		next = table[i].index + 1;
	}
	return 0;
}

/* It is in a page of its own. */
static const struct memfd_luo_ser *memfd_find_ser(u64 phys)
{
	const struct memfd_luo_ser *ser;

	if (!kho_was_preserved(phys, 1))
		return NULL;
	ser = phys_to_virt(phys);
	return memfd_check_ser(ser) ? NULL : ser;
}

static struct file *memfd_make_file(const struct memfd_luo_ser *ser)
{
	struct file *file = shmem_file_setup("memfd:liveupdate", 0, VM_NORESERVE);
	struct inode *inode;

	if (IS_ERR(file))
		return file;
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	file->f_flags |= O_LARGEFILE;
	inode = file_inode(file);
	i_size_write(inode, ser->size);
	/* A memfd with that seal was made without the bits, or can do without. */
	if (ser->seals & F_SEAL_EXEC)
		inode->i_mode &= ~0111;
	return file;
}

static struct memfd_luo_in *memfd_begin_retrieve(u64 phys, bool hold)
{
	const struct memfd_luo_ser *ser = memfd_find_ser(phys);
	struct memfd_luo_in *in;
	int err;

	if (!ser) {
		pr_err("a memfd is described by nonsense\n");
		return ERR_PTR(-EIO);
	}
	in = kzalloc(sizeof(*in), GFP_KERNEL);
	if (!in)
		return ERR_PTR(-ENOMEM);
	in->ser = *ser;
	in->hold = hold;
	in->file = memfd_make_file(ser);
	if (IS_ERR(in->file)) {
		/*
		 * Nothing that is wrong with the memfd, whatever it is called:
		 * no memory for an inode is ENOSPC, too many files is ENFILE.
		 */
		err = -ENOMEM;
		goto free;
	}

	/* Last, as it takes what it restores. */
	in->table = kho_restore_vmalloc(&ser->folios);
	if (IS_ERR(in->table)) {
		err = PTR_ERR(in->table);
		goto put;
	}
	in->nr = ser->nr_folios;
	err = memfd_check_table(in->table, in->nr, ser->size);
	if (err) {
		vfree(in->table);
		goto put;
	}
	kho_restore_free((void *)ser);
	return in;

put:
	fput(in->file);
free:
	kfree(in);
	return ERR_PTR(err);
}

/* A kernel without huge pages has no large folios in its page cache. */
static int memfd_check_large(struct folio *folio, pgoff_t index)
{
	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) ||
	    folio_order(folio) > MAX_PAGECACHE_ORDER)
		return -EOPNOTSUPP;
	return IS_ALIGNED(index, folio_nr_pages(folio)) ? 0 : -EINVAL;
}

/* Restore folios until the batch is full. */
static int memfd_fill_batch(struct memfd_luo_in *in)
{
	for (; in->next < in->nr && in->nr_batch < MEMFD_LUO_BATCH; in->next++) {
		const struct memfd_luo_folio_ser *ser = &in->table[in->next];
		struct folio *folio;
		int err;

		if (!ser->pfn)
			continue;
		folio = kho_restore_folio(PFN_PHYS((u64)ser->pfn));
		/* Never preserved, or somebody else's table has it too. */
		if (!folio)
			return -EINVAL;
		if (folio_test_large(folio)) {
			err = memfd_check_large(folio, ser->index);
			if (err)
				return err;
			folio_set_large_rmappable(folio);
		}
		/* Never written to, so nobody knows what is in it. */
		if (unlikely(!(ser->flags & MEMFD_LUO_FOLIO_UPTODATE)))
			folio_zero_segment(folio, 0, folio_size(folio));
		in->folios[in->nr_batch] = folio;
		in->indices[in->nr_batch++] = ser->index;
	}
	return 0;
}

static int memfd_retrieve_folios(struct memfd_luo_in *in)
{
	struct inode *inode = file_inode(in->file);

	while (in->next < in->nr || in->nr_batch) {
		int added, i, err;

		err = memfd_fill_batch(in);
		if (err)
			return err;
		if (!in->nr_batch)
			break;
		added = shmem_add_restored_folios(inode, in->folios, in->indices,
						  in->nr_batch);
		/* What tmpfs calls a lack of space is a commit limit here. */
		if (added < 0)
			return added == -ENOSPC ? -ENOMEM : added;
		/* The page cache has references of its own. */
		for (i = 0; i < added && !in->hold; i++)
			folio_put(in->folios[i]);
		in->nr_batch -= added;
		memmove(in->folios, in->folios + added,
			in->nr_batch * sizeof(in->folios[0]));
		memmove(in->indices, in->indices + added,
			in->nr_batch * sizeof(in->indices[0]));
		cond_resched();
	}
	return 0;
}

/* Of each folio that is restored we have one reference, or none. */
static void memfd_put_folios(struct memfd_luo_in *in)
{
	unsigned long i;

	for (i = 0; i < in->nr_batch && !in->hold; i++)
		folio_put(in->folios[i]);
	for (i = 0; i < in->next && in->hold; i++) {
		if (in->table[i].pfn)
			folio_put(pfn_folio(in->table[i].pfn));
		if (!(i % 1024))
			cond_resched();
	}
	in->nr_batch = 0;
	in->hold = false;
}

static void memfd_end_retrieve(struct memfd_luo_in *in)
{
	memfd_put_folios(in);
	fput(in->file);
	vfree(in->table);
	kfree(in);
}

/* One of the folios is not what it should be: whose the others are, who knows. */
static void memfd_quarantine(struct memfd_luo_in *in)
{
	kmemleak_not_leak(in->file);
	/* The references to the folios of the batch are kept, too. */
	vfree(in->table);
	kfree(in);
}

/**
 * memfd_luo_retrieve - make a memfd of what the previous kernel left
 * @args: names the data of the previous kernel; gets the file
 *
 * Return: 0; -ENOMEM, -EINTR or -EAGAIN if it may be tried again; -EIO if the
 * data are damaged, or -EOPNOTSUPP if this kernel has no such large folios.
 */
int memfd_luo_retrieve(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_in *in = args->private_data;
	int err;

	if (!in) {
		in = memfd_begin_retrieve(args->serialized_data,
					  liveupdate_memory_is_reached(args->session));
		if (IS_ERR(in)) {
			err = PTR_ERR(in);
			goto failed;
		}
		args->private_data = in;
	}
	err = memfd_retrieve_folios(in);
	if (!err && in->ser.seals & F_SEAL_WRITE)
		err = mapping_deny_writable(in->file->f_mapping);
	if (err) {
		/* A passing failure goes on from here, a permanent one ends here. */
		if (!memfd_luo_is_passing(err)) {
			args->private_data = NULL;
			memfd_quarantine(in);
		}
		goto failed;
	}

	SHMEM_I(file_inode(in->file))->seals = in->ser.seals;
	in->file->f_pos = in->ser.pos;
	args->file = get_file(in->file);
	if (in->hold)
		return 0;
	args->private_data = NULL;
	memfd_end_retrieve(in);
	return 0;

failed:
	if (memfd_luo_is_passing(err))
		return err;
	pr_err("a memfd can't be retrieved (%d), its memory is kept\n", err);
	return err == -EOPNOTSUPP ? err : -EIO;
}

static bool memfd_all_restorable(const struct memfd_luo_in *in)
{
	unsigned long i;

	for (i = in->next; i < in->nr; i++) {
		u64 pfn = in->table[i].pfn;

		if (pfn && kho_preserved_order(PFN_PHYS(pfn)) < 0)
			return false;
		if (!(i % 1024))
			cond_resched();
	}
	return true;
}

static struct memfd_luo_in *memfd_begin_discard(u64 phys)
{
	struct memfd_luo_in *in;
	unsigned int tries = 0;

	do {
		in = memfd_begin_retrieve(phys, false);
	} while (memfd_luo_may_retry(PTR_ERR_OR_ZERO(in), &tries));
	return in;
}

/**
 * memfd_luo_finish - free what was not retrieved
 * @args: as of memfd_luo_retrieve()
 *
 * Nobody wants it: all its memory is free, if its table can be believed.
 */
void memfd_luo_finish(struct liveupdate_file_op_args *args)
{
	struct memfd_luo_in *in = args->private_data;

	args->private_data = NULL;
	/* Retrieved: nothing is left but what is held. */
	if (in && args->retrieve_status > 0)
		memfd_end_retrieve(in);
	/* Failed for good: nothing is believed. */
	if (args->retrieve_status)
		return;
	if (!in) {
		in = memfd_begin_discard(args->serialized_data);
		if (IS_ERR(in)) {
			pr_err("a memfd can't be discarded (%ld), its memory is kept\n",
			       PTR_ERR(in));
			return;
		}
	}
	if (!memfd_all_restorable(in)) {
		pr_err("a memfd can't be discarded, its memory is kept\n");
		memfd_quarantine(in);
		return;
	}
	memfd_put_folios(in);
	for (; in->next < in->nr; in->next++) {
		u64 pfn = in->table[in->next].pfn;
		struct folio *folio = pfn ? kho_restore_folio(PFN_PHYS(pfn)) : NULL;

		if (folio)
			folio_put(folio);
		if (!(in->next % 1024))
			cond_resched();
	}
	memfd_end_retrieve(in);
}

/**
 * memfd_luo_get_size - how large is a memfd that was not retrieved?
 * @args: as of memfd_luo_retrieve()
 *
 * Return: bytes, or -EINVAL if its description is nonsense.
 */
loff_t memfd_luo_get_size(const struct liveupdate_file_op_args *args)
{
	const struct memfd_luo_in *in = args->private_data;
	const struct memfd_luo_ser *ser;

	if (in)
		return in->ser.size;
	ser = memfd_find_ser(args->serialized_data);
	return ser ? ser->size : -EINVAL;
}

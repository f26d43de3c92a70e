// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds in huge pages: a memfd of the previous kernel comes back.
 *
 * Invariants:
 *  - both tables are checked to their end before a folio is taken, with the
 *    size of each folio; what only shows as they are taken is that somebody
 *    else's table has a folio, too;
 *  - a folio that is taken is in the file or in struct hugetlb_luo_in, so a
 *    retrieval that failed in passing can go on;
 *  - memory of a table that can't be believed is never free: it stays preserved,
 *    or in a file that nobody can reach.
 *
 * A folio joins the pool on its way into the file. Folios are put in from the
 * end of the file, and reservations from its start: then the reservation map is
 * not searched for each.
 *
 * All of it is under the mutex of the session; nobody else knows the file yet.
 */
#define pr_fmt(fmt) "hugetlb_luo: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/hugetlb_memfd.h>
#include <linux/kmemleak.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "hugetlb_luo.h"
#include "memfd_luo.h"

#define HUGETLB_LUO_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | \
				 F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC)

/* A memfd that is being retrieved, kept between tries. */
struct hugetlb_luo_in {
	/* of its pages; NULL if this kernel has none of that size */
	struct hstate *h;
	/* vmalloc areas, NULL if there are no entries */
	struct hugetlb_luo_folio_ser *table;
	struct hugetlb_luo_range_ser *ranges;
	/* both are there, and believed */
	bool checked;
	/* NULL until the first folio is to be put into it */
	struct file *file;
	/* entries of @table from here on are restored: into the file, or @folio */
	unsigned long left;
	/* all its entries */
	unsigned long nr;
	/* what is in the file has a reference of ours, too, until it is finished */
	bool hold;
	/* restored, and not in the file yet; NULL if there is none */
	struct folio *folio;
	/* the ranges before are reserved */
	unsigned long next_range;
};

static bool hugetlb_luo_fits(u64 nr, size_t size, const struct kho_vmalloc *kv)
{
	return !nr == !kv->first &&
	       nr <= ((u64)kv->total_pages << PAGE_SHIFT) / size;
}

VISIBLE_IF_KUNIT bool hugetlb_luo_ser_is_sane(const struct hugetlb_luo_ser *ser)
{
	return ser->size <= MAX_LFS_FILESIZE && ser->pos <= MAX_LFS_FILESIZE &&
	       !(ser->seals & ~HUGETLB_LUO_SEALS) &&
	       ser->order && ser->order < BITS_PER_LONG - PAGE_SHIFT &&
	       hugetlb_luo_fits(ser->nr_folios, sizeof(struct hugetlb_luo_folio_ser),
				&ser->folios) &&
	       hugetlb_luo_fits(ser->nr_ranges, sizeof(struct hugetlb_luo_range_ser),
				&ser->ranges);
}

static const struct hugetlb_luo_ser *hugetlb_luo_find_ser(u64 phys)
{
	const struct hugetlb_luo_ser *ser;

	if (offset_in_page(phys) + sizeof(*ser) > PAGE_SIZE ||
	    !kho_was_preserved(PAGE_ALIGN_DOWN(phys), 1))
		return NULL;
	ser = phys_to_virt(phys);
	return hugetlb_luo_ser_is_sane(ser) ? ser : NULL;
}

static const struct hugetlb_luo_ser *hugetlb_luo_get_ser(u64 phys)
{
	const struct hugetlb_luo_ser *ser = hugetlb_luo_find_ser(phys);

	if (!ser)
		pr_err("a memfd is described by nonsense, its memory is kept\n");
	return ser;
}

/* kho_preserved_order() that a test can replace. */
VISIBLE_IF_KUNIT int hugetlb_luo_preserved_order(phys_addr_t phys)
{
	KUNIT_STATIC_STUB_REDIRECT(hugetlb_luo_preserved_order, phys);
	return kho_preserved_order(phys);
}

/* All entries, before one of them is believed. */
VISIBLE_IF_KUNIT int hugetlb_luo_check_table(const struct hugetlb_luo_ser *ser,
					     const struct hugetlb_luo_folio_ser *table)
{
	u64 end = DIV_ROUND_UP_ULL(ser->size, PAGE_SIZE << ser->order), next = 0, i;

	for (i = 0; i < ser->nr_folios; i++) {
		cond_resched();
		if (table[i].index < next || table[i].index >= end ||
		    table[i].pfn > PHYS_PFN(PHYS_ADDR_MAX) ||
		    hugetlb_luo_preserved_order(PFN_PHYS(table[i].pfn)) != (int)ser->order)
			return -EINVAL;
		next = table[i].index + 1;
	}
	return 0;
}

/* In order, and for holes only. */
VISIBLE_IF_KUNIT int hugetlb_luo_check_ranges(const struct hugetlb_luo_ser *ser,
					      const struct hugetlb_luo_folio_ser *table,
					      const struct hugetlb_luo_range_ser *ranges)
{
	u64 end = DIV_ROUND_UP_ULL(ser->size, PAGE_SIZE << ser->order), next = 0, i, t = 0;

	for (i = 0; i < ser->nr_ranges; i++) {
		cond_resched();
		if (ranges[i].from < next || ranges[i].from >= ranges[i].to ||
		    ranges[i].to > end)
			return -EINVAL;
		while (t < ser->nr_folios && table[t].index < ranges[i].from)
			t++;
		if (t < ser->nr_folios && table[t].index < ranges[i].to)
			return -EINVAL;
		next = ranges[i].to;
	}
	return 0;
}

/* Get the tables, and believe them. What is there is kept if the rest fails. */
static int hugetlb_luo_load(struct hugetlb_luo_in *in, const struct hugetlb_luo_ser *ser)
{
	void *area;
	int err;

	if (in->checked)
		return 0;
	if (!in->table && ser->nr_folios) {
		area = kho_restore_vmalloc(&ser->folios);
		if (IS_ERR(area))
			return PTR_ERR(area);
		in->table = area;
	}
	if (!in->ranges && ser->nr_ranges) {
		area = kho_restore_vmalloc(&ser->ranges);
		if (IS_ERR(area))
			return PTR_ERR(area);
		in->ranges = area;
	}
	err = hugetlb_luo_check_table(ser, in->table);
	if (!err)
		err = hugetlb_luo_check_ranges(ser, in->table, in->ranges);
	if (err)
		return err;
	in->nr = ser->nr_folios;
	in->left = in->nr;
	in->checked = true;
	return 0;
}

static struct hugetlb_luo_in *hugetlb_luo_begin(const struct hugetlb_luo_ser *ser, bool hold)
{
	struct hugetlb_luo_in *in = kzalloc(sizeof(*in), GFP_KERNEL);

	if (in) {
		in->h = size_to_hstate(PAGE_SIZE << ser->order);
		in->hold = hold;
	}
	return in;
}

static int hugetlb_luo_make_file(struct hugetlb_luo_in *in,
				 const struct hugetlb_luo_ser *ser)
{
	struct file *file;
	struct inode *inode;

	if (in->file)
		return 0;
	file = hugetlb_file_setup("memfd:liveupdate", 0, VM_NORESERVE,
				  HUGETLB_ANONHUGE_INODE, huge_page_shift(in->h));
	/*
	 * Nothing that is wrong with the memfd, whatever it is called: no memory
	 * for an inode is ENOSPC, too many files is ENFILE.
	 */
	if (IS_ERR(file))
		return -ENOMEM;
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	file->f_flags |= O_LARGEFILE;
	inode = file_inode(file);
	i_size_write(inode, ser->size);
	/* A memfd with that seal was made without the bits, or can do without. */
	if (ser->seals & F_SEAL_EXEC)
		inode->i_mode &= ~0111;
	in->file = file;
	return 0;
}

static int hugetlb_luo_retrieve_folios(struct hugetlb_luo_in *in)
{
	struct inode *inode = file_inode(in->file);
	int err;

	while (in->folio || in->left) {
		if (!in->folio) {
			in->folio = kho_restore_folio(PFN_PHYS(in->table[in->left - 1].pfn));
			/* Somebody else's table has it, too. */
			if (!in->folio)
				return -EINVAL;
			in->left--;
		}
		if (!folio_test_hugetlb(in->folio)) {
			err = hugetlb_adopt_folio(in->h, in->folio);
			if (err)
				return err;
		}
		if (in->hold)
			folio_get(in->folio);
		err = hugetlb_add_adopted_folio(inode, in->folio,
						in->table[in->left].index);
		if (err) {
			if (in->hold)
				folio_put(in->folio);
			return err;
		}
		in->folio = NULL;
		cond_resched();
	}
	return 0;
}

/* What was reserved for holes is reserved again, if the pool has as much. */
static int hugetlb_luo_reserve(struct hugetlb_luo_in *in, unsigned long nr)
{
	struct inode *inode = file_inode(in->file);

	for (; in->next_range < nr; in->next_range++) {
		const struct hugetlb_luo_range_ser *range = &in->ranges[in->next_range];

		if (!hugetlb_reserve_pages(inode, range->from, range->to, NULL, 0)) {
			pr_warn("a memfd has more pages of %lu KiB reserved than the pool can give: enlarge it, and retrieve again\n",
				huge_page_size(in->h) / SZ_1K);
			return -ENOMEM;
		}
		cond_resched();
	}
	return 0;
}

static int hugetlb_luo_fill(struct hugetlb_luo_in *in, const struct hugetlb_luo_ser *ser)
{
	int err;

	if (!in->h) {
		pr_err("this kernel has no pages of %lu KiB\n",
		       (PAGE_SIZE << ser->order) / SZ_1K);
		return -EOPNOTSUPP;
	}
	err = hugetlb_luo_load(in, ser);
	if (!err)
		err = hugetlb_luo_make_file(in, ser);
	if (!err)
		err = hugetlb_luo_retrieve_folios(in);
	if (!err)
		err = hugetlb_luo_reserve(in, ser->nr_ranges);
	if (!err && ser->seals & F_SEAL_WRITE)
		err = mapping_deny_writable(in->file->f_mapping);
	return err;
}

/* The file, if nobody else has it, and what is in it go where they belong. */
static void hugetlb_luo_in_end(struct hugetlb_luo_in *in)
{
	if (in->file)
		fput(in->file);
	vfree(in->table);
	vfree(in->ranges);
	kfree(in);
}

/* Something is not what it should be: whose the folios are, who knows. */
static void hugetlb_luo_quarantine(struct hugetlb_luo_in *in)
{
	/* The reference to @in->folio is kept, too. */
	if (in->file)
		kmemleak_not_leak(in->file);
	in->file = NULL;
	hugetlb_luo_in_end(in);
}

/**
 * hugetlb_luo_retrieve - make a memfd of what the previous kernel left
 * @args: names the data of the previous kernel; gets the file
 *
 * Return: 0; -ENOMEM, -EINTR or -EAGAIN if it may be tried again, -ENOMEM also
 * if the pool has less than the file has reserved; -EIO if the data are damaged,
 * or -EOPNOTSUPP if this kernel has no pages of that size.
 */
int hugetlb_luo_retrieve(struct liveupdate_file_op_args *args)
{
	const struct hugetlb_luo_ser *ser = hugetlb_luo_get_ser(args->serialized_data);
	struct hugetlb_luo_in *in = args->private_data;
	int err;

	if (!ser)
		return -EIO;
	if (!in)
		in = hugetlb_luo_begin(ser, liveupdate_memory_is_reached(args->session));
	if (!in)
		return -ENOMEM;
	err = hugetlb_luo_fill(in, ser);
	if (memfd_luo_is_passing(err)) {
		args->private_data = in;
		return err;
	}
	args->private_data = !err && in->hold ? in : NULL;
	if (err) {
		hugetlb_luo_quarantine(in);
		pr_err("a memfd can't be retrieved (%d), its memory is kept\n", err);
		return err == -EOPNOTSUPP ? err : -EIO;
	}

	HUGETLBFS_I(file_inode(in->file))->seals = ser->seals;
	in->file->f_pos = ser->pos;
	args->file = get_file(in->file);
	if (!in->hold)
		hugetlb_luo_in_end(in);
	kho_restore_free(phys_to_virt(args->serialized_data));
	return 0;
}

/* To the pool, or to everybody if this kernel has no pool of that size. */
static void hugetlb_luo_free_folio(struct hugetlb_luo_in *in, struct folio *folio)
{
	if (!in->h || folio_test_hugetlb(folio))
		folio_put(folio);
	else
		hugetlb_adopt_free_folio(in->h, folio);
}

static void hugetlb_luo_discard_folios(struct hugetlb_luo_in *in)
{
	if (in->folio)
		hugetlb_luo_free_folio(in, in->folio);
	while (in->left) {
		struct folio *folio;

		in->left--;
		folio = kho_restore_folio(PFN_PHYS(in->table[in->left].pfn));
		if (folio)
			hugetlb_luo_free_folio(in, folio);
		cond_resched();
	}
}

/* Of those that are in the file. */
static void hugetlb_luo_put_held(struct hugetlb_luo_in *in)
{
	unsigned long i;

	if (!in->hold)
		return;
	for (i = in->left + !!in->folio; i < in->nr; i++)
		folio_put(pfn_folio(in->table[i].pfn));
	in->hold = false;
}

/* @in may be one that was to be retrieved, or NULL; each try goes on from there. */
static int hugetlb_luo_begin_discard(struct hugetlb_luo_in **in,
				     const struct hugetlb_luo_ser *ser)
{
	unsigned int tries = 0;
	int err;

	do {
		if (!*in)
			*in = hugetlb_luo_begin(ser, false);
		err = *in ? hugetlb_luo_load(*in, ser) : -ENOMEM;
	} while (memfd_luo_may_retry(err, &tries));
	return err;
}

/**
 * hugetlb_luo_finish - free what was not retrieved
 * @args: as of hugetlb_luo_retrieve()
 */
void hugetlb_luo_finish(struct liveupdate_file_op_args *args)
{
	struct hugetlb_luo_in *in = args->private_data;
	const struct hugetlb_luo_ser *ser;
	int err;

	/* Retrieved: nothing is left but what is held. */
	if (in && args->retrieve_status > 0) {
		args->private_data = NULL;
		hugetlb_luo_put_held(in);
		hugetlb_luo_in_end(in);
	}
	/* Failed for good: nothing is believed. */
	if (args->retrieve_status)
		return;
	ser = hugetlb_luo_get_ser(args->serialized_data);
	if (!ser)
		return;
	args->private_data = NULL;
	err = hugetlb_luo_begin_discard(&in, ser);
	if (err) {
		pr_err("a memfd can't be discarded (%d), its memory is kept\n", err);
		if (in)
			hugetlb_luo_quarantine(in);
		return;
	}
	hugetlb_luo_put_held(in);
	hugetlb_luo_discard_folios(in);
	hugetlb_luo_in_end(in);
	kho_restore_free((void *)ser);
}

/**
 * hugetlb_luo_get_size - how large is a memfd that was not retrieved?
 * @args: as of hugetlb_luo_retrieve()
 *
 * Return: bytes, or -EINVAL if its description is nonsense.
 */
loff_t hugetlb_luo_get_size(const struct liveupdate_file_op_args *args)
{
	const struct hugetlb_luo_ser *ser = hugetlb_luo_find_ser(args->serialized_data);

	return ser ? ser->size : -EINVAL;
}

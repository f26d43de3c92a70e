// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of hugetlb memfds: what the pools of the next kernel will get.
 *
 * The pages of a preserved memfd are in no pool until it is retrieved. That
 * they come is told here, so that a kernel with hugepages= on its command line
 * does not allocate them a second time, in memory that may not be there.
 *
 * Which pages of a pool are surplus nobody can say, there only is a number of
 * them for each node. Here it is the one that would remain if everything but the
 * preserved files were closed, which is what the kexec does.
 *
 * Invariants:
 *  - the record is in the handover exactly while a file is frozen;
 *  - a record of the previous kernel is believed whole or not at all, and says
 *    no more than that pages come: which ones, their files tell.
 *
 * Lock order: the mutex of a session, hugetlb_pool_out.lock, hugetlb_lock.
 */
#define pr_fmt(fmt) "HugeTLB: " fmt

#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/hugetlb.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/hugetlb_memfd.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "hugetlb_luo.h"

static const char hugetlb_pool_compatible[sizeof_field(struct hugetlb_pool_ser,
						       compatible)] =
	HUGETLB_POOL_COMPATIBLE;

static struct hugetlb_pool_out {
	/* protects the members */
	struct mutex lock;
	/** @ser: an entry for each size and node; NULL while no file is frozen */
	struct hugetlb_pool_ser *ser;
	/** @nr_files: files that are frozen */
	unsigned int nr_files;
} hugetlb_pool_out = {
	.lock = __MUTEX_INITIALIZER(hugetlb_pool_out.lock),
};

static struct hugetlb_pool_entry_ser *pool_entry(struct hstate *h, int nid)
{
	lockdep_assert_held(&hugetlb_pool_out.lock);
	return &hugetlb_pool_out.ser->entries[hstate_index(h) * nr_node_ids + nid];
}

static int hugetlb_pool_publish(void)
{
	unsigned int nr = hugetlb_max_hstate * nr_node_ids;
	struct hugetlb_pool_ser *ser;
	struct hstate *h;
	int nid, err;

	ser = kho_alloc_preserve(struct_size(ser, entries, nr));
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	memcpy(ser->compatible, hugetlb_pool_compatible, sizeof(ser->compatible));
	ser->nr_entries = nr;
	hugetlb_pool_out.ser = ser;
	for_each_hstate(h) {
		for (nid = 0; nid < nr_node_ids; nid++) {
			pool_entry(h, nid)->order = huge_page_order(h);
			pool_entry(h, nid)->nid = nid;
		}
	}

	err = kho_add_subtree(HUGETLB_POOL_FDT_NODE, ser, struct_size(ser, entries, nr));
	if (err) {
		hugetlb_pool_out.ser = NULL;
		kho_unpreserve_free(ser);
	}
	return err;
}

/* All but the preserved pages gone: what is more than the pool is to have? */
static void hugetlb_pool_count_surplus(struct hstate *h)
{
	int nid;

	spin_lock_irq(&hugetlb_lock);
	for (nid = 0; nid < nr_node_ids; nid++) {
		struct hugetlb_pool_entry_ser *entry = pool_entry(h, nid);
		u64 persistent = h->nr_huge_pages_node[nid] -
				 h->surplus_huge_pages_node[nid];

		entry->surplus = entry->nr - min(entry->nr, persistent);
	}
	spin_unlock_irq(&hugetlb_lock);
}

static void hugetlb_pool_count(struct hstate *h,
			       const struct hugetlb_luo_folio_ser *table,
			       unsigned long nr, s64 delta)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		pool_entry(h, pfn_to_nid(table[i].pfn))->nr += delta;
	hugetlb_pool_count_surplus(h);
}

/**
 * hugetlb_luo_pool_add - the next kernel is to know of the pages of a file
 * @h: their pool
 * @table: all pages of the file
 * @nr: entries in @table
 *
 * Context: process context, may sleep.
 * Return: 0 or a negative errno.
 */
int hugetlb_luo_pool_add(struct hstate *h, const struct hugetlb_luo_folio_ser *table,
			 unsigned long nr)
{
	int err = 0;

	mutex_lock(&hugetlb_pool_out.lock);
	if (!hugetlb_pool_out.ser)
		err = hugetlb_pool_publish();
	if (!err) {
		hugetlb_pool_out.nr_files++;
		hugetlb_pool_count(h, table, nr, 1);
	}
	mutex_unlock(&hugetlb_pool_out.lock);
	return err;
}

/**
 * hugetlb_luo_pool_remove - undo hugetlb_luo_pool_add()
 * @h: as there
 * @table: as there
 * @nr: as there
 *
 * Context: process context, may sleep.
 */
void hugetlb_luo_pool_remove(struct hstate *h,
			     const struct hugetlb_luo_folio_ser *table,
			     unsigned long nr)
{
	mutex_lock(&hugetlb_pool_out.lock);
	hugetlb_pool_count(h, table, nr, -1);
	if (!--hugetlb_pool_out.nr_files) {
		kho_remove_subtree(hugetlb_pool_out.ser);
		kho_unpreserve_free(hugetlb_pool_out.ser);
		hugetlb_pool_out.ser = NULL;
	}
	mutex_unlock(&hugetlb_pool_out.lock);
}

/* Can it be true? All that is said to come is in the map of preserved memory. */
VISIBLE_IF_KUNIT bool hugetlb_pool_is_sane(const struct hugetlb_pool_ser *ser,
					   size_t size, u64 max_pages)
{
	u64 i, pages = 0;

	if (size < sizeof(*ser) ||
	    memcmp(ser->compatible, hugetlb_pool_compatible, sizeof(ser->compatible)) ||
	    ser->nr_entries > (size - sizeof(*ser)) / sizeof(ser->entries[0]))
		return false;
	for (i = 0; i < ser->nr_entries; i++) {
		const struct hugetlb_pool_entry_ser *entry = &ser->entries[i];

		if (entry->order >= BITS_PER_LONG - PAGE_SHIFT ||
		    entry->nid >= MAX_NUMNODES || entry->surplus > entry->nr ||
		    entry->nr > (max_pages - pages) >> entry->order)
			return false;
		pages += entry->nr << entry->order;
	}
	return true;
}

static const struct hugetlb_pool_ser *__init hugetlb_pool_find(void)
{
	const struct hugetlb_pool_ser *ser;
	phys_addr_t phys;
	size_t size;

	/* Nobody can retrieve a file: nothing will come. */
	if (!liveupdate_enabled() ||
	    kho_retrieve_subtree(HUGETLB_POOL_FDT_NODE, &phys, &size))
		return NULL;
	ser = phys_to_virt(phys);
	if (hugetlb_pool_is_sane(ser, size, kho_nr_restorable()))
		return ser;
	pr_err_once("what the previous kernel says of its pools is ignored: it is damaged, or unknown\n");
	return NULL;
}

/**
 * hugetlb_luo_expect_pages - note what a new pool will get of the previous kernel
 * @h: the pool, nobody uses it yet
 *
 * Context: boot, all nodes are known.
 */
void __init hugetlb_luo_expect_pages(struct hstate *h)
{
	const struct hugetlb_pool_ser *ser = hugetlb_pool_find();
	u64 i;

	for (i = 0; ser && i < ser->nr_entries; i++) {
		const struct hugetlb_pool_entry_ser *entry = &ser->entries[i];
		int nid = entry->nid;

		if (entry->order != huge_page_order(h))
			continue;
		/* With numa=off, say, it is all on one node. */
		if (!node_state(nid, N_MEMORY))
			nid = first_memory_node;
		h->incoming_huge_pages_node[nid] += entry->nr - entry->surplus;
		h->incoming_surplus_node[nid] += entry->surplus;
	}
}

/**
 * hugetlb_luo_leave_room - take what comes off what the command line asks for
 * @h: the pool, hugepages= is read and nothing is allocated yet
 *
 * Context: boot.
 */
void __init hugetlb_luo_leave_room(struct hstate *h)
{
	unsigned long room = 0;
	bool by_node = false;
	int nid;

	for_each_online_node(nid)
		by_node |= h->max_huge_pages_node[nid];
	for_each_online_node(nid) {
		unsigned int nr = h->incoming_huge_pages_node[nid];

		if (by_node) {
			nr = min(nr, h->max_huge_pages_node[nid]);
			h->max_huge_pages_node[nid] -= nr;
		}
		room += nr;
	}
	room = min(room, h->max_huge_pages);
	if (!room)
		return;
	pr_info("%lu of %lu pages of %lu KiB are those of the previous kernel\n",
		room, h->max_huge_pages, huge_page_size(h) / SZ_1K);
	h->max_huge_pages -= room;
}

/**
 * hugetlb_luo_poorest_node - which node should have one more page?
 * @h: the pool
 * @got: pages that are allocated for it, of each node
 * @nodes: to choose from
 *
 * Context: boot.
 * Return: a node that has fewer pages than another one, of these and those that
 * come of the previous kernel; NUMA_NO_NODE if all have the same.
 */
int __init hugetlb_luo_poorest_node(const struct hstate *h, const unsigned int *got,
				    const nodemask_t *nodes)
{
	unsigned int least = UINT_MAX, most = 0, nr;
	int nid, poorest = NUMA_NO_NODE;

	for_each_node_mask(nid, *nodes) {
		nr = h->incoming_huge_pages_node[nid] + got[nid];
		most = max(most, nr);
		if (nr < least) {
			least = nr;
			poorest = nid;
		}
	}
	return least < most ? poorest : NUMA_NO_NODE;
}

static int __init hugetlb_luo_pool_init(void)
{
	const struct hugetlb_pool_ser *ser = hugetlb_pool_find();

	/* All pools are there, and have read it. If it is damaged, whose is that page? */
	if (ser)
		kho_restore_free((void *)ser);
	return 0;
}
late_initcall(hugetlb_luo_pool_init);

// SPDX-License-Identifier: GPL-2.0
/*
 * Memory for the next kernel: the outgoing map, filled in this kernel and read
 * by the next one.
 *
 * Invariants:
 *  - what is in the map belongs to somebody who holds a reference to it;
 *  - nothing in scratch is: the next kernel will have that for itself;
 *  - memory that is in the map does not go off line.
 *
 * Lock order: kho_out.lock is a leaf.
 */
#define pr_fmt(fmt) "KHO: " fmt

#include <kunit/static_stub.h>
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/log2.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/printk.h>

#include "kho_map.h"
#include "kho_memory.h"
#include "kho_scratch.h"

static struct kho_out {
	/* protects the members that say so; a leaf */
	struct mutex lock;
	/** @map: what is preserved for the next kernel; under @lock */
	struct kho_map map;
	/** @nr_pages: pages in @map; under @lock */
	unsigned long nr_pages;
	/** @section: all of it can be preserved, or ULONG_MAX; under @lock */
	unsigned long section;
} kho_out = {
	.lock = __MUTEX_INITIALIZER(kho_out.lock),
	.section = ULONG_MAX,
};

/* Is anything between two page frames preserved? @bitmap is for an area. */
static bool kho_preserves_any(unsigned long pfn, unsigned long end,
			      unsigned long *bitmap)
{
	guard(mutex)(&kho_out.lock);
	while (pfn < end) {
		unsigned long area = pfn >> KHO_MAP_LEAF_BITS;
		unsigned long first = area << KHO_MAP_LEAF_BITS;
		unsigned long last = min(end - first, KHO_MAP_AREA_PAGES);

		kho_map_area(&kho_out.map, area, bitmap);
		if (find_next_bit(bitmap, last, pfn - first) < last)
			return true;
		pfn = first + last;
	}
	return false;
}

/*
 * What is preserved can't be moved, and who wants it off line would try for
 * ever. Memory that is being taken off line is isolated before we are asked, so
 * those who look where they preserve take care that it is not there.
 */
static int kho_memory_notify(struct notifier_block *nb, unsigned long action,
			     void *arg)
{
	const struct memory_notify *notify = arg;
	unsigned long pfn = notify->start_pfn, end = pfn + notify->nr_pages;
	phys_addr_t from = PFN_PHYS(pfn), to = PFN_PHYS(end) - 1;
	unsigned long *bitmap;
	bool preserved;

	if (action != MEM_GOING_OFFLINE)
		return NOTIFY_OK;
	/* What comes back may be other memory. */
	scoped_guard(mutex, &kho_out.lock)
		kho_out.section = ULONG_MAX;
	bitmap = bitmap_alloc(KHO_MAP_AREA_PAGES, GFP_KERNEL);
	if (!bitmap)
		return notifier_from_errno(-ENOMEM);
	preserved = kho_preserves_any(pfn, end, bitmap);
	bitmap_free(bitmap);
	if (!preserved)
		return NOTIFY_OK;
	pr_warn("[mem %pa-%pa] stays on line: some of it is preserved\n",
		&from, &to);
	return notifier_from_errno(-EBUSY);
}

/**
 * kho_memory_create - make the outgoing map
 *
 * Return: 0 or -ENOMEM.
 */
int kho_memory_create(void)
{
	int err = kho_map_create(&kho_out.map);

	if (!err)
		hotplug_memory_notifier(kho_memory_notify, DEFAULT_CALLBACK_PRI);
	return err;
}

/**
 * kho_memory_map_phys - where the outgoing map is
 *
 * Return: physical address of its root.
 */
phys_addr_t kho_memory_map_phys(void)
{
	return virt_to_phys(kho_out.map.root);
}

/**
 * kho_nr_preserved - how much is preserved for the next kernel
 *
 * Return: number of pages.
 */
unsigned long kho_nr_preserved(void)
{
	guard(mutex)(&kho_out.lock);
	return kho_out.nr_pages;
}

/* Blocks come side by side: what one has shown holds for all of its section. */
static int kho_check_block(unsigned long pfn, unsigned int order)
{
	unsigned long section = pfn_to_section_nr(pfn);
	phys_addr_t phys = PFN_PHYS(section_nr_to_pfn(section));

	if (likely(section == kho_out.section && order <= PFN_SECTION_SHIFT))
		return 0;
	if (kho_scratch_overlaps(PFN_PHYS(pfn), PAGE_SIZE << order))
		return -ERANGE;
	if (!kho_was_there_at_boot(pfn, order))
		return -EOPNOTSUPP;
	if (!kho_scratch_overlaps(phys, BIT_ULL(SECTION_SIZE_BITS)))
		kho_out.section = section;
	return 0;
}

static int kho_preserve_block(unsigned long pfn, unsigned int order)
{
	int err;

	lockdep_assert_held(&kho_out.lock);

	if (!kho_out.map.root)
		return -EOPNOTSUPP;
	err = kho_check_block(pfn, order);
	if (err)
		return err;
	err = kho_map_add(&kho_out.map, pfn, order);
	if (!err)
		kho_out.nr_pages += BIT(order);
	return err;
}

static void kho_unpreserve_block(unsigned long pfn, unsigned int order)
{
	lockdep_assert_held(&kho_out.lock);

	if (WARN_ON_ONCE(!kho_map_del(&kho_out.map, pfn, order)))
		return;
	kho_out.nr_pages -= BIT(order);
}

/**
 * kho_preserve_folio - preserve a folio across kexec
 * @folio: the caller holds a reference until kho_unpreserve_folio()
 *
 * Context: process context, may sleep.
 * Return: 0, -EEXIST if it is preserved already, -ERANGE if it lies in scratch
 * (migrate it and try again), -EINVAL if it is a slab, -ENOMEM, or -EOPNOTSUPP
 * with KHO off or in memory that was added since boot.
 */
int kho_preserve_folio(struct folio *folio)
{
	/* Whole pages only: who knows who has the other objects in a slab. */
	if (folio_test_slab(folio))
		return -EINVAL;

	guard(mutex)(&kho_out.lock);
	return kho_preserve_block(folio_pfn(folio), folio_order(folio));
}
EXPORT_SYMBOL_GPL(kho_preserve_folio);

/**
 * kho_unpreserve_folio - undo kho_preserve_folio()
 * @folio: as it was preserved
 *
 * Context: process context, may sleep.
 */
void kho_unpreserve_folio(struct folio *folio)
{
	guard(mutex)(&kho_out.lock);
	kho_unpreserve_block(folio_pfn(folio), folio_order(folio));
}
EXPORT_SYMBOL_GPL(kho_unpreserve_folio);

int kho_pfn_to_nid(unsigned long pfn)
{
	KUNIT_STATIC_STUB_REDIRECT(kho_pfn_to_nid, pfn);
	return pfn_to_nid(pfn);
}

/**
 * kho_block_order - size of the first block of a range
 * @pfn: first page frame of the range
 * @end: page frame behind it
 *
 * A range is kept as naturally aligned blocks, none of which spans two nodes.
 * Both kernels cut a range alike, so nobody has to remember the cuts.
 *
 * Return: the order of the block at @pfn.
 */
unsigned int kho_block_order(unsigned long pfn, unsigned long end)
{
	unsigned int order = ilog2(end - pfn);

	if (pfn)
		order = min_t(unsigned int, order, __ffs(pfn));
	order = min_t(unsigned int, order, KHO_MAP_MAX_ORDER);
	while (order && kho_pfn_to_nid(pfn) != kho_pfn_to_nid(pfn + BIT(order) - 1))
		order--;
	return order;
}

/* Undo the blocks from @pfn to @stop of a range that was cut up to @end. */
static void kho_unpreserve_range(unsigned long pfn, unsigned long stop,
				 unsigned long end)
{
	unsigned int order;

	for (; pfn < stop; pfn += BIT(order)) {
		order = kho_block_order(pfn, end);
		kho_unpreserve_block(pfn, order);
	}
}

/**
 * kho_preserve_pages - preserve a range of pages across kexec
 * @page: first page
 * @nr_pages: length of the range
 *
 * Context: process context, may sleep.
 * Return: 0 or a negative errno as of kho_preserve_folio(), with nothing
 * preserved.
 */
int kho_preserve_pages(struct page *page, unsigned long nr_pages)
{
	unsigned long first = page_to_pfn(page), end = first + nr_pages, pfn;
	unsigned int order;
	int err;

	guard(mutex)(&kho_out.lock);

	for (pfn = first; pfn < end; pfn += BIT(order)) {
		order = kho_block_order(pfn, end);
		err = kho_preserve_block(pfn, order);
		if (err) {
			kho_unpreserve_range(first, pfn, end);
			return err;
		}
	}
	return 0;
}
EXPORT_SYMBOL_GPL(kho_preserve_pages);

/**
 * kho_unpreserve_pages - undo kho_preserve_pages()
 * @page: as it was preserved
 * @nr_pages: as it was preserved, a part of the range won't do
 *
 * Context: process context, may sleep.
 */
void kho_unpreserve_pages(struct page *page, unsigned long nr_pages)
{
	unsigned long pfn = page_to_pfn(page);

	guard(mutex)(&kho_out.lock);
	kho_unpreserve_range(pfn, pfn + nr_pages, pfn + nr_pages);
}
EXPORT_SYMBOL_GPL(kho_unpreserve_pages);

/**
 * kho_is_preserved - is a block preserved for the next kernel?
 * @phys: physical address
 * @order: order it was preserved with
 *
 * Context: process context, may sleep.
 * Return: whether it is.
 */
bool kho_is_preserved(phys_addr_t phys, unsigned int order)
{
	guard(mutex)(&kho_out.lock);
	return kho_map_test(&kho_out.map, PHYS_PFN(phys), order);
}

/**
 * kho_alloc_preserve - allocate memory and preserve it
 * @size: in bytes, rounded up to a power of two of pages
 *
 * It is charged to the memory cgroup of the caller.
 *
 * Context: process context, may sleep.
 * Return: memory of which the first @size bytes are zeroed, or an ERR_PTR().
 */
void *kho_alloc_preserve(size_t size)
{
	struct folio *folio;
	int err;

	folio = kho_alloc_folio(GFP_KERNEL_ACCOUNT, get_order(size));
	if (!folio)
		return ERR_PTR(-ENOMEM);
	/* Most are small, and there may be thousands of them. */
	memset(folio_address(folio), 0, size);
	err = kho_preserve_folio(folio);
	if (err) {
		folio_put(folio);
		return ERR_PTR(err);
	}
	return folio_address(folio);
}
EXPORT_SYMBOL_GPL(kho_alloc_preserve);

/**
 * kho_unpreserve_free - undo kho_alloc_preserve()
 * @mem: its result, NULL is ignored
 *
 * Context: process context, may sleep.
 */
void kho_unpreserve_free(void *mem)
{
	if (!mem)
		return;
	kho_unpreserve_folio(virt_to_folio(mem));
	folio_put(virt_to_folio(mem));
}
EXPORT_SYMBOL_GPL(kho_unpreserve_free);

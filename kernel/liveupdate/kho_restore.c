// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the previous kernel: keep everybody's hands off it, and give it
 * back to whoever asks for it.
 *
 * The incoming map is what the previous kernel left, its nodes are pages of the
 * previous kernel's and stay reserved. A block leaves the map when it is
 * restored, so it is restored once, and what is still in there is preserved
 * memory that nobody has claimed: it stays reserved until reboot.
 *
 * At boot the map is walked before anything but scratch is allocated from.
 * Memory is reserved by granules of %KHO_GRANULE_PAGES: a granule that is
 * preserved only in part is reserved whole, and its free pages are released
 * when the buddy allocator is up. So memblock has a few large regions where the
 * map may have millions of single pages.
 *
 * Lock order: kho_in.lock is a leaf.
 */
#define pr_fmt(fmt) "KHO: " fmt

#include <kunit/static_stub.h>
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/pgalloc_tag.h>
#include <linux/spinlock.h>

#include "kho_map.h"
#include "kho_memory.h"
#include "kho_scratch.h"

/* For prep_compound_page(). */
#include "../../mm/internal.h"

#define KHO_GRANULE_PAGES	pageblock_nr_pages

static struct kho_in {
	/* protects the members that say so; a leaf, not taken in interrupts */
	spinlock_t lock;
	/** @map: what the previous kernel preserved, less what was restored; under @lock */
	struct kho_map map;
	/** @nr_pages: pages in @map; under @lock */
	unsigned long nr_pages;
	/** @order_hint: order of the last block restored; under @lock */
	unsigned int order_hint;
	/** @gaps: granules with free pages that are reserved, one bit each; boot only */
	unsigned long *gaps;
} kho_in = {
	.lock = __SPIN_LOCK_UNLOCKED(kho_in.lock),
};

/* One area's pages; boot is single-threaded where it is used. */
static DECLARE_BITMAP(kho_area_bitmap, KHO_MAP_AREA_PAGES) __initdata;

/**
 * kho_nr_restorable - how much of the previous kernel's nobody has claimed
 *
 * Return: number of pages.
 */
unsigned long kho_nr_restorable(void)
{
	KUNIT_STATIC_STUB_REDIRECT(kho_nr_restorable);
	return READ_ONCE(kho_in.nr_pages);
}

/**
 * kho_is_restorable - was exactly this block left by the previous kernel?
 * @phys: physical address of the block
 * @order: its order
 *
 * Return: whether it was, and nobody has restored it.
 */
bool kho_is_restorable(phys_addr_t phys, unsigned int order)
{
	bool found;

	KUNIT_STATIC_STUB_REDIRECT(kho_is_restorable, phys, order);

	if (!IS_ALIGNED(phys, PAGE_SIZE << order))
		return false;
	spin_lock(&kho_in.lock);
	found = kho_map_test(&kho_in.map, PHYS_PFN(phys), order);
	spin_unlock(&kho_in.lock);
	return found;
}

/**
 * kho_was_preserved - did the previous kernel leave this range?
 * @phys: physical address, aligned to a page
 * @nr_pages: length of the range
 *
 * Return: whether all of it was preserved and is not restored yet.
 */
bool kho_was_preserved(phys_addr_t phys, unsigned long nr_pages)
{
	bool covered;

	KUNIT_STATIC_STUB_REDIRECT(kho_was_preserved, phys, nr_pages);

	if (!IS_ALIGNED(phys, PAGE_SIZE) || !nr_pages)
		return false;
	spin_lock(&kho_in.lock);
	covered = kho_map_covers(&kho_in.map, PHYS_PFN(phys), nr_pages);
	spin_unlock(&kho_in.lock);
	return covered;
}
EXPORT_SYMBOL_GPL(kho_was_preserved);

/**
 * kho_preserved_order - order of the block that the previous kernel left
 * @phys: physical address of the block
 *
 * Return: its order, or -ENOENT if none starts there that is not restored yet.
 */
int kho_preserved_order(phys_addr_t phys)
{
	int order;

	KUNIT_STATIC_STUB_REDIRECT(kho_preserved_order, phys);

	if (!IS_ALIGNED(phys, PAGE_SIZE))
		return -ENOENT;
	spin_lock(&kho_in.lock);
	order = kho_map_order(&kho_in.map, PHYS_PFN(phys), kho_in.order_hint);
	spin_unlock(&kho_in.lock);
	return order;
}
EXPORT_SYMBOL_GPL(kho_preserved_order);

/* Take the block that starts at @pfn; @hint may be its order. */
static int kho_claim_block(unsigned long pfn, unsigned int hint)
{
	int order;

	lockdep_assert_held(&kho_in.lock);

	/* What has left the map would be taken for a gap. */
	if (WARN_ON_ONCE(kho_in.gaps))
		return -EBUSY;
	order = kho_map_take(&kho_in.map, pfn, hint);
	if (order >= 0)
		WRITE_ONCE(kho_in.nr_pages, kho_in.nr_pages - BIT(order));
	return order;
}

/* Pages that were kept from everybody become allocated ones that the caller owns. */
static void kho_unreserve(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < BIT(order); i++) {
		__ClearPageReserved(page + i);
		set_page_count(page + i, 0);
	}
	clear_page_tag_ref(page);
	adjust_managed_page_count(page, BIT(order));
}

/**
 * kho_restore_folio - take over a folio that the previous kernel preserved
 * @phys: its physical address
 *
 * Context: not in interrupts, nor before kho_init().
 * Return: the folio with one reference, a large one if it was a large one, or
 * NULL if no block was preserved there or it is restored already.
 */
struct folio *kho_restore_folio(phys_addr_t phys)
{
	unsigned long pfn = PHYS_PFN(phys);
	struct page *page;
	int order;

	if (!IS_ALIGNED(phys, PAGE_SIZE))
		return NULL;

	spin_lock(&kho_in.lock);
	order = kho_claim_block(pfn, kho_in.order_hint);
	if (order >= 0)
		kho_in.order_hint = order;
	spin_unlock(&kho_in.lock);
	if (order < 0)
		return NULL;

	page = pfn_to_page(pfn);
	kho_unreserve(page, order);
	if (order)
		prep_compound_page(page, order);
	set_page_count(page, 1);
	return page_folio(page);
}
EXPORT_SYMBOL_GPL(kho_restore_folio);

/* Are the blocks of a range in the map, cut as kho_preserve_pages() does? */
static bool kho_has_range(unsigned long pfn, unsigned long end)
{
	unsigned int order;

	lockdep_assert_held(&kho_in.lock);

	/* Only what is in the map is known to be memory, with struct pages. */
	if (!kho_map_covers(&kho_in.map, pfn, end - pfn))
		return false;
	for (; pfn < end; pfn += BIT(order)) {
		order = kho_block_order(pfn, end);
		if (!kho_map_test(&kho_in.map, pfn, order))
			return false;
	}
	return true;
}

static bool kho_claim_range(unsigned long pfn, unsigned long nr_pages)
{
	unsigned int order;
	unsigned long end;
	bool has;

	if (!nr_pages || check_add_overflow(pfn, nr_pages, &end))
		return false;

	spin_lock(&kho_in.lock);
	has = kho_has_range(pfn, end);
	for (; has && pfn < end; pfn += BIT(order)) {
		order = kho_block_order(pfn, end);
		kho_claim_block(pfn, order);
	}
	spin_unlock(&kho_in.lock);
	return has;
}

/**
 * kho_retain_pages - take over a range, but leave it reserved
 * @phys: physical address, aligned to a page
 * @nr_pages: length of the range
 *
 * For what is reserved memory in either kernel. Blocks are taken whole: what
 * they have outside of the range can't be restored by anybody else either.
 *
 * Return: 0, or -ENOENT if not all of the range was preserved.
 */
int kho_retain_pages(phys_addr_t phys, unsigned long nr_pages)
{
	unsigned long pfn = PHYS_PFN(phys), end = pfn + nr_pages;
	bool covered;

	if (!IS_ALIGNED(phys, PAGE_SIZE) || !nr_pages)
		return -ENOENT;

	spin_lock(&kho_in.lock);
	covered = kho_map_covers(&kho_in.map, pfn, nr_pages);
	while (covered && pfn < end) {
		unsigned int order = kho_map_find(&kho_in.map, pfn);

		pfn = ALIGN_DOWN(pfn, BIT(order));
		kho_claim_block(pfn, order);
		pfn += BIT(order);
	}
	spin_unlock(&kho_in.lock);
	return covered ? 0 : -ENOENT;
}

/**
 * kho_restore_pages - take over pages that the previous kernel preserved
 * @phys: physical address of the first one
 * @nr_pages: as they were preserved
 *
 * Context: not in interrupts.
 * Return: the first page, each with one reference of its own, or NULL if the
 * range was not preserved like this or is restored already.
 */
struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr_pages)
{
	unsigned long pfn = PHYS_PFN(phys), i;

	if (!IS_ALIGNED(phys, PAGE_SIZE) || !kho_claim_range(pfn, nr_pages))
		return NULL;

	for (i = 0; i < nr_pages; i++) {
		kho_unreserve(pfn_to_page(pfn + i), 0);
		set_page_count(pfn_to_page(pfn + i), 1);
	}
	return pfn_to_page(pfn);
}
EXPORT_SYMBOL_GPL(kho_restore_pages);

/**
 * kho_restore_free - free in this kernel what kho_alloc_preserve() made in the
 *	previous one
 * @mem: its address in this kernel
 *
 * Memory that was not preserved, or is restored already, is left alone.
 *
 * Context: not in interrupts.
 */
void kho_restore_free(void *mem)
{
	struct folio *folio = kho_restore_folio(virt_to_phys(mem));

	if (folio)
		folio_put(folio);
}
EXPORT_SYMBOL_GPL(kho_restore_free);

/* Is it memory that nobody has, scratch apart? */
static bool __init kho_is_free(phys_addr_t phys, phys_addr_t size)
{
	return memblock_is_region_memory(phys, size) &&
	       !memblock_is_region_reserved(phys, size) &&
	       !kho_scratch_overlaps(phys, size);
}

static int __init kho_claim_node(phys_addr_t phys, void *arg)
{
	if (!phys || !kho_is_free(phys, PAGE_SIZE))
		return -EFAULT;
	return memblock_reserve(phys, PAGE_SIZE);
}

/*
 * Reserve full granules. Their struct pages are initialised with the others' unless that
 * is deferred; to mark each as reserved takes a good part of the boot, and nobody looks
 * at it: they have a reference, so nobody takes them for free or for movable.
 */
static int __init kho_reserve_run(phys_addr_t phys, phys_addr_t size)
{
	int err = memblock_reserve(phys, size);

	if (err || IS_ENABLED(CONFIG_DEFERRED_STRUCT_PAGE_INIT))
		return err;
	return memblock_reserved_mark_noinit(phys, size);
}

/*
 * Reserve one granule. Preserved pages that are somebody else's are a lie of
 * the map. Its free pages can be released later only if all of them are free.
 */
static int __init kho_reserve_granule(unsigned long pfn, unsigned long bit)
{
	phys_addr_t phys = PFN_PHYS(pfn), size = PFN_PHYS(KHO_GRANULE_PAGES);
	unsigned long limit = bit + KHO_GRANULE_PAGES, start, end;

	start = find_next_bit(kho_area_bitmap, limit, bit);
	if (start >= limit)
		return 0;

	if (kho_is_free(phys, size)) {
		end = find_next_zero_bit(kho_area_bitmap, limit, bit);
		if (end == limit)
			return kho_reserve_run(phys, size);
		__set_bit(pfn / KHO_GRANULE_PAGES, kho_in.gaps);
		return memblock_reserve(phys, size);
	}

	for (; start < limit; start = find_next_bit(kho_area_bitmap, limit, end)) {
		end = find_next_zero_bit(kho_area_bitmap, limit, start);
		phys = PFN_PHYS(pfn + start - bit);
		size = PFN_PHYS(end - start);

		if (!kho_is_free(phys, size)) {
			pr_err("preserved [mem %pa-%pa] is not memory, or in use\n",
			       &phys, &(phys_addr_t){ phys + size - 1 });
			return -EFAULT;
		}
		if (memblock_reserve(phys, size))
			return -ENOMEM;
	}
	return 0;
}

static int __init kho_reserve_area(unsigned long area)
{
	unsigned long pfn = area << KHO_MAP_LEAF_BITS, bit, end;
	int err;

	err = kho_map_area(&kho_in.map, area, kho_area_bitmap);
	if (err) {
		pr_err("preserved blocks overlap above 0x%llx\n", PFN_PHYS(pfn));
		return err;
	}

	for (bit = 0; bit < KHO_MAP_AREA_PAGES; bit += KHO_GRANULE_PAGES) {
		bit = find_next_bit(kho_area_bitmap, KHO_MAP_AREA_PAGES, bit);
		if (bit >= KHO_MAP_AREA_PAGES)
			break;
		bit = ALIGN_DOWN(bit, KHO_GRANULE_PAGES);

		/* A long run of full granules is one region for memblock. */
		end = ALIGN_DOWN(find_next_zero_bit(kho_area_bitmap,
						    KHO_MAP_AREA_PAGES, bit),
				 KHO_GRANULE_PAGES);
		if (end > bit + KHO_GRANULE_PAGES) {
			phys_addr_t phys = PFN_PHYS(pfn + bit);
			phys_addr_t size = PFN_PHYS(end - bit);

			if (kho_is_free(phys, size)) {
				err = kho_reserve_run(phys, size);
				if (err)
					return err;
				bit = end - KHO_GRANULE_PAGES;
				continue;
			}
		}

		err = kho_reserve_granule(pfn + bit, bit);
		if (err)
			return err;
	}
	return 0;
}

/**
 * kho_memory_forget - do not believe the incoming map
 *
 * What is reserved because of it stays so: better lost than given away twice.
 */
void __init kho_memory_forget(void)
{
	kho_in.map = (struct kho_map){};
	kho_in.nr_pages = 0;
	kho_in.gaps = NULL;
}

/**
 * kho_memory_ingest - keep memblock off everything that is preserved
 * @map_phys: physical address of the root of the map
 *
 * After an error the map is not used; memory that was reserved up to then is
 * lost until the next reboot, which is better than to trust half a map.
 *
 * Context: early boot, all memory mapped, memblock confined to scratch.
 * Return: 0 or a negative errno.
 */
int __init kho_memory_ingest(phys_addr_t map_phys)
{
	unsigned long end_pfn = PHYS_PFN(memblock_end_of_DRAM());
	unsigned long area, nr_granules;
	int err;

	if (!map_phys || !IS_ALIGNED(map_phys, PAGE_SIZE) ||
	    map_phys >= PFN_PHYS(end_pfn))
		return -EFAULT;

	kho_in.map.root = phys_to_virt(map_phys);
	err = kho_map_check(&kho_in.map, end_pfn, kho_claim_node, NULL,
			    &kho_in.nr_pages);
	if (err)
		goto refuse;

	nr_granules = DIV_ROUND_UP(end_pfn, KHO_GRANULE_PAGES);
	kho_in.gaps = memblock_alloc(BITS_TO_LONGS(nr_granules) * sizeof(long),
				     SMP_CACHE_BYTES);
	if (!kho_in.gaps) {
		err = -ENOMEM;
		goto refuse;
	}

	for (area = 0; area << KHO_MAP_LEAF_BITS < end_pfn; area++) {
		err = kho_reserve_area(area);
		if (err)
			goto refuse;
	}
	return 0;

refuse:
	kho_memory_forget();
	return err;
}

/* One area whose pages are in kho_area_bitmap. */
static void __init kho_release_area(unsigned long area)
{
	unsigned long first = area << KHO_MAP_LEAF_BITS, bit, i;

	for (bit = 0; bit < KHO_MAP_AREA_PAGES; bit += KHO_GRANULE_PAGES) {
		unsigned long limit = bit + KHO_GRANULE_PAGES;

		if (find_next_bit(kho_area_bitmap, limit, bit) >= limit)
			continue;
		/* Deferred initialisation has no type for what is reserved. */
		set_pageblock_migratetype(pfn_to_page(first + bit), MIGRATE_MOVABLE);
		if (!test_bit((first + bit) / KHO_GRANULE_PAGES, kho_in.gaps))
			continue;
		for (i = bit; i < limit; i++)
			if (!test_bit(i, kho_area_bitmap))
				free_reserved_page(pfn_to_page(first + i));
		cond_resched();
	}
}

/**
 * kho_memory_release_gaps - free what was reserved for its neighbours' sake
 *
 * Context: an initcall, when all struct pages are initialised.
 */
void __init kho_memory_release_gaps(void)
{
	unsigned long area;

	if (!kho_in.gaps)
		return;
	for (area = 0; area << KHO_MAP_LEAF_BITS < max_pfn; area++) {
		kho_map_area(&kho_in.map, area, kho_area_bitmap);
		kho_release_area(area);
	}
	kho_in.gaps = NULL;
}

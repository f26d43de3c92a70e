// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of VT-d: the tables of a domain that the previous kernel has left.
 *
 * The unit is using them, and a device may be writing to whatever they say. They
 * are believed if
 *  - they are a tree of as many tables as we were told, each a preserved page of
 *    its own, in as many levels as the unit walks;
 *  - each entry is one that this driver writes;
 *  - what is mapped is preserved memory, and none of these tables.
 */
#define pr_fmt(fmt) "DMAR: live update: " fmt

#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "../iommu-pages.h"
#include "liveupdate.h"

#define NR_ENTRIES	(VTD_PAGE_SIZE / sizeof(struct dma_pte))
#define PTE_ADDRESS	GENMASK_ULL(51, VTD_PAGE_SHIFT)
#define PTE_RW		(DMA_PTE_READ | DMA_PTE_WRITE)

/**
 * intel_liveupdate_walk - go through the tables of a domain
 * @table: the topmost one, believed
 * @level: its level
 * @fn: called with each table, before those below, until it returns other than 0
 * @data: for @fn
 *
 * Return: what @fn has returned last.
 */
int intel_liveupdate_walk(struct dma_pte *table, unsigned int level,
			  int (*fn)(void *table, void *data), void *data)
{
	unsigned int i;
	int ret;

	ret = fn(table, data);
	for (i = 0; level > 1 && i < NR_ENTRIES && !ret; i++)
		if (dma_pte_present(&table[i]) && !dma_pte_superpage(&table[i]))
			ret = intel_liveupdate_walk(phys_to_virt(dma_pte_addr(&table[i])),
						    level - 1, fn, data);
	return ret;
}

static u64 pages_of(unsigned int level)
{
	return lvl_to_nr_pages(level);
}

/* Does an entry at this level stand for memory, and not for a table? */
static bool is_leaf(u64 val, unsigned int level)
{
	return level == 1 || val & DMA_PTE_LARGE_PAGE;
}

static bool leaf_is_sane(const struct intel_liveupdate_tables *tables, u64 val,
			 unsigned int level)
{
	u64 flags = val & ~PTE_ADDRESS & ~PTE_RW;
	u64 expected = tables->snoop ? DMA_PTE_SNP : 0;

	if (level > 1) {
		if (level > 3 || !(tables->superpages & BIT(level - 2)))
			return false;
		expected |= DMA_PTE_LARGE_PAGE;
	}
	return flags == expected && IS_ALIGNED(val & PTE_ADDRESS, pages_of(level) * VTD_PAGE_SIZE);
}

static int check_shape(struct intel_liveupdate_tables *tables, u64 phys, unsigned int level,
		       u64 pfn)
{
	const struct dma_pte *table;
	unsigned int i;
	int ret;

	/* One that is there twice would be freed twice, and a loop has no end. */
	if (kho_preserved_order(phys) || ++tables->nr_seen > tables->nr)
		return -EBADMSG;
	ret = xa_insert(&tables->seen, PHYS_PFN(phys), xa_mk_value(level), GFP_KERNEL);
	if (ret)
		return ret == -EBUSY ? -EBADMSG : ret;
	table = phys_to_virt(phys);
	for (i = 0; i < NR_ENTRIES; i++, pfn += pages_of(level)) {
		u64 val = READ_ONCE(table[i].val);

		if (!val)
			continue;
		if (!(val & PTE_RW))
			return -EBADMSG;
		if (is_leaf(val, level)) {
			if (!leaf_is_sane(tables, val, level))
				return -EBADMSG;
			tables->end = max(tables->end, (pfn + pages_of(level)) << VTD_PAGE_SHIFT);
			tables->mapped += pages_of(level) << VTD_PAGE_SHIFT;
			continue;
		}
		if ((val & ~PTE_ADDRESS) != PTE_RW)
			return -EBADMSG;
		ret = check_shape(tables, val & PTE_ADDRESS, level - 1, pfn);
		if (ret)
			return ret;
	}
	cond_resched();
	return 0;
}

static bool memory_is_sane(struct intel_liveupdate_tables *tables, u64 phys, u64 nr_pages)
{
	unsigned long pfn = PHYS_PFN(phys);

	return kho_was_preserved(phys, nr_pages) &&
	       !xa_find(&tables->seen, &pfn, PHYS_PFN(phys) + nr_pages - 1, XA_PRESENT);
}

/* What a table maps often lies side by side. */
static bool check_memory(struct intel_liveupdate_tables *tables, const struct dma_pte *table,
			 unsigned int level)
{
	u64 first = 0, nr_pages = 0;
	unsigned int i;

	for (i = 0; i < NR_ENTRIES; i++) {
		u64 val = READ_ONCE(table[i].val), phys = val & PTE_ADDRESS;

		if (!val || !is_leaf(val, level))
			continue;
		if (nr_pages && phys == first + (nr_pages << VTD_PAGE_SHIFT)) {
			nr_pages += pages_of(level);
			continue;
		}
		if (nr_pages && !memory_is_sane(tables, first, nr_pages))
			return false;
		first = phys;
		nr_pages = pages_of(level);
	}
	return !nr_pages || memory_is_sane(tables, first, nr_pages);
}

/**
 * intel_liveupdate_check_tables - can tables be believed?
 * @tables: what is known of them; @seen is empty. The caller destroys it.
 *
 * Context: before anything that is mapped is restored.
 * Return: 0, -EBADMSG if not, or -ENOMEM.
 */
int intel_liveupdate_check_tables(struct intel_liveupdate_tables *tables)
{
	unsigned long pfn;
	void *level;
	int ret;

	tables->end = 0;
	tables->mapped = 0;
	tables->nr_seen = 0;
	ret = check_shape(tables, tables->root, tables->levels, 0);
	if (ret)
		return ret;
	if (tables->nr_seen != tables->nr)
		return -EBADMSG;
	xa_for_each(&tables->seen, pfn, level) {
		if (!check_memory(tables, phys_to_virt(PFN_PHYS(pfn)), xa_to_value(level)))
			return -EBADMSG;
		cond_resched();
	}
	return 0;
}

/**
 * intel_liveupdate_claim_tables - make tables ours, as if we had allocated them
 * @tables: checked
 *
 * Return: 0, or -EBADMSG if one belongs to somebody else; what was ours by then is
 * never freed.
 */
int intel_liveupdate_claim_tables(struct intel_liveupdate_tables *tables)
{
	unsigned long pfn;
	struct page *page;
	void *level;

	xa_for_each(&tables->seen, pfn, level) {
		page = kho_restore_pages(PFN_PHYS(pfn), 1);
		if (!page)
			return -EBADMSG;
		__iommu_alloc_account(page, 0);
	}
	return 0;
}

static int list_table(void *table, void *data)
{
	list_add_tail(&virt_to_page(table)->lru, data);
	return 0;
}

/**
 * intel_liveupdate_free_tables - free tables that are ours
 * @root: physical address of the topmost one; no unit uses it any more
 * @levels: how many
 */
void intel_liveupdate_free_tables(u64 root, unsigned int levels)
{
	LIST_HEAD(list);

	intel_liveupdate_walk(phys_to_virt(root), levels, list_table, &list);
	iommu_put_pages_list(&list);
}

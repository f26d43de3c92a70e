// SPDX-License-Identifier: GPL-2.0
/*
 * Scratch: the memory that belongs to the next kernel until it knows what else
 * is free. kexec segments go there, and its boot allocations until it has read
 * the preserved-memory map.
 *
 * Invariants:
 *  - nothing in scratch is ever preserved;
 *  - the regions found at boot are used again on the next hop, so a chain of
 *    kernels has no end;
 *  - from kho_scratch_keep() or kho_scratch_alloc() on, boot allocations stay
 *    out of scratch; what is free there goes to the buddy allocator as
 *    MIGRATE_CMA, which pages that cannot move never come from.
 *
 * The table is written at boot only, then read-only. No lock.
 */
#define pr_fmt(fmt) "KHO: " fmt

#include <kunit/visibility.h>
#include <linux/align.h>
#include <linux/cma.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/initrd.h>
#include <linux/io.h>
#include <linux/jump_label.h>
#include <linux/kexec_handover.h>
#include <linux/kmemleak.h>
#include <linux/limits.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/page-isolation.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <asm/sections.h>

#include "kho_scratch.h"

/* For init_cma_reserved_pageblock(). */
#include "../../mm/internal.h"

#define KHO_SCRATCH_LOW		0
#define KHO_SCRATCH_GLOBAL	1
#define KHO_SCRATCH_NODES	2
#define KHO_SCRATCH_MAX		(KHO_SCRATCH_NODES + MAX_NUMNODES)

/* Regions are made of the largest blocks of the buddy allocator. */
#define KHO_SCRATCH_ALIGN	((phys_addr_t)MAX_ORDER_NR_PAGES << PAGE_SHIFT)

/* For kho_has_scratch(); from when it is given to the buddy allocator. */
DEFINE_STATIC_KEY_FALSE(kho_scratch_key);

static struct kho_scratch_ser kho_scratch[KHO_SCRATCH_MAX] __ro_after_init;
static unsigned int kho_scratch_nr __ro_after_init;

/* Free parts of scratch, kept out of the hands of memblock. */
struct kho_scratch_part {
	phys_addr_t start;
	phys_addr_t end;
};

static struct kho_scratch_part *kho_scratch_parts __initdata;
static unsigned int kho_scratch_nr_parts __initdata;
static unsigned int kho_scratch_max_parts __initdata;

static struct memblock_confinement kho_confinement[KHO_SCRATCH_MAX + 1] __initdata;

/* kho_scratch= on the command line */
static unsigned int scratch_percent __initdata;
static u64 scratch_bytes[KHO_SCRATCH_NODES + 1] __initdata;
static bool scratch_sized __initdata;

static int __init kho_parse_scratch(char *p)
{
	u64 bytes[ARRAY_SIZE(scratch_bytes)];
	unsigned int i;
	char *end;

	if (!p)
		return -EINVAL;

	if (strchr(p, '%')) {
		scratch_percent = memparse(p, &end);
		if (end == p || strcmp(end, "%") || !scratch_percent)
			goto bad;
		return 0;
	}

	for (i = 0; i < ARRAY_SIZE(bytes); i++, p = end + 1) {
		bytes[i] = memparse(p, &end);
		if (end == p || *end != (i + 1 < ARRAY_SIZE(bytes) ? ',' : '\0'))
			goto bad;
	}
	/* Without any there is nowhere to put the next kernel. */
	if (!bytes[KHO_SCRATCH_LOW] && !bytes[KHO_SCRATCH_GLOBAL])
		goto bad;
	memcpy(scratch_bytes, bytes, sizeof(bytes));
	scratch_sized = true;
	return 0;
bad:
	scratch_percent = 0;
	pr_err("kho_scratch= wants N%% or LOWMEM,GLOBAL,PERNODE, using the default\n");
	return -EINVAL;
}
early_param("kho_scratch", kho_parse_scratch);

/**
 * kho_scratch_table - the scratch regions
 * @nr: on return, their number
 *
 * Return: the table, as it is handed over.
 */
const struct kho_scratch_ser *kho_scratch_table(unsigned int *nr)
{
	*nr = kho_scratch_nr;
	return kho_scratch;
}

/**
 * kho_scratch_overlaps - does a range touch scratch?
 * @phys: start of the range
 * @size: in bytes
 *
 * Return: whether it does.
 */
bool kho_scratch_overlaps(phys_addr_t phys, u64 size)
{
	unsigned int i;

	for (i = 0; i < kho_scratch_nr; i++)
		if (phys < kho_scratch[i].addr + kho_scratch[i].size &&
		    kho_scratch[i].addr < phys + size)
			return true;
	return false;
}

/* Can this be a table of regions, wherever they are? Mainline has empty ones in it. */
VISIBLE_IF_KUNIT bool __init
kho_scratch_is_sane(const struct kho_scratch_ser *table, unsigned int nr)
{
	unsigned int i, j;
	u64 end;

	for (i = 0; i < nr; i++) {
		if (!table[i].size)
			continue;
		if (!IS_ALIGNED(table[i].addr | table[i].size, KHO_SCRATCH_ALIGN) ||
		    check_add_overflow(table[i].addr, table[i].size, &end) ||
		    end > PHYS_ADDR_MAX)
			return false;
		for (j = 0; j < i; j++)
			if (table[j].size && table[i].addr < table[j].addr + table[j].size &&
			    table[j].addr < end)
				return false;
	}
	return true;
}

/**
 * kho_scratch_adopt - use the regions that the previous kernel handed over
 * @phys: physical address of its table, which is memory
 * @len: size of the table in bytes
 *
 * From here until kho_scratch_keep(), memblock allocates from scratch only,
 * and below 1 MiB, where x86 has its real-mode code and nothing is preserved.
 *
 * Context: early boot, before the direct map.
 * Return: 0 or -EINVAL, with memblock as it was.
 */
int __init kho_scratch_adopt(phys_addr_t phys, u64 len)
{
	unsigned int i, j, nr = len / sizeof(kho_scratch[0]);
	struct kho_scratch_ser *table;

	if (!nr || len % sizeof(kho_scratch[0]) || len > sizeof(kho_scratch))
		return -EINVAL;
	table = early_memremap(phys, len);
	if (!table)
		return -EINVAL;
	if (kho_scratch_is_sane(table, nr))
		for (i = 0; i < nr; i++)
			if (table[i].size)
				kho_scratch[kho_scratch_nr++] = table[i];
	early_memunmap(table, len);
	if (!kho_scratch_nr)
		return -EINVAL;

	/* From the top, as memblock does it: the direct map is made so. */
	for (i = 0; i < kho_scratch_nr; i++) {
		for (j = i; j && kho_confinement[j - 1].start < kho_scratch[i].addr; j--)
			kho_confinement[j] = kho_confinement[j - 1];
		kho_confinement[j].start = kho_scratch[i].addr;
		kho_confinement[j].end = kho_scratch[i].addr + kho_scratch[i].size;
	}
	kho_confinement[i].start = 0;
	kho_confinement[i].end = SZ_1M;
	memblock_confine(kho_confinement, i + 1);
	return 0;
}

/**
 * kho_scratch_is_memory - do the adopted regions exist?
 *
 * Context: early boot, memblock knows all memory.
 * Return: false if the table is damaged, or the command line hides memory.
 */
bool __init kho_scratch_is_memory(void)
{
	unsigned int i;

	for (i = 0; i < kho_scratch_nr; i++)
		if (!memblock_is_region_memory(kho_scratch[i].addr,
					       kho_scratch[i].size))
			return false;
	return true;
}

/**
 * kho_scratch_forget - give up the regions of the previous kernel
 *
 * The handover is refused: all memory is like after a cold boot.
 */
void __init kho_scratch_forget(void)
{
	memblock_confine(NULL, 0);
	kho_scratch_nr = 0;
}

static int __init kho_scratch_add_part(phys_addr_t start, phys_addr_t end)
{
	unsigned int max = kho_scratch_max_parts;

	if (kho_scratch_nr_parts == max) {
		unsigned int new_max = max ? max * 2 : 64;
		struct kho_scratch_part *parts;

		parts = memblock_alloc(new_max * sizeof(*parts),
				       SMP_CACHE_BYTES);
		if (!parts)
			return -ENOMEM;
		if (max) {
			memcpy(parts, kho_scratch_parts, max * sizeof(*parts));
			memblock_free(kho_scratch_parts, max * sizeof(*parts));
		}
		kho_scratch_parts = parts;
		kho_scratch_max_parts = new_max;
	}
	kho_scratch_parts[kho_scratch_nr_parts].start = start;
	kho_scratch_parts[kho_scratch_nr_parts].end = end;
	kho_scratch_nr_parts++;
	return 0;
}

/**
 * kho_scratch_keep - keep what is free in the adopted regions for scratch
 *
 * To be called when preserved memory is reserved and memblock may use the rest.
 */
void __init kho_scratch_keep(void)
{
	phys_addr_t start, end;
	unsigned int i;
	u64 idx;

	memblock_confine(NULL, 0);

	/* Reserving a part restarts the walk: it changes what is walked. */
again:
	for_each_free_mem_range(idx, NUMA_NO_NODE, MEMBLOCK_NONE, &start, &end,
				NULL) {
		for (i = 0; i < kho_scratch_nr; i++) {
			phys_addr_t from = max(start, kho_scratch[i].addr);
			phys_addr_t to = min(end, kho_scratch[i].addr +
						  kho_scratch[i].size);

			from = PAGE_ALIGN(from);
			to = PAGE_ALIGN_DOWN(to);
			if (from >= to)
				continue;
			memblock_reserve(from, to - from);
			/* Without a place to note it the part stays reserved. */
			if (kho_scratch_add_part(from, to))
				return;
			goto again;
		}
	}
}

/**
 * kho_scratch_keep_all - keep for scratch what was freed since, and will be
 *
 * memblock_free_all() tells each reserved region its node, and the table of them
 * may have to grow for that: the old one, in scratch, would then be free behind
 * our back. So do it here.
 *
 * Context: boot, just before memblock frees everything.
 */
void __init kho_scratch_keep_all(void)
{
	struct memblock_region *region;
	unsigned long max;

	do {
		kho_scratch_keep();
		max = memblock.reserved.max;
		for_each_mem_region(region)
			memblock_set_node(region->base, region->size,
					  &memblock.reserved,
					  memblock_get_region_node(region));
	} while (memblock.reserved.max != max);
}

static u64 __init kho_scratch_default(unsigned int index, u64 pages)
{
	u64 kernel = __pa_symbol(_end) - __pa_symbol(_text);
	u64 image;

	/*
	 * What has to fit is a kernel like this one, its initramfs, and what
	 * it allocates until it has read the map, which is page tables of the
	 * direct map and tables of memory regions. The half on top is for the
	 * next ones to grow and to be unpacked.
	 */
	switch (index) {
	case KHO_SCRATCH_LOW:
		return SZ_8M;
	case KHO_SCRATCH_GLOBAL:
		image = kernel;
		if (IS_ENABLED(CONFIG_BLK_DEV_INITRD))
			image += initrd_end - initrd_start;
		return image + image / 2 + SZ_32M + (pages << PAGE_SHIFT) / 256;
	default:
		return SZ_8M + (pages << PAGE_SHIFT) / 256;
	}
}

static u64 __init kho_scratch_size(unsigned int index, u64 pages, u64 used)
{
	u64 size;

	if (scratch_sized)
		size = scratch_bytes[min(index, KHO_SCRATCH_NODES)];
	else if (scratch_percent && index == KHO_SCRATCH_LOW)
		size = min_t(u64, used * scratch_percent / 100, SZ_64M);
	else if (scratch_percent)
		size = used * scratch_percent / 100;
	else
		size = kho_scratch_default(index, pages);

	return ALIGN(size, KHO_SCRATCH_ALIGN);
}

static int __init kho_scratch_alloc_one(u64 size, phys_addr_t end, int nid)
{
	phys_addr_t addr;

	if (!size)
		return 0;
	addr = memblock_alloc_range_nid(size, KHO_SCRATCH_ALIGN,
					MEMBLOCK_LOW_LIMIT, end, nid,
					nid != NUMA_NO_NODE);
	if (!addr)
		return -ENOMEM;
	/* As for all CMA: whose pages these are, kmemleak knows by itself. */
	kmemleak_ignore_phys(addr);

	kho_scratch[kho_scratch_nr].addr = addr;
	kho_scratch[kho_scratch_nr].size = size;
	kho_scratch_nr++;
	return 0;
}

/**
 * kho_scratch_alloc - find scratch regions after a cold boot
 *
 * To be called when nearly all boot allocations are made, before memblock
 * hands over to the buddy allocator.
 *
 * Return: 0 or -ENOMEM, with nothing allocated.
 */
int __init kho_scratch_alloc(void)
{
	u64 used = memblock_reserved_size();
	u64 pages = PHYS_PFN(memblock_phys_mem_size());
	phys_addr_t start, end;
	unsigned int i;
	int nid, err;

	err = kho_scratch_alloc_one(kho_scratch_size(KHO_SCRATCH_LOW, pages, used),
				    min_t(u64, SZ_4G, PHYS_ADDR_MAX),
				    NUMA_NO_NODE);
	if (!err)
		err = kho_scratch_alloc_one(kho_scratch_size(KHO_SCRATCH_GLOBAL,
							     pages, used),
					    MEMBLOCK_ALLOC_ACCESSIBLE,
					    NUMA_NO_NODE);
	for_each_node_state(nid, N_MEMORY) {
		u64 size = kho_scratch_size(KHO_SCRATCH_NODES,
					    node_present_pages(nid),
					    used / num_node_state(N_MEMORY));

		if (err)
			break;
		err = kho_scratch_alloc_one(size, MEMBLOCK_ALLOC_ACCESSIBLE, nid);
	}

	for (i = 0; !err && i < kho_scratch_nr; i++) {
		start = kho_scratch[i].addr;
		end = start + kho_scratch[i].size;
		err = kho_scratch_add_part(start, end);
		pr_info("scratch [mem %pa-%pa]\n", &start,
			&(phys_addr_t){ end - 1 });
	}
	if (!err)
		return 0;

	kho_scratch_nr_parts = 0;
	while (kho_scratch_nr) {
		kho_scratch_nr--;
		memblock_phys_free(kho_scratch[kho_scratch_nr].addr,
				   kho_scratch[kho_scratch_nr].size);
	}
	return err;
}

/**
 * kho_scratch_mark - make whatever is freed in scratch MIGRATE_CMA
 *
 * None of it is free yet: the parts that are not in use are held back.
 *
 * Context: boot, the buddy allocator has just got its first pages.
 */
void __init kho_scratch_mark(void)
{
	unsigned long pfn, end;
	unsigned int i;

	for (i = 0; i < kho_scratch_nr; i++) {
		pfn = PHYS_PFN(kho_scratch[i].addr);
		end = pfn + PHYS_PFN(kho_scratch[i].size);
		/* With what the kernel itself occupies: it may be freed yet. */
		totalcma_pages += end - pfn;
		for (; pfn < end; pfn += pageblock_nr_pages)
			set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_CMA);
	}
}

/**
 * kho_scratch_release - give the free parts of scratch to the buddy allocator
 *
 * Context: an initcall, when all struct pages are initialised.
 */
void __init kho_scratch_release(void)
{
	unsigned long pfn, end;
	unsigned int i;

	for (i = 0; i < kho_scratch_nr_parts; i++) {
		pfn = PHYS_PFN(kho_scratch_parts[i].start);
		end = PHYS_PFN(kho_scratch_parts[i].end);
		while (pfn < end) {
			cond_resched();
			if (pageblock_aligned(pfn) &&
			    pfn + pageblock_nr_pages <= end) {
				init_cma_reserved_pageblock(pfn_to_page(pfn));
				pfn += pageblock_nr_pages;
			} else {
				free_reserved_page(pfn_to_page(pfn));
				pfn++;
			}
		}
	}
	kho_scratch_nr_parts = 0;
	if (kho_scratch_nr)
		static_branch_enable(&kho_scratch_key);
}

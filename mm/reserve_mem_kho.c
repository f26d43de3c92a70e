// SPDX-License-Identifier: GPL-2.0
/*
 * Regions of reserve_mem= across a kexec with handover: a region that the
 * previous kernel had under the same label, with the same size, is at the same
 * place again, with its content.
 *
 * Invariants:
 *  - a region consists of whole pages, so nothing else is carried with it;
 *  - its pages are reserved in either kernel; they leave the incoming map only
 *    when all gaps in that are released, else they would be taken for one.
 */
#define pr_fmt(fmt) "reserve_mem: " fmt

#include <kunit/visibility.h>
#include <linux/align.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/memblock.h>
#include <linux/libfdt.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "internal.h"
#include "reserve_mem_kho.h"

/* As many as reserve_mem= has at most. */
#define NR_REGIONS	8

static struct reserve_mem_region {
	/* a part of the command line */
	const char *label;
	/* 0 if it is new */
	phys_addr_t revived;
	phys_addr_t size;
} regions[NR_REGIONS] __initdata;

static unsigned int nr_regions __initdata;

VISIBLE_IF_KUNIT bool __init reserve_mem_fdt_is_sane(const void *fdt, size_t size)
{
	return size >= sizeof(struct fdt_header) && !fdt_check_header(fdt) &&
	       fdt_totalsize(fdt) <= size &&
	       !fdt_node_check_compatible(fdt, 0, MEMBLOCK_KHO_COMPATIBLE);
}

/* Of the previous kernel; NULL if there is none, or none that makes sense. */
static const void *__init reserve_mem_fdt(void)
{
	phys_addr_t phys;
	size_t size;

	if (kho_retrieve_subtree(MEMBLOCK_KHO_NODE, &phys, &size))
		return NULL;
	if (!reserve_mem_fdt_is_sane(phys_to_virt(phys), size)) {
		pr_err("what the previous kernel says of its regions is damaged\n");
		return NULL;
	}
	return phys_to_virt(phys);
}

/*
 * Return: 0, -ENOENT if @fdt, which makes sense, has no such region, or -EINVAL if
 * the region was not preserved.
 */
VISIBLE_IF_KUNIT int __init reserve_mem_read(const void *fdt, const char *label,
					     u64 *start, u64 *size)
{
	int node = fdt_subnode_offset(fdt, 0, label);
	u64 end;

	/* libfdt finds "label@1" as well. */
	if (node < 0 || strcmp(fdt_get_name(fdt, node, NULL), label))
		return -ENOENT;
	if (fdt_node_check_compatible(fdt, node, RESERVE_MEM_KHO_COMPATIBLE) ||
	    kho_fdt_get_u64(fdt, node, RESERVE_MEM_KHO_START_PROP, start) ||
	    kho_fdt_get_u64(fdt, node, RESERVE_MEM_KHO_SIZE_PROP, size) ||
	    !*size || check_add_overflow(*start, *size, &end) ||
	    !kho_was_preserved(*start, PHYS_PFN(*size - 1) + 1))
		return -EINVAL;
	return 0;
}

static bool __init reserve_mem_is_taken(phys_addr_t start, phys_addr_t size)
{
	unsigned int i;

	for (i = 0; i < nr_regions; i++)
		if (regions[i].revived &&
		    start < regions[i].revived + PAGE_ALIGN(regions[i].size) &&
		    regions[i].revived < start + PAGE_ALIGN(size))
			return true;
	return false;
}

static phys_addr_t __init reserve_mem_revive(const char *label, phys_addr_t size,
					     phys_addr_t align)
{
	const void *fdt = reserve_mem_fdt();
	u64 start, old_size;
	int err;

	err = fdt ? reserve_mem_read(fdt, label, &start, &old_size) : -ENOENT;
	if (err == -ENOENT)
		return 0;
	if (err || reserve_mem_is_taken(start, old_size)) {
		pr_err("%s: damaged, gets new memory\n", label);
		return 0;
	}
	if (old_size != size || !IS_ALIGNED(start, align)) {
		pr_warn("%s: another size or alignment than before, gets new memory\n",
			label);
		return 0;
	}
	return start;
}

/**
 * reserve_mem_kho_alloc - a region that the next kernel will have, too
 * @label: what it is called on the command line
 * @size: in bytes
 * @align: a power of two
 *
 * Context: boot, memblock is the allocator.
 * Return: its physical address, with the content that it had in the previous
 * kernel if that had it; 0 if there is no memory, or KHO is off.
 */
phys_addr_t __init reserve_mem_kho_alloc(const char *label, phys_addr_t size,
					 phys_addr_t align)
{
	struct reserve_mem_region *region = &regions[nr_regions];
	phys_addr_t start;

	if (!kho_is_enabled() || nr_regions == NR_REGIONS)
		return 0;

	align = max_t(phys_addr_t, align, PAGE_SIZE);
	start = reserve_mem_revive(label, size, align);
	region->revived = start;
	if (!start)
		start = memblock_phys_alloc(PAGE_ALIGN(size), align);
	if (!start)
		return 0;
	region->label = label;
	region->size = size;
	nr_regions++;
	return start;
}

/* Make one region of this kernel one that is preserved. */
static int __init reserve_mem_preserve(const struct reserve_mem_region *region,
				       phys_addr_t *start, phys_addr_t *size)
{
	int err;

	if (!reserve_mem_find_by_name(region->label, start, size))
		return -ENOENT;
	if (region->revived) {
		err = kho_retain_pages(*start, PFN_UP(*size));
		if (err)
			return err;
		pr_info("%s: %pa bytes at %pa are those of the previous kernel\n",
			region->label, size, start);
	}
	return kho_preserve_pages(pfn_to_page(PHYS_PFN(*start)), PFN_UP(*size));
}

static int __init reserve_mem_write_fdt(void *fdt)
{
	phys_addr_t start, size;
	unsigned int i;
	u64 value;
	int err;

	err = fdt_create(fdt, PAGE_SIZE);
	err = err ?: fdt_finish_reservemap(fdt);
	err = err ?: fdt_begin_node(fdt, "");
	err = err ?: fdt_property_string(fdt, "compatible",
					 MEMBLOCK_KHO_COMPATIBLE);
	for (i = 0; i < nr_regions && !err; i++) {
		int failed = reserve_mem_preserve(&regions[i], &start, &size);

		if (failed) {
			pr_err("%s: is lost with the next kexec (%d)\n",
			       regions[i].label, failed);
			continue;
		}
		err = fdt_begin_node(fdt, regions[i].label);
		err = err ?: fdt_property_string(fdt, "compatible",
						 RESERVE_MEM_KHO_COMPATIBLE);
		value = start;
		err = err ?: fdt_property(fdt, RESERVE_MEM_KHO_START_PROP,
					  &value, sizeof(value));
		value = size;
		err = err ?: fdt_property(fdt, RESERVE_MEM_KHO_SIZE_PROP,
					  &value, sizeof(value));
		err = err ?: fdt_end_node(fdt);
	}
	err = err ?: fdt_end_node(fdt);
	err = err ?: fdt_finish(fdt);
	/* A page has room for all of them. */
	WARN_ON_ONCE(err);
	return err ? -ENOSPC : 0;
}

static int __init reserve_mem_hand_over(void)
{
	void *fdt;
	int err;

	if (!nr_regions || !kho_is_enabled())
		return 0;
	fdt = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(fdt))
		return PTR_ERR(fdt);
	err = reserve_mem_write_fdt(fdt);
	if (!err)
		err = kho_add_subtree(MEMBLOCK_KHO_NODE, fdt, fdt_totalsize(fdt));
	if (err)
		kho_unpreserve_free(fdt);
	return err;
}

/* After kho_init(), which releases the gaps. */
static int __init reserve_mem_kho_init(void)
{
	const void *old = reserve_mem_fdt();
	int err = reserve_mem_hand_over();

	if (err)
		pr_err("what is in reserve_mem= can't be handed over: %d\n", err);
	if (old)
		kho_restore_free((void *)old);
	return err;
}
late_initcall(reserve_mem_kho_init);

// SPDX-License-Identifier: GPL-2.0
/*
 * vmalloc areas across kexec: the pages of the area are preserved, and a chain
 * of pages with their addresses.
 *
 * Invariant: an area is restored whole or not at all; what is handed over is
 * checked to its end before the first page is taken.
 */
#define pr_fmt(fmt) "KHO: " fmt

#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "kho_map.h"
#include "kho_memory.h"

/* The order is in the handover; above this no vmalloc area has its pages. */
#define KHO_VMALLOC_MAX_ORDER	(PUD_SHIFT - PAGE_SHIFT)

static unsigned int kho_vmalloc_order(const struct vm_struct *area)
{
#ifdef CONFIG_HAVE_ARCH_HUGE_VMALLOC
	return area->page_order;
#else
	return 0;
#endif
}

static void kho_vmalloc_free_chunks(struct kho_vmalloc *kv, bool pages)
{
	phys_addr_t phys = kv->first;

	while (phys) {
		struct kho_vmalloc_chunk *chunk = phys_to_virt(phys);
		unsigned int i;

		for (i = 0; pages && i < KHO_VMALLOC_CHUNK_ENTRIES; i++) {
			if (!chunk->phys[i])
				break;
			kho_unpreserve_pages(pfn_to_page(PHYS_PFN(chunk->phys[i])),
					     BIT(kv->order));
		}
		phys = chunk->next;
		kho_unpreserve_free(chunk);
	}
	*kv = (struct kho_vmalloc){};
}

static bool kho_vmalloc_was_there_at_boot(const void *ptr)
{
	const struct vm_struct *area = find_vm_area(ptr);
	unsigned int i;

	for (i = 0; i < area->nr_pages; i++)
		if (!kho_was_there_at_boot(page_to_pfn(area->pages[i]), 0))
			return false;
	return true;
}

/**
 * kho_alloc_vmalloc - allocate a vmalloc area that can be preserved
 * @size: in bytes, not 0
 *
 * Any other vmalloc area may have memory that was added since boot. It is charged
 * to the memory cgroup of the caller.
 *
 * Context: process context, may sleep.
 * Return: the area, to be freed by vfree(), or NULL.
 */
void *kho_alloc_vmalloc(size_t size)
{
	void *ptr = __vmalloc(size, GFP_KERNEL_ACCOUNT);

	if (!ptr || kho_vmalloc_was_there_at_boot(ptr))
		return ptr;
	vfree(ptr);
	/* As kho_alloc_folio() has it; kho_preserve_vmalloc() looks again. */
	return __vmalloc(size, GFP_KERNEL_ACCOUNT | GFP_DMA32);
}
EXPORT_SYMBOL_GPL(kho_alloc_vmalloc);

/**
 * kho_preserve_vmalloc - preserve a vmalloc area across kexec
 * @ptr: of kho_alloc_vmalloc(), vmalloc(), vmalloc_huge() or the like
 * @preservation: on return what the next kernel needs to restore it
 *
 * The area must stay allocated until kho_unpreserve_vmalloc().
 *
 * Context: process context, may sleep.
 * Return: 0, -EINVAL if @ptr is no vmalloc area, -EOPNOTSUPP if it is one that
 * can't be carried, or a negative errno as of kho_preserve_pages().
 */
int kho_preserve_vmalloc(void *ptr, struct kho_vmalloc *preservation)
{
	struct kho_vmalloc_chunk *chunk = NULL;
	struct kho_vmalloc kv = {};
	struct vm_struct *area = find_vm_area(ptr);
	unsigned int i, slot = 0, step;
	int err;

	if (!area)
		return -EINVAL;
	if ((area->flags & ~(VM_ALLOC | VM_ALLOW_HUGE_VMAP | VM_UNINITIALIZED)) ||
	    !(area->flags & VM_ALLOC))
		return -EOPNOTSUPP;

	kv.order = kho_vmalloc_order(area);
	kv.flags = KHO_VMALLOC_ALLOC;
	if (area->flags & VM_ALLOW_HUGE_VMAP)
		kv.flags |= KHO_VMALLOC_HUGE_VMAP;
	kv.total_pages = area->nr_pages;
	step = BIT(kv.order);

	for (i = 0; i < area->nr_pages; i += step) {
		if (!chunk || slot == KHO_VMALLOC_CHUNK_ENTRIES) {
			struct kho_vmalloc_chunk *next;

			next = kho_alloc_preserve(sizeof(*next));
			if (IS_ERR(next)) {
				err = PTR_ERR(next);
				goto undo;
			}
			if (chunk)
				chunk->next = virt_to_phys(next);
			else
				kv.first = virt_to_phys(next);
			chunk = next;
			slot = 0;
		}
		err = kho_preserve_pages(area->pages[i], step);
		if (err)
			goto undo;
		chunk->phys[slot++] = page_to_phys(area->pages[i]);
	}

	*preservation = kv;
	return 0;

undo:
	kho_vmalloc_free_chunks(&kv, true);
	return err;
}
EXPORT_SYMBOL_GPL(kho_preserve_vmalloc);

/**
 * kho_unpreserve_vmalloc - undo kho_preserve_vmalloc()
 * @preservation: of kho_preserve_vmalloc(), empty on return
 *
 * Context: process context, may sleep.
 */
void kho_unpreserve_vmalloc(struct kho_vmalloc *preservation)
{
	kho_vmalloc_free_chunks(preservation, true);
}
EXPORT_SYMBOL_GPL(kho_unpreserve_vmalloc);

/*
 * Check the table to its end; fill @pages, unless it is NULL, with the pages of
 * the area. Nothing is taken.
 */
VISIBLE_IF_KUNIT int kho_vmalloc_read(const struct kho_vmalloc *kv, struct page **pages)
{
	unsigned int left = kv->total_pages, step, slot, i;
	phys_addr_t phys = kv->first;

	if (kv->order > KHO_VMALLOC_MAX_ORDER || left > kho_nr_restorable() ||
	    kv->flags & ~(KHO_VMALLOC_ALLOC | KHO_VMALLOC_HUGE_VMAP) ||
	    !left != !phys)
		return -EINVAL;
	step = BIT(kv->order);

	while (left) {
		struct kho_vmalloc_chunk *chunk;

		if (!kho_is_restorable(phys, 0))
			return -EINVAL;
		chunk = phys_to_virt(phys);
		for (slot = 0; left && slot < KHO_VMALLOC_CHUNK_ENTRIES; slot++) {
			if (left < step ||
			    !kho_is_restorable(chunk->phys[slot], kv->order))
				return -EINVAL;
			for (i = 0; pages && i < step; i++)
				*pages++ = pfn_to_page(PHYS_PFN(chunk->phys[slot])) + i;
			left -= step;
		}
		if (!left && chunk->next)
			return -EINVAL;
		phys = chunk->next;
	}
	return 0;
}

/**
 * kho_restore_vmalloc - take over a vmalloc area of the previous kernel
 * @preservation: what kho_preserve_vmalloc() has filled in
 *
 * The area is at another address, and mapped by single pages.
 *
 * Context: process context, may sleep.
 * Return: the area, to be freed by vfree(); NULL if it is empty; or an
 * ERR_PTR(): with -ENOMEM nothing was taken and the caller can try again,
 * after any other errno the area can't be restored.
 */
void *kho_restore_vmalloc(const struct kho_vmalloc *preservation)
{
	const struct kho_vmalloc *kv = preservation;
	unsigned int total = kv->total_pages, i;
	struct page **pages;
	phys_addr_t phys;
	void *ptr;
	int err;

	err = kho_vmalloc_read(kv, NULL);
	if (err)
		return ERR_PTR(err);
	if (!total)
		return NULL;

	pages = kvcalloc(total, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	err = kho_vmalloc_read(kv, pages);
	if (err)
		goto free_pages;

	/* Mapped first: what can fail in passing comes before pages are taken. */
	ptr = vmap(pages, total, VM_MAP_PUT_PAGES, PAGE_KERNEL);
	if (!ptr) {
		err = -ENOMEM;
		goto free_pages;
	}

	for (i = 0; i < total; i += BIT(kv->order)) {
		if (kho_restore_pages(page_to_phys(pages[i]), BIT(kv->order)))
			continue;
		/* A block is in the table twice; who else has it is unknown. */
		pr_err("vmalloc area with a page twice, %u pages are lost\n", i);
		vunmap(ptr);
		err = -EINVAL;
		goto free_pages;
	}

	phys = kv->first;
	while (phys) {
		struct kho_vmalloc_chunk *chunk = phys_to_virt(phys);

		phys = chunk->next;
		kho_restore_free(chunk);
	}
	return ptr;

free_pages:
	kvfree(pages);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(kho_restore_vmalloc);

/* SPDX-License-Identifier: GPL-2.0 */
/* Kexec HandOver (KHO): memory that survives kexec. */
#ifndef _LINUX_KEXEC_HANDOVER_H
#define _LINUX_KEXEC_HANDOVER_H

#include <linux/err.h>
#include <linux/jump_label.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/types.h>

struct folio;
struct kexec_buf;
struct kimage;
struct page;
struct resource;

#ifdef CONFIG_KEXEC_HANDOVER

bool kho_is_enabled(void);
bool is_kho_boot(void);
bool kho_was_refused(void);
const char *kho_previous_release(void);

int kho_preserve_folio(struct folio *folio);
void kho_unpreserve_folio(struct folio *folio);
struct folio *kho_restore_folio(phys_addr_t phys);

int kho_preserve_pages(struct page *page, unsigned long nr_pages);
void kho_unpreserve_pages(struct page *page, unsigned long nr_pages);
struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr_pages);
int kho_retain_pages(phys_addr_t phys, unsigned long nr_pages);

void *kho_alloc_vmalloc(size_t size);
int kho_preserve_vmalloc(void *ptr, struct kho_vmalloc *preservation);
void kho_unpreserve_vmalloc(struct kho_vmalloc *preservation);
void *kho_restore_vmalloc(const struct kho_vmalloc *preservation);

void *kho_alloc_preserve(size_t size);
void kho_unpreserve_free(void *mem);
void kho_restore_free(void *mem);

bool kho_is_preserved(phys_addr_t phys, unsigned int order);
bool kho_was_preserved(phys_addr_t phys, unsigned long nr_pages);
int kho_preserved_order(phys_addr_t phys);
unsigned long kho_nr_restorable(void);

int kho_add_subtree(const char *name, void *blob, size_t size);
void kho_remove_subtree(void *blob);
int kho_retrieve_subtree(const char *name, phys_addr_t *phys, size_t *size);
int kho_fdt_get_u64(const void *fdt, int node, const char *name, u64 *value);

/* Early boot and kexec; called by the architecture and by kexec_file. */
void kho_populate(phys_addr_t fdt_phys, u64 fdt_len,
		  phys_addr_t scratch_phys, u64 scratch_len);
void kho_memory_known(void);
void kho_memory_open(void);
void kho_scratch_reserve(void);
void kho_scratch_mark(void);
int kho_fill_kimage(struct kimage *image);
bool kho_is_in_image(const struct kimage *image);
int kho_check_image(void);
int kho_cmdline_off(const struct kimage *image, const char *option);
int kho_walk_scratch(struct kexec_buf *kbuf,
		     int (*func)(struct resource *res, void *arg));

DECLARE_STATIC_KEY_FALSE(kho_scratch_key);

/**
 * kho_has_scratch - is some of the memory scratch?
 *
 * What is preserved has to be moved out of it first.
 *
 * Context: any.
 * Return: true if so.
 */
static inline bool kho_has_scratch(void)
{
	return static_branch_unlikely(&kho_scratch_key);
}

#else /* CONFIG_KEXEC_HANDOVER */

static inline bool kho_is_enabled(void)
{
	return false;
}

static inline bool is_kho_boot(void)
{
	return false;
}

static inline bool kho_was_refused(void)
{
	return false;
}

static inline bool kho_is_in_image(const struct kimage *image)
{
	return false;
}

static inline int kho_retrieve_subtree(const char *name, phys_addr_t *phys,
				       size_t *size)
{
	return -EOPNOTSUPP;
}

static inline int kho_add_subtree(const char *name, void *blob, size_t size)
{
	return -EOPNOTSUPP;
}

static inline void kho_remove_subtree(void *blob)
{
}

static inline void kho_populate(phys_addr_t fdt_phys, u64 fdt_len,
				phys_addr_t scratch_phys, u64 scratch_len)
{
}

static inline void kho_memory_known(void)
{
}

static inline void kho_memory_open(void)
{
}

static inline void kho_scratch_reserve(void)
{
}

static inline void kho_scratch_mark(void)
{
}

static inline int kho_fill_kimage(struct kimage *image)
{
	return 0;
}

static inline int kho_check_image(void)
{
	return -ENOENT;
}

static inline bool kho_has_scratch(void)
{
	return false;
}

static inline int kho_walk_scratch(struct kexec_buf *kbuf,
				   int (*func)(struct resource *res, void *arg))
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_KEXEC_HANDOVER */

#endif /* _LINUX_KEXEC_HANDOVER_H */

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KHO_MEMORY_H
#define _KHO_MEMORY_H

#include <linux/init.h>
#include <linux/types.h>

struct kho_vmalloc;
struct page;

/* kho_preserve.c: for the next kernel */
int kho_memory_create(void);
phys_addr_t kho_memory_map_phys(void);
unsigned long kho_nr_preserved(void);
int kho_pfn_to_nid(unsigned long pfn);
unsigned int kho_block_order(unsigned long pfn, unsigned long end);

/* kho_restore.c: from the previous kernel */
int kho_memory_ingest(phys_addr_t map_phys);
void kho_memory_forget(void);
void kho_memory_release_gaps(void);
bool kho_is_restorable(phys_addr_t phys, unsigned int order);

#if IS_ENABLED(CONFIG_KUNIT)
/* kho_vmalloc.c */
int kho_vmalloc_read(const struct kho_vmalloc *kv, struct page **pages);
#endif

#endif /* _KHO_MEMORY_H */

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KHO_SCRATCH_H
#define _KHO_SCRATCH_H

#include <linux/init.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/types.h>

int kho_scratch_adopt(phys_addr_t phys, u64 len);
void kho_scratch_forget(void);
bool kho_scratch_is_memory(void);
void kho_scratch_keep(void);
void kho_scratch_keep_all(void);
int kho_scratch_alloc(void);
void kho_scratch_release(void);
bool kho_scratch_overlaps(phys_addr_t phys, u64 size);
const struct kho_scratch_ser *kho_scratch_table(unsigned int *nr);

#if IS_ENABLED(CONFIG_KUNIT)
bool kho_scratch_is_sane(const struct kho_scratch_ser *table, unsigned int nr);
#endif

#endif /* _KHO_SCRATCH_H */

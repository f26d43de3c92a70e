/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_RESERVE_MEM_KHO_H
#define _MM_RESERVE_MEM_KHO_H

#include <linux/types.h>

#if IS_ENABLED(CONFIG_KUNIT)
bool reserve_mem_fdt_is_sane(const void *fdt, size_t size);
int reserve_mem_read(const void *fdt, const char *label, u64 *start, u64 *size);
#endif

#endif /* _MM_RESERVE_MEM_KHO_H */

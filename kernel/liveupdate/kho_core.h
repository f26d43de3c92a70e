/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KHO_CORE_H
#define _KHO_CORE_H

#include <linux/types.h>

struct kho_metadata_ser;

phys_addr_t kho_fdt_phys(void);

#if IS_ENABLED(CONFIG_KUNIT)
int kho_read_fdt(const void *fdt, u64 *map_phys);
int kho_find_blob(const void *fdt, const char *name, u64 *phys, u64 *size);
bool kho_metadata_is_sane(const struct kho_metadata_ser *meta, size_t size);
#endif

#endif /* _KHO_CORE_H */

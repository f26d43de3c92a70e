/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KHO_DEBUGFS_H
#define _KHO_DEBUGFS_H

#ifdef CONFIG_KEXEC_HANDOVER_DEBUGFS
void kho_debugfs_keep(const void *fdt_in);
void kho_debugfs_init(const void *fdt_in, const void *fdt_out);
#else
static inline void kho_debugfs_keep(const void *fdt_in)
{
}

static inline void kho_debugfs_init(const void *fdt_in, const void *fdt_out)
{
}
#endif

#endif /* _KHO_DEBUGFS_H */

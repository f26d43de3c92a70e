/* SPDX-License-Identifier: GPL-2.0 */
/* A memfd in the handover: file handler "memfd-v2" of the LUO. */
#ifndef _LINUX_KHO_ABI_MEMFD_H
#define _LINUX_KHO_ABI_MEMFD_H

#include <linux/build_bug.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/types.h>

#define MEMFD_LUO_COMPATIBLE	"memfd-v2"

#define MEMFD_LUO_FOLIO_DIRTY		BIT(0)
#define MEMFD_LUO_FOLIO_UPTODATE	BIT(1)

/**
 * struct memfd_luo_folio_ser - one folio of a preserved memfd
 * @pfn: first page frame, 0 for an entry to skip
 * @flags: MEMFD_LUO_FOLIO_*
 * @index: offset in the file, in pages
 */
struct memfd_luo_folio_ser {
	u64 pfn:52;
	u64 flags:12;
	u64 index;
};

static_assert(sizeof(struct memfd_luo_folio_ser) == 16);

/**
 * struct memfd_luo_ser - a preserved memfd
 * @pos: file position
 * @size: file size in bytes
 * @seals: F_SEAL_*
 * @flags: none defined, 0
 * @nr_folios: entries in @folios
 * @folios: vmalloc area with an array of &struct memfd_luo_folio_ser, holes
 *	of the file have no entry
 */
struct memfd_luo_ser {
	u64 pos;
	u64 size;
	u32 seals;
	u32 flags;
	u64 nr_folios;
	struct kho_vmalloc folios;
} __packed;
static_assert(sizeof(struct memfd_luo_ser) == 48);

#endif /* _LINUX_KHO_ABI_MEMFD_H */

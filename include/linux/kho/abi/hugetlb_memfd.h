/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Huge pages in the handover: file handler "hugetlb-memfd-v1" of the LUO, and
 * what the next kernel has to know about their pools before that.
 */
#ifndef _LINUX_KHO_ABI_HUGETLB_MEMFD_H
#define _LINUX_KHO_ABI_HUGETLB_MEMFD_H

#include <linux/build_bug.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/types.h>

#define HUGETLB_LUO_COMPATIBLE	"hugetlb-memfd-v1"

/**
 * struct hugetlb_luo_folio_ser - one huge page of a preserved memfd
 * @pfn: first page frame
 * @index: offset in the file, in huge pages
 */
struct hugetlb_luo_folio_ser {
	u64 pfn;
	u64 index;
};

static_assert(sizeof(struct hugetlb_luo_folio_ser) == 16);

/**
 * struct hugetlb_luo_range_ser - holes with a reservation
 * @from: offset of the first one in the file, in huge pages
 * @to: offset behind the last one
 */
struct hugetlb_luo_range_ser {
	u64 from;
	u64 to;
};

static_assert(sizeof(struct hugetlb_luo_range_ser) == 16);

/**
 * struct hugetlb_luo_ser - a preserved memfd in huge pages
 * @pos: file position
 * @size: file size in bytes, not always a multiple of the page size
 * @seals: F_SEAL_*
 * @order: each page is 4 KiB << @order
 * @nr_folios: entries in @folios
 * @nr_ranges: entries in @ranges
 * @folios: vmalloc area with an array of &struct hugetlb_luo_folio_ser, sorted by
 *	index; a hole of the file has no entry
 * @ranges: vmalloc area with an array of &struct hugetlb_luo_range_ser, sorted,
 *	in which there are only holes
 */
struct hugetlb_luo_ser {
	u64 pos;
	u64 size;
	u32 seals;
	u32 order;
	u64 nr_folios;
	u64 nr_ranges;
	struct kho_vmalloc folios;
	struct kho_vmalloc ranges;
} __packed;
static_assert(sizeof(struct hugetlb_luo_ser) == 72);

/* Name of the subnode in the KHO FDT; there is one if any page is preserved. */
#define HUGETLB_POOL_FDT_NODE	"hugetlb"
#define HUGETLB_POOL_COMPATIBLE	"hugetlb-pool-v1"

/**
 * struct hugetlb_pool_entry_ser - pages of one size on one node
 * @order: each page is 4 KiB << @order
 * @nid: node, as the kernel that writes this counts them
 * @nr: preserved pages, of all files
 * @surplus: how many of these are more than the pool is to have
 */
struct hugetlb_pool_entry_ser {
	u32 order;
	u32 nid;
	u64 nr;
	u64 surplus;
};

static_assert(sizeof(struct hugetlb_pool_entry_ser) == 24);

/**
 * struct hugetlb_pool_ser - what the pools of the next kernel will get
 * @compatible: %HUGETLB_POOL_COMPATIBLE, NUL padded
 * @nr_entries: entries in @entries
 * @entries: in any order
 */
struct hugetlb_pool_ser {
	char compatible[24];
	u64 nr_entries;
	struct hugetlb_pool_entry_ser entries[];
};

static_assert(sizeof(struct hugetlb_pool_ser) == 32);

#endif /* _LINUX_KHO_ABI_HUGETLB_MEMFD_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kexec HandOver (KHO): what one kernel leaves in memory for the next.
 *
 * Everything here is read by a kernel other than the one that wrote it, and
 * that kernel may be older or newer. A layout never changes; a new layout gets
 * a new compatible string, and a reader refuses a string that it does not know.
 */
#ifndef _LINUX_KHO_ABI_KEXEC_HANDOVER_H
#define _LINUX_KHO_ABI_KEXEC_HANDOVER_H

#include <linux/build_bug.h>
#include <linux/types.h>

/**
 * DOC: KHO FDT
 *
 * The root of the handover is a flattened device tree of one page. Its root
 * node carries
 *
 * - ``compatible``: %KHO_FDT_COMPATIBLE,
 * - ``preserved-memory-map``: u64, physical address of the root of the
 *   preserved-memory map, see kho_map.c.
 *
 * Each producer of preserved data has one subnode with
 *
 * - ``preserved-data``: u64, physical address of its blob,
 * - ``blob-size``: u64, size of the blob in bytes.
 *
 * The numbers are in native byte order. The producer preserves the memory of
 * its blob itself.
 */
#define KHO_FDT_COMPATIBLE	"kho-v4"
#define KHO_FDT_MAP_PROP	"preserved-memory-map"
#define KHO_FDT_BLOB_PROP	"preserved-data"
#define KHO_FDT_BLOB_SIZE_PROP	"blob-size"

/**
 * struct kho_scratch_ser - one scratch region
 * @addr: physical address, aligned to the largest buddy block
 * @size: bytes
 *
 * The regions travel as an array in a kexec segment of its own: the first one
 * in low memory, then a global one, then one for each node that has memory.
 */
struct kho_scratch_ser {
	u64 addr;
	u64 size;
} __packed;
static_assert(sizeof(struct kho_scratch_ser) == 16);

/* struct kho_vmalloc.flags */
#define KHO_VMALLOC_ALLOC	0x0001	/* VM_ALLOC */
#define KHO_VMALLOC_HUGE_VMAP	0x0002	/* VM_ALLOW_HUGE_VMAP */

/**
 * struct kho_vmalloc - a preserved vmalloc area
 * @first: physical address of the first &struct kho_vmalloc_chunk, 0 for none
 * @total_pages: size of the area in pages
 * @flags: KHO_VMALLOC_*
 * @order: page order of each entry of the chunks
 */
struct kho_vmalloc {
	u64 first;
	u32 total_pages;
	u16 flags;
	u16 order;
};

static_assert(sizeof(struct kho_vmalloc) == 16);

#define KHO_VMALLOC_CHUNK_ENTRIES	511

/**
 * struct kho_vmalloc_chunk - one page of physical addresses
 * @next: physical address of the next chunk, 0 for none
 * @phys: addresses of the blocks, ended by a zero or by the page
 */
struct kho_vmalloc_chunk {
	u64 next;
	u64 phys[KHO_VMALLOC_CHUNK_ENTRIES];
};

static_assert(sizeof(struct kho_vmalloc_chunk) == 4096);

/**
 * struct kho_block_header_ser - head of one page of fixed-size records
 * @next: physical address of the next block, 0 for none
 * @count: records that follow in this block
 */
struct kho_block_header_ser {
	u64 next;
	u64 count;
} __packed;
static_assert(sizeof(struct kho_block_header_ser) == 16);

#define KHO_METADATA_NODE	"kexec-metadata"
#define KHO_METADATA_VERSION	1
#define KHO_METADATA_RELEASE	65

/**
 * struct kho_metadata_ser - who was here before
 * @version: %KHO_METADATA_VERSION
 * @previous_release: release of the kernel that wrote this, NUL-terminated
 * @kexec_count: number of kexecs since the last cold boot, as the reader
 *	counts them: the writer has added its own
 */
struct kho_metadata_ser {
	u32 version;
	char previous_release[KHO_METADATA_RELEASE];
	u32 kexec_count;
} __packed;
static_assert(sizeof(struct kho_metadata_ser) == 73);

#endif /* _LINUX_KHO_ABI_KEXEC_HANDOVER_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* An iommufd context in the handover: file handler "iommufd-v1" of the LUO. */
#ifndef _LINUX_KHO_ABI_IOMMUFD_H
#define _LINUX_KHO_ABI_IOMMUFD_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

#define IOMMUFD_LIVEUPDATE_COMPATIBLE	"iommufd-v1"

#define IOMMUFD_IOAS_SER_SMALL_PAGES	BIT(0)	/* IOMMU_OPTION_HUGE_PAGES is 0 */

/**
 * struct iommufd_ioas_ser - an IO address space
 * @id: object ID, like all others unique in the context
 * @flags: IOMMUFD_IOAS_SER_*
 */
struct iommufd_ioas_ser {
	u32 id;
	u32 flags;
};

static_assert(sizeof(struct iommufd_ioas_ser) == 8);

/**
 * struct iommufd_range_ser - IOVAs that were asked for with IOMMU_IOAS_ALLOW_IOVAS
 * @start: first of them
 * @last: inclusive last
 * @ioas_id: where; ranges of the same IOAS don't overlap
 * @reserved: 0
 */
struct iommufd_range_ser {
	u64 start;
	u64 last;
	u32 ioas_id;
	u32 reserved;
};

static_assert(sizeof(struct iommufd_range_ser) == 24);

#define IOMMUFD_PAGES_SER_WRITEABLE	BIT(0)	/* areas may be, too */

/**
 * struct iommufd_pages_ser - a range of a memfd, of which areas have their slices
 * @token: the memfd, in the same session
 * @index: first page in it
 * @npages: number of pages
 * @flags: IOMMUFD_PAGES_SER_*
 * @reserved: 0
 */
struct iommufd_pages_ser {
	u64 token;
	u64 index;
	u64 npages;
	u32 flags;
	u32 reserved;
};

static_assert(sizeof(struct iommufd_pages_ser) == 32);

#define IOMMUFD_AREA_SER_READABLE	BIT(0)
#define IOMMUFD_AREA_SER_WRITEABLE	BIT(1)

/**
 * struct iommufd_area_ser - what is mapped at some IOVAs
 * @iova: first of them
 * @length: number of bytes
 * @start: first byte of the pages
 * @pages: which &struct iommufd_pages_ser, counted from 0
 * @ioas_id: where
 * @flags: IOMMUFD_AREA_SER_*, at least one
 * @reserved: 0
 */
struct iommufd_area_ser {
	u64 iova;
	u64 length;
	u64 start;
	u64 pages;
	u32 ioas_id;
	u32 flags;
	u64 reserved;
};

static_assert(sizeof(struct iommufd_area_ser) == 48);

#define IOMMUFD_HWPT_SER_AUTO		BIT(0)	/* allocated by attaching an IOAS */
#define IOMMUFD_HWPT_SER_COHERENT	BIT(1)	/* cache coherency is enforced */

/**
 * struct iommufd_hwpt_ser - a page table of the hardware
 * @domain: its domain, by the ID that the IOMMU core has given it
 * @id: object ID
 * @ioas_id: what is mapped in it
 * @flags: IOMMUFD_HWPT_SER_*
 * @reserved: 0
 */
struct iommufd_hwpt_ser {
	u64 domain;
	u32 id;
	u32 ioas_id;
	u32 flags;
	u32 reserved;
};

static_assert(sizeof(struct iommufd_hwpt_ser) == 24);

/**
 * struct iommufd_device_ser - a PCI device that was bound to the context
 * @id: object ID
 * @hwpt_id: what it is attached to, 0 for nothing
 * @segment: PCI segment
 * @bdf: bus in the upper, device and function in the lower 8 bits
 * @reserved: 0
 */
struct iommufd_device_ser {
	u32 id;
	u32 hwpt_id;
	u32 segment;
	u16 bdf;
	u16 reserved;
};

static_assert(sizeof(struct iommufd_device_ser) == 16);

/**
 * struct iommufd_chain_ser - records of one kind
 * @first: first block of the chain, see &struct kho_block_header_ser; 0 for none
 * @count: number of records
 */
struct iommufd_chain_ser {
	u64 first;
	u64 count;
};

static_assert(sizeof(struct iommufd_chain_ser) == 16);

/**
 * enum iommufd_ser_kind - kinds of records
 * @IOMMUFD_SER_IOAS: &struct iommufd_ioas_ser
 * @IOMMUFD_SER_RANGE: &struct iommufd_range_ser
 * @IOMMUFD_SER_PAGES: &struct iommufd_pages_ser
 * @IOMMUFD_SER_AREA: &struct iommufd_area_ser
 * @IOMMUFD_SER_HWPT: &struct iommufd_hwpt_ser
 * @IOMMUFD_SER_DEVICE: &struct iommufd_device_ser
 * @IOMMUFD_SER_KINDS: how many there are
 */
enum iommufd_ser_kind {
	IOMMUFD_SER_IOAS,
	IOMMUFD_SER_RANGE,
	IOMMUFD_SER_PAGES,
	IOMMUFD_SER_AREA,
	IOMMUFD_SER_HWPT,
	IOMMUFD_SER_DEVICE,
	IOMMUFD_SER_KINDS
};

/**
 * struct iommufd_ser - a context
 * @flags: none defined, 0
 * @chains: the records of each kind, see &enum iommufd_ser_kind
 *
 * It is in a preserved page of its own.
 */
struct iommufd_ser {
	u64 flags;
	struct iommufd_chain_ser chains[IOMMUFD_SER_KINDS];
};

static_assert(sizeof(struct iommufd_ser) == 104);

#endif /* _LINUX_KHO_ABI_IOMMUFD_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IOMMUs in the handover: "iommu-v1" of the LUO's data shared by files. Its u64
 * is the physical address of a &struct iommu_ser in a preserved page.
 *
 * The units go on translating all through the kexec. What they read meanwhile is
 * preserved memory: a root table that has nothing but the entries of preserved
 * devices, and the tables of their domains, each one a preserved page.
 */
#ifndef _LINUX_KHO_ABI_IOMMU_H
#define _LINUX_KHO_ABI_IOMMU_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

#define IOMMU_LIVEUPDATE_COMPATIBLE	"iommu-v1"

/* Kinds of units. */
#define IOMMU_UNIT_SER_VTD		1	/* Intel VT-d in legacy mode */
#define IOMMU_UNIT_SER_VTD_SCALABLE	2	/* and in scalable mode */

/**
 * struct iommu_unit_ser - an IOMMU that goes on translating
 * @type: IOMMU_UNIT_SER_*
 * @reserved: 0
 * @base: physical address of its registers, which it is found by
 * @root: physical address of the root table that it uses during the kexec; this
 *	and the context tables that it refers to are one preserved page each. In
 *	scalable mode each requester has a directory of PASIDs, of the smallest size,
 *	with a single table, with a single entry: a preserved page each, too
 * @interrupts: physical address of the table of interrupts that it uses meanwhile, a
 *	preserved page in which there are none
 */
struct iommu_unit_ser {
	u32 type;
	u32 reserved;
	u64 base;
	u64 root;
	u64 interrupts;
} __packed;
static_assert(sizeof(struct iommu_unit_ser) == 32);

#define IOMMU_DOMAIN_SER_SNOOP	BIT(0)	/* each mapping enforces snooping */

/**
 * struct iommu_domain_ser - an address space
 * @id: not 0, unique; what its user knows it by
 * @root: physical address of its topmost table
 * @nr_tables: tables in it, that one included; one preserved page each
 * @levels: levels of tables
 * @flags: IOMMU_DOMAIN_SER_*
 */
struct iommu_domain_ser {
	u64 id;
	u64 root;
	u64 nr_tables;
	u32 levels;
	u32 flags;
} __packed;
static_assert(sizeof(struct iommu_domain_ser) == 32);

/**
 * struct iommu_requester_ser - an ID that a preserved device does DMA with
 * @domain: &iommu_domain_ser.id that it is attached to
 * @unit: index of the unit that translates for it
 * @segment: PCI segment
 * @bdf: of the device
 * @rid: requester ID: that of the device, or an alias. One may belong to several
 *	devices, all in the same domain.
 * @hw_domain: number of the domain in the unit's tables and caches
 * @reserved: 0
 */
struct iommu_requester_ser {
	u64 domain;
	u32 unit;
	u32 segment;
	u16 bdf;
	u16 rid;
	u16 hw_domain;
	u16 reserved;
} __packed;
static_assert(sizeof(struct iommu_requester_ser) == 24);

/* Each entry is compared with each other one. */
#define IOMMU_SER_MAX_ENTRIES	4096

/**
 * struct iommu_array_ser - entries one after another
 * @first: physical address of a preserved block of memory
 * @nr: entries, at most %IOMMU_SER_MAX_ENTRIES
 */
struct iommu_array_ser {
	u64 first;
	u64 nr;
};

static_assert(sizeof(struct iommu_array_ser) == 16);

/**
 * struct iommu_ser - all of them
 * @units: array of &struct iommu_unit_ser
 * @domains: array of &struct iommu_domain_ser
 * @requesters: array of &struct iommu_requester_ser
 */
struct iommu_ser {
	struct iommu_array_ser units;
	struct iommu_array_ser domains;
	struct iommu_array_ser requesters;
};

static_assert(sizeof(struct iommu_ser) == 48);

#endif /* _LINUX_KHO_ABI_IOMMU_H */

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _INTEL_LIVEUPDATE_H
#define _INTEL_LIVEUPDATE_H

#include <linux/types.h>

#include "iommu.h"

#ifdef CONFIG_IOMMU_LIVEUPDATE

#include <linux/xarray.h>

#include "../liveupdate.h"

/* Of DMAR_IRTA_REG: the mode of x2APICs. */
#define IRTA_EXTENDED_MODE	BIT_ULL(11)

/**
 * struct intel_liveupdate_out - what a unit has for the kexec
 * @root: root table, one preserved page, as are the context tables
 * @interrupts: an empty table of interrupts, one preserved page
 * @users: for each requester ID in there, how many devices have it
 */
struct intel_liveupdate_out {
	struct root_entry *root;
	void *interrupts;
	struct xarray users;
};

struct pasid_entry;

/**
 * intel_liveupdate_root_slot - what refers to the table with a requester's entry
 * @root: the root table
 * @rid: the requester
 * @scalable: the mode of the unit
 *
 * Return: a place in @root.
 */
static inline u64 *intel_liveupdate_root_slot(struct root_entry *root, u16 rid, bool scalable)
{
	root += rid >> 8;
	return scalable && rid & 0x80 ? &root->hi : &root->lo;
}

/**
 * intel_liveupdate_context_index - where in its table a requester's entry is
 * @rid: the requester
 * @scalable: the mode of the unit, in which entries are twice as large
 *
 * Return: index of &struct context_entry.
 */
static inline unsigned int intel_liveupdate_context_index(u16 rid, bool scalable)
{
	return scalable ? (rid & 0x7f) * 2 : rid & 0xff;
}

/**
 * struct intel_liveupdate_tables - tables of a domain that were handed over
 * @root: physical address of the topmost one
 * @levels: 3 to 5
 * @nr: tables that there should be
 * @superpages: pages that may be larger, BIT(0): 2 MiB, BIT(1): 1 GiB
 * @snoop: each entry for memory has %DMA_PTE_SNP, or none
 * @end: out: behind the last address that is mapped
 * @mapped: out: bytes that are
 * @seen: page frame of each table, with its level
 * @nr_seen: entries in it
 */
struct intel_liveupdate_tables {
	u64 root;
	unsigned int levels;
	u64 nr;
	unsigned int superpages;
	bool snoop;
	u64 end;
	u64 mapped;
	struct xarray seen;
	u64 nr_seen;
};

/* liveupdate_tables.c */
int intel_liveupdate_check_tables(struct intel_liveupdate_tables *tables);
int intel_liveupdate_claim_tables(struct intel_liveupdate_tables *tables);
void intel_liveupdate_free_tables(u64 root, unsigned int levels);
int intel_liveupdate_walk(struct dma_pte *table, unsigned int level,
			  int (*fn)(void *table, void *data), void *data);

/* liveupdate_scalable.c */
struct pasid_entry intel_liveupdate_pasid_entry(const struct intel_iommu *iommu, u64 root,
						u32 agaw, u16 did);
bool intel_liveupdate_has_entry(struct intel_iommu *iommu, u16 rid,
				const struct pasid_entry *expected);
int intel_liveupdate_preserve_entry(struct intel_iommu *iommu, struct context_entry *context,
				    const struct pasid_entry *entry);
void intel_liveupdate_unpreserve_entry(const struct context_entry *context);
bool intel_liveupdate_check_entry(const struct root_entry *root, u16 rid,
				  const struct pasid_entry *expected);
void intel_liveupdate_free_old_entry(const struct root_entry *root, u16 rid);
int intel_liveupdate_prepare_entry(struct intel_iommu *iommu, u16 rid);
void intel_liveupdate_cancel_entry(struct intel_iommu *iommu, u16 rid);
void intel_liveupdate_copy_entry(struct intel_iommu *iommu, struct context_entry *context,
				 const struct pasid_entry *entry);
void intel_liveupdate_block_entries(struct intel_iommu *iommu, struct pci_dev *pdev);

/* liveupdate_in.c */
bool intel_liveupdate_check_context(const struct root_entry *root, u16 rid,
				    const struct context_entry *expected);
bool intel_liveupdate_device_is_live(struct device *dev);
void intel_liveupdate_device_block(struct device *dev);

/* liveupdate_domain.c */
static inline bool intel_liveupdate_is_copied(struct intel_iommu *iommu, u16 rid)
{
	return context_copied(iommu, rid >> 8, rid & 0xff);
}

struct intel_iommu *intel_liveupdate_find_iommu(const struct iommu_liveupdate_in *in, u32 unit);
unsigned int intel_liveupdate_width(const struct intel_iommu *iommu, unsigned int levels);
struct iommu_domain *
intel_liveupdate_domain_restore(struct iommu_liveupdate_in *in,
				struct iommu_liveupdate_in_domain *entry, struct device *dev);
size_t intel_liveupdate_domain_lookup(struct iommu_domain *base, unsigned long iova,
				      phys_addr_t *phys, int *prot);
void intel_liveupdate_domain_put_back(struct iommu_liveupdate_in_domain *entry);
bool intel_liveupdate_domain_is_live(struct iommu_liveupdate_in *in,
				     struct iommu_liveupdate_in_domain *entry);
void intel_liveupdate_domain_finish(struct iommu_liveupdate_in *in,
				    struct iommu_liveupdate_in_domain *entry);

/* Hooks of iommu.c. */
extern const struct iommu_liveupdate_ops intel_liveupdate_ops;

bool intel_liveupdate_shutdown(struct intel_iommu *iommu);
bool intel_liveupdate_keeps_interrupts(struct intel_iommu *iommu, bool x2apic);
void intel_liveupdate_choose_mode(void);
bool intel_liveupdate_keeps(struct intel_iommu *iommu);
bool intel_liveupdate_copy(struct intel_iommu *iommu);
void intel_liveupdate_quiet_all(void);
bool intel_liveupdate_is_cut_off(struct device *dev);
bool intel_liveupdate_without_ats(struct intel_iommu *iommu, struct pci_dev *pdev);
bool intel_liveupdate_take_over(struct dmar_domain *domain, struct intel_iommu *iommu,
				struct context_entry *context, u8 bus, u8 devfn);
bool intel_liveupdate_prepare_attach(struct dmar_domain *domain, struct device *dev);
void intel_liveupdate_attached(struct device *dev);
#define intel_liveupdate_free_domain(_domain)	iommu_liveupdate_free_domain(_domain)

#else /* CONFIG_IOMMU_LIVEUPDATE */

/* What is compiled is to be just what it was: not even a declaration is added. */
#define intel_liveupdate_shutdown(_iommu)	((void)(_iommu), false)
#define intel_liveupdate_keeps_interrupts(_iommu, _x2apic) \
	((void)(_iommu), (void)(_x2apic), false)
#define intel_liveupdate_choose_mode()		((void)0)
#define intel_liveupdate_keeps(_iommu)		((void)(_iommu), false)
#define intel_liveupdate_copy(_iommu)		((void)(_iommu), false)
#define intel_liveupdate_quiet_all()		((void)0)
#define intel_liveupdate_is_cut_off(_dev)	((void)(_dev), false)
#define intel_liveupdate_without_ats(_iommu, _pdev) \
	((void)(_iommu), (void)(_pdev), false)
#define intel_liveupdate_take_over(_domain, _iommu, _context, _bus, _devfn) \
	((void)(_domain), (void)(_iommu), (void)(_context), (void)(_bus), (void)(_devfn), false)
#define intel_liveupdate_prepare_attach(_domain, _dev)	((void)(_domain), (void)(_dev), false)
#define intel_liveupdate_attached(_dev)		((void)(_dev))
#define intel_liveupdate_free_domain(_domain)	((void)(_domain), false)

#endif /* CONFIG_IOMMU_LIVEUPDATE */

#endif /* _INTEL_LIVEUPDATE_H */

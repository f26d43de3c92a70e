// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of VT-d units, in the next kernel: domains that are made of tables
 * that were handed over. They are ours by then, see liveupdate_in.c.
 *
 * A domain has a reference in each unit that uses it (&dmar_domain.iommu_array), by
 * the number that it has there, until it is finished.
 */
#include <linux/dmar.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "../iommu-pages.h"
#include "liveupdate.h"

/**
 * intel_liveupdate_find_iommu - find a unit that was handed over
 * @in: all that was handed over
 * @unit: its number in there
 *
 * Return: it, or NULL if it is not there.
 */
struct intel_iommu *intel_liveupdate_find_iommu(const struct iommu_liveupdate_in *in, u32 unit)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu, *found = NULL;

	rcu_read_lock();
	for_each_active_iommu(iommu, drhd)
		if (iommu->reg_phys == in->units[unit].base)
			found = iommu;
	rcu_read_unlock();
	return found;
}

/**
 * intel_liveupdate_width - the width of the addresses of a domain
 * @iommu: the unit
 * @levels: of its tables
 *
 * Return: bits, or 0 if the unit can't walk so many levels.
 */
unsigned int intel_liveupdate_width(const struct intel_iommu *iommu, unsigned int levels)
{
	int agaw = (int)levels - 2;

	if (agaw < 1 || agaw > iommu->agaw || !(cap_sagaw(iommu->cap) & BIT(agaw)))
		return 0;
	return min_t(unsigned int, agaw_to_width(agaw), cap_mgaw(iommu->cap));
}

/* The units that have a number reserved for a domain hold a reference, by it. */
static int hold_unit(struct dmar_domain *domain, struct intel_iommu *iommu, u16 did)
{
	struct iommu_domain_info *info;
	int ret;

	if (xa_load(&domain->iommu_array, iommu->seq_id))
		return 0;
	info = kzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	info->refcnt = 1;
	info->did = did;
	info->iommu = iommu;
	ret = xa_err(xa_store(&domain->iommu_array, iommu->seq_id, info, GFP_KERNEL));
	if (ret)
		kfree(info);
	return ret;
}

static int hold_units(struct iommu_liveupdate_in *in,
		      const struct iommu_liveupdate_in_domain *entry, struct dmar_domain *domain)
{
	const struct iommu_requester_ser *ser;
	struct intel_iommu *iommu;
	size_t i;
	int ret;

	for_each_set_bit(i, in->taken, in->nr_requesters) {
		ser = &in->requesters[i];
		if (ser->domain != entry->ser.id)
			continue;
		iommu = intel_liveupdate_find_iommu(in, ser->unit);
		if (!iommu)
			continue;
		ret = hold_unit(domain, iommu, ser->hw_domain);
		if (ret)
			return ret;
	}
	return 0;
}

/* Not the tables, nor the numbers. */
static void free_domain(struct dmar_domain *domain)
{
	struct iommu_domain_info *info;
	unsigned long i;

	xa_for_each(&domain->iommu_array, i, info) {
		xa_erase(&domain->iommu_array, i);
		kfree(info);
	}
	kfree(domain->qi_batch);
	kfree(domain);
}

/**
 * intel_liveupdate_domain_restore - see &struct iommu_liveupdate_ops
 * @in: all that was handed over
 * @entry: the domain, whose tables are ours
 * @dev: a device that was attached to it
 *
 * Return: the domain, or ERR_PTR() of -ENOMEM or -EINVAL.
 */
struct iommu_domain *
intel_liveupdate_domain_restore(struct iommu_liveupdate_in *in,
				struct iommu_liveupdate_in_domain *entry, struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct iommu_domain *base;
	struct dmar_domain *domain;
	int ret;

	base = intel_iommu_ops.domain_alloc_user(dev, 0, NULL, NULL);
	if (IS_ERR(base))
		return base;
	domain = to_dmar_domain(base);
	iommu_free_page(domain->pgd);
	domain->pgd = phys_to_virt(entry->ser.root);
	domain->agaw = entry->ser.levels - 2;
	domain->gaw = intel_liveupdate_width(info->iommu, entry->ser.levels);
	domain->max_addr = entry->end;
	domain->has_mappings = entry->end;
	domain->force_snooping = entry->ser.flags & IOMMU_DOMAIN_SER_SNOOP;
	domain->set_pte_snp = domain->force_snooping;
	ret = hold_units(in, entry, domain);
	if (ret) {
		free_domain(domain);
		return ERR_PTR(ret);
	}
	domain_update_iommu_cap(domain);
	return base;
}

/**
 * intel_liveupdate_domain_lookup - see &struct iommu_liveupdate_ops
 * @base: a domain that was restored
 * @iova: where
 * @phys: out: what is there
 * @prot: out: %IOMMU_READ, %IOMMU_WRITE
 *
 * Return: bytes, as far as one entry goes; 0 if nothing is there.
 */
size_t intel_liveupdate_domain_lookup(struct iommu_domain *base, unsigned long iova,
				      phys_addr_t *phys, int *prot)
{
	struct dmar_domain *domain = to_dmar_domain(base);
	unsigned int level = agaw_to_level(domain->agaw);
	struct dma_pte *pte = domain->pgd;
	unsigned long offset, size;

	if (iova >> domain->gaw)
		return 0;
	for (;; level--) {
		pte += pfn_level_offset(iova >> VTD_PAGE_SHIFT, level);
		if (!dma_pte_present(pte))
			return 0;
		if (level == 1 || dma_pte_superpage(pte))
			break;
		pte = phys_to_virt(dma_pte_addr(pte));
	}
	size = lvl_to_nr_pages(level) << VTD_PAGE_SHIFT;
	offset = iova & (size - 1);
	*phys = dma_pte_addr(pte) + offset;
	*prot = (pte->val & DMA_PTE_READ ? IOMMU_READ : 0) |
		(pte->val & DMA_PTE_WRITE ? IOMMU_WRITE : 0);
	return size - offset;
}

/**
 * intel_liveupdate_domain_put_back - see &struct iommu_liveupdate_ops
 * @entry: the domain, which no device is attached to
 */
void intel_liveupdate_domain_put_back(struct iommu_liveupdate_in_domain *entry)
{
	struct dmar_domain *domain = to_dmar_domain(entry->domain);

	entry->end = max(entry->end, domain->max_addr);
	free_domain(domain);
}

/**
 * intel_liveupdate_domain_is_live - see &struct iommu_liveupdate_ops
 * @in: all that was handed over
 * @entry: the domain
 *
 * Return: true if a unit uses it for a device that nothing is attached to.
 */
bool intel_liveupdate_domain_is_live(struct iommu_liveupdate_in *in,
				     struct iommu_liveupdate_in_domain *entry)
{
	const struct iommu_requester_ser *ser;
	struct intel_iommu *iommu;
	size_t i;

	for_each_set_bit(i, in->taken, in->nr_requesters) {
		ser = &in->requesters[i];
		if (ser->domain != entry->ser.id)
			continue;
		iommu = intel_liveupdate_find_iommu(in, ser->unit);
		if (iommu && intel_liveupdate_is_copied(iommu, ser->rid))
			return true;
	}
	return false;
}

/* Let go of one unit: the number is free, unless a device is attached. */
static void drop_unit(struct iommu_liveupdate_in_domain *entry, struct intel_iommu *iommu, u16 did)
{
	if (entry->domain) {
		domain_detach_iommu(to_dmar_domain(entry->domain), iommu);
		return;
	}
	spin_lock(&iommu->lock);
	clear_bit(did, iommu->domain_ids);
	spin_unlock(&iommu->lock);
}

/**
 * intel_liveupdate_domain_finish - see &struct iommu_liveupdate_ops
 * @in: all that was handed over
 * @entry: the domain, whose tables are ours; no device is live
 */
void intel_liveupdate_domain_finish(struct iommu_liveupdate_in *in,
				    struct iommu_liveupdate_in_domain *entry)
{
	const struct iommu_requester_ser *ser;
	struct intel_iommu *iommu;
	size_t i, j;

	for_each_set_bit(i, in->taken, in->nr_requesters) {
		ser = &in->requesters[i];
		if (ser->domain != entry->ser.id)
			continue;
		/* Once for each unit. */
		for (j = 0; j < i; j++)
			if (test_bit(j, in->taken) && in->requesters[j].unit == ser->unit &&
			    in->requesters[j].domain == ser->domain)
				break;
		iommu = j == i ? intel_liveupdate_find_iommu(in, ser->unit) : NULL;
		if (iommu)
			drop_unit(entry, iommu, ser->hw_domain);
	}
	if (!entry->domain)
		intel_liveupdate_free_tables(entry->ser.root, entry->ser.levels);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of VT-d units, see drivers/iommu/liveupdate.c.
 *
 * A unit with preserved devices has two root tables: the one of every day, and one
 * for the kexec with nothing but the entries of these devices, in preserved memory.
 * When all devices are shut down the unit is switched to the latter instead of
 * being turned off. The entries are the same, so for the devices nothing changes;
 * all others are cut off. Interrupts are cut off, too: what a device writes to
 * where they are sent to must not be looked up in memory that is somebody else's.
 *
 * The other half, in the next kernel, is in liveupdate_in.c; what is different in
 * scalable mode is in liveupdate_scalable.c.
 */
#define pr_fmt(fmt) "DMAR: live update: " fmt

#include <linux/err.h>
#include <linux/io.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "liveupdate.h"
#include "pasid.h"

#define NR_BUSES	(VTD_PAGE_SIZE / sizeof(struct root_entry))

/* Of DMAR_IRTA_REG: 2 << 7 entries of 16 bytes. */
#define IRTA_ONE_PAGE		7

static struct intel_iommu *unit_to_iommu(const struct iommu_liveupdate_unit *unit)
{
	return container_of(unit->iommu, struct intel_iommu, iommu);
}

static int alloc_tables(struct intel_iommu *iommu, struct intel_liveupdate_out *out)
{
	out->root = kho_alloc_preserve(VTD_PAGE_SIZE);
	if (IS_ERR(out->root))
		return PTR_ERR(out->root);
	out->interrupts = kho_alloc_preserve(VTD_PAGE_SIZE);
	if (IS_ERR(out->interrupts)) {
		kho_unpreserve_free(out->root);
		return PTR_ERR(out->interrupts);
	}
	__iommu_flush_cache(iommu, out->root, VTD_PAGE_SIZE);
	__iommu_flush_cache(iommu, out->interrupts, VTD_PAGE_SIZE);
	return 0;
}

static int intel_liveupdate_unit_preserve(struct iommu_liveupdate_unit *unit)
{
	struct intel_iommu *iommu = unit_to_iommu(unit);
	struct intel_liveupdate_out *out;
	int err;

	out = kzalloc(sizeof(*out), GFP_KERNEL);
	if (!out)
		return -ENOMEM;
	err = alloc_tables(iommu, out);
	if (err) {
		kfree(out);
		return err;
	}
	xa_init(&out->users);
	unit->ser.type = sm_supported(iommu) ? IOMMU_UNIT_SER_VTD_SCALABLE : IOMMU_UNIT_SER_VTD;
	unit->ser.base = iommu->reg_phys;
	unit->ser.root = virt_to_phys(out->root);
	unit->ser.interrupts = virt_to_phys(out->interrupts);
	iommu->liveupdate = out;
	return 0;
}

static void free_context_table(u64 slot)
{
	if (slot)
		kho_unpreserve_free(phys_to_virt(slot & VTD_PAGE_MASK));
}

static void intel_liveupdate_unit_unpreserve(struct iommu_liveupdate_unit *unit)
{
	struct intel_iommu *iommu = unit_to_iommu(unit);
	struct intel_liveupdate_out *out = iommu->liveupdate;
	unsigned int bus;

	iommu->liveupdate = NULL;
	for (bus = 0; bus < NR_BUSES; bus++) {
		free_context_table(out->root[bus].lo);
		free_context_table(out->root[bus].hi);
	}
	kho_unpreserve_free(out->root);
	kho_unpreserve_free(out->interrupts);
	xa_destroy(&out->users);
	kfree(out);
}

/* Those that a walk comes to first. */
struct intel_liveupdate_count {
	u64 nr;
	u64 max;
	int err;
};

static int preserve_table(void *table, void *data)
{
	struct intel_liveupdate_count *count = data;

	count->err = kho_preserve_pages(virt_to_page(table), 1);
	if (!count->err)
		count->nr++;
	return count->err;
}

static int unpreserve_table(void *table, void *data)
{
	struct intel_liveupdate_count *count = data;

	if (count->nr == count->max)
		return 1;
	count->nr++;
	kho_unpreserve_pages(virt_to_page(table), 1);
	return 0;
}

static void unpreserve_tables(struct dmar_domain *domain, u64 nr)
{
	struct intel_liveupdate_count count = { .max = nr };

	intel_liveupdate_walk(domain->pgd, agaw_to_level(domain->agaw), unpreserve_table, &count);
	WARN_ON_ONCE(count.nr != nr);
}

static bool domain_is_ordinary(struct dmar_domain *domain)
{
	return domain->pgd && !domain->use_first_level && !domain->nested_parent &&
	       !domain->dirty_tracking && !domain->domain.dirty_ops &&
	       list_empty(&domain->dev_pasids);
}

static int intel_liveupdate_domain_preserve(struct iommu_liveupdate_domain *entry)
{
	struct dmar_domain *domain = to_dmar_domain(entry->domain);
	struct intel_liveupdate_count count = {};

	if (!domain_is_ordinary(domain)) {
		pr_err("a domain of the first level, with PASIDs, nested, or that tracks what is dirty can't be carried\n");
		return -EOPNOTSUPP;
	}
	intel_liveupdate_walk(domain->pgd, agaw_to_level(domain->agaw), preserve_table, &count);
	if (count.err) {
		unpreserve_tables(domain, count.nr);
		return count.err;
	}
	entry->ser.root = virt_to_phys(domain->pgd);
	entry->ser.nr_tables = count.nr;
	entry->ser.levels = agaw_to_level(domain->agaw);
	entry->ser.flags = domain->set_pte_snp ? IOMMU_DOMAIN_SER_SNOOP : 0;
	return 0;
}

static void intel_liveupdate_domain_unpreserve(struct iommu_liveupdate_domain *entry)
{
	unpreserve_tables(to_dmar_domain(entry->domain), entry->ser.nr_tables);
}

/* Where a requester's entry is, in the tables for the kexec. */
static struct context_entry *out_context(struct intel_iommu *iommu, u16 rid)
{
	bool scalable = sm_supported(iommu);
	struct context_entry *table;
	u64 slot;

	slot = *intel_liveupdate_root_slot(iommu->liveupdate->root, rid, scalable);
	table = phys_to_virt(slot & VTD_PAGE_MASK);
	return &table[intel_liveupdate_context_index(rid, scalable)];
}

static int add_context_table(struct intel_iommu *iommu, u16 rid)
{
	u64 *slot = intel_liveupdate_root_slot(iommu->liveupdate->root, rid,
					       sm_supported(iommu));
	void *table;

	if (*slot)
		return 0;
	table = kho_alloc_preserve(VTD_PAGE_SIZE);
	if (IS_ERR(table))
		return PTR_ERR(table);
	__iommu_flush_cache(iommu, table, VTD_PAGE_SIZE);
	*slot = virt_to_phys(table) | 1;
	__iommu_flush_cache(iommu, slot, sizeof(*slot));
	return 0;
}

/* What a requester is attached to a domain by, in one mode or the other. */
struct intel_liveupdate_entry {
	struct context_entry context;
	struct pasid_entry pasid;
};

static struct intel_liveupdate_entry entry_of(struct intel_iommu *iommu,
					      struct dmar_domain *domain, u16 did)
{
	u64 root = virt_to_phys(domain->pgd);

	return (struct intel_liveupdate_entry) {
		.context = { .lo = root | 1, .hi = domain->agaw | (u64)did << 8 },
		.pasid = intel_liveupdate_pasid_entry(iommu, root, domain->agaw, did),
	};
}

/* Is it what the unit uses now? */
static bool is_in_use(struct intel_iommu *iommu, u16 rid,
		      const struct intel_liveupdate_entry *entry)
{
	struct context_entry *context;

	if (sm_supported(iommu))
		return intel_liveupdate_has_entry(iommu, rid, &entry->pasid);
	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
	if (context &&
	    (context->lo != entry->context.lo || context->hi != entry->context.hi))
		context = NULL;
	spin_unlock(&iommu->lock);
	return context;
}

static int preserve_entry(struct intel_iommu *iommu, u16 rid,
			  const struct intel_liveupdate_entry *entry)
{
	struct context_entry *context = out_context(iommu, rid);

	if (sm_supported(iommu))
		return intel_liveupdate_preserve_entry(iommu, context, &entry->pasid);
	*context = entry->context;
	__iommu_flush_cache(iommu, context, sizeof(*context));
	return 0;
}

static void unpreserve_entry(struct intel_iommu *iommu, u16 rid)
{
	struct context_entry *context = out_context(iommu, rid);

	if (sm_supported(iommu))
		intel_liveupdate_unpreserve_entry(context);
	context_clear_entry(context);
	__iommu_flush_cache(iommu, context, sizeof(*context));
}

/* Add a user of a requester ID, or take one away. */
static int count_user(struct intel_liveupdate_out *out, u16 rid, int change, unsigned long *users)
{
	void *entry = xa_load(&out->users, rid);

	*users = (entry ? xa_to_value(entry) : 0) + change;
	if (*users)
		return xa_err(xa_store(&out->users, rid, xa_mk_value(*users), GFP_KERNEL));
	xa_erase(&out->users, rid);
	return 0;
}

static int add_requester(struct intel_iommu *iommu, struct dmar_domain *domain, u16 rid, u16 did)
{
	struct intel_liveupdate_entry entry = entry_of(iommu, domain, did);
	unsigned long users;
	int err;

	if (!is_in_use(iommu, rid, &entry))
		return -EOPNOTSUPP;
	err = add_context_table(iommu, rid);
	if (!err)
		err = count_user(iommu->liveupdate, rid, 1, &users);
	/* Others have the same one. */
	if (err || users > 1)
		return err;
	err = preserve_entry(iommu, rid, &entry);
	if (err)
		count_user(iommu->liveupdate, rid, -1, &users);
	return err;
}

static void del_requester(struct intel_iommu *iommu, u16 rid)
{
	unsigned long users;

	/* Nothing is allocated when a number becomes smaller. */
	count_user(iommu->liveupdate, rid, -1, &users);
	if (!users)
		unpreserve_entry(iommu, rid);
}

static int check_device(struct device *dev, struct iommu_domain *domain)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	const char *why = NULL;

	if (info->domain != to_dmar_domain(domain))
		return -EINVAL;
	if (info->ats_supported)
		why = "it may cache translations (ATS)";
	else if (info->pasid_supported)
		why = "it has PASIDs";
	else if (pci_real_dma_dev(to_pci_dev(dev)) != to_pci_dev(dev))
		why = "its DMA is another device's";
	if (!why)
		return 0;
	dev_err(dev, "live update: %s, which can't be carried\n", why);
	return -EOPNOTSUPP;
}

static int intel_liveupdate_device_preserve(struct iommu_liveupdate_device *device)
{
	struct dmar_domain *domain = to_dmar_domain(device->domain->domain);
	struct intel_iommu *iommu = unit_to_iommu(device->unit);
	unsigned int i;
	int err;

	err = check_device(device->dev, device->domain->domain);
	if (err)
		return err;
	device->hw_domain = domain_id_iommu(domain, iommu);
	for (i = 0; i < device->nr_rids; i++) {
		err = add_requester(iommu, domain, device->rids[i], device->hw_domain);
		if (err)
			break;
	}
	if (!err)
		return 0;
	if (err == -EOPNOTSUPP)
		dev_err(device->dev, "live update: %02x:%02x.%d is not attached as it should be\n",
			PCI_BUS_NUM(device->rids[i]), PCI_SLOT(device->rids[i]),
			PCI_FUNC(device->rids[i]));
	while (i--)
		del_requester(iommu, device->rids[i]);
	return err;
}

static void intel_liveupdate_device_unpreserve(struct iommu_liveupdate_device *device)
{
	unsigned int i;

	for (i = 0; i < device->nr_rids; i++)
		del_requester(unit_to_iommu(device->unit), device->rids[i]);
}

/* No interrupt of any device gets through, until the next kernel has a table. */
static void block_interrupts(struct intel_iommu *iommu)
{
	struct qi_desc desc = { .qw0 = QI_IEC_TYPE };
	unsigned long flags;
	u64 address;
	u32 status;

	if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_IRES))
		return;
	raw_spin_lock_irqsave(&iommu->register_lock, flags);
	/* What it is otherwise can't be changed while it is in use. */
	address = dmar_readq(iommu->reg + DMAR_IRTA_REG) & IRTA_EXTENDED_MODE;
	address |= virt_to_phys(iommu->liveupdate->interrupts) | IRTA_ONE_PAGE;
	dmar_writeq(iommu->reg + DMAR_IRTA_REG, address);
	writel(iommu->gcmd | DMA_GCMD_SIRTP, iommu->reg + DMAR_GCMD_REG);
	IOMMU_WAIT_OP(iommu, DMAR_GSTS_REG, readl, (status & DMA_GSTS_IRTPS), status);
	raw_spin_unlock_irqrestore(&iommu->register_lock, flags);
	qi_submit_sync(iommu, &desc, 1, 0);
}

/**
 * intel_liveupdate_shutdown - prepare a unit for what comes, all devices are shut down
 * @iommu: the unit
 *
 * Return: true if it has to go on translating: iommu_set_root_entry() has to follow.
 */
bool intel_liveupdate_shutdown(struct intel_iommu *iommu)
{
	unsigned long flags;

	/* Without a kexec nobody would take over, and firmware resets all. */
	if (!kexec_in_progress || !iommu->liveupdate)
		return false;
	/* The next kernel has no vector for faults until it has set one up. */
	raw_spin_lock_irqsave(&iommu->register_lock, flags);
	writel(DMA_FECTL_IM, iommu->reg + DMAR_FECTL_REG);
	readl(iommu->reg + DMAR_FECTL_REG);
	raw_spin_unlock_irqrestore(&iommu->register_lock, flags);
	block_interrupts(iommu);
	iommu->root_entry = iommu->liveupdate->root;
	pr_info("%s goes on translating\n", iommu->name);
	return true;
}

const struct iommu_liveupdate_ops intel_liveupdate_ops = {
	.unit_preserve = intel_liveupdate_unit_preserve,
	.unit_unpreserve = intel_liveupdate_unit_unpreserve,
	.domain_preserve = intel_liveupdate_domain_preserve,
	.domain_unpreserve = intel_liveupdate_domain_unpreserve,
	.device_preserve = intel_liveupdate_device_preserve,
	.device_unpreserve = intel_liveupdate_device_unpreserve,
	.device_is_live = intel_liveupdate_device_is_live,
	.device_block = intel_liveupdate_device_block,
	.domain_restore = intel_liveupdate_domain_restore,
	.domain_lookup = intel_liveupdate_domain_lookup,
	.domain_put_back = intel_liveupdate_domain_put_back,
	.domain_is_live = intel_liveupdate_domain_is_live,
	.domain_finish = intel_liveupdate_domain_finish,
};

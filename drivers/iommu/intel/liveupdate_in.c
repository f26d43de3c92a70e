// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of VT-d units, in the next kernel, see liveupdate.c.
 *
 * A unit is found translating, with a root table of the previous kernel. It gets a
 * new one, with the same entries for those devices whose entry and tables can be
 * believed; it is never turned off. These entries count as copied, as in a kdump
 * kernel: nothing is attached to such a device until somebody asks for it. If that
 * is the domain that was made of the same tables, the entry stays as it is, or in
 * scalable mode what it stands for, see liveupdate_scalable.c.
 *
 * Invariants:
 *  - an entry is there only if it is what this kernel would have written for its
 *    domain, and all of its device's are;
 *  - a domain's number is reserved in a unit from then on until the domain is
 *    finished, by then &dmar_domain.iommu_array may have it;
 *  - an endpoint whose entry is not there has bus mastering off before anything is
 *    attached to it: it may be doing DMA for somebody who is gone.
 */
#define pr_fmt(fmt) "DMAR: live update: " fmt
#define dev_fmt(fmt) "live update: " fmt

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/dmar.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "../iommu-pages.h"
#include "liveupdate.h"
#include "pasid.h"

#define NR_BUSES	(VTD_PAGE_SIZE / sizeof(struct root_entry))

static struct iommu_unit_ser *find_unit(const struct iommu_liveupdate_in *in,
					const struct intel_iommu *iommu)
{
	size_t i;

	for (i = 0; in && i < in->nr_units; i++)
		if (in->units[i].base == iommu->reg_phys)
			return &in->units[i];
	return NULL;
}

/* What an entry has to be: in legacy mode, */
static struct context_entry context_of(const struct iommu_liveupdate_in_domain *domain,
				       const struct iommu_requester_ser *ser)
{
	return (struct context_entry) {
		.lo = domain->ser.root | 1,
		.hi = (domain->ser.levels - 2) | (u64)ser->hw_domain << 8,
	};
}

/* and in scalable mode. */
static struct pasid_entry pasid_entry_of(const struct intel_iommu *iommu,
					 const struct iommu_liveupdate_in_domain *domain,
					 const struct iommu_requester_ser *ser)
{
	return intel_liveupdate_pasid_entry(iommu, domain->ser.root, domain->ser.levels - 2,
					    ser->hw_domain);
}

/**
 * intel_liveupdate_check_context - is the entry of a requester what it has to be?
 * @root: root table of the previous kernel, a preserved page, in legacy mode
 * @rid: the requester
 * @expected: what it has to be
 *
 * Return: true if so, and its table is a preserved page.
 */
bool intel_liveupdate_check_context(const struct root_entry *root, u16 rid,
				    const struct context_entry *expected)
{
	u64 lo = READ_ONCE(root[PCI_BUS_NUM(rid)].lo);
	const struct context_entry *context;

	if ((lo & ~VTD_PAGE_MASK) != 1 || root[PCI_BUS_NUM(rid)].hi ||
	    kho_preserved_order(lo & VTD_PAGE_MASK))
		return false;
	context = phys_to_virt(lo & VTD_PAGE_MASK);
	context += rid & 0xff;
	return context->lo == expected->lo && context->hi == expected->hi;
}

/* Is it so in the tables that the unit is using? */
static bool is_in_tables(const struct intel_iommu *iommu, const struct iommu_unit_ser *unit,
			 const struct iommu_liveupdate_in_domain *domain,
			 const struct iommu_requester_ser *ser)
{
	const struct root_entry *root = phys_to_virt(unit->root);
	struct pasid_entry entry = pasid_entry_of(iommu, domain, ser);
	struct context_entry expected = context_of(domain, ser);

	if (sm_supported(iommu))
		return intel_liveupdate_check_entry(root, ser->rid, &entry);
	return intel_liveupdate_check_context(root, ser->rid, &expected);
}

static int read_tables(struct intel_iommu *iommu, struct iommu_liveupdate_in_domain *domain)
{
	struct intel_liveupdate_tables tables = {
		.root = domain->ser.root,
		.levels = domain->ser.levels,
		.nr = domain->ser.nr_tables,
		.superpages = cap_super_page_val(iommu->cap) & 3,
		.snoop = domain->ser.flags & IOMMU_DOMAIN_SER_SNOOP,
	};
	int ret;

	xa_init(&tables.seen);
	ret = intel_liveupdate_check_tables(&tables);
	if (!ret)
		ret = intel_liveupdate_claim_tables(&tables);
	xa_destroy(&tables.seen);
	domain->end = tables.end;
	domain->mapped = tables.mapped;
	return ret;
}

/* Can a unit go on with a domain? Its tables are looked at once. */
static bool domain_is_sane(struct intel_iommu *iommu, struct iommu_liveupdate_in_domain *domain)
{
	unsigned int width = intel_liveupdate_width(iommu, domain->ser.levels);

	if (!width || (domain->ser.flags & IOMMU_DOMAIN_SER_SNOOP && !ecap_sc_support(iommu->ecap)))
		return false;
	if (!domain->status)
		domain->status = read_tables(iommu, domain) ?: 1;
	return domain->status > 0 && domain->end <= BIT_ULL(width);
}

/* The requester IDs of a device, and which of them we were told of. */
struct intel_liveupdate_aliases {
	const struct iommu_liveupdate_in *in;
	const struct iommu_requester_ser *device;
	size_t nr;
};

static bool same_device(const struct iommu_requester_ser *a, const struct iommu_requester_ser *b)
{
	return a->segment == b->segment && a->bdf == b->bdf;
}

static int check_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	struct intel_liveupdate_aliases *aliases = data;
	size_t i;

	for (i = 0; i < aliases->in->nr_requesters; i++)
		if (same_device(&aliases->in->requesters[i], aliases->device) &&
		    aliases->in->requesters[i].rid == alias)
			return 0;
	return -ENOENT;
}

/* A PCI device is there that was handed over, and does DMA as it did. */
static bool device_is_sane(struct intel_iommu *iommu, const struct iommu_liveupdate_in *in,
			   const struct iommu_requester_ser *ser, struct pci_dev *pdev)
{
	struct intel_liveupdate_aliases aliases = { .in = in, .device = ser };
	struct dmar_drhd_unit *drhd = dmar_find_matched_drhd_unit(pdev);

	return drhd && drhd->iommu == iommu && ser->segment == iommu->segment &&
	       pci_liveupdate_incoming(pdev) & PCI_LIVEUPDATE_PRESERVED &&
	       !pci_for_each_dma_alias(pdev, check_alias, &aliases);
}

static bool requester_is_sane(struct intel_iommu *iommu, struct iommu_liveupdate_in *in,
			      const struct iommu_requester_ser *ser)
{
	struct iommu_liveupdate_in_domain *domain = iommu_liveupdate_find_in(in, ser->domain);

	/* The lowest numbers are never a domain's. */
	return ser->hw_domain > FLPT_DEFAULT_DID && ser->hw_domain < cap_ndoms(iommu->cap) &&
	       is_in_tables(iommu, &in->units[ser->unit], domain, ser) &&
	       domain_is_sane(iommu, domain);
}

/* All that can fail. */
static int prepare_requester(struct intel_iommu *iommu, u16 rid)
{
	bool has;

	if (sm_supported(iommu))
		return intel_liveupdate_prepare_entry(iommu, rid);
	spin_lock(&iommu->lock);
	has = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 1);
	spin_unlock(&iommu->lock);
	return has ? 0 : -ENOMEM;
}

/* There is a context table for it, and it is prepared. */
static void copy_requester(struct intel_iommu *iommu, struct iommu_liveupdate_in *in,
			   const struct iommu_requester_ser *ser)
{
	struct iommu_liveupdate_in_domain *domain = iommu_liveupdate_find_in(in, ser->domain);
	struct pasid_entry entry = pasid_entry_of(iommu, domain, ser);
	u8 bus = PCI_BUS_NUM(ser->rid), devfn = ser->rid & 0xff;
	struct context_entry *context;

	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, bus, devfn, 1);
	if (sm_supported(iommu)) {
		intel_liveupdate_copy_entry(iommu, context, &entry);
	} else {
		*context = context_of(domain, ser);
		__iommu_flush_cache(iommu, context, sizeof(*context));
	}
	set_context_copied(iommu, bus, devfn);
	set_bit(ser->hw_domain, iommu->domain_ids);
	spin_unlock(&iommu->lock);
}

static int copy_device(struct intel_iommu *iommu, struct iommu_liveupdate_in *in, size_t first,
		       struct pci_dev *pdev)
{
	const struct iommu_requester_ser *ser = &in->requesters[first];
	int ret = 0;
	size_t i;

	if (!pdev || !device_is_sane(iommu, in, ser, pdev))
		return -ENODEV;
	for (i = first; i < in->nr_requesters && !ret; i++) {
		if (!same_device(&in->requesters[i], ser))
			continue;
		ret = requester_is_sane(iommu, in, &in->requesters[i]) ?
			prepare_requester(iommu, in->requesters[i].rid) : -EBADMSG;
	}
	/* All of them or none: nothing fails from here on. */
	for (i = first; i < in->nr_requesters; i++) {
		if (!same_device(&in->requesters[i], ser))
			continue;
		if (!ret) {
			copy_requester(iommu, in, &in->requesters[i]);
			set_bit(i, in->taken);
		} else if (sm_supported(iommu)) {
			intel_liveupdate_cancel_entry(iommu, in->requesters[i].rid);
		}
	}
	return ret;
}

static bool is_first(const struct iommu_liveupdate_in *in, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (same_device(&in->requesters[i], &in->requesters[j]))
			return false;
	return true;
}

static void copy_devices(struct intel_iommu *iommu, struct iommu_liveupdate_in *in, u32 unit)
{
	size_t i;
	int ret;

	for (i = 0; i < in->nr_requesters; i++) {
		const struct iommu_requester_ser *ser = &in->requesters[i];
		struct pci_dev *pdev __free(pci_dev_put) = NULL;

		if (ser->unit != unit || !is_first(in, i))
			continue;
		pdev = pci_get_domain_bus_and_slot(ser->segment, PCI_BUS_NUM(ser->bdf),
						   ser->bdf & 0xff);
		ret = copy_device(iommu, in, i, pdev);
		if (ret)
			pr_err("%04x:%02x:%02x.%d: its translation can't be taken over (%d): it is blocked\n",
			       ser->segment, PCI_BUS_NUM(ser->bdf), PCI_SLOT(ser->bdf),
			       PCI_FUNC(ser->bdf), ret);
	}
}

/*
 * Who does DMA without an entry of its own does it for nobody. At the time nothing
 * but what was handed over can have bus mastering on: the previous kernel has
 * turned it off, and no driver has its device yet.
 */
static void quiet_device(struct pci_dev *pdev, struct intel_iommu *iommu)
{
	struct dmar_drhd_unit *drhd;
	u16 command;

	if (pci_is_bridge(pdev) ||
	    pci_read_config_word(pdev, PCI_COMMAND, &command) || !(command & PCI_COMMAND_MASTER))
		return;
	drhd = dmar_find_matched_drhd_unit(pdev);
	if (!drhd || (iommu && drhd->iommu != iommu) ||
	    (drhd->iommu && intel_liveupdate_is_copied(drhd->iommu, pci_dev_id(pdev))))
		return;
	pci_info(pdev, "bus mastering is turned off, it is not known what it may reach\n");
	pci_clear_master(pdev);
}

static void quiet_devices(struct intel_iommu *iommu)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev)
		quiet_device(pdev, iommu);
}

/**
 * intel_liveupdate_quiet_all - units are about to be turned off
 *
 * What devices do by then to addresses of their own would be done to memory.
 */
void intel_liveupdate_quiet_all(void)
{
	if (is_kho_boot())
		quiet_devices(NULL);
}

/**
 * intel_liveupdate_keeps_interrupts - does a unit go on remapping interrupts?
 * @iommu: a unit that does so
 * @x2apic: the mode that is wanted
 *
 * It is to get another table as it is. If it was turned off meanwhile a device that
 * goes on with DMA could send any interrupt. The one it has is that of the kexec,
 * see block_interrupts(): there is nothing in it.
 *
 * Context: early, nothing is known of what was handed over but the memory.
 * Return: true if it does.
 */
bool intel_liveupdate_keeps_interrupts(struct intel_iommu *iommu, bool x2apic)
{
	u64 address = dmar_readq(iommu->reg + DMAR_IRTA_REG);

	return readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES &&
	       !(address & IRTA_EXTENDED_MODE) == !x2apic &&
	       !kho_preserved_order(address & VTD_PAGE_MASK);
}

/**
 * intel_liveupdate_keeps - may a unit that is translating go on?
 * @iommu: the unit
 *
 * Return: true if it may, and false if it has to be turned off.
 */
bool intel_liveupdate_keeps(struct intel_iommu *iommu)
{
	if (!is_kho_boot())
		return false;
	if (!iommu_liveupdate_is_incoming()) {
		/* Somebody left it on, and what for can't be known. */
		quiet_devices(iommu);
		return false;
	}
	if (!sm_supported(iommu) == !(dmar_readq(iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT))
		return true;
	/* See intel_liveupdate_choose_mode(): it is in another one than other units are. */
	pr_err("%s is to be in %s mode: devices are blocked\n", iommu->name,
	       sm_supported(iommu) ? "scalable" : "legacy");
	quiet_devices(iommu);
	return false;
}

/* It is the unit that says what it uses; nothing else is to be freed later. */
static bool unit_is_sane(const struct intel_iommu *iommu, const struct iommu_unit_ser *unit,
			 u64 root)
{
	u32 type = sm_supported(iommu) ? IOMMU_UNIT_SER_VTD_SCALABLE : IOMMU_UNIT_SER_VTD;

	return unit->type == type && unit->root == root && !kho_preserved_order(root);
}

/**
 * intel_liveupdate_copy - take over what a unit is doing
 * @iommu: a unit that is translating, with a new root table
 *
 * Return: true if that was for a live update.
 */
bool intel_liveupdate_copy(struct intel_iommu *iommu)
{
	u64 root = dmar_readq(iommu->reg + DMAR_RTADDR_REG) & VTD_PAGE_MASK;
	struct iommu_liveupdate_in *in;
	struct iommu_unit_ser *unit;

	if (!iommu_liveupdate_is_incoming())
		return false;
	guard(mutex)(&iommu_liveupdate_lock);
	in = iommu_liveupdate_get_in();
	unit = find_unit(in, iommu);
	iommu->copied_tables = bitmap_zalloc(BIT(16), GFP_KERNEL);
	if (unit && !unit_is_sane(iommu, unit, root))
		unit->root = 0;
	if (!iommu->copied_tables || !unit || !unit->root)
		pr_err("%s: what it is doing is not known, all is blocked\n", iommu->name);
	else
		copy_devices(iommu, in, unit - in->units);
	if (in)
		in->ops = &intel_liveupdate_ops;
	quiet_devices(iommu);
	return true;
}

/**
 * intel_liveupdate_is_cut_off - is a device on its own, though its unit was kept?
 * @dev: the device
 *
 * Return: true if it is to be attached as on any other unit.
 */
bool intel_liveupdate_is_cut_off(struct device *dev)
{
	return iommu_liveupdate_is_incoming() && !intel_liveupdate_device_is_live(dev);
}

/**
 * intel_liveupdate_without_ats - must ATS stay off in a device?
 * @iommu: its unit
 * @pdev: the device, which is not known to the unit yet
 *
 * A device is carried only if ATS is off, and its entry, which stays, says so: what it
 * would ask for as soon as this kernel had turned ATS on would be faults.
 *
 * Return: true if the translation for it was taken over.
 */
bool intel_liveupdate_without_ats(struct intel_iommu *iommu, struct pci_dev *pdev)
{
	return iommu_liveupdate_is_incoming() &&
	       intel_liveupdate_is_copied(iommu, pci_dev_id(pdev));
}

static int alias_is_copied(struct pci_dev *pdev, u16 alias, void *data)
{
	return intel_liveupdate_is_copied(data, alias);
}

/**
 * intel_liveupdate_device_is_live - was the translation for a device taken over?
 * @dev: a device that is known to its unit
 *
 * To attach something to a device that was not handed over, but has a requester ID
 * of one that was, would be to attach it to both.
 *
 * Return: true if so, and nothing was attached to it so far.
 */
bool intel_liveupdate_device_is_live(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	return iommu_liveupdate_is_incoming() && dev_is_pci(dev) &&
	       pci_for_each_dma_alias(to_pci_dev(dev), alias_is_copied, info->iommu);
}

/**
 * intel_liveupdate_take_over - is a domain attached to what it was attached to?
 * @domain: domain that is being attached
 * @iommu: the unit
 * @context: entry that was copied
 * @bus: of the requester
 * @devfn: of the requester
 *
 * Context: @iommu's lock is held.
 * Return: true if the entry stays as it is.
 */
bool intel_liveupdate_take_over(struct dmar_domain *domain, struct intel_iommu *iommu,
				struct context_entry *context, u8 bus, u8 devfn)
{
	assert_spin_locked(&iommu->lock);
	if (!context_copied(iommu, bus, devfn) || !iommu_liveupdate_is_incoming() ||
	    context->lo != (virt_to_phys(domain->pgd) | 1) ||
	    context->hi != (domain->agaw | (u64)domain_id_iommu(domain, iommu) << 8))
		return false;
	clear_context_copied(iommu, bus, devfn);
	return true;
}

static int block_requester(struct pci_dev *pdev, u16 alias, void *data)
{
	u8 bus = PCI_BUS_NUM(alias), devfn = alias & 0xff;
	struct intel_iommu *iommu = data;
	struct context_entry *context;
	u16 did;

	spin_lock(&iommu->lock);
	if (context_copied(iommu, bus, devfn)) {
		clear_context_copied(iommu, bus, devfn);
		context = iommu_context_addr(iommu, bus, devfn, 1);
		did = context_domain_id(context);
		context_clear_present(context);
		__iommu_flush_cache(iommu, context, sizeof(*context));
		iommu->flush.flush_context(iommu, did, alias, DMA_CCMD_MASK_NOBIT,
					   DMA_CCMD_DEVICE_INVL);
		iommu->flush.flush_iotlb(iommu, did, 0, 0, DMA_TLB_DSI_FLUSH);
		context_clear_entry(context);
		__iommu_flush_cache(iommu, context, sizeof(*context));
	}
	spin_unlock(&iommu->lock);
	return 0;
}

/**
 * intel_liveupdate_device_block - the translation for a device ends
 * @dev: a device
 */
void intel_liveupdate_device_block(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (!dev_is_pci(dev))
		return;
	if (sm_supported(info->iommu))
		intel_liveupdate_block_entries(info->iommu, to_pci_dev(dev));
	else
		pci_for_each_dma_alias(to_pci_dev(dev), block_requester, info->iommu);
}

/* Without remapping of interrupts in this kernel the unit has the table for ever. */
static void free_old_interrupts(struct intel_iommu *iommu, const struct iommu_unit_ser *unit)
{
	u64 address = dmar_readq(iommu->reg + DMAR_IRTA_REG) & VTD_PAGE_MASK;

	if (address != unit->interrupts && !kho_preserved_order(unit->interrupts))
		kho_restore_free(phys_to_virt(unit->interrupts));
}

static void free_old_table(u64 slot)
{
	if (slot & 1 && !kho_preserved_order(slot & VTD_PAGE_MASK))
		kho_restore_free(phys_to_virt(slot & VTD_PAGE_MASK));
}

static void free_old_root(struct intel_iommu *iommu, const struct iommu_liveupdate_in *in,
			  u32 unit)
{
	bool scalable = in->units[unit].type == IOMMU_UNIT_SER_VTD_SCALABLE;
	struct root_entry *root = phys_to_virt(in->units[unit].root);
	unsigned int bus;
	size_t i;

	if (kho_preserved_order(in->units[unit].root) || iommu->root_entry == root)
		return;
	for_each_set_bit(i, in->taken, in->nr_requesters)
		if (scalable && in->requesters[i].unit == unit)
			intel_liveupdate_free_old_entry(root, in->requesters[i].rid);
	for (bus = 0; bus < NR_BUSES; bus++) {
		free_old_table(root[bus].lo);
		if (scalable)
			free_old_table(root[bus].hi);
	}
	kho_restore_free(root);
}

/* No unit uses the tables of the previous kernel any more. */
static int __init intel_liveupdate_free_old(void)
{
	struct iommu_liveupdate_in *in;
	struct intel_iommu *iommu;
	size_t i;

	guard(mutex)(&iommu_liveupdate_lock);
	in = iommu_liveupdate_get_in();
	for (i = 0; in && i < in->nr_units; i++) {
		iommu = intel_liveupdate_find_iommu(in, i);
		if (!iommu || !iommu->root_entry || !in->units[i].root)
			continue;
		free_old_root(iommu, in, i);
		free_old_interrupts(iommu, &in->units[i]);
	}
	return 0;
}
late_initcall(intel_liveupdate_free_old);

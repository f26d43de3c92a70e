// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of VT-d units in scalable mode: what stands between the entry of a
 * requester and the tables of its domain, a directory of tables of PASIDs.
 *
 * Only DMA without a PASID is carried, so there is one table, with one entry. For
 * the kexec each requester has a directory of its own, see liveupdate.c. The next
 * kernel makes such a one, too: the device's own begins empty, and stays so until
 * something is attached to it. If that is the domain of before, the device's own
 * gets the same entry, and only then it is referred to.
 *
 * Invariants:
 *  - an entry of a requester that counts as copied refers to a directory that was made
 *    here, and whoever changes that frees it;
 *  - it is changed by one write, from one that translates to another one that does it
 *    in the same way, or it is cut off.
 */
#define pr_fmt(fmt) "DMAR: live update: " fmt
#define dev_fmt(fmt) "live update: " fmt

#include <linux/err.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/log2.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/string_choices.h>

#include "../iommu-pages.h"
#include "liveupdate.h"
#include "pasid.h"

/* Sizes of directories, in the entry of a requester. The smallest one is 0. */
#define DIRECTORY_SIZES		context_pdts(7)

/**
 * intel_liveupdate_pasid_entry - what an entry for DMA without a PASID has to be
 * @iommu: the unit
 * @root: physical address of the topmost table of the domain
 * @agaw: of the domain
 * @did: the domain's number in the unit
 *
 * Return: what intel_pasid_setup_second_level() writes.
 */
struct pasid_entry intel_liveupdate_pasid_entry(const struct intel_iommu *iommu, u64 root,
						u32 agaw, u16 did)
{
	struct pasid_entry entry = {};

	pasid_set_domain_id(&entry, did);
	pasid_set_slptr(&entry, root);
	pasid_set_address_width(&entry, agaw & 7);
	pasid_set_translation_type(&entry, PASID_ENTRY_PGTT_SL_ONLY);
	pasid_set_page_snoop(&entry, !!ecap_smpwc(iommu->ecap));
	pasid_set_present(&entry);
	return entry;
}

static bool is_same(const struct pasid_entry *a, const struct pasid_entry *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Neither ATS nor PASIDs: there is a directory, and nothing else. */
static bool context_is_plain(const struct context_entry *context)
{
	return (context->lo & ~VTD_PAGE_MASK & ~DIRECTORY_SIZES) == 1 &&
	       !memchr_inv(&context->hi, 0, 2 * sizeof(*context) - sizeof(context->lo));
}

static struct pasid_dir_entry *directory_of(const struct context_entry *context)
{
	return phys_to_virt(context->lo & VTD_PAGE_MASK);
}

/* The table of the lowest PASIDs, of which the first one stands for none. */
static struct pasid_entry *table_of(const struct context_entry *context)
{
	return get_pasid_table_from_pde(directory_of(context));
}

/* From the end to the beginning, but the beginning stays as it is. */
static void connect(struct intel_iommu *iommu, struct pasid_dir_entry *directory,
		    struct pasid_entry *table, const struct pasid_entry *entry)
{
	if (entry)
		*table = *entry;
	__iommu_flush_cache(iommu, table, VTD_PAGE_SIZE);
	directory->val = virt_to_phys(table) | PASID_PTE_PRESENT;
	__iommu_flush_cache(iommu, directory, VTD_PAGE_SIZE);
}

/* For the kexec. */

/**
 * intel_liveupdate_has_entry - is a requester attached as plainly as can be?
 * @iommu: the unit
 * @rid: the requester
 * @expected: its entry, if so
 *
 * Return: true if so.
 */
bool intel_liveupdate_has_entry(struct intel_iommu *iommu, u16 rid,
				const struct pasid_entry *expected)
{
	struct context_entry *context;
	struct pasid_entry *table = NULL;

	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
	if (context && context_is_plain(context))
		table = table_of(context);
	spin_unlock(&iommu->lock);
	/* Its device stays attached meanwhile. */
	return table && is_same(table, expected);
}

/**
 * intel_liveupdate_preserve_entry - hand the entry of a requester over
 * @iommu: the unit
 * @context: the requester's, in the tables for the kexec
 * @entry: the entry
 *
 * Return: 0 or -ENOMEM.
 */
int intel_liveupdate_preserve_entry(struct intel_iommu *iommu, struct context_entry *context,
				    const struct pasid_entry *entry)
{
	struct pasid_dir_entry *directory;
	struct pasid_entry *table;

	directory = kho_alloc_preserve(VTD_PAGE_SIZE);
	if (IS_ERR(directory))
		return PTR_ERR(directory);
	table = kho_alloc_preserve(VTD_PAGE_SIZE);
	if (IS_ERR(table)) {
		kho_unpreserve_free(directory);
		return PTR_ERR(table);
	}
	connect(iommu, directory, table, entry);
	context->lo = virt_to_phys(directory) | 1;
	__iommu_flush_cache(iommu, context, sizeof(*context));
	return 0;
}

/**
 * intel_liveupdate_unpreserve_entry - undo intel_liveupdate_preserve_entry()
 * @context: that of the requester; the caller clears it
 */
void intel_liveupdate_unpreserve_entry(const struct context_entry *context)
{
	kho_unpreserve_free(table_of(context));
	kho_unpreserve_free(directory_of(context));
}

/* In the next kernel, at boot. */

/* Where a page should be, there is one, and it is nobody's so far. */
static void *page_at(u64 phys)
{
	return kho_preserved_order(phys) ? NULL : phys_to_virt(phys);
}

/* That of a requester in tables of the previous kernel, of which nothing is known. */
static const struct context_entry *old_context(const struct root_entry *root, u16 rid)
{
	const u64 *slot = intel_liveupdate_root_slot((struct root_entry *)root, rid, true);
	u64 value = READ_ONCE(*slot);
	const struct context_entry *table;

	if ((value & ~VTD_PAGE_MASK) != 1)
		return NULL;
	table = page_at(value & VTD_PAGE_MASK);
	return table ? &table[intel_liveupdate_context_index(rid, true)] : NULL;
}

/**
 * intel_liveupdate_check_entry - is the entry of a requester what it has to be?
 * @root: root table of the previous kernel, a preserved page
 * @rid: the requester
 * @expected: what it has to be
 *
 * Return: true if so, and there is no other one, and all on the way to it is preserved.
 */
bool intel_liveupdate_check_entry(const struct root_entry *root, u16 rid,
				  const struct pasid_entry *expected)
{
	const struct context_entry *context = old_context(root, rid);
	const struct pasid_dir_entry *directory;
	const struct pasid_entry *table;

	if (!context || !context_is_plain(context) || context->lo & DIRECTORY_SIZES)
		return false;
	directory = page_at(context->lo & VTD_PAGE_MASK);
	if (!directory || (directory->val & ~VTD_PAGE_MASK) != PASID_PTE_PRESENT ||
	    memchr_inv(directory + 1, 0, VTD_PAGE_SIZE - sizeof(*directory)))
		return false;
	table = page_at(directory->val & VTD_PAGE_MASK);
	return table && is_same(table, expected) &&
	       !memchr_inv(table + 1, 0, VTD_PAGE_SIZE - sizeof(*table));
}

/**
 * intel_liveupdate_free_old_entry - no unit uses an entry that was checked any more
 * @root: root table of the previous kernel
 * @rid: the requester
 *
 * If two share one it is freed with the first of them.
 */
void intel_liveupdate_free_old_entry(const struct root_entry *root, u16 rid)
{
	const struct context_entry *context = old_context(root, rid);
	struct pasid_dir_entry *directory;
	struct pasid_entry *table;

	directory = context ? page_at(context->lo & VTD_PAGE_MASK) : NULL;
	if (!directory)
		return;
	table = page_at(directory->val & VTD_PAGE_MASK);
	if (table)
		kho_restore_free(table);
	kho_restore_free(directory);
}

static void free_directory(struct pasid_dir_entry *directory)
{
	iommu_free_page(get_pasid_table_from_pde(directory));
	iommu_free_page(directory);
}

/**
 * intel_liveupdate_prepare_entry - all that it takes to copy the entry of a requester
 * @iommu: a unit whose tables are not in use so far
 * @rid: the requester
 *
 * Return: 0 or -ENOMEM.
 */
int intel_liveupdate_prepare_entry(struct intel_iommu *iommu, u16 rid)
{
	struct pasid_dir_entry *directory;
	struct context_entry *context;
	struct pasid_entry *table;

	directory = iommu_alloc_page_node(iommu->node, GFP_KERNEL);
	table = iommu_alloc_page_node(iommu->node, GFP_KERNEL);
	if (!directory || !table) {
		iommu_free_page(directory);
		iommu_free_page(table);
		return -ENOMEM;
	}
	connect(iommu, directory, table, NULL);
	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 1);
	/* It may be an alias of another device. */
	if (context && !context->lo) {
		context->lo = virt_to_phys(directory);
		directory = NULL;
	}
	spin_unlock(&iommu->lock);
	if (directory)
		free_directory(directory);
	return context ? 0 : -ENOMEM;
}

/**
 * intel_liveupdate_cancel_entry - undo intel_liveupdate_prepare_entry()
 * @iommu: the unit
 * @rid: the requester, prepared or not; it is left alone if it was copied
 */
void intel_liveupdate_cancel_entry(struct intel_iommu *iommu, u16 rid)
{
	struct pasid_dir_entry *directory = NULL;
	struct context_entry *context;

	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 1);
	if (context && context->lo && !context_present(context)) {
		directory = directory_of(context);
		context_clear_entry(context);
	}
	spin_unlock(&iommu->lock);
	if (directory)
		free_directory(directory);
}

/**
 * intel_liveupdate_copy_entry - the entry of a requester is there
 * @iommu: the unit
 * @context: that of the requester, prepared
 * @entry: the entry
 */
void intel_liveupdate_copy_entry(struct intel_iommu *iommu, struct context_entry *context,
				 const struct pasid_entry *entry)
{
	assert_spin_locked(&iommu->lock);
	connect(iommu, directory_of(context), table_of(context), entry);
	context_set_present(context);
	__iommu_flush_cache(iommu, context, sizeof(*context));
}

/**
 * intel_liveupdate_choose_mode - units are in the mode that they were in
 *
 * It can't be changed while they are translating, whatever the command line says.
 *
 * Context: dmar_global_lock is held; before anything depends on the mode.
 */
void __init intel_liveupdate_choose_mode(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;
	int mode = intel_iommu_sm;

	if (!iommu_liveupdate_is_incoming())
		return;
	for_each_active_iommu(iommu, drhd) {
		if (!ecap_smts(iommu->ecap) ||
		    !(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES))
			continue;
		mode = !!(dmar_readq(iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT);
		/* One that is not in the mode of the first one will be turned off. */
		break;
	}
	if (mode == intel_iommu_sm)
		return;
	pr_info("scalable mode stays %s, as units go on translating\n", str_on_off(mode));
	intel_iommu_sm = mode;
	for_each_active_iommu(iommu, drhd) {
		iommu->agaw = iommu_calculate_agaw(iommu);
		iommu->msagaw = iommu_calculate_max_sagaw(iommu);
	}
}

/* And later, when something is attached. */

/* What has changed is the directory, and with it all that is known of one domain. */
static void flush_requester(struct intel_iommu *iommu, u16 rid, u16 did)
{
	iommu->flush.flush_context(iommu, did, rid, DMA_CCMD_MASK_NOBIT, DMA_CCMD_DEVICE_INVL);
	qi_flush_pasid_cache(iommu, did, QI_PC_ALL_PASIDS, 0);
	iommu->flush.flush_iotlb(iommu, did, 0, 0, DMA_TLB_DSI_FLUSH);
}

/* Let a copied entry refer to another directory, or to none. */
static void replace_directory(struct intel_iommu *iommu, u16 rid, u64 lo)
{
	struct context_entry *context, old;
	u16 did;

	spin_lock(&iommu->lock);
	if (!intel_liveupdate_is_copied(iommu, rid)) {
		spin_unlock(&iommu->lock);
		return;
	}
	clear_context_copied(iommu, PCI_BUS_NUM(rid), rid & 0xff);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 1);
	old = *context;
	did = pasid_get_domain_id(table_of(&old));
	/* What it refers to is there by now. */
	dma_wmb();
	WRITE_ONCE(context->lo, lo);
	__iommu_flush_cache(iommu, context, sizeof(*context));
	flush_requester(iommu, rid, did);
	spin_unlock(&iommu->lock);
	free_directory(directory_of(&old));
}

static int cut_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	replace_directory(data, alias, 0);
	return 0;
}

/* As if the device had been probed on a unit that was not handed over. */
static int set_up_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	struct device_domain_info *info = dev_iommu_priv_get(&pdev->dev);

	/* A bridge may stand for the devices below it. */
	if (alias == pci_dev_id(pdev) && info && info->iommu == data && info->pasid_table &&
	    intel_pasid_setup_sm_context(&pdev->dev))
		pci_err(pdev, "it stays blocked\n");
	return 0;
}

/**
 * intel_liveupdate_block_entries - the translation for a device ends
 * @iommu: the unit
 * @pdev: the device
 *
 * Its own directory, with nothing in it, is referred to.
 */
void intel_liveupdate_block_entries(struct intel_iommu *iommu, struct pci_dev *pdev)
{
	/* What sets entries up would not know what to do with those that are copied. */
	pci_for_each_dma_alias(pdev, cut_alias, iommu);
	pci_for_each_dma_alias(pdev, set_up_alias, iommu);
}

/* What a device and a domain are, to look at all requesters. */
struct intel_liveupdate_attach {
	struct device *dev;
	struct pasid_entry entry;
};

static int alias_is_other(struct pci_dev *pdev, u16 alias, void *data)
{
	const struct intel_liveupdate_attach *attach = data;
	struct device_domain_info *info = dev_iommu_priv_get(attach->dev);
	struct intel_iommu *iommu = info->iommu;
	struct context_entry *context;
	bool other = false;

	if (&pdev->dev != attach->dev)
		return 0;
	spin_lock(&iommu->lock);
	if (intel_liveupdate_is_copied(iommu, alias)) {
		context = iommu_context_addr(iommu, PCI_BUS_NUM(alias), alias & 0xff, 1);
		other = !is_same(table_of(context), &attach->entry);
	}
	spin_unlock(&iommu->lock);
	return other;
}

static bool is_domain_of_before(struct dmar_domain *domain, struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_liveupdate_attach attach = { .dev = dev };
	struct intel_iommu *iommu = info->iommu;
	struct iommu_domain_info *number;
	u16 did;

	if (domain->use_first_level || domain->dirty_tracking)
		return false;
	spin_lock(&iommu->lock);
	/* That of before has one already. */
	number = xa_load(&domain->iommu_array, iommu->seq_id);
	did = number ? number->did : 0;
	spin_unlock(&iommu->lock);
	attach.entry = intel_liveupdate_pasid_entry(iommu, virt_to_phys(domain->pgd),
						    domain->agaw, did);
	return number && !pci_for_each_dma_alias(to_pci_dev(dev), alias_is_other, &attach);
}

/**
 * intel_liveupdate_prepare_attach - a domain is going to be attached
 * @domain: the domain
 * @dev: device whose entry was copied
 *
 * If it is not that of before, the device is cut off.
 *
 * Return: true if the entry of the device is as the attaching of @domain wants it.
 */
bool intel_liveupdate_prepare_attach(struct dmar_domain *domain, struct device *dev)
{
	if (!iommu_liveupdate_is_incoming() || !dev_is_pci(dev))
		return false;
	if (!is_domain_of_before(domain, dev))
		intel_liveupdate_device_block(dev);
	return true;
}

static int switch_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	struct device_domain_info *info = dev_iommu_priv_get(data);
	const struct pasid_table *table = info->pasid_table;
	struct context_entry context;
	unsigned int size;

	if (&pdev->dev != data)
		return 0;
	/* In entries of the directory: 128 or a power of two more. */
	size = ilog2(table->max_pasid >> PASID_PDE_SHIFT) - ilog2(128);
	context.lo = virt_to_phys(table->table) | context_pdts(size) | 1;
	/* What this kernel may be about to turn on in the device. */
	if (info->ats_supported)
		context_set_sm_dte(&context);
	if (info->pasid_supported)
		context_set_pasid(&context);
	replace_directory(info->iommu, alias, context.lo);
	return 0;
}

/**
 * intel_liveupdate_attached - a domain is attached to a device
 * @dev: the device; in its own directory is what translates for it
 *
 * That is referred to from now on, if it was not yet.
 */
void intel_liveupdate_attached(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (sm_supported(info->iommu) && iommu_liveupdate_is_incoming() && dev_is_pci(dev))
		pci_for_each_dma_alias(to_pci_dev(dev), switch_alias, dev);
}

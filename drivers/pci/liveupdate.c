// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of PCI devices: which of them the next kernel has to leave alone.
 *
 * A file handler tells which devices it preserves. Listed with them are the
 * bridges above, whose bus numbers, windows and ACS settings are what makes the
 * device reachable and isolated; and the devices in the same IOMMU group, which
 * another driver must not get hold of while the group belongs to user space.
 *
 * Invariants:
 *  - a device is listed while there is a reason: PCI_LIVEUPDATE_PRESERVED is set
 *    and cleared by its handler, the other reasons are derived from it;
 *  - the table in preserved memory says at all times what the list says;
 *  - what makes the list shorter needs no memory.
 *
 * The other half, in the next kernel, is in liveupdate_in.c.
 */
#define pr_fmt(fmt) "PCI: live update: " fmt

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "liveupdate.h"
#include "pci.h"

/* See liveupdate.h. */
DEFINE_MUTEX(pci_liveupdate_lock);

/* A device that is listed; it holds a reference. */
struct pci_liveupdate_dev {
	struct list_head list;
	struct pci_dev *dev;
	/* PCI_LIVEUPDATE_* */
	unsigned int flags;
};

struct pci_liveupdate_need {
	struct pci_dev *dev;
	pci_liveupdate_fn fn;
	void *data;
};

static int pci_liveupdate_sibling(struct device *dev, void *data)
{
	struct pci_liveupdate_need *need = data;
	struct pci_dev *sibling;

	if (!dev_is_pci(dev) || dev == &need->dev->dev)
		return 0;
	sibling = to_pci_dev(dev);
	/* A bridge does no DMA of its own, and its driver is none of user space. */
	if (pci_is_bridge(sibling))
		return 0;
	return need->fn(sibling, PCI_LIVEUPDATE_SIBLING, need->data);
}

/**
 * pci_liveupdate_walk_needed - what a preserved device can't do without
 * @dev: the device
 * @fn: called with each of them and why, until it returns other than 0
 * @data: for @fn
 *
 * Return: what @fn has returned last.
 */
int pci_liveupdate_walk_needed(struct pci_dev *dev, pci_liveupdate_fn fn, void *data)
{
	struct pci_liveupdate_need need = { .dev = dev, .fn = fn, .data = data };
	struct iommu_group *group;
	struct pci_dev *bridge;
	int ret = 0;

	for (bridge = pci_upstream_bridge(dev); bridge && !ret;
	     bridge = pci_upstream_bridge(bridge))
		ret = fn(bridge, PCI_LIVEUPDATE_UPSTREAM, data);
	group = ret ? NULL : iommu_group_get(&dev->dev);
	if (group) {
		ret = iommu_group_for_each_dev(group, &need, pci_liveupdate_sibling);
		iommu_group_put(group);
	}
	return ret;
}

static struct pci_liveupdate_dev *
pci_liveupdate_find(struct pci_liveupdate_out *out, struct pci_dev *dev)
{
	struct pci_liveupdate_dev *entry;

	lockdep_assert_held(&pci_liveupdate_lock);
	list_for_each_entry(entry, &out->devices, list)
		if (entry->dev == dev)
			return entry;
	return NULL;
}

/* The table is doubled; the old one is in use until there is a new one. */
VISIBLE_IF_KUNIT int pci_liveupdate_grow(struct pci_liveupdate_out *out)
{
	struct pci_liveupdate_dev_ser *table;
	size_t size = max(2 * out->max * sizeof(*table), PAGE_SIZE);

	if (out->nr >= PCI_LIVEUPDATE_MAX_DEVICES)
		return -ENOSPC;
	if (out->nr < out->max)
		return 0;
	table = kho_alloc_preserve(size);
	if (IS_ERR(table))
		return PTR_ERR(table);
	if (out->table) {
		memcpy(table, out->table, out->ser->nr_devices * sizeof(*table));
		kho_unpreserve_free(out->table);
	}
	out->table = table;
	out->max = size / sizeof(*table);
	out->ser->devices = virt_to_phys(table);
	return 0;
}

/* List a device, for one more reason. */
static int pci_liveupdate_need(struct pci_dev *dev, unsigned int flag, void *data)
{
	struct pci_liveupdate_out *out = data;
	struct pci_liveupdate_dev *entry = pci_liveupdate_find(out, dev);
	int err;

	if (!entry) {
		err = pci_liveupdate_grow(out);
		if (err)
			return err;
		entry = kzalloc(sizeof(*entry), GFP_KERNEL);
		if (!entry)
			return -ENOMEM;
		entry->dev = pci_dev_get(dev);
		list_add_tail(&entry->list, &out->devices);
		out->nr++;
	}
	entry->flags |= flag;
	return 0;
}

/* For those that are listed; nothing is added. */
static int pci_liveupdate_still_need(struct pci_dev *dev, unsigned int flag, void *data)
{
	struct pci_liveupdate_dev *entry = pci_liveupdate_find(data, dev);

	if (entry)
		entry->flags |= flag;
	return 0;
}

static void pci_liveupdate_drop(struct pci_liveupdate_out *out,
				struct pci_liveupdate_dev *entry)
{
	WRITE_ONCE(entry->dev->liveupdate_outgoing, 0);
	list_del(&entry->list);
	pci_dev_put(entry->dev);
	kfree(entry);
	out->nr--;
}

static void pci_liveupdate_write(struct pci_liveupdate_dev_ser *ser,
				 const struct pci_liveupdate_dev *entry)
{
	struct pci_dev *dev = entry->dev;
	const struct device_driver *driver = READ_ONCE(dev->dev.driver);

	*ser = (struct pci_liveupdate_dev_ser) {
		.domain = pci_domain_nr(dev->bus),
		.bdf = pci_dev_id(dev),
		.flags = entry->flags,
		.vendor = dev->vendor,
		.device = dev->device,
		.subsystem_vendor = dev->subsystem_vendor,
		.subsystem_device = dev->subsystem_device,
		.class = dev->class,
	};
	strscpy(ser->driver, driver ? driver->name : "", sizeof(ser->driver));
}

/* Drop what there is no reason for any more, and write the others down. */
static void pci_liveupdate_update(struct pci_liveupdate_out *out)
{
	struct pci_liveupdate_dev *entry, *next;
	size_t nr = 0;

	lockdep_assert_held(&pci_liveupdate_lock);
	list_for_each_entry(entry, &out->devices, list)
		entry->flags &= PCI_LIVEUPDATE_PRESERVED;
	list_for_each_entry(entry, &out->devices, list)
		if (entry->flags & PCI_LIVEUPDATE_PRESERVED)
			pci_liveupdate_walk_needed(entry->dev, pci_liveupdate_still_need, out);
	list_for_each_entry_safe(entry, next, &out->devices, list) {
		if (!entry->flags) {
			pci_liveupdate_drop(out, entry);
			continue;
		}
		pci_liveupdate_write(&out->table[nr++], entry);
		WRITE_ONCE(entry->dev->liveupdate_outgoing, entry->flags);
	}
	out->ser->nr_devices = nr;
}

/* Isolation by registers that only a quirk knows is set up again at boot. */
VISIBLE_IF_KUNIT int pci_liveupdate_check_acs(struct pci_dev *dev, unsigned int flag,
					      void *data)
{
	if (!(flag & PCI_LIVEUPDATE_UPSTREAM) ||
	    pci_dev_specific_acs_enabled(dev, 0) == -ENOTTY)
		return 0;
	pci_err(dev, "live update: isolation of what is below it can't be carried\n");
	return -EOPNOTSUPP;
}

static int pci_liveupdate_check_vfs(struct pci_dev *dev)
{
	if (!dev->is_virtfn && !pci_num_vf(dev))
		return 0;
	pci_err(dev, "live update: SR-IOV can't be carried\n");
	return -EOPNOTSUPP;
}

static int pci_liveupdate_check(struct pci_dev *dev)
{
	int err = pci_liveupdate_check_vfs(dev);

	if (err)
		return err;
	if (pci_is_bridge(dev) || dev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return -EOPNOTSUPP;
	if (pci_liveupdate_incoming(dev) & PCI_LIVEUPDATE_PRESERVED)
		return -EBUSY;
	return pci_liveupdate_walk_needed(dev, pci_liveupdate_check_acs, NULL);
}

/* List a preserved device and what it needs. What is listed in vain is dropped. */
static int pci_liveupdate_list(struct pci_liveupdate_out *out, struct pci_dev *dev)
{
	struct pci_liveupdate_dev *entry;
	int err;

	err = pci_liveupdate_need(dev, PCI_LIVEUPDATE_PRESERVED, out);
	if (!err)
		err = pci_liveupdate_walk_needed(dev, pci_liveupdate_need, out);
	entry = pci_liveupdate_find(out, dev);
	if (err && entry)
		entry->flags &= ~PCI_LIVEUPDATE_PRESERVED;
	pci_liveupdate_update(out);
	return err;
}

/**
 * pci_liveupdate_preserve - have the next kernel leave a device alone
 * @dev: a device whose file is being preserved
 *
 * Until pci_liveupdate_unpreserve() it can't be reset together with others, nor
 * be removed by sysfs.
 *
 * Context: in preserve() of a handler that has pci_liveupdate_flb.
 * Return: 0; -EOPNOTSUPP if it can't be carried; -EBUSY if it was handed over to
 * this kernel and is not finished; -ENOSPC if there are too many; or -ENOMEM.
 */
int pci_liveupdate_preserve(struct pci_dev *dev)
{
	struct pci_liveupdate_out *out;
	int err;

	err = pci_liveupdate_check(dev);
	if (err)
		return err;
	err = liveupdate_flb_get_outgoing(&pci_liveupdate_flb, (void **)&out);
	if (err)
		return err;

	scoped_guard(mutex, &pci_liveupdate_lock)
		err = pci_liveupdate_list(out, dev);
	liveupdate_flb_put_outgoing(&pci_liveupdate_flb);
	return err;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_preserve);

/**
 * pci_liveupdate_freeze - take note of what has changed around a device
 * @dev: a preserved device
 * @running: it goes on with DMA, and what it reaches is preserved with it
 *
 * Other devices may have come into its IOMMU group, or have another driver; and
 * virtual functions, which were being enabled when it was preserved.
 *
 * Context: in freeze() of the handler.
 * Return: 0, -EOPNOTSUPP, -ENOSPC if there are too many, or -ENOMEM.
 */
int pci_liveupdate_freeze(struct pci_dev *dev, bool running)
{
	struct pci_liveupdate_out *out;
	int err;

	err = pci_liveupdate_check_vfs(dev);
	if (err)
		return err;
	err = liveupdate_flb_get_outgoing(&pci_liveupdate_flb, (void **)&out);
	if (err)
		return err;
	scoped_guard(mutex, &pci_liveupdate_lock) {
		err = pci_liveupdate_walk_needed(dev, pci_liveupdate_need, out);
		pci_liveupdate_update(out);
		WRITE_ONCE(dev->liveupdate_running, running);
	}
	liveupdate_flb_put_outgoing(&pci_liveupdate_flb);
	return err;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_freeze);

/**
 * pci_liveupdate_unpreserve - undo pci_liveupdate_preserve()
 * @dev: the device
 *
 * Context: in unpreserve() of the handler.
 */
void pci_liveupdate_unpreserve(struct pci_dev *dev)
{
	struct pci_liveupdate_out *out;
	struct pci_liveupdate_dev *entry;

	if (WARN_ON_ONCE(liveupdate_flb_get_outgoing(&pci_liveupdate_flb, (void **)&out)))
		return;
	scoped_guard(mutex, &pci_liveupdate_lock) {
		entry = pci_liveupdate_find(out, dev);
		if (!WARN_ON_ONCE(!entry))
			entry->flags &= ~PCI_LIVEUPDATE_PRESERVED;
		WRITE_ONCE(dev->liveupdate_running, false);
		pci_liveupdate_update(out);
	}
	liveupdate_flb_put_outgoing(&pci_liveupdate_flb);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_unpreserve);

static int pci_liveupdate_note_held(struct pci_dev *dev, void *data)
{
	bool *held = data;

	*held |= pci_liveupdate_held(dev) & PCI_LIVEUPDATE_PRESERVED;
	return *held;
}

/**
 * pci_liveupdate_bus_held - would a reset of a bus hit what must live on?
 * @bus: the bus
 *
 * Return: true if so.
 */
bool pci_liveupdate_bus_held(struct pci_bus *bus)
{
	bool held = false;

	pci_walk_bus(bus, pci_liveupdate_note_held, &held);
	return held;
}

static int pci_liveupdate_note_running(struct pci_dev *dev, void *data)
{
	bool *running = data;

	*running |= READ_ONCE(dev->liveupdate_running);
	return *running;
}

/**
 * pci_liveupdate_runs - is bus mastering needed during the kexec?
 * @dev: a device that is being shut down
 *
 * Return: true if there is a kexec and it goes on with DMA, or is a bridge and what
 * is below it does.
 */
bool pci_liveupdate_runs(struct pci_dev *dev)
{
	bool running = READ_ONCE(dev->liveupdate_running);

	if (!kexec_in_progress)
		return false;

	if (dev->subordinate)
		pci_walk_bus(dev->subordinate, pci_liveupdate_note_running, &running);
	return running;
}

static int pci_liveupdate_begin(struct liveupdate_flb_op_args *args)
{
	struct pci_liveupdate_out *out __free(kfree) = kzalloc(sizeof(*out), GFP_KERNEL);

	if (!out)
		return -ENOMEM;
	INIT_LIST_HEAD(&out->devices);
	out->ser = kho_alloc_preserve(sizeof(*out->ser));
	if (IS_ERR(out->ser))
		return PTR_ERR(out->ser);
	args->data = virt_to_phys(out->ser);
	args->obj = no_free_ptr(out);
	return 0;
}

static void pci_liveupdate_end(struct liveupdate_flb_op_args *args)
{
	struct pci_liveupdate_out *out = args->obj;

	WARN_ON(!list_empty(&out->devices));
	if (out->table)
		kho_unpreserve_free(out->table);
	kho_unpreserve_free(out->ser);
	kfree(out);
}

static const struct liveupdate_flb_ops pci_liveupdate_flb_ops = {
	.owner = THIS_MODULE,
	.preserve = pci_liveupdate_begin,
	.unpreserve = pci_liveupdate_end,
	.retrieve = pci_liveupdate_retrieve_all,
	.finish = pci_liveupdate_finish_all,
};

struct liveupdate_flb pci_liveupdate_flb = {
	.ops = &pci_liveupdate_flb_ops,
	.compatible = PCI_LIVEUPDATE_COMPATIBLE,
};
EXPORT_SYMBOL_GPL(pci_liveupdate_flb);

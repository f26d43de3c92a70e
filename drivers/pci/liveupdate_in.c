// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of PCI devices, in the next kernel: leave alone what the previous
 * one has listed, see liveupdate.c.
 *
 * Invariants:
 *  - the table is known before the first bus is scanned;
 *  - a listed device is only believed to be there if what is found at its place
 *    has its vendor, device, subsystem and class;
 *  - it is left alone until its file is finished; its bridges and siblings are
 *    until no device needs them any more. Then all of them are ordinary again.
 *
 * To be left alone: bus numbers, BARs, bridge windows, ARI, ACS, payload sizes
 * and the like stay as they are; it is not reset, and not sent to sleep; and it
 * gets no driver but the one that it had.
 */
#define pr_fmt(fmt) "PCI: live update: " fmt

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "liveupdate.h"
#include "pci.h"

#define PCI_LIVEUPDATE_FLAGS	(PCI_LIVEUPDATE_PRESERVED | PCI_LIVEUPDATE_UPSTREAM | \
				 PCI_LIVEUPDATE_SIBLING)

/**
 * struct pci_liveupdate_in_dev - a device that was handed over
 * @list: in pci_liveupdate_incoming_devices
 * @ser: what it was; its flags are 0 when it is an ordinary device again
 * @dev: what it is, with a reference; NULL if it was not found so far
 */
struct pci_liveupdate_in_dev {
	struct list_head list;
	struct pci_liveupdate_dev_ser ser;
	struct pci_dev *dev;
};

/* Under pci_liveupdate_lock, until all are finished. */
static LIST_HEAD(pci_liveupdate_incoming_devices);

static bool pci_liveupdate_ser_is_sane(const struct pci_liveupdate_dev_ser *ser)
{
	return ser->flags && !(ser->flags & ~PCI_LIVEUPDATE_FLAGS) &&
	       ser->class < BIT(24) &&
	       strnlen(ser->driver, sizeof(ser->driver)) < sizeof(ser->driver);
}

/* Each entry is sane, and no device is there twice. */
VISIBLE_IF_KUNIT bool
pci_liveupdate_table_is_sane(const struct pci_liveupdate_dev_ser *table, size_t nr)
{
	size_t i, j;

	for (i = 0; i < nr; i++) {
		if (!pci_liveupdate_ser_is_sane(&table[i]))
			return false;
		for (j = 0; j < i; j++)
			if (table[j].domain == table[i].domain &&
			    table[j].bdf == table[i].bdf)
				return false;
	}
	return true;
}

static void pci_liveupdate_forget(void)
{
	struct pci_liveupdate_in_dev *entry, *next;

	lockdep_assert_held(&pci_liveupdate_lock);
	list_for_each_entry_safe(entry, next, &pci_liveupdate_incoming_devices, list) {
		list_del(&entry->list);
		kfree(entry);
	}
}

/* The table that is meant, or NULL if not all of it can be believed. */
VISIBLE_IF_KUNIT const struct pci_liveupdate_dev_ser *
pci_liveupdate_find_table(const struct pci_liveupdate_ser *ser)
{
	const struct pci_liveupdate_dev_ser *table;
	int order = kho_preserved_order(ser->devices);

	if (order < 0 || order > MAX_PAGE_ORDER ||
	    ser->nr_devices > PCI_LIVEUPDATE_MAX_DEVICES ||
	    ser->nr_devices > (PAGE_SIZE << order) / sizeof(*table))
		return NULL;
	table = phys_to_virt(ser->devices);
	return pci_liveupdate_table_is_sane(table, ser->nr_devices) ? table : NULL;
}

static int pci_liveupdate_copy(const struct pci_liveupdate_dev_ser *table, u64 nr)
{
	struct pci_liveupdate_in_dev *entry;
	u64 i;

	for (i = 0; i < nr; i++) {
		entry = kzalloc(sizeof(*entry), GFP_KERNEL);
		if (!entry) {
			pci_liveupdate_forget();
			return -ENOMEM;
		}
		entry->ser = table[i];
		list_add_tail(&entry->list, &pci_liveupdate_incoming_devices);
	}
	return 0;
}

/**
 * pci_liveupdate_retrieve_all - read what the previous kernel has listed
 * @args: of the FLB
 *
 * Return: 0, -ENOMEM, or -EINVAL if it can't be believed.
 */
int pci_liveupdate_retrieve_all(struct liveupdate_flb_op_args *args)
{
	const struct pci_liveupdate_dev_ser *table;
	struct pci_liveupdate_ser *ser;
	int err;

	if (!PAGE_ALIGNED(args->data) || !kho_was_preserved(args->data, 1))
		return -EINVAL;
	ser = phys_to_virt(args->data);
	table = pci_liveupdate_find_table(ser);
	if (!table)
		return -EINVAL;
	guard(mutex)(&pci_liveupdate_lock);
	err = pci_liveupdate_copy(table, ser->nr_devices);
	if (err)
		return err;
	kho_restore_free((void *)table);
	kho_restore_free(ser);
	args->obj = &pci_liveupdate_incoming_devices;
	return 0;
}

static struct pci_liveupdate_in_dev *pci_liveupdate_find_in(struct pci_dev *dev)
{
	struct pci_liveupdate_in_dev *entry;

	lockdep_assert_held(&pci_liveupdate_lock);
	list_for_each_entry(entry, &pci_liveupdate_incoming_devices, list)
		if (entry->ser.domain == pci_domain_nr(dev->bus) &&
		    entry->ser.bdf == pci_dev_id(dev))
			return entry;
	return NULL;
}

VISIBLE_IF_KUNIT bool pci_liveupdate_is_same(const struct pci_liveupdate_dev_ser *ser,
					     const struct pci_dev *dev)
{
	return ser->vendor == dev->vendor && ser->device == dev->device &&
	       ser->subsystem_vendor == dev->subsystem_vendor &&
	       ser->subsystem_device == dev->subsystem_device &&
	       ser->class == dev->class;
}

/**
 * pci_liveupdate_setup_device - is a device that was found one to be left alone?
 * @dev: the device; what identifies it is known
 */
void pci_liveupdate_setup_device(struct pci_dev *dev)
{
	struct pci_liveupdate_in_dev *entry;

	guard(mutex)(&pci_liveupdate_lock);
	entry = pci_liveupdate_find_in(dev);
	if (!entry || !entry->ser.flags)
		return;
	if (!pci_liveupdate_is_same(&entry->ser, dev)) {
		pci_err(dev, "live update: it was [%04x:%04x] (%04x:%04x) of class %#08x, this is another device\n",
			entry->ser.vendor, entry->ser.device, entry->ser.subsystem_vendor,
			entry->ser.subsystem_device, entry->ser.class);
		return;
	}
	WRITE_ONCE(dev->liveupdate_incoming, entry->ser.flags);
	if (pci_is_bridge(dev) && pcibios_assign_all_busses())
		pci_warn(dev, "live update: pci=assign-busses is ignored here\n");
}

/**
 * pci_liveupdate_add_device - a device is about to be added
 * @dev: the device, after pci_liveupdate_setup_device()
 *
 * From now on it is kept awake if it is to be left alone.
 */
void pci_liveupdate_add_device(struct pci_dev *dev)
{
	struct pci_liveupdate_in_dev *entry;

	if (!pci_liveupdate_incoming(dev))
		return;
	guard(mutex)(&pci_liveupdate_lock);
	entry = pci_liveupdate_find_in(dev);
	if (!entry || WARN_ON_ONCE(entry->dev)) {
		WRITE_ONCE(dev->liveupdate_incoming, 0);
		return;
	}
	entry->dev = pci_dev_get(dev);
	pm_runtime_get_noresume(&dev->dev);
}

static void pci_liveupdate_release(struct pci_liveupdate_in_dev *entry)
{
	struct pci_dev *dev = entry->dev;

	lockdep_assert_held(&pci_liveupdate_lock);
	entry->ser.flags = 0;
	entry->dev = NULL;
	if (!dev)
		return;
	WRITE_ONCE(dev->liveupdate_incoming, 0);
	pm_runtime_put(&dev->dev);
	pci_dev_put(dev);
}

/**
 * pci_liveupdate_remove_device - a device goes away
 * @dev: the device
 *
 * What may be put in its place is another device.
 */
void pci_liveupdate_remove_device(struct pci_dev *dev)
{
	struct pci_liveupdate_in_dev *entry;

	if (!pci_liveupdate_incoming(dev))
		return;
	guard(mutex)(&pci_liveupdate_lock);
	entry = pci_liveupdate_find_in(dev);
	if (entry && entry->dev == dev) {
		pci_err(dev, "live update: it was handed over, and goes away before it is finished\n");
		pci_liveupdate_release(entry);
	}
}

/**
 * pci_liveupdate_had_driver - is it the driver that a device had?
 * @dev: any device
 * @driver: driver that asks
 *
 * Return: true if the device is to be left alone and it is.
 */
bool pci_liveupdate_had_driver(struct pci_dev *dev, const struct device_driver *driver)
{
	struct pci_liveupdate_in_dev *entry;

	if (!(pci_liveupdate_incoming(dev) & ~PCI_LIVEUPDATE_UPSTREAM))
		return false;
	guard(mutex)(&pci_liveupdate_lock);
	entry = pci_liveupdate_find_in(dev);
	return entry && !strcmp(entry->ser.driver, driver->name);
}

/**
 * pci_liveupdate_may_bind - may a driver have a device?
 * @dev: any device
 * @driver: driver that asks
 *
 * Return: false if it was another one's, or nobody's, and is to be left alone.
 */
bool pci_liveupdate_may_bind(struct pci_dev *dev, const struct device_driver *driver)
{
	return !(pci_liveupdate_incoming(dev) & ~PCI_LIVEUPDATE_UPSTREAM) ||
	       pci_liveupdate_had_driver(dev, driver);
}

static int pci_liveupdate_mark(struct pci_dev *dev, unsigned int flag, void *data)
{
	struct pci_liveupdate_in_dev *entry = pci_liveupdate_find_in(dev);

	if (entry && entry->dev == dev)
		entry->ser.flags |= flag;
	return 0;
}

/**
 * pci_liveupdate_finish - a device need not be left alone any more
 * @dev: a device whose file is finished
 *
 * So are its bridges and siblings, as far as no other device needs them.
 *
 * Context: in finish() of its handler.
 */
void pci_liveupdate_finish(struct pci_dev *dev)
{
	struct pci_liveupdate_in_dev *entry;

	guard(mutex)(&pci_liveupdate_lock);
	entry = pci_liveupdate_find_in(dev);
	if (!entry || entry->dev != dev)
		return;
	entry->ser.flags &= ~PCI_LIVEUPDATE_PRESERVED;
	list_for_each_entry(entry, &pci_liveupdate_incoming_devices, list)
		entry->ser.flags &= PCI_LIVEUPDATE_PRESERVED;
	list_for_each_entry(entry, &pci_liveupdate_incoming_devices, list)
		if (entry->dev && entry->ser.flags & PCI_LIVEUPDATE_PRESERVED)
			pci_liveupdate_walk_needed(entry->dev, pci_liveupdate_mark, NULL);
	list_for_each_entry(entry, &pci_liveupdate_incoming_devices, list) {
		if (!entry->ser.flags)
			pci_liveupdate_release(entry);
		else if (entry->dev)
			WRITE_ONCE(entry->dev->liveupdate_incoming, entry->ser.flags);
	}
}
EXPORT_SYMBOL_GPL(pci_liveupdate_finish);

/**
 * pci_liveupdate_finish_all - no file needs any device any more
 * @args: of the FLB
 *
 * Devices whose handler could not name them are ordinary from now on, too.
 */
void pci_liveupdate_finish_all(struct liveupdate_flb_op_args *args)
{
	struct pci_liveupdate_in_dev *entry;

	guard(mutex)(&pci_liveupdate_lock);
	list_for_each_entry(entry, &pci_liveupdate_incoming_devices, list)
		pci_liveupdate_release(entry);
	pci_liveupdate_forget();
}

/* Before the first bus is scanned, and after the table of FLBs was read. */
static int __init pci_liveupdate_init(void)
{
	void *in;
	int err;

	if (!liveupdate_enabled())
		return 0;
	err = liveupdate_register_flb(&pci_liveupdate_flb);
	if (err)
		return err;
	err = liveupdate_flb_get_incoming(&pci_liveupdate_flb, &in);
	if (!err)
		liveupdate_flb_put_incoming(&pci_liveupdate_flb);
	else if (err != -ENOENT)
		pr_err("what was handed over can't be read (%d): devices will be reset\n", err);
	return 0;
}
arch_initcall(pci_liveupdate_init);

static void __init pci_liveupdate_report_device(const struct pci_liveupdate_in_dev *entry)
{
	const struct pci_liveupdate_dev_ser *ser = &entry->ser;

	if (!entry->dev)
		pr_err("%04x:%02x:%02x.%d [%04x:%04x] was handed over, and is not there\n",
		       ser->domain, PCI_BUS_NUM(ser->bdf), PCI_SLOT(ser->bdf),
		       PCI_FUNC(ser->bdf), ser->vendor, ser->device);
	else if (!(ser->flags & PCI_LIVEUPDATE_PRESERVED))
		return;
	else if (!IS_ENABLED(CONFIG_VFIO_PCI_LIVEUPDATE))
		pci_err(entry->dev, "live update: nobody can have it without CONFIG_VFIO_PCI_LIVEUPDATE\n");
	else if (!entry->dev->driver)
		pci_warn(entry->dev, "live update: waiting for its driver %s\n", ser->driver);
}

/* All buses were scanned, and built-in drivers had their chance. */
static int __init pci_liveupdate_report(void)
{
	struct pci_liveupdate_in_dev *entry;

	guard(mutex)(&pci_liveupdate_lock);
	list_for_each_entry(entry, &pci_liveupdate_incoming_devices, list)
		pci_liveupdate_report_device(entry);
	return 0;
}
late_initcall_sync(pci_liveupdate_report);

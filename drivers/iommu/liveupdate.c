// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of IOMMUs: devices go on with DMA through the kexec, and what they
 * may reach stays what it is.
 *
 * A file handler tells which domains it preserves, and which devices are attached
 * to them. A domain's tables are preserved page by page. A unit with preserved
 * devices gets a second root table, in which there is nothing else; when all
 * drivers are shut down the unit is switched to it, so that devices that are not
 * preserved are cut off.
 *
 * Invariants:
 *  - a preserved device is attached to a preserved domain, and stays so: to attach
 *    another one gives %EBUSY. If it can't be helped, the device is not handed over;
 *  - the tables in preserved memory say at all times what the lists say;
 *  - what makes the lists shorter needs no memory.
 *
 * The other half, in the next kernel, is in liveupdate_in.c.
 */
#define pr_fmt(fmt) "iommu: live update: " fmt

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "iommu-priv.h"
#include "liveupdate.h"

/* See liveupdate.h. */
DEFINE_MUTEX(iommu_liveupdate_lock);

/* More than any sane topology has. */
#define IOMMU_LIVEUPDATE_MAX_RIDS	64

/* An array in preserved memory, with room for @max entries. */
struct iommu_liveupdate_array {
	void *mem;
	size_t max;
};

/**
 * struct iommu_liveupdate_out - what is handed over
 * @ser: says where the arrays are
 * @units: array of &struct iommu_unit_ser
 * @domains: array of &struct iommu_domain_ser
 * @requesters: array of &struct iommu_requester_ser
 * @unit_list: of &struct iommu_liveupdate_unit
 * @domain_list: of &struct iommu_liveupdate_domain
 * @device_list: of &struct iommu_liveupdate_device
 * @last_id: of a domain
 */
struct iommu_liveupdate_out {
	struct iommu_ser *ser;
	struct iommu_liveupdate_array units;
	struct iommu_liveupdate_array domains;
	struct iommu_liveupdate_array requesters;
	struct list_head unit_list;
	struct list_head domain_list;
	struct list_head device_list;
	u64 last_id;
};

/* While a file that needs it is preserved, or NULL; under iommu_liveupdate_lock. */
static struct iommu_liveupdate_out *iommu_liveupdate_out;

static const struct iommu_liveupdate_ops *unit_ops(const struct iommu_liveupdate_unit *unit)
{
	return unit->iommu->ops->liveupdate;
}

static const struct iommu_liveupdate_ops *domain_ops(const struct iommu_domain *domain)
{
	return domain->owner ? domain->owner->liveupdate : NULL;
}

/* Room for @nr entries; those that are there stay where they are until then. */
static int iommu_liveupdate_grow(struct iommu_liveupdate_array *array,
				 struct iommu_array_ser *ser, size_t nr, size_t entry)
{
	size_t size;
	void *mem;

	if (nr > IOMMU_SER_MAX_ENTRIES)
		return -ENOSPC;
	if (nr <= array->max)
		return 0;
	size = max(2 * nr * entry, PAGE_SIZE);
	mem = kho_alloc_preserve(size);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	if (array->mem) {
		memcpy(mem, array->mem, ser->nr * entry);
		kho_unpreserve_free(array->mem);
	}
	array->mem = mem;
	array->max = size / entry;
	ser->first = virt_to_phys(mem);
	return 0;
}

static u32 iommu_liveupdate_unit_index(struct iommu_liveupdate_out *out,
				       const struct iommu_liveupdate_unit *unit)
{
	struct iommu_liveupdate_unit *other;
	u32 index = 0;

	list_for_each_entry(other, &out->unit_list, list) {
		if (other == unit)
			break;
		index++;
	}
	return index;
}

static void iommu_liveupdate_write_device(struct iommu_liveupdate_out *out,
					  const struct iommu_liveupdate_device *device)
{
	struct iommu_requester_ser *ser = out->requesters.mem;
	struct pci_dev *pdev = to_pci_dev(device->dev);
	unsigned int i;

	for (i = 0; i < device->nr_rids; i++)
		ser[out->ser->requesters.nr++] = (struct iommu_requester_ser) {
			.domain = device->domain->ser.id,
			.unit = iommu_liveupdate_unit_index(out, device->unit),
			.segment = pci_domain_nr(pdev->bus),
			.bdf = pci_dev_id(pdev),
			.rid = device->rids[i],
			.hw_domain = device->hw_domain,
		};
}

/* There is room for all that is in the lists. */
static void iommu_liveupdate_write(struct iommu_liveupdate_out *out)
{
	struct iommu_unit_ser *unit_ser = out->units.mem;
	struct iommu_domain_ser *domain_ser = out->domains.mem;
	struct iommu_liveupdate_domain *domain;
	struct iommu_liveupdate_device *device;
	struct iommu_liveupdate_unit *unit;

	lockdep_assert_held(&iommu_liveupdate_lock);
	out->ser->units.nr = 0;
	list_for_each_entry(unit, &out->unit_list, list)
		unit_ser[out->ser->units.nr++] = unit->ser;
	out->ser->domains.nr = 0;
	list_for_each_entry(domain, &out->domain_list, list)
		domain_ser[out->ser->domains.nr++] = domain->ser;
	out->ser->requesters.nr = 0;
	list_for_each_entry(device, &out->device_list, list)
		iommu_liveupdate_write_device(out, device);
}

static struct iommu_liveupdate_domain *
iommu_liveupdate_find_domain(struct iommu_liveupdate_out *out,
			     const struct iommu_domain *domain)
{
	struct iommu_liveupdate_domain *entry;

	lockdep_assert_held(&iommu_liveupdate_lock);
	if (!out)
		return NULL;
	list_for_each_entry(entry, &out->domain_list, list)
		if (entry->domain == domain)
			return entry;
	return NULL;
}

static struct iommu_liveupdate_device *
iommu_liveupdate_find_device(struct iommu_liveupdate_out *out, const struct device *dev)
{
	struct iommu_liveupdate_device *entry;

	lockdep_assert_held(&iommu_liveupdate_lock);
	if (!out)
		return NULL;
	list_for_each_entry(entry, &out->device_list, list)
		if (entry->dev == dev)
			return entry;
	return NULL;
}

/**
 * iommu_domain_preserve - hand a domain over to the next kernel
 * @domain: domain for user space, with tables
 * @id: out: what iommu_domain_restore() takes
 *
 * Nothing may be mapped or unmapped in it, nor may it be freed, until
 * iommu_domain_unpreserve().
 *
 * Context: in preserve() of a handler that has iommu_liveupdate_flb.
 * Return: 0, -EOPNOTSUPP if domains of this kind can't be carried, -EBUSY if it is
 * preserved already or was handed over and is not finished, -ENOSPC if there are too
 * many, or -ENOMEM.
 */
int iommu_domain_preserve(struct iommu_domain *domain, u64 *id)
{
	const struct iommu_liveupdate_ops *ops = domain_ops(domain);
	struct iommu_liveupdate_domain *entry __free(kfree) = NULL;
	struct iommu_liveupdate_out *out;
	int err;

	if (!ops || domain->type != IOMMU_DOMAIN_UNMANAGED)
		return -EOPNOTSUPP;
	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	entry->domain = domain;

	guard(mutex)(&iommu_liveupdate_lock);
	out = iommu_liveupdate_out;
	if (WARN_ON_ONCE(!out))
		return -EINVAL;
	if (iommu_liveupdate_find_domain(out, domain) || iommu_liveupdate_in_has(domain))
		return -EBUSY;
	err = iommu_liveupdate_grow(&out->domains, &out->ser->domains,
				    list_count_nodes(&out->domain_list) + 1,
				    sizeof(struct iommu_domain_ser));
	if (!err)
		err = ops->domain_preserve(entry);
	if (err)
		return err;
	entry->ser.id = ++out->last_id;
	*id = entry->ser.id;
	list_add_tail(&no_free_ptr(entry)->list, &out->domain_list);
	iommu_liveupdate_write(out);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_domain_preserve);

/**
 * iommu_domain_unpreserve - undo iommu_domain_preserve()
 * @domain: the domain; no device that is attached to it is preserved any more
 *
 * Context: in unpreserve() of the handler.
 */
void iommu_domain_unpreserve(struct iommu_domain *domain)
{
	struct iommu_liveupdate_domain *entry;

	guard(mutex)(&iommu_liveupdate_lock);
	entry = iommu_liveupdate_find_domain(iommu_liveupdate_out, domain);
	if (WARN_ON_ONCE(!entry || entry->nr_devices))
		return;
	domain_ops(domain)->domain_unpreserve(entry);
	list_del(&entry->list);
	kfree(entry);
	iommu_liveupdate_write(iommu_liveupdate_out);
}
EXPORT_SYMBOL_GPL(iommu_domain_unpreserve);

static struct iommu_liveupdate_unit *
iommu_liveupdate_get_unit(struct iommu_liveupdate_out *out, struct iommu_device *iommu)
{
	struct iommu_liveupdate_unit *unit;
	int err;

	list_for_each_entry(unit, &out->unit_list, list)
		if (unit->iommu == iommu)
			return unit;
	err = iommu_liveupdate_grow(&out->units, &out->ser->units,
				    list_count_nodes(&out->unit_list) + 1,
				    sizeof(struct iommu_unit_ser));
	if (err)
		return ERR_PTR(err);
	unit = kzalloc(sizeof(*unit), GFP_KERNEL);
	if (!unit)
		return ERR_PTR(-ENOMEM);
	unit->iommu = iommu;
	err = unit_ops(unit)->unit_preserve(unit);
	if (err) {
		kfree(unit);
		return ERR_PTR(err);
	}
	list_add_tail(&unit->list, &out->unit_list);
	return unit;
}

/* A unit stays as long as it has preserved devices. */
static void iommu_liveupdate_put_unit(struct iommu_liveupdate_unit *unit)
{
	if (unit->nr_devices)
		return;
	unit_ops(unit)->unit_unpreserve(unit);
	list_del(&unit->list);
	kfree(unit);
}

static int iommu_liveupdate_note_rid(struct pci_dev *pdev, u16 rid, void *data)
{
	struct iommu_liveupdate_device *device = data;
	unsigned int i;

	for (i = 0; i < device->nr_rids; i++)
		if (device->rids[i] == rid)
			return 0;
	if (device->nr_rids == IOMMU_LIVEUPDATE_MAX_RIDS)
		return -E2BIG;
	device->nr_rids++;
	device->rids[device->nr_rids - 1] = rid;
	return 0;
}

static int iommu_liveupdate_fill(struct iommu_liveupdate_device *device,
				 struct iommu_liveupdate_out *out,
				 struct iommu_domain *domain)
{
	struct device *dev = device->dev;
	int err;

	device->domain = iommu_liveupdate_find_domain(out, domain);
	if (!device->domain)
		return -EINVAL;
	err = pci_for_each_dma_alias(to_pci_dev(dev), iommu_liveupdate_note_rid, device);
	if (err) {
		dev_err(dev, "live update: it has too many requester IDs\n");
		return -EOPNOTSUPP;
	}
	return iommu_liveupdate_grow(&out->requesters, &out->ser->requesters,
				     out->ser->requesters.nr + device->nr_rids,
				     sizeof(struct iommu_requester_ser));
}

/* A device that can be attached and detached no more. */
static int iommu_liveupdate_add_device(struct iommu_liveupdate_out *out, struct device *dev,
				       struct iommu_domain *domain)
{
	struct iommu_liveupdate_device *device __free(kfree) = NULL;
	int err;

	lockdep_assert_held(&iommu_liveupdate_lock);
	device = kzalloc(struct_size(device, rids, IOMMU_LIVEUPDATE_MAX_RIDS), GFP_KERNEL);
	if (!device)
		return -ENOMEM;
	device->dev = dev;
	err = iommu_liveupdate_fill(device, out, domain);
	if (err)
		return err;
	device->unit = iommu_liveupdate_get_unit(out, dev->iommu->iommu_dev);
	if (IS_ERR(device->unit))
		return PTR_ERR(device->unit);
	err = unit_ops(device->unit)->device_preserve(device);
	if (err) {
		iommu_liveupdate_put_unit(device->unit);
		return err;
	}
	device->unit->nr_devices++;
	device->domain->nr_devices++;
	get_device(dev);
	list_add_tail(&no_free_ptr(device)->list, &out->device_list);
	iommu_liveupdate_write(out);
	return 0;
}

static void iommu_liveupdate_del_device(struct iommu_liveupdate_device *device)
{
	lockdep_assert_held(&iommu_liveupdate_lock);
	list_del(&device->list);
	unit_ops(device->unit)->device_unpreserve(device);
	device->domain->nr_devices--;
	device->unit->nr_devices--;
	iommu_liveupdate_put_unit(device->unit);
	iommu_liveupdate_write(iommu_liveupdate_out);
	put_device(device->dev);
	kfree(device);
}

/* Memory that firmware wants a device to reach is nobody's to preserve. */
static bool iommu_liveupdate_is_bound_to_memory(struct device *dev)
{
	struct iommu_resv_region *region;
	bool direct = false;
	LIST_HEAD(regions);

	iommu_get_resv_regions(dev, &regions);
	list_for_each_entry(region, &regions, list)
		direct |= region->type == IOMMU_RESV_DIRECT;
	iommu_put_resv_regions(dev, &regions);
	return direct;
}

/**
 * iommu_device_preserve - keep translating for a device through a live update
 * @dev: the device
 * @domain: preserved domain that it is attached to
 *
 * Until iommu_device_unpreserve() it stays attached.
 *
 * Context: in preserve() of a handler that has iommu_liveupdate_flb; the device has
 * a driver.
 * Return: 0; -EOPNOTSUPP if it can't be carried, which is told; -EINVAL if it is
 * attached to something else, or that is not preserved; -EBUSY if it is preserved
 * already, or was handed over and is not finished; -ENOSPC if there are too many; or
 * -ENOMEM.
 */
int iommu_device_preserve(struct device *dev, struct iommu_domain *domain)
{
	int err;

	if (!dev->iommu || !dev->iommu->iommu_dev)
		return -EINVAL;
	if (!dev_iommu_ops(dev)->liveupdate || !dev_is_pci(dev)) {
		dev_err(dev, "live update: its IOMMU can't be carried\n");
		return -EOPNOTSUPP;
	}
	if (iommu_liveupdate_is_bound_to_memory(dev)) {
		dev_err(dev, "live update: firmware wants it to reach memory of its own\n");
		return -EOPNOTSUPP;
	}
	err = iommu_liveupdate_hold(dev, domain);
	if (err)
		return err;
	scoped_guard(mutex, &iommu_liveupdate_lock)
		err = iommu_liveupdate_out ?
			iommu_liveupdate_add_device(iommu_liveupdate_out, dev, domain) : -EINVAL;
	if (err)
		iommu_liveupdate_unhold(dev);
	return err;
}
EXPORT_SYMBOL_GPL(iommu_device_preserve);

/**
 * iommu_device_unpreserve - undo iommu_device_preserve()
 * @dev: the device
 *
 * Context: in unpreserve() of the handler.
 */
void iommu_device_unpreserve(struct device *dev)
{
	struct iommu_liveupdate_device *device;

	scoped_guard(mutex, &iommu_liveupdate_lock) {
		device = iommu_liveupdate_find_device(iommu_liveupdate_out, dev);
		if (device)
			iommu_liveupdate_del_device(device);
	}
	iommu_liveupdate_unhold(dev);
}
EXPORT_SYMBOL_GPL(iommu_device_unpreserve);

/**
 * iommu_liveupdate_lost - a preserved device is detached, or goes away
 * @dev: the device
 *
 * That should not be, but can't be refused. It is not handed over, then; if it was,
 * what comes in its place does not get its translation.
 *
 * Context: the mutex of the group is held.
 */
void iommu_liveupdate_lost(struct device *dev)
{
	struct iommu_liveupdate_device *device;

	if (iommu_liveupdate_is(dev, IOMMU_LIVEUPDATE_INCOMING) && dev->iommu->attach_deferred)
		dev_iommu_ops(dev)->liveupdate->device_block(dev);
	if (!iommu_liveupdate_is(dev, IOMMU_LIVEUPDATE_OUTGOING))
		return;
	dev_err(dev, "live update: it is detached: it will not be handed over\n");
	guard(mutex)(&iommu_liveupdate_lock);
	device = iommu_liveupdate_find_device(iommu_liveupdate_out, dev);
	if (device)
		iommu_liveupdate_del_device(device);
	WRITE_ONCE(dev->iommu->liveupdate,
		   dev->iommu->liveupdate & ~IOMMU_LIVEUPDATE_OUTGOING);
}

static int iommu_liveupdate_begin(struct liveupdate_flb_op_args *args)
{
	struct iommu_liveupdate_out *out __free(kfree) = kzalloc(sizeof(*out), GFP_KERNEL);

	if (!out)
		return -ENOMEM;
	INIT_LIST_HEAD(&out->unit_list);
	INIT_LIST_HEAD(&out->domain_list);
	INIT_LIST_HEAD(&out->device_list);
	out->ser = kho_alloc_preserve(sizeof(*out->ser));
	if (IS_ERR(out->ser))
		return PTR_ERR(out->ser);
	args->data = virt_to_phys(out->ser);
	args->obj = out;
	guard(mutex)(&iommu_liveupdate_lock);
	iommu_liveupdate_out = no_free_ptr(out);
	return 0;
}

static void iommu_liveupdate_free_array(struct iommu_liveupdate_array *array)
{
	if (array->mem)
		kho_unpreserve_free(array->mem);
}

static void iommu_liveupdate_end(struct liveupdate_flb_op_args *args)
{
	struct iommu_liveupdate_out *out = args->obj;

	scoped_guard(mutex, &iommu_liveupdate_lock)
		iommu_liveupdate_out = NULL;
	WARN_ON(!list_empty(&out->device_list) || !list_empty(&out->domain_list) ||
		!list_empty(&out->unit_list));
	iommu_liveupdate_free_array(&out->units);
	iommu_liveupdate_free_array(&out->domains);
	iommu_liveupdate_free_array(&out->requesters);
	kho_unpreserve_free(out->ser);
	kfree(out);
}

static const struct liveupdate_flb_ops iommu_liveupdate_flb_ops = {
	.owner = THIS_MODULE,
	.preserve = iommu_liveupdate_begin,
	.unpreserve = iommu_liveupdate_end,
	.retrieve = iommu_liveupdate_retrieve_all,
	.finish = iommu_liveupdate_finish_all,
};

struct liveupdate_flb iommu_liveupdate_flb = {
	.ops = &iommu_liveupdate_flb_ops,
	.compatible = IOMMU_LIVEUPDATE_COMPATIBLE,
};
EXPORT_SYMBOL_GPL(iommu_liveupdate_flb);

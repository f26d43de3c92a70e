// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of iommufd contexts: one that was handed over. The invariants and the
 * order of locks are in liveupdate.c.
 *
 * retrieve() makes all of a context but its devices, which are bound by their drivers
 * as ever, and get their IDs again. Page tables have what they had: pages are pinned
 * and compared with what is mapped, with what access, and nothing is mapped. There must
 * not be anything else in a page table.
 *
 * Invariants:
 *  - until it is finished, nothing is mapped or unmapped in any page table of a
 *    context (io_pagetable::adopting), even if it is closed: devices go on;
 *  - a retrieval that fails in passing leaves domains and records as they were; if
 *    it fails for good, or nobody wants the context, its domains are finished, so
 *    that its devices have no access to memory any more;
 *  - what comes back has its ID: it is reserved from the start, and nobody but a
 *    device that comes back gets an ID before the end.
 */
#define pr_fmt(fmt) "iommufd: live update: " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate_in.h"

static struct pci_dev *find_pdev(const struct iommufd_device_ser *ser)
{
	return pci_get_domain_bus_and_slot(ser->segment, PCI_BUS_NUM(ser->bdf),
					   ser->bdf & 0xff);
}

/* A domain is found by any device that has it. */
static struct iommu_domain *restore_domain(struct iommufd_incoming *in,
					   const struct iommufd_hwpt_ser *ser)
{
	struct iommu_domain *domain = ERR_PTR(-ENODEV);
	struct iommufd_incoming_device *device;
	struct pci_dev *pdev;

	list_for_each_entry(device, &in->devices, list) {
		if (device->ser.hwpt_id != ser->id)
			continue;
		pdev = find_pdev(&device->ser);
		if (!pdev)
			continue;
		domain = iommu_domain_restore(ser->domain, &pdev->dev);
		pci_dev_put(pdev);
		if (!IS_ERR(domain) || PTR_ERR(domain) == -ENOMEM)
			break;
	}
	return domain;
}

/* All that is mapped was found in the domain: if it has as much, it has nothing else. */
static u64 mapped_in(struct io_pagetable *iopt)
{
	struct iopt_area *area;
	u64 mapped = 0;

	down_read(&iopt->iova_rwsem);
	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX))
		mapped += iopt_area_length(area);
	up_read(&iopt->iova_rwsem);
	return mapped;
}

static int restore_hwpt(struct iommufd_incoming *in, struct iommufd_incoming_hwpt *incoming)
{
	const struct iommufd_hwpt_ser *ser = &incoming->ser;
	struct iommufd_ioas *ioas = iommufd_incoming_ioas(in->ictx, ser->ioas_id);
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	hwpt = __iommufd_object_alloc(in->ictx, hwpt, IOMMUFD_OBJ_HWPT_PAGING, common.obj);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	INIT_LIST_HEAD(&hwpt->hwpt_item);
	refcount_inc(&ioas->obj.users);
	hwpt->ioas = ioas;
	hwpt->auto_domain = ser->flags & IOMMUFD_HWPT_SER_AUTO;
	hwpt->enforce_cache_coherency = ser->flags & IOMMUFD_HWPT_SER_COHERENT;

	mutex_lock(&ioas->mutex);
	hwpt->common.domain = restore_domain(in, ser);
	if (IS_ERR(hwpt->common.domain)) {
		rc = PTR_ERR(hwpt->common.domain);
		hwpt->common.domain = NULL;
		goto err_abort;
	}
	rc = iopt_table_add_domain(&ioas->iopt, hwpt->common.domain);
	if (rc)
		goto err_abort;
	list_add_tail(&hwpt->hwpt_item, &ioas->hwpt_list);
	if (iommu_domain_mapped(hwpt->common.domain) != mapped_in(&ioas->iopt)) {
		rc = -EBADMSG;
		goto err_abort;
	}
	iommufd_incoming_move(in->ictx, &hwpt->common.obj, ser->id);
	refcount_inc(&hwpt->common.obj.users);
	iommufd_object_finalize(in->ictx, &hwpt->common.obj);
	mutex_unlock(&ioas->mutex);
	incoming->hwpt = hwpt;
	return 0;

err_abort:
	iommufd_object_abort_and_destroy(in->ictx, &hwpt->common.obj);
	mutex_unlock(&ioas->mutex);
	return rc;
}

static int restore_hwpts(struct iommufd_incoming *in)
{
	struct iommufd_incoming_hwpt *hwpt;
	int rc;

	list_for_each_entry(hwpt, &in->hwpts, list) {
		rc = restore_hwpt(in, hwpt);
		if (rc) {
			pr_err("page table %u can't be taken over: %d\n", hwpt->ser.id, rc);
			return rc;
		}
	}
	return 0;
}

/* A context without objects, held. */
static struct file *open_incoming(struct luo_file_set *session)
{
	struct file *file = iommufd_liveupdate_open();
	struct iommufd_incoming *in;
	struct iommufd_ctx *ictx;

	if (IS_ERR(file))
		return file;
	in = kzalloc(sizeof(*in), GFP_KERNEL_ACCOUNT);
	if (!in) {
		fput(file);
		return ERR_PTR(-ENOMEM);
	}
	ictx = iommufd_liveupdate_ctx(file);
	INIT_LIST_HEAD(&in->hwpts);
	INIT_LIST_HEAD(&in->devices);
	xa_init(&in->pages);
	in->session = session;
	in->ictx = ictx;
	ictx->liveupdate.incoming = in;
	atomic_set(&ictx->liveupdate.changes, -1);
	return file;
}

static bool is_passing(int rc)
{
	return rc == -ENOMEM || rc == -EINTR || rc == -ERESTARTSYS || rc == -EAGAIN;
}

static int finish_domain(void *arg, const void *record)
{
	const struct iommufd_hwpt_ser *ser = record;

	iommu_domain_finish(ser->domain);
	return 0;
}

/* Nobody is to have access through what was handed over. */
static void finish_domains(const struct iommufd_ser *ser)
{
	if (iommufd_ser_read(ser, IOMMUFD_SER_HWPT, finish_domain, NULL))
		pr_err("page tables are damaged: their devices are blocked when all is finished\n");
}

/**
 * iommufd_liveupdate_retrieve - make a context of what the previous kernel left
 * @args: Names the data of the previous kernel; gets the file
 *
 * Return: 0; -ENOMEM, -EINTR, -ERESTARTSYS or -EAGAIN if it may be tried again; -EIO if
 * the data are damaged, -EBADMSG if a page table is not what it should be, -ENODEV if
 * its devices are gone.
 */
int iommufd_liveupdate_retrieve(struct liveupdate_file_op_args *args)
{
	const struct iommufd_ser *ser = iommufd_ser_find(args->serialized_data);
	struct iommufd_incoming *in;
	struct file *file;
	int rc;

	if (!ser) {
		pr_err("a context is described by nonsense\n");
		return -EIO;
	}
	file = open_incoming(args->session);
	if (IS_ERR(file))
		return is_passing(PTR_ERR(file)) ? PTR_ERR(file) : -ENOMEM;
	in = iommufd_liveupdate_ctx(file)->liveupdate.incoming;
	rc = iommufd_incoming_build(in, ser);
	if (!rc)
		rc = restore_hwpts(in);
	in->session = NULL;
	if (!rc) {
		args->file = file;
		return 0;
	}

	/* At once: domains are put back by that, and can be restored again. */
	__fput_sync(file);
	if (is_passing(rc))
		return rc;
	finish_domains(ser);
	pr_err("a context can't be retrieved (%d), its devices are blocked\n", rc);
	return rc == -EBADMSG || rc == -ENODEV ? rc : -EIO;
}

static bool is_device(const struct iommufd_device_ser *ser, struct device *dev)
{
	struct pci_dev *pdev = dev_is_pci(dev) ? to_pci_dev(dev) : NULL;

	return pdev && ser->segment == pci_domain_nr(pdev->bus) && ser->bdf == pci_dev_id(pdev);
}

static struct iommufd_incoming_device *find_device(struct iommufd_incoming *in,
						   struct device *dev)
{
	struct iommufd_incoming_device *device;

	lockdep_assert_held(&in->ictx->liveupdate.devices_rwsem);
	if (in->finished)
		return NULL;
	list_for_each_entry(device, &in->devices, list)
		if (is_device(&device->ser, dev))
			return device;
	return NULL;
}

/**
 * iommufd_incoming_may_bind - is a device one that comes back?
 * @in: The context that it is bound to
 * @dev: The device
 *
 * Context: devices_rwsem is held.
 * Return: true if so.
 */
bool iommufd_incoming_may_bind(struct iommufd_incoming *in, struct device *dev)
{
	return find_device(in, dev);
}

/**
 * iommufd_incoming_may_attach - is that what a device was attached to?
 * @in: The context that it is bound to
 * @dev: The device
 * @pt_id: A page table, or the IOAS that it is of if nobody has allocated it
 *
 * Context: devices_rwsem is held.
 * Return: true if so.
 */
bool iommufd_incoming_may_attach(struct iommufd_incoming *in, struct device *dev, u32 pt_id)
{
	struct iommufd_incoming_device *device = find_device(in, dev);

	return device && device->ser.hwpt_id && pt_id &&
	       (pt_id == device->ser.hwpt_id || pt_id == device->ioas_id);
}

/**
 * iommufd_incoming_claim_id - the ID of a device that comes back
 * @in: The context that it is bound to
 * @dev: The device
 *
 * Context: devices_rwsem is held.
 * Return: the ID, for the caller; 0 if it has none, or had it already.
 */
u32 iommufd_incoming_claim_id(struct iommufd_incoming *in, struct device *dev)
{
	struct iommufd_incoming_device *device = find_device(in, dev);

	if (!device || !device->reserved)
		return 0;
	device->reserved = false;
	return device->ser.id;
}

static bool is_attached_again(struct iommufd_incoming *in,
			      const struct iommufd_device_ser *ser)
{
	struct iommufd_ctx *ictx = in->ictx;
	struct iommufd_object *obj;
	unsigned long id = 0;
	bool is = false;

	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_DEVICE))) {
		struct iommufd_device *idev = container_of(obj, struct iommufd_device, obj);

		is |= is_device(ser, idev->dev) &&
		      iommufd_liveupdate_attached_to(idev) == ser->hwpt_id;
		iommufd_put_object(ictx, obj);
	}
	return is;
}

/* What is gone, or was given up, is waited for no more. */
static bool is_waited_for(struct iommufd_incoming *in, const struct iommufd_device_ser *ser)
{
	struct pci_dev *pdev;
	bool waited_for;

	if (!ser->hwpt_id || is_attached_again(in, ser))
		return false;
	pdev = find_pdev(ser);
	waited_for = pdev && iommu_device_is_preserved(&pdev->dev);
	if (waited_for)
		pci_err(pdev, "iommufd: live update: it has to be attached to page table %u first\n",
			ser->hwpt_id);
	pci_dev_put(pdev);
	return waited_for;
}

/**
 * iommufd_liveupdate_can_finish - are all devices attached again?
 * @args: The file
 *
 * Return: true if so.
 */
bool iommufd_liveupdate_can_finish(struct liveupdate_file_op_args *args)
{
	struct iommufd_ctx *ictx = iommufd_liveupdate_ctx(args->file);
	struct iommufd_incoming *in = ictx->liveupdate.incoming;
	struct iommufd_incoming_device *device;
	bool can = true;

	down_write(&ictx->liveupdate.devices_rwsem);
	list_for_each_entry(device, &in->devices, list)
		can = can && !is_waited_for(in, &device->ser);
	up_write(&ictx->liveupdate.devices_rwsem);
	return can;
}

static void end_adoption(struct iommufd_ioas *ioas)
{
	down_write(&ioas->iopt.domains_rwsem);
	ioas->iopt.adopting = false;
	up_write(&ioas->iopt.domains_rwsem);
}

/* Nothing is left of it but objects that have nothing to do with live update. */
static void release_incoming(struct iommufd_incoming *in)
{
	struct iommufd_incoming_device *device;
	struct iommufd_incoming_hwpt *hwpt;

	list_for_each_entry(device, &in->devices, list) {
		if (device->reserved)
			xa_erase(&in->ictx->objects, device->ser.id);
		device->reserved = false;
	}
	list_for_each_entry(hwpt, &in->hwpts, list) {
		if (hwpt->hwpt)
			iommufd_hw_pagetable_put(in->ictx, &hwpt->hwpt->common);
		else if (!in->finished)
			xa_erase(&in->ictx->objects, hwpt->ser.id);
		hwpt->hwpt = NULL;
	}
	in->finished = true;
}

/**
 * iommufd_incoming_free - a context that was retrieved is closed
 * @in: It
 */
void iommufd_incoming_free(struct iommufd_incoming *in)
{
	struct iommufd_incoming_device *device, *next_device;
	struct iommufd_incoming_hwpt *hwpt, *next_hwpt;

	if (!in->finished)
		release_incoming(in);
	list_for_each_entry_safe(device, next_device, &in->devices, list)
		kfree(device);
	list_for_each_entry_safe(hwpt, next_hwpt, &in->hwpts, list)
		kfree(hwpt);
	kfree(in);
}

static void finish_ctx(struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;
	unsigned long id;

	down_write(&ictx->liveupdate.devices_rwsem);
	id = 0;
	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_IOAS)))
		end_adoption(container_of(obj, struct iommufd_ioas, obj));
	release_incoming(ictx->liveupdate.incoming);
	up_write(&ictx->liveupdate.devices_rwsem);
	iommufd_liveupdate_unhold(ictx);
}

/**
 * iommufd_liveupdate_finish - a context is an ordinary one from now on
 * @args: The file; NULL if nobody wants it
 *
 * Devices that are not attached to its page tables again lose their access.
 */
void iommufd_liveupdate_finish(struct liveupdate_file_op_args *args)
{
	const struct iommufd_ser *ser = iommufd_ser_find(args->serialized_data);

	if (ser && args->retrieve_status >= 0)
		finish_domains(ser);
	if (args->file)
		finish_ctx(iommufd_liveupdate_ctx(args->file));
	if (ser)
		iommufd_ser_free(ser);
}

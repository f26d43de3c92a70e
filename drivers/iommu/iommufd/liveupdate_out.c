// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of iommufd contexts: one that is to be handed over. The invariants and
 * the order of locks are in liveupdate.c.
 *
 * What can't be carried is refused by preserve(), if it is there then. freeze() walks
 * over all objects once more and writes them down: by then all memfds of the session
 * are known, and what devices have gone.
 */
#define pr_fmt(fmt) "iommufd: live update: " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho/block.h>
#include <linux/liveupdate.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "io_pagetable.h"
#include "iommufd_private.h"

/**
 * struct iommufd_outgoing - a context that is preserved
 * @ictx: it
 * @session: of the operation that is running
 * @ser: what the next kernel gets
 * @writers: the chains of @ser, empty unless it is frozen
 * @counts: how many records there are in each
 * @pages: while it is being frozen: by the address of pages, which record they are
 *
 * Under the lock of the session.
 */
struct iommufd_outgoing {
	struct iommufd_ctx *ictx;
	struct luo_file_set *session;
	struct iommufd_ser *ser;
	struct kho_block_writer writers[IOMMUFD_SER_KINDS];
	u64 counts[IOMMUFD_SER_KINDS];
	struct xarray pages;
};

/* What is not to be found here can be carried. */
static const char *const foreign_types[IOMMUFD_OBJ_MAX] = {
	[IOMMUFD_OBJ_HWPT_NESTED] = "a nested page table",
	[IOMMUFD_OBJ_ACCESS] = "an access by the kernel, or an emulated device",
	[IOMMUFD_OBJ_FAULT] = "a queue of page faults",
#ifdef CONFIG_IOMMUFD_TEST
	[IOMMUFD_OBJ_SELFTEST] = "an object of a test",
#endif
};

static int check_ctx(struct iommufd_ctx *ictx)
{
	const char *foreign = NULL;
	struct iommufd_object *obj;
	unsigned long id;

	if (ictx->account_mode == IOPT_PAGES_ACCOUNT_MM) {
		pr_err("a context that accounts memory by process can't be preserved\n");
		return -EOPNOTSUPP;
	}
	xa_lock(&ictx->objects);
	if (ictx->vfio_ioas || ictx->no_iommu_mode)
		foreign = "what a VFIO container needs";
	xa_for_each(&ictx->objects, id, obj)
		foreign = foreign ?: foreign_types[obj->type];
	xa_unlock(&ictx->objects);
	if (!foreign)
		return 0;
	pr_err("a context with %s can't be preserved\n", foreign);
	return -EOPNOTSUPP;
}

static int check_area(struct iommufd_ioas *ioas, struct iopt_area *area)
{
	if (iopt_pages_is_file(area->pages))
		return 0;
	pr_err("IOAS %u maps memory at IOVA %#lx that is not of a file\n", ioas->obj.id,
	       iopt_area_iova(area));
	return -EOPNOTSUPP;
}

static int check_ioas(struct iommufd_ioas *ioas)
{
	struct io_pagetable *iopt = &ioas->iopt;
	struct iopt_area *area;
	int rc = 0;

	down_read(&iopt->iova_rwsem);
	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area && !rc;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX))
		rc = check_area(ioas, area);
	up_read(&iopt->iova_rwsem);
	return rc;
}

static int check_ioases(struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;
	unsigned long id = 0;
	int rc;

	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_IOAS))) {
		rc = check_ioas(container_of(obj, struct iommufd_ioas, obj));
		if (rc)
			return rc;
	}
	return 0;
}

static int check_hwpt(struct iommufd_hwpt_paging *hwpt)
{
	const char *foreign = NULL;

	if (hwpt->nest_parent)
		foreign = "can have nested ones";
	else if (hwpt->common.fault)
		foreign = "reports page faults";
	else if (hwpt->common.domain->dirty_ops)
		foreign = "tracks what is written to";
	else if (hwpt->msi_cookie)
		foreign = "has interrupts mapped";
	if (!foreign)
		return 0;
	pr_err("page table %u can't be preserved, it %s\n", hwpt->common.obj.id, foreign);
	return -EOPNOTSUPP;
}

static void unpreserve_objects(struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;
	unsigned long id = 0;

	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_DEVICE))) {
		struct iommufd_device *idev = container_of(obj, struct iommufd_device, obj);

		if (idev->preserved)
			iommu_device_unpreserve(idev->dev);
		idev->preserved = false;
		iommufd_put_object(ictx, obj);
	}
	id = 0;
	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_HWPT_PAGING)))
		iommufd_liveupdate_hwpt_destroy(container_of(obj, struct iommufd_hwpt_paging,
							     common.obj));
}

static int preserve_hwpt(struct iommufd_hwpt_paging *hwpt)
{
	int rc = check_hwpt(hwpt);

	if (rc)
		return rc;
	rc = iommu_domain_preserve(hwpt->common.domain, &hwpt->preserved_id);
	if (rc) {
		pr_err("page table %u can't be preserved: %d\n", hwpt->common.obj.id, rc);
		return rc;
	}
	hwpt->preserved = true;
	return 0;
}

static int preserve_device(struct iommufd_device *idev)
{
	int rc;

	if (!dev_is_pci(idev->dev)) {
		dev_err(idev->dev, "iommufd: live update: it is no PCI device\n");
		return -EOPNOTSUPP;
	}
	if (!iommufd_liveupdate_attached_to(idev))
		return 0;
	rc = iommu_device_preserve(idev->dev, idev->igroup->hwpt->domain);
	if (rc) {
		dev_err(idev->dev, "iommufd: live update: its translation can't be preserved: %d\n",
			rc);
		return rc;
	}
	idev->preserved = true;
	return 0;
}

static int preserve_objects(struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;
	unsigned long id = 0;
	int rc;

	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_HWPT_PAGING))) {
		rc = preserve_hwpt(container_of(obj, struct iommufd_hwpt_paging, common.obj));
		if (rc)
			return rc;
	}
	id = 0;
	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_DEVICE))) {
		rc = preserve_device(container_of(obj, struct iommufd_device, obj));
		iommufd_put_object(ictx, obj);
		if (rc)
			return rc;
	}
	return 0;
}

static int preserve_ctx(struct iommufd_ctx *ictx)
{
	int rc;

	rc = down_write_killable(&ictx->liveupdate.devices_rwsem);
	if (rc)
		return rc;
	rc = check_ctx(ictx);
	if (!rc)
		rc = check_ioases(ictx);
	if (!rc)
		rc = preserve_objects(ictx);
	if (rc)
		unpreserve_objects(ictx);
	up_write(&ictx->liveupdate.devices_rwsem);
	return rc;
}

static struct iommufd_outgoing *outgoing_alloc(struct iommufd_ctx *ictx)
{
	struct iommufd_outgoing *out = kzalloc(sizeof(*out), GFP_KERNEL_ACCOUNT);
	int kind;

	if (!out)
		return ERR_PTR(-ENOMEM);
	out->ser = kho_alloc_preserve(sizeof(*out->ser));
	if (IS_ERR(out->ser)) {
		struct iommufd_ser *err = out->ser;

		kfree(out);
		return ERR_CAST(err);
	}
	out->ictx = ictx;
	xa_init(&out->pages);
	for (kind = 0; kind < IOMMUFD_SER_KINDS; kind++)
		kho_block_writer_init(&out->writers[kind], iommufd_ser_sizes[kind]);
	return out;
}

static void outgoing_free(struct iommufd_outgoing *out)
{
	kho_unpreserve_free(out->ser);
	kfree(out);
}

/**
 * iommufd_liveupdate_preserve - keep a context as it is
 * @args: The file; gets what is to be handed over
 *
 * Return: 0; -EOPNOTSUPP if something in it can't be carried; -EBUSY if it is being
 * changed all the time, -EINTR, -ENOMEM, or what the IOMMU core says.
 */
int iommufd_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct iommufd_ctx *ictx = iommufd_liveupdate_ctx(args->file);
	struct iommufd_outgoing *out;
	int rc;

	out = outgoing_alloc(ictx);
	if (IS_ERR(out))
		return PTR_ERR(out);
	rc = iommufd_liveupdate_hold(ictx);
	if (rc)
		goto err_free;
	rc = preserve_ctx(ictx);
	if (rc)
		goto err_unhold;
	args->private_data = out;
	args->serialized_data = virt_to_phys(out->ser);
	return 0;

err_unhold:
	iommufd_liveupdate_unhold(ictx);
err_free:
	outgoing_free(out);
	return rc;
}

/**
 * iommufd_liveupdate_unpreserve - undo iommufd_liveupdate_preserve()
 * @args: The file
 */
void iommufd_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	struct iommufd_outgoing *out = args->private_data;
	struct iommufd_ctx *ictx = out->ictx;

	down_write(&ictx->liveupdate.devices_rwsem);
	unpreserve_objects(ictx);
	up_write(&ictx->liveupdate.devices_rwsem);
	iommufd_liveupdate_unhold(ictx);
	outgoing_free(out);
}

/* A record to be filled. */
static void *append(struct iommufd_outgoing *out, enum iommufd_ser_kind kind)
{
	void *record = kho_block_append(&out->writers[kind]);

	if (!IS_ERR(record))
		out->counts[kind]++;
	return record;
}

/* Which record are the pages of @area? They may have one already. */
static int write_pages(struct iommufd_outgoing *out, struct iommufd_ioas *ioas,
		       struct iopt_area *area, u64 *nr)
{
	struct iopt_pages *pages = area->pages;
	unsigned long key = (unsigned long)pages;
	struct iommufd_pages_ser *ser;
	void *known;
	u64 token;

	known = xa_load(&out->pages, key);
	if (known) {
		*nr = xa_to_value(known);
		return 0;
	}
	if (liveupdate_get_token_outgoing(out->session, pages->file, &token)) {
		pr_err("IOAS %u maps memory at IOVA %#lx that is of a file that is not preserved in the session\n",
		       ioas->obj.id, iopt_area_iova(area));
		return -EINVAL;
	}
	ser = append(out, IOMMUFD_SER_PAGES);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ser->token = token;
	ser->index = (unsigned long)pages->uptr >> PAGE_SHIFT;
	ser->npages = pages->npages;
	ser->flags = pages->writable ? IOMMUFD_PAGES_SER_WRITEABLE : 0;
	*nr = out->counts[IOMMUFD_SER_PAGES] - 1;
	return xa_err(xa_store(&out->pages, key, xa_mk_value(*nr), GFP_KERNEL));
}

static int write_area(struct iommufd_outgoing *out, struct iommufd_ioas *ioas,
		      struct iopt_area *area)
{
	struct iommufd_area_ser *ser;
	u64 pages;
	int rc;

	rc = check_area(ioas, area);
	if (!rc)
		rc = write_pages(out, ioas, area, &pages);
	if (rc)
		return rc;
	ser = append(out, IOMMUFD_SER_AREA);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ser->iova = iopt_area_iova(area);
	ser->length = iopt_area_length(area);
	ser->start = iopt_area_start_byte(area, iopt_area_iova(area));
	ser->pages = pages;
	ser->ioas_id = ioas->obj.id;
	if (area->iommu_prot & IOMMU_READ)
		ser->flags |= IOMMUFD_AREA_SER_READABLE;
	if (area->iommu_prot & IOMMU_WRITE)
		ser->flags |= IOMMUFD_AREA_SER_WRITEABLE;
	return 0;
}

static int write_range(struct iommufd_outgoing *out, struct iommufd_ioas *ioas,
		       struct iopt_allowed *allowed)
{
	struct iommufd_range_ser *ser = append(out, IOMMUFD_SER_RANGE);

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ser->start = allowed->node.start;
	ser->last = allowed->node.last;
	ser->ioas_id = ioas->obj.id;
	return 0;
}

static int write_iovas(struct iommufd_outgoing *out, struct iommufd_ioas *ioas)
{
	struct io_pagetable *iopt = &ioas->iopt;
	struct iopt_allowed *allowed;
	struct iopt_area *area;
	int rc = 0;

	down_read(&iopt->iova_rwsem);
	for (allowed = iopt_allowed_iter_first(iopt, 0, ULONG_MAX); allowed && !rc;
	     allowed = iopt_allowed_iter_next(allowed, 0, ULONG_MAX))
		rc = write_range(out, ioas, allowed);
	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area && !rc;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX))
		rc = write_area(out, ioas, area);
	up_read(&iopt->iova_rwsem);
	return rc;
}

static int write_ioas(struct iommufd_outgoing *out, struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = container_of(obj, struct iommufd_ioas, obj);
	struct iommufd_ioas_ser *ser = append(out, IOMMUFD_SER_IOAS);

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ser->id = obj->id;
	if (ioas->iopt.disable_large_pages)
		ser->flags |= IOMMUFD_IOAS_SER_SMALL_PAGES;
	return write_iovas(out, ioas);
}

/* The next kernel finds a page table by a device that has it. */
static bool has_device(struct iommufd_ctx *ictx, u32 hwpt_id)
{
	struct iommufd_object *obj;
	unsigned long id = 0;
	bool has = false;

	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_DEVICE))) {
		has |= iommufd_liveupdate_attached_to(container_of(obj, struct iommufd_device,
								   obj)) == hwpt_id;
		iommufd_put_object(ictx, obj);
	}
	return has;
}

static int write_hwpt(struct iommufd_outgoing *out, struct iommufd_object *obj)
{
	struct iommufd_hwpt_paging *hwpt = container_of(obj, struct iommufd_hwpt_paging,
							common.obj);
	struct iommufd_hwpt_ser *ser;

	if (!has_device(out->ictx, obj->id)) {
		pr_err("page table %u has no device, and can't be preserved\n", obj->id);
		return -EINVAL;
	}
	ser = append(out, IOMMUFD_SER_HWPT);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ser->domain = hwpt->preserved_id;
	ser->id = obj->id;
	ser->ioas_id = hwpt->ioas->obj.id;
	if (hwpt->auto_domain)
		ser->flags |= IOMMUFD_HWPT_SER_AUTO;
	if (hwpt->enforce_cache_coherency)
		ser->flags |= IOMMUFD_HWPT_SER_COHERENT;
	return 0;
}

static int write_device(struct iommufd_outgoing *out, struct iommufd_object *obj)
{
	struct iommufd_device *idev = container_of(obj, struct iommufd_device, obj);
	struct pci_dev *pdev = to_pci_dev(idev->dev);
	struct iommufd_device_ser *ser;

	if (!(pci_liveupdate_outgoing(pdev) & PCI_LIVEUPDATE_PRESERVED)) {
		pci_err(pdev, "iommufd: live update: it is bound to a context that is preserved, and is not itself\n");
		return -EINVAL;
	}
	ser = append(out, IOMMUFD_SER_DEVICE);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ser->id = obj->id;
	ser->hwpt_id = iommufd_liveupdate_attached_to(idev);
	ser->segment = pci_domain_nr(pdev->bus);
	ser->bdf = pci_dev_id(pdev);
	return 0;
}

static int write_objects(struct iommufd_outgoing *out)
{
	struct iommufd_ctx *ictx = out->ictx;
	struct iommufd_object *obj;
	unsigned long id = 0;
	int rc;

	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_IOAS))) {
		rc = write_ioas(out, obj);
		if (rc)
			return rc;
	}
	id = 0;
	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_HWPT_PAGING))) {
		rc = write_hwpt(out, obj);
		if (rc)
			return rc;
	}
	id = 0;
	while ((obj = iommufd_liveupdate_next(ictx, &id, IOMMUFD_OBJ_DEVICE))) {
		rc = write_device(out, obj);
		iommufd_put_object(ictx, obj);
		if (rc)
			return rc;
	}
	return 0;
}

static void discard_records(struct iommufd_outgoing *out)
{
	int kind;

	for (kind = 0; kind < IOMMUFD_SER_KINDS; kind++)
		kho_block_discard(&out->writers[kind]);
	memset(out->counts, 0, sizeof(out->counts));
	memset(out->ser->chains, 0, sizeof(out->ser->chains));
}

/**
 * iommufd_liveupdate_freeze - write down what there is
 * @args: The file
 *
 * Return: 0; -EINVAL if memory or a device is not preserved as it would have to be;
 * -ENOMEM.
 */
int iommufd_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct iommufd_outgoing *out = args->private_data;
	int rc, kind;

	out->session = args->session;
	down_write(&out->ictx->liveupdate.devices_rwsem);
	rc = write_objects(out);
	up_write(&out->ictx->liveupdate.devices_rwsem);
	xa_destroy(&out->pages);
	if (rc) {
		discard_records(out);
		return rc;
	}
	for (kind = 0; kind < IOMMUFD_SER_KINDS; kind++) {
		out->ser->chains[kind].first = out->writers[kind].first;
		out->ser->chains[kind].count = out->counts[kind];
	}
	return 0;
}

/**
 * iommufd_liveupdate_unfreeze - undo iommufd_liveupdate_freeze()
 * @args: The file
 */
void iommufd_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	discard_records(args->private_data);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of iommufd contexts: one is made of records, but for what needs the
 * hardware, see liveupdate_in.c.
 *
 * What the records refer to has to be there, and IDs are given once: else they are
 * damaged. Nothing is pinned, as no page table is there yet.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate_in.h"

static struct iommufd_object *find_object(struct iommufd_ctx *ictx, u32 id,
					  enum iommufd_object_type type)
{
	struct iommufd_object *obj = xa_load(&ictx->objects, id);

	return obj && obj->type == type ? obj : NULL;
}

/**
 * iommufd_incoming_ioas - find an IO address space
 * @ictx: A context that is being retrieved
 * @id: Its ID
 *
 * Return: it, or NULL.
 */
struct iommufd_ioas *iommufd_incoming_ioas(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj = find_object(ictx, id, IOMMUFD_OBJ_IOAS);

	return obj ? container_of(obj, struct iommufd_ioas, obj) : NULL;
}

static int reserve_id(struct iommufd_ctx *ictx, u32 id)
{
	return xa_insert(&ictx->objects, id, NULL, GFP_KERNEL_ACCOUNT);
}

/**
 * iommufd_incoming_move - let an object have the ID that it had
 * @ictx: A context that is being retrieved
 * @obj: The object, not finalized
 * @id: Its ID, which is reserved
 */
void iommufd_incoming_move(struct iommufd_ctx *ictx, struct iommufd_object *obj, u32 id)
{
	xa_erase(&ictx->objects, obj->id);
	obj->id = id;
}

static int make_ioas(void *arg, const void *record)
{
	const struct iommufd_ioas_ser *ser = record;
	struct iommufd_incoming *in = arg;
	struct iommufd_ioas *ioas;
	int rc;

	rc = reserve_id(in->ictx, ser->id);
	if (rc)
		return rc;
	ioas = iommufd_ioas_alloc(in->ictx);
	if (IS_ERR(ioas)) {
		xa_erase(&in->ictx->objects, ser->id);
		return PTR_ERR(ioas);
	}
	iommufd_incoming_move(in->ictx, &ioas->obj, ser->id);
	ioas->iopt.adopting = true;
	iommufd_object_finalize(in->ictx, &ioas->obj);
	if (ser->flags & IOMMUFD_IOAS_SER_SMALL_PAGES)
		return iopt_disable_large_pages(&ioas->iopt);
	return 0;
}

/* A memfd of the session. */
VISIBLE_IF_KUNIT int iommufd_incoming_file(struct luo_file_set *session, u64 token,
					   struct file **filp)
{
	KUNIT_STATIC_STUB_REDIRECT(iommufd_incoming_file, session, token, filp);
	return liveupdate_get_file_incoming(session, token, filp);
}

static int make_pages(void *arg, const void *record)
{
	const struct iommufd_pages_ser *ser = record;
	struct iommufd_incoming *in = arg;
	struct iopt_pages *pages;
	struct file *file;
	int rc;

	rc = iommufd_incoming_file(in->session, ser->token, &file);
	if (rc)
		return rc;
	pages = iopt_alloc_file_pages(file, ser->index << PAGE_SHIFT, ser->npages << PAGE_SHIFT,
				      ser->flags & IOMMUFD_PAGES_SER_WRITEABLE);
	fput(file);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	rc = xa_err(xa_store(&in->pages, in->nr_pages, pages, GFP_KERNEL_ACCOUNT));
	if (rc) {
		iopt_put_pages(pages);
		return rc;
	}
	in->nr_pages++;
	return 0;
}

static void put_pages(struct iommufd_incoming *in)
{
	struct iopt_pages *pages;
	unsigned long index;

	xa_for_each(&in->pages, index, pages)
		iopt_put_pages(pages);
	xa_destroy(&in->pages);
	in->nr_pages = 0;
}

static int make_area(void *arg, const void *record)
{
	const struct iommufd_area_ser *ser = record;
	struct iommufd_incoming *in = arg;
	struct iommufd_ioas *ioas = iommufd_incoming_ioas(in->ictx, ser->ioas_id);
	struct iopt_pages *pages = xa_load(&in->pages, ser->pages);
	int prot = IOMMU_CACHE;

	if (!ioas || !pages || (ser->start + ser->length - 1) >> PAGE_SHIFT >= pages->npages)
		return -EINVAL;
	if (ser->flags & IOMMUFD_AREA_SER_READABLE)
		prot |= IOMMU_READ;
	if (ser->flags & IOMMUFD_AREA_SER_WRITEABLE)
		prot |= IOMMU_WRITE;
	return iopt_map_restored_pages(in->ictx, &ioas->iopt, pages, ser->iova, ser->start,
				       ser->length, prot);
}

static int allow_iovas(struct io_pagetable *iopt, unsigned long start, unsigned long last)
{
	struct iopt_allowed *allowed = kzalloc(sizeof(*allowed), GFP_KERNEL_ACCOUNT);
	int rc = 0;

	if (!allowed)
		return -ENOMEM;
	allowed->node.start = start;
	allowed->node.last = last;
	down_write(&iopt->iova_rwsem);
	if (iopt_allowed_iter_first(iopt, start, last))
		rc = -EINVAL;
	else
		interval_tree_insert(&allowed->node, &iopt->allowed_itree);
	up_write(&iopt->iova_rwsem);
	if (rc)
		kfree(allowed);
	return rc;
}

static int make_range(void *arg, const void *record)
{
	const struct iommufd_range_ser *ser = record;
	struct iommufd_incoming *in = arg;
	struct iommufd_ioas *ioas = iommufd_incoming_ioas(in->ictx, ser->ioas_id);

	return ioas ? allow_iovas(&ioas->iopt, ser->start, ser->last) : -EINVAL;
}

static struct iommufd_incoming_hwpt *find_hwpt(struct iommufd_incoming *in, u32 id)
{
	struct iommufd_incoming_hwpt *hwpt;

	list_for_each_entry(hwpt, &in->hwpts, list)
		if (hwpt->ser.id == id)
			return hwpt;
	return NULL;
}

static int make_hwpt(void *arg, const void *record)
{
	const struct iommufd_hwpt_ser *ser = record;
	struct iommufd_incoming *in = arg;
	struct iommufd_incoming_hwpt *hwpt;
	int rc;

	if (!iommufd_incoming_ioas(in->ictx, ser->ioas_id))
		return -EINVAL;
	hwpt = kzalloc(sizeof(*hwpt), GFP_KERNEL_ACCOUNT);
	if (!hwpt)
		return -ENOMEM;
	rc = reserve_id(in->ictx, ser->id);
	if (rc) {
		kfree(hwpt);
		return rc;
	}
	hwpt->ser = *ser;
	list_add_tail(&hwpt->list, &in->hwpts);
	return 0;
}

static int make_device(void *arg, const void *record)
{
	const struct iommufd_device_ser *ser = record;
	struct iommufd_incoming *in = arg;
	struct iommufd_incoming_device *device;
	struct iommufd_incoming_hwpt *hwpt = NULL;
	int rc;

	if (ser->hwpt_id) {
		hwpt = find_hwpt(in, ser->hwpt_id);
		if (!hwpt)
			return -EINVAL;
	}
	device = kzalloc(sizeof(*device), GFP_KERNEL_ACCOUNT);
	if (!device)
		return -ENOMEM;
	rc = reserve_id(in->ictx, ser->id);
	if (rc) {
		kfree(device);
		return rc;
	}
	device->ser = *ser;
	device->reserved = true;
	if (hwpt && hwpt->ser.flags & IOMMUFD_HWPT_SER_AUTO)
		device->ioas_id = hwpt->ser.ioas_id;
	list_add_tail(&device->list, &in->devices);
	return 0;
}

/**
 * iommufd_incoming_build - make of records what they tell
 * @in: A context without objects
 * @ser: What was handed over
 *
 * Page tables and devices are only known by then. On failure the context is to be
 * closed.
 *
 * Return: 0, or -errno.
 */
int iommufd_incoming_build(struct iommufd_incoming *in, const struct iommufd_ser *ser)
{
	static int (*const make[IOMMUFD_SER_KINDS])(void *arg, const void *record) = {
		[IOMMUFD_SER_IOAS] = make_ioas,
		[IOMMUFD_SER_RANGE] = make_range,
		[IOMMUFD_SER_PAGES] = make_pages,
		[IOMMUFD_SER_AREA] = make_area,
		[IOMMUFD_SER_HWPT] = make_hwpt,
		[IOMMUFD_SER_DEVICE] = make_device,
	};
	int kind, rc = 0;

	for (kind = 0; kind < IOMMUFD_SER_KINDS && !rc; kind++)
		rc = iommufd_ser_read(ser, kind, make[kind], in);
	put_pages(in);
	return rc;
}

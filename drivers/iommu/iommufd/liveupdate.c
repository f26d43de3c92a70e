// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of iommufd contexts: what is in one goes on to the next kernel, so
 * that devices that are attached to its page tables can go on with DMA.
 *
 * While a context is preserved, and in the next kernel until its session is
 * finished, nothing of it changes: what would change it fails with EBUSY. A device
 * may be closed all the same, as that can't fail. liveupdate_out.c writes down
 * what there is, liveupdate_in.c makes it again, liveupdate_ser.c knows the
 * records.
 *
 * Invariants:
 *  - a context has changes under way or is held, never both;
 *  - a domain is preserved, in the sense of the IOMMU core, while its context is,
 *    and so is a device while it is attached to one; when they go they are
 *    unpreserved first;
 *  - all memory that is mapped is in memfds of the same session: else the context
 *    can't be frozen.
 *
 * Lock order: the lock of the session, then devices_rwsem, then the other locks of
 * iommufd.
 */
#define pr_fmt(fmt) "iommufd: live update: " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/iommu_liveupdate.h>
#include <linux/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <uapi/linux/iommufd.h>

#include "iommufd_private.h"

/* Of a millisecond each. */
#define HOLD_TRIES	1000

/**
 * iommufd_liveupdate_init_ctx - a context is made
 * @ictx: Context
 */
void iommufd_liveupdate_init_ctx(struct iommufd_ctx *ictx)
{
	init_rwsem(&ictx->liveupdate.devices_rwsem);
}

/**
 * iommufd_liveupdate_free_ctx - a context is closed
 * @ictx: Context, with all its objects
 */
void iommufd_liveupdate_free_ctx(struct iommufd_ctx *ictx)
{
	if (ictx->liveupdate.incoming)
		iommufd_incoming_free(ictx->liveupdate.incoming);
	ictx->liveupdate.incoming = NULL;
}

/**
 * iommufd_liveupdate_hold - let nothing change from now on
 * @ictx: Context
 *
 * Waits a while for changes that are under way.
 *
 * Return: 0, -EBUSY, or -EINTR.
 */
int iommufd_liveupdate_hold(struct iommufd_ctx *ictx)
{
	unsigned int tries;

	for (tries = 0; atomic_cmpxchg(&ictx->liveupdate.changes, 0, -1); tries++) {
		if (tries == HOLD_TRIES)
			return -EBUSY;
		if (signal_pending(current))
			return -EINTR;
		fsleep(USEC_PER_MSEC);
	}
	return 0;
}

/**
 * iommufd_liveupdate_unhold - undo iommufd_liveupdate_hold()
 * @ictx: Context
 */
void iommufd_liveupdate_unhold(struct iommufd_ctx *ictx)
{
	atomic_set(&ictx->liveupdate.changes, 0);
}

static bool is_held(struct iommufd_ctx *ictx)
{
	return atomic_read(&ictx->liveupdate.changes) < 0;
}

/**
 * iommufd_liveupdate_begin - something is to be changed
 * @ictx: Context
 *
 * Return: 0, or -EBUSY.
 */
int iommufd_liveupdate_begin(struct iommufd_ctx *ictx)
{
	return atomic_inc_unless_negative(&ictx->liveupdate.changes) ? 0 : -EBUSY;
}

/**
 * iommufd_liveupdate_end - it has been changed
 * @ictx: Context
 */
void iommufd_liveupdate_end(struct iommufd_ctx *ictx)
{
	atomic_dec(&ictx->liveupdate.changes);
}

static bool ioctl_changes(unsigned int cmd)
{
	return cmd != IOMMU_GET_HW_INFO && cmd != IOMMU_IOAS_IOVA_RANGES;
}

/**
 * iommufd_liveupdate_begin_ioctl - an ioctl is to be executed
 * @ictx: Context
 * @cmd: Which one
 *
 * Return: 0, or -EBUSY.
 */
int iommufd_liveupdate_begin_ioctl(struct iommufd_ctx *ictx, unsigned int cmd)
{
	return ioctl_changes(cmd) ? iommufd_liveupdate_begin(ictx) : 0;
}

/**
 * iommufd_liveupdate_end_ioctl - it was executed
 * @ictx: Context
 * @cmd: Which one
 */
void iommufd_liveupdate_end_ioctl(struct iommufd_ctx *ictx, unsigned int cmd)
{
	if (ioctl_changes(cmd))
		iommufd_liveupdate_end(ictx);
}

/* After that a context may be held, but who holds it waits for us. */
static void begin_device(struct iommufd_ctx *ictx)
{
	down_read(&ictx->liveupdate.devices_rwsem);
}

static int refuse_device(struct iommufd_ctx *ictx)
{
	up_read(&ictx->liveupdate.devices_rwsem);
	return -EBUSY;
}

/**
 * iommufd_liveupdate_begin_bind - a device is to be bound
 * @ictx: Context
 * @dev: The device
 *
 * Return: 0, or -EBUSY.
 */
int iommufd_liveupdate_begin_bind(struct iommufd_ctx *ictx, struct device *dev)
{
	struct iommufd_incoming *in = ictx->liveupdate.incoming;

	begin_device(ictx);
	if (!is_held(ictx) || (in && iommufd_incoming_may_bind(in, dev)))
		return 0;
	return refuse_device(ictx);
}

/**
 * iommufd_liveupdate_begin_attach - a device is to be attached
 * @idev: The device
 * @pt_id: What to
 *
 * Return: 0, or -EBUSY.
 */
int iommufd_liveupdate_begin_attach(struct iommufd_device *idev, u32 pt_id)
{
	struct iommufd_incoming *in = idev->ictx->liveupdate.incoming;

	begin_device(idev->ictx);
	if (!is_held(idev->ictx) || (in && iommufd_incoming_may_attach(in, idev->dev, pt_id)))
		return 0;
	return refuse_device(idev->ictx);
}

/**
 * iommufd_liveupdate_begin_replace - a device is to be attached to something else
 * @idev: The device
 *
 * Return: 0, or -EBUSY.
 */
int iommufd_liveupdate_begin_replace(struct iommufd_device *idev)
{
	begin_device(idev->ictx);
	return is_held(idev->ictx) ? refuse_device(idev->ictx) : 0;
}

/**
 * iommufd_liveupdate_begin_detach - a device is to be detached
 * @idev: The device
 */
void iommufd_liveupdate_begin_detach(struct iommufd_device *idev)
{
	begin_device(idev->ictx);
	if (idev->preserved)
		iommu_device_unpreserve(idev->dev);
	idev->preserved = false;
}

/**
 * iommufd_liveupdate_end_device - a device was bound, attached, replaced or detached
 * @ictx: Context
 */
void iommufd_liveupdate_end_device(struct iommufd_ctx *ictx)
{
	up_read(&ictx->liveupdate.devices_rwsem);
}

/**
 * iommufd_device_begin_detach - may a user detach a device?
 * @idev: The device
 *
 * For who can tell the user that it can't be done, before iommufd_device_detach().
 *
 * Return: 0, to be followed by iommufd_device_end_detach(), or -EBUSY.
 */
int iommufd_device_begin_detach(struct iommufd_device *idev)
{
	return iommufd_liveupdate_begin(idev->ictx);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_begin_detach, IOMMUFD);

/**
 * iommufd_device_end_detach - the user has detached a device
 * @idev: The device
 */
void iommufd_device_end_detach(struct iommufd_device *idev)
{
	iommufd_liveupdate_end(idev->ictx);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_end_detach, IOMMUFD);

/**
 * iommufd_device_goes_on - does a device go on with DMA through the kexec?
 * @idev: The device, whose file is preserved
 * @session: The session of that file
 *
 * Context: in freeze() of the handler of the file.
 * Return: true if its translation is preserved, by a context in the same session.
 */
bool iommufd_device_goes_on(struct iommufd_device *idev, struct luo_file_set *session)
{
	struct iommufd_ctx *ictx = idev->ictx;
	bool preserved;
	u64 token;

	down_read(&ictx->liveupdate.devices_rwsem);
	preserved = idev->preserved;
	up_read(&ictx->liveupdate.devices_rwsem);
	return preserved && !liveupdate_get_token_outgoing(session, ictx->file, &token);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_goes_on, IOMMUFD);

/**
 * iommufd_liveupdate_next - the next object
 * @ictx: Context, held
 * @id: Of the one before
 * @type: What it is, of &enum iommufd_object_type
 *
 * Only a device that is closed can go meanwhile: so the caller has to put it.
 *
 * Context: devices_rwsem is held for writing.
 * Return: the object, or NULL.
 */
struct iommufd_object *iommufd_liveupdate_next(struct iommufd_ctx *ictx, unsigned long *id,
					       unsigned int type)
{
	struct iommufd_object *obj;

	lockdep_assert_held_write(&ictx->liveupdate.devices_rwsem);
	xa_lock(&ictx->objects);
	xa_for_each_start(&ictx->objects, *id, obj, *id + 1) {
		if (obj->type != type)
			continue;
		if (type != IOMMUFD_OBJ_DEVICE || iommufd_lock_obj(obj))
			break;
	}
	xa_unlock(&ictx->objects);
	return obj;
}

/**
 * iommufd_liveupdate_attached_to - what is a device attached to?
 * @idev: The device
 *
 * Context: devices_rwsem is held.
 * Return: the ID of the page table, or 0.
 */
u32 iommufd_liveupdate_attached_to(struct iommufd_device *idev)
{
	struct iommufd_device *cur;
	u32 id = 0;

	lockdep_assert_held(&idev->ictx->liveupdate.devices_rwsem);
	mutex_lock(&idev->igroup->lock);
	list_for_each_entry(cur, &idev->igroup->device_list, group_item)
		if (cur == idev)
			id = idev->igroup->hwpt->obj.id;
	mutex_unlock(&idev->igroup->lock);
	return id;
}

/**
 * iommufd_liveupdate_claim_id - let a device that comes back have its ID again
 * @idev: The device, not finalized; devices_rwsem is held
 *
 * Who unbinds it and binds it once more gets another one, as ever.
 */
void iommufd_liveupdate_claim_id(struct iommufd_device *idev)
{
	struct iommufd_incoming *in = idev->ictx->liveupdate.incoming;
	u32 id = in ? iommufd_incoming_claim_id(in, idev->dev) : 0;

	if (!id)
		return;
	xa_erase(&idev->ictx->objects, idev->obj.id);
	idev->obj.id = id;
}

/**
 * iommufd_liveupdate_hwpt_destroy - a page table is destroyed
 * @hwpt_paging: It, with its domain
 */
void iommufd_liveupdate_hwpt_destroy(struct iommufd_hwpt_paging *hwpt_paging)
{
	if (hwpt_paging->preserved)
		iommu_domain_unpreserve(hwpt_paging->common.domain);
	hwpt_paging->preserved = false;
}

static bool iommufd_liveupdate_can_preserve(struct liveupdate_file_handler *handler,
					    struct file *file)
{
	return iommufd_liveupdate_ctx(file);
}

/* All contexts share an inode. */
static unsigned long iommufd_liveupdate_get_id(struct file *file)
{
	return (unsigned long)iommufd_liveupdate_ctx(file);
}

static const struct liveupdate_file_ops iommufd_liveupdate_ops = {
	.owner = THIS_MODULE,
	.can_preserve = iommufd_liveupdate_can_preserve,
	.preserve = iommufd_liveupdate_preserve,
	.unpreserve = iommufd_liveupdate_unpreserve,
	.freeze = iommufd_liveupdate_freeze,
	.unfreeze = iommufd_liveupdate_unfreeze,
	.retrieve = iommufd_liveupdate_retrieve,
	.can_finish = iommufd_liveupdate_can_finish,
	.finish = iommufd_liveupdate_finish,
	.get_id = iommufd_liveupdate_get_id,
	.reaches_memory = true,
};

static struct liveupdate_flb *const iommufd_liveupdate_flbs[] = {
	&iommu_liveupdate_flb,
	NULL
};

static struct liveupdate_file_handler iommufd_liveupdate_handler = {
	.ops = &iommufd_liveupdate_ops,
	.compatible = IOMMUFD_LIVEUPDATE_COMPATIBLE,
	.flbs = iommufd_liveupdate_flbs,
};

/**
 * iommufd_liveupdate_init - let contexts be preserved
 *
 * Return: 0, or -errno.
 */
int iommufd_liveupdate_init(void)
{
	int rc;

	if (!liveupdate_enabled())
		return 0;
	rc = liveupdate_register_file_handler(&iommufd_liveupdate_handler);
	if (rc)
		pr_err("contexts can't be preserved: %d\n", rc);
	return rc;
}

/**
 * iommufd_liveupdate_exit - undo iommufd_liveupdate_init()
 */
void iommufd_liveupdate_exit(void)
{
	if (liveupdate_enabled())
		liveupdate_unregister_file_handler(&iommufd_liveupdate_handler);
}

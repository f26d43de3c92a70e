/* SPDX-License-Identifier: GPL-2.0 */
/* A context that was handed over: what liveupdate_in.c and liveupdate_build.c know. */
#ifndef __IOMMUFD_LIVEUPDATE_IN_H
#define __IOMMUFD_LIVEUPDATE_IN_H

#include <linux/kho/abi/iommufd.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct file;
struct iommufd_ctx;
struct iommufd_hwpt_paging;
struct iommufd_ioas;
struct iommufd_object;
struct luo_file_set;

/**
 * struct iommufd_incoming - a context that was retrieved
 * @ictx: it
 * @session: while it is being retrieved
 * @pages: while it is being retrieved: those of the records, by their number
 * @nr_pages: how many there are
 * @hwpts: page tables that were handed over; fixed once it is retrieved
 * @devices: devices that were handed over; fixed once it is retrieved
 * @finished: an ordinary one; under devices_rwsem
 */
struct iommufd_incoming {
	struct iommufd_ctx *ictx;
	struct luo_file_set *session;
	struct xarray pages;
	unsigned long nr_pages;
	struct list_head hwpts;
	struct list_head devices;
	bool finished;
};

/* A device that was bound, in iommufd_incoming::devices. */
struct iommufd_incoming_device {
	struct list_head list;
	struct iommufd_device_ser ser;
	/* what else than hwpt_id it may be attached to, or 0 */
	u32 ioas_id;
	/* its ID is reserved; under devices_rwsem, and each device on its own */
	bool reserved;
};

/* A page table that a device is attached to, in iommufd_incoming::hwpts. */
struct iommufd_incoming_hwpt {
	struct list_head list;
	struct iommufd_hwpt_ser ser;
	/* has a reference, so that it lasts if its device is closed; may be NULL */
	struct iommufd_hwpt_paging *hwpt;
};

/* liveupdate_build.c */
struct iommufd_ioas *iommufd_incoming_ioas(struct iommufd_ctx *ictx, u32 id);
void iommufd_incoming_move(struct iommufd_ctx *ictx, struct iommufd_object *obj, u32 id);
int iommufd_incoming_build(struct iommufd_incoming *in, const struct iommufd_ser *ser);
#if IS_ENABLED(CONFIG_KUNIT)
int iommufd_incoming_file(struct luo_file_set *session, u64 token, struct file **filp);
#endif

#endif /* __IOMMUFD_LIVEUPDATE_IN_H */

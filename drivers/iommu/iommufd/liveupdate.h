/* SPDX-License-Identifier: GPL-2.0 */
/* Live update of iommufd contexts: what the rest of iommufd needs, and its parts. */
#ifndef __IOMMUFD_LIVEUPDATE_H
#define __IOMMUFD_LIVEUPDATE_H

struct file;
struct iommufd_ctx;
struct iommufd_device;
struct iommufd_object;

#ifdef CONFIG_IOMMUFD_LIVEUPDATE

#include <linux/atomic.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/rwsem.h>
#include <linux/types.h>

struct device;
struct iommu_domain;
struct iommufd_hwpt_paging;
struct iommufd_incoming;
struct io_pagetable;
struct iopt_pages;

/**
 * struct iommufd_ctx_liveupdate - of each context
 * @changes: by ioctls, that are under way; or -1 while there must be none, which
 *	is as long as the context is preserved, or retrieved and not finished
 * @devices_rwsem: for reading while a device is bound, attached or detached; for
 *	writing while the objects are looked at
 * @incoming: of a context that was retrieved, as long as it lives; else NULL
 */
struct iommufd_ctx_liveupdate {
	atomic_t changes;
	struct rw_semaphore devices_rwsem;
	struct iommufd_incoming *incoming;
};

/* Hooks. A begin that returns 0, or nothing, is followed by its end. */
void iommufd_liveupdate_init_ctx(struct iommufd_ctx *ictx);
void iommufd_liveupdate_free_ctx(struct iommufd_ctx *ictx);
int iommufd_liveupdate_begin(struct iommufd_ctx *ictx);
void iommufd_liveupdate_end(struct iommufd_ctx *ictx);
int iommufd_liveupdate_begin_ioctl(struct iommufd_ctx *ictx, unsigned int cmd);
void iommufd_liveupdate_end_ioctl(struct iommufd_ctx *ictx, unsigned int cmd);
int iommufd_liveupdate_begin_bind(struct iommufd_ctx *ictx, struct device *dev);
int iommufd_liveupdate_begin_attach(struct iommufd_device *idev, u32 pt_id);
int iommufd_liveupdate_begin_replace(struct iommufd_device *idev);
void iommufd_liveupdate_begin_detach(struct iommufd_device *idev);
void iommufd_liveupdate_end_device(struct iommufd_ctx *ictx);
void iommufd_liveupdate_claim_id(struct iommufd_device *idev);
void iommufd_liveupdate_hwpt_destroy(struct iommufd_hwpt_paging *hwpt_paging);
int iommufd_liveupdate_init(void);
void iommufd_liveupdate_exit(void);

/* main.c, io_pagetable.c */
struct file *iommufd_liveupdate_open(void);
struct iommufd_ctx *iommufd_liveupdate_ctx(struct file *file);
int iopt_map_restored_pages(struct iommufd_ctx *ictx, struct io_pagetable *iopt,
			    struct iopt_pages *pages, unsigned long iova,
			    unsigned long start_byte, unsigned long length, int iommu_prot);

/* liveupdate.c */
int iommufd_liveupdate_hold(struct iommufd_ctx *ictx);
void iommufd_liveupdate_unhold(struct iommufd_ctx *ictx);
struct iommufd_object *iommufd_liveupdate_next(struct iommufd_ctx *ictx, unsigned long *id,
					       unsigned int type);
u32 iommufd_liveupdate_attached_to(struct iommufd_device *idev);

/* liveupdate_out.c */
int iommufd_liveupdate_preserve(struct liveupdate_file_op_args *args);
void iommufd_liveupdate_unpreserve(struct liveupdate_file_op_args *args);
int iommufd_liveupdate_freeze(struct liveupdate_file_op_args *args);
void iommufd_liveupdate_unfreeze(struct liveupdate_file_op_args *args);

/* liveupdate_in.c */
int iommufd_liveupdate_retrieve(struct liveupdate_file_op_args *args);
bool iommufd_liveupdate_can_finish(struct liveupdate_file_op_args *args);
void iommufd_liveupdate_finish(struct liveupdate_file_op_args *args);
bool iommufd_incoming_may_bind(struct iommufd_incoming *in, struct device *dev);
bool iommufd_incoming_may_attach(struct iommufd_incoming *in, struct device *dev, u32 pt_id);
u32 iommufd_incoming_claim_id(struct iommufd_incoming *in, struct device *dev);
void iommufd_incoming_free(struct iommufd_incoming *in);

/* liveupdate_ser.c */
extern const size_t iommufd_ser_sizes[IOMMUFD_SER_KINDS];
const struct iommufd_ser *iommufd_ser_find(u64 phys);
int iommufd_ser_read(const struct iommufd_ser *ser, enum iommufd_ser_kind kind,
		     int (*fn)(void *arg, const void *record), void *arg);
void iommufd_ser_free(const struct iommufd_ser *ser);
bool iommufd_ser_record_is_sane(enum iommufd_ser_kind kind, const void *record);

#else /* CONFIG_IOMMUFD_LIVEUPDATE */

/* What is compiled is to be just what it was. */
#define iommufd_liveupdate_init_ctx(_ictx)		((void)(_ictx))
#define iommufd_liveupdate_free_ctx(_ictx)		((void)(_ictx))
#define iommufd_liveupdate_begin(_ictx)			((void)(_ictx), 0)
#define iommufd_liveupdate_end(_ictx)			((void)(_ictx))
#define iommufd_liveupdate_begin_ioctl(_ictx, _cmd)	((void)(_ictx), (void)(_cmd), 0)
#define iommufd_liveupdate_end_ioctl(_ictx, _cmd)	((void)(_ictx), (void)(_cmd))
#define iommufd_liveupdate_begin_bind(_ictx, _dev)	((void)(_ictx), (void)(_dev), 0)
#define iommufd_liveupdate_begin_attach(_idev, _pt_id)	((void)(_idev), (void)(_pt_id), 0)
#define iommufd_liveupdate_begin_replace(_idev)		((void)(_idev), 0)
#define iommufd_liveupdate_begin_detach(_idev)		((void)(_idev))
#define iommufd_liveupdate_end_device(_ictx)		((void)(_ictx))
#define iommufd_liveupdate_claim_id(_idev)		((void)(_idev))
#define iommufd_liveupdate_hwpt_destroy(_hwpt)		((void)(_hwpt))
#define iommufd_liveupdate_init()			0
#define iommufd_liveupdate_exit()			do { } while (0)

#endif /* CONFIG_IOMMUFD_LIVEUPDATE */

#endif /* __IOMMUFD_LIVEUPDATE_H */

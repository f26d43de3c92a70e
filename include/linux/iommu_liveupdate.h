/* SPDX-License-Identifier: GPL-2.0 */
/* IOMMUs that translate through a live update; see drivers/iommu/liveupdate.c. */
#ifndef _LINUX_IOMMU_LIVEUPDATE_H
#define _LINUX_IOMMU_LIVEUPDATE_H

#include <linux/iommu.h>

/* &struct dev_iommu.liveupdate; written under the mutex of the group. */
#define IOMMU_LIVEUPDATE_OUTGOING	BIT(0)	/* preserved, stays attached */
#define IOMMU_LIVEUPDATE_INCOMING	BIT(1)	/* was preserved, not finished */

#ifdef CONFIG_IOMMU_LIVEUPDATE

#include <linux/liveupdate.h>

/* What a file handler whose files have domains needs. */
extern struct liveupdate_flb iommu_liveupdate_flb;

/* For the next kernel. */
int iommu_domain_preserve(struct iommu_domain *domain, u64 *id);
void iommu_domain_unpreserve(struct iommu_domain *domain);
int iommu_device_preserve(struct device *dev, struct iommu_domain *domain);
void iommu_device_unpreserve(struct device *dev);

/* Of the previous kernel. */
bool iommu_device_is_preserved(struct device *dev);
struct iommu_domain *iommu_domain_restore(u64 id, struct device *dev);
u64 iommu_domain_mapped(struct iommu_domain *domain);
size_t iommu_domain_lookup(struct iommu_domain *domain, unsigned long iova, phys_addr_t *phys,
			   int *prot);
void iommu_domain_finish(u64 id);

/* Hooks of the IOMMU core, the first one apart under the mutex of the group. */
void iommu_liveupdate_probe(struct device *dev);
void iommu_liveupdate_attached(struct device *dev, struct iommu_domain *domain);
void iommu_liveupdate_lost(struct device *dev);

/**
 * iommu_liveupdate_is - in which way is a device preserved?
 * @dev: device with an IOMMU
 * @flag: IOMMU_LIVEUPDATE_*
 *
 * Return: true if it is in that one.
 */
static inline bool iommu_liveupdate_is(const struct device *dev, unsigned int flag)
{
	return READ_ONCE(dev->iommu->liveupdate) & flag;
}

/* Of the core, for drivers/iommu/liveupdate*.c. */
int iommu_liveupdate_hold(struct device *dev, struct iommu_domain *domain);
void iommu_liveupdate_unhold(struct device *dev);
void iommu_liveupdate_settle(struct device *dev, void (*block)(struct device *dev));

#else /* CONFIG_IOMMU_LIVEUPDATE */

/* What is compiled is to be just what it was: not even a declaration is added. */
#define iommu_domain_preserve(_domain, _id)	((void)(_domain), (void)(_id), -EOPNOTSUPP)
#define iommu_domain_unpreserve(_domain)	((void)(_domain))
#define iommu_device_preserve(_dev, _domain)	((void)(_dev), (void)(_domain), -EOPNOTSUPP)
#define iommu_device_unpreserve(_dev)		((void)(_dev))
#define iommu_device_is_preserved(_dev)		((void)(_dev), false)
#define iommu_domain_finish(_id)		((void)(_id))

#define iommu_liveupdate_probe(_dev)		((void)(_dev))
#define iommu_liveupdate_attached(_dev, _domain) ((void)(_dev), (void)(_domain))
#define iommu_liveupdate_lost(_dev)		((void)(_dev))
#define iommu_liveupdate_is(_dev, _flag)	((void)(_dev), (void)(_flag), false)

#endif /* CONFIG_IOMMU_LIVEUPDATE */

#endif /* _LINUX_IOMMU_LIVEUPDATE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* IOMMU domains and devices that live through a live update. */
#ifndef _LINUX_IOMMU_LIVEUPDATE_H
#define _LINUX_IOMMU_LIVEUPDATE_H

#include <linux/err.h>
#include <linux/types.h>

struct device;
struct iommu_domain;

/* No driver can do it. */
static inline int iommu_domain_preserve(struct iommu_domain *domain, u64 *id)
{
	return -EOPNOTSUPP;
}

static inline void iommu_domain_unpreserve(struct iommu_domain *domain)
{
}

static inline int iommu_device_preserve(struct device *dev, struct iommu_domain *domain)
{
	return -EOPNOTSUPP;
}

static inline void iommu_device_unpreserve(struct device *dev)
{
}

static inline bool iommu_device_is_preserved(struct device *dev)
{
	return false;
}

static inline struct iommu_domain *iommu_domain_restore(u64 id, struct device *dev)
{
	return ERR_PTR(-ENOENT);
}

static inline void iommu_domain_finish(u64 id)
{
}

#endif /* _LINUX_IOMMU_LIVEUPDATE_H */

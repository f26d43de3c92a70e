// SPDX-License-Identifier: GPL-2.0
/* An address space of an iommufd. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "libvfio.h"

int iommu_open(struct iommu *iommu)
{
	int err;

	iommu->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommu->fd < 0)
		return -errno;
	err = iommu_add(iommu, iommu);
	if (err)
		iommu_close(iommu);
	return err;
}

/* One more address space of the same iommufd; only one of them is to be closed. */
int iommu_add(struct iommu *iommu, const struct iommu *first)
{
	struct iommu_ioas_alloc arg = { .size = sizeof(arg) };

	if (ioctl(first->fd, IOMMU_IOAS_ALLOC, &arg))
		return -errno;
	iommu->fd = first->fd;
	iommu->ioas = arg.out_ioas_id;
	return 0;
}

/* The mappings go with it, and whatever is attached loses its memory. */
void iommu_close(struct iommu *iommu)
{
	if (iommu->fd >= 0)
		close(iommu->fd);
	iommu->fd = -1;
}

int iommu_map(struct iommu *iommu, uint64_t iova, void *mem, size_t size)
{
	struct iommu_ioas_map arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = iommu->ioas,
		.user_va = (uintptr_t)mem,
		.length = size,
		.iova = iova,
	};

	return ioctl(iommu->fd, IOMMU_IOAS_MAP, &arg) ? -errno : 0;
}

/* The same memory, found by a memfd and an offset. */
int iommu_map_file(struct iommu *iommu, uint64_t iova, int fd, uint64_t start, size_t size)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = iommu->ioas,
		.fd = fd,
		.start = start,
		.length = size,
		.iova = iova,
	};

	return ioctl(iommu->fd, IOMMU_IOAS_MAP_FILE, &arg) ? -errno : 0;
}

int iommu_unmap(struct iommu *iommu, uint64_t iova, size_t size)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg),
		.ioas_id = iommu->ioas,
		.iova = iova,
		.length = size,
	};

	return ioctl(iommu->fd, IOMMU_IOAS_UNMAP, &arg) ? -errno : 0;
}

// SPDX-License-Identifier: GPL-2.0
/* The older way to a device, by its group; memory is managed by an iommufd. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libvfio.h"

/* The group of a device, with @iommu as its container. */
int group_open(const char *address, struct iommu *iommu)
{
	int number = pci_group(address), group, err;
	char path[32];

	if (number < 0)
		return number;
	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (group < 0)
		return -errno;
	if (!ioctl(group, VFIO_GROUP_SET_CONTAINER, &iommu->fd))
		return group;
	err = -errno;
	close(group);
	return err;
}

int group_device(int group, const char *address)
{
	int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);

	return fd < 0 ? -errno : fd;
}

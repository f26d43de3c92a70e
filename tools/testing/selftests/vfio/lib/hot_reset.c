// SPDX-License-Identifier: GPL-2.0
/* Resets of all that hangs on a bus. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "libvfio.h"

/* Who would be reset with the device. */
int vfio_hot_reset_info(struct vfio_device *device, struct hot_reset_info *info)
{
	struct vfio_pci_hot_reset_info *arg;
	size_t size = sizeof(*arg) + sizeof(info->devices);
	int err = 0;

	arg = calloc(1, size);
	if (!arg)
		return -ENOMEM;
	arg->argsz = size;
	if (ioctl(device->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, arg)) {
		err = -errno;
	} else {
		info->flags = arg->flags;
		info->count = arg->count;
		memcpy(info->devices, arg->devices, arg->count * sizeof(*info->devices));
	}
	free(arg);
	return err;
}

/* Everything on the bus has to be bound to the iommufd that the device is bound to. */
int vfio_hot_reset(struct vfio_device *device)
{
	struct vfio_pci_hot_reset arg = { .argsz = sizeof(arg) };

	return ioctl(device->fd, VFIO_DEVICE_PCI_HOT_RESET, &arg) ? -errno : 0;
}

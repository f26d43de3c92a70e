// SPDX-License-Identifier: GPL-2.0
/* Configuration space as the user of a device sees it. */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "libvfio.h"

/* Returns how much there is. */
int vfio_config_read(struct vfio_device *device, size_t offset, void *buf, size_t size)
{
	ssize_t len = pread(device->fd, buf, size, device->config_offset + offset);

	return len < 0 ? -errno : (int)len;
}

int vfio_config_write(struct vfio_device *device, size_t offset, const void *buf, size_t size)
{
	ssize_t len = pwrite(device->fd, buf, size, device->config_offset + offset);

	if (len < 0)
		return -errno;
	return len == (ssize_t)size ? 0 : -EIO;
}

/* 1, 2 or 4 bytes; all ones, as from a device that is not there, on error. */
uint32_t vfio_config_get(struct vfio_device *device, size_t offset, size_t size)
{
	uint32_t value = 0;

	if (vfio_config_read(device, offset, &value, size) != (int)size)
		return UINT32_MAX >> (32 - 8 * size);
	return value;
}

int vfio_config_set(struct vfio_device *device, size_t offset, size_t size, uint32_t value)
{
	return vfio_config_write(device, offset, &value, size);
}

/* Where it is, or -ENOENT. */
int vfio_config_capability(struct vfio_device *device, uint8_t id)
{
	uint8_t at = vfio_config_get(device, PCI_CAPABILITY_LIST, 1);
	int i;

	/* No more than there is room for. */
	for (i = 0; at >= PCI_STD_HEADER_SIZEOF && i < 48; i++) {
		if (vfio_config_get(device, at + PCI_CAP_LIST_ID, 1) == id)
			return at;
		at = vfio_config_get(device, at + PCI_CAP_LIST_NEXT, 1) & ~3;
	}
	return -ENOENT;
}

/* May it do DMA? */
int vfio_set_master(struct vfio_device *device, bool on)
{
	uint32_t command = vfio_config_get(device, PCI_COMMAND, 2) & ~PCI_COMMAND_MASTER;

	return vfio_config_set(device, PCI_COMMAND, 2,
			       command | (on ? PCI_COMMAND_MASTER : 0) | PCI_COMMAND_MEMORY);
}

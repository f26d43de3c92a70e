// SPDX-License-Identifier: GPL-2.0
/* A device by its character device, bound to an iommufd. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libvfio.h"

/* /dev/vfio/devices/vfioN of a device of vfio-pci; -ENODEV if it has none. */
int vfio_cdev_path(const char *address, char *path, size_t size)
{
	struct dirent *entry;
	char directory[96];
	int err = -ENODEV;
	DIR *dir;

	snprintf(directory, sizeof(directory), "/sys/bus/pci/devices/%s/vfio-dev", address);
	dir = opendir(directory);
	if (!dir)
		return -ENODEV;
	while (err && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, size, "/dev/vfio/devices/%s", entry->d_name);
		err = 0;
	}
	closedir(dir);
	return err;
}

int vfio_cdev_open(const char *address)
{
	char path[300];
	int err = vfio_cdev_path(address, path, sizeof(path)), fd;

	if (err)
		return err;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vfio_open(struct vfio_device *device, const char *address)
{
	int fd = vfio_cdev_open(address);

	return fd < 0 ? fd : vfio_adopt(device, address, fd);
}

/* One that is open. It has the descriptor then. */
int vfio_adopt(struct vfio_device *device, const char *address, int fd)
{
	memset(device, 0, sizeof(*device));
	snprintf(device->address, sizeof(device->address), "%s", address);
	device->fd = fd;
	return 0;
}

void vfio_close(struct vfio_device *device)
{
	int i;

	for (i = 0; i < PCI_BARS; i++)
		if (device->bars[i].mem)
			munmap(device->bars[i].mem, device->bars[i].size);
	if (device->fd >= 0)
		close(device->fd);
	memset(device, 0, sizeof(*device));
	device->fd = -1;
}

int vfio_bind(struct vfio_device *device, struct iommu *iommu)
{
	struct vfio_device_bind_iommufd arg = {
		.argsz = sizeof(arg), .iommufd = iommu->fd,
	};
	struct vfio_region_info info;
	int err;

	if (ioctl(device->fd, VFIO_DEVICE_BIND_IOMMUFD, &arg))
		return -errno;
	device->id = arg.out_devid;
	err = vfio_region(device, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	device->config_offset = info.offset;
	device->config_size = info.size;
	return err;
}

int vfio_attach(struct vfio_device *device, struct iommu *iommu)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg), .pt_id = iommu->ioas,
	};

	return ioctl(device->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg) ? -errno : 0;
}

int vfio_detach(struct vfio_device *device)
{
	struct vfio_device_detach_iommufd_pt arg = { .argsz = sizeof(arg) };

	return ioctl(device->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg) ? -errno : 0;
}

int vfio_region(struct vfio_device *device, uint32_t index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	return ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, info) ? -errno : 0;
}

/* Those that are memory; the others are left out. */
int vfio_map_bars(struct vfio_device *device)
{
	struct vfio_region_info info;
	int i, err;
	void *mem;

	for (i = 0; i < PCI_BARS; i++) {
		err = vfio_region(device, VFIO_PCI_BAR0_REGION_INDEX + i, &info);
		if (err)
			return err;
		if (!info.size || !(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
			continue;
		mem = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device->fd,
			   info.offset);
		if (mem == MAP_FAILED)
			return -errno;
		device->bars[i] = (struct vfio_bar){ .mem = mem, .size = info.size };
	}
	return 0;
}

int vfio_start(struct vfio_device *device, struct iommu *iommu)
{
	int err = vfio_bind(device, iommu);

	if (!err)
		err = vfio_attach(device, iommu);
	if (!err)
		err = vfio_map_bars(device);
	return err;
}

/* VFIO_DEVICE_FLAGS_*. */
int vfio_flags(struct vfio_device *device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) ? -errno : (int)info.flags;
}

int vfio_reset(struct vfio_device *device)
{
	return ioctl(device->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

/* D0 to D3hot, by its power management capability. */
int vfio_set_power(struct vfio_device *device, int d_state)
{
	int at = vfio_config_capability(device, PCI_CAP_ID_PM);
	uint32_t control;

	if (at < 0)
		return at;
	control = vfio_config_get(device, at + PCI_PM_CTRL, 2) & ~PCI_PM_CTRL_STATE_MASK;
	return vfio_config_set(device, at + PCI_PM_CTRL, 2, control | d_state);
}

/* Let the kernel put it to sleep. */
int vfio_low_power(struct vfio_device *device, bool enter)
{
	struct vfio_device_feature feature = {
		.argsz = sizeof(feature),
		.flags = VFIO_DEVICE_FEATURE_SET |
			 (enter ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY :
				  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT),
	};

	return ioctl(device->fd, VFIO_DEVICE_FEATURE, &feature) ? -errno : 0;
}

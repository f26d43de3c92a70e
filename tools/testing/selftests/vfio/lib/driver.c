// SPDX-License-Identifier: GPL-2.0
/*
 * What the drivers have in common. All that a device and its driver need to go on
 * is in the area, so whoever has the area and the device can resume.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libvfio.h"

static const struct dma_driver_ops * const drivers[] = {
	&edu_ops, &e1000e_ops, &hda_ops, &nvme_ops,
};

const struct dma_driver_ops *driver_find(uint16_t vendor, uint16_t device)
{
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
		if (drivers[i]->vendor == vendor && drivers[i]->device == device)
			return drivers[i];
	return NULL;
}

/* Without an error it has a driver then. */
static int set_up(struct dma_driver *driver, const struct dma_driver_ops *ops,
		  struct vfio_device *device, struct dma_area *area)
{
	driver->ops = NULL;
	if (!ops || vfio_config_get(device, PCI_VENDOR_ID, 2) != ops->vendor ||
	    vfio_config_get(device, PCI_DEVICE_ID, 2) != ops->device)
		return -ENODEV;
	if (!device->bars[0].mem || !area->mem || area->size < AREA_BUFFERS + ops->more)
		return -ENXIO;
	driver->ops = ops;
	driver->device = device;
	driver->area = area;
	driver->state = (char *)area->mem + DRIVER_STATE;
	driver->rings = (char *)area->mem + DRIVER_RINGS;
	driver->rings_iova = area->iova + DRIVER_RINGS;
	return 0;
}

static const struct dma_driver_ops *find(struct vfio_device *device)
{
	return driver_find(vfio_config_get(device, PCI_VENDOR_ID, 2),
			   vfio_config_get(device, PCI_DEVICE_ID, 2));
}

/* Nothing is expected of the device; it may do DMA then. */
int driver_init(struct dma_driver *driver, struct vfio_device *device, struct dma_area *area)
{
	return driver_init_as(driver, find(device), device, area);
}

/* By a certain driver, where a device has several. */
int driver_init_as(struct dma_driver *driver, const struct dma_driver_ops *ops,
		   struct vfio_device *device, struct dma_area *area)
{
	struct dma_driver_header *header;
	int err = set_up(driver, ops, device, area);

	if (err)
		return err;
	header = area->mem;
	memset(area->mem, 0, AREA_BUFFERS);
	snprintf(header->name, sizeof(header->name), "%s", driver->ops->name);
	header->iova = area->iova;
	err = vfio_set_master(device, true);
	return err ? err : driver->ops->init(driver);
}

/*
 * The device goes on with what is in the area: nothing is set up anew. -ESTALE if
 * the device is not as it was left.
 */
int driver_resume(struct dma_driver *driver, struct vfio_device *device, struct dma_area *area)
{
	return driver_resume_as(driver, find(device), device, area);
}

int driver_resume_as(struct dma_driver *driver, const struct dma_driver_ops *ops,
		     struct vfio_device *device, struct dma_area *area)
{
	struct dma_driver_header *header;
	int err = set_up(driver, ops, device, area);

	if (err)
		return err;
	header = area->mem;
	if (strncmp(header->name, driver->ops->name, sizeof(header->name)) ||
	    header->iova != area->iova)
		return -EINVAL;
	return driver->ops->is_running(driver) ? 0 : -ESTALE;
}

void driver_remove(struct dma_driver *driver)
{
	if (driver->ops)
		driver->ops->remove(driver);
	driver->ops = NULL;
}

/* From one place of the area to another one, through the device, in pieces. */
int driver_copy(struct dma_driver *driver, size_t to, size_t from, size_t len)
{
	size_t done, piece;
	int err = driver->ops->copy ? 0 : -EOPNOTSUPP;

	for (done = 0; done < len && !err; done += piece) {
		piece = len - done;
		if (piece > driver->ops->max_copy)
			piece = driver->ops->max_copy;
		err = driver->ops->copy(driver, driver->area->iova + to + done,
					driver->area->iova + from + done, piece);
	}
	return err;
}

int wait_until(bool (*done)(void *arg), void *arg)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += VFIO_WAIT_MS / 1000;
	while (!done(arg)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec)
			return -ETIMEDOUT;
		usleep(200);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* Interrupts of a device, by eventfd. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libvfio.h"

int vfio_irq_count(struct vfio_device *device, uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	return ioctl(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) ? -errno : (int)info.count;
}

static int set_irqs(struct vfio_device *device, uint32_t flags, uint32_t index, uint32_t count,
		    const int *eventfds)
{
	size_t size = eventfds ? count * sizeof(*eventfds) : 0;
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + size);
	int err;

	if (!set)
		return -ENOMEM;
	set->argsz = sizeof(*set) + size;
	set->flags = flags | (eventfds ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = index;
	set->count = count;
	if (size)
		memcpy(set->data, eventfds, size);
	err = ioctl(device->fd, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
	free(set);
	return err;
}

/* The first @count of a kind; @eventfds are new, to be closed by the caller. */
int vfio_irq_enable(struct vfio_device *device, uint32_t index, uint32_t count, int *eventfds)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < count; i++)
		eventfds[i] = -1;
	for (i = 0; i < count && !err; i++) {
		eventfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (eventfds[i] < 0)
			err = -errno;
	}
	if (!err)
		err = set_irqs(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, count, eventfds);
	for (i = 0; i < count && err; i++) {
		if (eventfds[i] >= 0)
			close(eventfds[i]);
		eventfds[i] = -1;
	}
	return err;
}

int vfio_irq_disable(struct vfio_device *device, uint32_t index)
{
	return set_irqs(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, NULL);
}

/* The kernel masks it when it comes, until told that the device was seen to. */
int vfio_irq_unmask_intx(struct vfio_device *device)
{
	return set_irqs(device, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 1, NULL);
}

/* How many have come; -ETIMEDOUT if none has. */
int vfio_irq_wait(int eventfd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = eventfd, .events = POLLIN };
	uint64_t count;
	int n = poll(&poll_fd, 1, timeout_ms);

	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	if (read(eventfd, &count, sizeof(count)) != sizeof(count))
		return -errno;
	return count;
}

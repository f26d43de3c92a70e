// SPDX-License-Identifier: GPL-2.0
/*
 * A PCI device that the guest has for itself: DMA reaches the guest's memory at its
 * guest-physical address, the first BAR is memory of the guest, and the MSI an
 * interrupt of it.
 *
 * What is handed over is the device's file. The iommufd, its mappings and interrupts
 * are made anew around it. In between the device has to be quiet, which the guest sees
 * to: with a device it is stopped when it reports, and has nothing to do for it then.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lib/libvfio.h>

#include "vm.h"

#define SLOT_BAR		1
#define GSI			0

struct passthrough {
	struct vfio_device device;
	struct iommu iommu;
	int interrupt;			/* an eventfd, or -1 */
};

static int map_bar(const struct vm *vm, const struct vfio_bar *bar)
{
	struct kvm_userspace_memory_region region = {
		.slot = SLOT_BAR,
		.guest_phys_addr = GUEST_BAR,
		.memory_size = bar->size,
		.userspace_addr = (uintptr_t)bar->mem,
	};

	if (!bar->mem || bar->size > GUEST_BAR_SIZE)
		return -EINVAL;
	vm_ioctl(vm, vm->fd, KVM_SET_USER_MEMORY_REGION, &region, "BAR");
	return 0;
}

/* Bound, it is what it was. Nothing but a mapping lets it have the guest's memory. */
static void connect_device(struct vm *vm, const char *address, int fd, bool is_new)
{
	struct passthrough *vfio = calloc(1, sizeof(*vfio));
	int err;

	if (!vfio)
		vm_fail(vm, "device: %s", strerror(ENOMEM));
	vfio->interrupt = -1;
	err = vfio_adopt(&vfio->device, address, fd);
	if (!err)
		err = iommu_open(&vfio->iommu);
	if (!err)
		err = iommu_map(&vfio->iommu, 0, vm->ram, GUEST_RAM);
	if (!err)
		err = vfio_start(&vfio->device, &vfio->iommu);
	if (!err)
		err = map_bar(vm, &vfio->device.bars[0]);
	if (!err && is_new)
		err = vfio_set_master(&vfio->device, true);
	if (err)
		vm_fail(vm, "device: %s", strerror(-err));
	vm->vfio = vfio;
}

void passthrough_open(struct vm *vm, const char *address)
{
	int fd = vfio_cdev_open(address);

	if (fd < 0)
		vm_fail(vm, "device %s: %s", address, strerror(-fd));
	connect_device(vm, address, fd, true);
}

void passthrough_adopt(struct vm *vm, int fd)
{
	connect_device(vm, "", fd, false);
}

int passthrough_fd(const struct vm *vm)
{
	return vm->vfio->device.fd;
}

static void route_interrupt(const struct vm *vm, int eventfd, uint32_t flags)
{
	struct kvm_irqfd irqfd = { .fd = eventfd, .gsi = GSI, .flags = flags };
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry = {
			.gsi = GSI,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = MSI_ADDRESS, .data = VECTOR_EDU },
		},
	};

	vm_ioctl(vm, vm->fd, KVM_SET_GSI_ROUTING, &routing, "interrupts");
	vm_ioctl(vm, vm->fd, KVM_IRQFD, &irqfd, "interrupts");
}

void passthrough_begin(struct vm *vm)
{
	struct passthrough *vfio = vm->vfio;
	int err;

	if (!vfio || vfio->interrupt >= 0)
		return;
	err = vfio_irq_enable(&vfio->device, VFIO_PCI_MSI_IRQ_INDEX, 1, &vfio->interrupt);
	if (err)
		vm_fail(vm, "the device's MSI: %s", strerror(-err));
	route_interrupt(vm, vfio->interrupt, 0);
}

int passthrough_end(struct vm *vm)
{
	struct passthrough *vfio = vm->vfio;
	int err;

	if (!vfio || vfio->interrupt < 0)
		return 0;
	err = vfio_irq_disable(&vfio->device, VFIO_PCI_MSI_IRQ_INDEX);
	if (err)
		return err;
	route_interrupt(vm, vfio->interrupt, KVM_IRQFD_FLAG_DEASSIGN);
	close(vfio->interrupt);
	vfio->interrupt = -1;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A PCI device that the guest has for itself: DMA reaches the guest's memory at its
 * guest-physical address, the first BAR is memory of the guest, and the MSI an
 * interrupt of it.
 *
 * What is handed over is the device's file, and the iommufd in which the guest's memory
 * is mapped for it: so the device goes on with DMA all the time. Interrupts are made
 * anew; one that came meanwhile is lost, so the guest gets one, and looks for itself.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <liveupdate.h>

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

/* Bound and attached, it is what it was. */
static void connect_device(struct vm *vm, const char *address, int fd,
			   const struct iommu *iommu)
{
	struct passthrough *vfio = calloc(1, sizeof(*vfio));
	int err;

	if (!vfio)
		vm_fail(vm, "device: %s", strerror(ENOMEM));
	vfio->interrupt = -1;
	vfio->iommu = *iommu;
	err = vfio_adopt(&vfio->device, address, fd);
	if (!err)
		err = vfio_start(&vfio->device, &vfio->iommu);
	if (!err)
		err = map_bar(vm, &vfio->device.bars[0]);
	if (err)
		vm_fail(vm, "device: %s", strerror(-err));
	vm->vfio = vfio;
}

/* Nothing but a mapping lets it have the guest's memory. */
void passthrough_open(struct vm *vm, const char *address)
{
	int fd = vfio_cdev_open(address), err;
	struct iommu iommu;

	if (fd < 0)
		vm_fail(vm, "device %s: %s", address, strerror(-fd));
	err = iommu_open(&iommu);
	if (!err)
		err = iommu_map_file(&iommu, 0, vm->ram_fd, 0, GUEST_RAM);
	if (err)
		vm_fail(vm, "iommufd: %s", strerror(-err));
	connect_device(vm, address, fd, &iommu);
	err = vfio_set_master(&vm->vfio->device, true);
	if (err)
		vm_fail(vm, "device: %s", strerror(-err));
}

/* The mappings are there, by the same IDs. */
void passthrough_adopt(struct vm *vm, int fd, int iommufd, uint32_t ioas)
{
	struct iommu iommu = { .fd = iommufd, .ioas = ioas };

	connect_device(vm, "", fd, &iommu);
}

int passthrough_preserve(const struct vm *vm, int session, uint64_t device, uint64_t iommufd)
{
	int err = lu_preserve_fd(session, vm->vfio->device.fd, device);

	return err ?: lu_preserve_fd(session, vm->vfio->iommu.fd, iommufd);
}

uint32_t passthrough_ioas(const struct vm *vm)
{
	return vm->vfio ? vm->vfio->iommu.ioas : 0;
}

uint32_t passthrough_id(const struct vm *vm)
{
	return vm->vfio ? vfio_config_get(&vm->vfio->device, PCI_VENDOR_ID, 4) : 0;
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
			.u.msi = { .address_lo = MSI_ADDRESS, .data = VECTOR_DEVICE },
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
	/* In this kernel nobody else makes up for what was lost. */
	eventfd_write(vfio->interrupt, 1);
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

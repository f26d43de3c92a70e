// SPDX-License-Identifier: GPL-2.0
/* A virtual machine: memory, a vCPU, and the local APIC, which KVM emulates. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

#define CR0_PE			1
#define RFLAGS_ALWAYS		2
#define TYPE_CODE		11
#define TYPE_DATA		3
#define IOAPIC_PINS		24
/* And what it needs: x87, SSE. */
#define XCR0_AVX		7
/* Of leaf 1, ecx */
#define CPUID_TSC_DEADLINE	0x01000000
#define CPUID_AVX		0x10000000

int vm_ioctl(const struct vm *vm, int fd, unsigned long cmd, const void *arg, const char *what)
{
	int ret = ioctl(fd, cmd, arg);

	if (ret < 0)
		vm_fail(vm, "%s: %s", what, strerror(errno));
	return ret;
}

int ram_create(void)
{
	int fd = memfd_create("minivmm-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, GUEST_RAM) || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static void offer_cpuid(struct vm *vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[STATE_CPUID];
	} cpuid = { .head.nent = STATE_CPUID };
	uint32_t i, features = 0;

	vm_ioctl(vm, vm->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid, "CPUID");
	if (ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) <= 0)
		vm_fail(vm, "KVM has no TSC deadline timer");
	vm->cpuid_count = cpuid.head.nent;
	memcpy(vm->cpuid, cpuid.entries, vm->cpuid_count * sizeof(vm->cpuid[0]));
	/* KVM leaves it to us to say so: it is there only with its own APIC. */
	for (i = 0; i < vm->cpuid_count; i++)
		if (vm->cpuid[i].function == 1)
			features = vm->cpuid[i].ecx |= CPUID_TSC_DEADLINE;
	if (!(features & CPUID_AVX))
		vm_fail(vm, "KVM has no AVX, which the guest uses");
}

static void create_ram(struct vm *vm)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_RAM };

	vm->ram = mmap(NULL, GUEST_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, vm->ram_fd, 0);
	if (vm->ram == MAP_FAILED)
		vm_fail(vm, "memory: %s", strerror(errno));
	region.userspace_addr = (uintptr_t)vm->ram;
	vm_ioctl(vm, vm->fd, KVM_SET_USER_MEMORY_REGION, &region, "memory");
}

void vm_create(struct vm *vm)
{
	struct kvm_enable_cap apic = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { IOAPIC_PINS } };
	int size;

	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		vm_fail(vm, "/dev/kvm: %s", strerror(errno));
	vm->fd = vm_ioctl(vm, vm->kvm, KVM_CREATE_VM, NULL, "a virtual machine");
	vm_ioctl(vm, vm->fd, KVM_ENABLE_CAP, &apic, "local APIC");
	create_ram(vm);
	vm->vcpu = vm_ioctl(vm, vm->fd, KVM_CREATE_VCPU, NULL, "vCPU");
	size = vm_ioctl(vm, vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "vCPU");
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		vm_fail(vm, "vCPU: %s", strerror(errno));
	offer_cpuid(vm);
	clock_create(vm);
}

/* From 0 to the end of the address space. */
static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
}

void vm_boot(struct vm *vm)
{
	struct kvm_regs regs = {
		.rip = GUEST_ENTRY, .rflags = RFLAGS_ALWAYS, .rbx = passthrough_id(vm),
	};
	/* The guest does that as well, but of XSETBV an emulated SVM (QEMU's) does not tell KVM. */
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = XCR0_AVX };
	struct kvm_sregs sregs;

	memcpy(vm->ram + GUEST_ENTRY, guest_image, guest_image_end - guest_image);
	vcpu_set_cpuid(vm, vm->cpuid, vm->cpuid_count);
	vm_ioctl(vm, vm->vcpu, KVM_GET_SREGS, &sregs, "registers");
	sregs.cr0 |= CR0_PE;
	sregs.cs = flat_segment(0x08, TYPE_CODE);
	sregs.ds = flat_segment(0x10, TYPE_DATA);
	sregs.es = sregs.ds;
	sregs.ss = sregs.ds;
	vm_ioctl(vm, vm->vcpu, KVM_SET_SREGS, &sregs, "registers");
	vm_ioctl(vm, vm->vcpu, KVM_SET_REGS, &regs, "registers");
	vm_ioctl(vm, vm->vcpu, KVM_SET_XCRS, &xcrs, "XCR0");
	clock_save(vm);
}

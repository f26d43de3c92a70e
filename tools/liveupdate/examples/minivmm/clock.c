// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's clocks. Its TSC is the host's with an offset, and the host's runs on
 * across a kexec. So the guest sees how long it was stopped, as it would if it had
 * not been taken off the processor for once. That is true to the tick whatever the
 * two kernels think the frequency to be.
 *
 * A host that does not trust its TSC does not have it for a clock. There KVM changes
 * the offset as it sees fit, and nothing is exact.
 */
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "vm.h"

uint64_t host_tsc(void)
{
	unsigned int cpu;

	/* Not before what comes before it. */
	return __rdtscp(&cpu);
}

/*
 * The guest's TSC is as fast as the host's. KVM begins with what that was when KVM was
 * started. If the kernel has found out better since then, KVM takes it for a wish that
 * not every processor can fulfil, and the guest has no timer. 0 is: as it is now.
 */
void clock_create(struct vm *vm)
{
	vm_ioctl(vm, vm->vcpu, KVM_SET_TSC_KHZ, NULL, "frequency of the TSC");
}

static struct kvm_device_attr tsc_offset(uint64_t *offset)
{
	return (struct kvm_device_attr){
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};
}

bool clock_is_stable(const struct vm *vm)
{
	struct kvm_clock_data kvmclock = {};

	vm_ioctl(vm, vm->fd, KVM_GET_CLOCK, &kvmclock, "kvmclock");
	return kvmclock.flags & KVM_CLOCK_TSC_STABLE;
}

uint64_t clock_pause(const struct vm *vm, const struct clock_state *saved)
{
	return host_tsc() + vm->clock.tsc_offset - saved->host_tsc - saved->tsc_offset;
}

double clock_seconds(const struct vm *vm, uint64_t ticks)
{
	return ticks / (vm->clock.tsc_khz * 1e3);
}

void clock_save(struct vm *vm)
{
	struct kvm_device_attr attr = tsc_offset(&vm->clock.tsc_offset);
	struct kvm_clock_data kvmclock = {};

	vm_ioctl(vm, vm->vcpu, KVM_GET_DEVICE_ATTR, &attr, "offset of the TSC");
	vm->clock.tsc_khz = vm_ioctl(vm, vm->vcpu, KVM_GET_TSC_KHZ, NULL, "frequency of the TSC");
	vm_ioctl(vm, vm->fd, KVM_GET_CLOCK, &kvmclock, "kvmclock");
	vm->clock.kvmclock = kvmclock.clock;
	vm->clock.host_tsc = host_tsc();
}

void clock_restore(struct vm *vm, const struct clock_state *saved)
{
	struct kvm_device_attr attr = tsc_offset(&vm->clock.tsc_offset);
	struct kvm_clock_data kvmclock = {};
	uint64_t now = host_tsc(), elapsed = now - saved->host_tsc;

	vm->clock = *saved;
	if (now < saved->host_tsc) {
		/* The host's began anew: how long it took is not known. */
		vm->clock.tsc_offset += saved->host_tsc - now;
		elapsed = 0;
	}
	vm_ioctl(vm, vm->vcpu, KVM_SET_DEVICE_ATTR, &attr, "offset of the TSC");
	kvmclock.clock = saved->kvmclock +
			 (uint64_t)((__uint128_t)elapsed * 1000000 / saved->tsc_khz);
	vm_ioctl(vm, vm->fd, KVM_SET_CLOCK, &kvmclock, "kvmclock");
}

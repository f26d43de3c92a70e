// SPDX-License-Identifier: GPL-2.0
/*
 * All that KVM knows of a vCPU, out and in again. It has to be outside of KVM_RUN,
 * and back from it with EINTR: then nothing is half done.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vm.h"

#define MSR_TSC		0x10

/* In the order in which they can be set: the APIC's mode is in sregs. */
static const struct part {
	unsigned long get;
	unsigned long set;
	size_t offset;
	const char *name;
} parts[] = {
	{ KVM_GET_SREGS, KVM_SET_SREGS, offsetof(struct vcpu_state, sregs), "system registers" },
	{ KVM_GET_REGS, KVM_SET_REGS, offsetof(struct vcpu_state, regs), "registers" },
	/* 4096 bytes are all of it but for what a process has to ask for, as AMX. */
	{ KVM_GET_XSAVE, KVM_SET_XSAVE, offsetof(struct vcpu_state, xsave), "FPU" },
	{ KVM_GET_XCRS, KVM_SET_XCRS, offsetof(struct vcpu_state, xcrs), "XCR0" },
	{ KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS,
	  offsetof(struct vcpu_state, debugregs), "debug registers" },
	{ KVM_GET_LAPIC, KVM_SET_LAPIC, offsetof(struct vcpu_state, lapic), "local APIC" },
	{ KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS,
	  offsetof(struct vcpu_state, events), "events" },
	{ KVM_GET_MP_STATE, KVM_SET_MP_STATE,
	  offsetof(struct vcpu_state, mp_state), "whether it is halted" },
	{}
};

void vcpu_set_cpuid(struct vm *vm, const struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[STATE_CPUID];
	} cpuid = { .head.nent = count };

	memcpy(cpuid.entries, entries, count * sizeof(*entries));
	vm_ioctl(vm, vm->vcpu, KVM_SET_CPUID2, &cpuid, "CPUID");
}

/* Registers of features: what the guest has found there it uses. */
static int is_features(const struct kvm_cpuid_entry2 *entry)
{
	return entry->function == 0x1 || entry->function == 0x80000001 ||
	       (entry->function == 0x7 && entry->index <= 2) ||
	       (entry->function == 0xd && entry->index <= 1);
}

/* Leaf 1 has an APIC ID in ebx, and leaves 1 and 0x80000001 a model in eax. */
static int lacks(const struct kvm_cpuid_entry2 *had, const struct kvm_cpuid_entry2 *has)
{
	int has_model = had->function == 0x1 || had->function == 0x80000001;
	uint32_t lost = (had->ecx & ~has->ecx) | (had->edx & ~has->edx);

	if (had->function == 0xd)
		return (had->eax & ~has->eax) != 0;
	if (!has_model)
		lost |= had->ebx & ~has->ebx;
	return lost != 0;
}

/* KVM takes any CPUID: a guest must not find out later that its host is another one. */
static void check_cpuid(const struct vm *vm, const struct vcpu_state *state)
{
	static const struct kvm_cpuid_entry2 nothing;
	uint32_t i, j;

	for (i = 0; i < state->cpuid_count; i++) {
		const struct kvm_cpuid_entry2 *had = &state->cpuid[i], *has = &nothing;

		if (!is_features(had))
			continue;
		for (j = 0; j < vm->cpuid_count; j++)
			if (vm->cpuid[j].function == had->function &&
			    vm->cpuid[j].index == had->index)
				has = &vm->cpuid[j];
		if (lacks(had, has))
			vm_fail(vm, "this host lacks what the guest has: CPUID leaf %#x.%u",
				had->function, had->index);
	}
}

static int msr_ioctl(const struct vm *vm, unsigned long cmd, struct kvm_msr_entry *entry)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry = *entry };
	int done = ioctl(vm->vcpu, cmd, &msr);

	*entry = msr.entry;
	return done;
}

/* Those that KVM names, as far as this vCPU has them. */
static void save_msrs(const struct vm *vm, struct vcpu_state *state)
{
	struct {
		struct kvm_msr_list head;
		uint32_t indices[1024];
	} list = { .head.nmsrs = 1024 };
	uint32_t i;

	vm_ioctl(vm, vm->kvm, KVM_GET_MSR_INDEX_LIST, &list, "list of MSRs");
	state->msr_count = 0;
	for (i = 0; i < list.head.nmsrs; i++) {
		struct kvm_msr_entry entry = { .index = list.indices[i] };

		/* The TSC runs on: see clock.c. */
		if (entry.index == MSR_TSC || msr_ioctl(vm, KVM_GET_MSRS, &entry) != 1)
			continue;
		if (state->msr_count == STATE_MSRS)
			vm_fail(vm, "more than %d MSRs", STATE_MSRS);
		state->msrs[state->msr_count++] = entry;
	}
}

static void restore_msrs(const struct vm *vm, const struct vcpu_state *state)
{
	uint32_t i;

	for (i = 0; i < state->msr_count; i++) {
		struct kvm_msr_entry entry = state->msrs[i], old = { .index = entry.index };

		/* Most are as they are in any new vCPU; some can't even be set. */
		if (msr_ioctl(vm, KVM_GET_MSRS, &old) == 1 && old.data == entry.data)
			continue;
		if (msr_ioctl(vm, KVM_SET_MSRS, &entry) != 1)
			vm_fail(vm, "MSR %#x can't be %#llx", entry.index, entry.data);
	}
}

void vcpu_save(struct vm *vm, struct vcpu_state *state)
{
	const struct part *part;

	for (part = parts; part->name; part++)
		vm_ioctl(vm, vm->vcpu, part->get, (char *)state + part->offset, part->name);
	save_msrs(vm, state);
	state->cpuid_count = vm->cpuid_count;
	memcpy(state->cpuid, vm->cpuid, sizeof(state->cpuid));
}

void vcpu_restore(struct vm *vm, const struct vcpu_state *state,
		  const struct clock_state *clock)
{
	const struct part *part;

	check_cpuid(vm, state);
	vcpu_set_cpuid(vm, state->cpuid, state->cpuid_count);
	for (part = parts; part->name; part++)
		vm_ioctl(vm, vm->vcpu, part->set, (const char *)state + part->offset, part->name);
	/* One of the MSRs is the deadline of the APIC's timer, by the TSC. */
	clock_restore(vm, clock);
	restore_msrs(vm, state);
	/* What it was offered stays what it has. */
	vm->cpuid_count = state->cpuid_count;
	memcpy(vm->cpuid, state->cpuid, sizeof(vm->cpuid));
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What minivmm hands over beside the guest's memory, in a memfd of this size. It
 * is the previous kernel's and another process's: state_read() believes nothing.
 */
#ifndef MINIVMM_STATE_H
#define MINIVMM_STATE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#include "guest/guest.h"

#define STATE_MAGIC	"minivmm"
#define STATE_VERSION	3

#define STATE_MSRS	192
#define STATE_CPUID	128

/* The device that the guest reports to. */
struct device_state {
	uint32_t words[REPORT_WORDS];	/* of the report that is being made */
	uint32_t busy;			/* the guest has not been told that it was taken */
	uint64_t turn;			/* of the last whole report */
	uint64_t clock;
	uint64_t gap;
	uint64_t frames;
};

/* The clocks, and how far the host's was when the guest stopped. */
struct clock_state {
	uint64_t host_tsc;
	uint64_t tsc_offset;		/* the guest's TSC is the host's, and this */
	uint64_t tsc_khz;
	uint64_t kvmclock;		/* nanoseconds */
};

struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp_state;
	uint32_t msr_count;
	struct kvm_msr_entry msrs[STATE_MSRS];
	uint32_t cpuid_count;
	uint32_t reserved;
	struct kvm_cpuid_entry2 cpuid[STATE_CPUID];
};

struct vm_state {
	char magic[8];			/* STATE_MAGIC; zeros: the guest was not stopped */
	uint32_t version;
	uint32_t size;			/* of all this */
	uint64_t checksum;		/* of all that follows */
	uint64_t ram_size;
	uint64_t ioas;			/* what a device has access by, 0: there is none */
	struct clock_state clock;
	struct device_state device;
	struct vcpu_state vcpu;
};

/* Another layout is another version. */
static_assert(sizeof(struct kvm_xsave) == 4096);
static_assert(offsetof(struct vm_state, ram_size) == 24);
static_assert(sizeof(struct vm_state) == 14512);

/* Seals: a file that is as long as it was checked to be can't surprise who maps it. */
int state_create(void);
/* 0, or -errno. What is written is whole, or does not begin with the magic. */
int state_write(int fd, struct vm_state *state);
int state_forget(int fd);
/* 0, or -errno and in @why what is wrong. */
int state_read(int fd, struct vm_state *state, const char **why);

#endif /* MINIVMM_STATE_H */

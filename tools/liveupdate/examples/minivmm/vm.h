/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtual machine of one vCPU. What can't be done ends the process, with a line
 * that says why: nothing is lost by that, as a session of the previous kernel can
 * be retrieved again until it is finished.
 */
#ifndef MINIVMM_VM_H
#define MINIVMM_VM_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "state.h"

struct lu_client;
struct passthrough;

struct vm {
	const char *name;
	int ram_fd;			/* a memfd, of GUEST_RAM */
	int state_fd;			/* a memfd, see state.h */
	struct lu_client *luod;		/* NULL: it has gone */
	int session;			/* in which both are preserved, or -1 */
	bool asked;			/* luod wants it to be stopped, for an update */
	uint64_t update;		/* this one */
	bool stopped;			/* and the state is saved */
	struct passthrough *vfio;	/* or NULL */
	int kvm;			/* /dev/kvm */
	int fd;				/* the virtual machine */
	int vcpu;
	struct kvm_run *run;		/* shared with KVM */
	char *ram;
	struct clock_state clock;	/* as it was saved or restored last */
	struct device_state device;
	bool unstable;			/* it has been said that clocks can't be compared */
	uint64_t pause;			/* it was stopped so long: the next report has to show it */
	uint32_t cpuid_count;
	struct kvm_cpuid_entry2 cpuid[STATE_CPUID];	/* what this host can offer */
};

/* A message to the APIC 0. */
#define MSI_ADDRESS	0xfee00000

/* vm.c: memory and vCPU on @vm->ram_fd; the guest from its beginning. */
int ram_create(void);
void vm_create(struct vm *vm);
void vm_boot(struct vm *vm);

/* guest/image.S */
extern const char guest_image[], guest_image_end[];

/* vcpu.c: all of a vCPU that does not run. */
void vcpu_set_cpuid(struct vm *vm, const struct kvm_cpuid_entry2 *entries, uint32_t count);
void vcpu_save(struct vm *vm, struct vcpu_state *state);
void vcpu_restore(struct vm *vm, const struct vcpu_state *state,
		  const struct clock_state *clock);

/* clock.c: the guest's time goes on while it does not run. */
uint64_t host_tsc(void);
void clock_create(struct vm *vm);
void clock_save(struct vm *vm);
void clock_restore(struct vm *vm, const struct clock_state *saved);
/* Whether the offset stays what it is, which is known when the guest has run. */
bool clock_is_stable(const struct vm *vm);
/* How long the guest was stopped, by its own clock. */
uint64_t clock_pause(const struct vm *vm, const struct clock_state *saved);
double clock_seconds(const struct vm *vm, uint64_t ticks);

/*
 * device.c: what the guest reports, and whether that can be true. A report takes some
 * time, which ends with SIGALRM; one that was being made is made again.
 */
void device_write(struct vm *vm, unsigned int port, const void *data, unsigned int size);
void device_done(struct vm *vm);
void device_resume(struct vm *vm);
/* The guest is asked for an end: it makes one more report. */
void device_end(const struct vm *vm);

/* vfio.c: the guest's own PCI device. It has interrupts between begin and end. */
void passthrough_open(struct vm *vm, const char *address);
void passthrough_adopt(struct vm *vm, int fd, int iommufd, uint32_t ioas);
int passthrough_preserve(const struct vm *vm, int session, uint64_t device, uint64_t iommufd);
uint32_t passthrough_ioas(const struct vm *vm);
/* What it is: vendor and device, as the first word of its configuration has them; or 0. */
uint32_t passthrough_id(const struct vm *vm);
void passthrough_begin(struct vm *vm);
int passthrough_end(struct vm *vm);

/* luod.c: SIGIO says that there is something to be heard. */
void vm_save(struct vm *vm, struct vm_state *state);
void luod_subscribe(struct vm *vm);
void luod_connect_again(struct vm *vm);
void luod_listen(struct vm *vm);
void luod_answer(struct vm *vm);

#define vm_say(vm, fmt, ...)	printf("%s: " fmt "\n", (vm)->name, ##__VA_ARGS__)
#define vm_fail(vm, fmt, ...)	do { vm_say(vm, fmt, ##__VA_ARGS__); exit(1); } while (0)

/* An ioctl of KVM that has to work. */
int vm_ioctl(const struct vm *vm, int fd, unsigned long cmd, const void *arg, const char *what);

#endif /* MINIVMM_VM_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * The device that the guest reports to. What it says is compared with the last
 * report, which is the device's state, and with the clock of the host: exactly, as
 * both clocks are the same one.
 *
 * It is slow: an interrupt says that a report has been taken. If the guest is stopped
 * meanwhile there is none, and the guest gets it when it goes on.
 */
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "vm.h"

#define REPORT_TAKES_US		100000

static uint64_t two_words(const struct vm *vm, unsigned int word)
{
	return vm->device.words[word] | (uint64_t)vm->device.words[word + 1] << 32;
}

static void check_turn(const struct vm *vm, uint64_t turn)
{
	if (vm->device.words[REPORT_FAULTS])
		vm_fail(vm, "WRONG: the guest has found faults %#x by turn %llu (%#llx, %#llx, %u)",
			vm->device.words[REPORT_FAULTS], (unsigned long long)turn,
			(unsigned long long)two_words(vm, REPORT_CLOCK),
			(unsigned long long)two_words(vm, REPORT_GAP),
			vm->device.words[REPORT_FRAMES]);
	if (turn != vm->device.turn + REPORT_EVERY)
		vm_fail(vm, "WRONG: turn %llu came after turn %llu", (unsigned long long)turn,
			(unsigned long long)vm->device.turn);
}

/* Between the last report and this moment; and so is a gap that is a new one. */
static void check_clock(const struct vm *vm, uint64_t clock, uint64_t gap)
{
	const struct device_state *last = &vm->device;

	if (clock <= last->clock || clock > host_tsc() + vm->clock.tsc_offset)
		vm_fail(vm, "WRONG: the guest's clock is at %#llx, and was at %#llx",
			(unsigned long long)clock, (unsigned long long)last->clock);
	if (gap < last->gap || (gap > last->gap && last->turn && gap > clock - last->clock))
		vm_fail(vm, "WRONG: the guest has seen a gap of %.6f s",
			clock_seconds(vm, gap));
	if (gap < vm->pause)
		vm_fail(vm, "WRONG: the guest has not seen that it was stopped for %.6f s",
			clock_seconds(vm, vm->pause));
}

static void check_frames(const struct vm *vm, uint64_t frames, uint64_t meanwhile)
{
	if (frames < vm->device.frames || meanwhile > frames - vm->device.frames)
		vm_fail(vm, "WRONG: %llu frames have come, and %llu of them since there were %llu",
			(unsigned long long)frames, (unsigned long long)meanwhile,
			(unsigned long long)vm->device.frames);
}

/* Says so once. */
static bool has_clock(struct vm *vm)
{
	bool stable = clock_is_stable(vm);

	if (!stable && !vm->unstable)
		vm_say(vm, "the host does not trust its TSC: the guest's is not checked");
	vm->unstable = !stable;
	return stable;
}

static void report(struct vm *vm)
{
	struct device_state *device = &vm->device;
	uint64_t turn = two_words(vm, REPORT_TURN), clock = two_words(vm, REPORT_CLOCK);
	uint64_t gap = two_words(vm, REPORT_GAP), frames = device->words[REPORT_FRAMES];
	uint64_t meanwhile = device->words[REPORT_MEANWHILE];

	check_turn(vm, turn);
	check_frames(vm, frames, meanwhile);
	if (has_clock(vm))
		check_clock(vm, clock, gap);
	if (vm->pause)
		vm_say(vm, "goes on after turn %llu, stopped for %.3f s",
		       (unsigned long long)device->turn, clock_seconds(vm, vm->pause));
	if (vm->pause && frames)
		vm_say(vm, "%llu frames came while it was stopped, to the %llu before",
		       (unsigned long long)meanwhile, (unsigned long long)device->frames);
	vm_say(vm, "turn %llu, checksum right, longest gap %.3f s", (unsigned long long)turn,
	       clock_seconds(vm, gap));
	vm->pause = 0;
	device->turn = turn;
	device->clock = clock;
	device->gap = gap;
	device->frames = frames;
}

void device_resume(struct vm *vm)
{
	const struct itimerval timer = { .it_value.tv_usec = REPORT_TAKES_US };

	if (vm->device.busy)
		setitimer(ITIMER_REAL, &timer, NULL);
}

static void send_interrupt(const struct vm *vm, uint32_t vector)
{
	const struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = vector };

	vm_ioctl(vm, vm->fd, KVM_SIGNAL_MSI, &msi, "the device's interrupt");
}

void device_done(struct vm *vm)
{
	if (!vm->device.busy || vm->stopped)
		return;
	vm->device.busy = 0;
	send_interrupt(vm, VECTOR_REPORT);
}

void device_end(const struct vm *vm)
{
	send_interrupt(vm, VECTOR_END);
}

static void ended(const struct vm *vm)
{
	vm_say(vm, "ends after turn %llu, has received %llu frames",
	       (unsigned long long)vm->device.turn, (unsigned long long)vm->device.frames);
	exit(0);
}

void device_write(struct vm *vm, unsigned int port, const void *data, unsigned int size)
{
	unsigned int word = (port - PORT_REPORT) / sizeof(vm->device.words[0]);

	if (port == PORT_END)
		ended(vm);
	if (port < PORT_REPORT || port % sizeof(vm->device.words[0]) || word >= REPORT_WORDS ||
	    size != sizeof(vm->device.words[0]))
		vm_fail(vm, "the guest has written %u bytes to port %#x", size, port);
	memcpy(&vm->device.words[word], data, size);
	if (word != REPORT_FAULTS)
		return;
	report(vm);
	vm->device.busy = 1;
	device_resume(vm);
	/* Who waited for this is told as soon as the guest is behind it. */
	if (vm->asked)
		raise(SIGIO);
	if (!vm->luod)
		luod_connect_again(vm);
}

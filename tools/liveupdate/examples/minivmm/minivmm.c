// SPDX-License-Identifier: GPL-2.0
/*
 * minivmm: a virtual machine that lives through the host's live update.
 *
 *	minivmm start NAME	a new guest
 *	minivmm resume NAME	the one that the previous kernel has handed over
 *
 * The session is called NAME. SIGUSR1 stops the guest and saves its state: the host
 * can be rebooted by kexec when that has been said. SIGUSR2 lets it go on, when the
 * host is not rebooted after all. SIGTERM ends it.
 *
 * Until FINISH nothing of what was handed over is changed: a resume that fails or is
 * killed can be tried again. From then on the guest runs, and is this process's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "session.h"
#include "vm.h"

enum { TOKEN_RAM = 1, TOKEN_STATE };

/* They are let through in KVM_RUN only, which they end: none can be missed. */
static sigset_t commands(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	return set;
}

static void take_commands_in_guest(const struct vm *vm)
{
	/* A struct kvm_signal_mask: a length, and an empty set, as the kernel has it. */
	const uint32_t none[3] = { 2 * sizeof(none[0]) };

	vm_ioctl(vm, vm->vcpu, KVM_SET_SIGNAL_MASK, none, "signals");
}

static void save(struct vm *vm, struct vm_state *state)
{
	clock_save(vm);
	vcpu_save(vm, &state->vcpu);
	state->ram_size = GUEST_RAM;
	state->clock = vm->clock;
	state->device = vm->device;
}

/* Memory and state are handed over from now on, whatever is written to them. */
static void hand_over(struct vm *vm)
{
	int err = state_forget(vm->state_fd);

	if (!err) {
		vm->session = session_create(vm->name);
		err = vm->session < 0 ? vm->session : 0;
	}
	if (!err)
		err = session_preserve(vm->session, vm->ram_fd, TOKEN_RAM);
	if (!err)
		err = session_preserve(vm->session, vm->state_fd, TOKEN_STATE);
	/* A guest that runs is worth more than one that could be updated. */
	if (err)
		vm_say(vm, "the guest won't live through a live update: %s", strerror(-err));
}

static void start(struct vm *vm)
{
	struct vm_state trial = {};

	vm->ram_fd = ram_create();
	if (vm->ram_fd < 0)
		vm_fail(vm, "memory: %s", strerror(-vm->ram_fd));
	vm->state_fd = state_create();
	if (vm->state_fd < 0)
		vm_fail(vm, "state: %s", strerror(-vm->state_fd));
	vm_create(vm);
	vm_boot(vm);
	/* A guest that could not be saved is not begun. */
	save(vm, &trial);
	hand_over(vm);
}

static int retrieve(const struct vm *vm, int session, uint64_t token, const char *what)
{
	int fd = session_get(session, token);

	if (fd < 0)
		vm_fail(vm, "%s can't be retrieved: %s", what, strerror(-fd));
	return fd;
}

static void resume(struct vm *vm)
{
	int session = session_retrieve(vm->name), err;
	struct vm_state state;
	const char *why;
	struct stat st;

	if (session < 0)
		vm_fail(vm, "no session: %s", strerror(-session));
	vm->ram_fd = retrieve(vm, session, TOKEN_RAM, "memory");
	vm->state_fd = retrieve(vm, session, TOKEN_STATE, "state");
	err = state_read(vm->state_fd, &state, &why);
	if (err)
		vm_fail(vm, "refused: %s: %s", why, strerror(-err));
	if (fstat(vm->ram_fd, &st) || st.st_size != GUEST_RAM)
		vm_fail(vm, "refused: the guest's memory is not of its size");
	vm_create(vm);
	vm->device = state.device;
	vcpu_restore(vm, &state.vcpu, &state.clock);
	err = session_finish(session);
	if (err)
		vm_fail(vm, "the session can't be finished: %s", strerror(-err));
	close(session);
	hand_over(vm);
	vm->pause = clock_pause(vm, &state.clock);
}

static int next_command(void)
{
	sigset_t set = commands();
	int command;

	do {
		command = sigwaitinfo(&set, NULL);
	} while (command < 0 && errno == EINTR);
	return command;
}

/* Returns when the guest is to go on. */
static void stop(struct vm *vm)
{
	struct vm_state state = {};
	int command, err;

	save(vm, &state);
	err = state_write(vm->state_fd, &state);
	if (err) {
		vm_say(vm, "the state can't be written: %s", strerror(-err));
		return;
	}
	vm_say(vm, "stopped after turn %llu", (unsigned long long)vm->device.turn);
	while ((command = next_command()) != SIGUSR2)
		if (command == SIGTERM)
			exit(0);
	err = state_forget(vm->state_fd);
	if (err)
		vm_fail(vm, "the state can't be written: %s", strerror(-err));
	vm->pause = clock_pause(vm, &state.clock);
}

static void interrupted(struct vm *vm)
{
	const struct timespec now = {};
	sigset_t set = commands();

	switch (sigtimedwait(&set, NULL, &now)) {
	case SIGUSR1:
		stop(vm);
		break;
	case SIGTERM:
		exit(0);
	}
}

static void run_guest(struct vm *vm)
{
	const struct kvm_run *run = vm->run;

	for (;;) {
		if (ioctl(vm->vcpu, KVM_RUN, NULL) < 0) {
			if (errno != EINTR)
				vm_fail(vm, "the guest can't run: %s", strerror(errno));
			interrupted(vm);
			continue;
		}
		if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT)
			vm_fail(vm, "the guest has ended: KVM exit %u", run->exit_reason);
		device_write(vm, run->io.port, (const char *)run + run->io.data_offset,
			     run->io.size);
	}
}

int main(int argc, char **argv)
{
	static struct vm vm;
	int resumed = argc == 3 && !strcmp(argv[1], "resume");
	sigset_t set = commands();

	if (!resumed && (argc != 3 || strcmp(argv[1], "start"))) {
		fprintf(stderr, "usage: minivmm start | resume NAME\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	vm.name = argv[2];
	vm.session = -1;
	if (resumed)
		resume(&vm);
	else
		start(&vm);
	take_commands_in_guest(&vm);
	run_guest(&vm);
}

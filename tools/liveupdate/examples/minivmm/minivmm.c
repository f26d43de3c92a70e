// SPDX-License-Identifier: GPL-2.0
/*
 * minivmm: a virtual machine that lives through the host's live update.
 *
 *	minivmm start NAME [DEVICE]	a new guest
 *	minivmm resume NAME		the one that the previous kernel has handed over
 *
 * The session is called NAME, and comes from luod, who tells of updates as well: then
 * the guest is stopped and its state saved. SIGTERM ends it after its next report. DEVICE
 * is the address of an edu, QEMU's device for education, or of an e1000e, that vfio-pci
 * has; the guest has a use for it.
 *
 * Until FINISH nothing of what was handed over is changed: a resume that fails or is
 * killed can be tried again. From then on the guest runs, and is this process's.
 *
 * There is one thread. Signals are blocked but in KVM_RUN, which they end, and are
 * taken by sigwaitinfo(2): none can be missed, and none comes in between.
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

#include <liveupdate.h>

#include "vm.h"

enum { TOKEN_RAM = 1, TOKEN_STATE, TOKEN_VFIO, TOKEN_IOMMUFD };

/* luod has said something; the device's timer; the end. */
static sigset_t signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGTERM);
	return set;
}

static void take_signals_in_guest(const struct vm *vm)
{
	/* A struct kvm_signal_mask: a length, and an empty set, as the kernel has it. */
	const uint32_t none[3] = { 2 * sizeof(none[0]) };

	vm_ioctl(vm, vm->vcpu, KVM_SET_SIGNAL_MASK, none, "signals");
}

/* Memory and state are handed over from now on, whatever is written to them. */
static int hand_over(struct vm *vm)
{
	int ret = state_forget(vm->state_fd), session;

	if (ret < 0)
		return ret;
	session = lu_client_create(vm->luod, vm->name);
	if (session < 0)
		return session;
	ret = lu_preserve_fd(session, vm->ram_fd, TOKEN_RAM);
	if (!ret)
		ret = lu_preserve_fd(session, vm->state_fd, TOKEN_STATE);
	if (!ret && vm->vfio)
		ret = passthrough_preserve(vm, session, TOKEN_VFIO, TOKEN_IOMMUFD);
	if (!ret)
		vm->session = session;
	else
		close(session);
	return ret;
}

static void start(struct vm *vm, const char *device)
{
	struct vm_state trial = {};
	int err;

	vm->ram_fd = ram_create();
	if (vm->ram_fd < 0)
		vm_fail(vm, "memory: %s", strerror(-vm->ram_fd));
	vm->state_fd = state_create();
	if (vm->state_fd < 0)
		vm_fail(vm, "state: %s", strerror(-vm->state_fd));
	vm_create(vm);
	if (device)
		passthrough_open(vm, device);
	vm_boot(vm);
	/* A guest that could not be saved is not begun. */
	vm_save(vm, &trial);
	err = hand_over(vm);
	if (err)
		vm_fail(vm, "the guest can't be handed over: %s", strerror(-err));
}

static int retrieve(const struct vm *vm, int session, uint64_t token, const char *what)
{
	int fd = lu_retrieve_fd(session, token);

	if (fd < 0)
		vm_fail(vm, "%s can't be retrieved: %s", what, strerror(-fd));
	return fd;
}

static void resume(struct vm *vm)
{
	int session = lu_client_retrieve(vm->luod, vm->name), err;
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
	if (state.ioas)
		passthrough_adopt(vm, retrieve(vm, session, TOKEN_VFIO, "device"),
				  retrieve(vm, session, TOKEN_IOMMUFD, "iommufd"), state.ioas);
	vm->device = state.device;
	vcpu_restore(vm, &state.vcpu, &state.clock);
	err = lu_finish(session);
	if (err)
		vm_fail(vm, "the session can't be finished: %s", strerror(-err));
	close(session);
	err = hand_over(vm);
	/* A guest that runs is worth more than one that could be updated again. */
	if (err)
		vm_say(vm, "the guest won't live through the next update: %s", strerror(-err));
	vm->pause = clock_pause(vm, &state.clock);
	device_resume(vm);
}

static void take_signal(struct vm *vm, int signal)
{
	switch (signal) {
	case SIGIO:
		luod_listen(vm);
		break;
	case SIGALRM:
		device_done(vm);
		break;
	case SIGTERM:
		if (vm->stopped)
			exit(0);
		device_end(vm);
		break;
	}
}

static void take_signals(struct vm *vm)
{
	const struct timespec now = {};
	sigset_t set = signals();
	int signal;

	for (;;) {
		while ((signal = sigtimedwait(&set, NULL, &now)) > 0)
			take_signal(vm, signal);
		/*
		 * What comes between a turn and its report is no gap that this one has: it is
		 * stopped when it has reported.
		 */
		if (vm->asked && vm->device.busy)
			luod_answer(vm);
		else if (vm->stopped)
			take_signal(vm, sigwaitinfo(&set, NULL));
		else
			return;
	}
}

static void run_guest(struct vm *vm)
{
	const struct kvm_run *run = vm->run;

	for (;;) {
		if (ioctl(vm->vcpu, KVM_RUN, NULL) < 0) {
			if (errno != EINTR)
				vm_fail(vm, "the guest can't run: %s", strerror(errno));
			take_signals(vm);
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
	bool resumed = argc == 3 && !strcmp(argv[1], "resume");
	sigset_t set = signals();
	int err;

	if (!resumed && (argc < 3 || argc > 4 || strcmp(argv[1], "start"))) {
		fprintf(stderr, "usage: minivmm start NAME [DEVICE] | resume NAME\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	vm.name = argv[2];
	vm.session = -1;
	err = lu_connect(NULL, &vm.luod);
	if (err)
		vm_fail(&vm, "luod: %s", strerror(-err));
	if (resumed)
		resume(&vm);
	else
		start(&vm, argv[3]);
	passthrough_begin(&vm);
	luod_subscribe(&vm);
	take_signals_in_guest(&vm);
	run_guest(&vm);
}

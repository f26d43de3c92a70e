// SPDX-License-Identifier: GPL-2.0
/*
 * luod's word: the guest is stopped when there will be an update, and goes on if there
 * is none after all. A guest without luod runs; it can't be updated until luod is back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <liveupdate.h>

#include "vm.h"

void vm_save(struct vm *vm, struct vm_state *state)
{
	clock_save(vm);
	vcpu_save(vm, &state->vcpu);
	state->ram_size = GUEST_RAM;
	state->clock = vm->clock;
	state->device = vm->device;
	state->ioas = passthrough_ioas(vm);
}

static int stop(struct vm *vm)
{
	struct vm_state state = {};
	int err = passthrough_end(vm);

	if (!err) {
		vm_save(vm, &state);
		err = state_write(vm->state_fd, &state);
	}
	if (err) {
		vm_say(vm, "the state can't be saved: %s", strerror(-err));
		passthrough_begin(vm);
		return err;
	}
	vm->stopped = true;
	vm_say(vm, "stopped after turn %llu", (unsigned long long)vm->device.turn);
	return 0;
}

static void go_on(struct vm *vm)
{
	struct clock_state stopped = vm->clock;
	int err;

	if (!vm->stopped)
		return;
	/* What is saved is old from now on. */
	err = state_forget(vm->state_fd);
	if (err)
		vm_fail(vm, "the state can't be written: %s", strerror(-err));
	vm->stopped = false;
	vm->pause = clock_pause(vm, &stopped);
	passthrough_begin(vm);
	device_resume(vm);
}

static void lost(struct vm *vm, int err)
{
	vm_say(vm, "luod: %s", strerror(-err));
	lu_disconnect(vm->luod);
	vm->luod = NULL;
	vm->asked = false;
	go_on(vm);
}

/* The first look is ours to take: what has come is not signalled again. */
static int subscribe(struct vm *vm)
{
	int fd = lu_client_fd(vm->luod), err;

	err = lu_client_subscribe(vm->luod);
	if (err)
		return err;
	if (fcntl(fd, F_SETOWN, getpid()) ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) || raise(SIGIO))
		return -errno;
	return 0;
}

void luod_subscribe(struct vm *vm)
{
	int err = vm->session < 0 ? 0 : subscribe(vm);

	if (err)
		lost(vm, err);
}

void luod_connect_again(struct vm *vm)
{
	int err;

	if (vm->session < 0 || lu_connect(NULL, &vm->luod))
		return;
	err = subscribe(vm);
	if (err)
		lost(vm, err);
	else
		vm_say(vm, "luod is back");
}

void luod_listen(struct vm *vm)
{
	struct lu_event event;
	int ret = 0;

	while (vm->luod && (ret = lu_client_event(vm->luod, &event)) > 0) {
		vm->asked = event.type == LU_EVENT_PREPARE;
		vm->update = event.update;
		if (!vm->asked)
			go_on(vm);
	}
	if (ret < 0)
		lost(vm, ret);
}

void luod_answer(struct vm *vm)
{
	int err = stop(vm), ret;

	vm->asked = false;
	ret = lu_client_ready(vm->luod, vm->update, -err);
	/* ESTALE: it has been given up, which is the next event. */
	if (ret < 0 && ret != -ESTALE)
		lost(vm, ret);
	else
		raise(SIGIO);
}

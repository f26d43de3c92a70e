// SPDX-License-Identifier: GPL-2.0-only
/*
 * luqemu: an unmodified QEMU that lives through live updates. See luqemu(1).
 *
 * The guest's memory is a memfd that QEMU maps by its number and that is preserved all
 * the time. Before an update the guest is stopped, and QEMU writes all else that is of
 * the guest into a second memfd, as if it were to migrate (x-ignore-shared: without the
 * memory). In the next kernel a new QEMU with the same arguments reads that.
 *
 * Invariants:
 *  - the guest runs unless luod was told that it is ready and has not taken it back;
 *  - a session is finished when QEMU has all of the guest, and before that runs: until
 *    then another luqemu can try, and never is there a second one that runs;
 *  - what is unplugged for an update is plugged in again when the guest goes on.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <liveupdate.h>

#include "devices.h"
#include "qmp.h"

#define START_MS	(60 * 1000)
#define RETRY_MS	1000
/* What luqemu adds to QEMU's arguments, and a NULL. */
#define MORE_ARGS	16

enum { TOKEN_MEMORY = 1, TOKEN_STATE };

struct vm {
	const char *name;
	const char *memory_size;
	struct lu_client *luod;
	/* luod has gone, and may come back. */
	bool alone;
	int session;
	int memory;
	bool preserved;
	/* While the guest is stopped for an update, otherwise -1. */
	int state;
	bool stopped;
	/* QEMU's devices of the host, if these are to be unplugged for an update. */
	bool unplug;
	bool unplugged;
	struct devices devices;
	pid_t qemu;
	int pidfd;
	struct qmp qmp;
};

/* What must not fail. Nobody has seen the guest run: it is as it was. */
static int must(struct vm *vm, int ret, const char *what)
{
	if (ret >= 0)
		return ret;
	if (vm->qemu > 0)
		kill(vm->qemu, SIGKILL);
	if (vm->session >= 0)
		lu_client_release(vm->luod, vm->name);
	errno = -ret;
	err(1, "%s: %s", vm->name, what);
}

/* Bytes in "512M"; 0 if it is no size. */
static off_t parse_size(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	unsigned long long number = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int shift = unit ? 10 * (unit - units + 1) : 0;

	if (*text < '0' || *text > '9' || (*end && (!unit || end[1])) ||
	    number > (unsigned long long)INT64_MAX >> shift)
		return 0;
	return number << shift;
}

static int new_memfd(const char *name, off_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC), ret;

	if (fd >= 0 && !ftruncate(fd, size))
		return fd;
	ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

static void start_qemu(struct vm *vm, char **args, bool incoming)
{
	char object[256], chardev[64], **all;
	int sockets[2], count = 0;

	while (args[count])
		count++;
	all = calloc(count + MORE_ARGS, sizeof(*all));
	must(vm, all && !socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) ? 0 : -errno, "QEMU");
	snprintf(object, sizeof(object),
		 "memory-backend-file,id=luqemu,size=%s,share=on,mem-path=/proc/self/fd/%d",
		 vm->memory_size, vm->memory);
	snprintf(chardev, sizeof(chardev), "socket,id=luqemu,fd=%d", sockets[1]);
	memcpy(all, args, count * sizeof(*all));
	memcpy(all + count, (char *[]) {
		/*
		 * What could not be saved is refused now, not in the update. QEMU would
		 * refuse what is plugged in later, too.
		 */
		vm->unplug ? "-S" : "-only-migratable",
		"-m", (char *)vm->memory_size, "-object", object,
		"-machine", "memory-backend=luqemu", "-chardev", chardev,
		"-mon", "chardev=luqemu,mode=control",
		incoming ? "-incoming" : NULL, "defer",
	}, 13 * sizeof(*all));
	vm->qemu = fork();
	must(vm, vm->qemu < 0 ? -errno : 0, "fork");
	if (!vm->qemu) {
		close(sockets[0]);
		/* The only ones that it gets. */
		if (fcntl(vm->memory, F_SETFD, 0) == 0)
			execvp(all[0], all);
		err(127, "%s", all[0]);
	}
	close(sockets[1]);
	free(all);
	fcntl(sockets[0], F_SETFD, FD_CLOEXEC);
	vm->pidfd = pidfd_open(vm->qemu, 0);
	must(vm, vm->pidfd < 0 ? -errno : 0, "pidfd");
	vm->qmp.event = devices_event;
	vm->qmp.event_data = &vm->devices;
	must(vm, qmp_open(&vm->qmp, sockets[0], qmp_deadline(START_MS)), "QEMU does not start");
}

static int preserve_memory(struct vm *vm)
{
	int ret = vm->preserved ? 0 : lu_preserve_fd(vm->session, vm->memory, TOKEN_MEMORY);

	vm->preserved = !ret;
	return ret;
}

/* For the next update. */
static void create_session(struct vm *vm)
{
	vm->session = must(vm, lu_client_create(vm->luod, vm->name), "no session");
	must(vm, lu_client_subscribe(vm->luod), "luod won't tell of updates");
}

/* Has the user asked for a guest that does not run yet? */
static bool wants_to_wait(char **args)
{
	while (*args && strcmp(*args, "-S") && strcmp(*args, "--S"))
		args++;
	return *args;
}

static void new_guest(struct vm *vm, char **args)
{
	vm->memory = must(vm, new_memfd(vm->name, parse_size(vm->memory_size)), "memory");
	create_session(vm);
	must(vm, preserve_memory(vm), "memory");
	start_qemu(vm, args, false);
	if (!vm->unplug)
		return;
	must(vm, qmp_can_save(&vm->qmp, qmp_deadline(START_MS)), "could not be saved");
	must(vm, devices_plug(&vm->devices, &vm->qmp, qmp_deadline(START_MS)), "devices");
	if (!wants_to_wait(args))
		must(vm, qmp_continue(&vm->qmp, qmp_deadline(START_MS)), "does not run");
}

/* What fails is tried again, see run(). */
static void plug_devices(struct vm *vm)
{
	if (!devices_are_out(&vm->devices))
		return;
	if (!devices_plug(&vm->devices, &vm->qmp, qmp_deadline(START_MS)))
		printf("luqemu: %s has its devices\n", vm->name);
}

/* It was handed over by the previous kernel. */
static void restore_guest(struct vm *vm, char **args, int old)
{
	int state, ret;

	vm->memory = must(vm, lu_retrieve_fd(old, TOKEN_MEMORY), "memory");
	state = must(vm, lu_retrieve_fd(old, TOKEN_STATE), "state");
	create_session(vm);
	start_qemu(vm, args, true);
	must(vm, lseek(state, 0, SEEK_SET) ? -errno : 0, "state");
	must(vm, qmp_restore(&vm->qmp, state, qmp_deadline(START_MS)), "not restored");
	must(vm, lu_finish(old), "the session can't be finished");
	/* From here on the guest is nowhere else: it has to run, whatever fails. */
	close(old);
	close(state);
	qmp_continue(&vm->qmp, qmp_deadline(START_MS));
	printf("luqemu: %s goes on in a new kernel\n", vm->name);
	plug_devices(vm);
	ret = preserve_memory(vm);
	if (ret)
		warnx("%s: not preserved yet: %s", vm->name, strerror(-ret));
}

static void get_guest(struct vm *vm, char **args)
{
	int old = lu_client_retrieve(vm->luod, vm->name);

	/* Any other error: it is there, and must not be taken for a new one. */
	if (old == -ENOENT)
		new_guest(vm, args);
	else
		restore_guest(vm, args, must(vm, old, "the session can't be retrieved"));
}

static int unplug_devices(struct vm *vm, long deadline)
{
	vm->unplugged = true;
	return devices_unplug(&vm->devices, &vm->qmp, deadline);
}

static int save(struct vm *vm, unsigned int timeout_ms)
{
	long deadline = qmp_deadline(timeout_ms);
	int ret = preserve_memory(vm);

	/* The last quarter is for what has to be done then. */
	if (!ret)
		ret = unplug_devices(vm, deadline - timeout_ms / 4);
	if (!ret)
		ret = qmp_stop(&vm->qmp, deadline);
	if (ret)
		return ret;
	vm->stopped = true;
	vm->state = new_memfd("state", 0);
	if (vm->state < 0)
		return vm->state;
	ret = qmp_save(&vm->qmp, vm->state, deadline);
	return ret ? ret : lu_preserve_fd(vm->session, vm->state, TOKEN_STATE);
}

/* The one way back, however far it has come. */
static void go_on(struct vm *vm)
{
	if (vm->state >= 0) {
		lu_unpreserve_fd(vm->session, TOKEN_STATE);
		close(vm->state);
		vm->state = -1;
	}
	if (vm->stopped && !qmp_continue(&vm->qmp, qmp_deadline(START_MS)))
		printf("luqemu: %s goes on\n", vm->name);
	vm->stopped = false;
	vm->unplugged = false;
	plug_devices(vm);
}

static int prepare(struct vm *vm, const struct lu_event *event)
{
	int ret;

	go_on(vm);
	ret = save(vm, event->timeout_ms);
	if (ret)
		go_on(vm);
	else
		printf("luqemu: %s is stopped and saved\n", vm->name);
	return lu_client_ready(vm->luod, event->update, -ret);
}

/* All that luod has to say. */
static void listen_to_luod(struct vm *vm)
{
	struct lu_event event;
	int ret;

	while ((ret = lu_client_event(vm->luod, &event)) > 0) {
		ret = 0;
		if (event.type == LU_EVENT_PREPARE)
			ret = prepare(vm, &event);
		else
			go_on(vm);
		/* ESTALE: the update has been given up; the next event says so. */
		if (ret && ret != -ESTALE)
			break;
	}
	if (ret >= 0)
		return;
	/* A luod that dies takes its update along, but not our session. */
	go_on(vm);
	vm->alone = true;
}

static int qemu_status(struct vm *vm)
{
	int status;

	if (waitpid(vm->qemu, &status, 0) != vm->qemu)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Is there something to be tried again? */
static int timeout(const struct vm *vm)
{
	return vm->alone || (devices_are_out(&vm->devices) && !vm->unplugged) ? RETRY_MS : -1;
}

static int run(struct vm *vm)
{
	struct pollfd pollers[] = {
		{ .fd = vm->pidfd, .events = POLLIN },
		{ .fd = vm->qmp.socket, .events = POLLIN },
		{ .events = POLLIN },
	};

	for (;;) {
		/* What QEMU has told may have been read with an answer, long ago. */
		if (pollers[1].fd >= 0 && qmp_drain(&vm->qmp))
			pollers[1].fd = -1;
		if (pollers[1].fd >= 0 && !vm->unplugged)
			plug_devices(vm);
		fflush(stdout);
		pollers[2].fd = vm->alone ? -1 : lu_client_fd(vm->luod);
		if (poll(pollers, 3, timeout(vm)) < 0 && errno != EINTR)
			err(1, "poll");
		if (pollers[0].revents)
			return qemu_status(vm);
		if (vm->alone && lu_client_reconnect(vm->luod) == 0)
			vm->alone = false;
		if (!vm->alone)
			listen_to_luod(vm);
	}
}

static int print_usage(FILE *out)
{
	fprintf(out, "usage: luqemu --name NAME --memory SIZE[KMGT] [--unplug]\n"
		"              QEMU [ARGUMENT]...\n");
	return out == stderr ? 2 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "memory", required_argument, NULL, 'm' },
		{ "unplug", no_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct vm vm = { .session = -1, .memory = -1, .state = -1 };
	int option, status;

	while ((option = getopt_long(argc, argv, "+n:m:uh", options, NULL)) != -1) {
		if (option == 'n')
			vm.name = optarg;
		else if (option == 'm')
			vm.memory_size = optarg;
		else if (option == 'u')
			vm.unplug = true;
		else
			return print_usage(option == 'h' ? stdout : stderr);
	}
	if (!vm.name || !vm.memory_size || optind == argc || !parse_size(vm.memory_size))
		return print_usage(stderr);
	if (vm.unplug)
		must(&vm, devices_take(&vm.devices, "vfio-pci", argv + optind), "devices");
	must(&vm, lu_connect(NULL, &vm.luod), "luod");
	get_guest(&vm, argv + optind);
	status = run(&vm);
	/* No guest, nothing to hand over. */
	if (!vm.alone)
		lu_client_release(vm.luod, vm.name);
	devices_free(&vm.devices);
	return status;
}

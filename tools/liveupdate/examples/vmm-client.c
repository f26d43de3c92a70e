// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine monitor that lives through live updates, without the virtual
 * machine: its guest is a counter in a memfd. It needs no privileges but a line in
 * luod.conf that lets it have the session.
 *
 *	vmm-client NAME
 *
 * There are two kinds of things to carry. The guest's memory is a memfd that is
 * preserved all the time: what the guest writes is taken along. What is in the VMM
 * itself, as the state of vCPUs and devices, is written down when luod says that there
 * will be an update, while the guest is stopped.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <liveupdate.h>

#define GUEST_MEMORY	(4UL << 20)

/* Tokens are the VMM's own choice. */
enum { TOKEN_MEMORY = 1, TOKEN_STATE };

struct vmm {
	const char *name;
	struct lu_client *luod;
	int session;
	int memory;
	int state_file;
	uint64_t *guest;
	/* What is not in the guest's memory. */
	struct state {
		uint64_t updates;
		uint64_t counter;
	} state;
};

/* What must not fail. */
static int must(int ret, const char *what)
{
	if (ret < 0) {
		errno = -ret;
		err(1, "%s", what);
	}
	return ret;
}

static int new_memfd(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size))
		err(1, "%s", name);
	return fd;
}

/* The guest is new, or was handed over by the previous kernel. */
static void get_guest(struct vmm *vmm)
{
	int old = lu_client_retrieve(vmm->luod, vmm->name);

	/* Any other error: it is there, and must not be taken for a new one. */
	if (old == -ENOENT) {
		vmm->memory = new_memfd("guest", GUEST_MEMORY);
		vmm->state_file = new_memfd("state", sizeof(vmm->state));
		return;
	}
	must(old, "the session can't be retrieved");
	vmm->memory = must(lu_retrieve_fd(old, TOKEN_MEMORY), "memory");
	vmm->state_file = must(lu_retrieve_fd(old, TOKEN_STATE), "state");
	if (pread(vmm->state_file, &vmm->state, sizeof(vmm->state), 0) != sizeof(vmm->state))
		err(1, "state");
	vmm->state.updates++;
	/* All is back: from here on these are ordinary files. */
	must(lu_finish(old), "the session can't be finished");
	close(old);
}

/* For the next update. A VMM that was started again has its session already. */
static void preserve_guest(struct vmm *vmm)
{
	vmm->session = must(lu_client_create(vmm->luod, vmm->name), "no session");
	must(lu_preserve_fd(vmm->session, vmm->memory, TOKEN_MEMORY), "memory");
	must(lu_preserve_fd(vmm->session, vmm->state_file, TOKEN_STATE), "state");
	must(lu_client_subscribe(vmm->luod), "luod won't tell of updates");
}

/* luod was started again: it has our session still, and there is no update. */
static void connect_again(struct vmm *vmm)
{
	while (lu_client_reconnect(vmm->luod))
		sleep(1);
	printf("%s: reconnected\n", vmm->name);
	fflush(stdout);
}

static void run_guest(struct vmm *vmm)
{
	vmm->guest[0] = ++vmm->state.counter;
	usleep(1000);
}

/* The guest is stopped here: it runs only in this thread. */
static int save(struct vmm *vmm, const struct lu_event *event)
{
	ssize_t put = pwrite(vmm->state_file, &vmm->state, sizeof(vmm->state), 0);

	return lu_client_ready(vmm->luod, event->update,
			       put == sizeof(vmm->state) ? 0 : EIO);
}

/* All that luod has to say. Returns whether the guest is to be stopped. */
static int listen_to_luod(struct vmm *vmm, int stopped)
{
	struct lu_event event;
	int ret;

	while ((ret = lu_client_event(vmm->luod, &event)) > 0) {
		stopped = event.type == LU_EVENT_PREPARE;
		if (stopped)
			ret = save(vmm, &event);
		/* ESTALE: the update has been given up; the next event says so. */
		if (ret < 0 && ret != -ESTALE)
			break;
		printf("%s: %s\n", vmm->name, stopped ? "stopped" : "goes on");
		fflush(stdout);
	}
	if (!ret)
		return stopped;
	connect_again(vmm);
	return 0;
}

int main(int argc, char **argv)
{
	struct vmm vmm = { .name = argv[1] };
	struct pollfd poller = { .events = POLLIN };
	int stopped = 0;

	if (argc != 2)
		errx(2, "usage: vmm-client NAME");
	must(lu_connect(NULL, &vmm.luod), "luod");
	get_guest(&vmm);
	preserve_guest(&vmm);
	vmm.guest = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, vmm.memory, 0);
	if (vmm.guest == MAP_FAILED)
		err(1, "guest");
	printf("%s: update %ju, guest at %ju, state at %ju\n", vmm.name,
	       (uintmax_t)vmm.state.updates, (uintmax_t)vmm.guest[0],
	       (uintmax_t)vmm.state.counter);
	fflush(stdout);
	for (;;) {
		if (!stopped)
			run_guest(&vmm);
		stopped = listen_to_luod(&vmm, stopped);
		poller.fd = lu_client_fd(vmm.luod);
		if (stopped)
			poll(&poller, 1, -1);
	}
}

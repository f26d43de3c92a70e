// SPDX-License-Identifier: GPL-2.0
/*
 * The example of Documentation/userspace-api/liveupdate.rst: a daemon that alone
 * may open /dev/liveupdate, and a virtual machine monitor that has from it one
 * session, by which the memory of its guest lives through a kexec.
 *
 *	luo_example luod SOCKET		hand out sessions
 *	luo_example vmm SOCKET NAME	count how often the guest was taken along
 *
 * The VMM prints one line, then waits for its end. It has no privileges.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/liveupdate.h>

#define GUEST_MEMORY	(4UL << 20)
/* Tokens are the VMM's own choice. */
#define TOKEN_MEMORY	1

/* The question is a name; the answer is one of these, and a session. */
enum luod_answer { LUOD_REFUSED, LUOD_NEW, LUOD_OLD };

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sun.sun_path))
		errx(1, "%s is too long for a socket", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	return sun;
}

static void send_answer(int client, char answer, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = { .iov_base = &answer, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(client, &msg, MSG_NOSIGNAL) < 0)
		warn("a client is gone");
}

static int receive_answer(int daemon, int *fd)
{
	char control[CMSG_SPACE(sizeof(*fd))], answer = LUOD_REFUSED;
	struct iovec iov = { .iov_base = &answer, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};

	if (recvmsg(daemon, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return LUOD_REFUSED;
	memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*fd));
	return answer;
}

/* What the previous kernel has handed over comes first. */
static int luod_session(int device, const char *name, int *fd)
{
	struct liveupdate_ioctl_retrieve_session old = { .size = sizeof(old) };
	struct liveupdate_ioctl_create_session new = { .size = sizeof(new) };

	memcpy(old.name, name, strnlen(name, sizeof(old.name) - 1));
	memcpy(new.name, old.name, sizeof(new.name));
	if (!ioctl(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &old)) {
		*fd = old.fd;
		return LUOD_OLD;
	}
	/* Any other error: it is there, and must not be taken for a new one. */
	if (errno == ENOENT && !ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &new)) {
		*fd = new.fd;
		return LUOD_NEW;
	}
	warn("session %s", name);
	return LUOD_REFUSED;
}

/* A real one asks who the client is (SO_PEERCRED), and serves many at a time. */
static int luod(const char *path)
{
	struct sockaddr_un sun = address(path);
	int device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	int server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (device < 0)
		err(1, "/dev/liveupdate");
	unlink(path);
	if (bind(server, (struct sockaddr *)&sun, sizeof(sun)) || chmod(path, 0666) ||
	    listen(server, 8))
		err(1, "%s", path);
	for (;;) {
		char name[LIVEUPDATE_SESSION_NAME_LENGTH] = {};
		int client = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		int answer, fd = -1;

		if (client < 0)
			continue;
		if (recv(client, name, sizeof(name) - 1, 0) > 0) {
			answer = luod_session(device, name, &fd);
			send_answer(client, answer, fd);
		}
		/* The VMM has the session now: it ends when the VMM does. */
		if (fd >= 0)
			close(fd);
		close(client);
	}
}

static int ask_luod(const char *path, const char *name, int *session)
{
	struct sockaddr_un sun = address(path);
	int daemon = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), answer;

	if (connect(daemon, (struct sockaddr *)&sun, sizeof(sun)) ||
	    send(daemon, name, strlen(name), 0) < 0)
		err(1, "%s", path);
	answer = receive_answer(daemon, session);
	close(daemon);
	return answer;
}

/* The guest's memory is back, with all that was written to it. */
static int retrieve_memory(int session)
{
	struct liveupdate_session_retrieve_fd retrieve = {
		.size = sizeof(retrieve), .token = TOKEN_MEMORY,
	};
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };

	if (ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &retrieve))
		err(1, "the guest's memory can't be retrieved");
	/* Fails with EBUSY as long as a file of the session was not retrieved. */
	if (ioctl(session, LIVEUPDATE_SESSION_FINISH, &finish))
		err(1, "the session can't be finished");
	close(session);
	return retrieve.fd;
}

static int create_memory(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, GUEST_MEMORY))
		err(1, "guest memory");
	return fd;
}

static int vmm(const char *path, const char *name)
{
	struct liveupdate_session_preserve_fd preserve = {
		.size = sizeof(preserve), .token = TOKEN_MEMORY,
	};
	int session, memory;
	uint64_t *guest;

	switch (ask_luod(path, name, &session)) {
	case LUOD_OLD:
		memory = retrieve_memory(session);
		/* For the next time; only now is the name free again. */
		if (ask_luod(path, name, &session) != LUOD_NEW)
			errx(1, "no session");
		break;
	case LUOD_NEW:
		memory = create_memory();
		break;
	default:
		errx(1, "no session");
	}

	guest = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (guest == MAP_FAILED)
		err(1, "guest memory");
	preserve.fd = memory;
	if (ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &preserve))
		err(1, "the guest's memory can't be preserved");
	/* The guest runs on: what it writes until the kexec is taken along. */
	printf("%s: the guest was taken along %ju times\n", name, (uintmax_t)guest[0]++);
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "luod"))
		return luod(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "vmm"))
		return vmm(argv[2], argv[3]);
	fprintf(stderr, "usage: luo_example luod SOCKET | vmm SOCKET NAME\n");
	return 2;
}

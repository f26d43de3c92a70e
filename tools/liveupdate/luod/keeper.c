// SPDX-License-Identifier: GPL-2.0-only
/*
 * luod-keeper: run luod where there is no systemd to keep its descriptors.
 *
 *	luod-keeper [--directory DIR] COMMAND [ARGUMENT]...
 *
 * It is a descriptor store and nothing else: it speaks the part of sd_notify(3) that
 * has FDSTORE and FDSTOREREMOVE in it, starts the command with what it has as
 * sd_listen_fds(3) wants it, and starts it again when it dies.
 *
 * Why it is safe:
 *  - it does next to nothing that can fail. It never looks at a descriptor, has no
 *    clients, reads no file, and allocates nothing once it runs;
 *  - only its child is listened to: the socket is in a directory of root's, and the
 *    kernel says who has sent a datagram (SO_PASSCRED);
 *  - a datagram that the child has sent before it died is still in the queue, and is
 *    taken before the next child is started;
 *  - if the keeper itself dies, luod still has its descriptors, and says that the
 *    store is lost. Only if both die before the update are sessions lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEPER_DIRECTORY	"/run/luod-keeper"
#define KEEPER_MAX		4200
#define KEEPER_NAME		64
#define KEEPER_FIRST_FD		3
#define KEEPER_MIN_DELAY	100
#define KEEPER_MAX_DELAY	5000

struct kept {
	int fd;
	char name[KEEPER_NAME];
};

static struct keeper {
	int socket;
	int signals;
	pid_t child;
	bool stopping;
	/* The child has said that it works. */
	bool ready;
	unsigned int count;
	struct kept kept[KEEPER_MAX];
	/* For the child: all names, with colons between. */
	char names[KEEPER_MAX * KEEPER_NAME];
} keeper;

static void say(const char *event, const char *what, int number)
{
	fprintf(stderr, "luod-keeper: event=%s %s=%d\n", event, what, number);
}

static void keeper_put(const char *name, int fd)
{
	struct kept *kept = &keeper.kept[keeper.count];

	if (keeper.count == KEEPER_MAX) {
		say("full", "max", KEEPER_MAX);
		close(fd);
		return;
	}
	kept->fd = fd;
	snprintf(kept->name, sizeof(kept->name), "%s", name);
	keeper.count++;
}

static void keeper_remove(const char *name)
{
	unsigned int i, left = 0;

	for (i = 0; i < keeper.count; i++) {
		if (strcmp(keeper.kept[i].name, name))
			keeper.kept[left++] = keeper.kept[i];
		else
			close(keeper.kept[i].fd);
	}
	keeper.count = left;
}

/* What is no request for a store is for other managers. Takes @fd. */
static void keeper_obey(char *text, int fd)
{
	bool put = false, remove = false;
	char *line, *save = NULL;
	const char *name = "";

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, "FDSTORE=1"))
			put = true;
		else if (!strcmp(line, "FDSTOREREMOVE=1"))
			remove = true;
		else if (!strcmp(line, "READY=1"))
			keeper.ready = true;
		else if (!strncmp(line, "FDNAME=", 7))
			name = line + 7;
	}
	if (!*name || strlen(name) >= KEEPER_NAME || strchr(name, ':'))
		name = NULL;
	if (remove && name)
		keeper_remove(name);
	if (put && name && fd >= 0)
		keeper_put(name, fd);
	else if (fd >= 0)
		close(fd);
}

/* False if there is nothing to take. */
static bool keeper_take(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
	} control;
	char text[256];
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct ucred cred = {};
	struct cmsghdr *cmsg;
	int fds[2] = { -1, -1 };
	ssize_t got;

	got = recvmsg(keeper.socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EINTR;
	text[got] = '\0';
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		size_t size = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_type == SCM_CREDENTIALS && size == sizeof(cred))
			memcpy(&cred, CMSG_DATA(cmsg), sizeof(cred));
		else if (cmsg->cmsg_type == SCM_RIGHTS && size <= sizeof(fds))
			memcpy(fds, CMSG_DATA(cmsg), size);
	}
	if (msg.msg_flags & MSG_CTRUNC)
		say("truncated", "kept", keeper.count);
	/* One at a time is what luod sends. */
	if (fds[1] >= 0)
		close(fds[1]);
	if (cred.pid != keeper.child || cred.uid != geteuid() || msg.msg_flags & MSG_TRUNC) {
		say("foreign", "pid", cred.pid);
		if (fds[0] >= 0)
			close(fds[0]);
		return true;
	}
	keeper_obey(text, fds[0]);
	return true;
}

static void keeper_child_fds(void)
{
	char number[16], *at = keeper.names;
	unsigned int i;
	int fd;

	for (i = 0; i < keeper.count; i++) {
		/* Out of the way of those that get their numbers first. */
		fd = fcntl(keeper.kept[i].fd, F_DUPFD_CLOEXEC, KEEPER_FIRST_FD + (int)keeper.count);
		if (fd < 0)
			_exit(127);
		keeper.kept[i].fd = fd;
		at += sprintf(at, "%s%s", i ? ":" : "", keeper.kept[i].name);
	}
	for (i = 0; i < keeper.count; i++)
		if (dup2(keeper.kept[i].fd, KEEPER_FIRST_FD + i) < 0)
			_exit(127);
	if (!keeper.count)
		return;
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%u", keeper.count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", keeper.names, 1);
}

static void keeper_start(char **command)
{
	sigset_t none;

	keeper.child = fork();
	if (keeper.child < 0)
		say("fork", "errno", errno);
	if (keeper.child)
		return;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	keeper_child_fds();
	execvp(command[0], command);
	fprintf(stderr, "luod-keeper: event=exec command=%s errno=%d\n", command[0], errno);
	_exit(127);
}

/* True if the child has died; @status is how. */
static bool keeper_signal(int *status)
{
	struct signalfd_siginfo info;

	if (read(keeper.signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGCHLD)
		return waitpid(keeper.child, status, WNOHANG) == keeper.child;
	if (info.ssi_signo != SIGHUP)
		keeper.stopping = true;
	if (keeper.child > 0)
		kill(keeper.child, info.ssi_signo);
	return false;
}

/* Until the child dies. */
static int keeper_watch(void)
{
	struct pollfd pollers[] = {
		{ .fd = keeper.signals, .events = POLLIN },
		{ .fd = keeper.socket, .events = POLLIN },
	};
	int status = 0;

	for (;;) {
		if (poll(pollers, 2, -1) < 0)
			continue;
		if (pollers[1].revents)
			keeper_take();
		if (pollers[0].revents && keeper_signal(&status))
			break;
	}
	while (keeper_take())
		;
	return status;
}

static int keeper_run(char **command)
{
	int status, delay = KEEPER_MIN_DELAY;
	struct pollfd poller = { .fd = keeper.signals, .events = POLLIN };

	for (;;) {
		keeper.ready = false;
		keeper_start(command);
		status = keeper.child > 0 ? keeper_watch() : 0;
		if (keeper.stopping || (keeper.child > 0 && WIFEXITED(status) &&
					!WEXITSTATUS(status)))
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		say("restart", "status", status);
		/* One that does not get that far is not tried again and again. */
		if (keeper.ready)
			delay = KEEPER_MIN_DELAY;
		keeper.child = 0;
		/* A signal that is to end it ends the wait. */
		if (poll(&poller, 1, delay) > 0)
			keeper_signal(&status);
		if (keeper.stopping)
			return 1;
		delay = delay * 2 < KEEPER_MAX_DELAY ? delay * 2 : KEEPER_MAX_DELAY;
	}
}

static int keeper_open(const char *directory)
{
	struct rlimit limit = { .rlim_cur = 16384, .rlim_max = 16384 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char number[16];
	sigset_t set;
	int on = 1;

	if (setrlimit(RLIMIT_NOFILE, &limit) && !getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	keeper.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	keeper.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/notify", directory) >=
	    sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	if (mkdir(directory, 0700) && errno != EEXIST)
		return -errno;
	unlink(sun.sun_path);
	if (keeper.signals < 0 || keeper.socket < 0 ||
	    setsockopt(keeper.socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) ||
	    bind(keeper.socket, (struct sockaddr *)&sun, sizeof(sun)) ||
	    chmod(sun.sun_path, 0600))
		return -errno;
	snprintf(number, sizeof(number), "%d", KEEPER_MAX);
	setenv("FDSTORE", number, 1);
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
	return 0;
}

static int print_usage(FILE *out)
{
	fprintf(out, "usage: luod-keeper [--directory DIR] COMMAND [ARGUMENT]...\n");
	return out == stderr ? 2 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "directory", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	const char *directory = KEEPER_DIRECTORY;
	int option, ret;

	while ((option = getopt_long(argc, argv, "+d:h", options, NULL)) != -1) {
		if (option != 'd')
			return print_usage(option == 'h' ? stdout : stderr);
		directory = optarg;
	}
	if (optind == argc)
		return print_usage(stderr);
	setvbuf(stderr, NULL, _IOLBF, 0);
	ret = keeper_open(directory);
	if (ret) {
		say("start", "errno", -ret);
		return 1;
	}
	return keeper_run(argv + optind);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients that luod does not like, for luod_test.sh. Each prints one line that says what
 * has become of it.
 *
 *	luod_test fuzz N		N messages, few of them right
 *	luod_test crowd N COMMAND...	run a command with N connections open
 *	luod_test deaf			asks and asks, never reads
 *	luod_test generous N		sends descriptors that nobody wants
 *	luod_test subscribe ERROR	is never ready, for that reason
 *	luod_test mute			subscribes, and says nothing more
 *	luod_test die			subscribes, and ends when it is asked
 *	luod_test version		speaks another version
 *	luod_test starve PID COMMAND...	run a command while a process can't open anything
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdpass.h"
#include "proto.h"

static uint64_t seed = 88172645463325252ULL;

static uint64_t next(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static struct lu_client *must_connect(void)
{
	struct lu_client *client;
	int ret = lu_connect(NULL, &client);

	if (ret) {
		printf("no luod: %s\n", strerror(-ret));
		exit(1);
	}
	return client;
}

static int run_fuzz(unsigned long count)
{
	unsigned long answers = 0, connections = 1, i;
	struct lu_client *client = must_connect();
	struct luod_wire wire;
	struct luod_msg msg;
	char data[512];
	size_t size, at;
	int fd, ret;

	for (i = 0; i < count; i++) {
		msg = (struct luod_msg) {
			.op = next(LUOD_OPS + 2), .serial = i, .arg = { next(3), next(3) },
			.name = "fz-1",
		};
		luod_encode(&msg, &wire);
		memset(data, 0, sizeof(data));
		memcpy(data, &wire, sizeof(wire));
		size = sizeof(wire);
		for (at = next(3); at > 0; at--)
			data[next(sizeof(wire))] = next(256);
		if (!next(8))
			size = next(sizeof(data)) + 1;
		ret = lu_send(lu_client_fd(client), data, size, -1, 0);
		if (!ret)
			ret = lu_receive(lu_client_fd(client), data, sizeof(data), &fd, 0) > 0 ?
			      0 : -EPIPE;
		if (!ret) {
			answers++;
			if (fd >= 0)
				close(fd);
		} else {
			lu_disconnect(client);
			client = must_connect();
			connections++;
		}
	}
	printf("fuzz: %lu messages, %s, %s\n", count, answers > count / 4 ? "answers" : "silence",
	       connections > 1 ? "thrown out" : "not thrown out");
	return 0;
}

static int run_crowd(unsigned long count, char **command)
{
	struct rlimit limit = { 4096, 4096 };
	unsigned long served = 0, refused = 0, other = 0, i;
	struct lu_client **clients = calloc(count, sizeof(*clients));
	struct lu_status status;
	int ret;

	setrlimit(RLIMIT_NOFILE, &limit);
	for (i = 0; i < count; i++) {
		ret = lu_connect(NULL, &clients[i]);
		if (!ret)
			ret = lu_client_status(clients[i], &status);
		if (!ret)
			served++;
		else if (ret == -EUSERS)
			refused++;
		else
			other++;
	}
	printf("crowd: %lu served, %lu refused, %lu else\n", served, refused, other);
	fflush(stdout);
	if (!*command)
		return 0;
	if (!fork()) {
		execvp(command[0], command);
		_exit(127);
	}
	wait(&ret);
	return WEXITSTATUS(ret);
}

static int run_deaf(void)
{
	struct lu_client *client = must_connect();
	struct luod_msg msg = { .op = LUOD_STATUS };
	struct luod_wire wire;
	unsigned long i;
	int ret = 0;

	luod_encode(&msg, &wire);
	for (i = 0; !ret && i < 1000000; i++)
		ret = lu_send(lu_client_fd(client), &wire, sizeof(wire), -1, 0);
	printf("deaf: %s\n", ret == -EPIPE || ret == -ECONNRESET ? "dropped" : "not dropped");
	return 0;
}

static int run_generous(unsigned long count)
{
	struct lu_client *client = must_connect();
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd;
	struct luod_msg msg = { .op = LUOD_STATUS };
	struct luod_wire wire;
	unsigned long answers = 0, i;

	luod_encode(&msg, &wire);
	for (i = 0; i < count; i++) {
		if (lu_send(lu_client_fd(client), &wire, sizeof(wire), null, 0))
			break;
		answers += lu_receive(lu_client_fd(client), &wire, sizeof(wire), &fd, 0) ==
			   sizeof(wire);
		msg.error = 0;
		luod_encode(&msg, &wire);
	}
	printf("generous: %s\n", answers == count ? "answers" : "silence");
	return 0;
}

static int run_subscribe(int error)
{
	struct lu_client *client = must_connect();
	struct pollfd poller = { .fd = lu_client_fd(client), .events = POLLIN };
	struct lu_event event;
	int ret = lu_client_subscribe(client);

	printf("subscribe: %s\n", strerror(-ret));
	fflush(stdout);
	while (!ret) {
		poll(&poller, 1, -1);
		if (lu_client_event(client, &event) < 0)
			break;
		if (error < 0)
			break;
		if (error && event.type == LU_EVENT_PREPARE)
			ret = lu_client_ready(client, event.update, error);
	}
	return 0;
}

static int run_starve(pid_t pid, char **command)
{
	struct rlimit old, limit;
	char path[64], link[8];
	int status = 0;

	if (prlimit(pid, RLIMIT_NOFILE, NULL, &old))
		return 1;
	limit = old;
	/* All below the first one that is free are taken. */
	for (limit.rlim_cur = 0; ; limit.rlim_cur++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%lu", pid, limit.rlim_cur);
		if (readlink(path, link, sizeof(link)) < 0)
			break;
	}
	if (prlimit(pid, RLIMIT_NOFILE, &limit, NULL))
		return 1;
	if (!fork()) {
		execvp(command[0], command);
		_exit(127);
	}
	wait(&status);
	prlimit(pid, RLIMIT_NOFILE, &old, NULL);
	return WEXITSTATUS(status);
}

static int run_version(void)
{
	struct lu_client *client = must_connect();
	struct luod_msg msg = { .op = LUOD_STATUS };
	struct luod_wire wire;
	int fd;

	luod_encode(&msg, &wire);
	wire.version = 2;
	if (lu_send(lu_client_fd(client), &wire, sizeof(wire), -1, 0) ||
	    lu_receive(lu_client_fd(client), &wire, sizeof(wire), &fd, 0) != sizeof(wire) ||
	    luod_parse_answer(&wire, sizeof(wire), &msg))
		return 1;
	printf("version: %s\n", msg.op == LUOD_EVENT_BYE ? strerrorname_np(msg.error) : "?");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned long number = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;

	if (!strcmp(what, "fuzz"))
		return run_fuzz(number);
	if (!strcmp(what, "crowd"))
		return run_crowd(number, argv + 3);
	if (!strcmp(what, "deaf"))
		return run_deaf();
	if (!strcmp(what, "starve"))
		return run_starve(number, argv + 3);
	if (!strcmp(what, "generous"))
		return run_generous(number);
	if (!strcmp(what, "subscribe"))
		return run_subscribe(number);
	if (!strcmp(what, "mute"))
		return run_subscribe(0);
	if (!strcmp(what, "die"))
		return run_subscribe(-1);
	if (!strcmp(what, "version"))
		return run_version();
	return 2;
}

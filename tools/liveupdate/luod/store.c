// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors that survive luod: the file descriptor store of systemd, see
 * sd_notify(3) and sd_listen_fds(3), or luod-keeper, which speaks the same protocol.
 * It is a datagram with a descriptor, and a few variables of the environment; libsystemd
 * would be one more library in every initramfs for that.
 *
 * A datagram that was sent is not lost when luod dies: it is in the receiver's queue, and
 * the descriptor with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fdpass.h"
#include "luod.h"

#define STORE_FIRST_FD	3
#define STORE_MAX_FDS	(LUOD_MAX_SESSIONS + LUOD_OTHER_FDS)

/* No NOTIFY_SOCKET: nobody keeps anything. */
void store_open(struct store *store)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 2 };
	size_t len = path ? strlen(path) : 0;

	store->socket = -1;
	store->health = STORE_NONE;
	if (!len || len >= sizeof(sun.sun_path))
		return;
	memcpy(sun.sun_path, path, len);
	if (*path == '@')
		sun.sun_path[0] = '\0';
	store->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (store->socket < 0 ||
	    setsockopt(store->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    connect(store->socket, (struct sockaddr *)&sun,
		    offsetof(struct sockaddr_un, sun_path) + len)) {
		log_line(LOG_ERROR, "event=store socket=%s error=%s", path, log_errno(errno));
		store->health = STORE_LOST;
		return;
	}
	store->health = STORE_GOOD;
}

static void store_send(struct store *store, const char *text, int fd)
{
	int ret;

	if (store->health != STORE_GOOD)
		return;
	ret = lu_send(store->socket, text, strlen(text), fd, 0);
	if (!ret)
		return;
	/* What luod holds is safe as long as luod is. */
	log_line(LOG_ERROR, "event=store_lost error=%s", log_errno(ret));
	store->health = STORE_LOST;
}

void store_put(struct store *store, const char *name, int fd)
{
	char text[128];

	/* systemd polls what it keeps; sessions and memfds can't be. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	store_send(store, text, fd);
}

void store_remove(struct store *store, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	store_send(store, text, -1);
}

void store_say(struct store *store, const char *text)
{
	store_send(store, text, -1);
}

void store_session_name(char name[32], uint64_t id)
{
	snprintf(name, 32, "session-%llu", (unsigned long long)id);
}

static unsigned int store_number(const char *variable)
{
	const char *text = getenv(variable);
	unsigned long number = text ? strtoul(text, NULL, 10) : 0;

	return number > STORE_MAX_FDS && strcmp(variable, "LISTEN_PID") ? STORE_MAX_FDS : number;
}

/* store_take_all - what the store, or socket activation, has for this process */
unsigned int store_take_all(struct stored **result)
{
	unsigned int count = store_number("LISTEN_FDS"), i;
	const char *names = getenv("LISTEN_FDNAMES");
	struct stored *stored;
	size_t len;

	*result = NULL;
	if (!count || store_number("LISTEN_PID") != (unsigned int)getpid())
		return 0;
	stored = calloc(count, sizeof(*stored));
	if (!stored)
		return 0;
	for (i = 0; i < count; i++) {
		stored[i].fd = STORE_FIRST_FD + i;
		if (fcntl(stored[i].fd, F_SETFD, FD_CLOEXEC))
			stored[i].fd = -1;
		if (!names)
			continue;
		len = strcspn(names, ":");
		snprintf(stored[i].name, sizeof(stored[i].name), "%.*s", (int)len, names);
		names = names[len] ? names + len + 1 : NULL;
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	*result = stored;
	return count;
}

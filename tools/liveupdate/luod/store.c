// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors that survive luod: the file descriptor store of systemd, see
 * sd_notify(3) and sd_listen_fds(3), or luod-keeper, which speaks the same protocol.
 *
 * A datagram that was sent is not lost when luod dies: it is in the receiver's queue, and
 * the descriptor with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "luod.h"

/* No NOTIFY_SOCKET: nobody keeps anything. */
void store_open(struct store *store)
{
	store->health = getenv("NOTIFY_SOCKET") ? STORE_GOOD : STORE_NONE;
}

static void store_send(struct store *store, const char *text, const int *fd)
{
	int ret;

	if (store->health != STORE_GOOD)
		return;
	ret = sd_pid_notify_with_fds(0, 0, text, fd, fd ? 1 : 0);
	if (ret > 0)
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
	store_send(store, text, &fd);
}

void store_remove(struct store *store, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	store_send(store, text, NULL);
}

void store_say(struct store *store, const char *text)
{
	store_send(store, text, NULL);
}

void store_session_name(char name[32], uint64_t id)
{
	snprintf(name, 32, "session-%llu", (unsigned long long)id);
}

/* store_take_all - what the store, or socket activation, has for this process */
unsigned int store_take_all(struct stored **result)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names), i;
	struct stored *stored = count > 0 ? calloc(count, sizeof(*stored)) : NULL;

	*result = stored;
	if (count < 0)
		log_line(LOG_ERROR, "event=store error=%s", log_errno(count));
	for (i = 0; i < count; i++) {
		if (stored) {
			stored[i].fd = SD_LISTEN_FDS_START + i;
			snprintf(stored[i].name, sizeof(stored[i].name), "%s", names[i]);
		}
		free(names[i]);
	}
	free(names);
	return stored ? count : 0;
}

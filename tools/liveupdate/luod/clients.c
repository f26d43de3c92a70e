// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections. Anybody may connect, so nothing that a client does may cost the others
 * more than its share: each has one message at a time served, luod never waits for one,
 * keeps nothing of what it has said, and drops it if it does not read its answers.
 * Descriptors that a client sends are not taken: there is no room for them in recv(2).
 *
 * Invariant: a client that is dropped stays in the list, marked, until the end of the
 * turn. So whoever walks the list may drop any.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fdpass.h"
#include "luod.h"

static int client_peer(int socket, struct peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	/* The groups that it had when it connected, not those that it ought to have. */
	len = sizeof(peer->groups) - sizeof(*peer->groups);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &len))
		len = 0;
	peer->ngroups = len / sizeof(*peer->groups);
	peer->groups[peer->ngroups++] = cred.gid;
	return 0;
}

static unsigned int clients_of(const struct luod *luod, uid_t uid)
{
	const struct client *client;
	unsigned int count = 0;

	for (client = luod->clients; client; client = client->next)
		count += !client->gone && client->peer.uid == uid;
	return count;
}

static bool client_is_too_many(const struct luod *luod, uid_t uid)
{
	if (!uid)
		return luod->nr_clients >= luod->max_clients;
	return luod->nr_clients + LUOD_ROOT_CLIENTS >= luod->max_clients ||
	       clients_of(luod, uid) >= LUOD_USER_CLIENTS;
}

static void client_refuse(int socket, int error)
{
	struct luod_msg msg = { .op = LUOD_EVENT_BYE, .error = error < 0 ? -error : error };
	struct luod_wire wire;

	luod_encode(&msg, &wire);
	lu_send(socket, &wire, sizeof(wire), -1, MSG_DONTWAIT);
}

/* A connection that can't be had would be there again at once, for ever. */
static void clients_accept_spare(struct luod *luod)
{
	int socket;

	close(luod->spare);
	socket = accept4(luod->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket >= 0) {
		client_refuse(socket, EMFILE);
		close(socket);
	}
	luod->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int client_add(struct luod *luod, int socket)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct client *client = calloc(1, sizeof(*client));
	int ret;

	if (!client)
		return -ENOMEM;
	client->socket = socket;
	ret = client_peer(socket, &client->peer);
	if (!ret && client_is_too_many(luod, client->peer.uid))
		ret = -EUSERS;
	event.data.ptr = client;
	if (!ret && epoll_ctl(luod->epoll, EPOLL_CTL_ADD, socket, &event))
		ret = -errno;
	if (ret) {
		if (log_may_tell())
			log_line(LOG_WARNING, "event=refused uid=%u pid=%d error=%s",
				 client->peer.uid, client->peer.pid, log_errno(ret));
		free(client);
		return ret;
	}
	client->next = luod->clients;
	luod->clients = client;
	luod->nr_clients++;
	return 0;
}

void clients_accept(struct luod *luod)
{
	int socket = accept4(luod->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), ret;

	if (socket < 0) {
		if (errno == EMFILE || errno == ENFILE)
			clients_accept_spare(luod);
		return;
	}
	ret = client_add(luod, socket);
	if (ret) {
		client_refuse(socket, ret);
		close(socket);
	}
}

/* client_drop - @why is NULL if it has gone by itself */
void client_drop(struct luod *luod, struct client *client, const char *why)
{
	if (client->gone)
		return;
	if (why && log_may_tell())
		log_line(LOG_WARNING, "event=dropped uid=%u pid=%d why=%s", client->peer.uid,
			 client->peer.pid, why);
	client->gone = true;
	luod->any_gone = true;
	luod->nr_clients--;
	luod->nr_subscribers -= client->subscribed;
	epoll_ctl(luod->epoll, EPOLL_CTL_DEL, client->socket, NULL);
	update_client_gone(luod, client);
}

void clients_close_gone(struct luod *luod)
{
	struct client **at = &luod->clients, *client;

	if (!luod->any_gone)
		return;
	luod->any_gone = false;
	while ((client = *at)) {
		if (client->gone) {
			*at = client->next;
			close(client->socket);
			free(client);
		} else {
			at = &client->next;
		}
	}
}

/* client_send - one message, now or never */
int client_send(struct luod *luod, struct client *client, const struct luod_msg *msg, int fd)
{
	struct luod_wire wire;
	int ret;

	if (client->gone)
		return -EPIPE;
	luod_encode(msg, &wire);
	ret = lu_send(client->socket, &wire, sizeof(wire), fd, MSG_DONTWAIT);
	if (ret)
		client_drop(luod, client, ret == -EAGAIN ? "it-does-not-read" : NULL);
	return ret;
}

static int client_status(struct luod *luod, struct luod_msg *msg)
{
	msg->arg[0] = getpid();
	msg->arg[1] = sessions_count(&luod->sessions, LU_OUTGOING);
	msg->arg[2] = sessions_count(&luod->sessions, LU_INCOMING);
	msg->arg[3] = luod->nr_clients;
	msg->arg[4] = luod->nr_subscribers;
	if (luod->store.health == STORE_GOOD)
		msg->arg[5] |= LUOD_STORE;
	if (luod->store.health == STORE_LOST)
		msg->arg[5] |= LUOD_STORE_LOST;
	if (luod->update.step != UPDATE_NONE)
		msg->arg[5] |= LUOD_UPDATING;
	return 0;
}

static int client_list(struct luod *luod, const struct peer *peer, struct luod_msg *msg)
{
	uint64_t id = msg->arg[0];
	struct session *session;

	if (!id)
		sessions_sweep(luod);
	do {
		session = sessions_after(&luod->sessions, id);
		if (!session)
			return -ENOENT;
		id = session->id;
	} while (peer->uid && session->uid != peer->uid);
	msg->arg[0] = id;
	msg->arg[1] = session->direction == LU_INCOMING;
	msg->arg[2] = session->uid;
	msg->arg[3] = (session->fd >= 0 ? LUOD_HELD : 0) | (session->finished ? LUOD_FINISHED : 0);
	msg->arg[4] = session->retrieved;
	memcpy(msg->name, session->name, sizeof(msg->name));
	return 0;
}

static int client_report(const struct luod *luod, struct luod_msg *msg)
{
	msg->arg[0] = luod->state.last.prepare;
	msg->arg[1] = luod->state.last.ready;
	msg->arg[2] = luod->state.last.saved;
	msg->arg[3] = luod->state.started;
	msg->arg[4] = luod->state.last.clients;
	return 0;
}

/* 0, -errno, or %UPDATE_LATER; sessions are given in @fd. */
static int client_run(struct luod *luod, struct client *client, struct luod_msg *msg, int *fd)
{
	const struct peer *peer = &client->peer;

	switch (msg->op) {
	case LUOD_STATUS:
		return client_status(luod, msg);
	case LUOD_LIST:
		return client_list(luod, peer, msg);
	case LUOD_CREATE:
		*fd = session_create(luod, peer, msg->name);
		return *fd < 0 ? *fd : 0;
	case LUOD_GET:
		*fd = session_get(luod, peer, msg->name);
		return *fd < 0 ? *fd : 0;
	case LUOD_RETRIEVE:
		*fd = session_retrieve(luod, peer, msg->name);
		return *fd < 0 ? *fd : 0;
	case LUOD_RELEASE:
		return session_release(luod, peer, msg->name);
	case LUOD_FINISH:
		return session_finish(luod, peer, msg->name);
	case LUOD_SUBSCRIBE:
		return update_subscribe(luod, client);
	case LUOD_READY:
		return update_ready(luod, client, msg->arg[0], msg->arg[1]);
	case LUOD_PREPARE:
		return update_prepare(luod, client, msg);
	case LUOD_COMMIT:
		return update_commit(luod, client, msg->arg[0]);
	case LUOD_REPORT:
		return client_report(luod, msg);
	default:
		return -EOPNOTSUPP;
	}
}

static void client_answer(struct luod *luod, struct client *client, struct luod_msg *msg, int ret)
{
	int fd = -1;

	if (!ret)
		ret = client_run(luod, client, msg, &fd);
	if (ret == UPDATE_LATER)
		return;
	if (ret) {
		*msg = (struct luod_msg) { .op = msg->op, .serial = msg->serial, .error = -ret };
		fd = -1;
	}
	client_send(luod, client, msg, fd);
	crash_point("answered");
}

/* client_serve - one message of a client */
void client_serve(struct luod *luod, struct client *client)
{
	char data[sizeof(struct luod_wire)];
	struct luod_msg msg = {};
	ssize_t size;
	int ret;

	size = recv(client->socket, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		client_drop(luod, client, NULL);
		return;
	}
	ret = luod_parse_request(data, size, &msg);
	if (!ret || ret == -EOPNOTSUPP || ret == -EINVAL) {
		client_answer(luod, client, &msg, ret);
		return;
	}
	/* It speaks another language. */
	client_refuse(client->socket, ret);
	client_drop(luod, client, log_errno(ret));
}

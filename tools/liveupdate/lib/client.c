// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The client's side of luod's socket.
 *
 * Invariant: an answer that came too late, for a request that had timed out, is
 * known by its serial and dropped with its descriptor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fdpass.h"
#include "liveupdate.h"
#include "proto.h"

struct lu_client {
	int socket;
	struct sockaddr_un address;
	bool subscribed;
	int timeout;
	uint32_t serial;
	/* The last event that came while an answer was awaited. */
	struct lu_event event;
	bool has_event;
};

static int64_t lu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int lu_client_open(struct lu_client *client)
{
	int ret = 0;

	client->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (client->socket < 0 || connect(client->socket, (struct sockaddr *)&client->address,
					  sizeof(client->address)))
		ret = -errno;
	return ret;
}

int lu_connect(const char *path, struct lu_client **result)
{
	struct lu_client *client;
	int ret;

	if (!path)
		path = secure_getenv("LIVEUPDATE_SOCKET");
	if (!path)
		path = LU_SOCKET;
	if (strlen(path) >= sizeof(client->address.sun_path))
		return -ENAMETOOLONG;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->timeout = 10 * 1000;
	client->address.sun_family = AF_UNIX;
	memcpy(client->address.sun_path, path, strlen(path));
	ret = lu_client_open(client);
	if (ret) {
		lu_disconnect(client);
		return ret;
	}
	*result = client;
	return 0;
}

int lu_client_reconnect(struct lu_client *client)
{
	int ret;

	if (client->socket >= 0)
		close(client->socket);
	client->has_event = false;
	ret = lu_client_open(client);
	return ret || !client->subscribed ? ret : lu_client_subscribe(client);
}

void lu_disconnect(struct lu_client *client)
{
	if (!client)
		return;
	if (client->socket >= 0)
		close(client->socket);
	free(client);
}

int lu_client_fd(const struct lu_client *client)
{
	return client->socket;
}

void lu_client_set_timeout(struct lu_client *client, int milliseconds)
{
	client->timeout = milliseconds;
}

/* Wait for a message until @deadline, and read it. */
static int lu_client_receive(struct lu_client *client, int64_t deadline, struct luod_msg *msg,
			     int *fd)
{
	struct pollfd poller = { .fd = client->socket, .events = POLLIN };
	struct luod_wire wire;
	int64_t left = deadline - lu_now();
	ssize_t size;
	int ret;

	ret = poll(&poller, 1, left > 0 ? left : 0);
	if (ret < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!ret)
		return -ETIMEDOUT;
	size = lu_receive(client->socket, &wire, sizeof(wire), fd, MSG_DONTWAIT);
	/* That our last request was not read is told before what luod has said to it. */
	if (size == -ECONNRESET) {
		size = lu_receive(client->socket, &wire, sizeof(wire), fd, MSG_DONTWAIT);
		if (size == -EAGAIN)
			size = 0;
	}
	if (size <= 0)
		return size ? size : -ECONNRESET;
	ret = luod_parse_answer(&wire, size, msg);
	if (ret && *fd >= 0)
		close(*fd);
	return ret;
}

/* True if it was one; then it is kept. */
static bool lu_client_take_event(struct lu_client *client, const struct luod_msg *msg)
{
	struct lu_event event = { .update = msg->arg[0] };

	if (msg->op == LUOD_EVENT_PREPARE) {
		event.type = LU_EVENT_PREPARE;
		event.timeout_ms = msg->arg[1];
	} else if (msg->op == LUOD_EVENT_RESUME) {
		event.type = LU_EVENT_RESUME;
		event.error = msg->arg[1];
	} else {
		return false;
	}
	client->event = event;
	client->has_event = true;
	return true;
}

/* Ask, and wait. 0 or a descriptor, with the answer in @msg, or -errno. */
static int lu_client_ask(struct lu_client *client, struct luod_msg *msg, int64_t timeout)
{
	int64_t deadline = lu_now() + timeout;
	enum luod_op op = msg->op;
	struct luod_wire wire;
	int fd, ret;

	msg->serial = ++client->serial;
	luod_encode(msg, &wire);
	ret = lu_send(client->socket, &wire, sizeof(wire), -1, MSG_DONTWAIT);
	/* luod may have said why it closed the connection. */
	if (ret && ret != -EPIPE && ret != -ECONNRESET)
		return ret;
	for (;;) {
		fd = -1;
		ret = lu_client_receive(client, deadline, msg, &fd);
		if (ret == -EAGAIN)
			continue;
		if (ret)
			return ret;
		if (msg->op == LUOD_EVENT_BYE)
			break;
		if (!lu_client_take_event(client, msg) && msg->op == op &&
		    msg->serial == client->serial)
			break;
		if (fd >= 0)
			close(fd);
	}
	if (!msg->error)
		return fd >= 0 ? fd : 0;
	if (fd >= 0)
		close(fd);
	return -(int)msg->error;
}

static int lu_client_ask_named(struct lu_client *client, enum luod_op op, const char *name)
{
	struct luod_msg msg = { .op = op };

	if (strlen(name) >= sizeof(msg.name))
		return -ENAMETOOLONG;
	memcpy(msg.name, name, strlen(name));
	return lu_client_ask(client, &msg, client->timeout);
}

/* Descriptor 0 is one like any other; an answer without a session is not. */
static int lu_client_ask_session(struct lu_client *client, enum luod_op op, const char *name)
{
	int fd = lu_client_ask_named(client, op, name);

	if (fd < 0 || lu_is_session(fd))
		return fd;
	if (fd)
		close(fd);
	return -EPROTO;
}

int lu_client_create(struct lu_client *client, const char *name)
{
	return lu_client_ask_session(client, LUOD_CREATE, name);
}

int lu_client_get(struct lu_client *client, const char *name)
{
	return lu_client_ask_session(client, LUOD_GET, name);
}

int lu_client_retrieve(struct lu_client *client, const char *name)
{
	return lu_client_ask_session(client, LUOD_RETRIEVE, name);
}

int lu_client_release(struct lu_client *client, const char *name)
{
	return lu_client_ask_named(client, LUOD_RELEASE, name);
}

int lu_client_finish(struct lu_client *client, const char *name)
{
	return lu_client_ask_named(client, LUOD_FINISH, name);
}

int lu_client_list(struct lu_client *client, lu_session_fn fn, void *data)
{
	struct lu_session session;
	uint64_t id = 0;
	int ret;

	for (;;) {
		struct luod_msg msg = { .op = LUOD_LIST, .arg = { id } };

		ret = lu_client_ask(client, &msg, client->timeout);
		if (ret == -ENOENT)
			return 0;
		if (ret)
			return ret;
		/* It must come to an end. */
		if (msg.arg[0] <= id)
			return -EPROTO;
		id = msg.arg[0];
		memcpy(session.name, msg.name, sizeof(session.name));
		session.direction = msg.arg[1] ? LU_INCOMING : LU_OUTGOING;
		session.uid = msg.arg[2];
		session.held = !!(msg.arg[3] & LUOD_HELD);
		session.finished = !!(msg.arg[3] & LUOD_FINISHED);
		session.retrieved = msg.arg[4];
		ret = fn(&session, data);
		if (ret)
			return ret;
	}
}

int lu_client_status(struct lu_client *client, struct lu_status *status)
{
	struct luod_msg msg = { .op = LUOD_STATUS };
	int ret = lu_client_ask(client, &msg, client->timeout);

	if (ret)
		return ret;
	*status = (struct lu_status) {
		.pid = msg.arg[0],
		.outgoing = msg.arg[1],
		.incoming = msg.arg[2],
		.clients = msg.arg[3],
		.subscribers = msg.arg[4],
		.store = msg.arg[5] & LUOD_STORE_LOST ? -1 : !!(msg.arg[5] & LUOD_STORE),
		.updating = !!(msg.arg[5] & LUOD_UPDATING),
	};
	return 0;
}

int lu_client_report(struct lu_client *client, struct lu_report *report)
{
	struct luod_msg msg = { .op = LUOD_REPORT };
	int ret = lu_client_ask(client, &msg, client->timeout);

	if (ret)
		return ret;
	*report = (struct lu_report) {
		.prepare = msg.arg[0],
		.ready = msg.arg[1],
		.saved = msg.arg[2],
		.started = msg.arg[3],
		.clients = msg.arg[4],
	};
	return 0;
}

int lu_client_subscribe(struct lu_client *client)
{
	struct luod_msg msg = { .op = LUOD_SUBSCRIBE };
	int ret = lu_client_ask(client, &msg, client->timeout);

	client->subscribed |= !ret;
	return ret;
}

int lu_client_event(struct lu_client *client, struct lu_event *event)
{
	struct luod_msg msg;
	int fd = -1, ret;

	if (!client->has_event) {
		ret = lu_client_receive(client, 0, &msg, &fd);
		if (ret == -ETIMEDOUT || ret == -EAGAIN)
			return 0;
		if (ret)
			return ret;
		if (fd >= 0)
			close(fd);
		if (msg.op == LUOD_EVENT_BYE)
			return -(int)msg.error ? -(int)msg.error : -ECONNRESET;
		if (!lu_client_take_event(client, &msg))
			return 0;
	}
	*event = client->event;
	client->has_event = false;
	return 1;
}

int lu_client_ready(struct lu_client *client, uint64_t update, int error)
{
	struct luod_msg msg = { .op = LUOD_READY, .arg = { update, error } };

	return lu_client_ask(client, &msg, client->timeout);
}

int lu_client_prepare(struct lu_client *client, unsigned int timeout_ms, int force,
		      struct lu_prepared *prepared)
{
	struct luod_msg msg = { .op = LUOD_PREPARE, .arg = { timeout_ms, !!force } };
	/* luod is the one to say that the time is over. */
	int ret = lu_client_ask(client, &msg, (int64_t)timeout_ms + client->timeout);

	/* Without an answer they are still what was asked. */
	if (ret && !msg.error)
		memset(msg.arg, 0, sizeof(msg.arg));
	*prepared = (struct lu_prepared) {
		.update = msg.arg[0],
		.ready = msg.arg[1],
		.failed = msg.arg[2],
		.pid = msg.arg[3],
		.uid = msg.arg[4],
		.error = msg.arg[5],
	};
	return ret;
}

int lu_client_commit(struct lu_client *client, uint64_t update)
{
	struct luod_msg msg = { .op = LUOD_COMMIT, .arg = { update } };

	return lu_client_ask(client, &msg, client->timeout);
}

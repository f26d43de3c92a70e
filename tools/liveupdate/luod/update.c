// SPDX-License-Identifier: GPL-2.0-only
/*
 * An update: all subscribers are asked to get ready, then the state is saved, then who
 * has asked for the update calls reboot(2). Until then, the connection by which it was
 * asked for stands for it: if that is closed, all go on as if nothing had happened.
 *
 *	NONE -> PREPARING -> READY -> COMMITTED -> the next kernel
 *	  ^---------'----------'----------'
 */
#include <errno.h>
#include <string.h>

#include "luod.h"

#define UPDATE_MAX_TIMEOUT	(3600 * 1000)

static void update_answer(struct luod *luod, struct client *owner, int error)
{
	struct update *update = &luod->update;
	struct luod_msg msg = {
		.op = LUOD_PREPARE, .serial = update->serial, .error = -error,
		.arg = { update->id, update->ready, update->failed, update->pid, update->uid,
			 update->error },
	};

	client_send(luod, owner, &msg, -1);
}

static void update_broadcast(struct luod *luod, enum luod_op op, uint64_t arg)
{
	struct luod_msg msg = { .op = op, .arg = { luod->update.id, arg } };
	struct client *client;

	for (client = luod->clients; client; client = client->next)
		if (client->subscribed)
			client_send(luod, client, &msg, -1);
}

/* The one way back. */
static void update_end(struct luod *luod, int error)
{
	struct update *update = &luod->update;
	enum update_step step = update->step;
	struct client *client, *owner = update->owner;
	int ret;

	log_line(LOG_WARNING, "event=update step=given-up id=%llu error=%s",
		 (unsigned long long)update->id, log_errno(error));
	/* From here on the loss of a client is no matter of the update. */
	update->step = UPDATE_NONE;
	update->owner = NULL;
	if (step == UPDATE_PREPARING)
		update_answer(luod, owner, error);
	memset(&luod->state.next, 0, sizeof(luod->state.next));
	for (client = luod->clients; client; client = client->next)
		client->asked = false;
	update_broadcast(luod, LUOD_EVENT_RESUME, -error);
	if (step != UPDATE_COMMITTED)
		return;
	ret = state_save(luod);
	if (ret)
		log_line(LOG_ERROR, "event=save error=%s", log_errno(ret));
}

/* Is everybody ready? */
static void update_check(struct luod *luod)
{
	struct update *update = &luod->update;
	struct client *client;

	for (client = luod->clients; client; client = client->next)
		if (client->asked && !client->gone)
			return;
	update->step = UPDATE_READY;
	luod->state.next.ready = luod_ticks();
	log_line(LOG_INFO, "event=update step=ready id=%llu ready=%llu failed=%llu",
		 (unsigned long long)update->id, (unsigned long long)update->ready,
		 (unsigned long long)update->failed);
	update_answer(luod, update->owner, 0);
}

/* A client is not ready, and will not be. */
static void update_fail(struct luod *luod, struct client *client, int error, int result)
{
	struct update *update = &luod->update;

	client->asked = false;
	update->failed++;
	update->pid = client->peer.pid;
	update->uid = client->peer.uid;
	update->error = error;
	log_line(LOG_WARNING, "event=update step=not-ready id=%llu uid=%u pid=%d error=%s",
		 (unsigned long long)update->id, client->peer.uid, client->peer.pid,
		 log_errno(error));
	if (!update->force)
		update_end(luod, result);
	else
		update_check(luod);
}

static void update_ask(struct luod *luod, struct client *client)
{
	struct luod_msg msg = {
		.op = LUOD_EVENT_PREPARE,
		.arg = { luod->update.id, luod->update.deadline - luod_now() },
	};

	client_send(luod, client, &msg, -1);
}

int update_prepare(struct luod *luod, struct client *client, const struct luod_msg *msg)
{
	struct update *update = &luod->update;
	struct client *other;

	if (client->peer.uid)
		return -EPERM;
	if (update->step != UPDATE_NONE)
		return -EBUSY;
	if (msg->arg[0] > UPDATE_MAX_TIMEOUT || msg->arg[1] > 1)
		return -EINVAL;
	*update = (struct update) {
		.step = UPDATE_PREPARING,
		.force = msg->arg[1],
		.id = update->id + 1,
		.owner = client,
		.serial = msg->serial,
		.deadline = luod_now() + (int64_t)msg->arg[0],
	};
	luod->state.next = (struct state_times) {
		.prepare = luod_ticks(), .clients = luod->nr_subscribers,
	};
	log_line(LOG_INFO, "event=update step=prepare id=%llu pid=%d subscribers=%u",
		 (unsigned long long)update->id, client->peer.pid, luod->nr_subscribers);
	/* First all: the loss of one must not look as if nobody else were asked. */
	for (other = luod->clients; other; other = other->next)
		other->asked = other->subscribed && !other->gone;
	for (other = luod->clients; other; other = other->next)
		if (other->asked && update->step == UPDATE_PREPARING)
			update_ask(luod, other);
	/* By failing, the last one may have ended it already. */
	if (update->step == UPDATE_PREPARING)
		update_check(luod);
	return UPDATE_LATER;
}

int update_ready(struct luod *luod, struct client *client, uint64_t id, uint64_t error)
{
	struct update *update = &luod->update;

	if (error > 4095)
		return -EINVAL;
	if (update->step != UPDATE_PREPARING || id != update->id || !client->asked)
		return -ESTALE;
	if (error) {
		update_fail(luod, client, error, -ECANCELED);
		return 0;
	}
	client->asked = false;
	update->ready++;
	update_check(luod);
	return 0;
}

int update_commit(struct luod *luod, struct client *client, uint64_t id)
{
	struct update *update = &luod->update;
	int ret;

	if (client->peer.uid)
		return -EPERM;
	if (update->step != UPDATE_READY || client != update->owner || id != update->id)
		return -ESTALE;
	update->step = UPDATE_COMMITTED;
	luod->state.next.saved = luod_ticks();
	ret = state_save(luod);
	if (ret) {
		update_end(luod, ret);
		return ret;
	}
	log_line(LOG_INFO, "event=update step=committed id=%llu", (unsigned long long)update->id);
	crash_point("committed");
	return 0;
}

/* update_subscribe - who has a session has a say */
int update_subscribe(struct luod *luod, struct client *client)
{
	if (client->peer.uid && !sessions_has_owner(&luod->sessions, client->peer.uid))
		return -EPERM;
	if (client->subscribed)
		return 0;
	/* What is ready can't become unready. */
	if (luod->update.step >= UPDATE_READY)
		return -EBUSY;
	client->subscribed = true;
	luod->nr_subscribers++;
	if (luod->update.step == UPDATE_PREPARING) {
		client->asked = true;
		update_ask(luod, client);
	}
	return 0;
}

void update_client_gone(struct luod *luod, struct client *client)
{
	struct update *update = &luod->update;

	if (client == update->owner)
		update_end(luod, -ECANCELED);
	else if (client->asked && update->step == UPDATE_PREPARING)
		update_fail(luod, client, EPIPE, -ECANCELED);
}

/* update_tick - is the time over? */
void update_tick(struct luod *luod)
{
	struct update *update = &luod->update;
	struct client *client;

	if (update->step != UPDATE_PREPARING || luod_now() < update->deadline)
		return;
	for (client = luod->clients; client; client = client->next)
		if (client->asked && !client->gone && update->step == UPDATE_PREPARING)
			update_fail(luod, client, ETIMEDOUT, -ETIMEDOUT);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands to QEMU and its answers: a line of JSON each. One command at a time; its
 * answer has its number, so one that was not waited for is not taken for the next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "fdpass.h"
#include "qmp.h"

#define QMP_POLL_MS	5

long qmp_deadline(unsigned int milliseconds)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + milliseconds;
}

/* One line without its end, to be read before the next one; or -errno. */
static int qmp_line(struct qmp *qmp, char *line, size_t size, long deadline)
{
	struct pollfd poller = { .fd = qmp->socket, .events = POLLIN };
	char *end;
	size_t len;
	ssize_t got;
	long left;

	while (!(end = memchr(qmp->buffer, '\n', qmp->used))) {
		left = deadline - qmp_deadline(0);
		if (qmp->used == sizeof(qmp->buffer))
			return -EMSGSIZE;
		if (poll(&poller, 1, left > 0 ? left : 0) == 0)
			return -ETIMEDOUT;
		got = read(qmp->socket, qmp->buffer + qmp->used, sizeof(qmp->buffer) - qmp->used);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (!got)
			return -EPIPE;
		qmp->used += got > 0 ? got : 0;
	}
	len = end - qmp->buffer;
	if (len < size) {
		memcpy(line, qmp->buffer, len);
		line[len] = '\0';
	}
	qmp->used -= len + 1;
	memmove(qmp->buffer, end + 1, qmp->used);
	return len < size ? 0 : -EMSGSIZE;
}

const char *qmp_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		return NULL;
	return json_object_get_string(value);
}

/*
 * The next that QEMU says, to be put; NULL is in @message if it was an event, which is
 * dealt with then.
 */
static int qmp_message(struct qmp *qmp, struct json_object **message, long deadline)
{
	char line[sizeof(qmp->buffer)];
	int ret = qmp_line(qmp, line, sizeof(line), deadline);

	if (ret)
		return ret;
	*message = json_tokener_parse(line);
	if (json_object_is_type(*message, json_type_object)) {
		if (!qmp_text(*message, "event"))
			return 0;
		if (qmp->event)
			qmp->event(qmp->event_data, *message);
	} else {
		ret = -EPROTO;
	}
	json_object_put(*message);
	*message = NULL;
	return ret;
}

/* The answer to the last command, or, before the first one, the greeting. To be put. */
static int qmp_answer(struct qmp *qmp, struct json_object **answer, long deadline)
{
	struct json_object *id;
	unsigned int serial;
	int ret;

	for (;;) {
		ret = qmp_message(qmp, answer, deadline);
		if (ret)
			return ret;
		serial = 0;
		if (json_object_object_get_ex(*answer, "id", &id))
			serial = json_object_get_int64(id);
		if (*answer && serial == qmp->serial)
			return 0;
		json_object_put(*answer);
	}
}

static int qmp_send(struct qmp *qmp, const char *command, const char *arguments, int fd)
{
	char *line;
	int ret;

	/* QEMU takes these quotation marks, too. */
	if (asprintf(&line, "{'execute':'%s','id':%u,'arguments':%s}", command, ++qmp->serial,
		     arguments) < 0)
		return -ENOMEM;
	ret = lu_send(qmp->socket, line, strlen(line), fd, 0);
	free(line);
	return ret;
}

/* @result, if it is not NULL, is to be put. */
static int qmp_ask(struct qmp *qmp, const char *command, const char *arguments, int fd,
		   struct json_object **result, long deadline)
{
	struct json_object *answer, *error;
	const char *text;
	int ret;

	ret = qmp_send(qmp, command, arguments, fd);
	if (!ret)
		ret = qmp_answer(qmp, &answer, deadline);
	if (ret) {
		fprintf(stderr, "luqemu: QEMU: %s: %s\n", command, strerror(-ret));
		return ret;
	}
	if (json_object_object_get_ex(answer, "error", &error)) {
		text = qmp_text(error, "desc");
		if (!qmp->quiet)
			fprintf(stderr, "luqemu: QEMU: %s: %s\n", command, text ? text : "refused");
		ret = -EIO;
	} else if (result) {
		*result = json_object_get(json_object_object_get(answer, "return"));
	}
	json_object_put(answer);
	return ret;
}

static int qmp_do(struct qmp *qmp, const char *command, const char *arguments, long deadline)
{
	return qmp_ask(qmp, command, arguments, -1, NULL, deadline);
}

int qmp_command(struct qmp *qmp, const char *command, struct json_object *arguments,
		struct json_object **result, long deadline)
{
	return qmp_ask(qmp, command, arguments ? json_object_to_json_string(arguments) : "{}", -1,
		       result, deadline);
}

int qmp_open(struct qmp *qmp, int socket, long deadline)
{
	struct json_object *greeting;
	int ret;

	qmp->socket = socket;
	qmp->serial = 0;
	qmp->used = 0;
	ret = qmp_answer(qmp, &greeting, deadline);
	if (ret)
		return ret;
	json_object_put(greeting);
	ret = qmp_do(qmp, "qmp_capabilities", "{}", deadline);
	if (ret)
		return ret;
	/* The guest's memory stays where it is. */
	return qmp_do(qmp, "migrate-set-capabilities",
		      "{'capabilities':[{'capability':'x-ignore-shared','state':true}]}", deadline);
}

int qmp_stop(struct qmp *qmp, long deadline)
{
	return qmp_do(qmp, "stop", "{}", deadline);
}

int qmp_continue(struct qmp *qmp, long deadline)
{
	return qmp_do(qmp, "cont", "{}", deadline);
}

int qmp_can_save(struct qmp *qmp, long deadline)
{
	struct json_object *result, *reasons;
	size_t i, count = 0;
	int ret = qmp_ask(qmp, "query-migrate", "{}", -1, &result, deadline);

	if (ret)
		return ret;
	/* Versions before 6.0 do not tell. */
	if (json_object_object_get_ex(result, "blocked-reasons", &reasons))
		count = json_object_array_length(reasons);
	for (i = 0; i < count; i++)
		fprintf(stderr, "luqemu: QEMU: %s\n",
			json_object_get_string(json_object_array_get_idx(reasons, i)));
	json_object_put(result);
	return count ? -EOPNOTSUPP : 0;
}

/* Is it completed (1), or not yet (0)? */
static int qmp_is_completed(struct qmp *qmp, long deadline)
{
	struct json_object *result;
	const char *status;
	int ret = qmp_ask(qmp, "query-migrate", "{}", -1, &result, deadline);

	if (ret)
		return ret;
	status = qmp_text(result, "status");
	if (status && !strcmp(status, "completed"))
		ret = 1;
	else if (status && (!strcmp(status, "failed") || !strcmp(status, "cancelled")))
		ret = -EIO;
	json_object_put(result);
	if (ret < 0)
		fprintf(stderr, "luqemu: QEMU: the state is not whole\n");
	return ret;
}

static int qmp_wait(struct qmp *qmp, long deadline)
{
	int ret;

	while ((ret = qmp_is_completed(qmp, deadline)) == 0) {
		if (qmp_deadline(0) >= deadline)
			return -ETIMEDOUT;
		poll(NULL, 0, QMP_POLL_MS);
	}
	return ret < 0 ? ret : 0;
}

static int qmp_transfer(struct qmp *qmp, const char *command, int fd, long deadline)
{
	int ret = qmp_ask(qmp, "getfd", "{'fdname':'state'}", fd, NULL, deadline);

	if (!ret)
		ret = qmp_do(qmp, command, "{'uri':'fd:state'}", deadline);
	return ret ? ret : qmp_wait(qmp, deadline);
}

int qmp_save(struct qmp *qmp, int fd, long deadline)
{
	int ret = qmp_transfer(qmp, "migrate", fd, deadline);

	/* What is late must not be taken for the next one. */
	if (ret == -ETIMEDOUT)
		qmp_do(qmp, "migrate_cancel", "{}", qmp_deadline(1000));
	return ret;
}

int qmp_restore(struct qmp *qmp, int fd, long deadline)
{
	return qmp_transfer(qmp, "migrate-incoming", fd, deadline);
}

int qmp_listen(struct qmp *qmp, long deadline)
{
	struct json_object *message;
	int ret = qmp_message(qmp, &message, deadline);

	/* An answer is one that was not waited for. */
	if (!ret)
		json_object_put(message);
	return ret;
}

int qmp_drain(struct qmp *qmp)
{
	int ret;

	do {
		ret = qmp_listen(qmp, 0);
	} while (!ret);
	return ret == -ETIMEDOUT ? 0 : ret;
}

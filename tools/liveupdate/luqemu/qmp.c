// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands to QEMU and its answers: a line of JSON each. One command at a time, and
 * events in between are dropped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "fdpass.h"
#include "qmp.h"

#define QMP_POLL_MS	5
#define STATUS_SIZE	32

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

static const char *qmp_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		return NULL;
	return json_object_get_string(value);
}

/* The next answer, or the greeting: what is no event. To be put. */
static int qmp_answer(struct qmp *qmp, struct json_object **answer, long deadline)
{
	char line[sizeof(qmp->buffer)];
	int ret;

	for (;;) {
		ret = qmp_line(qmp, line, sizeof(line), deadline);
		if (ret)
			return ret;
		*answer = json_tokener_parse(line);
		if (!json_object_is_type(*answer, json_type_object)) {
			json_object_put(*answer);
			return -EPROTO;
		}
		if (!qmp_text(*answer, "event"))
			return 0;
		json_object_put(*answer);
	}
}

/* @status, of STATUS_SIZE bytes, is what the answer says by that name; or NULL. */
static int qmp_ask(struct qmp *qmp, const char *command, const char *arguments, int fd,
		   char *status, long deadline)
{
	struct json_object *answer, *error, *result;
	const char *text;
	char line[256];
	int ret;

	/* QEMU takes these quotation marks, too. */
	snprintf(line, sizeof(line), "{'execute':'%s','arguments':{%s}}", command, arguments);
	ret = lu_send(qmp->socket, line, strlen(line), fd, 0);
	if (!ret)
		ret = qmp_answer(qmp, &answer, deadline);
	if (ret) {
		fprintf(stderr, "luqemu: QEMU: %s: %s\n", command, strerror(-ret));
		return ret;
	}
	if (json_object_object_get_ex(answer, "error", &error)) {
		text = qmp_text(error, "desc");
		fprintf(stderr, "luqemu: QEMU: %s: %s\n", command, text ? text : "refused");
		ret = -EIO;
	} else if (status) {
		text = json_object_object_get_ex(answer, "return", &result) ?
		       qmp_text(result, "status") : NULL;
		snprintf(status, STATUS_SIZE, "%s", text ? text : "");
	}
	json_object_put(answer);
	return ret;
}

static int qmp_do(struct qmp *qmp, const char *command, const char *arguments, long deadline)
{
	return qmp_ask(qmp, command, arguments, -1, NULL, deadline);
}

int qmp_open(struct qmp *qmp, int socket, long deadline)
{
	struct json_object *greeting;
	int ret;

	qmp->socket = socket;
	qmp->used = 0;
	ret = qmp_answer(qmp, &greeting, deadline);
	if (ret)
		return ret;
	json_object_put(greeting);
	ret = qmp_do(qmp, "qmp_capabilities", "", deadline);
	if (ret)
		return ret;
	/* The guest's memory stays where it is. */
	return qmp_do(qmp, "migrate-set-capabilities",
		      "'capabilities':[{'capability':'x-ignore-shared','state':true}]", deadline);
}

int qmp_stop(struct qmp *qmp, long deadline)
{
	return qmp_do(qmp, "stop", "", deadline);
}

int qmp_continue(struct qmp *qmp, long deadline)
{
	return qmp_do(qmp, "cont", "", deadline);
}

static int qmp_wait(struct qmp *qmp, long deadline)
{
	char status[STATUS_SIZE];
	int ret;

	for (;;) {
		ret = qmp_ask(qmp, "query-migrate", "", -1, status, deadline);
		if (ret || !strcmp(status, "completed"))
			return ret;
		if (!strcmp(status, "failed") || !strcmp(status, "cancelled")) {
			fprintf(stderr, "luqemu: QEMU: the state is not whole\n");
			return -EIO;
		}
		if (qmp_deadline(0) >= deadline)
			return -ETIMEDOUT;
		poll(NULL, 0, QMP_POLL_MS);
	}
}

static int qmp_transfer(struct qmp *qmp, const char *command, int fd, long deadline)
{
	int ret = qmp_ask(qmp, "getfd", "'fdname':'state'", fd, NULL, deadline);

	if (!ret)
		ret = qmp_do(qmp, command, "'uri':'fd:state'", deadline);
	return ret ? ret : qmp_wait(qmp, deadline);
}

int qmp_save(struct qmp *qmp, int fd, long deadline)
{
	int ret = qmp_transfer(qmp, "migrate", fd, deadline);

	/* What is late must not be taken for the next one. */
	if (ret == -ETIMEDOUT)
		qmp_do(qmp, "migrate_cancel", "", qmp_deadline(1000));
	return ret;
}

int qmp_restore(struct qmp *qmp, int fd, long deadline)
{
	return qmp_transfer(qmp, "migrate-incoming", fd, deadline);
}

int qmp_drain(struct qmp *qmp)
{
	char line[sizeof(qmp->buffer)];
	int ret;

	do {
		ret = qmp_line(qmp, line, sizeof(line), 0);
	} while (!ret);
	return ret == -ETIMEDOUT ? 0 : ret;
}

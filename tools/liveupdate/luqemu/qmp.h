/* SPDX-License-Identifier: GPL-2.0-only */
/* The QEMU Machine Protocol, as far as a live update needs it. */
#ifndef LUQEMU_QMP_H
#define LUQEMU_QMP_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/**
 * struct qmp - a connection to QEMU
 * @event: is called for what QEMU tells unasked, whatever the connection waits for
 * @event_data: for @event
 * @quiet: what QEMU refuses was told before
 */
struct qmp {
	int socket;
	unsigned int serial;
	void (*event)(void *data, struct json_object *event);
	void *event_data;
	bool quiet;
	size_t used;
	char buffer[65536];
};

/*
 * All return 0 or -errno, and have said on stderr what QEMU has to say; what QEMU refuses
 * is -EIO. @deadline is in milliseconds of CLOCK_MONOTONIC.
 */
int qmp_open(struct qmp *qmp, int socket, long deadline);
int qmp_stop(struct qmp *qmp, long deadline);
int qmp_continue(struct qmp *qmp, long deadline);
/* As QEMU is now, all of it can be saved. */
int qmp_can_save(struct qmp *qmp, long deadline);
/* All but the guest's memory goes to @fd, or comes from it. */
int qmp_save(struct qmp *qmp, int fd, long deadline);
int qmp_restore(struct qmp *qmp, int fd, long deadline);
/* Any command. @arguments may be NULL, @result, too; otherwise it is to be put. */
int qmp_command(struct qmp *qmp, const char *command, struct json_object *arguments,
		struct json_object **result, long deadline);
/* The next that QEMU tells unasked. */
int qmp_listen(struct qmp *qmp, long deadline);
/* All that it has told. -EPIPE: it has gone. */
int qmp_drain(struct qmp *qmp);

/* The text of that name in @object, or NULL. */
const char *qmp_text(struct json_object *object, const char *key);

long qmp_deadline(unsigned int milliseconds);

#endif /* LUQEMU_QMP_H */

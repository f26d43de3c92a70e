/* SPDX-License-Identifier: GPL-2.0-only */
/* The QEMU Machine Protocol, as far as a live update needs it. */
#ifndef LUQEMU_QMP_H
#define LUQEMU_QMP_H

#include <stddef.h>

struct qmp {
	int socket;
	size_t used;
	char buffer[65536];
};

/*
 * All return 0 or -errno, and have said on stderr what QEMU has to say. @deadline is in
 * milliseconds of CLOCK_MONOTONIC.
 */
int qmp_open(struct qmp *qmp, int socket, long deadline);
int qmp_stop(struct qmp *qmp, long deadline);
int qmp_continue(struct qmp *qmp, long deadline);
/* All but the guest's memory goes to @fd, or comes from it. */
int qmp_save(struct qmp *qmp, int fd, long deadline);
int qmp_restore(struct qmp *qmp, int fd, long deadline);
/* What QEMU tells unasked is of no interest. -EPIPE: it has gone. */
int qmp_drain(struct qmp *qmp);

long qmp_deadline(unsigned int milliseconds);

#endif /* LUQEMU_QMP_H */

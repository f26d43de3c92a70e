/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * luctl: live update from the command line.
 *
 *	luctl.c		arguments, commands, errors
 *	sessions.c	commands on luod's sessions
 *	update.c	luctl update
 *	types.c		what the next kernel has to know
 *	report.c	luctl status, luctl report
 *	output.c	text for people and pipes, JSON
 */
#ifndef LUCTL_H
#define LUCTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "liveupdate.h"

enum luctl_exit {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_NO_LUOD,
	EXIT_REFUSED,
	EXIT_NOT_FOUND,
	EXIT_NOT_READY,
};

struct luctl {
	bool json;
	const char *socket;
	struct lu_client *client;
};

/* luctl.c */
/* One line on stderr; what to exit with for @error, 0 or -errno. */
int luctl_fail(int error, const char *format, ...);
/* For a command that has other arguments than it takes: what to exit with. */
int luctl_wrong_number(char **argv);
/* Connect to luod; 0, or what to exit with. */
int luctl_connect(struct luctl *luctl);

/* The commands: what to exit with. argv[0] is the command's name. */
int cmd_status(struct luctl *luctl, int argc, char **argv);
int cmd_report(struct luctl *luctl, int argc, char **argv);
int cmd_sessions(struct luctl *luctl, int argc, char **argv);
int cmd_show(struct luctl *luctl, int argc, char **argv);
int cmd_create(struct luctl *luctl, int argc, char **argv);
int cmd_preserve(struct luctl *luctl, int argc, char **argv);
int cmd_unpreserve(struct luctl *luctl, int argc, char **argv);
int cmd_retrieve(struct luctl *luctl, int argc, char **argv);
int cmd_finish(struct luctl *luctl, int argc, char **argv);
int cmd_release(struct luctl *luctl, int argc, char **argv);
int cmd_update(struct luctl *luctl, int argc, char **argv);

/* sessions.c */
const char *session_state(const struct lu_session *session);

/* types.c */
/*
 * How many files that are preserved are of none of these types, separated by commas, or
 * "mainline". Each has a line on stderr. Or -errno.
 */
int types_check(const char *types);

/* report.c */
/* The first line of a file of /sys or /proc; false if there is none. */
bool luctl_read(const char *path, char *line, size_t size);

/* output.c: objects of values, and arrays of objects. Text has one line for each. */
void out_begin(bool json);
void out_end(void);
void out_array_begin(const char *key);
void out_array_end(void);
void out_row_begin(void);
void out_row_end(void);
void out_text(const char *key, const char *value);
void out_number(const char *key, uint64_t value);
void out_real(const char *key, double value);
void out_bool(const char *key, bool value);
/* What is not known. */
void out_none(const char *key);

#endif /* LUCTL_H */

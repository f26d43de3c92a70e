/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What can be done to a session only once, made to fail at each point: there are
 * many sessions that are the same, and with each of them it fails one point later.
 */
#ifndef LUO_SPARE_H
#define LUO_SPARE_H

#include <stdbool.h>

#include "luo_scenario.h"

/* Of the files; far apart, so that tables of tokens have to grow. */
#define SPARE_TOKEN(_n)	(1ULL << 12 * (_n))

struct spare {
	/* the names of the sessions begin like this, a number follows */
	const char *name;
	/* sessions, and files in each of them */
	int nr, nr_files;
	/* preserve these files in the session with that number */
	void (*fill)(int session, int number);
	/* is the first one of them what it was, in the next kernel? */
	bool (*is_whole)(int fd, int number);
	/* pages that are not preserved any more when a session is finished, or more */
	long pages;
	/* sessions that are finished, in the next kernel */
	int used;
};

/* What is made to fail. */
enum spare_step {
	SPARE_CLAIM,
	SPARE_RETRIEVE,
	SPARE_FINISH,
	SPARE_CLOSE,
	SPARE_DISCARD,
};

void spare_before(const struct spare *spare);
/* After luo_fail_setup(). Takes sessions until a pass meets no failure. */
void spare_sweep(struct spare *spare, enum spare_step step);
/* Those that are left. */
void spare_end(struct spare *spare);
/* All ways in which a session can end. After luo_log_hide(), which is over then. */
void spare_sweep_ends(struct spare *spare);

#endif /* LUO_SPARE_H */

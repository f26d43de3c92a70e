// SPDX-License-Identifier: GPL-2.0
/* The trace events, and what they tell of files and sessions. */
#include <linux/liveupdate.h>

#include "luo_file.h"
#include "luo_show.h"

#define CREATE_TRACE_POINTS
#include "luo_trace.h"

/**
 * luo_tell_file - a step of a file is done
 * @event: the event of that step
 * @set: the set that the file is in, or to be in
 * @file: the file, which has a handler
 * @ret: result of the step
 * @start: when it began, by ktime_get_ns()
 */
void luo_tell_file(luo_file_event event, struct luo_file_set *set,
		   struct luo_file *file, int ret, u64 start)
{
	u64 ns = ktime_get_ns() - start;
	char name[LUO_SHOWN_NAME_LEN];

	luo_shown_name(name, set->name);
	event(name, file->token, file->handler->compatible, ret, ns);
}

/**
 * luo_tell_session - a step of a session is done
 * @event: the event of that step
 * @session: its name
 * @ret: result of the step
 * @start: when it began, by ktime_get_ns()
 */
void luo_tell_session(luo_session_event event, const char *session, int ret,
		      u64 start)
{
	u64 ns = ktime_get_ns() - start;
	char name[LUO_SHOWN_NAME_LEN];

	luo_shown_name(name, session);
	event(name, ret, ns);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps and the trace events of them. While an event is off, nobody looks at
 * the clock, and a step costs what it did without the event.
 */
#ifndef _LUO_TRACE_H
#define _LUO_TRACE_H

#include <linux/timekeeping.h>
#include <linux/types.h>
#include <trace/events/liveupdate.h>

struct luo_file;
struct luo_file_set;

typedef void (*luo_file_event)(const char *session, u64 token,
			       const char *type, int ret, u64 ns);
typedef void (*luo_session_event)(const char *session, int ret, u64 ns);

void luo_tell_file(luo_file_event event, struct luo_file_set *set,
		   struct luo_file *file, int ret, u64 start);
void luo_tell_session(luo_session_event event, const char *session, int ret,
		      u64 start);

#define luo_trace_start(_event)						\
	(trace_##_event##_enabled() ? ktime_get_ns() : 0)

/* A step of a file, in the set or not; its result, 0 or a negative errno. */
#define luo_trace_file(_event, _set, _file, _step)			\
({									\
	u64 _start = luo_trace_start(_event);				\
	int _ret = (_step);						\
									\
	if (_start)							\
		luo_tell_file(trace_##_event, _set, _file, _ret,	\
			      _start);					\
	_ret;								\
})

/* A step of a session; its name is still there after it. */
#define luo_trace_session(_event, _name, _step)				\
({									\
	u64 _start = luo_trace_start(_event);				\
	int _ret = (_step);						\
									\
	if (_start)							\
		luo_tell_session(trace_##_event, _name, _ret, _start);	\
	_ret;								\
})

/* A step of data that files share. */
#define luo_trace_flb(_event, _flb, _step)				\
({									\
	u64 _start = luo_trace_start(_event);				\
	int _ret = (_step);						\
									\
	if (_start)							\
		trace_##_event((_flb)->compatible, _ret,		\
			       ktime_get_ns() - _start);		\
	_ret;								\
})

/* A step of the whole. */
#define luo_trace_all(_event, _step)					\
({									\
	u64 _start = luo_trace_start(_event);				\
	int _ret = (_step);						\
									\
	if (_start)							\
		trace_##_event(_ret, ktime_get_ns() - _start);		\
	_ret;								\
})

#endif /* _LUO_TRACE_H */

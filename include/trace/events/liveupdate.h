/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM liveupdate

#if !defined(_TRACE_LIVEUPDATE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_LIVEUPDATE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

/*
 * One event for each step: what it was done for, its result, and how long it
 * took. Names of sessions are escaped as in sysfs. There are no addresses.
 */

DECLARE_EVENT_CLASS(luo_file,
		    TP_PROTO(const char *session, u64 token, const char *type,
			     int ret, u64 ns),
		    TP_ARGS(session, token, type, ret, ns),
		    TP_STRUCT__entry(__string(session, session)
				     __field(u64, token)
				     __string(type, type)
				     __field(int, ret)
				     __field(u64, ns)),
		    TP_fast_assign(__assign_str(session);
				   __entry->token = token;
				   __assign_str(type);
				   __entry->ret = ret;
				   __entry->ns = ns;),
		    TP_printk("session=%s token=0x%llx type=%s ret=%d ns=%llu",
			      __get_str(session), __entry->token,
			      __get_str(type), __entry->ret, __entry->ns)
);

#define LUO_FILE_EVENT(_name)						\
	DEFINE_EVENT(luo_file, _name,					\
		     TP_PROTO(const char *session, u64 token,		\
			      const char *type, int ret, u64 ns),	\
		     TP_ARGS(session, token, type, ret, ns))

LUO_FILE_EVENT(luo_file_preserve);
LUO_FILE_EVENT(luo_file_unpreserve);
LUO_FILE_EVENT(luo_file_freeze);
LUO_FILE_EVENT(luo_file_unfreeze);
LUO_FILE_EVENT(luo_file_retrieve);
LUO_FILE_EVENT(luo_file_can_finish);
LUO_FILE_EVENT(luo_file_finish);

DECLARE_EVENT_CLASS(luo_session,
		    TP_PROTO(const char *session, int ret, u64 ns),
		    TP_ARGS(session, ret, ns),
		    TP_STRUCT__entry(__string(session, session)
				     __field(int, ret)
				     __field(u64, ns)),
		    TP_fast_assign(__assign_str(session);
				   __entry->ret = ret;
				   __entry->ns = ns;),
		    TP_printk("session=%s ret=%d ns=%llu", __get_str(session),
			      __entry->ret, __entry->ns)
);

#define LUO_SESSION_EVENT(_name)					\
	DEFINE_EVENT(luo_session, _name,				\
		     TP_PROTO(const char *session, int ret, u64 ns),	\
		     TP_ARGS(session, ret, ns))

LUO_SESSION_EVENT(luo_session_create);
LUO_SESSION_EVENT(luo_session_freeze);
LUO_SESSION_EVENT(luo_session_serialise);
LUO_SESSION_EVENT(luo_session_claim);
LUO_SESSION_EVENT(luo_session_finish);
LUO_SESSION_EVENT(luo_session_close);

DECLARE_EVENT_CLASS(luo_flb,
		    TP_PROTO(const char *flb, int ret, u64 ns),
		    TP_ARGS(flb, ret, ns),
		    TP_STRUCT__entry(__string(flb, flb)
				     __field(int, ret)
				     __field(u64, ns)),
		    TP_fast_assign(__assign_str(flb);
				   __entry->ret = ret;
				   __entry->ns = ns;),
		    TP_printk("flb=%s ret=%d ns=%llu", __get_str(flb),
			      __entry->ret, __entry->ns)
);

#define LUO_FLB_EVENT(_name)						\
	DEFINE_EVENT(luo_flb, _name,					\
		     TP_PROTO(const char *flb, int ret, u64 ns),	\
		     TP_ARGS(flb, ret, ns))

LUO_FLB_EVENT(luo_flb_preserve);
LUO_FLB_EVENT(luo_flb_unpreserve);
LUO_FLB_EVENT(luo_flb_retrieve);
LUO_FLB_EVENT(luo_flb_finish);

DECLARE_EVENT_CLASS(luo_all,
		    TP_PROTO(int ret, u64 ns),
		    TP_ARGS(ret, ns),
		    TP_STRUCT__entry(__field(int, ret)
				     __field(u64, ns)),
		    TP_fast_assign(__entry->ret = ret;
				   __entry->ns = ns;),
		    TP_printk("ret=%d ns=%llu", __entry->ret, __entry->ns)
);

#define LUO_ALL_EVENT(_name)						\
	DEFINE_EVENT(luo_all, _name,					\
		     TP_PROTO(int ret, u64 ns),				\
		     TP_ARGS(ret, ns))

LUO_ALL_EVENT(luo_freeze_all);
LUO_ALL_EVENT(luo_serialise_all);
LUO_ALL_EVENT(luo_load_all);

#endif /* _TRACE_LIVEUPDATE_H */

/* This part must be outside protection */
#include <trace/define_trace.h>

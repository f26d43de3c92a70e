/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live Update Orchestrator (LUO): sessions and files in the handover.
 *
 * The KHO subnode %LUO_FDT_NODE points to a &struct luo_ser. Sessions and the
 * files of each session are chains of blocks, see &struct kho_block_header_ser.
 */
#ifndef _LINUX_KHO_ABI_LUO_H
#define _LINUX_KHO_ABI_LUO_H

#include <linux/build_bug.h>
#include <linux/types.h>

#define LUO_FDT_NODE		"LUO"
#define LUO_COMPATIBLE		"luo-v5"

#define LUO_SESSION_NAME_LEN	64
#define LUO_FILE_COMPAT_LEN	48
#define LUO_FLB_NAME_LEN	48
/* Nothing near it is ever registered; a reader compares each with all others. */
#define LUO_FLB_MAX		1024UL

/**
 * struct luo_ser - root of the LUO state
 * @compatible: %LUO_COMPATIBLE, padded with NUL
 * @liveupdate_num: live updates since the last cold boot
 * @sessions_pa: first block of &struct luo_session_ser, 0 for none
 * @flbs_pa: &struct luo_flb_header_ser, 0 for none
 */
struct luo_ser {
	char compatible[8];
	u64 liveupdate_num;
	u64 sessions_pa;
	u64 flbs_pa;
} __packed;
static_assert(sizeof(struct luo_ser) == 32);

/**
 * struct luo_session_ser - one session
 * @name: unique, NUL-terminated, not empty
 * @files: first block of &struct luo_file_ser, 0 for none
 * @count: files in the session
 */
struct luo_session_ser {
	char name[LUO_SESSION_NAME_LEN];
	u64 files;
	u64 count;
} __packed;
static_assert(sizeof(struct luo_session_ser) == 80);

/**
 * struct luo_file_ser - one file of a session
 * @compatible: names the handler, NUL-terminated
 * @data: opaque, belongs to the handler
 * @token: unique in the session, chosen by user space
 */
struct luo_file_ser {
	char compatible[LUO_FILE_COMPAT_LEN];
	u64 data;
	u64 token;
} __packed;
static_assert(sizeof(struct luo_file_ser) == 64);

/**
 * struct luo_flb_header_ser - head of the table of data shared by files
 * @pgcnt: pages of the table, which is one preserved block
 * @count: &struct luo_flb_ser that follow, at most %LUO_FLB_MAX
 */
struct luo_flb_header_ser {
	u64 pgcnt;
	u64 count;
} __packed;
static_assert(sizeof(struct luo_flb_header_ser) == 16);

/**
 * struct luo_flb_ser - file-lifecycle-bound (FLB) data, shared by many files
 * @name: unique, NUL-terminated, not empty
 * @data: opaque, belongs to the FLB
 * @count: files that need it
 */
struct luo_flb_ser {
	char name[LUO_FLB_NAME_LEN];
	u64 data;
	u64 count;
} __packed;
static_assert(sizeof(struct luo_flb_ser) == 64);

#endif /* _LINUX_KHO_ABI_LUO_H */

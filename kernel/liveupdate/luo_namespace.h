/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_NAMESPACE_H
#define _LUO_NAMESPACE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rhashtable-types.h>

struct luo_session;

/**
 * struct luo_namespace - the sessions of one direction
 * @lock: protects everything here but @nr_with_files, and luo_session.claimed;
 *	the list may be read without it by who holds luo_reboot_lock for writing
 * @names: sessions by name
 * @list: sessions in the order of their creation
 * @nr_with_files: outgoing: sessions with files
 * @error: what it means if a name is not there
 */
struct luo_namespace {
	/* see the lock order in luo_session.c */
	struct mutex lock;
	struct rhashtable names;
	struct list_head list;
	atomic_t nr_with_files;
	int error;
};

extern struct luo_namespace luo_outgoing;
extern struct luo_namespace luo_incoming;

int luo_namespace_init(void);
int luo_namespace_add(struct luo_session *session);
struct luo_session *luo_namespace_find(struct luo_namespace *ns,
				       const char *name);
void luo_namespace_remove(struct luo_session *session);

#if IS_ENABLED(CONFIG_LIVEUPDATE_KUNIT_TEST)
void luo_namespace_forget_incoming(void);
#endif

#endif /* _LUO_NAMESPACE_H */

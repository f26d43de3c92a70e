/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_SESSION_H
#define _LUO_SESSION_H

#include <linux/list.h>
#include <linux/rhashtable-types.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/kho/abi/luo.h>

#include "luo_file.h"

struct file;
struct kernfs_node;

/**
 * struct luo_session - a set of files with a name
 * @name: unique in its direction, padded with NUL, fixed
 * @incoming: handed over by the previous kernel; to be handed over otherwise;
 *	fixed
 * @node: in the names of its namespace
 * @list: in the list of its namespace; empty if not there
 * @kn: in sysfs, or NULL; set before anybody else knows the session, then only
 *	taken away
 * @claimed: incoming: somebody has it
 * @announced: incoming: the one who has it knows; protected by @files.lock
 * @finished: incoming: nothing is left to be done; protected by @files.lock
 * @loaded: incoming: @files is filled; protected by @files.lock
 * @damaged: incoming: error for every attempt to claim it; protected by
 *	@files.lock
 * @with_files: outgoing: counted as one that has files; protected by @files.lock
 * @orphaned: closed after the reboot had begun; written by the one who closes
 *	it under luo_reboot_lock for reading, read under it for writing
 * @files: the files
 * @ser_files: incoming: where the table of files begins, fixed
 * @ser_count: incoming: how many it should have, fixed
 *
 * Protected by the lock of the namespace unless said otherwise.
 */
struct luo_session {
	char name[LUO_SESSION_NAME_LEN];
	bool incoming;
	struct rhash_head node;
	struct list_head list;
	struct kernfs_node *kn;
	bool claimed;
	bool announced;
	bool finished;
	bool loaded;
	int damaged;
	bool with_files;
	bool orphaned;
	struct luo_file_set files;
	u64 ser_files;
	u64 ser_count;
};

/* Held for reading by everything that user space asks for. */
extern struct rw_semaphore luo_reboot_lock;
/*
 * The reboot has begun; written under luo_reboot_lock for writing. It is under
 * the lock that the answer stays true.
 */
extern bool luo_rebooting;

/* sessions to be handed over */
struct luo_session *luo_session_create(const char *name);
int luo_session_preserve(struct luo_session *session, struct file *file,
			 u64 token);
int luo_session_freeze_all(void);
void luo_session_unfreeze_all(void);
int luo_session_serialise_all(u64 *first);
void luo_session_unserialise_all(void);
void luo_session_close_orphans(void);
void luo_session_count(unsigned long *outgoing, unsigned long *files,
		       unsigned long *incoming);

/* sessions that were handed over */
int luo_session_load_all(u64 first);
void luo_session_refuse_all(int error);
struct luo_session *luo_session_claim(const char *name);
void luo_session_announce(struct luo_session *session);
int luo_session_retrieve(struct luo_session *session, u64 token,
			 struct file **file);
int luo_session_finish(struct luo_session *session);

/* both */
struct luo_session *luo_session_alloc(const char *name, bool incoming);
void luo_session_free(struct luo_session *session);
int luo_session_unpreserve(struct luo_session *session, u64 token);
void luo_session_close(struct luo_session *session);

#endif /* _LUO_SESSION_H */

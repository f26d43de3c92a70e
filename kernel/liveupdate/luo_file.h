/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_FILE_H
#define _LUO_FILE_H

#include <linux/errno.h>
#include <linux/kho/abi/luo.h>
#include <linux/kho/block.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable-types.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct file;
struct liveupdate_file_handler;
struct liveupdate_file_op_args;

/**
 * struct luo_file_set - the files of one session, and what handlers know of it
 * @lock: the session's mutex; protects everything below
 * @name: name of the session, for the log, fixed
 * @tokens: files by token
 * @list: files in the order in which they were preserved
 * @count: files
 * @depth: files being retrieved, each but the first for the sake of another one
 * @nr_reaching: files with &liveupdate_file_ops.reaches_memory that were handed over,
 *	and have not been retrieved so far
 * @writer: what has been serialised, while a reboot is under way
 */
struct luo_file_set {
	/* see the lock order in luo_session.c */
	struct mutex lock;
	const char *name;
	struct xarray tokens;
	struct list_head list;
	unsigned long count;
	unsigned int depth;
	unsigned long nr_reaching;
	struct kho_block_writer writer;
};

/* A name is whatever user space made of it: escape it. */
#define luo_set_err(_set, fmt, ...)					\
({									\
	const char *_name = (_set)->name;				\
	pr_err("session '%*pE': " fmt, (int)strlen(_name), _name,	\
	       ##__VA_ARGS__);						\
})

/**
 * struct luo_file_id - what a file stands for
 * @handler: its handler
 * @id: as the handler says; the same for two files that stand for the same
 */
struct luo_file_id {
	const struct liveupdate_file_handler *handler;
	unsigned long id;
};

/**
 * struct luo_file - a file in a session
 * @list: in luo_file_set.list
 * @id_node: among all identities if @has_id, which have a lock of their own
 * @id: its identity
 * @has_id: nobody else can preserve what it stands for
 * @busy: it is being retrieved, and must not be for its own sake
 * @wanted: the owner of the session has asked for it
 * @handler: NULL in a session that was handed over until it is attached
 * @file: NULL in a session that was handed over until it is retrieved
 * @token: its name in the session, fixed
 * @data: belongs to the handler
 * @private_data: belongs to the handler
 * @retrieve_status: 0: not tried, 1: retrieved, or the error that remains
 * @rcu: somebody may be walking over @id_node
 * @compatible: of the handler; only in a session that was handed over
 *
 * Protected by the lock of its set.
 */
struct luo_file {
	struct list_head list;
	struct rhash_head id_node;
	struct luo_file_id id;
	bool has_id;
	bool busy;
	bool wanted;
	struct liveupdate_file_handler *handler;
	struct file *file;
	u64 token;
	u64 data;
	void *private_data;
	int retrieve_status;
	struct rcu_head rcu;
	char compatible[LUO_FILE_COMPAT_LEN];
};

/* Did an operation fail in passing, with nothing consumed? */
static inline bool luo_error_is_passing(int error)
{
	return error == -ENOMEM || error == -EINTR || error == -ERESTARTSYS ||
	       error == -EAGAIN;
}

int luo_file_init(void);
void luo_file_set_init(struct luo_file_set *set, const char *name);

/* luo_file.c for luo_file_out.c and luo_file_in.c */
struct luo_file *luo_file_alloc(u64 token);
void luo_file_free(struct luo_file_set *set, struct luo_file *file);
struct luo_file *luo_file_find(struct luo_file_set *set, u64 token);
int luo_file_reserve(struct luo_file_set *set, struct luo_file *file);
void luo_file_publish(struct luo_file_set *set, struct luo_file *file);
int luo_file_claim_id(struct luo_file *file);
void luo_file_release_id(struct luo_file *file);
struct liveupdate_file_op_args
luo_file_args(struct luo_file_set *set, struct luo_file *file);
void luo_file_keep(struct luo_file *file,
		   const struct liveupdate_file_op_args *args);

/* luo_file_out.c: files to be handed over */
int luo_file_set_preserve(struct luo_file_set *set, struct file *file,
			  u64 token);
int luo_file_set_unpreserve(struct luo_file_set *set, u64 token);
void luo_file_set_unpreserve_all(struct luo_file_set *set);
int luo_file_set_freeze(struct luo_file_set *set);
void luo_file_set_unfreeze(struct luo_file_set *set);
int luo_file_set_serialise(struct luo_file_set *set, u64 *first);

/* luo_file_in.c: files that were handed over */
void *luo_next_record(struct kho_block_reader *reader);
int luo_file_set_load(struct luo_file_set *set, u64 first, u64 count);
int luo_file_set_attach(struct luo_file_set *set);
int luo_file_set_retrieve(struct luo_file_set *set, u64 token,
			  struct file **file);
int luo_file_set_discard(struct luo_file_set *set, u64 token);
bool luo_file_set_can_finish(struct luo_file_set *set);
void luo_file_set_finish(struct luo_file_set *set);

#if IS_ENABLED(CONFIG_KUNIT)
void luo_file_set_drop(struct luo_file_set *set);
#endif

#endif /* _LUO_FILE_H */

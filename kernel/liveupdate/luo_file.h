/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_FILE_H
#define _LUO_FILE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "kho_block.h"

struct file;

/**
 * struct luo_file_set - the files of one session
 * @lock: the session's mutex; protects everything below
 * @session: what handlers get as the identity of the session, fixed
 * @name: name of the session, for the log, fixed
 * @tokens: files by token
 * @list: files in the order in which they were preserved
 * @count: files
 * @writer: what has been serialised, while a reboot is under way
 */
struct luo_file_set {
	/* see the lock order in luo_session.c */
	struct mutex lock;
	const void *session;
	const char *name;
	struct xarray tokens;
	struct list_head list;
	unsigned long count;
	struct kho_block_writer writer;
};

/* A name is whatever user space made of it: escape it. */
#define luo_set_err(_set, fmt, ...)					\
({									\
	const char *_name = (_set)->name;				\
	pr_err("session '%*pE': " fmt, (int)strlen(_name), _name,	\
	       ##__VA_ARGS__);						\
})

int luo_file_init(void);
void luo_file_set_init(struct luo_file_set *set, const void *session,
		       const char *name);

/* files to be handed over */
int luo_file_set_preserve(struct luo_file_set *set, struct file *file,
			  u64 token);
int luo_file_set_unpreserve(struct luo_file_set *set, u64 token);
void luo_file_set_unpreserve_all(struct luo_file_set *set);
int luo_file_set_freeze(struct luo_file_set *set);
void luo_file_set_unfreeze(struct luo_file_set *set);
int luo_file_set_serialise(struct luo_file_set *set, u64 *first);

/* files that were handed over */
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

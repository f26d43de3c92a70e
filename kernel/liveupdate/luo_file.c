// SPDX-License-Identifier: GPL-2.0
/*
 * The files of a session: what luo_file_out.c, for those to be handed over, and
 * luo_file_in.c, for those that were, have in common.
 *
 * Invariants:
 *  - a file is in the list and in the xarray of its set, or in neither;
 *  - each file of a set to be handed over, and each file that was retrieved,
 *    holds a reference to its struct file and the claim to its identity: no two
 *    files with the same identity are preserved at the same time;
 *  - each file that has a handler keeps the handler's module loaded;
 *  - a file that was handed over is given to its handler for finish() exactly
 *    once, or never, in which case its memory stays reserved.
 *
 * All functions but luo_file_init(), luo_file_set_init() and
 * liveupdate_file_is_preserved() are called with the lock of the set held, and
 * the operations of handlers run under it. The lock order is in luo_session.c.
 */
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "luo_file.h"
#include "luo_handler.h"

/* Identities of all preserved files. */
static struct rhashtable luo_file_ids;

static const struct rhashtable_params luo_file_ids_params = {
	.key_len = sizeof(struct luo_file_id),
	.key_offset = offsetof(struct luo_file, id),
	.head_offset = offsetof(struct luo_file, id_node),
	.automatic_shrinking = true,
};

/**
 * luo_file_init - set up the table of identities
 *
 * Return: 0 or -ENOMEM.
 */
int __init luo_file_init(void)
{
	return rhashtable_init(&luo_file_ids, &luo_file_ids_params);
}

/**
 * luo_file_set_init - start with no files
 * @set: the set
 * @name: name of the session, lives as long as @set
 *
 * An empty set needs no teardown.
 */
void luo_file_set_init(struct luo_file_set *set, const char *name)
{
	mutex_init(&set->lock);
	xa_init(&set->tokens);
	INIT_LIST_HEAD(&set->list);
	set->name = name;
	set->count = 0;
	set->depth = 0;
	set->nr_reaching = 0;
	kho_block_writer_init(&set->writer, sizeof(struct luo_file_ser));
}

/**
 * luo_file_args - what an operation of the handler works on
 * @set: the file's set
 * @file: the file
 *
 * Return: the arguments; luo_file_keep() takes back what has changed.
 */
struct liveupdate_file_op_args
luo_file_args(struct luo_file_set *set, struct luo_file *file)
{
	lockdep_assert_held(&set->lock);
	return (struct liveupdate_file_op_args) {
		.handler = file->handler,
		.session = set,
		.file = file->file,
		.serialized_data = file->data,
		.private_data = file->private_data,
		.retrieve_status = file->retrieve_status,
	};
}

/**
 * luo_file_keep - keep what a handler's operation has changed
 * @file: the file
 * @args: what the operation worked on
 */
void luo_file_keep(struct luo_file *file,
		   const struct liveupdate_file_op_args *args)
{
	file->data = args->serialized_data;
	file->private_data = args->private_data;
}

/**
 * luo_file_alloc - make a file that is in no set yet
 * @token: its name in the set
 *
 * Return: the file, for luo_file_free(), or NULL.
 */
struct luo_file *luo_file_alloc(u64 token)
{
	struct luo_file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (file) {
		INIT_LIST_HEAD(&file->list);
		file->token = token;
	}
	return file;
}

/**
 * luo_file_find - find a file
 * @set: the set
 * @token: name of the file
 *
 * Return: the file, or NULL.
 */
struct luo_file *luo_file_find(struct luo_file_set *set, u64 token)
{
	lockdep_assert_held(&set->lock);
	return xa_load(&set->tokens, token);
}

/**
 * luo_file_release_id - undo luo_file_claim_id()
 * @file: the file, whether or not that was called
 */
void luo_file_release_id(struct luo_file *file)
{
	if (file->has_id)
		rhashtable_remove_fast(&luo_file_ids, &file->id_node,
				       luo_file_ids_params);
	file->has_id = false;
}

/**
 * luo_file_free - the one end of every file
 * @set: the set, whether or not the file has got into it
 * @file: the file
 */
void luo_file_free(struct luo_file_set *set, struct luo_file *file)
{
	lockdep_assert_held(&set->lock);
	if (!list_empty(&file->list)) {
		list_del(&file->list);
		xa_erase(&set->tokens, file->token);
		set->count--;
	}
	luo_file_release_id(file);
	if (file->handler)
		luo_handler_put(file->handler);
	if (file->file)
		fput(file->file);
	kfree_rcu(file, rcu);
}

/**
 * luo_file_reserve - make room, so that luo_file_publish() can't fail
 * @set: the set
 * @file: the file
 *
 * Return: 0, -EEXIST if its token is in use, or -ENOMEM.
 */
int luo_file_reserve(struct luo_file_set *set, struct luo_file *file)
{
	if (luo_file_find(set, file->token))
		return -EEXIST;
	return xa_reserve(&set->tokens, file->token, GFP_KERNEL_ACCOUNT);
}

/**
 * luo_file_publish - put a file into its set
 * @set: the set
 * @file: the file, for which luo_file_reserve() has made room
 */
void luo_file_publish(struct luo_file_set *set, struct luo_file *file)
{
	xa_store(&set->tokens, file->token, file, 0);
	list_add_tail(&file->list, &set->list);
	set->count++;
}

static struct luo_file_id
luo_file_id(struct liveupdate_file_handler *handler, struct file *filp)
{
	return (struct luo_file_id) {
		.handler = handler,
		.id = handler->ops->get_id ? handler->ops->get_id(filp) :
					     (unsigned long)file_inode(filp),
	};
}

/**
 * luo_file_claim_id - let nobody else preserve what a file stands for
 * @file: the file
 *
 * Return: 0, -EBUSY if somebody does, or -ENOMEM.
 */
int luo_file_claim_id(struct luo_file *file)
{
	int ret;

	file->id = luo_file_id(file->handler, file->file);
	ret = rhashtable_lookup_insert_fast(&luo_file_ids, &file->id_node,
					    luo_file_ids_params);
	if (ret)
		return ret == -EEXIST ? -EBUSY : ret;
	file->has_id = true;
	return 0;
}

/* Is what @filp stands for in a session; in that of @set, if there is one? */
static bool luo_file_look_up(struct file *filp, struct luo_file_set *set,
			     u64 *token)
{
	struct liveupdate_file_handler *handler = luo_handler_get_for(filp);
	struct luo_file_id id;
	struct luo_file *file;

	if (!handler)
		return false;
	id = luo_file_id(handler, filp);
	scoped_guard(rcu) {
		file = rhashtable_lookup(&luo_file_ids, &id,
					 luo_file_ids_params);
		if (file && set && luo_file_find(set, file->token) != file)
			file = NULL;
		if (file)
			*token = file->token;
	}
	luo_handler_put(handler);
	return file;
}

/**
 * liveupdate_file_is_preserved - is a file in a session?
 * @file: the file
 *
 * True if the file, or another one that stands for the same, is preserved for
 * the next kernel, or was retrieved from the previous one and its session is
 * not finished. That may change at any time, unless @file is known to be in a
 * session of which an operation of a handler is running.
 *
 * Context: process context, may sleep; not from a handler's can_preserve() or
 * get_id().
 * Return: whether it is.
 */
bool liveupdate_file_is_preserved(struct file *file)
{
	u64 token;

	return luo_file_look_up(file, NULL, &token);
}
EXPORT_SYMBOL_GPL(liveupdate_file_is_preserved);

/**
 * liveupdate_get_token_outgoing - by what name is another file preserved?
 * @session: from the arguments of the operation that is running
 * @file: the other file
 * @token: out: its name in the session
 *
 * For a file that needs another one of its session in the next kernel, and asks
 * for it there with liveupdate_get_file_incoming().
 *
 * Context: from preserve(), freeze() or unpreserve() of a handler.
 * Return: 0, or -ENOENT if it is not preserved in this session.
 */
int liveupdate_get_token_outgoing(struct luo_file_set *session,
				  struct file *file, u64 *token)
{
	return luo_file_look_up(file, session, token) ? 0 : -ENOENT;
}
EXPORT_SYMBOL_GPL(liveupdate_get_token_outgoing);

// SPDX-License-Identifier: GPL-2.0
/*
 * The files of a session that is to be handed over to the next kernel. The
 * invariants are in luo_file.c.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/string.h>

#include "luo_file.h"
#include "luo_flb.h"
#include "luo_handler.h"
#include "luo_trace.h"

/**
 * luo_file_set_preserve - preserve a file
 * @set: files of a session that is to be handed over
 * @filp: the file; a reference is taken
 * @token: its name in the session
 *
 * Return: 0, -ENOENT if no handler takes such a file, -EEXIST if the token is
 * in use, -EBUSY if the file is preserved in this or another session, or what
 * the handler, or one of its FLBs, says. Nothing has changed on failure.
 */
int luo_file_set_preserve(struct luo_file_set *set, struct file *filp,
			  u64 token)
{
	struct liveupdate_file_op_args args;
	struct luo_file *file;
	int ret;

	file = luo_file_alloc(token);
	if (!file)
		return -ENOMEM;
	file->file = get_file(filp);
	file->handler = luo_handler_get_for(filp);
	if (!file->handler) {
		ret = -ENOENT;
		goto err_free;
	}

	ret = luo_file_reserve(set, file);
	if (ret)
		goto err_free;
	ret = luo_file_claim_id(file);
	if (ret)
		goto err_release;
	ret = luo_flb_preserve(file->handler);
	if (ret)
		goto err_release;
	args = luo_file_args(set, file);
	ret = luo_trace_file(luo_file_preserve, set, file,
			     file->handler->ops->preserve(&args));
	if (ret)
		goto err_flb;

	luo_file_keep(file, &args);
	luo_file_publish(set, file);
	return 0;

err_flb:
	luo_flb_unpreserve(file->handler);
err_release:
	xa_release(&set->tokens, token);
err_free:
	luo_file_free(set, file);
	return ret;
}

static void luo_file_unpreserve(struct luo_file_set *set,
				struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(set, file);

	luo_trace_file(luo_file_unpreserve, set, file,
		       (file->handler->ops->unpreserve(&args), 0));
	luo_flb_unpreserve(file->handler);
	luo_file_free(set, file);
}

/**
 * luo_file_set_unpreserve - undo luo_file_set_preserve()
 * @set: files of a session that is to be handed over
 * @token: the file
 *
 * Return: 0, or -ENOENT.
 */
int luo_file_set_unpreserve(struct luo_file_set *set, u64 token)
{
	struct luo_file *file = luo_file_find(set, token);

	if (!file)
		return -ENOENT;
	luo_file_unpreserve(set, file);
	return 0;
}

/**
 * luo_file_set_unpreserve_all - unpreserve every file, the last one first
 * @set: files of a session that is to be handed over
 */
void luo_file_set_unpreserve_all(struct luo_file_set *set)
{
	struct luo_file *file, *next;

	lockdep_assert_held(&set->lock);
	list_for_each_entry_safe_reverse(file, next, &set->list, list)
		luo_file_unpreserve(set, file);
}

static void luo_file_unfreeze(struct luo_file_set *set, struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(set, file);

	if (!file->handler->ops->unfreeze)
		return;
	luo_trace_file(luo_file_unfreeze, set, file,
		       (file->handler->ops->unfreeze(&args), 0));
	luo_file_keep(file, &args);
}

/**
 * luo_file_set_freeze - freeze every file, in the order of preservation
 * @set: files of a session that is to be handed over
 *
 * Return: 0, or the first handler's error with no file frozen.
 */
int luo_file_set_freeze(struct luo_file_set *set)
{
	struct liveupdate_file_op_args args;
	struct luo_file *file;
	int ret;

	lockdep_assert_held(&set->lock);
	list_for_each_entry(file, &set->list, list) {
		if (!file->handler->ops->freeze)
			continue;
		args = luo_file_args(set, file);
		ret = luo_trace_file(luo_file_freeze, set, file,
				     file->handler->ops->freeze(&args));
		if (ret)
			goto err_unfreeze;
		luo_file_keep(file, &args);
	}
	return 0;

err_unfreeze:
	luo_set_err(set, "file %#llx (%s) can't be frozen: %d\n", file->token,
		    file->handler->compatible, ret);
	list_for_each_entry_continue_reverse(file, &set->list, list)
		luo_file_unfreeze(set, file);
	return ret;
}

/**
 * luo_file_set_unfreeze - undo luo_file_set_freeze()
 * @set: files of a session
 */
void luo_file_set_unfreeze(struct luo_file_set *set)
{
	struct luo_file *file;

	lockdep_assert_held(&set->lock);
	list_for_each_entry_reverse(file, &set->list, list)
		luo_file_unfreeze(set, file);
}

/**
 * luo_file_set_serialise - write down all files for the next kernel
 * @set: frozen files of a session
 * @first: out: where the chain of &struct luo_file_ser begins, 0 for no files
 *
 * Undone by discarding @set->writer.
 *
 * Return: 0, or -ENOMEM with nothing written.
 */
int luo_file_set_serialise(struct luo_file_set *set, u64 *first)
{
	struct luo_file_ser *ser;
	struct luo_file *file;

	lockdep_assert_held(&set->lock);
	list_for_each_entry(file, &set->list, list) {
		ser = kho_block_append(&set->writer);
		if (IS_ERR(ser)) {
			kho_block_discard(&set->writer);
			return PTR_ERR(ser);
		}
		strscpy(ser->compatible, file->handler->compatible,
			sizeof(ser->compatible));
		ser->data = file->data;
		ser->token = file->token;
	}
	*first = set->writer.first;
	return 0;
}

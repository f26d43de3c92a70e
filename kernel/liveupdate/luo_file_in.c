// SPDX-License-Identifier: GPL-2.0
/*
 * The files of a session that was handed over by the previous kernel. The
 * invariants are in luo_file.c.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/string.h>

#include "luo_file.h"
#include "luo_flb.h"
#include "luo_handler.h"
#include "luo_trace.h"

/* A file that needs one that needs one: each takes its share of the stack. */
#define LUO_FILE_MAX_DEPTH	4

/* kho_block_next() that a test can replace. */
void *luo_next_record(struct kho_block_reader *reader)
{
	KUNIT_STATIC_STUB_REDIRECT(luo_next_record, reader);
	return kho_block_next(reader);
}

static int luo_file_set_add(struct luo_file_set *set,
			    const struct luo_file_ser *ser)
{
	size_t len = strnlen(ser->compatible, sizeof(ser->compatible));
	struct luo_file *file;
	int ret;

	if (!len || len == sizeof(ser->compatible)) {
		luo_set_err(set, "file %#llx has no valid type\n", ser->token);
		return -EINVAL;
	}
	file = luo_file_alloc(ser->token);
	if (!file)
		return -ENOMEM;
	strscpy(file->compatible, ser->compatible, sizeof(file->compatible));
	file->data = ser->data;
	ret = luo_file_reserve(set, file);
	if (ret) {
		luo_file_free(set, file);
		if (ret != -EEXIST)
			return ret;
		luo_set_err(set, "file %#llx is there twice\n", ser->token);
		return -EINVAL;
	}
	luo_file_publish(set, file);
	return 0;
}

/* Forget the files; what they stand for stays reserved. */
VISIBLE_IF_KUNIT void luo_file_set_drop(struct luo_file_set *set)
{
	struct luo_file *file, *next;

	lockdep_assert_held(&set->lock);
	list_for_each_entry_safe(file, next, &set->list, list)
		luo_file_free(set, file);
}

/**
 * luo_file_set_load - read the table of the previous kernel
 * @set: files of a session that was handed over, empty so far
 * @first: where the chain of &struct luo_file_ser begins
 * @count: how many there should be
 *
 * The table is given back once all of it has been read.
 *
 * Return: 0, -EINVAL if the table is damaged, or -ENOMEM. On failure nothing
 * has been consumed.
 */
int luo_file_set_load(struct luo_file_set *set, u64 first, u64 count)
{
	struct kho_block_reader reader;
	struct luo_file_ser *ser;
	int ret = 0;

	lockdep_assert_held(&set->lock);
	kho_block_reader_init(&reader, first, sizeof(*ser));
	while (!ret && (ser = luo_next_record(&reader))) {
		if (IS_ERR(ser))
			ret = PTR_ERR(ser);
		else if (set->count == count)
			ret = -EINVAL;
		else
			ret = luo_file_set_add(set, ser);
	}
	if (!ret && set->count != count)
		ret = -EINVAL;
	if (!ret) {
		kho_block_restore_free(first, sizeof(*ser));
		return 0;
	}
	if (ret == -EINVAL)
		luo_set_err(set, "damaged after %lu of %llu files\n",
			    set->count, count);
	luo_file_set_drop(set);
	return ret;
}

/**
 * luo_file_set_attach - find the handler of each file
 * @set: files of a session that was handed over
 *
 * Return: 0, or -EOPNOTSUPP if a handler is not there, or not yet.
 */
int luo_file_set_attach(struct luo_file_set *set)
{
	struct luo_file *file;

	lockdep_assert_held(&set->lock);
	list_for_each_entry(file, &set->list, list) {
		if (file->handler)
			continue;
		file->handler = luo_handler_get_named(file->compatible);
		if (!file->handler) {
			luo_set_err(set, "file %#llx: no handler for '%*pE'\n",
				    file->token, (int)strlen(file->compatible),
				    file->compatible);
			return -EOPNOTSUPP;
		}
		set->nr_reaching += file->handler->ops->reaches_memory;
	}
	return 0;
}

/* It is retrieved, or will never be. */
static void luo_file_settled(struct luo_file_set *set, struct luo_file *file)
{
	if (file->retrieve_status <= 0)
		set->nr_reaching -= file->handler->ops->reaches_memory;
}

/* What the handler has made of it: a passing failure has consumed nothing. */
static int luo_file_restored(struct luo_file_set *set, struct luo_file *file,
			     const struct liveupdate_file_op_args *args, int ret)
{
	luo_file_keep(file, args);
	if (!ret) {
		luo_file_settled(set, file);
		file->file = args->file;
		file->retrieve_status = 1;
	} else if (!luo_error_is_passing(ret)) {
		luo_set_err(set, "file %#llx (%s) can't be retrieved: %d\n",
			    file->token, file->handler->compatible, ret);
		file->retrieve_status = ret;
	}
	return ret;
}

/* Have the file retrieved, if that was not done yet. */
static int luo_file_restore(struct luo_file_set *set, struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(set, file);
	int ret;

	if (file->retrieve_status < 0)
		return file->retrieve_status;
	if (!file->retrieve_status) {
		if (file->busy || set->depth == LUO_FILE_MAX_DEPTH)
			return -ELOOP;
		file->busy = true;
		set->depth++;
		ret = luo_trace_file(luo_file_retrieve, set, file,
				     file->handler->ops->retrieve(&args));
		set->depth--;
		file->busy = false;
		if (WARN_ON_ONCE(ret > 0 || (!ret && !args.file)))
			ret = -EIO;
		ret = luo_file_restored(set, file, &args, ret);
		if (ret)
			return ret;
	}
	return file->has_id ? 0 : luo_file_claim_id(file);
}

/* Its owner is gone, and so is all that it can be used with. */
static void luo_file_renew(struct luo_file *file)
{
	if (file->retrieve_status != 1 || !file->handler->ops->renewable ||
	    file_count(file->file) != 1)
		return;
	luo_file_release_id(file);
	fput(file->file);
	file->file = NULL;
	file->wanted = false;
	file->retrieve_status = 0;
}

/**
 * luo_file_set_retrieve - get a file that was handed over
 * @set: files of a session that was handed over, attached
 * @token: the file
 * @filp: out: the file, with a reference for the caller
 *
 * The set keeps a reference of its own until it is finished: a caller that
 * loses the file can ask again.
 *
 * Return: 0, -ENOENT, or what the handler says, now or when the file was tried
 * for the first time.
 */
int luo_file_set_retrieve(struct luo_file_set *set, u64 token,
			  struct file **filp)
{
	struct luo_file *file = luo_file_find(set, token);
	int ret;

	if (!file)
		return -ENOENT;
	luo_file_renew(file);
	ret = luo_file_restore(set, file);
	if (ret)
		return ret;
	file->wanted = true;
	*filp = get_file(file->file);
	return 0;
}

/**
 * liveupdate_get_file_incoming - get another file of the session
 * @session: from the arguments of the operation that is running
 * @token: the other file, see liveupdate_get_token_outgoing()
 * @filp: out: the file, with a reference for the caller
 *
 * The owner of the session still has to retrieve the file, or to give it up,
 * before the session can be finished.
 *
 * Context: from retrieve() or can_finish() of a handler.
 * Return: 0; -ENOENT if there is no such file in the session; -ELOOP if the
 * other file is being retrieved and needs this one, or too many need each other;
 * or what the handler of the other file says.
 */
int liveupdate_get_file_incoming(struct luo_file_set *session, u64 token,
				 struct file **filp)
{
	struct luo_file *file = luo_file_find(session, token);
	int ret;

	if (!file)
		return -ENOENT;
	ret = luo_file_restore(session, file);
	if (ret)
		return ret;
	*filp = get_file(file->file);
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_get_file_incoming);

/**
 * liveupdate_memory_is_reached - may hardware have access to memory of a session?
 * @session: from the arguments of the operation that is running
 *
 * If so, memory that the previous kernel has preserved has to stay where it is until
 * the session is finished: it is only then that all that reaches it is known.
 *
 * Context: from retrieve() of a handler.
 * Return: true if there is a file that has not been retrieved yet whose handler says
 * that of it, see &liveupdate_file_ops.reaches_memory.
 */
bool liveupdate_memory_is_reached(struct luo_file_set *session)
{
	lockdep_assert_held(&session->lock);
	return session->nr_reaching;
}
EXPORT_SYMBOL_GPL(liveupdate_memory_is_reached);

static void luo_file_finish(struct luo_file_set *set, struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(set, file);

	luo_trace_file(luo_file_finish, set, file,
		       (file->handler->ops->finish(&args), 0));
	luo_file_settled(set, file);
	luo_flb_finish(file->handler);
	luo_file_free(set, file);
}

/**
 * luo_file_set_discard - give up a file that nobody wants any more
 * @set: files of a session that was handed over, attached
 * @token: the file
 *
 * A file that only another one has asked for can be given up, too.
 *
 * Return: 0, -ENOENT, or -EBUSY if the file has been retrieved, or if hardware may
 * have access to it by another file, which has to be given up first, or retrieved.
 */
int luo_file_set_discard(struct luo_file_set *set, u64 token)
{
	struct luo_file *file = luo_file_find(set, token);

	if (!file)
		return -ENOENT;
	if (file->wanted)
		return -EBUSY;
	if (set->nr_reaching && !file->handler->ops->reaches_memory) {
		luo_set_err(set, "file %#llx can't be given up: hardware may have access to it\n",
			    token);
		return -EBUSY;
	}
	luo_file_finish(set, file);
	return 0;
}

static int luo_file_can_finish(struct luo_file_set *set, struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(set, file);

	return file->handler->ops->can_finish(&args) ? 0 : -EBUSY;
}

/**
 * luo_file_set_can_finish - is every file whole again?
 * @set: files of a session that was handed over, attached
 *
 * Handlers are only asked once every file has been retrieved.
 *
 * Return: true if luo_file_set_finish() may be called.
 */
bool luo_file_set_can_finish(struct luo_file_set *set)
{
	struct luo_file *file;

	lockdep_assert_held(&set->lock);
	list_for_each_entry(file, &set->list, list)
		if (!file->wanted)
			return false;
	list_for_each_entry(file, &set->list, list)
		if (file->handler->ops->can_finish &&
		    luo_trace_file(luo_file_can_finish, set, file,
				   luo_file_can_finish(set, file)))
			return false;
	return true;
}

/**
 * luo_file_set_finish - let go of all files: they are ordinary ones from now on
 * @set: files of a session that was handed over, which can be finished
 *
 * Context: under the same hold of the lock as luo_file_set_can_finish().
 */
void luo_file_set_finish(struct luo_file_set *set)
{
	struct luo_file *file, *next;

	lockdep_assert_held(&set->lock);
	list_for_each_entry_safe(file, next, &set->list, list)
		luo_file_finish(set, file);
}

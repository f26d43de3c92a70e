// SPDX-License-Identifier: GPL-2.0
/*
 * The files of a session.
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
 * All functions but luo_file_init() and luo_file_set_init() are called with the
 * lock of the set held, and the operations of handlers run under it. The lock
 * order is in luo_session.c.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_file.h"
#include "luo_handler.h"

struct luo_file_id {
	const struct liveupdate_file_handler *handler;
	unsigned long id;
};

/* A file in a session. Protected by the lock of its set. */
struct luo_file {
	/* in luo_file_set.list */
	struct list_head list;
	/* in luo_file_ids if @has_id, which does its own locking */
	struct rhash_head id_node;
	struct luo_file_id id;
	bool has_id;
	/* NULL in a session that was handed over until it is attached */
	struct liveupdate_file_handler *handler;
	/* NULL in a session that was handed over until it is retrieved */
	struct file *file;
	u64 token;
	u64 data;
	void *private_data;
	/* 0: not tried, 1: retrieved, or the error that remains */
	int retrieve_status;
	/* somebody may be walking over @id_node */
	struct rcu_head rcu;
	/* of the handler; only in a session that was handed over */
	char compatible[LUO_FILE_COMPAT_LEN];
};

/* Identities of all preserved files. */
static struct rhashtable luo_file_ids;

static const struct rhashtable_params luo_file_ids_params = {
	.key_len = sizeof(struct luo_file_id),
	.key_offset = offsetof(struct luo_file, id),
	.head_offset = offsetof(struct luo_file, id_node),
	.automatic_shrinking = true,
};

int __init luo_file_init(void)
{
	return rhashtable_init(&luo_file_ids, &luo_file_ids_params);
}

/**
 * luo_file_set_init - start with no files
 * @set: the set
 * @session: what handlers get as the identity of the session
 * @name: name of the session, lives as long as @set
 *
 * An empty set needs no teardown.
 */
void luo_file_set_init(struct luo_file_set *set, const void *session,
		       const char *name)
{
	mutex_init(&set->lock);
	xa_init(&set->tokens);
	INIT_LIST_HEAD(&set->list);
	set->session = session;
	set->name = name;
	set->count = 0;
	kho_block_writer_init(&set->writer, sizeof(struct luo_file_ser));
}

static struct liveupdate_file_op_args
luo_file_args(struct luo_file_set *set, struct luo_file *file)
{
	lockdep_assert_held(&set->lock);
	return (struct liveupdate_file_op_args) {
		.handler = file->handler,
		.session = set->session,
		.file = file->file,
		.serialized_data = file->data,
		.private_data = file->private_data,
		.retrieve_status = file->retrieve_status,
	};
}

/* What a handler's operation has changed. */
static void luo_file_keep(struct luo_file *file,
			  const struct liveupdate_file_op_args *args)
{
	file->data = args->serialized_data;
	file->private_data = args->private_data;
}

static struct luo_file *luo_file_alloc(u64 token)
{
	struct luo_file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (file) {
		INIT_LIST_HEAD(&file->list);
		file->token = token;
	}
	return file;
}

static struct luo_file *luo_file_find(struct luo_file_set *set, u64 token)
{
	lockdep_assert_held(&set->lock);
	return xa_load(&set->tokens, token);
}

/* The one end of every file, whether or not it has got into the set. */
static void luo_file_free(struct luo_file_set *set, struct luo_file *file)
{
	lockdep_assert_held(&set->lock);
	if (!list_empty(&file->list)) {
		list_del(&file->list);
		xa_erase(&set->tokens, file->token);
		set->count--;
	}
	if (file->has_id)
		rhashtable_remove_fast(&luo_file_ids, &file->id_node,
				       luo_file_ids_params);
	if (file->handler)
		luo_handler_put(file->handler);
	if (file->file)
		fput(file->file);
	kfree_rcu(file, rcu);
}

/* After this luo_file_publish() can't fail. */
static int luo_file_reserve(struct luo_file_set *set, struct luo_file *file)
{
	if (luo_file_find(set, file->token))
		return -EEXIST;
	return xa_reserve(&set->tokens, file->token, GFP_KERNEL_ACCOUNT);
}

static void luo_file_publish(struct luo_file_set *set, struct luo_file *file)
{
	xa_store(&set->tokens, file->token, file, 0);
	list_add_tail(&file->list, &set->list);
	set->count++;
}

static int luo_file_claim_id(struct luo_file *file)
{
	const struct liveupdate_file_ops *ops = file->handler->ops;
	int ret;

	file->id.handler = file->handler;
	file->id.id = ops->get_id ? ops->get_id(file->file) :
				    (unsigned long)file_inode(file->file);
	ret = rhashtable_lookup_insert_fast(&luo_file_ids, &file->id_node,
					    luo_file_ids_params);
	if (ret)
		return ret == -EEXIST ? -EBUSY : ret;
	file->has_id = true;
	return 0;
}

/**
 * luo_file_set_preserve - preserve a file
 * @set: files of a session that is to be handed over
 * @filp: the file; a reference is taken
 * @token: its name in the session
 *
 * Return: 0, -ENOENT if no handler takes such a file, -EEXIST if the token is
 * in use, -EBUSY if the file is preserved in this or another session, or what
 * the handler says. Nothing has changed on failure.
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
	args = luo_file_args(set, file);
	ret = file->handler->ops->preserve(&args);
	if (ret)
		goto err_release;

	luo_file_keep(file, &args);
	luo_file_publish(set, file);
	return 0;

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

	file->handler->ops->unpreserve(&args);
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
	file->handler->ops->unfreeze(&args);
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
		ret = file->handler->ops->freeze(&args);
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
	}
	return 0;
}

static int luo_file_restore(struct luo_file_set *set, struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(set, file);
	int ret;

	ret = file->handler->ops->retrieve(&args);
	if (WARN_ON_ONCE(ret > 0 || (!ret && !args.file)))
		ret = -EIO;
	switch (ret) {
	case 0:
		file->file = args.file;
		file->private_data = args.private_data;
		file->retrieve_status = 1;
		return 0;
	case -ENOMEM:
	case -EINTR:
	case -ERESTARTSYS:
	case -EAGAIN:
		/* Nothing is lost; what the handler has got so far is kept. */
		luo_file_keep(file, &args);
		return ret;
	default:
		luo_set_err(set, "file %#llx (%s) can't be retrieved: %d\n",
			    file->token, file->handler->compatible, ret);
		luo_file_keep(file, &args);
		file->retrieve_status = ret;
		return ret;
	}
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
	if (file->retrieve_status < 0)
		return file->retrieve_status;
	if (!file->retrieve_status) {
		ret = luo_file_restore(set, file);
		if (ret)
			return ret;
	}
	if (!file->has_id) {
		ret = luo_file_claim_id(file);
		if (ret)
			return ret;
	}
	*filp = get_file(file->file);
	return 0;
}

static void luo_file_finish(struct luo_file_set *set, struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(set, file);

	file->handler->ops->finish(&args);
	luo_file_free(set, file);
}

/**
 * luo_file_set_discard - give up a file that nobody wants any more
 * @set: files of a session that was handed over, attached
 * @token: the file
 *
 * Return: 0, -ENOENT, or -EBUSY if the file has been retrieved.
 */
int luo_file_set_discard(struct luo_file_set *set, u64 token)
{
	struct luo_file *file = luo_file_find(set, token);

	if (!file)
		return -ENOENT;
	if (file->retrieve_status > 0)
		return -EBUSY;
	luo_file_finish(set, file);
	return 0;
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
	struct liveupdate_file_op_args args;
	struct luo_file *file;

	lockdep_assert_held(&set->lock);
	list_for_each_entry(file, &set->list, list)
		if (file->retrieve_status <= 0)
			return false;
	list_for_each_entry(file, &set->list, list) {
		args = luo_file_args(set, file);
		if (file->handler->ops->can_finish &&
		    !file->handler->ops->can_finish(&args))
			return false;
	}
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

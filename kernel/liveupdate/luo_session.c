// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions: named sets of files. An outgoing one is to be handed over to the
 * next kernel, an incoming one was handed over by the previous kernel.
 *
 * Invariants:
 *  - names are unique in each direction; the same name in both directions is
 *    two sessions;
 *  - an outgoing session belongs to one descriptor and ends with it;
 *  - an incoming session is claimed by at most one descriptor. It ends when it
 *    is finished; until then, closing it makes it claimable again with all that
 *    was retrieved of it;
 *  - a session that is finished is in no namespace and has no files;
 *  - what belongs to an incoming session that can't be claimed is never freed;
 *  - once the reboot has begun no session changes, until it has failed.
 *
 * Lock order:
 *
 *	luo_reboot_lock
 *	    the session's node in sysfs: who removes it waits for its readers
 *	        luo_session.files.lock
 *	            luo_namespace.lock
 *	            luo_handlers_lock
 *
 * Handlers' operations run under luo_reboot_lock and luo_session.files.lock, so
 * whatever they take comes after these. Only one session, and only one
 * namespace, is locked at a time. Nothing here touches user memory: a page fault
 * can take for ever, and would keep the reboot waiting.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kho/block.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_namespace.h"
#include "luo_session.h"
#include "luo_sysfs.h"
#include "luo_trace.h"

DECLARE_RWSEM(luo_reboot_lock);
bool luo_rebooting;

/* Table of outgoing sessions; protected by luo_reboot_lock for writing. */
static struct kho_block_writer luo_writer = {
	.record_size = sizeof(struct luo_session_ser),
};

/**
 * luo_session_alloc - make a session that nobody knows
 * @name: name, not empty, shorter than %LUO_SESSION_NAME_LEN
 * @incoming: of the previous kernel
 *
 * Return: the session, for luo_session_free(), or NULL.
 */
struct luo_session *luo_session_alloc(const char *name, bool incoming)
{
	struct luo_session *session;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (session) {
		strscpy(session->name, name, sizeof(session->name));
		session->incoming = incoming;
		INIT_LIST_HEAD(&session->list);
		luo_file_set_init(&session->files, session->name);
	}
	return session;
}

/**
 * luo_session_free - the one end of every session
 * @session: the session; it has no files any more
 */
void luo_session_free(struct luo_session *session)
{
	/* In this order: the name in sysfs is free when the name is. */
	luo_sysfs_remove(session);
	luo_namespace_remove(session);
	kfree(session);
}

static int luo_session_publish(struct luo_session *session)
{
	int ret = luo_namespace_add(session);

	return ret ?: luo_sysfs_add(session);
}

/**
 * luo_session_create - make an outgoing session
 * @name: name, not empty, shorter than %LUO_SESSION_NAME_LEN
 *
 * Return: the session, for luo_session_close(); -EEXIST if there is one of that
 * name; or -ENOMEM.
 */
struct luo_session *luo_session_create(const char *name)
{
	struct luo_session *session = luo_session_alloc(name, false);
	int ret;

	if (!session)
		return ERR_PTR(-ENOMEM);
	ret = luo_trace_session(luo_session_create, name,
				luo_session_publish(session));
	if (ret) {
		luo_session_free(session);
		return ERR_PTR(ret);
	}
	return session;
}

/* It may have got its first file, or lost its last one. */
static void luo_session_count_files(struct luo_session *session)
{
	lockdep_assert_held(&session->files.lock);
	if (session->with_files == !!session->files.count)
		return;
	session->with_files = !!session->files.count;
	atomic_add(session->with_files ? 1 : -1, &luo_outgoing.nr_with_files);
	luo_sysfs_update();
}

/**
 * luo_session_preserve - preserve a file in a session
 * @session: the session
 * @file: the file; a reference is taken
 * @token: its name in the session
 *
 * Return: 0, -EINVAL if the session is an incoming one, or as
 * luo_file_set_preserve().
 */
int luo_session_preserve(struct luo_session *session, struct file *file,
			 u64 token)
{
	int ret;

	if (session->incoming)
		return -EINVAL;
	guard(mutex)(&session->files.lock);
	ret = luo_file_set_preserve(&session->files, file, token);
	luo_session_count_files(session);
	return ret;
}

/**
 * luo_session_unpreserve - take a file out of a session
 * @session: the session
 * @token: the file
 *
 * In an outgoing session the file becomes an ordinary one; in an incoming one
 * a file that was not retrieved is lost.
 *
 * Return: 0, -ENOENT if there is no such file, or -EBUSY if it belongs to an
 * incoming session and was retrieved.
 */
int luo_session_unpreserve(struct luo_session *session, u64 token)
{
	int ret;

	guard(mutex)(&session->files.lock);
	if (session->incoming)
		return luo_file_set_discard(&session->files, token);
	ret = luo_file_set_unpreserve(&session->files, token);
	luo_session_count_files(session);
	return ret;
}

static int luo_session_freeze(struct luo_session *session)
{
	guard(mutex)(&session->files.lock);
	return luo_file_set_freeze(&session->files);
}

static void luo_session_unfreeze(struct luo_session *session)
{
	guard(mutex)(&session->files.lock);
	luo_file_set_unfreeze(&session->files);
}

/**
 * luo_session_freeze_all - freeze all files of all outgoing sessions
 *
 * Context: the caller holds luo_reboot_lock for writing.
 * Return: 0, or the first error with nothing frozen.
 */
int luo_session_freeze_all(void)
{
	struct luo_session *session;
	int ret;

	lockdep_assert_held_write(&luo_reboot_lock);
	list_for_each_entry(session, &luo_outgoing.list, list) {
		ret = luo_trace_session(luo_session_freeze, session->name,
					luo_session_freeze(session));
		if (ret)
			goto err_unfreeze;
	}
	return 0;

err_unfreeze:
	list_for_each_entry_continue_reverse(session, &luo_outgoing.list, list)
		luo_session_unfreeze(session);
	return ret;
}

/**
 * luo_session_unfreeze_all - undo luo_session_freeze_all()
 *
 * Context: the caller holds luo_reboot_lock for writing.
 */
void luo_session_unfreeze_all(void)
{
	struct luo_session *session;

	lockdep_assert_held_write(&luo_reboot_lock);
	list_for_each_entry_reverse(session, &luo_outgoing.list, list)
		luo_session_unfreeze(session);
}

static int luo_session_serialise(struct luo_session *session)
{
	struct luo_session_ser *ser = kho_block_append(&luo_writer);
	u64 files = 0;
	int ret;

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	guard(mutex)(&session->files.lock);
	ret = luo_file_set_serialise(&session->files, &files);
	if (ret)
		return ret;
	strscpy(ser->name, session->name, sizeof(ser->name));
	ser->files = files;
	ser->count = session->files.count;
	return 0;
}

/**
 * luo_session_serialise_all - write down all outgoing sessions
 * @first: out: where the chain of &struct luo_session_ser begins, 0 for none
 *
 * Context: the caller holds luo_reboot_lock for writing; sessions are frozen.
 * Return: 0, or -ENOMEM with nothing written.
 */
int luo_session_serialise_all(u64 *first)
{
	struct luo_session *session;
	int ret;

	lockdep_assert_held_write(&luo_reboot_lock);
	list_for_each_entry(session, &luo_outgoing.list, list) {
		ret = luo_trace_session(luo_session_serialise, session->name,
					luo_session_serialise(session));
		if (ret) {
			luo_session_unserialise_all();
			return ret;
		}
	}
	*first = luo_writer.first;
	return 0;
}

/**
 * luo_session_unserialise_all - undo luo_session_serialise_all()
 *
 * Context: the caller holds luo_reboot_lock for writing.
 */
void luo_session_unserialise_all(void)
{
	struct luo_session *session;

	lockdep_assert_held_write(&luo_reboot_lock);
	list_for_each_entry(session, &luo_outgoing.list, list) {
		guard(mutex)(&session->files.lock);
		kho_block_discard(&session->files.writer);
	}
	kho_block_discard(&luo_writer);
}

/**
 * luo_session_close_orphans - close what was closed after the reboot had begun
 *
 * Context: the caller holds luo_reboot_lock for writing; the reboot has failed.
 */
void luo_session_close_orphans(void)
{
	struct luo_session *session, *next;

	lockdep_assert_held_write(&luo_reboot_lock);
	list_for_each_entry_safe(session, next, &luo_outgoing.list, list)
		if (session->orphaned)
			luo_session_close(session);
	list_for_each_entry_safe(session, next, &luo_incoming.list, list)
		if (session->orphaned)
			luo_session_close(session);
}

/**
 * luo_session_count - how much there is to lose
 * @outgoing: out: outgoing sessions with files
 * @files: out: files in them
 * @incoming: out: incoming sessions that are not finished
 *
 * Context: the caller holds luo_reboot_lock for writing.
 */
void luo_session_count(unsigned long *outgoing, unsigned long *files,
		       unsigned long *incoming)
{
	struct luo_session *session;

	lockdep_assert_held_write(&luo_reboot_lock);
	*outgoing = 0;
	*files = 0;
	list_for_each_entry(session, &luo_outgoing.list, list) {
		guard(mutex)(&session->files.lock);
		*outgoing += !!session->files.count;
		*files += session->files.count;
	}
	*incoming = list_count_nodes(&luo_incoming.list);
}

static int luo_session_prepare(struct luo_session *session)
{
	int ret;

	guard(mutex)(&session->files.lock);
	if (session->damaged)
		return session->damaged;
	if (!session->loaded) {
		ret = luo_file_set_load(&session->files, session->ser_files,
					session->ser_count);
		if (ret == -EINVAL) {
			session->damaged = -EIO;
			return -EIO;
		}
		if (ret)
			return ret;
		session->loaded = true;
	}
	return luo_file_set_attach(&session->files);
}

static void luo_session_unclaim(struct luo_session *session)
{
	guard(mutex)(&luo_incoming.lock);
	session->claimed = false;
}

static int luo_session_find_and_claim(const char *name,
				      struct luo_session **found)
{
	struct luo_session *session;
	int ret;

	scoped_guard(mutex, &luo_incoming.lock) {
		session = luo_namespace_find(&luo_incoming, name);
		if (!session)
			return luo_incoming.error;
		if (session->claimed)
			return -EBUSY;
		session->claimed = true;
	}
	ret = luo_session_prepare(session);
	if (ret)
		luo_session_unclaim(session);
	*found = session;
	return ret;
}

/**
 * luo_session_claim - get an incoming session
 * @name: name, not empty, shorter than %LUO_SESSION_NAME_LEN
 *
 * Return: the session, for luo_session_close(); -ENOENT if there is none of
 * that name; -EBUSY if somebody has it; -EIO if it is damaged, or may have
 * been lost with a damaged table; -EOPNOTSUPP if it has a file of a type that
 * is not known, or not yet; or -ENOMEM.
 */
struct luo_session *luo_session_claim(const char *name)
{
	struct luo_session *session;
	int ret;

	ret = luo_trace_session(luo_session_claim, name,
				luo_session_find_and_claim(name, &session));
	return ret ? ERR_PTR(ret) : session;
}

/**
 * luo_session_announce - tell that the claim has reached user space
 * @session: an incoming session
 *
 * Until then, closing it is no statement about the files in it.
 */
void luo_session_announce(struct luo_session *session)
{
	guard(mutex)(&session->files.lock);
	session->announced = true;
}

/**
 * luo_session_retrieve - get a file of an incoming session
 * @session: the session
 * @token: the file
 * @file: out: the file, with a reference for the caller
 *
 * Return: 0, -EINVAL if the session is an outgoing one, or as
 * luo_file_set_retrieve().
 */
int luo_session_retrieve(struct luo_session *session, u64 token,
			 struct file **file)
{
	if (!session->incoming)
		return -EINVAL;
	guard(mutex)(&session->files.lock);
	return luo_file_set_retrieve(&session->files, token, file);
}

static int luo_session_finish_files(struct luo_session *session)
{
	guard(mutex)(&session->files.lock);
	if (session->finished)
		return 0;
	if (!luo_file_set_can_finish(&session->files))
		return -EBUSY;
	luo_file_set_finish(&session->files);
	session->finished = true;
	luo_namespace_remove(session);
	return 0;
}

/**
 * luo_session_finish - make the files of an incoming session ordinary ones
 * @session: the session
 *
 * Return: 0, also if it has been done before; -EINVAL if the session is an
 * outgoing one; or -EBUSY, and nothing has changed, if a file is not whole.
 */
int luo_session_finish(struct luo_session *session)
{
	int ret;

	if (!session->incoming)
		return -EINVAL;
	ret = luo_trace_session(luo_session_finish, session->name,
				luo_session_finish_files(session));
	if (!ret)
		luo_sysfs_remove(session);
	return ret;
}

static int luo_session_end_outgoing(struct luo_session *session)
{
	guard(mutex)(&session->files.lock);
	luo_file_set_unpreserve_all(&session->files);
	luo_session_count_files(session);
	return 0;
}

static int luo_session_end_incoming(struct luo_session *session)
{
	bool announced;

	scoped_guard(mutex, &session->files.lock) {
		announced = session->announced;
		session->announced = false;
	}
	return announced ? luo_session_finish(session) : -EBUSY;
}

/* 0, or -EBUSY if it has to wait for somebody to claim it again. */
static int luo_session_end(struct luo_session *session)
{
	return session->incoming ? luo_session_end_incoming(session) :
				   luo_session_end_outgoing(session);
}

/**
 * luo_session_close - let go of a session
 * @session: from luo_session_create() or luo_session_claim()
 *
 * An outgoing session ends, its files are unpreserved. An incoming one is
 * finished if it can be, and claimable again otherwise. Once the reboot has
 * begun, all that is left to luo_session_close_orphans().
 *
 * Context: the caller holds luo_reboot_lock, and has no use for @session
 * afterwards.
 */
void luo_session_close(struct luo_session *session)
{
	lockdep_assert_held(&luo_reboot_lock);
	session->orphaned = luo_rebooting && !session->finished;
	if (session->orphaned)
		return;
	if (luo_trace_session(luo_session_close, session->name,
			      luo_session_end(session)))
		luo_session_unclaim(session);
	else
		luo_session_free(session);
}

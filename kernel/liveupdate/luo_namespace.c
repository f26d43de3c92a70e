// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions by name. There are two namespaces: one of the sessions that are to
 * be handed over, and one of those that were.
 *
 * Invariants:
 *  - a session is in the list and in the names of its namespace, or in neither;
 *  - all look-ups are made under the lock, so that what was found stays.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_namespace.h"
#include "luo_session.h"
#include "luo_sysfs.h"

struct luo_namespace luo_outgoing = {
	.lock = __MUTEX_INITIALIZER(luo_outgoing.lock),
	.list = LIST_HEAD_INIT(luo_outgoing.list),
	.error = -ENOENT,
};

struct luo_namespace luo_incoming = {
	.lock = __MUTEX_INITIALIZER(luo_incoming.lock),
	.list = LIST_HEAD_INIT(luo_incoming.list),
	.error = -ENOENT,
};

static const struct rhashtable_params luo_names_params = {
	.key_len = LUO_SESSION_NAME_LEN,
	.key_offset = offsetof(struct luo_session, name),
	.head_offset = offsetof(struct luo_session, node),
	.automatic_shrinking = true,
};

/**
 * luo_namespace_init - set up the namespaces
 *
 * Return: 0, or -ENOMEM.
 */
int __init luo_namespace_init(void)
{
	int ret;

	ret = rhashtable_init(&luo_outgoing.names, &luo_names_params);
	if (ret)
		return ret;
	ret = rhashtable_init(&luo_incoming.names, &luo_names_params);
	if (ret)
		rhashtable_destroy(&luo_outgoing.names);
	return ret;
}

static struct luo_namespace *luo_namespace_of(struct luo_session *session)
{
	return session->incoming ? &luo_incoming : &luo_outgoing;
}

/**
 * luo_namespace_add - give a session its name
 * @session: the session
 *
 * Return: 0, -EEXIST if the name is in use, or -ENOMEM.
 */
int luo_namespace_add(struct luo_session *session)
{
	struct luo_namespace *ns = luo_namespace_of(session);
	int ret;

	guard(mutex)(&ns->lock);
	ret = rhashtable_lookup_insert_fast(&ns->names, &session->node,
					    luo_names_params);
	if (ret)
		return ret;
	list_add_tail(&session->list, &ns->list);
	luo_sysfs_update();
	return 0;
}

/**
 * luo_namespace_find - find a session
 * @ns: which kind of session
 * @name: its name
 *
 * Context: the caller holds the lock of the namespace.
 * Return: the session, or NULL.
 */
struct luo_session *luo_namespace_find(struct luo_namespace *ns,
				       const char *name)
{
	char key[LUO_SESSION_NAME_LEN];

	lockdep_assert_held(&ns->lock);
	strscpy_pad(key, name, sizeof(key));
	return rhashtable_lookup_fast(&ns->names, key, luo_names_params);
}

/**
 * luo_namespace_remove - take a session's name away, if it has one
 * @session: the session
 */
void luo_namespace_remove(struct luo_session *session)
{
	struct luo_namespace *ns = luo_namespace_of(session);

	guard(mutex)(&ns->lock);
	if (list_empty(&session->list))
		return;
	rhashtable_remove_fast(&ns->names, &session->node, luo_names_params);
	list_del_init(&session->list);
	luo_sysfs_update();
}

#if IS_ENABLED(CONFIG_LIVEUPDATE_KUNIT_TEST)
/* What no kernel should do: forget sessions of which nothing was given back. */
void luo_namespace_forget_incoming(void)
{
	struct luo_session *session, *next;

	list_for_each_entry_safe(session, next, &luo_incoming.list, list) {
		luo_sysfs_remove(session);
		luo_namespace_remove(session);
		scoped_guard(mutex, &session->files.lock)
			luo_file_set_drop(&session->files);
		kfree(session);
	}
	luo_incoming.error = -ENOENT;
}
#endif

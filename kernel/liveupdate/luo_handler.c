// SPDX-License-Identifier: GPL-2.0
/*
 * The registry of file handlers.
 *
 * Invariants:
 *  - compatible strings are unique;
 *  - whoever has got a handler keeps its module loaded;
 *  - no operation of a handler is called with the registry's mutex held: a
 *    handler may register another one. can_preserve() is called in an SRCU
 *    read section, which may sleep.
 */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/srcu.h>
#include <linux/string.h>

#include "luo_flb.h"
#include "luo_handler.h"

/* Writers hold the mutex, readers the SRCU. */
static LIST_HEAD(luo_handlers);
static DEFINE_MUTEX(luo_handlers_lock);
DEFINE_STATIC_SRCU(luo_handlers_srcu);

static bool luo_handler_is_valid(const struct liveupdate_file_handler *handler)
{
	const struct liveupdate_file_ops *ops = handler->ops;
	size_t len = strnlen(handler->compatible, sizeof(handler->compatible));

	/* While a new file is made the old one would not be waited for. */
	if (ops && ops->renewable && ops->reaches_memory)
		return false;
	return ops && ops->can_preserve && ops->preserve && ops->unpreserve &&
	       ops->retrieve && ops->finish && len &&
	       len < sizeof(handler->compatible);
}

static int luo_handler_add(struct liveupdate_file_handler *handler)
{
	struct liveupdate_file_handler *other;

	guard(mutex)(&luo_handlers_lock);
	list_for_each_entry(other, &luo_handlers, list)
		if (!strcmp(other->compatible, handler->compatible))
			return -EEXIST;
	atomic_set(&handler->nr_files, 0);
	list_add_tail_rcu(&handler->list, &luo_handlers);
	return 0;
}

/**
 * liveupdate_register_file_handler - make a type of files preservable
 * @handler: the handler; stays the caller's
 *
 * May be called whether or not live update is enabled, and from the operations
 * of another handler.
 *
 * Context: process context, may sleep.
 * Return: 0, -EINVAL if an operation or the compatible string is missing, or
 * -EEXIST if there is a handler for that compatible string; the same for its
 * FLBs.
 */
int liveupdate_register_file_handler(struct liveupdate_file_handler *handler)
{
	int ret;

	if (!luo_handler_is_valid(handler))
		return -EINVAL;
	ret = luo_flb_register(handler);
	if (ret)
		return ret;
	ret = luo_handler_add(handler);
	if (ret)
		luo_flb_unregister(handler);
	return ret;
}
EXPORT_SYMBOL_GPL(liveupdate_register_file_handler);

/**
 * liveupdate_unregister_file_handler - undo liveupdate_register_file_handler()
 * @handler: the handler, which must not have any file in a session
 *
 * The handler's module can't go away while it has one. On return nobody uses
 * the handler any more.
 *
 * Context: process context, may sleep; not from a handler's can_preserve().
 */
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *handler)
{
	scoped_guard(mutex, &luo_handlers_lock)
		list_del_rcu(&handler->list);
	synchronize_srcu(&luo_handlers_srcu);
	WARN_ON(atomic_read(&handler->nr_files));
	luo_flb_unregister(handler);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_file_handler);

static bool luo_handler_takes(struct liveupdate_file_handler *handler,
			      const void *file)
{
	return handler->ops->can_preserve(handler, (struct file *)file);
}

static bool luo_handler_named(struct liveupdate_file_handler *handler,
			      const void *compatible)
{
	return !strcmp(handler->compatible, compatible);
}

static struct liveupdate_file_handler *
luo_handler_get(bool (*match)(struct liveupdate_file_handler *, const void *),
		const void *key)
{
	struct liveupdate_file_handler *handler, *found = NULL;
	int idx;

	idx = srcu_read_lock(&luo_handlers_srcu);
	list_for_each_entry_srcu(handler, &luo_handlers, list,
				 srcu_read_lock_held(&luo_handlers_srcu)) {
		if (!try_module_get(handler->ops->owner))
			continue;
		if (match(handler, key)) {
			atomic_inc(&handler->nr_files);
			found = handler;
			break;
		}
		module_put(handler->ops->owner);
	}
	srcu_read_unlock(&luo_handlers_srcu, idx);
	return found;
}

/**
 * luo_handler_get_for - find the handler for a file
 * @file: the file
 *
 * Return: the handler, for luo_handler_put(), or NULL.
 */
struct liveupdate_file_handler *luo_handler_get_for(struct file *file)
{
	return luo_handler_get(luo_handler_takes, file);
}

/**
 * luo_handler_get_named - find the handler for a serialised state
 * @compatible: name and version of the state
 *
 * Return: the handler, for luo_handler_put(), or NULL.
 */
struct liveupdate_file_handler *luo_handler_get_named(const char *compatible)
{
	return luo_handler_get(luo_handler_named, compatible);
}

/**
 * luo_handler_put - let go of a handler
 * @handler: from luo_handler_get_for() or luo_handler_get_named()
 */
void luo_handler_put(struct liveupdate_file_handler *handler)
{
	atomic_dec(&handler->nr_files);
	module_put(handler->ops->owner);
}

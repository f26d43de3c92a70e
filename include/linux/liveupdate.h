/* SPDX-License-Identifier: GPL-2.0 */
/* Live Update Orchestrator (LUO): what a file handler needs. */
#ifndef _LINUX_LIVEUPDATE_H
#define _LINUX_LIVEUPDATE_H

#include <linux/atomic.h>
#include <linux/kho/abi/luo.h>
#include <linux/list.h>
#include <linux/types.h>

struct file;
struct kimage;
struct liveupdate_file_handler;
struct module;

/**
 * struct liveupdate_file_op_args - what a handler's operation works on
 * @handler: the handler itself
 * @session: opaque, identifies the session of the file
 * @file: the file; in retrieve() it is set by the handler; in finish() and
 *	can_finish() NULL if the file was never retrieved
 * @serialized_data: the u64 that travels; set by preserve(), may be changed by
 *	freeze(), given to retrieve() and finish()
 * @private_data: for the handler; kept until unpreserve(), or from a try of
 *	retrieve() that failed in passing to the next one, or finish()
 * @retrieve_status: in can_finish() and finish(): 0 if never tried, 1 if the
 *	file was retrieved, a negative errno if it failed for good
 */
struct liveupdate_file_op_args {
	struct liveupdate_file_handler *handler;
	const void *session;
	struct file *file;
	u64 serialized_data;
	void *private_data;
	int retrieve_status;
};

/**
 * struct liveupdate_file_ops - operations of a file handler
 * @owner: module of the handler, held while one of its files is preserved
 * @can_preserve: does this file belong to the handler? May sleep, and register
 *	a handler, but not unregister one.
 * @preserve: save the file's state, promise to keep it. May sleep.
 * @unpreserve: undo @preserve; the file is ordinary again. Can't fail.
 * @freeze: optional; last change to the saved state, user space still exists
 *	but the reboot has begun. May fail, which stops the live update.
 * @unfreeze: optional; undo @freeze, the live update did not happen
 * @retrieve: make a file of the state in @serialized_data. -ENOMEM, -EINTR,
 *	-ERESTARTSYS and -EAGAIN consumed nothing and can be tried again; any
 *	other error is remembered.
 * @can_finish: optional; is the file whole again?
 * @finish: let go of what preservation still holds. If the file was never
 *	retrieved, or its retrieval failed, free or quarantine its memory.
 * @get_id: optional; identity of what is preserved, by default the inode. Two
 *	files with the same identity are not both preserved.
 *
 * All are called under the mutex of the session, in process context.
 */
struct liveupdate_file_ops {
	struct module *owner;
	bool (*can_preserve)(struct liveupdate_file_handler *handler,
			     struct file *file);
	int (*preserve)(struct liveupdate_file_op_args *args);
	void (*unpreserve)(struct liveupdate_file_op_args *args);
	int (*freeze)(struct liveupdate_file_op_args *args);
	void (*unfreeze)(struct liveupdate_file_op_args *args);
	int (*retrieve)(struct liveupdate_file_op_args *args);
	bool (*can_finish)(struct liveupdate_file_op_args *args);
	void (*finish)(struct liveupdate_file_op_args *args);
	unsigned long (*get_id)(struct file *file);
};

/**
 * struct liveupdate_file_handler - one type of files that can be preserved
 * @ops: operations
 * @compatible: name and version of the serialised state, unique
 */
struct liveupdate_file_handler {
	const struct liveupdate_file_ops *ops;
	const char compatible[LUO_FILE_COMPAT_LEN];
	/* private: in the registry; files in sessions that it handles */
	struct list_head list;
	atomic_t nr_files;
};

#ifdef CONFIG_LIVEUPDATE

bool liveupdate_enabled(void);
int liveupdate_load_image(struct kimage *image);
int liveupdate_check_image(void);
int liveupdate_reboot(void);
void liveupdate_reboot_failed(void);
int liveupdate_register_file_handler(struct liveupdate_file_handler *handler);
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *handler);

#else /* CONFIG_LIVEUPDATE */

static inline bool liveupdate_enabled(void)
{
	return false;
}

static inline int liveupdate_load_image(struct kimage *image)
{
	return 0;
}

static inline int liveupdate_check_image(void)
{
	return 0;
}

static inline int liveupdate_reboot(void)
{
	return 0;
}

static inline void liveupdate_reboot_failed(void)
{
}

#endif /* CONFIG_LIVEUPDATE */

#endif /* _LINUX_LIVEUPDATE_H */

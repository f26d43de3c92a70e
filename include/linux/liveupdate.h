/* SPDX-License-Identifier: GPL-2.0 */
/* Live Update Orchestrator (LUO): what a file handler needs. */
#ifndef _LINUX_LIVEUPDATE_H
#define _LINUX_LIVEUPDATE_H

#include <linux/atomic.h>
#include <linux/kho/abi/luo.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct file;
struct kimage;
struct liveupdate_file_handler;
struct liveupdate_flb;
struct luo_file_set;
struct luo_flb_record;
struct module;

/**
 * struct liveupdate_file_op_args - what a handler's operation works on
 * @handler: the handler itself
 * @session: the session of the file, opaque; see liveupdate_get_token_outgoing()
 *	and liveupdate_get_file_incoming()
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
	struct luo_file_set *session;
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
 * @get_size: optional; bytes in a file of the previous kernel that was not
 *	retrieved so far, for who looks on; a negative errno if that is not known.
 *	May be called at any time before retrieve() has worked, and after it has
 *	failed in passing; changes nothing.
 * @renewable: retrieve() is called again if the file is asked for when nobody
 *	has it any more; the one of before is closed. A process may die with a
 *	file in a state that its successor can't use. What retrieve() needs has
 *	to last until finish().
 * @reaches_memory: until it is retrieved, or given up, hardware may have access to
 *	memory of other files of the session: meanwhile these can't be given up.
 *	See liveupdate_memory_is_reached().
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
	loff_t (*get_size)(const struct liveupdate_file_op_args *args);
	bool renewable;
	bool reaches_memory;
};

/**
 * struct liveupdate_file_handler - one type of files that can be preserved
 * @ops: operations
 * @compatible: name and version of the serialised state, unique
 * @flbs: what each of its files needs, ended by NULL; NULL for nothing
 *
 * What is public here doesn't change while the handler is registered.
 */
struct liveupdate_file_handler {
	const struct liveupdate_file_ops *ops;
	const char compatible[LUO_FILE_COMPAT_LEN];
	struct liveupdate_flb *const *flbs;
	/* private: in the registry; files in sessions that it handles */
	struct list_head list;
	atomic_t nr_files;
};

/**
 * struct liveupdate_flb_op_args - what an operation of an FLB works on
 * @flb: the FLB itself
 * @data: the u64 that travels; set by preserve(), given to all others
 * @obj: what the FLB is in this kernel; set by preserve() and retrieve(), given
 *	to unpreserve() and finish(). In finish() NULL if it was never retrieved,
 *	or that has failed.
 * @retrieve_status: in finish(): 0 if never tried, 1 if it was retrieved, a
 *	negative errno if that failed for good
 */
struct liveupdate_flb_op_args {
	struct liveupdate_flb *flb;
	u64 data;
	void *obj;
	int retrieve_status;
};

/**
 * struct liveupdate_flb_ops - operations of an FLB
 * @owner: module of the FLB, held from retrieve() to finish()
 * @preserve: the first file that needs it is about to be preserved
 * @unpreserve: the last one is not preserved any more. Can't fail.
 * @retrieve: make of @data what it was. Called when somebody asks for it. The
 *	same errors are passing ones as in &liveupdate_file_ops.retrieve.
 * @finish: the last file of the previous kernel that needs it is finished.
 *	If it was never retrieved, or can't be, @retrieve_status says so: free or
 *	quarantine what @data stands for.
 *
 * All are called in process context, under a mutex of the FLB and mostly under
 * that of a session. They may register handlers, but not ask for an FLB.
 */
struct liveupdate_flb_ops {
	struct module *owner;
	int (*preserve)(struct liveupdate_flb_op_args *args);
	void (*unpreserve)(struct liveupdate_flb_op_args *args);
	int (*retrieve)(struct liveupdate_flb_op_args *args);
	void (*finish)(struct liveupdate_flb_op_args *args);
};

/**
 * struct liveupdate_flb - file-lifecycle-bound data: shared by many files, alive
 *	while any of them is preserved
 * @ops: operations
 * @compatible: name and version of the data, unique
 *
 * One IOMMU's tables, or the layout of a PCI bus. Which files need it is told by
 * &liveupdate_file_handler.flbs. It has two lives that don't know of each other:
 * in what is to be handed over, and in what was handed over.
 */
struct liveupdate_flb {
	const struct liveupdate_flb_ops *ops;
	const char compatible[LUO_FLB_NAME_LEN];
	/* private: in luo_flb.c */
	struct list_head list;
	unsigned int nr_handlers;
	struct luo_flb_record *incoming;
	/* protects the fields below; the order of locks is in luo_flb.c */
	struct mutex lock;
	unsigned long files;
	unsigned long users;
	u64 data;
	void *obj;
};

#ifdef CONFIG_LIVEUPDATE

bool liveupdate_enabled(void);
int liveupdate_load_image(struct kimage *image);
int liveupdate_check_image(void);
int liveupdate_reboot(void);
void liveupdate_reboot_failed(void);
int liveupdate_register_file_handler(struct liveupdate_file_handler *handler);
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *handler);
bool liveupdate_file_is_preserved(struct file *file);
int liveupdate_get_token_outgoing(struct luo_file_set *session,
				  struct file *file, u64 *token);
int liveupdate_get_file_incoming(struct luo_file_set *session, u64 token,
				 struct file **filp);
bool liveupdate_memory_is_reached(struct luo_file_set *session);
int liveupdate_register_flb(struct liveupdate_flb *flb);
void liveupdate_unregister_flb(struct liveupdate_flb *flb);
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **obj);
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb);
int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **obj);
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb);

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

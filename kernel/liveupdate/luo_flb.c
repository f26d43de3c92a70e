// SPDX-License-Identifier: GPL-2.0
/*
 * File-lifecycle-bound (FLB) data: shared by many files, alive while any of them
 * is preserved. An FLB has two lives that don't know of each other: the outgoing
 * one in &struct liveupdate_flb, the incoming one in &struct luo_flb_record.
 *
 * Invariants:
 *  - an FLB is known while one of the handlers whose files need it is, or as long
 *    as it was asked for. Handlers refer to it, so its module stays where it is
 *    while there are such files;
 *  - outgoing: it is preserved as long as it has files or users;
 *  - incoming: it is finished once, when it has neither files nor users any
 *    more, also if it was never retrieved or can't be: finish() is told. If its
 *    record has more files than there are, that is never, and what it stands for
 *    stays reserved;
 *  - the records of the previous kernel stay in their list for ever; what is
 *    not claimed by an FLB yet may be so later, when a module is loaded;
 *  - no operation is called with luo_flb_lock held: it may register a handler.
 *
 * Lock order: the lock of a session, then that of an FLB or of a record, then
 * luo_flb_lock.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_file.h"
#include "luo_flb.h"
#include "luo_session.h"
#include "luo_trace.h"

/**
 * struct luo_flb_record - what the previous kernel has handed over for an FLB
 * @list: in luo_flb_records
 * @name: of the FLB, fixed
 * @data: for the FLB, fixed
 * @lock: protects the fields below
 * @files: that are not finished
 * @users: of @obj
 * @obj: made of it by retrieve()
 * @status: 0: not tried, 1: retrieved, or the error that remains
 * @finished: nothing is left of it
 */
struct luo_flb_record {
	struct list_head list;
	char name[LUO_FLB_NAME_LEN];
	u64 data;
	/* taken under the mutex of a session, or with nothing held */
	struct mutex lock;
	u64 files;
	unsigned long users;
	void *obj;
	int status;
	bool finished;
};

/* Protects what is below, and registration. */
static DEFINE_MUTEX(luo_flb_lock);
static LIST_HEAD(luo_flbs);
static LIST_HEAD(luo_flb_records);
/* What it means if there is no record. */
static int luo_flb_error = -ENOENT;

/* The table that was written, or NULL; under luo_reboot_lock for writing. */
static struct luo_flb_header_ser *luo_flb_out;

static struct luo_flb_record *luo_flb_find_record(const char *name)
{
	struct luo_flb_record *record;

	lockdep_assert_held(&luo_flb_lock);
	list_for_each_entry(record, &luo_flb_records, list)
		if (!strcmp(record->name, name))
			return record;
	return NULL;
}

static bool luo_flb_is_valid(const struct liveupdate_flb *flb)
{
	const struct liveupdate_flb_ops *ops = flb->ops;
	size_t len = strnlen(flb->compatible, sizeof(flb->compatible));

	return ops && ops->preserve && ops->unpreserve && ops->retrieve &&
	       ops->finish && len && len < sizeof(flb->compatible);
}

/**
 * liveupdate_register_flb - make an FLB known before a handler does
 * @flb: the FLB
 *
 * For who has to know what was handed over before there is a handler. What the
 * FLB refers to must stay valid until liveupdate_unregister_flb().
 *
 * Context: process context, from postcore_initcall_sync() on.
 * Return: 0, -EINVAL if an operation or the compatible string is missing, or
 * -EEXIST if there is another FLB for that compatible string.
 */
int liveupdate_register_flb(struct liveupdate_flb *flb)
{
	struct liveupdate_flb *other;

	if (!luo_flb_is_valid(flb))
		return -EINVAL;

	guard(mutex)(&luo_flb_lock);
	list_for_each_entry(other, &luo_flbs, list) {
		if (other == flb) {
			flb->nr_handlers++;
			return 0;
		}
		if (!strcmp(other->compatible, flb->compatible))
			return -EEXIST;
	}
	mutex_init(&flb->lock);
	flb->nr_handlers = 1;
	flb->files = 0;
	flb->users = 0;
	flb->incoming = luo_flb_find_record(flb->compatible);
	list_add_tail(&flb->list, &luo_flbs);
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_register_flb);

/**
 * liveupdate_unregister_flb - undo liveupdate_register_flb()
 * @flb: the FLB; a handler that needs it keeps it known
 */
void liveupdate_unregister_flb(struct liveupdate_flb *flb)
{
	guard(mutex)(&luo_flb_lock);
	if (--flb->nr_handlers)
		return;
	WARN_ON(flb->files || flb->users);
	list_del(&flb->list);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_flb);

/* The first @nr FLBs of a handler, the last one first. */
static void luo_flb_undo(struct liveupdate_file_handler *handler, unsigned int nr,
			 void (*undo)(struct liveupdate_flb *flb))
{
	while (nr--)
		undo(handler->flbs[nr]);
}

static unsigned int luo_flb_count(struct liveupdate_file_handler *handler)
{
	unsigned int nr = 0;

	while (handler->flbs && handler->flbs[nr])
		nr++;
	return nr;
}

/* All FLBs of a handler, or none. */
static int luo_flb_do(struct liveupdate_file_handler *handler,
		      int (*fn)(struct liveupdate_flb *flb),
		      void (*undo)(struct liveupdate_flb *flb))
{
	unsigned int nr = luo_flb_count(handler), i;
	int ret;

	for (i = 0; i < nr; i++) {
		ret = fn(handler->flbs[i]);
		if (ret) {
			luo_flb_undo(handler, i, undo);
			return ret;
		}
	}
	return 0;
}

/**
 * luo_flb_register - get to know what a handler's files need
 * @handler: the handler, not registered yet
 *
 * Return: 0, -EINVAL if an operation or a compatible string is missing, or
 * -EEXIST if there is another FLB for that compatible string.
 */
int luo_flb_register(struct liveupdate_file_handler *handler)
{
	return luo_flb_do(handler, liveupdate_register_flb,
			  liveupdate_unregister_flb);
}

/**
 * luo_flb_unregister - undo luo_flb_register()
 * @handler: the handler, not registered any more
 */
void luo_flb_unregister(struct liveupdate_file_handler *handler)
{
	luo_flb_undo(handler, luo_flb_count(handler), liveupdate_unregister_flb);
}

static struct liveupdate_flb_op_args luo_flb_args(struct liveupdate_flb *flb)
{
	lockdep_assert_held(&flb->lock);
	return (struct liveupdate_flb_op_args) {
		.flb = flb,
		.data = flb->data,
		.obj = flb->obj,
	};
}

static int luo_flb_preserve_one(struct liveupdate_flb *flb)
{
	struct liveupdate_flb_op_args args;
	int ret;

	guard(mutex)(&flb->lock);
	if (!flb->files && !flb->users) {
		flb->data = 0;
		flb->obj = NULL;
		args = luo_flb_args(flb);
		ret = luo_trace_flb(luo_flb_preserve, flb,
				    flb->ops->preserve(&args));
		if (ret)
			return ret;
		flb->data = args.data;
		flb->obj = args.obj;
	}
	flb->files++;
	return 0;
}

static void luo_flb_end_outgoing(struct liveupdate_flb *flb)
{
	struct liveupdate_flb_op_args args = luo_flb_args(flb);

	if (!flb->files && !flb->users)
		luo_trace_flb(luo_flb_unpreserve, flb,
			      (flb->ops->unpreserve(&args), 0));
}

static void luo_flb_unpreserve_one(struct liveupdate_flb *flb)
{
	guard(mutex)(&flb->lock);
	flb->files--;
	luo_flb_end_outgoing(flb);
}

/**
 * luo_flb_preserve - a file is about to be preserved
 * @handler: its handler
 *
 * Context: the lock of the session is held, or another one that keeps the
 * reboot away.
 * Return: 0, or what an FLB says that can't be preserved.
 */
int luo_flb_preserve(struct liveupdate_file_handler *handler)
{
	return luo_flb_do(handler, luo_flb_preserve_one,
			  luo_flb_unpreserve_one);
}

/**
 * luo_flb_unpreserve - undo luo_flb_preserve()
 * @handler: handler of the file
 */
void luo_flb_unpreserve(struct liveupdate_file_handler *handler)
{
	luo_flb_undo(handler, luo_flb_count(handler), luo_flb_unpreserve_one);
}

/**
 * liveupdate_flb_get_outgoing - use an FLB that is to be handed over
 * @flb: the FLB, of a registered handler
 * @obj: out: what it is in this kernel
 *
 * Context: process context, may sleep; not from an operation of an FLB.
 * Return: 0, and liveupdate_flb_put_outgoing() must be called; or -ENOENT if no
 * file that needs it is preserved.
 */
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **obj)
{
	guard(mutex)(&flb->lock);
	if (!flb->files)
		return -ENOENT;
	flb->users++;
	*obj = flb->obj;
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_outgoing);

/**
 * liveupdate_flb_put_outgoing - undo liveupdate_flb_get_outgoing()
 * @flb: the FLB; it is unpreserved if its last file has gone meanwhile
 */
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb)
{
	guard(mutex)(&flb->lock);
	flb->users--;
	luo_flb_end_outgoing(flb);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_outgoing);

/**
 * luo_flb_serialise - write down all FLBs for the next kernel
 * @table: out: where the table is; there is one even if it has no entries
 *
 * Context: the caller holds luo_reboot_lock for writing, so no file comes or
 * goes; sessions are frozen.
 * Return: 0, -ENOMEM, or -ENOSPC if there are more than %LUO_FLB_MAX.
 */
int luo_flb_serialise(u64 *table)
{
	struct luo_flb_header_ser *header;
	struct liveupdate_flb *flb;
	struct luo_flb_ser *ser;
	size_t size, nr;

	lockdep_assert_held_write(&luo_reboot_lock);
	guard(mutex)(&luo_flb_lock);
	nr = list_count_nodes(&luo_flbs);
	if (nr > LUO_FLB_MAX)
		return -ENOSPC;
	size = sizeof(*header) + nr * sizeof(*ser);
	/* Zeroed to the end, as the number of records might be damaged. */
	header = kho_alloc_preserve(PAGE_SIZE << get_order(size));
	if (IS_ERR(header))
		return PTR_ERR(header);
	header->pgcnt = 1UL << get_order(size);
	ser = (struct luo_flb_ser *)(header + 1);
	list_for_each_entry(flb, &luo_flbs, list) {
		if (!flb->files)
			continue;
		strscpy(ser->name, flb->compatible, sizeof(ser->name));
		ser->data = flb->data;
		ser->count = flb->files;
		ser++;
		header->count++;
	}
	luo_flb_out = header;
	*table = virt_to_phys(header);
	return 0;
}

/**
 * luo_flb_unserialise - undo luo_flb_serialise()
 *
 * Context: the caller holds luo_reboot_lock for writing.
 */
void luo_flb_unserialise(void)
{
	lockdep_assert_held_write(&luo_reboot_lock);
	kho_unpreserve_free(luo_flb_out);
	luo_flb_out = NULL;
}

static int luo_flb_add(const struct luo_flb_ser *ser)
{
	size_t len = strnlen(ser->name, sizeof(ser->name));
	struct luo_flb_record *record;

	if (!len || len == sizeof(ser->name) || !ser->count)
		return -ENODATA;
	record = luo_flb_find_record(ser->name);
	if (record) {
		pr_err("shared data '%*pE' was handed over twice, neither can be used\n",
		       (int)len, ser->name);
		record->status = -EIO;
		return -EINVAL;
	}
	record = kzalloc(sizeof(*record), GFP_KERNEL);
	if (!record)
		return -ENOMEM;
	mutex_init(&record->lock);
	strscpy(record->name, ser->name, sizeof(record->name));
	record->data = ser->data;
	record->files = ser->count;
	list_add_tail(&record->list, &luo_flb_records);
	return 0;
}

/* What there is room for, but no more than there may be. */
static size_t luo_flb_max(const struct luo_flb_header_ser *header)
{
	size_t room = PFN_PHYS(header->pgcnt) - sizeof(*header);

	return min(room / sizeof(struct luo_flb_ser), LUO_FLB_MAX);
}

VISIBLE_IF_KUNIT int
luo_flb_load_table(const struct luo_flb_header_ser *header)
{
	const struct luo_flb_ser *ser = (void *)(header + 1);
	u64 i, max = luo_flb_max(header);
	unsigned int nr_empty = 0;
	int ret, error = 0;

	guard(mutex)(&luo_flb_lock);
	if (header->count > max)
		error = -EINVAL;
	for (i = 0; i < min(header->count, max); i++) {
		ret = luo_flb_add(&ser[i]);
		if (ret == -ENODATA)
			nr_empty++;
		else if (ret)
			error = ret;
	}
	if (nr_empty) {
		pr_err("%u of shared data without a name or a file were handed over: ignored\n",
		       nr_empty);
		error = -EINVAL;
	}
	return error;
}

/* A table that is one preserved block, of the size that it says. */
static const struct luo_flb_header_ser *luo_flb_find_table(phys_addr_t phys)
{
	const struct luo_flb_header_ser *header;
	int order = kho_preserved_order(phys);

	if (order < 0 || order > MAX_PAGE_ORDER)
		return NULL;
	header = phys_to_virt(phys);
	return header->pgcnt && header->pgcnt <= 1UL << order ? header : NULL;
}

/**
 * luo_flb_table - the table as it is
 * @table: where it is, 0 for none
 * @own: written by this kernel, not by the previous one
 * @nr: out: how many records there are
 *
 * Return: the records, or NULL if there is no table.
 */
const struct luo_flb_ser *luo_flb_table(u64 table, bool own, size_t *nr)
{
	const struct luo_flb_header_ser *header;

	header = own ? phys_to_virt(table) : luo_flb_find_table(table);
	if (!table || !header)
		return NULL;
	*nr = min(header->count, luo_flb_max(header));
	return (const struct luo_flb_ser *)(header + 1);
}

/**
 * luo_flb_load - read the table of the previous kernel
 * @table: where it is, 0 for none
 *
 * Records that can be read are kept even if others can't. The table is given
 * back only if all of it could be read.
 *
 * Context: boot.
 * Return: 0, -EINVAL if the table is damaged, or -ENOMEM.
 */
int luo_flb_load(u64 table)
{
	const struct luo_flb_header_ser *header;
	int ret = -EINVAL;

	if (!table)
		return 0;
	header = luo_flb_find_table(table);
	if (header)
		ret = luo_flb_load_table(header);
	if (ret)
		luo_flb_refuse_all(-EIO);
	else
		kho_restore_free((void *)header);
	return ret;
}

/**
 * luo_flb_refuse_all - change what it means if an FLB has no record
 * @error: returned to who asks for one
 */
void luo_flb_refuse_all(int error)
{
	guard(mutex)(&luo_flb_lock);
	luo_flb_error = error;
}

static struct liveupdate_flb_op_args
luo_flb_record_args(struct liveupdate_flb *flb, struct luo_flb_record *record)
{
	lockdep_assert_held(&record->lock);
	return (struct liveupdate_flb_op_args) {
		.flb = flb,
		.data = record->data,
		.obj = record->obj,
		.retrieve_status = record->status,
	};
}

static int luo_flb_retrieve(struct liveupdate_flb *flb,
			    struct luo_flb_record *record)
{
	struct liveupdate_flb_op_args args = luo_flb_record_args(flb, record);
	int ret;

	if (record->status)
		return min(record->status, 0);
	if (!try_module_get(flb->ops->owner))
		return -EAGAIN;
	ret = luo_trace_flb(luo_flb_retrieve, flb, flb->ops->retrieve(&args));
	if (WARN_ON_ONCE(ret > 0))
		ret = -EIO;
	if (!ret) {
		record->obj = args.obj;
		record->status = 1;
		return 0;
	}
	module_put(flb->ops->owner);
	if (!luo_error_is_passing(ret)) {
		pr_err("shared data '%s' can't be retrieved: %d\n",
		       flb->compatible, ret);
		record->status = ret;
	}
	return ret;
}

static void luo_flb_end_incoming(struct liveupdate_flb *flb,
				 struct luo_flb_record *record)
{
	struct liveupdate_flb_op_args args = luo_flb_record_args(flb, record);

	if (record->files || record->users || record->finished)
		return;
	luo_trace_flb(luo_flb_finish, flb, (flb->ops->finish(&args), 0));
	if (record->status > 0)
		module_put(flb->ops->owner);
	record->obj = NULL;
	record->finished = true;
}

static void luo_flb_finish_one(struct liveupdate_flb *flb)
{
	struct luo_flb_record *record = flb->incoming;

	if (!record)
		return;
	guard(mutex)(&record->lock);
	/* The previous kernel may have counted wrong. */
	if (record->files)
		record->files--;
	luo_flb_end_incoming(flb, record);
}

/**
 * luo_flb_finish - a file of the previous kernel is finished
 * @handler: its handler
 */
void luo_flb_finish(struct liveupdate_file_handler *handler)
{
	luo_flb_undo(handler, luo_flb_count(handler), luo_flb_finish_one);
}

/**
 * liveupdate_flb_get_incoming - use an FLB that was handed over
 * @flb: the FLB, of a registered handler
 * @obj: out: what it is in this kernel
 *
 * It is retrieved if that was not done yet.
 *
 * Context: process context, may sleep; not from an operation of an FLB.
 * Return: 0, and liveupdate_flb_put_incoming() must be called; -ENOENT if
 * nothing was handed over, or all files that need it are finished; -EIO if that
 * can't be told; or what the FLB says, now or when it was tried first.
 */
int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **obj)
{
	struct luo_flb_record *record = flb->incoming;
	int ret;

	if (!record)
		return luo_flb_error;
	guard(mutex)(&record->lock);
	if (!record->files)
		return -ENOENT;
	ret = luo_flb_retrieve(flb, record);
	if (ret)
		return ret;
	record->users++;
	*obj = record->obj;
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_incoming);

/**
 * liveupdate_flb_put_incoming - undo liveupdate_flb_get_incoming()
 * @flb: the FLB; it is finished if its last file is so meanwhile
 */
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb)
{
	struct luo_flb_record *record = flb->incoming;

	guard(mutex)(&record->lock);
	record->users--;
	luo_flb_end_incoming(flb, record);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_incoming);

#if IS_ENABLED(CONFIG_LIVEUPDATE_KUNIT_TEST)
/* What no kernel should do: forget records of which nothing was given back. */
void luo_flb_forget_incoming(void)
{
	struct luo_flb_record *record, *next;

	guard(mutex)(&luo_flb_lock);
	list_for_each_entry_safe(record, next, &luo_flb_records, list) {
		list_del(&record->list);
		kfree(record);
	}
	luo_flb_error = -ENOENT;
}
#endif

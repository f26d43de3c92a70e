// SPDX-License-Identifier: GPL-2.0
/*
 * What is told of a session, in sysfs and in the fdinfo of its descriptor. The
 * format is in Documentation/ABI/testing/sysfs-kernel-liveupdate.
 *
 * Invariants:
 *  - looking changes nothing: a table that nobody has asked for stays as the
 *    previous kernel has left it;
 *  - what is shown of a session is of one moment;
 *  - no address is shown: neither pointers nor what handlers have serialised.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kho/abi/luo.h>
#include <linux/kho/block.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include "luo_file.h"
#include "luo_handler.h"
#include "luo_namespace.h"
#include "luo_session.h"
#include "luo_show.h"

/* With characters to be escaped besides: "\xHH" for all but printable ASCII. */
#define LUO_SHOW_ESCAPE		(ESCAPE_HEX | ESCAPE_NAP | ESCAPE_APPEND)

/**
 * luo_shown_name - make a file name of the name of a session
 * @shown: out: the name for sysfs, room for %LUO_SHOWN_NAME_LEN
 * @name: the name of the session, which can be any bytes
 *
 * Different names are shown differently.
 */
void luo_shown_name(char *shown, const char *name)
{
	bool dots = !strcmp(name, ".") || !strcmp(name, "..");
	int len;

	len = string_escape_mem(name, strlen(name), shown,
				LUO_SHOWN_NAME_LEN - 1, LUO_SHOW_ESCAPE,
				dots ? "." : "/\\");
	shown[len] = '\0';
}

/* Bytes, or negative if they are not known. */
static loff_t luo_file_size(struct luo_file_set *set, struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(set, file);
	loff_t size = -EOPNOTSUPP;

	if (file->file) {
		struct inode *inode = file_inode(file->file);

		return S_ISREG(inode->i_mode) ? i_size_read(inode) : size;
	}
	if (file->retrieve_status)
		return size;
	/* Not attached, maybe. */
	args.handler = luo_handler_get_named(file->compatible);
	if (!args.handler)
		return size;
	if (args.handler->ops->get_size)
		size = args.handler->ops->get_size(&args);
	luo_handler_put(args.handler);
	return size;
}

static void luo_file_show(struct seq_file *m, struct luo_session *session,
			  struct luo_file *file)
{
	const char *type = session->incoming ? file->compatible :
					       file->handler->compatible;
	loff_t size = luo_file_size(&session->files, file);

	seq_printf(m, "file:\t0x%llx ", file->token);
	seq_escape_mem(m, type, strlen(type), LUO_SHOW_ESCAPE, " \\");
	if (size < 0)
		seq_puts(m, " - ");
	else
		seq_printf(m, " %lld ", size);
	if (!session->incoming)
		seq_puts(m, "preserved\n");
	else if (file->wanted)
		seq_puts(m, "retrieved\n");
	else if (file->retrieve_status >= 0)
		seq_puts(m, "waiting\n");
	else
		seq_printf(m, "failed:%d\n", -file->retrieve_status);
}

/* A record of the previous kernel; -EIO if it is none. */
static int luo_record_show(struct seq_file *m, struct luo_session *session,
			   const struct luo_file_ser *ser)
{
	struct luo_file file = { .token = ser->token, .data = ser->data };

	if (!ser->compatible[0] || strscpy(file.compatible, ser->compatible,
					   sizeof(file.compatible)) < 0)
		return -EIO;
	luo_file_show(m, session, &file);
	return 0;
}

/* Nobody has asked for the session, so the table is still there. */
static int luo_table_show(struct seq_file *m, struct luo_session *session)
{
	struct kho_block_reader reader;
	struct luo_file_ser *ser;
	u64 left;
	int ret;

	kho_block_reader_init(&reader, session->ser_files, sizeof(*ser));
	for (left = session->ser_count; left; left--) {
		ser = luo_next_record(&reader);
		if (IS_ERR_OR_NULL(ser))
			return -EIO;
		ret = luo_record_show(m, session, ser);
		if (ret)
			return ret;
	}
	return luo_next_record(&reader) ? -EIO : 0;
}

static int luo_files_show(struct seq_file *m, struct luo_session *session)
{
	struct luo_file *file;

	lockdep_assert_held(&session->files.lock);
	if (session->incoming && !session->loaded) {
		seq_printf(m, "files:\t%llu\n", session->ser_count);
		return luo_table_show(m, session);
	}
	seq_printf(m, "files:\t%lu\n", session->files.count);
	list_for_each_entry(file, &session->files.list, list)
		luo_file_show(m, session, file);
	return 0;
}

static const char *luo_session_state(struct luo_session *session)
{
	lockdep_assert_held(&session->files.lock);
	if (!session->incoming)
		return READ_ONCE(luo_rebooting) ? "frozen" : "preserving";
	if (session->finished)
		return "finished";
	guard(mutex)(&luo_incoming.lock);
	return session->claimed ? "claimed" : "waiting";
}

/**
 * luo_session_show - tell what is in a session
 * @m: where to
 * @session: the session, which the caller keeps from going away
 *
 * Context: process context, may sleep: until an operation on this session is
 * done, but neither for other sessions nor for a reboot as a whole.
 * Return: 0, -ERESTARTSYS, or -EIO if what the previous kernel left is damaged.
 */
int luo_session_show(struct seq_file *m, struct luo_session *session)
{
	char name[LUO_SHOWN_NAME_LEN];

	luo_shown_name(name, session->name);
	scoped_cond_guard(mutex_intr, return -ERESTARTSYS,
			  &session->files.lock) {
		if (session->damaged)
			return session->damaged;
		seq_printf(m, "session:\t%s\ndirection:\t%s\nstate:\t%s\n",
			   name, session->incoming ? "incoming" : "outgoing",
			   luo_session_state(session));
		return luo_files_show(m, session);
	}
	return 0;
}

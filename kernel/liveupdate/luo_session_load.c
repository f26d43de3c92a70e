// SPDX-License-Identifier: GPL-2.0
/*
 * The sessions that the previous kernel has handed over: its table is read once, at
 * boot. Nothing is asked of handlers here, and no file is looked at.
 *
 * Invariants:
 *  - what can be read is kept, whatever is wrong with the rest;
 *  - sessions that contradict each other can't be claimed, none of them;
 *  - after that a name that is not known is not taken for one that never was, if
 *    a part of the table could not be read.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kho/block.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "luo_namespace.h"
#include "luo_session.h"

static void luo_session_refuse(struct luo_session *session, const char *why)
{
	luo_set_err(&session->files, "%s\n", why);
	guard(mutex)(&session->files.lock);
	session->damaged = -EIO;
}

/* A name that is there twice says nothing about which one is meant. */
static void luo_session_doubt(const char *name)
{
	struct luo_session *session;

	scoped_guard(mutex, &luo_incoming.lock)
		session = luo_namespace_find(&luo_incoming, name);
	luo_session_refuse(session, "handed over twice, neither can be retrieved");
}

/* Two sessions with the same files: whose they are nobody knows. */
static int luo_session_own(struct luo_session *session, struct xarray *owners)
{
	struct luo_session *other;

	if (!session->ser_files)
		return 0;
	other = xa_store(owners, PHYS_PFN(session->ser_files), session, GFP_KERNEL);
	if (xa_is_err(other))
		return xa_err(other);
	if (other) {
		luo_session_refuse(other, "has the files of another session");
		luo_session_refuse(session, "has the files of another session");
	}
	return 0;
}

static int luo_session_add(const struct luo_session_ser *ser, struct xarray *owners)
{
	size_t len = strnlen(ser->name, sizeof(ser->name));
	struct luo_session *session;
	int ret;

	if (!len || len == sizeof(ser->name))
		return -ENODATA;
	session = luo_session_alloc(ser->name, true);
	if (!session)
		return -ENOMEM;
	session->ser_files = ser->files;
	session->ser_count = ser->count;
	ret = luo_namespace_add(session);
	if (ret) {
		luo_session_free(session);
		if (ret != -EEXIST)
			return ret;
		luo_session_doubt(ser->name);
		return 0;
	}
	return luo_session_own(session, owners);
}

/**
 * luo_session_load_all - read the table of the previous kernel
 * @first: where the chain of &struct luo_session_ser begins
 *
 * Sessions that can be read are kept even if others can't; from then on, a
 * session that is not known may be one of those, and claiming it fails with
 * -EIO. The table is given back only if all of it could be read.
 *
 * Context: boot, before there is a device.
 * Return: 0, -EINVAL if the table is damaged, or -ENOMEM.
 */
int luo_session_load_all(u64 first)
{
	struct kho_block_reader reader;
	struct luo_session_ser *ser;
	unsigned long nr_nameless = 0;
	struct xarray owners;
	int ret, error = 0;

	xa_init(&owners);
	kho_block_reader_init(&reader, first, sizeof(*ser));
	while ((ser = luo_next_record(&reader))) {
		ret = IS_ERR(ser) ? PTR_ERR(ser) :
				    luo_session_add(ser, &owners);
		if (ret == -ENODATA)
			nr_nameless++;
		else if (ret)
			error = ret;
		if (IS_ERR(ser))
			break;
	}
	xa_destroy(&owners);
	if (nr_nameless) {
		pr_err("%lu sessions with an invalid name were handed over: ignored\n",
		       nr_nameless);
		error = -EINVAL;
	}
	if (error)
		luo_session_refuse_all(-EIO);
	else
		kho_block_restore_free(first, sizeof(*ser));
	return error;
}

/**
 * luo_session_refuse_all - change what it means if a session is not known
 * @error: returned to who asks for one
 */
void luo_session_refuse_all(int error)
{
	guard(mutex)(&luo_incoming.lock);
	luo_incoming.error = error;
}

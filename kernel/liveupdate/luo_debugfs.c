// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/liveupdate: copies of the tables that were handed over to
 * this kernel (in/), and of those it has written last (out/). Read-only.
 *
 * The tables themselves are given back as soon as they have been read, or when
 * the kexec has failed: it is their copies that can be read at any time.
 * What can't be copied, for lack of memory or for what is wrong with it, is not
 * there. Nor is what comes behind too much: a table of the previous kernel may say
 * that all sessions have the same million files.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kho/abi/luo.h>
#include <linux/kho/block.h>
#include <linux/list.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_debugfs.h"
#include "luo_flb.h"
#include "luo_show.h"

/* Of copies in one direction, and what a file in debugfs takes beside its copy. */
#define LUO_DEBUGFS_MAX		SZ_16M
#define LUO_DEBUGFS_FILE	SZ_1K

struct luo_table_copy {
	struct list_head list;
	struct debugfs_blob_wrapper blob;
	u8 data[];
};

/*
 * One direction. in/ is written at boot only, out/ under luo_reboot_lock for
 * writing.
 */
struct luo_debugfs_dir {
	struct dentry *dir;
	struct list_head copies;
	/* bytes that are left of LUO_DEBUGFS_MAX; 0 once something did not fit */
	size_t room;
};

static struct dentry *luo_debugfs_root;
static struct luo_debugfs_dir luo_debugfs_in = {
	.copies = LIST_HEAD_INIT(luo_debugfs_in.copies),
};

static struct luo_debugfs_dir luo_debugfs_out = {
	.copies = LIST_HEAD_INIT(luo_debugfs_out.copies),
};

static struct kho_block_reader luo_table_reader(u64 first, size_t size, bool own)
{
	struct kho_block_reader reader;

	if (own)
		kho_block_reader_init_own(&reader, first, size);
	else
		kho_block_reader_init(&reader, first, size);
	return reader;
}

/* Records up to the first one that is not there; no more than @max + 1 are counted. */
static size_t luo_table_count(struct kho_block_reader reader, size_t max)
{
	size_t nr = 0;

	while (nr <= max && !IS_ERR_OR_NULL(kho_block_next(&reader)))
		nr++;
	return nr;
}

/* A file of @size bytes, which the caller fills; NULL if it is not there. */
static u8 *luo_copy_add(struct luo_debugfs_dir *dir, struct dentry *parent,
			const char *name, size_t size)
{
	struct luo_table_copy *copy;

	if (dir->room < LUO_DEBUGFS_FILE || size > dir->room - LUO_DEBUGFS_FILE) {
		dir->room = 0;
		return NULL;
	}
	dir->room -= size + LUO_DEBUGFS_FILE;
	copy = kvzalloc(struct_size(copy, data, size), GFP_KERNEL);
	if (!copy)
		return NULL;
	copy->blob.data = copy->data;
	copy->blob.size = size;
	list_add_tail(&copy->list, &dir->copies);
	debugfs_create_blob(name, 0400, parent, &copy->blob);
	return copy->data;
}

static const void *luo_table_keep(struct luo_debugfs_dir *dir,
				  struct dentry *parent, const char *name,
				  struct kho_block_reader reader, size_t *nr)
{
	size_t i, size = reader.record_size;
	const void *record;
	u8 *copy;

	*nr = luo_table_count(reader, dir->room / size);
	copy = luo_copy_add(dir, parent, name, array_size(*nr, size));
	if (!copy)
		return NULL;
	for (i = 0; i < *nr; i++) {
		record = kho_block_next(&reader);
		if (IS_ERR_OR_NULL(record))
			break;
		memcpy(copy + i * size, record, size);
	}
	return copy;
}

static void luo_flbs_keep(struct luo_debugfs_dir *dir, u64 phys, bool own)
{
	const struct luo_flb_ser *flbs;
	size_t nr;
	u8 *copy;

	flbs = luo_flb_table(phys, own, &nr);
	if (!flbs)
		return;
	copy = luo_copy_add(dir, dir->dir, "flbs", nr * sizeof(*flbs));
	if (copy)
		memcpy(copy, flbs, nr * sizeof(*flbs));
}

static void luo_debugfs_forget(struct luo_debugfs_dir *dir)
{
	struct luo_table_copy *copy, *next;

	/* Waits for readers. */
	debugfs_remove(dir->dir);
	dir->dir = NULL;
	list_for_each_entry_safe(copy, next, &dir->copies, list)
		kvfree(copy);
	INIT_LIST_HEAD(&dir->copies);
}

static void luo_debugfs_keep(struct luo_debugfs_dir *dir, const char *name,
			     const struct luo_ser *ser, bool own)
{
	const struct luo_session_ser *session;
	char shown[LUO_SHOWN_NAME_LEN];
	struct dentry *files;
	size_t nr, nr_files;

	luo_debugfs_forget(dir);
	dir->room = LUO_DEBUGFS_MAX;
	dir->dir = debugfs_create_dir(name, luo_debugfs_root);
	luo_flbs_keep(dir, ser->flbs_pa, own);
	files = debugfs_create_dir("files", dir->dir);
	session = luo_table_keep(dir, dir->dir, "sessions",
				 luo_table_reader(ser->sessions_pa,
						  sizeof(*session), own), &nr);
	for (; session && nr && dir->room; session++, nr--) {
		if (strnlen(session->name, sizeof(session->name)) ==
		    sizeof(session->name))
			continue;
		luo_shown_name(shown, session->name);
		luo_table_keep(dir, files, shown,
			       luo_table_reader(session->files,
						sizeof(struct luo_file_ser), own),
			       &nr_files);
	}
}

/**
 * luo_debugfs_keep_in - copy what was handed over
 * @ser: from the previous kernel, not yet read
 *
 * Context: boot.
 */
void __init luo_debugfs_keep_in(const struct luo_ser *ser)
{
	luo_debugfs_keep(&luo_debugfs_in, "in", ser, false);
}

/**
 * luo_debugfs_keep_out - copy what is about to be handed over
 * @ser: for the next kernel
 *
 * Context: process context, may sleep.
 */
void luo_debugfs_keep_out(const struct luo_ser *ser)
{
	luo_debugfs_keep(&luo_debugfs_out, "out", ser, true);
}

/**
 * luo_debugfs_init - make the directory
 *
 * Context: boot, before there is anything to keep; debugfs is there.
 */
void __init luo_debugfs_init(void)
{
	luo_debugfs_root = debugfs_create_dir("liveupdate", NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* KUnit test of luo_debugfs.c: how much of what is handed over is copied. */
#include <kunit/test.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/kho/abi/luo.h>
#include <linux/kho/block.h>
#include <linux/rwsem.h>
#include <linux/sprintf.h>

#include "luo_debugfs.h"
#include "luo_session.h"

#define NR_SESSIONS	10

static struct dentry *lookup_in(struct dentry *parent, const char *name)
{
	struct dentry *found = parent ? debugfs_lookup(name, parent) : NULL;

	dput(parent);
	return found;
}

static bool is_copied(const char *session)
{
	struct dentry *dir = lookup_in(debugfs_lookup("liveupdate", NULL), "out");
	struct dentry *file = lookup_in(lookup_in(dir, "files"), session);

	dput(file);
	return file;
}

/* A table in which all sessions have the same files; how many were copied? */
static unsigned int copy_sessions(struct kunit *test, u64 files)
{
	struct kho_block_writer writer;
	struct luo_session_ser *ser;
	struct luo_ser root = {};
	unsigned int i, nr = 0;
	char name[8];

	kho_block_writer_init(&writer, sizeof(*ser));
	for (i = 0; i < NR_SESSIONS; i++) {
		ser = kho_block_append(&writer);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ser);
		snprintf(ser->name, sizeof(ser->name), "s%u", i);
		ser->files = files;
	}
	root.sessions_pa = writer.first;
	down_write(&luo_reboot_lock);
	luo_debugfs_keep_out(&root);
	for (i = 0; i < NR_SESSIONS; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		nr += is_copied(name);
	}
	root.sessions_pa = 0;
	luo_debugfs_keep_out(&root);
	up_write(&luo_reboot_lock);
	kho_block_discard(&writer);
	return nr;
}

static void luo_debugfs_bound(struct kunit *test)
{
	struct kho_block_writer files;
	unsigned int i;

	kho_block_writer_init(&files, sizeof(struct luo_file_ser));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kho_block_append(&files));
	KUNIT_EXPECT_EQ(test, copy_sessions(test, files.first), NR_SESSIONS);
	/* 3 MiB each, and 16 MiB in all */
	for (i = 1; i < 49152; i++)
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kho_block_append(&files));
	KUNIT_EXPECT_EQ(test, copy_sessions(test, files.first), 5U);
	kho_block_discard(&files);
	KUNIT_EXPECT_FALSE(test, is_copied("s0"));
}

static struct kunit_case luo_debugfs_cases[] = {
	KUNIT_CASE(luo_debugfs_bound),
	{}
};

static struct kunit_suite luo_debugfs_suite = {
	.name = "luo_debugfs",
	.test_cases = luo_debugfs_cases,
};

kunit_test_suite(luo_debugfs_suite);

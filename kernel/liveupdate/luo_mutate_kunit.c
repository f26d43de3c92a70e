// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit: what reads sessions, files and shared data of the previous kernel, with
 * damaged tables. Each test has an account of its own of what is to be there
 * afterwards.
 */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "kho_mutator.h"
#include "luo_core.h"
#include "luo_file.h"
#include "luo_flb.h"
#include "luo_namespace.h"
#include "luo_session.h"

#define NR_BLOCKS	2
#define MAX_RECORDS	(KHO_MUTATOR_PAGES * 63)

/* The records of a chain that starts with the preserved pages. */
struct luo_test_chain {
	void *pages;
	u64 count;
	unsigned int nr;
	bool broken;
	void *records[MAX_RECORDS];
};

static struct luo_test_chain *luo_test_chain(struct kunit *test)
{
	struct luo_test_chain *chain = kunit_kzalloc(test, sizeof(*chain), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, chain);
	chain->pages = kho_mutator_preserve(test);
	return chain;
}

static void luo_test_read_chain(struct luo_test_chain *chain, size_t size)
{
	u64 phys = virt_to_phys(chain->pages);
	struct kho_block_header_ser *block;
	unsigned long seen = 0, i;

	chain->nr = 0;
	chain->broken = true;
	for (; phys; phys = block->next) {
		block = phys_to_virt(phys);
		if (phys % PAGE_SIZE || !kho_mutator_is_preserved(phys, PAGE_SIZE) ||
		    !block->count || block->count > (PAGE_SIZE - 16) / size ||
		    __test_and_set_bit(((void *)block - chain->pages) / PAGE_SIZE, &seen))
			return;
		for (i = 0; i < block->count; i++)
			chain->records[chain->nr++] = (void *)block + 16 + i * size;
	}
	chain->broken = false;
}

/* A chain of two blocks; the first one gets @nr records, the second one more. */
static void luo_test_write_chain(struct kunit *test, struct luo_test_chain *chain,
				 struct kho_mutator *mutator, size_t size, unsigned int nr)
{
	struct kho_block_header_ser *block;
	unsigned int i;

	for (i = 0; i < NR_BLOCKS; i++) {
		block = chain->pages + i * PAGE_SIZE;
		block->next = i + 1 < NR_BLOCKS ? virt_to_phys(block) + PAGE_SIZE : 0;
		block->count = i ? 1 : nr;
		kho_mutator_value(mutator, virt_to_phys(block));
		kho_mutator_table(test, mutator, block, sizeof(*block), 8);
		kho_mutator_table(test, mutator, block + 1, block->count * size, size);
	}
}

static bool luo_test_is_name(const char *name, size_t size)
{
	return *name && memchr(name, 0, size);
}

/* The root. */

static int luo_test_read_root(void *arg)
{
	const struct luo_ser *ser = arg;
	int err = luo_check_ser(ser, sizeof(*ser)), expected;

	expected = memcmp(ser, "luo-v5\0", 8) ? -EOPNOTSUPP : 0;
	if (luo_check_ser(ser, 31) != -EIO)
		return -EINVAL;
	return err == expected ? !err : -EINVAL;
}

static void luo_mutate_root(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 11);
	struct luo_ser *ser = kunit_kzalloc(test, sizeof(*ser), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	strscpy(ser->compatible, "luo-v5");
	kho_mutator_table(test, mutator, ser, sizeof(*ser), 8);
	kho_mutator_run(test, mutator, luo_test_read_root, ser);
}

/* The table of files. */

struct luo_test_files {
	struct luo_test_chain *chain;
	struct luo_file_set set;
};

static bool luo_test_files_are_valid(struct luo_test_chain *chain)
{
	struct luo_file_ser *ser, *other;
	unsigned int i, j;

	if (chain->broken || chain->nr != chain->count)
		return false;
	for (i = 0; i < chain->nr; i++) {
		ser = chain->records[i];
		if (!luo_test_is_name(ser->compatible, sizeof(ser->compatible)))
			return false;
		for (j = 0; j < i; j++) {
			other = chain->records[j];
			if (other->token == ser->token)
				return false;
		}
	}
	return true;
}

/* Accepted are all the files, in their order. */
static int luo_test_compare_files(struct luo_test_files *files)
{
	struct luo_test_chain *chain = files->chain;
	struct luo_file_ser *ser;
	struct luo_file *file;
	unsigned int i = 0;

	lockdep_assert_held(&files->set.lock);
	list_for_each_entry(file, &files->set.list, list) {
		if (i == chain->nr)
			return -E2BIG;
		ser = chain->records[i++];
		if (file->token != ser->token || file->data != ser->data ||
		    strcmp(file->compatible, ser->compatible) || file->handler ||
		    luo_file_find(&files->set, file->token) != file)
			return -EINVAL;
	}
	return i == chain->nr && i == files->set.count ? 0 : -EINVAL;
}

static int luo_test_read_files(void *arg)
{
	struct luo_test_files *files = arg;
	struct luo_test_chain *chain = files->chain;
	int ret, err;

	luo_test_read_chain(chain, sizeof(struct luo_file_ser));
	mutex_lock(&files->set.lock);
	ret = luo_file_set_load(&files->set, virt_to_phys(chain->pages), chain->count);
	err = ret ? 0 : luo_test_compare_files(files);
	if (ret && (ret != -EINVAL || files->set.count))
		err = -EINVAL;
	luo_file_set_drop(&files->set);
	mutex_unlock(&files->set.lock);
	if (err)
		return err;
	return luo_test_files_are_valid(chain) == !ret ? !ret : -EINVAL;
}

static void luo_mutate_files(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 12);
	struct luo_test_files *files = kunit_kzalloc(test, sizeof(*files), GFP_KERNEL);
	struct luo_file_ser *ser;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, files);
	files->chain = luo_test_chain(test);
	files->chain->count = 3;
	luo_file_set_init(&files->set, "mutate");
	for (i = 0; i < 3; i++) {
		ser = files->chain->pages + (i < 2 ? i * sizeof(*ser) : PAGE_SIZE) + 16;
		strscpy(ser->compatible, "memfd-v2");
		ser->token = i;
	}
	luo_test_write_chain(test, files->chain, mutator, sizeof(*ser), 2);
	kho_mutator_table(test, mutator, &files->chain->count, 8, 8);
	kho_mutator_run(test, mutator, luo_test_read_files, files);
}

/* The table of sessions. */

static struct luo_session *luo_test_find_session(const char *name)
{
	struct luo_session *session;

	mutex_lock(&luo_incoming.lock);
	session = luo_namespace_find(&luo_incoming, name);
	mutex_unlock(&luo_incoming.lock);
	return session;
}

/* Is it the first one of its name? Does another one have its name, or its files? */
static bool luo_test_is_first(struct luo_test_chain *chain, unsigned int i, bool *alone)
{
	struct luo_session_ser *ser = chain->records[i], *other;
	bool first = true;
	unsigned int j;

	*alone = true;
	for (j = 0; j < chain->nr; j++) {
		other = chain->records[j];
		if (j == i || !luo_test_is_name(other->name, sizeof(other->name)))
			continue;
		if (!strcmp(other->name, ser->name)) {
			*alone = false;
			first &= j > i;
		}
	}
	return first;
}

static bool luo_test_shares_files(struct luo_test_chain *chain, unsigned int i)
{
	struct luo_session_ser *ser = chain->records[i], *other;
	unsigned int j;
	bool alone;

	for (j = 0; ser->files && j < chain->nr; j++) {
		other = chain->records[j];
		if (j != i && luo_test_is_name(other->name, sizeof(other->name)) &&
		    other->files && other->files / PAGE_SIZE == ser->files / PAGE_SIZE &&
		    luo_test_is_first(chain, j, &alone))
			return true;
	}
	return false;
}

static int luo_test_compare_sessions(struct luo_test_chain *chain, int ret)
{
	bool bad_name = false, alone, damaged;
	unsigned int i, nr = 0;

	for (i = 0; i < chain->nr; i++) {
		struct luo_session_ser *ser = chain->records[i];
		struct luo_session *session;

		if (!luo_test_is_name(ser->name, sizeof(ser->name))) {
			bad_name = true;
			continue;
		}
		session = luo_test_find_session(ser->name);
		if (!session)
			return -ENOENT;
		if (!luo_test_is_first(chain, i, &alone))
			continue;
		nr++;
		damaged = !alone || luo_test_shares_files(chain, i);
		if (session->ser_files != ser->files || session->ser_count != ser->count ||
		    session->damaged != (damaged ? -EIO : 0))
			return -EINVAL;
	}
	if (nr != list_count_nodes(&luo_incoming.list))
		return -E2BIG;
	if (luo_incoming.error != (ret ? -EIO : -ENOENT))
		return -EINVAL;
	return (chain->broken || bad_name) == !!ret ? 0 : -EINVAL;
}

static int luo_test_read_sessions(void *arg)
{
	struct luo_test_chain *chain = arg;
	int ret, err;

	luo_test_read_chain(chain, sizeof(struct luo_session_ser));
	ret = luo_session_load_all(virt_to_phys(chain->pages));
	err = luo_test_compare_sessions(chain, ret);
	luo_namespace_forget_incoming();
	return err ?: !ret;
}

static void luo_mutate_sessions(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 13);
	struct luo_test_chain *chain = luo_test_chain(test);
	struct luo_session_ser *ser;
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, list_empty(&luo_incoming.list));
	for (i = 0; i < 3; i++) {
		ser = chain->pages + (i < 2 ? i * sizeof(*ser) : PAGE_SIZE) + 16;
		snprintf(ser->name, sizeof(ser->name), "session-%u", i);
		ser->files = virt_to_phys(chain->pages) + (i + 3) * PAGE_SIZE;
		ser->count = i;
		kho_mutator_value(mutator, ser->files);
	}
	luo_test_write_chain(test, chain, mutator, sizeof(*ser), 2);
	kho_mutator_run(test, mutator, luo_test_read_sessions, chain);
}

/* The table of data shared by files. */

#define NR_SHARED	3

struct luo_test_shared {
	struct luo_flb_header_ser header;
	struct luo_flb_ser ser[63];
};

static_assert(sizeof(struct luo_test_shared) <= PAGE_SIZE);

static bool luo_test_shared_is_valid(const struct luo_test_shared *table)
{
	unsigned int i, j;

	if (table->header.pgcnt != 1 || table->header.count > 63)
		return false;
	for (i = 0; i < table->header.count; i++) {
		const struct luo_flb_ser *ser = &table->ser[i];

		if (!luo_test_is_name(ser->name, sizeof(ser->name)) || !ser->count)
			return false;
		for (j = 0; j < i; j++)
			if (!strcmp(ser->name, table->ser[j].name))
				return false;
	}
	return true;
}

static int luo_test_read_shared(void *arg)
{
	bool valid = luo_test_shared_is_valid(arg);
	int ret = luo_flb_load(virt_to_phys(arg));

	luo_flb_forget_incoming();
	return valid == !ret ? valid : -EINVAL;
}

static void luo_mutate_shared(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 14);
	struct luo_test_shared *table = kho_mutator_preserve(test);
	unsigned int i;

	table->header.pgcnt = 1;
	table->header.count = NR_SHARED;
	for (i = 0; i < NR_SHARED; i++) {
		snprintf(table->ser[i].name, sizeof(table->ser[i].name), "shared-%u", i);
		table->ser[i].count = i + 1;
	}
	kho_mutator_value(mutator, 63);
	kho_mutator_value(mutator, 64);
	kho_mutator_table(test, mutator, &table->header, sizeof(table->header), 8);
	kho_mutator_table(test, mutator, table->ser, NR_SHARED * sizeof(table->ser[0]),
			  sizeof(table->ser[0]));
	kho_mutator_run(test, mutator, luo_test_read_shared, table);
}

static struct kunit_case luo_mutate_cases[] = {
	KUNIT_CASE(luo_mutate_root),
	KUNIT_CASE(luo_mutate_files),
	KUNIT_CASE(luo_mutate_sessions),
	KUNIT_CASE(luo_mutate_shared),
	{}
};

static struct kunit_suite luo_mutate_suite = {
	.name = "luo_mutate",
	.test_cases = luo_mutate_cases,
};

kunit_test_suites(&luo_mutate_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the Live Update Orchestrator with damaged tables");

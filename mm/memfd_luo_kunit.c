// SPDX-License-Identifier: GPL-2.0
/* KUnit: what describes a memfd of the previous kernel, damaged. */
#include <kunit/test.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/kho/abi/memfd.h>
#include <linux/limits.h>
#include <linux/mm.h>

#include "memfd_luo.h"
#include "../kernel/liveupdate/kho_mutator.h"

static int memfd_test_read_ser(void *arg)
{
	const struct memfd_luo_ser *ser = arg;
	bool sane;

	sane = ser->size <= S64_MAX && ser->pos <= S64_MAX && !ser->flags &&
	       !(ser->seals & ~0x3fU) && !ser->nr_folios == !ser->folios.first;
	/* 16 bytes for each folio. */
	sane &= ser->nr_folios <= (u64)ser->folios.total_pages * 256;
	return memfd_check_ser(ser) ? (sane ? -EINVAL : 0) : (sane ? 1 : -EINVAL);
}

static void memfd_mutate_ser(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 21);
	struct memfd_luo_ser *ser = kunit_kzalloc(test, sizeof(*ser), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	ser->pos = 7;
	ser->size = 1000 * PAGE_SIZE;
	ser->seals = F_SEAL_GROW | F_SEAL_EXEC;
	ser->nr_folios = 600;
	ser->folios.first = 0x12345000;
	ser->folios.total_pages = 3;
	ser->folios.flags = KHO_VMALLOC_ALLOC;
	kho_mutator_value(mutator, 768);
	kho_mutator_value(mutator, 769);
	kho_mutator_table(test, mutator, ser, sizeof(*ser), 8);
	kho_mutator_run(test, mutator, memfd_test_read_ser, ser);
}

#define NR_FOLIOS	16
#define FILE_SIZE	(100 * PAGE_SIZE - 1)

/* Indices go up and stay in the file; nobody knows flags of which he has no idea. */
static int memfd_test_read_table(void *arg)
{
	const struct memfd_luo_folio_ser *table = arg;
	unsigned long i, j;
	bool sane = true;

	for (i = 0; i < NR_FOLIOS; i++) {
		if (!table[i].pfn)
			continue;
		sane &= table[i].index < 100 && table[i].flags < 4;
		for (j = 0; j < i; j++)
			sane &= !table[j].pfn || table[j].index < table[i].index;
	}
	return memfd_check_table(table, NR_FOLIOS, FILE_SIZE) ?
		(sane ? -EINVAL : 0) : (sane ? 1 : -EINVAL);
}

static void memfd_mutate_table(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 22);
	struct memfd_luo_folio_ser *table;
	unsigned int i;

	table = kunit_kcalloc(test, NR_FOLIOS, sizeof(*table), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	for (i = 0; i < NR_FOLIOS; i++) {
		table[i].pfn = 0x10000 + i;
		table[i].flags = MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE;
		table[i].index = 10 + 5 * i;
	}
	kho_mutator_value(mutator, 99);
	kho_mutator_value(mutator, 100);
	kho_mutator_table(test, mutator, table, NR_FOLIOS * sizeof(*table), sizeof(*table));
	kho_mutator_run(test, mutator, memfd_test_read_table, table);
}

static struct kunit_case memfd_luo_cases[] = {
	KUNIT_CASE(memfd_mutate_ser),
	KUNIT_CASE(memfd_mutate_table),
	{}
};

static struct kunit_suite memfd_luo_suite = {
	.name = "memfd_luo_mutate",
	.test_cases = memfd_luo_cases,
};

kunit_test_suites(&memfd_luo_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the live update of memfds with damaged tables");

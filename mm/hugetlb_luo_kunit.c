// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what reads the tables of hugetlb memfds, with damaged ones.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/hugetlb.h>
#include <linux/kho/abi/hugetlb_memfd.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "hugetlb_luo.h"
#include "../kernel/liveupdate/kho_mutator.h"

#define ORDER	9

/* Preserved is every second block of the order from here on. */
#define FIRST	0x10000UL

static int fake_order(phys_addr_t phys)
{
	unsigned long pfn = PHYS_PFN(phys);

	return pfn >= FIRST && !(pfn % 1024) ? ORDER : -ENOENT;
}

/* A file of six pages, the last one not whole: 0, 2 and 5 are there, 3 is reserved. */
static struct hugetlb_luo_ser good_ser(void)
{
	return (struct hugetlb_luo_ser) {
		.size = 5 * (PAGE_SIZE << ORDER) + 1,
		.order = ORDER,
		.nr_folios = 3,
		.nr_ranges = 1,
		.folios = { .first = PAGE_SIZE, .total_pages = 1 },
		.ranges = { .first = PAGE_SIZE, .total_pages = 1 },
	};
}

static const struct hugetlb_luo_folio_ser good_table[] = {
	{ .pfn = FIRST, .index = 0 },
	{ .pfn = FIRST + 4096, .index = 2 },
	{ .pfn = FIRST + 1024, .index = 5 },
};

static const struct hugetlb_luo_range_ser good_ranges[] = {
	{ .from = 3, .to = 4 },
};

static void hugetlb_luo_test_ser(struct kunit *test)
{
	struct hugetlb_luo_ser ser = good_ser();

	KUNIT_EXPECT_TRUE(test, hugetlb_luo_ser_is_sane(&ser));

#define BAD(_member, _value) do {						\
	ser = good_ser();							\
	ser._member = (_value);							\
	KUNIT_EXPECT_FALSE_MSG(test, hugetlb_luo_ser_is_sane(&ser),		\
			       #_member " = " #_value);				\
} while (0)
	BAD(size, (u64)MAX_LFS_FILESIZE + 1);
	BAD(pos, U64_MAX);
	BAD(seals, BIT(31));
	BAD(order, 0);
	BAD(order, 52);
	BAD(order, U32_MAX);
	BAD(nr_folios, 0);
	BAD(nr_folios, 257);
	BAD(nr_folios, U64_MAX);
	BAD(nr_ranges, 0);
	BAD(nr_ranges, 257);
	BAD(folios.first, 0);
	BAD(ranges.first, 0);
#undef BAD
}

static void hugetlb_luo_test_table(struct kunit *test)
{
	struct hugetlb_luo_folio_ser table[ARRAY_SIZE(good_table)];
	struct hugetlb_luo_ser ser = good_ser();

	kunit_activate_static_stub(test, hugetlb_luo_preserved_order, fake_order);
	KUNIT_EXPECT_EQ(test, hugetlb_luo_check_table(&ser, good_table), 0);
	KUNIT_EXPECT_EQ(test, hugetlb_luo_check_ranges(&ser, good_table, good_ranges), 0);

#define BAD(_member, _value) do {						\
	memcpy(table, good_table, sizeof(table));				\
	table[1]._member = (_value);						\
	KUNIT_EXPECT_EQ_MSG(test, hugetlb_luo_check_table(&ser, table), -EINVAL,	\
			    #_member " = " #_value);				\
} while (0)
	/* twice, out of order, beyond the end */
	BAD(index, 0);
	BAD(index, 5);
	BAD(index, 6);
	BAD(index, U64_MAX);
	/* not preserved, of another order, no memory at all */
	BAD(pfn, 0);
	BAD(pfn, FIRST + 512);
	BAD(pfn, U64_MAX);
	BAD(pfn, FIRST | 1ULL << 52);
#undef BAD
	ser.size = 5 * (PAGE_SIZE << ORDER);
	KUNIT_EXPECT_EQ(test, hugetlb_luo_check_table(&ser, good_table), -EINVAL);
	ser = good_ser();
	ser.order = ORDER + 1;
	KUNIT_EXPECT_EQ(test, hugetlb_luo_check_table(&ser, good_table), -EINVAL);
}

static void hugetlb_luo_test_ranges(struct kunit *test)
{
	static const struct hugetlb_luo_range_ser bad[][2] = {
		/* empty, backwards, beyond the end */
		{ { 1, 1 }, { 3, 4 } },
		{ { 4, 3 }, { 4, 5 } },
		{ { 1, 2 }, { 6, 7 } },
		{ { 1, 2 }, { 4, U64_MAX } },
		/* out of order, or over each other */
		{ { 3, 4 }, { 1, 2 } },
		{ { 3, 5 }, { 4, 5 } },
		/* where there is a page */
		{ { 0, 2 }, { 3, 4 } },
		{ { 1, 3 }, { 3, 4 } },
		{ { 1, 2 }, { 3, 6 } },
	};
	static const struct hugetlb_luo_range_ser good[2] = { { 1, 2 }, { 3, 5 } };
	struct hugetlb_luo_ser ser = good_ser();
	unsigned int i;

	ser.nr_ranges = 2;
	KUNIT_EXPECT_EQ(test, hugetlb_luo_check_ranges(&ser, good_table, good), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, hugetlb_luo_check_ranges(&ser, good_table, bad[i]),
				    -EINVAL, "case %u", i);
}

static void set_good_pool(struct hugetlb_pool_ser *ser)
{
	strscpy(ser->compatible, HUGETLB_POOL_COMPATIBLE);
	ser->nr_entries = 2;
	ser->entries[0] = (struct hugetlb_pool_entry_ser) { ORDER, 0, 4, 1 };
	ser->entries[1] = (struct hugetlb_pool_entry_ser) { 18, 0, 1, 0 };
}

static void hugetlb_luo_test_pool(struct kunit *test)
{
	size_t size = struct_size_t(struct hugetlb_pool_ser, entries, 2);
	struct hugetlb_pool_ser *ser = kunit_kzalloc(test, size, GFP_KERNEL);
	/* Exactly what the two entries take. */
	u64 pages = (4 << ORDER) + (1 << 18);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	set_good_pool(ser);
	KUNIT_EXPECT_TRUE(test, hugetlb_pool_is_sane(ser, size, pages));
	KUNIT_EXPECT_FALSE(test, hugetlb_pool_is_sane(ser, size - 1, pages));
	KUNIT_EXPECT_FALSE(test, hugetlb_pool_is_sane(ser, sizeof(*ser) - 1, pages));
	KUNIT_EXPECT_FALSE(test, hugetlb_pool_is_sane(ser, size, pages - 1));

#define BAD(_member, _value) do {						\
	set_good_pool(ser);							\
	(*ser)._member = (_value);						\
	KUNIT_EXPECT_FALSE_MSG(test, hugetlb_pool_is_sane(ser, size, pages),	\
			       #_member " = " #_value);				\
} while (0)
	BAD(compatible[14], '2');
	BAD(compatible[23], 'x');
	BAD(nr_entries, 3);
	BAD(nr_entries, U64_MAX);
	BAD(entries[0].order, 52);
	BAD(entries[0].order, U32_MAX);
	BAD(entries[0].nid, MAX_NUMNODES);
	BAD(entries[0].nr, 5);
	BAD(entries[0].nr, U64_MAX);
	BAD(entries[0].nr, 1ULL << 55);
	BAD(entries[0].surplus, 5);
	BAD(entries[1].nr, 2);
#undef BAD
}

/* Of each table: what may be accepted, by another account of it. */

static int read_ser(void *arg)
{
	const struct hugetlb_luo_ser *ser = arg;
	bool sane;

	sane = ser->size <= S64_MAX && ser->pos <= S64_MAX && ser->seals < 64 &&
	       ser->order >= 1 && ser->order <= 51;
	/* An entry takes 16 bytes. */
	sane &= ser->nr_folios <= (u64)ser->folios.total_pages * 256 &&
		ser->nr_ranges <= (u64)ser->ranges.total_pages * 256 &&
		!ser->nr_folios == !ser->folios.first && !ser->nr_ranges == !ser->ranges.first;
	return hugetlb_luo_ser_is_sane(ser) == sane ? sane : -EINVAL;
}

static void hugetlb_luo_mutate_ser(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 41);
	struct hugetlb_luo_ser *ser = kunit_kzalloc(test, sizeof(*ser), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	*ser = good_ser();
	ser->nr_folios = 200;
	ser->seals = 32;
	kho_mutator_value(mutator, 256);
	kho_mutator_value(mutator, 257);
	kho_mutator_table(test, mutator, ser, sizeof(*ser), 8);
	kho_mutator_run(test, mutator, read_ser, ser);
}

/* Of a file of 64 pages, the last one not whole. */
#define NR_PAGES	64
#define NR_FOLIOS	8
#define NR_RANGES	4

struct tables {
	struct hugetlb_luo_ser ser;
	struct hugetlb_luo_folio_ser folios[NR_FOLIOS];
	struct hugetlb_luo_range_ser ranges[NR_RANGES];
};

/* Eight by eight: a page, then holes, and three of four reserved in half of them. */
static struct tables *make_tables(struct kunit *test, struct kho_mutator *mutator)
{
	struct tables *tables = kunit_kzalloc(test, sizeof(*tables), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, tables);
	tables->ser = good_ser();
	tables->ser.size = (NR_PAGES - 1) * (PAGE_SIZE << ORDER) + 1;
	tables->ser.nr_folios = NR_FOLIOS;
	tables->ser.nr_ranges = NR_RANGES;
	for (i = 0; i < NR_FOLIOS; i++)
		tables->folios[i] = (struct hugetlb_luo_folio_ser) {
			.pfn = FIRST + 1024 * (NR_FOLIOS - i), .index = 8 * i };
	for (i = 0; i < NR_RANGES; i++)
		tables->ranges[i] = (struct hugetlb_luo_range_ser) {
			.from = 16 * i + 3, .to = 16 * i + 6 };
	kho_mutator_value(mutator, FIRST);
	kho_mutator_value(mutator, FIRST + 512);
	kho_mutator_value(mutator, FIRST | BIT_ULL(52));
	kho_mutator_value(mutator, NR_PAGES - 1);
	kho_mutator_value(mutator, NR_PAGES);
	return tables;
}

static int read_folios(void *arg)
{
	const struct tables *tables = arg;
	u64 behind = 0, i;
	bool sane = true;

	for (i = 0; i < NR_FOLIOS; i++) {
		const struct hugetlb_luo_folio_ser *folio = &tables->folios[i];

		sane &= folio->index < NR_PAGES && folio->index >= behind;
		sane &= !(folio->pfn >> 52) && folio->pfn >= FIRST && !(folio->pfn % 1024);
		behind = folio->index + 1;
	}
	return hugetlb_luo_check_table(&tables->ser, tables->folios) == (sane ? 0 : -EINVAL) ?
		sane : -EFAULT;
}

static void hugetlb_luo_mutate_folios(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 42);
	struct tables *tables = make_tables(test, mutator);

	kunit_activate_static_stub(test, hugetlb_luo_preserved_order, fake_order);
	kho_mutator_table(test, mutator, tables->folios, sizeof(tables->folios),
			  sizeof(tables->folios[0]));
	kho_mutator_run(test, mutator, read_folios, tables);
}

/* A bit for each page: no two may want the same. */
static int read_ranges(void *arg)
{
	const struct tables *tables = arg;
	u64 taken = 0, bits, behind = 0, i;
	bool sane = true;

	for (i = 0; i < NR_FOLIOS; i++)
		taken |= BIT_ULL(tables->folios[i].index);
	for (i = 0; i < NR_RANGES && sane; i++) {
		const struct hugetlb_luo_range_ser *range = &tables->ranges[i];

		sane = range->from < range->to && range->to <= NR_PAGES && range->from >= behind;
		bits = sane ? GENMASK_ULL(range->to - 1, range->from) : 0;
		sane &= !(taken & bits);
		behind = range->to;
	}
	return hugetlb_luo_check_ranges(&tables->ser, tables->folios, tables->ranges) ==
		(sane ? 0 : -EINVAL) ? sane : -EFAULT;
}

static void hugetlb_luo_mutate_ranges(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 43);
	struct tables *tables = make_tables(test, mutator);

	kho_mutator_table(test, mutator, tables->ranges, sizeof(tables->ranges),
			  sizeof(tables->ranges[0]));
	kho_mutator_run(test, mutator, read_ranges, tables);
}

#define POOL_SIZE	struct_size_t(struct hugetlb_pool_ser, entries, 2)
#define POOL_PAGES	((4 << ORDER) + (1 << 18))

static int read_pool(void *arg)
{
	const struct hugetlb_pool_ser *ser = arg;
	bool sane = !memcmp(ser, "hugetlb-pool-v1\0\0\0\0\0\0\0\0", 24) &&
		    ser->nr_entries <= 2;
	u64 pages = 0, i;

	for (i = 0; sane && i < ser->nr_entries; i++) {
		const struct hugetlb_pool_entry_ser *entry = &ser->entries[i];

		/* Of the largest ones there is none: they are larger than all there is. */
		sane = entry->order < 52 && entry->nid < MAX_NUMNODES &&
		       entry->surplus <= entry->nr && entry->nr <= POOL_PAGES &&
		       (!entry->nr || entry->order < 20);
		if (sane && entry->nr)
			pages += entry->nr << entry->order;
	}
	sane &= pages <= POOL_PAGES;
	return hugetlb_pool_is_sane(ser, POOL_SIZE, POOL_PAGES) == sane ? sane : -EINVAL;
}

static void hugetlb_luo_mutate_pool(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 44);
	struct hugetlb_pool_ser *ser = kunit_kzalloc(test, POOL_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	set_good_pool(ser);
	kho_mutator_value(mutator, 2);
	kho_mutator_value(mutator, 3);
	kho_mutator_value(mutator, POOL_PAGES >> ORDER);
	kho_mutator_value(mutator, BIT_ULL(55));
	kho_mutator_table(test, mutator, ser, sizeof(*ser), 8);
	kho_mutator_table(test, mutator, ser->entries, 2 * sizeof(ser->entries[0]),
			  sizeof(ser->entries[0]));
	kho_mutator_run(test, mutator, read_pool, ser);
}

static struct kunit_case hugetlb_luo_test_cases[] = {
	KUNIT_CASE(hugetlb_luo_test_ser),
	KUNIT_CASE(hugetlb_luo_test_table),
	KUNIT_CASE(hugetlb_luo_test_ranges),
	KUNIT_CASE(hugetlb_luo_test_pool),
	KUNIT_CASE(hugetlb_luo_mutate_ser),
	KUNIT_CASE(hugetlb_luo_mutate_folios),
	KUNIT_CASE(hugetlb_luo_mutate_ranges),
	KUNIT_CASE(hugetlb_luo_mutate_pool),
	{}
};

static struct kunit_suite hugetlb_luo_test_suite = {
	.name = "luo-hugetlb",
	.test_cases = hugetlb_luo_test_cases,
};

kunit_test_suite(hugetlb_luo_test_suite);

// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what reads the tables of hugetlb memfds, with damaged ones.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/hugetlb.h>
#include <linux/kho/abi/hugetlb_memfd.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "hugetlb_luo.h"

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

static struct kunit_case hugetlb_luo_test_cases[] = {
	KUNIT_CASE(hugetlb_luo_test_ser),
	KUNIT_CASE(hugetlb_luo_test_table),
	KUNIT_CASE(hugetlb_luo_test_ranges),
	KUNIT_CASE(hugetlb_luo_test_pool),
	{}
};

static struct kunit_suite hugetlb_luo_test_suite = {
	.name = "luo-hugetlb",
	.test_cases = hugetlb_luo_test_cases,
};

kunit_test_suite(hugetlb_luo_test_suite);

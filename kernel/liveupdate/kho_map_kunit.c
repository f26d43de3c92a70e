// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of the preserved-memory map. */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "kho_map.h"

#define TEST_PAGES	(4 * KHO_MAP_AREA_PAGES)

static int kho_test_init(struct kunit *test)
{
	struct kho_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	KUNIT_ASSERT_EQ(test, kho_map_create(map), 0);
	test->priv = map;
	return 0;
}

static void kho_test_exit(struct kunit *test)
{
	if (test->priv)
		kho_map_destroy(test->priv);
}

/* The keys of the ABI, by hand. */
static void kho_map_test_keys(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kho_map_key(0, 0), 1ULL << 52);
	KUNIT_EXPECT_EQ(test, kho_map_key(0x12345, 0), 0x10000000012345ULL);
	KUNIT_EXPECT_EQ(test, kho_map_key(0x12200, 9), (1ULL << 43) | 0x91);
	KUNIT_EXPECT_EQ(test, kho_map_key(1UL << 18, 18), (1ULL << 34) | 1);
}

/* Where the bits of the ABI are: six levels, each index by hand. */
static void kho_map_test_layout(struct kunit *test)
{
	struct kho_map *map = test->priv;
	u64 key = kho_map_key(0x3ffc123, 0);
	u64 *node = map->root;
	unsigned int level;

	KUNIT_ASSERT_EQ(test, kho_map_add(map, 0x3ffc123, 0), 0);
	for (level = 5; level; level--) {
		u64 phys = node[(key >> (15 + 9 * (level - 1))) & 511];

		KUNIT_ASSERT_NE(test, phys, 0ULL);
		node = phys_to_virt(phys);
	}
	KUNIT_EXPECT_TRUE(test, test_bit(key & 0x7fff, (unsigned long *)node));
	KUNIT_EXPECT_EQ(test, bitmap_weight((unsigned long *)node, 32768), 1U);
}

static void kho_map_test_orders(struct kunit *test)
{
	struct kho_map *map = test->priv;
	unsigned int order, other;

	for (order = 0; order <= KHO_MAP_MAX_ORDER; order++) {
		unsigned long pfn = 3UL << order;

		KUNIT_EXPECT_EQ(test, kho_map_add(map, pfn, order), 0);
		KUNIT_EXPECT_EQ(test, kho_map_add(map, pfn, order), -EEXIST);
		if (order)
			KUNIT_EXPECT_EQ(test, kho_map_add(map, pfn + 1, order), -EINVAL);
		for (other = 0; other <= KHO_MAP_MAX_ORDER; other++)
			KUNIT_EXPECT_EQ(test, kho_map_test(map, 3UL << other, other),
					other == order);
		KUNIT_EXPECT_EQ(test, kho_map_order(map, pfn, 0), (int)order);
		KUNIT_EXPECT_EQ(test, kho_map_order(map, pfn, order), (int)order);
		KUNIT_EXPECT_TRUE(test, kho_map_covers(map, pfn, 1UL << order));
		KUNIT_EXPECT_FALSE(test, kho_map_covers(map, pfn, (1UL << order) + 1));
		KUNIT_EXPECT_EQ(test, kho_map_take(map, pfn, order / 2), (int)order);
		KUNIT_EXPECT_EQ(test, kho_map_take(map, pfn, order), -ENOENT);
		KUNIT_EXPECT_EQ(test, kho_map_add(map, pfn, order), 0);
		/* Pitfall 15: only the very block that was added. */
		if (order)
			KUNIT_EXPECT_FALSE(test, kho_map_del(map, pfn, order - 1));
		if (order < KHO_MAP_MAX_ORDER)
			KUNIT_EXPECT_FALSE(test, kho_map_del(map, 2UL << order, order + 1));
		KUNIT_EXPECT_TRUE(test, kho_map_del(map, pfn, order));
		KUNIT_EXPECT_FALSE(test, kho_map_del(map, pfn, order));
	}
	KUNIT_EXPECT_EQ(test, kho_map_add(map, 0, KHO_MAP_MAX_ORDER + 1), -EINVAL);
	/* Nothing is left behind but the root. */
	KUNIT_EXPECT_NULL(test, memchr_inv(map->root, 0, PAGE_SIZE));
}

static void kho_map_test_no_root(struct kunit *test)
{
	struct kho_map map = {};

	KUNIT_EXPECT_FALSE(test, kho_map_test(&map, 8, 0));
	KUNIT_EXPECT_FALSE(test, kho_map_covers(&map, 8, 1));
	KUNIT_EXPECT_EQ(test, kho_map_find(&map, 8), -ENOENT);
	KUNIT_EXPECT_EQ(test, kho_map_order(&map, 8, 3), -ENOENT);
	KUNIT_EXPECT_EQ(test, kho_map_take(&map, 8, 3), -ENOENT);
}

/* Random blocks against a bitmap of pages. */
static void kho_map_test_random(struct kunit *test)
{
	unsigned long *model, *orders[11], *area;
	struct kho_map *map = test->priv;
	struct rnd_state rnd;
	unsigned int order, i;
	unsigned long a;

	model = vzalloc(TEST_PAGES / 8);
	area = kunit_kzalloc(test, KHO_MAP_AREA_PAGES / 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, model);
	KUNIT_ASSERT_NOT_NULL(test, area);
	for (order = 0; order < ARRAY_SIZE(orders); order++) {
		orders[order] = vzalloc(TEST_PAGES / 8);
		KUNIT_ASSERT_NOT_NULL(test, orders[order]);
	}

	prandom_seed_state(&rnd, 612);
	for (i = 0; i < 200000; i++) {
		unsigned long nr, pfn;

		order = prandom_u32_state(&rnd) % ARRAY_SIZE(orders);
		nr = 1UL << order;
		pfn = (prandom_u32_state(&rnd) % TEST_PAGES) & ~(nr - 1);

		if (test_bit(pfn, orders[order])) {
			KUNIT_ASSERT_TRUE(test, kho_map_del(map, pfn, order));
			__clear_bit(pfn, orders[order]);
			bitmap_clear(model, pfn, nr);
		} else if (find_next_bit(model, pfn + nr, pfn) >= pfn + nr) {
			KUNIT_ASSERT_EQ(test, kho_map_add(map, pfn, order), 0);
			__set_bit(pfn, orders[order]);
			bitmap_set(model, pfn, nr);
		} else {
			KUNIT_ASSERT_FALSE(test, kho_map_del(map, pfn, order));
		}
	}

	for (a = 0; a < TEST_PAGES / KHO_MAP_AREA_PAGES; a++) {
		KUNIT_EXPECT_EQ(test, kho_map_area(map, a, area), 0);
		KUNIT_EXPECT_TRUE(test, bitmap_equal(area, model + a * KHO_MAP_AREA_LONGS,
						     KHO_MAP_AREA_PAGES));
	}
	for (order = 0; order < ARRAY_SIZE(orders); order++) {
		unsigned long pfn;

		for_each_set_bit(pfn, orders[order], TEST_PAGES)
			KUNIT_ASSERT_TRUE(test, kho_map_del(map, pfn, order));
		vfree(orders[order]);
	}
	KUNIT_EXPECT_NULL(test, memchr_inv(map->root, 0, PAGE_SIZE));
	vfree(model);
}

static void kho_map_test_overlap(struct kunit *test)
{
	struct kho_map *map = test->priv;
	unsigned long *area = kunit_kzalloc(test, KHO_MAP_AREA_PAGES / 8, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, area);
	KUNIT_ASSERT_EQ(test, kho_map_add(map, 512, 9), 0);
	KUNIT_ASSERT_EQ(test, kho_map_add(map, 700, 0), 0);
	KUNIT_EXPECT_EQ(test, kho_map_area(map, 0, area), -EINVAL);
	KUNIT_ASSERT_TRUE(test, kho_map_del(map, 700, 0));
	KUNIT_EXPECT_EQ(test, kho_map_area(map, 0, area), 0);

	/* A block larger than the area, and one in it. */
	KUNIT_ASSERT_EQ(test, kho_map_add(map, 0, 18), 0);
	KUNIT_EXPECT_EQ(test, kho_map_area(map, 0, area), -EINVAL);
	KUNIT_EXPECT_EQ(test, kho_map_area(map, 1, area), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_full(area, KHO_MAP_AREA_PAGES));
}

/* Approves each node once, as the boot code does. */
struct kho_test_nodes {
	phys_addr_t seen[64];
	unsigned int nr;
};

static int kho_test_node(phys_addr_t phys, void *arg)
{
	struct kho_test_nodes *nodes = arg;
	unsigned int i;

	if (!pfn_valid(PHYS_PFN(phys)) || nodes->nr == ARRAY_SIZE(nodes->seen))
		return -EFAULT;
	for (i = 0; i < nodes->nr; i++)
		if (nodes->seen[i] == phys)
			return -ELOOP;
	nodes->seen[nodes->nr++] = phys;
	return 0;
}

static int kho_test_check(struct kho_map *map, unsigned long *nr_pages)
{
	struct kho_test_nodes nodes = {};

	return kho_map_check(map, 1UL << 20, kho_test_node, &nodes, nr_pages);
}

/* Pitfall 10: what another kernel has written is not trusted. */
static void kho_map_test_corrupt_pitfall_10(struct kunit *test)
{
	struct kho_map *map = test->priv;
	unsigned long nr;
	unsigned int i;
	u64 *slot, saved;

	KUNIT_ASSERT_EQ(test, kho_map_add(map, 0x1234, 0), 0);
	KUNIT_ASSERT_EQ(test, kho_map_add(map, 0x2000, 9), 0);
	KUNIT_EXPECT_EQ(test, kho_test_check(map, &nr), 0);
	KUNIT_EXPECT_EQ(test, nr, 513UL);

	for (i = 0; i < 512 && !map->root[i]; i++)
		;
	slot = &map->root[i];
	saved = *slot;

	*slot = saved + 8;			/* not aligned */
	KUNIT_EXPECT_EQ(test, kho_test_check(map, &nr), -EINVAL);
	*slot = 1ULL << 51;			/* no memory */
	KUNIT_EXPECT_EQ(test, kho_test_check(map, &nr), -EFAULT);
	*slot = virt_to_phys(map->root);	/* a loop */
	KUNIT_EXPECT_EQ(test, kho_test_check(map, &nr), -ELOOP);
	*slot = saved;
	map->root[i ^ 1] = saved;		/* a node with two parents */
	KUNIT_EXPECT_EQ(test, kho_test_check(map, &nr), -ELOOP);
	map->root[i ^ 1] = 0;

	/* Beyond the end of memory. */
	KUNIT_ASSERT_EQ(test, kho_map_add(map, 1UL << 20, 0), 0);
	KUNIT_EXPECT_EQ(test, kho_test_check(map, &nr), -ERANGE);
	KUNIT_ASSERT_TRUE(test, kho_map_del(map, 1UL << 20, 0));
	KUNIT_EXPECT_EQ(test, kho_test_check(map, &nr), 0);
}

static struct kunit_case kho_map_cases[] = {
	KUNIT_CASE(kho_map_test_keys),
	KUNIT_CASE(kho_map_test_layout),
	KUNIT_CASE(kho_map_test_orders),
	KUNIT_CASE(kho_map_test_no_root),
	KUNIT_CASE(kho_map_test_random),
	KUNIT_CASE(kho_map_test_overlap),
	KUNIT_CASE(kho_map_test_corrupt_pitfall_10),
	{}
};

static struct kunit_suite kho_map_suite = {
	.name = "kho_map",
	.init = kho_test_init,
	.exit = kho_test_exit,
	.test_cases = kho_map_cases,
};

kunit_test_suite(kho_map_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the map of Kexec HandOver");

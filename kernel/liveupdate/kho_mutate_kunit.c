// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit: what reads the tables of the previous kernel, with damaged ones. Each
 * test has an account of its own of what may be accepted, and a reader has to
 * accept all of that and nothing else, or, where it may be stricter, nothing else.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/block.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "kho_core.h"
#include "kho_map.h"
#include "kho_memory.h"
#include "kho_mutator.h"
#include "kho_scratch.h"

/* The KHO FDT. It is at the end of an area: what is behind it faults. */

#define TEST_MAP	0x123456000ULL

static const char * const test_nodes[] = { "LUO", KHO_METADATA_NODE, "memblock" };

static void __init kho_test_make_fdt(struct kunit *test, void *fdt, void *pages)
{
	u64 phys = virt_to_phys(pages), size = 32, map = TEST_MAP;
	unsigned int i;
	int err;

	err = fdt_create(fdt, PAGE_SIZE);
	err = err ?: fdt_finish_reservemap(fdt);
	err = err ?: fdt_begin_node(fdt, "");
	err = err ?: fdt_property_string(fdt, "compatible", KHO_FDT_COMPATIBLE);
	err = err ?: fdt_property(fdt, KHO_FDT_MAP_PROP, &map, sizeof(map));
	for (i = 0; i < ARRAY_SIZE(test_nodes); i++, phys += PAGE_SIZE) {
		err = err ?: fdt_begin_node(fdt, test_nodes[i]);
		err = err ?: fdt_property(fdt, KHO_FDT_BLOB_PROP, &phys, sizeof(phys));
		err = err ?: fdt_property(fdt, KHO_FDT_BLOB_SIZE_PROP, &size, sizeof(size));
		err = err ?: fdt_end_node(fdt);
	}
	err = err ?: fdt_end_node(fdt);
	err = err ?: fdt_finish(fdt);
	KUNIT_ASSERT_EQ(test, err, 0);
}

static void kho_test_vfree(void *fdt)
{
	vfree(fdt);
}

static int __init kho_test_read_fdt(void *fdt)
{
	unsigned int i, found = 0;
	u64 map, phys, size;
	int err;

	if (kho_read_fdt(fdt, &map))
		return 0;
	for (i = 0; i < ARRAY_SIZE(test_nodes); i++) {
		err = kho_find_blob(fdt, test_nodes[i], &phys, &size);
		if (err && err != -ENOENT && err != -EINVAL)
			return err;
		if (err)
			continue;
		if (!size || !kho_mutator_is_preserved(phys, size))
			return -EFAULT;
		found++;
	}
	return found == ARRAY_SIZE(test_nodes);
}

static void __init kho_mutate_fdt(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 1);
	void *pages = kho_mutator_preserve(test), *fdt = vzalloc(PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, fdt);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, kho_test_vfree, fdt));
	kho_test_make_fdt(test, fdt, pages);
	/* Big-endian, too. */
	kho_mutator_value(mutator, (__force u64)cpu_to_be32(PAGE_SIZE));
	kho_mutator_value(mutator, (__force u64)cpu_to_be32(FDT_END_NODE));
	kho_mutator_value(mutator, (__force u64)cpu_to_be64(fdt_totalsize(fdt)));
	kho_mutator_value(mutator, virt_to_phys(pages));
	kho_mutator_table(test, mutator, fdt, fdt_totalsize(fdt), 4);
	kho_mutator_run(test, mutator, kho_test_read_fdt, fdt);
}

/* Metadata. */

static int __init kho_test_read_metadata(void *arg)
{
	const struct kho_metadata_ser *meta = arg;
	bool terminated = false, sane;
	unsigned int i;

	for (i = 0; i < sizeof(meta->previous_release); i++)
		terminated |= !meta->previous_release[i];
	sane = meta->version == 1 && terminated;
	if (kho_metadata_is_sane(meta, 72))
		return -EINVAL;
	return kho_metadata_is_sane(meta, 73) == sane ? sane : -EINVAL;
}

static void __init kho_mutate_metadata(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 2);
	struct kho_metadata_ser *meta = kunit_kzalloc(test, sizeof(*meta), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, meta);
	meta->version = 1;
	memset(meta->previous_release, '6', 60);
	kho_mutator_table(test, mutator, meta, sizeof(*meta), 4);
	kho_mutator_run(test, mutator, kho_test_read_metadata, meta);
}

/* The table of scratch regions. */

#define TEST_REGIONS	5

static int __init kho_test_read_scratch(void *arg)
{
	const struct kho_scratch_ser *table = arg;
	unsigned int i, j;
	bool sane = true;

	for (i = 0; i < TEST_REGIONS; i++) {
		if (!table[i].size)
			continue;
		sane &= !(table[i].addr % SZ_4M) && !(table[i].size % SZ_4M);
		sane &= table[i].addr <= U64_MAX - table[i].size;
		for (j = 0; sane && j < i; j++)
			sane &= !table[j].size || (table[i].addr >= table[j].addr ?
				table[i].addr - table[j].addr >= table[j].size :
				table[j].addr - table[i].addr >= table[i].size);
	}
	return kho_scratch_is_sane(table, TEST_REGIONS) == sane ? sane : -EINVAL;
}

static void __init kho_mutate_scratch(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 3);
	struct kho_scratch_ser *table;
	unsigned int i;

	table = kunit_kcalloc(test, TEST_REGIONS, sizeof(*table), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	for (i = 0; i < TEST_REGIONS; i++) {
		table[i].addr = (8 - i) * (u64)SZ_64M;
		table[i].size = SZ_4M << i;
		kho_mutator_value(mutator, table[i].addr);
		kho_mutator_value(mutator, table[i].size);
	}
	kho_mutator_table(test, mutator, table, TEST_REGIONS * sizeof(*table),
			  sizeof(*table));
	kho_mutator_run(test, mutator, kho_test_read_scratch, table);
}

/* A chain of blocks. */

#define TEST_BLOCKS	4
#define TEST_RECORD	64

/* The addresses of the records in their order; -EINVAL if the chain is damaged. */
static int kho_test_chain(void *pages, u64 **records, unsigned int *nr)
{
	u64 phys = virt_to_phys(pages);
	unsigned long seen = 0, i;

	*nr = 0;
	while (phys) {
		struct kho_block_header_ser *block;

		if (phys % PAGE_SIZE || !kho_mutator_is_preserved(phys, PAGE_SIZE))
			return -EINVAL;
		block = phys_to_virt(phys);
		if (!block->count || block->count > 63 ||
		    __test_and_set_bit(((void *)block - pages) / PAGE_SIZE, &seen))
			return -EINVAL;
		for (i = 0; i < block->count; i++)
			records[(*nr)++] = (void *)block + 16 + i * TEST_RECORD;
		phys = block->next;
	}
	return 0;
}

static int kho_test_read_chain(void *pages)
{
	static u64 *records[KHO_MUTATOR_PAGES * 63];
	u64 *record;
	struct kho_block_reader reader;
	unsigned int nr, i = 0;
	int err;

	/* One test runs at a time. */
	err = kho_test_chain(pages, records, &nr);
	kho_block_reader_init(&reader, virt_to_phys(pages), TEST_RECORD);
	while (!IS_ERR_OR_NULL(record = kho_block_next(&reader)))
		if (i == nr || record != records[i++])
			return -EINVAL;
	if (i != nr || PTR_ERR_OR_ZERO(record) != err)
		return -EINVAL;
	return !err;
}

static void __init kho_mutate_block(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 4);
	struct kho_block_header_ser *block;
	void *pages = kho_mutator_preserve(test);
	unsigned int i;

	for (i = 0; i < TEST_BLOCKS; i++) {
		block = pages + i * PAGE_SIZE;
		block->count = 2 + i;
		if (i + 1 < TEST_BLOCKS)
			block->next = virt_to_phys(block) + PAGE_SIZE;
		kho_mutator_value(mutator, virt_to_phys(block));
		kho_mutator_value(mutator, 62 + i);
		kho_mutator_table(test, mutator, block, sizeof(*block), 8);
	}
	kho_mutator_run(test, mutator, kho_test_read_chain, pages);
}

/* A vmalloc area: the description, and two chunks. */

struct kho_test_area {
	struct kho_vmalloc kv;
	void *pages;
};

static int kho_test_read_area(void *arg)
{
	const struct kho_test_area *area = arg;
	struct page *found[KHO_MUTATOR_PAGES] = {};
	unsigned int total = area->kv.total_pages, i;

	if (kho_vmalloc_read(&area->kv, NULL))
		return 0;
	if (total > KHO_MUTATOR_PAGES || area->kv.order || area->kv.flags & ~3 ||
	    kho_vmalloc_read(&area->kv, found))
		return -EINVAL;
	for (i = 0; i < total; i++)
		if (!found[i] || !kho_mutator_is_preserved(page_to_phys(found[i]), PAGE_SIZE))
			return -EFAULT;
	/* Nothing behind the end. */
	return i < KHO_MUTATOR_PAGES && found[i] ? -EINVAL : 1;
}

static void __init kho_mutate_vmalloc(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 5);
	struct kho_test_area *area = kunit_kzalloc(test, sizeof(*area), GFP_KERNEL);
	struct kho_vmalloc_chunk *chunk;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, area);
	area->pages = kho_mutator_preserve(test);
	area->kv.first = virt_to_phys(area->pages);
	area->kv.total_pages = 4;
	area->kv.flags = KHO_VMALLOC_ALLOC;
	chunk = area->pages;
	for (i = 0; i < 4; i++) {
		chunk->phys[i] = virt_to_phys(area->pages) + (i + 2) * PAGE_SIZE;
		kho_mutator_value(mutator, chunk->phys[i]);
	}
	kho_mutator_value(mutator, virt_to_phys(chunk));
	kho_mutator_value(mutator, KHO_MUTATOR_PAGES);
	kho_mutator_table(test, mutator, &area->kv, sizeof(area->kv), 4);
	kho_mutator_table(test, mutator, chunk, 64, 8);
	kho_mutator_run(test, mutator, kho_test_read_area, area);
}

/* The preserved-memory map. */

#define TEST_END_PFN	(4 * KHO_MAP_AREA_PAGES)
#define TEST_NODES	10

struct kho_test_map {
	struct kho_map map;
	phys_addr_t nodes[TEST_NODES];
	unsigned int nr_nodes;
	unsigned long seen;
	unsigned long *area;
	unsigned int accepted;
};

static int kho_test_find_node(struct kho_test_map *tm, phys_addr_t phys)
{
	unsigned int i;

	for (i = 0; i < tm->nr_nodes; i++)
		if (tm->nodes[i] == phys)
			return i;
	return -EFAULT;
}

/* As at boot: each node is memory, and taken once. */
static int kho_test_claim_node(phys_addr_t phys, void *arg)
{
	struct kho_test_map *tm = arg;
	int i = kho_test_find_node(tm, phys);

	if (i < 0)
		return i;
	return __test_and_set_bit(i, &tm->seen) ? -ELOOP : 0;
}

/* By the ABI: keys, bit by bit. Returns a count of pages, or an error. */
static long kho_test_count_node(struct kho_test_map *tm, u64 phys, int level, u64 key)
{
	int node = kho_test_find_node(tm, phys), order;
	u64 *entries = phys_to_virt(phys), pfn;
	long pages = 0, more;
	unsigned long i;

	if (node < 0 || __test_and_set_bit(node, &tm->seen))
		return -EFAULT;
	if (!level) {
		for_each_set_bit(i, (unsigned long *)entries, 32768) {
			for (order = 0; (key | i) >> (52 - order) != 1; order++)
				if (order == 52)
					return -EINVAL;
			pfn = ((key | i) - (1ULL << (52 - order))) << order;
			if (pfn + (1ULL << order) > TEST_END_PFN)
				return -ERANGE;
			pages += 1L << order;
		}
		return pages;
	}
	for (i = 0; i < 512; i++) {
		if (!entries[i])
			continue;
		more = kho_test_count_node(tm, entries[i], level - 1,
					   key | (u64)i << (15 + 9 * (level - 1)));
		if (more < 0)
			return more;
		pages += more;
	}
	return pages;
}

static int kho_test_read_map(void *arg)
{
	struct kho_test_map *tm = arg;
	unsigned long pages, area, sum = 0;
	long expected;
	int err;

	tm->map.last_leaf = NULL;
	tm->seen = 0;
	err = kho_map_check(&tm->map, TEST_END_PFN, kho_test_claim_node, tm, &pages);
	if (err)
		return 0;
	tm->seen = 0;
	expected = kho_test_count_node(tm, virt_to_phys(tm->map.root), 5, 0);
	if (expected < 0 || pages != expected)
		return -EINVAL;

	/* That is slow, so not each time: with no overlap nothing counts twice. */
	if (tm->accepted++ % 256)
		return 1;
	for (area = 0; area < TEST_END_PFN / KHO_MAP_AREA_PAGES; area++) {
		err = kho_map_area(&tm->map, area, tm->area);
		if (err)
			return 0;
		sum += bitmap_weight(tm->area, KHO_MAP_AREA_PAGES);
	}
	return sum == pages ? 1 : -ERANGE;
}

/* Note a node and what is below it. */
static void __init kho_test_add_nodes(struct kunit *test, struct kho_test_map *tm,
				      struct kho_mutator *mutator, u64 phys, int level)
{
	u64 *entries = phys_to_virt(phys);
	unsigned int i;

	KUNIT_ASSERT_LT(test, tm->nr_nodes, TEST_NODES);
	tm->nodes[tm->nr_nodes++] = phys;
	kho_mutator_value(mutator, phys);
	if (mutator->nr_tables < KHO_MUTATOR_TABLES)
		kho_mutator_table(test, mutator, entries, level ? 64 : PAGE_SIZE, 8);
	for (i = 0; level && i < 512; i++)
		if (entries[i])
			kho_test_add_nodes(test, tm, mutator, entries[i], level - 1);
}

static void __init kho_mutate_map(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 6);
	struct kho_test_map *tm = kunit_kzalloc(test, sizeof(*tm), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, tm);
	tm->area = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, tm->area);
	KUNIT_ASSERT_EQ(test, kho_map_create(&tm->map), 0);
	for (i = 0; i < 64; i++) {
		KUNIT_ASSERT_EQ(test, kho_map_add(&tm->map, 0x100 + i, 0), 0);
		KUNIT_ASSERT_EQ(test, kho_map_add(&tm->map, 0x8000 + i * 5, 0), 0);
	}
	kho_test_add_nodes(test, tm, mutator, virt_to_phys(tm->map.root), 5);
	kho_mutator_run(test, mutator, kho_test_read_map, tm);
	kho_map_destroy(&tm->map);
}

static struct kunit_case __refdata kho_mutate_cases[] = {
	KUNIT_CASE(kho_mutate_fdt),
	KUNIT_CASE(kho_mutate_metadata),
	KUNIT_CASE(kho_mutate_scratch),
	KUNIT_CASE(kho_mutate_block),
	KUNIT_CASE(kho_mutate_vmalloc),
	KUNIT_CASE(kho_mutate_map),
	{}
};

static struct kunit_suite __refdata kho_mutate_suite = {
	.name = "kho_mutate",
	.test_cases = kho_mutate_cases,
};

kunit_test_init_section_suites(&kho_mutate_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of Kexec HandOver with damaged tables");

// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of chains of blocks, and of what is preserved. */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/block.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/numa.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "kho_map.h"
#include "kho_memory.h"
#include "kho_scratch.h"

/* Blocks are read as if the previous kernel had left what this one preserves. */
static bool kho_test_is_restorable(phys_addr_t phys, unsigned int order)
{
	return IS_ALIGNED(phys, PAGE_SIZE << order) && kho_is_preserved(phys, order);
}

static unsigned long kho_test_nr_restorable(void)
{
	return 64;
}

static int kho_block_test_init(struct kunit *test)
{
	KUNIT_ASSERT_TRUE(test, kho_is_enabled());
	kunit_activate_static_stub(test, kho_is_restorable, kho_test_is_restorable);
	kunit_activate_static_stub(test, kho_nr_restorable, kho_test_nr_restorable);
	return 0;
}

static unsigned int kho_test_count(phys_addr_t first, size_t size, int *err)
{
	struct kho_block_reader reader;
	unsigned int count = 0;
	u64 *record;

	kho_block_reader_init(&reader, first, size);
	while (!IS_ERR_OR_NULL(record = kho_block_next(&reader)))
		count += *record == count;
	*err = PTR_ERR_OR_ZERO(record);
	return count;
}

static void kho_block_test_round_trip(struct kunit *test)
{
	unsigned long before = kho_nr_preserved(), capacity = kho_block_capacity(80);
	struct kho_block_writer writer;
	unsigned int i, n;
	int err;

	KUNIT_EXPECT_EQ(test, capacity, 51UL);
	for (n = 0; n <= 2 * capacity + 1; n++) {
		kho_block_writer_init(&writer, 80);
		for (i = 0; i < n; i++) {
			u64 *record = kho_block_append(&writer);

			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, record);
			*record = i;
		}
		KUNIT_EXPECT_EQ(test, kho_test_count(writer.first, 80, &err), n);
		KUNIT_EXPECT_EQ(test, err, 0);
		KUNIT_EXPECT_EQ(test, kho_nr_preserved() - before,
				DIV_ROUND_UP(n, capacity));
		kho_block_discard(&writer);
		KUNIT_ASSERT_EQ(test, kho_nr_preserved(), before);
	}
}

/* Pitfalls 10 and 28: loops, bad counts, empty blocks, foreign addresses. */
static void kho_block_test_corrupt_pitfall_10_28(struct kunit *test)
{
	struct kho_block_header_ser *first, *second;
	struct kho_block_writer writer;
	unsigned int i;
	u64 saved;
	int err;

	kho_block_writer_init(&writer, 64);
	for (i = 0; i < kho_block_capacity(64) + 1; i++)
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kho_block_append(&writer));
	first = phys_to_virt(writer.first);
	second = phys_to_virt(first->next);

	second->count = 0;
	kho_test_count(writer.first, 64, &err);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	second->count = kho_block_capacity(64) + 1;
	kho_test_count(writer.first, 64, &err);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	second->count = U64_MAX;
	kho_test_count(writer.first, 64, &err);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	second->count = 1;

	/* A loop is noticed soon, however much memory there is. */
	second->next = writer.first;
	KUNIT_EXPECT_LE(test, kho_test_count(writer.first, 64, &err),
			3 * (kho_block_capacity(64) + 1));
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	second->next = virt_to_phys(second);
	KUNIT_EXPECT_LE(test, kho_test_count(writer.first, 64, &err),
			kho_block_capacity(64) + 3);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	second->next = 0;

	saved = first->next;
	first->next = saved + 8;
	kho_test_count(writer.first, 64, &err);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	first->next = virt_to_phys(test);
	kho_test_count(writer.first, 64, &err);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	first->next = saved;

	kho_test_count(writer.first, 64, &err);
	KUNIT_EXPECT_EQ(test, err, 0);
	kho_block_discard(&writer);
}

/* Records that are there up to @max, and how it ends. */
static unsigned int kho_test_read(struct kho_block_reader *reader, unsigned int max,
				  int *err)
{
	void *record = NULL;
	unsigned int nr = 0;

	while (nr < max && !IS_ERR_OR_NULL(record = kho_block_next(reader)))
		nr++;
	*err = PTR_ERR_OR_ZERO(record);
	return nr;
}

/* Somebody writes to the blocks while they are being read. */
static void kho_block_test_written_meanwhile(struct kunit *test)
{
	unsigned int capacity = kho_block_capacity(64), i;
	struct kho_block_header_ser *first, *second;
	struct kho_block_writer writer;
	struct kho_block_reader reader;
	int err;

	kho_block_writer_init(&writer, 64);
	for (i = 0; i < capacity + 2; i++)
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kho_block_append(&writer));
	first = phys_to_virt(writer.first);
	second = phys_to_virt(first->next);

	/* Before the reader comes. */
	kho_block_reader_init(&reader, writer.first, 64);
	first->count = capacity + 1;
	KUNIT_EXPECT_EQ(test, kho_test_read(&reader, 2 * capacity, &err), 0U);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	first->count = capacity;
	kho_block_reader_init(&reader, writer.first, 64);
	KUNIT_EXPECT_EQ(test, kho_test_read(&reader, 1, &err), 1U);
	second->count = capacity + 1;
	KUNIT_EXPECT_EQ(test, kho_test_read(&reader, 2 * capacity, &err), capacity - 1);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	second->count = 2;
	/* While it is there: nothing behind the block is read, nor any other one. */
	kho_block_reader_init(&reader, writer.first, 64);
	KUNIT_EXPECT_EQ(test, kho_test_read(&reader, capacity + 1, &err), capacity + 1);
	second->count = U64_MAX;
	second->next = virt_to_phys(test);
	KUNIT_EXPECT_EQ(test, kho_test_read(&reader, capacity, &err), 1U);
	KUNIT_EXPECT_EQ(test, err, 0);
	second->count = 2;
	second->next = 0;
	/* The block has gone to somebody else. */
	kho_block_reader_init(&reader, writer.first, 64);
	kho_unpreserve_folio(virt_to_folio(second));
	KUNIT_EXPECT_EQ(test, kho_test_read(&reader, 2 * capacity, &err), capacity);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	KUNIT_EXPECT_EQ(test, kho_preserve_folio(virt_to_folio(second)), 0);
	kho_block_discard(&writer);
}

static struct kunit_case kho_block_cases[] = {
	KUNIT_CASE(kho_block_test_round_trip),
	KUNIT_CASE(kho_block_test_corrupt_pitfall_10_28),
	KUNIT_CASE(kho_block_test_written_meanwhile),
	{}
};

static struct kunit_suite kho_block_suite = {
	.name = "kho_block",
	.init = kho_block_test_init,
	.test_cases = kho_block_cases,
};

/* Preserve and unpreserve leave the map as it was. */
static void kho_memory_test_preserve(struct kunit *test)
{
	unsigned long before = kho_nr_preserved();
	unsigned int order;

	for (order = 0; order <= 9; order++) {
		struct folio *folio = folio_alloc(GFP_KERNEL, order);

		KUNIT_ASSERT_NOT_NULL(test, folio);
		KUNIT_EXPECT_EQ(test, kho_preserve_folio(folio), 0);
		KUNIT_EXPECT_EQ(test, kho_preserve_folio(folio), -EEXIST);
		KUNIT_EXPECT_EQ(test, kho_nr_preserved() - before, 1UL << order);
		KUNIT_EXPECT_TRUE(test, kho_is_preserved(PFN_PHYS(folio_pfn(folio)), order));
		kho_unpreserve_folio(folio);
		KUNIT_EXPECT_EQ(test, kho_nr_preserved(), before);

		/* An odd range, cut in blocks, and cut alike on the way back. */
		KUNIT_EXPECT_EQ(test, kho_preserve_pages(folio_page(folio, 0),
							 max(1UL, (1UL << order) - 1)), 0);
		kho_unpreserve_pages(folio_page(folio, 0), max(1UL, (1UL << order) - 1));
		KUNIT_EXPECT_EQ(test, kho_nr_preserved(), before);
		folio_put(folio);
	}
}

static void kho_memory_test_slab_pitfall_12(struct kunit *test)
{
	void *object = kunit_kmalloc(test, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, object);
	KUNIT_EXPECT_EQ(test, kho_preserve_folio(virt_to_folio(object)), -EINVAL);
}

/* Node 1 begins in the middle of a block of 8 pages. */
static int kho_test_pfn_to_nid(unsigned long pfn)
{
	return pfn >= 0x40014;
}

static void kho_memory_test_block_order_pitfall_14(struct kunit *test)
{
	static const unsigned int orders[] = { 4, 2, 2, 3, 5, 6, 7, 8, 9, 1 };
	unsigned long pfn = 0x40000, end = 0x40402;
	unsigned int i;

	kunit_activate_static_stub(test, kho_pfn_to_nid, kho_test_pfn_to_nid);
	/* 1 GiB and more in one block. */
	KUNIT_EXPECT_EQ(test, kho_block_order(0, BIT(18)), 18U);
	KUNIT_EXPECT_EQ(test, kho_block_order(BIT(19), BIT(20)), 19U);
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		KUNIT_EXPECT_EQ_MSG(test, kho_block_order(pfn, end), orders[i],
				    "at %lx", pfn);
		pfn += BIT(kho_block_order(pfn, end));
	}
	KUNIT_EXPECT_EQ(test, pfn, end);
}

static void kho_memory_test_scratch_pitfall_15(struct kunit *test)
{
	const struct kho_scratch_ser *scratch;
	unsigned long before = kho_nr_preserved(), pfn, pages;
	unsigned int nr, i;

	scratch = kho_scratch_table(&nr);
	KUNIT_ASSERT_GT(test, nr, 0U);
	for (i = 0; i < nr; i++) {
		pfn = PHYS_PFN(scratch[i].addr);
		pages = PHYS_PFN(scratch[i].size);

		/* The first one, the last one, all, and from outside into it. */
		KUNIT_EXPECT_EQ(test, kho_preserve_pages(pfn_to_page(pfn), 1), -ERANGE);
		KUNIT_EXPECT_EQ(test, kho_preserve_pages(pfn_to_page(pfn + pages - 1), 1),
				-ERANGE);
		KUNIT_EXPECT_EQ(test, kho_preserve_pages(pfn_to_page(pfn), pages), -ERANGE);
		if (pfn_valid(pfn - 3))
			KUNIT_EXPECT_EQ(test, kho_preserve_pages(pfn_to_page(pfn - 3), 4),
					-ERANGE);
		KUNIT_EXPECT_EQ(test, kho_nr_preserved(), before);
	}
}

/* What all of the kernel says to some memory that is to go off line. */
static int kho_test_go_offline(unsigned long pfn, unsigned long nr_pages)
{
	struct memory_notify notify = {
		.start_pfn = pfn,
		.nr_pages = nr_pages,
		.status_change_nid = NUMA_NO_NODE,
		.status_change_nid_normal = NUMA_NO_NODE,
	};
	int ret = memory_notify(MEM_GOING_OFFLINE, &notify);

	memory_notify(MEM_CANCEL_OFFLINE, &notify);
	return notifier_to_errno(ret);
}

/* In pieces of 8 pages, which is what a page of KASAN's shadow is for. */
static void kho_memory_test_hotplug(struct kunit *test)
{
	struct folio *folio;
	unsigned long pfn;

	if (!IS_ENABLED(CONFIG_MEMORY_HOTPLUG))
		kunit_skip(test, "memory does not go off line");
	folio = folio_alloc(GFP_KERNEL, 7);
	KUNIT_ASSERT_NOT_NULL(test, folio);
	pfn = folio_pfn(folio);
	KUNIT_EXPECT_EQ(test, kho_test_go_offline(pfn, 128), 0);
	KUNIT_EXPECT_EQ(test, kho_preserve_pages(pfn_to_page(pfn + 32), 32), 0);
	KUNIT_EXPECT_EQ(test, kho_test_go_offline(pfn, 40), -EBUSY);
	KUNIT_EXPECT_EQ(test, kho_test_go_offline(pfn + 56, 72), -EBUSY);
	KUNIT_EXPECT_EQ(test, kho_test_go_offline(pfn, 32), 0);
	KUNIT_EXPECT_EQ(test, kho_test_go_offline(pfn + 64, 64), 0);
	KUNIT_EXPECT_EQ(test, kho_test_go_offline(0, pfn + KHO_MAP_AREA_PAGES), -EBUSY);
	kho_unpreserve_pages(pfn_to_page(pfn + 32), 32);
	KUNIT_EXPECT_EQ(test, kho_test_go_offline(pfn, 128), 0);
	folio_put(folio);
}

static int kho_test_no_area;

static void kho_memory_test_vmalloc(struct kunit *test)
{
	unsigned long before = kho_nr_preserved();
	struct kho_vmalloc kv;
	void *area;

	KUNIT_EXPECT_EQ(test, kho_preserve_vmalloc(&kho_test_no_area, &kv), -EINVAL);
	area = vmalloc(600 * PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, area);
	KUNIT_EXPECT_EQ(test, kho_preserve_vmalloc(area, &kv), 0);
	KUNIT_EXPECT_EQ(test, kv.total_pages, 600U);
	/* 600 pages and two chunks. */
	KUNIT_EXPECT_EQ(test, kho_nr_preserved() - before, 602UL);
	kho_unpreserve_vmalloc(&kv);
	KUNIT_EXPECT_EQ(test, kho_nr_preserved(), before);
	vfree(area);
}

static void kho_memory_test_subtree(struct kunit *test)
{
	void *blob = kho_alloc_preserve(PAGE_SIZE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, blob);
	KUNIT_EXPECT_EQ(test, kho_add_subtree("kunit", blob, 8), 0);
	KUNIT_EXPECT_EQ(test, kho_add_subtree("kunit", blob, 8), -EEXIST);
	kho_remove_subtree(blob);
	KUNIT_EXPECT_EQ(test, kho_add_subtree("kunit", blob, 8), 0);
	kho_remove_subtree(blob);
	kho_remove_subtree(blob);
	kho_unpreserve_free(blob);
}

static int kho_memory_test_init(struct kunit *test)
{
	KUNIT_ASSERT_TRUE(test, kho_is_enabled());
	return 0;
}

static struct kunit_case kho_memory_cases[] = {
	KUNIT_CASE(kho_memory_test_preserve),
	KUNIT_CASE(kho_memory_test_slab_pitfall_12),
	KUNIT_CASE(kho_memory_test_block_order_pitfall_14),
	KUNIT_CASE(kho_memory_test_scratch_pitfall_15),
	KUNIT_CASE(kho_memory_test_hotplug),
	KUNIT_CASE(kho_memory_test_vmalloc),
	KUNIT_CASE(kho_memory_test_subtree),
	{}
};

static struct kunit_suite kho_memory_suite = {
	.name = "kho_memory",
	.init = kho_memory_test_init,
	.test_cases = kho_memory_cases,
};

kunit_test_suites(&kho_block_suite, &kho_memory_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of Kexec HandOver");

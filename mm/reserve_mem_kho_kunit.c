// SPDX-License-Identifier: GPL-2.0
/* KUnit: what the previous kernel says of its regions of reserve_mem=, damaged. */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/kho/abi/memblock.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "reserve_mem_kho.h"
#include "../kernel/liveupdate/kho_mutator.h"

static const char * const labels[] = { "oops", "odd", "large" };

static void __init reserve_mem_test_make_fdt(struct kunit *test, void *fdt, void *pages)
{
	u64 start = virt_to_phys(pages), size;
	unsigned int i;
	int err;

	err = fdt_create(fdt, PAGE_SIZE);
	err = err ?: fdt_finish_reservemap(fdt);
	err = err ?: fdt_begin_node(fdt, "");
	err = err ?: fdt_property_string(fdt, "compatible", MEMBLOCK_KHO_COMPATIBLE);
	for (i = 0; i < ARRAY_SIZE(labels); i++, start += 2 * PAGE_SIZE) {
		size = PAGE_SIZE + i;
		err = err ?: fdt_begin_node(fdt, labels[i]);
		err = err ?: fdt_property_string(fdt, "compatible",
						 RESERVE_MEM_KHO_COMPATIBLE);
		err = err ?: fdt_property(fdt, RESERVE_MEM_KHO_START_PROP,
					  &start, sizeof(start));
		err = err ?: fdt_property(fdt, RESERVE_MEM_KHO_SIZE_PROP,
					  &size, sizeof(size));
		err = err ?: fdt_end_node(fdt);
	}
	err = err ?: fdt_end_node(fdt);
	err = err ?: fdt_finish(fdt);
	KUNIT_ASSERT_EQ(test, err, 0);
}

static int __init reserve_mem_test_read(void *fdt)
{
	unsigned int i, found = 0;
	u64 start, size;
	int err;

	if (!reserve_mem_fdt_is_sane(fdt, PAGE_SIZE))
		return 0;
	for (i = 0; i < ARRAY_SIZE(labels); i++) {
		err = reserve_mem_read(fdt, labels[i], &start, &size);
		if (err && err != -ENOENT && err != -EINVAL)
			return err;
		if (err)
			continue;
		if (!size || start % PAGE_SIZE || !kho_mutator_is_preserved(start, size))
			return -EFAULT;
		found++;
	}
	return found == ARRAY_SIZE(labels);
}

static void reserve_mem_test_vfree(void *fdt)
{
	vfree(fdt);
}

static void __init reserve_mem_mutate_fdt(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 31);
	void *pages = kho_mutator_preserve(test), *fdt = vzalloc(PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, fdt);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, reserve_mem_test_vfree, fdt));
	reserve_mem_test_make_fdt(test, fdt, pages);
	kho_mutator_value(mutator, (__force u64)cpu_to_be32(PAGE_SIZE));
	kho_mutator_value(mutator, (__force u64)cpu_to_be32(FDT_END_NODE));
	kho_mutator_value(mutator, virt_to_phys(pages) + 7 * PAGE_SIZE);
	kho_mutator_table(test, mutator, fdt, fdt_totalsize(fdt), 4);
	kho_mutator_run(test, mutator, reserve_mem_test_read, fdt);
}

static struct kunit_case __refdata reserve_mem_cases[] = {
	KUNIT_CASE(reserve_mem_mutate_fdt),
	{}
};

static struct kunit_suite __refdata reserve_mem_suite = {
	.name = "reserve_mem_mutate",
	.test_cases = reserve_mem_cases,
};

kunit_test_init_section_suites(&reserve_mem_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of reserve_mem= with damaged tables");

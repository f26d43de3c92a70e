// SPDX-License-Identifier: GPL-2.0
/*
 * For KUnit: damaged tables, and a memory of the previous kernel to have them in.
 *
 * A test says what its tables are, and for damaged ones by an account of its own
 * whether the reader should have refused them. What it must not do at all, to
 * fault or never to end, is noticed by itself.
 */
#include <kunit/static_stub.h>
#include <linux/console.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <asm/sections.h>

#include "kho_memory.h"
#include "kho_mutator.h"
#include "kho_scratch.h"

/* One test runs at a time. */
static void *kho_mutator_pages;

static u32 kho_mutator_random(struct kho_mutator *mutator, u32 limit)
{
	return prandom_u32_state(&mutator->rnd) % limit;
}

/**
 * kho_mutator_value - something that fields may become
 * @mutator: the mutator
 * @value: the value
 */
void kho_mutator_value(struct kho_mutator *mutator, u64 value)
{
	if (mutator->nr_values < KHO_MUTATOR_VALUES)
		mutator->values[mutator->nr_values++] = value;
}

/**
 * kho_mutator_create - make a mutator, with values that are bad almost anywhere
 * @test: the test
 * @seed: the same one gives the same damages
 *
 * Return: the mutator; it ends with the test.
 */
struct kho_mutator *kho_mutator_create(struct kunit *test, u64 seed)
{
	struct kho_mutator *mutator = kunit_kzalloc(test, sizeof(*mutator), GFP_KERNEL);
	const struct kho_scratch_ser *scratch;
	unsigned int nr;

	KUNIT_ASSERT_NOT_NULL(test, mutator);
	prandom_seed_state(&mutator->rnd, seed);
	kho_mutator_value(mutator, 0);
	kho_mutator_value(mutator, 1);
	kho_mutator_value(mutator, PAGE_SIZE - 1);
	kho_mutator_value(mutator, U32_MAX);
	kho_mutator_value(mutator, S64_MIN);
	kho_mutator_value(mutator, U64_MAX);
	kho_mutator_value(mutator, __pa_symbol(_text));
	kho_mutator_value(mutator, PFN_PHYS(max_pfn) + SZ_1G);
	scratch = kho_scratch_table(&nr);
	if (nr)
		kho_mutator_value(mutator, scratch[0].addr);
	return mutator;
}

/**
 * kho_mutator_table - add a table
 * @test: the test
 * @mutator: the mutator
 * @mem: the table, as it should be
 * @size: its size in bytes, at least 16
 * @record: size of what it is made of; damages move such pieces
 */
void kho_mutator_table(struct kunit *test, struct kho_mutator *mutator,
		       void *mem, size_t size, size_t record)
{
	struct kho_mutator_table *table = &mutator->tables[mutator->nr_tables];

	KUNIT_ASSERT_LT(test, mutator->nr_tables++, KHO_MUTATOR_TABLES);
	table->saved = kunit_kmalloc(test, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table->saved);
	memcpy(table->saved, mem, size);
	table->mem = mem;
	table->size = size;
	table->record = record;
}

/* Two pieces of a table, or one and itself. */
static void kho_mutate_records(struct kho_mutator *mutator,
			       struct kho_mutator_table *table, bool swap)
{
	u32 nr = table->size / table->record;
	u8 *a = table->mem + kho_mutator_random(mutator, nr) * table->record;
	u8 *b = table->mem + kho_mutator_random(mutator, nr) * table->record;
	size_t i;

	for (i = 0; i < table->record; i++) {
		if (swap)
			swap(a[i], b[i]);
		else
			a[i] = b[i];
	}
}

static void kho_mutate_fill(struct kho_mutator *mutator,
			    struct kho_mutator_table *table)
{
	u32 at = kho_mutator_random(mutator, table->size);
	u32 len = 1 + kho_mutator_random(mutator, 96);

	memset(table->mem + at, prandom_u32_state(&mutator->rnd),
	       min_t(size_t, len, table->size - at));
}

/* One damage to one table. */
static void kho_mutate_one(struct kho_mutator *mutator,
			   struct kho_mutator_table *table)
{
	u8 *bytes = table->mem;
	u32 at = kho_mutator_random(mutator, table->size);
	u32 word = ALIGN_DOWN(at, 8);
	u64 old;

	/* The last word may be cut off. */
	if (word > table->size - 8)
		word -= 8;
	old = get_unaligned((u64 *)(bytes + word));

	switch (kho_mutator_random(mutator, 10)) {
	case 0:
		bytes[at] ^= BIT(kho_mutator_random(mutator, 8));
		return;
	case 1:
		bytes[at] = prandom_u32_state(&mutator->rnd);
		return;
	case 2:
		put_unaligned(old + 1, (u64 *)(bytes + word));
		return;
	case 3:
		put_unaligned(old - 1, (u64 *)(bytes + word));
		return;
	case 4:
		put_unaligned(prandom_u32_state(&mutator->rnd), (u32 *)(bytes + word));
		return;
	case 5:
		kho_mutate_records(mutator, table, false);
		return;
	case 6:
		kho_mutate_records(mutator, table, true);
		return;
	case 7:
		kho_mutate_fill(mutator, table);
		return;
	default:
		put_unaligned(mutator->values[kho_mutator_random(mutator, mutator->nr_values)],
			      (u64 *)(bytes + word));
	}
}

static void kho_mutator_restore(struct kho_mutator *mutator)
{
	unsigned int i;

	for (i = 0; i < mutator->nr_tables; i++)
		memcpy(mutator->tables[i].mem, mutator->tables[i].saved,
		       mutator->tables[i].size);
}

static void kho_mutate(struct kho_mutator *mutator)
{
	unsigned int nr = 1 + kho_mutator_random(mutator, 2), i;

	while (nr--) {
		i = kho_mutator_random(mutator, mutator->nr_tables);
		kho_mutate_one(mutator, &mutator->tables[i]);
	}
}

/*
 * For what is said from now on: a line that KUnit has left open, and what the
 * console has not come to yet, go out before.
 */
static void kho_mutator_set_loglevel(int level)
{
	pr_info("console loglevel is to be %d\n", level);
	console_lock();
	console_unlock();
	console_loglevel = level;
}

/**
 * kho_mutator_run - damage the tables again and again, and look what is read
 * @test: the test
 * @mutator: the mutator
 * @fn: reads them
 * @arg: for @fn
 *
 * Fails if what is whole is not accepted, before or afterwards; if nothing is
 * accepted or nothing is refused; or if @fn says so.
 */
void kho_mutator_run(struct kunit *test, struct kho_mutator *mutator,
		     kho_mutator_fn fn, void *arg)
{
	unsigned int i, accepted = 0, refused = 0;
	int level = console_loglevel, ret;
	bool warned = test_taint(TAINT_WARN);

	KUNIT_ASSERT_EQ(test, fn(arg), 1);
	/* Each refusal is told. An oops turns the console on again, but not from 0. */
	kho_mutator_set_loglevel(CONSOLE_LOGLEVEL_MIN);
	for (i = 0; i < KHO_NR_MUTATIONS; i++) {
		kho_mutate(mutator);
		ret = fn(arg);
		if (ret < 0)
			break;
		if (ret)
			accepted++;
		else
			refused++;
		kho_mutator_restore(mutator);
		if (!(i % 256))
			cond_resched();
	}
	kho_mutator_set_loglevel(level);

	KUNIT_EXPECT_EQ_MSG(test, i, KHO_NR_MUTATIONS, "what was read is wrong: %d", ret);
	KUNIT_EXPECT_EQ(test, warned, (bool)test_taint(TAINT_WARN));
	KUNIT_EXPECT_GT(test, accepted, 0U);
	KUNIT_EXPECT_GT(test, refused, 0U);
	kho_mutator_restore(mutator);
	KUNIT_EXPECT_EQ(test, fn(arg), 1);
	kunit_info(test, "%u accepted, %u refused\n", accepted, refused);
}

/**
 * kho_mutator_is_preserved - is all of a range in what was preserved?
 * @phys: its physical address
 * @size: in bytes
 *
 * Return: whether it is.
 */
bool kho_mutator_is_preserved(u64 phys, u64 size)
{
	u64 start = virt_to_phys(kho_mutator_pages);
	u64 all = KHO_MUTATOR_PAGES * PAGE_SIZE;

	return phys >= start && phys - start < all && size <= all - (phys - start);
}

static bool kho_mutator_is_restorable(phys_addr_t phys, unsigned int order)
{
	return !order && PAGE_ALIGNED(phys) && kho_mutator_is_preserved(phys, PAGE_SIZE);
}

static bool kho_mutator_was_preserved(phys_addr_t phys, unsigned long nr_pages)
{
	return PAGE_ALIGNED(phys) && nr_pages && nr_pages <= KHO_MUTATOR_PAGES &&
	       kho_mutator_is_preserved(phys, nr_pages * PAGE_SIZE);
}

static int kho_mutator_preserved_order(phys_addr_t phys)
{
	return kho_mutator_is_restorable(phys, 0) ? 0 : -ENOENT;
}

static unsigned long kho_mutator_nr_restorable(void)
{
	return KHO_MUTATOR_PAGES;
}

static void kho_mutator_free(void *pages)
{
	free_pages_exact(pages, KHO_MUTATOR_PAGES * PAGE_SIZE);
}

/**
 * kho_mutator_preserve - from here on, these pages are what was preserved
 * @test: the test; with it, it ends
 *
 * Return: %KHO_MUTATOR_PAGES pages, all zero.
 */
void *kho_mutator_preserve(struct kunit *test)
{
	kho_mutator_pages = alloc_pages_exact(KHO_MUTATOR_PAGES * PAGE_SIZE,
					      GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, kho_mutator_pages);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, kho_mutator_free,
							   kho_mutator_pages));
	kunit_activate_static_stub(test, kho_is_restorable, kho_mutator_is_restorable);
	kunit_activate_static_stub(test, kho_was_preserved, kho_mutator_was_preserved);
	kunit_activate_static_stub(test, kho_preserved_order, kho_mutator_preserved_order);
	kunit_activate_static_stub(test, kho_nr_restorable, kho_mutator_nr_restorable);
	return kho_mutator_pages;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what decides if the tables of a domain, and those of a unit in
 * either mode, can be believed, with damaged ones.
 */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "../../../kernel/liveupdate/kho_mutator.h"
#include "liveupdate.h"
#include "pasid.h"

#define RW		(DMA_PTE_READ | DMA_PTE_WRITE)
#define NR_ENTRIES	(VTD_PAGE_SIZE / sizeof(struct dma_pte))

/* Pages, all of them preserved: tables first, then what is mapped. */
enum { TOP, MIDDLE, LOW, OTHER_LOW, MEMORY, NR_TABLES = MEMORY };

struct world {
	u64 *pages;
	struct intel_liveupdate_tables tables;
};

static u64 *entry_of(struct world *world, int page, unsigned int i)
{
	return &world->pages[page * NR_ENTRIES + i];
}

static u64 phys_of(struct world *world, int page)
{
	return virt_to_phys(entry_of(world, page, 0));
}

static void make_world(struct kunit *test, struct world *world)
{
	world->pages = kho_mutator_preserve(test);
	*entry_of(world, TOP, 0) = phys_of(world, MIDDLE) | RW;
	*entry_of(world, MIDDLE, 0) = phys_of(world, LOW) | RW;
	*entry_of(world, MIDDLE, 9) = phys_of(world, OTHER_LOW) | RW;
	/* side by side, alone, and to be read only */
	*entry_of(world, LOW, 0) = phys_of(world, MEMORY) | RW;
	*entry_of(world, LOW, 1) = phys_of(world, MEMORY + 1) | RW;
	*entry_of(world, LOW, 77) = phys_of(world, MEMORY + 3) | DMA_PTE_READ;
	*entry_of(world, OTHER_LOW, 511) = phys_of(world, MEMORY + 2) | RW;
	world->tables = (struct intel_liveupdate_tables) {
		.root = phys_of(world, TOP),
		.levels = 3,
		.nr = NR_TABLES,
		.superpages = 3,
	};
}

static int check_world(struct world *world)
{
	int ret;

	xa_init(&world->tables.seen);
	ret = intel_liveupdate_check_tables(&world->tables);
	xa_destroy(&world->tables.seen);
	return ret;
}

static void expect_bad(struct kunit *test, struct world *world, int page, unsigned int i,
		       u64 value)
{
	u64 saved = *entry_of(world, page, i);

	*entry_of(world, page, i) = value;
	KUNIT_EXPECT_EQ_MSG(test, check_world(world), -EBADMSG, "entry %u of page %d is %#llx", i,
			    page, value);
	*entry_of(world, page, i) = saved;
}

static void intel_liveupdate_test_tables(struct kunit *test)
{
	struct world world;

	make_world(test, &world);
	KUNIT_ASSERT_EQ(test, check_world(&world), 0);
	KUNIT_EXPECT_EQ(test, world.tables.end, 10ULL * SZ_2M);
	/* neither to be read nor written, bits that nobody writes */
	expect_bad(test, &world, LOW, 0, phys_of(&world, MEMORY));
	expect_bad(test, &world, LOW, 2, 4);
	expect_bad(test, &world, LOW, 0, phys_of(&world, MEMORY) | RW | BIT(2));
	expect_bad(test, &world, LOW, 0, phys_of(&world, MEMORY) | RW | BIT_ULL(52));
	expect_bad(test, &world, LOW, 0, phys_of(&world, MEMORY) | RW | DMA_PTE_LARGE_PAGE);
	expect_bad(test, &world, TOP, 0, phys_of(&world, MIDDLE) | DMA_PTE_READ);
	expect_bad(test, &world, TOP, 0, phys_of(&world, MIDDLE) | RW | DMA_PTE_SNP);
	/* snooping that was not promised */
	expect_bad(test, &world, LOW, 0, phys_of(&world, MEMORY) | RW | DMA_PTE_SNP);
	/* memory that is not preserved, or is a table */
	expect_bad(test, &world, LOW, 0, PAGE_SIZE | RW);
	expect_bad(test, &world, LOW, 0, phys_of(&world, LOW) | RW);
	expect_bad(test, &world, OTHER_LOW, 511, phys_of(&world, TOP) | RW);
	expect_bad(test, &world, MIDDLE, 1, DMA_PTE_LARGE_PAGE | RW);
	expect_bad(test, &world, MIDDLE, 1, phys_of(&world, MEMORY) | DMA_PTE_LARGE_PAGE | RW);
	expect_bad(test, &world, TOP, 1, DMA_PTE_LARGE_PAGE | RW);
	/* a loop, a table with two parents, one less, one more, one of no memory */
	expect_bad(test, &world, MIDDLE, 0, phys_of(&world, MIDDLE) | RW);
	expect_bad(test, &world, TOP, 1, phys_of(&world, TOP) | RW);
	expect_bad(test, &world, MIDDLE, 1, phys_of(&world, LOW) | RW);
	expect_bad(test, &world, MIDDLE, 9, 0);
	expect_bad(test, &world, MIDDLE, 1, phys_of(&world, MEMORY) | RW);
	expect_bad(test, &world, TOP, 1, PAGE_SIZE | RW);
	world.tables.snoop = true;
	KUNIT_EXPECT_EQ(test, check_world(&world), -EBADMSG);
	world.tables.snoop = false;
	world.tables.levels = 4;
	KUNIT_EXPECT_EQ(test, check_world(&world), -EBADMSG);
	world.tables.levels = 3;
	KUNIT_EXPECT_EQ(test, check_world(&world), 0);
}

/* A table that is accepted: all is where it is allowed to be, seen by other eyes. */
static int look_at(struct world *world, u64 phys, unsigned int level, unsigned int *nr)
{
	u64 *table = phys_to_virt(phys);
	unsigned int i;
	int ret;

	if (!kho_mutator_is_preserved(phys, PAGE_SIZE) || ++*nr > NR_TABLES)
		return -EINVAL;
	for (i = 0; i < NR_ENTRIES; i++) {
		u64 to = table[i] & ~(u64)(PAGE_SIZE - 1);

		if (!table[i])
			continue;
		if (level > 1) {
			ret = look_at(world, to, level - 1, nr);
			if (ret)
				return ret;
		} else if (!kho_mutator_is_preserved(to, PAGE_SIZE)) {
			return -EINVAL;
		}
	}
	return 0;
}

static int read_world(void *arg)
{
	struct world *world = arg;
	unsigned int nr = 0;

	if (check_world(world))
		return 0;
	return look_at(world, world->tables.root, world->tables.levels, &nr) ?:
	       nr == NR_TABLES ? 1 : -EINVAL;
}

static void intel_liveupdate_test_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 22);
	struct world *world;
	int page;

	world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, world);
	make_world(test, world);
	/* Where they have entries: most of a table is empty. */
	kho_mutator_table(test, mutator, entry_of(world, TOP, 0), 2 * sizeof(u64), sizeof(u64));
	kho_mutator_table(test, mutator, entry_of(world, MIDDLE, 0), 10 * sizeof(u64),
			  sizeof(u64));
	kho_mutator_table(test, mutator, entry_of(world, LOW, 0), 3 * sizeof(u64), sizeof(u64));
	for (page = TOP; page < MEMORY + 4; page++)
		kho_mutator_value(mutator, phys_of(world, page) | RW);
	kho_mutator_value(mutator, phys_of(world, MEMORY) | RW | DMA_PTE_LARGE_PAGE);
	kho_mutator_run(test, mutator, read_world, world);
}

/* Tables of a unit in scalable mode, and a page that is none. */
enum { ROOT, CONTEXTS, DIRECTORY, PASIDS, STRANGER };

#define LOW_RID		0x0020
#define HIGH_RID	0x03a1
#define ROOT_PHYS	0x7000000
#define NUMBER		5

/* Where it is in the page: root entries are 16 bytes, those of contexts 32. */
#define LOW_SLOT	0
#define HIGH_SLOT	(3 * 2 + 1)
#define LOW_CONTEXT	(0x20 * 4)
#define HIGH_CONTEXT	(0x21 * 4)

struct scalable_world {
	struct world world;
	struct intel_iommu iommu;
};

static u64 *scalable_entry(struct scalable_world *world, int page, unsigned int i)
{
	return entry_of(&world->world, page, i);
}

static u64 scalable_phys(struct scalable_world *world, int page)
{
	return phys_of(&world->world, page);
}

/* Two requesters, in either half of a bus, that have one directory. */
static struct scalable_world *make_scalable(struct kunit *test)
{
	struct scalable_world *world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, world);
	world->world.pages = kho_mutator_preserve(test);
	*scalable_entry(world, ROOT, LOW_SLOT) = scalable_phys(world, CONTEXTS) | 1;
	*scalable_entry(world, ROOT, HIGH_SLOT) = scalable_phys(world, CONTEXTS) | 1;
	*scalable_entry(world, CONTEXTS, LOW_CONTEXT) = scalable_phys(world, DIRECTORY) | 1;
	*scalable_entry(world, CONTEXTS, HIGH_CONTEXT) = scalable_phys(world, DIRECTORY) | 1;
	*scalable_entry(world, DIRECTORY, 0) = scalable_phys(world, PASIDS) | 1;
	/* of the second level, three levels of tables, present */
	*scalable_entry(world, PASIDS, 0) = ROOT_PHYS | 2 << 6 | 1 << 2 | 1;
	*scalable_entry(world, PASIDS, 1) = NUMBER;
	return world;
}

static bool check_scalable(struct scalable_world *world, u16 rid)
{
	struct pasid_entry expected =
		intel_liveupdate_pasid_entry(&world->iommu, ROOT_PHYS, 1, NUMBER);

	return intel_liveupdate_check_entry((void *)scalable_entry(world, ROOT, 0), rid, &expected);
}

static void expect_refused(struct kunit *test, struct scalable_world *world, int page,
			   unsigned int i, u64 value)
{
	u64 saved = *scalable_entry(world, page, i);

	*scalable_entry(world, page, i) = value;
	KUNIT_EXPECT_FALSE_MSG(test, check_scalable(world, LOW_RID), "word %u of page %d is %#llx",
			       i, page, value);
	*scalable_entry(world, page, i) = saved;
}

static void intel_liveupdate_test_scalable(struct kunit *test)
{
	struct scalable_world *world = make_scalable(test);
	static const u64 flags[] = {
		/* not present, other reserved bits, a larger directory */
		1, 2, BIT(2), BIT(3), BIT(4), BIT(5), BIT(9), BIT(11), BIT_ULL(52), BIT_ULL(63),
	};
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, check_scalable(world, LOW_RID));
	KUNIT_EXPECT_TRUE(test, check_scalable(world, HIGH_RID));
	KUNIT_EXPECT_FALSE(test, check_scalable(world, LOW_RID + 2));
	KUNIT_EXPECT_FALSE(test, check_scalable(world, LOW_RID | 0x80));
	KUNIT_EXPECT_FALSE(test, check_scalable(world, HIGH_RID & ~0x80));
	KUNIT_EXPECT_FALSE(test, check_scalable(world, 0xffff));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		expect_refused(test, world, ROOT, LOW_SLOT,
			       *scalable_entry(world, ROOT, LOW_SLOT) ^ flags[i]);
		expect_refused(test, world, CONTEXTS, LOW_CONTEXT,
			       *scalable_entry(world, CONTEXTS, LOW_CONTEXT) ^ flags[i]);
		expect_refused(test, world, DIRECTORY, 0,
			       *scalable_entry(world, DIRECTORY, 0) ^ flags[i]);
		expect_refused(test, world, PASIDS, 0,
			       *scalable_entry(world, PASIDS, 0) ^ flags[i]);
	}
	/* another PASID for requests without one, bits behind */
	for (i = 1; i < 4; i++)
		expect_refused(test, world, CONTEXTS, LOW_CONTEXT + i, 1);
	/* not preserved, or another page */
	expect_refused(test, world, ROOT, LOW_SLOT, PAGE_SIZE | 1);
	expect_refused(test, world, CONTEXTS, LOW_CONTEXT, PAGE_SIZE | 1);
	expect_refused(test, world, CONTEXTS, LOW_CONTEXT, scalable_phys(world, STRANGER) | 1);
	expect_refused(test, world, CONTEXTS, LOW_CONTEXT, scalable_phys(world, CONTEXTS) | 1);
	expect_refused(test, world, DIRECTORY, 0, PAGE_SIZE | 1);
	expect_refused(test, world, DIRECTORY, 0, scalable_phys(world, STRANGER) | 1);
	expect_refused(test, world, DIRECTORY, 0, scalable_phys(world, DIRECTORY) | 1);
	/* more tables, within the smallest directory and behind it */
	expect_refused(test, world, DIRECTORY, 1, scalable_phys(world, PASIDS) | 1);
	expect_refused(test, world, DIRECTORY, 200, scalable_phys(world, PASIDS) | 1);
	/* another kind, all memory, another domain, snooping, bits behind, another PASID */
	expect_refused(test, world, PASIDS, 0, ROOT_PHYS | 1 << 6 | 1 << 2 | 1);
	expect_refused(test, world, PASIDS, 0, 4 << 6 | 1 << 2 | 1);
	expect_refused(test, world, PASIDS, 0, (ROOT_PHYS + PAGE_SIZE) | 2 << 6 | 1 << 2 | 1);
	expect_refused(test, world, PASIDS, 1, NUMBER + 1);
	expect_refused(test, world, PASIDS, 1, NUMBER | BIT(23));
	for (i = 2; i <= 8; i++)
		expect_refused(test, world, PASIDS, i, 1);
	expect_refused(test, world, PASIDS, NR_ENTRIES - 1, 1);
	/* tables are read with snooping if the unit can */
	world->iommu.ecap = BIT_ULL(48);
	KUNIT_EXPECT_TRUE(test, ecap_smpwc(world->iommu.ecap));
	KUNIT_EXPECT_FALSE(test, check_scalable(world, LOW_RID));
	*scalable_entry(world, PASIDS, 1) = NUMBER | BIT(23);
	KUNIT_EXPECT_TRUE(test, check_scalable(world, LOW_RID));
}

/* What is accepted, seen by other eyes: from the root table there is only one way. */
static int read_scalable(void *arg)
{
	struct scalable_world *world = arg;
	u64 phys = scalable_phys(world, ROOT), value;
	static const unsigned int way[] = { LOW_SLOT, LOW_CONTEXT, 0 };
	unsigned int i;

	if (!check_scalable(world, LOW_RID))
		return 0;
	for (i = 0; i < ARRAY_SIZE(way); i++) {
		value = ((u64 *)phys_to_virt(phys))[way[i]];
		phys = value - 1;
		if (!PAGE_ALIGNED(phys) || !kho_mutator_is_preserved(phys, PAGE_SIZE))
			return -EINVAL;
	}
	value = *(u64 *)phys_to_virt(phys);
	return value == (ROOT_PHYS | 2 << 6 | 1 << 2 | 1) ? 1 : -EINVAL;
}

static void intel_liveupdate_test_scalable_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 23);
	struct scalable_world *world = make_scalable(test);
	int page;

	kho_mutator_table(test, mutator, scalable_entry(world, ROOT, LOW_SLOT), 2 * sizeof(u64),
			  sizeof(u64));
	kho_mutator_table(test, mutator, scalable_entry(world, CONTEXTS, LOW_CONTEXT),
			  4 * sizeof(u64), sizeof(u64));
	kho_mutator_table(test, mutator, scalable_entry(world, DIRECTORY, 0), 2 * sizeof(u64),
			  sizeof(u64));
	kho_mutator_table(test, mutator, scalable_entry(world, PASIDS, 0), 9 * sizeof(u64),
			  sizeof(u64));
	for (page = ROOT; page <= STRANGER; page++)
		kho_mutator_value(mutator, scalable_phys(world, page) | 1);
	kho_mutator_value(mutator, ROOT_PHYS | 2 << 6 | 1 << 2 | 1);
	kho_mutator_run(test, mutator, read_scalable, world);
}

/* Legacy mode: a root table, a table of contexts, and pages that are neither. */
#define LEGACY_RID	0x0319
#define LEGACY_SLOT	(3 * 2)
#define LEGACY_CONTEXT	(0x19 * 2)
#define LEGACY_HI	(NUMBER << 8 | 1)

static struct world *make_legacy(struct kunit *test)
{
	struct world *world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, world);
	world->pages = kho_mutator_preserve(test);
	*entry_of(world, ROOT, LEGACY_SLOT) = phys_of(world, CONTEXTS) | 1;
	*entry_of(world, CONTEXTS, LEGACY_CONTEXT) = ROOT_PHYS | 1;
	*entry_of(world, CONTEXTS, LEGACY_CONTEXT + 1) = LEGACY_HI;
	return world;
}

static bool check_legacy(struct world *world, u16 rid)
{
	struct context_entry expected = { .lo = ROOT_PHYS | 1, .hi = LEGACY_HI };

	return intel_liveupdate_check_context((void *)entry_of(world, ROOT, 0), rid, &expected);
}

static void intel_liveupdate_test_legacy(struct kunit *test)
{
	static const struct {
		int page;
		unsigned int i;
		u64 flip;
	} bad[] = {
		/* not present, reserved bits of the lower word and the upper one */
		{ ROOT, LEGACY_SLOT, 1 }, { ROOT, LEGACY_SLOT, 2 }, { ROOT, LEGACY_SLOT, BIT(11) },
		{ ROOT, LEGACY_SLOT, BIT_ULL(63) }, { ROOT, LEGACY_SLOT + 1, 1 },
		/* not present, faults not told, translated by others, another domain or depth */
		{ CONTEXTS, LEGACY_CONTEXT, 1 }, { CONTEXTS, LEGACY_CONTEXT, 2 },
		{ CONTEXTS, LEGACY_CONTEXT, 2 << 2 }, { CONTEXTS, LEGACY_CONTEXT, PAGE_SIZE },
		{ CONTEXTS, LEGACY_CONTEXT + 1, 1 << 8 }, { CONTEXTS, LEGACY_CONTEXT + 1, 3 },
		{ CONTEXTS, LEGACY_CONTEXT + 1, BIT_ULL(63) },
	};
	struct world *world = make_legacy(test);
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, check_legacy(world, LEGACY_RID));
	KUNIT_EXPECT_FALSE(test, check_legacy(world, LEGACY_RID + 1));
	KUNIT_EXPECT_FALSE(test, check_legacy(world, LEGACY_RID + 0x100));
	KUNIT_EXPECT_FALSE(test, check_legacy(world, 0xffff));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		*entry_of(world, bad[i].page, bad[i].i) ^= bad[i].flip;
		KUNIT_EXPECT_FALSE_MSG(test, check_legacy(world, LEGACY_RID), "case %u", i);
		*entry_of(world, bad[i].page, bad[i].i) ^= bad[i].flip;
	}
	/* not preserved, or another page */
	*entry_of(world, ROOT, LEGACY_SLOT) = PAGE_SIZE | 1;
	KUNIT_EXPECT_FALSE(test, check_legacy(world, LEGACY_RID));
	*entry_of(world, ROOT, LEGACY_SLOT) = phys_of(world, STRANGER) | 1;
	KUNIT_EXPECT_FALSE(test, check_legacy(world, LEGACY_RID));
}

static int read_legacy(void *arg)
{
	struct world *world = arg;
	u64 table = *entry_of(world, ROOT, LEGACY_SLOT) - 1;
	bool good = false;
	u64 *entry;

	if (PAGE_ALIGNED(table) && kho_mutator_is_preserved(table, PAGE_SIZE)) {
		entry = phys_to_virt(table);
		good = !*entry_of(world, ROOT, LEGACY_SLOT + 1) &&
		       entry[LEGACY_CONTEXT] == (ROOT_PHYS | 1) &&
		       entry[LEGACY_CONTEXT + 1] == LEGACY_HI;
	}
	return check_legacy(world, LEGACY_RID) == good ? good : -EINVAL;
}

static void intel_liveupdate_test_legacy_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 24);
	struct world *world = make_legacy(test);
	int page;

	/* And what is before and behind. */
	kho_mutator_table(test, mutator, entry_of(world, ROOT, LEGACY_SLOT - 2), 6 * sizeof(u64),
			  2 * sizeof(u64));
	kho_mutator_table(test, mutator, entry_of(world, CONTEXTS, LEGACY_CONTEXT - 2),
			  6 * sizeof(u64), 2 * sizeof(u64));
	for (page = ROOT; page <= STRANGER; page++)
		kho_mutator_value(mutator, phys_of(world, page) | 1);
	kho_mutator_value(mutator, ROOT_PHYS | 1);
	kho_mutator_run(test, mutator, read_legacy, world);
}

static struct kunit_case intel_liveupdate_test_cases[] = {
	KUNIT_CASE(intel_liveupdate_test_tables),
	KUNIT_CASE(intel_liveupdate_test_mutations),
	KUNIT_CASE(intel_liveupdate_test_scalable),
	KUNIT_CASE(intel_liveupdate_test_scalable_mutations),
	KUNIT_CASE(intel_liveupdate_test_legacy),
	KUNIT_CASE(intel_liveupdate_test_legacy_mutations),
	{}
};

static struct kunit_suite intel_liveupdate_test_suite = {
	.name = "luo-intel-iommu",
	.test_cases = intel_liveupdate_test_cases,
};

kunit_test_suite(intel_liveupdate_test_suite);

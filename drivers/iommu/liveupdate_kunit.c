// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what reads the tables of preserved IOMMUs, with damaged ones.
 */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/kho/abi/iommu.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "../../kernel/liveupdate/kho_mutator.h"
#include "liveupdate.h"

#define NR_UNITS	2
#define NR_DOMAINS	2
#define NR_REQUESTERS	4

struct tables {
	struct iommu_unit_ser units[NR_UNITS];
	struct iommu_domain_ser domains[NR_DOMAINS];
	struct iommu_requester_ser requesters[NR_REQUESTERS];
};

/* Two devices in one domain that share an alias, another one in another unit. */
static const struct tables good = {
	.units = {
		{ .type = IOMMU_UNIT_SER_VTD, .base = 0xfed90000, .root = 0x1000,
		  .interrupts = 0x5000 },
		{ .type = IOMMU_UNIT_SER_VTD_SCALABLE, .base = 0xfed91000, .root = 0x2000,
		  .interrupts = 0x6000 },
	},
	.domains = {
		{ .id = 1, .root = 0x3000, .nr_tables = 3, .levels = 3 },
		{ .id = 7, .root = 0x4000, .nr_tables = 4, .levels = 4,
		  .flags = IOMMU_DOMAIN_SER_SNOOP },
	},
	.requesters = {
		{ .domain = 1, .bdf = 0x0108, .rid = 0x0100, .hw_domain = 2 },
		{ .domain = 1, .bdf = 0x0110, .rid = 0x0110, .hw_domain = 2 },
		{ .domain = 1, .bdf = 0x0110, .rid = 0x0100, .hw_domain = 2 },
		{ .domain = 7, .unit = 1, .segment = 1, .bdf = 0x0108, .rid = 0x0108,
		  .hw_domain = 2 },
	},
};

static bool is_sane(const struct tables *tables)
{
	return iommu_liveupdate_units_are_sane(tables->units, NR_UNITS) &&
	       iommu_liveupdate_domains_are_sane(tables->domains, NR_DOMAINS) &&
	       iommu_liveupdate_requesters_are_sane(tables->requesters, NR_REQUESTERS, NR_UNITS,
						    tables->domains, NR_DOMAINS);
}

static void iommu_liveupdate_test_tables(struct kunit *test)
{
	struct tables tables;

	KUNIT_EXPECT_TRUE(test, is_sane(&good));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_requesters_are_sane(NULL, 0, 0, NULL, 0));

#define BAD(_member, _value) do {						\
	tables = good;								\
	tables._member = (_value);						\
	KUNIT_EXPECT_FALSE_MSG(test, is_sane(&tables), #_member " = " #_value);	\
} while (0)
	BAD(units[0].type, 0);
	BAD(units[0].type, 3);
	BAD(units[0].reserved, 1);
	BAD(units[0].base, 0);
	BAD(units[0].root, 0);
	BAD(units[0].root, 0x1001);
	BAD(units[0].interrupts, 0);
	BAD(units[0].interrupts, 0x5008);
	/* twice */
	BAD(units[1].base, 0xfed90000);
	BAD(units[1].root, 0x1000);
	BAD(domains[1].id, 1);
	BAD(domains[1].root, 0x3000);
	BAD(requesters[1].rid, 0x0100);

	BAD(domains[0].id, 0);
	BAD(domains[0].root, 0);
	BAD(domains[0].root, 0x3008);
	BAD(domains[0].nr_tables, 0);
	BAD(domains[0].levels, 0);
	BAD(domains[0].levels, 7);
	BAD(domains[0].flags, BIT(1));

	BAD(requesters[0].unit, NR_UNITS);
	BAD(requesters[0].unit, U32_MAX);
	BAD(requesters[0].reserved, 1);
	/* there is none */
	BAD(requesters[0].domain, 0);
	BAD(requesters[0].domain, 2);
	/* a domain with two numbers, two with one, a requester in two domains */
	BAD(requesters[0].hw_domain, 3);
	BAD(requesters[3].unit, 0);
	BAD(requesters[0].domain, 7);
	/* a device that is in two domains, or two units */
	BAD(requesters[2].domain, 7);
	BAD(requesters[2].unit, 1);
	/* a unit in two segments */
	BAD(requesters[1].segment, 1);
#undef BAD
}

/* What the driver relies on. */
static int iommu_liveupdate_read_tables(void *arg)
{
	const struct tables *tables = arg;
	const struct iommu_requester_ser *ser = tables->requesters;
	unsigned int i, j;
	bool same, same_number;

	if (!is_sane(tables))
		return 0;
	for (i = 0; i < NR_REQUESTERS; i++) {
		if (ser[i].unit >= NR_UNITS)
			return -EINVAL;
		if (ser[i].domain != tables->domains[0].id &&
		    ser[i].domain != tables->domains[1].id)
			return -EINVAL;
		for (j = 0; j < i; j++) {
			if (ser[i].unit != ser[j].unit)
				continue;
			same = ser[i].domain == ser[j].domain;
			same_number = ser[i].hw_domain == ser[j].hw_domain;
			if (same != same_number)
				return -EINVAL;
			if (ser[i].rid == ser[j].rid && ser[i].domain != ser[j].domain)
				return -EINVAL;
		}
	}
	return 1;
}

static void iommu_liveupdate_test_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 21);
	struct tables *tables;

	tables = kunit_kzalloc(test, sizeof(*tables), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, tables);
	*tables = good;
	kho_mutator_table(test, mutator, tables->units, sizeof(tables->units),
			  sizeof(tables->units[0]));
	kho_mutator_table(test, mutator, tables->domains, sizeof(tables->domains),
			  sizeof(tables->domains[0]));
	kho_mutator_table(test, mutator, tables->requesters, sizeof(tables->requesters),
			  sizeof(tables->requesters[0]));
	kho_mutator_run(test, mutator, iommu_liveupdate_read_tables, tables);
}

/* Where they are, all in pages of their own. */
enum { UNITS = 1, DOMAINS, REQUESTERS };

struct hand {
	struct iommu_ser ser;
	u64 phys;
};

/* Elsewhere is nothing: no table but the empty one can be there. */
static bool is_good_array(const struct hand *hand, const struct iommu_array_ser *array, int page,
			  size_t max)
{
	return !array->nr ||
	       (array->first == hand->phys + page * PAGE_SIZE && array->nr <= max);
}

static int iommu_liveupdate_read_ser(void *arg)
{
	const struct hand *hand = arg;
	const struct iommu_ser *ser = &hand->ser;
	struct iommu_liveupdate_tables tables;
	/* That many requesters have domains and units. */
	u64 nr = ser->domains.nr == 1 || ser->units.nr == 1 ? 3 : 4;
	bool good;

	good = is_good_array(hand, &ser->units, UNITS, NR_UNITS) &&
	       is_good_array(hand, &ser->domains, DOMAINS, NR_DOMAINS) &&
	       is_good_array(hand, &ser->requesters, REQUESTERS, NR_REQUESTERS) &&
	       (!ser->requesters.nr ||
		(ser->domains.nr && ser->units.nr && ser->requesters.nr <= nr));
	if (iommu_liveupdate_find_tables(ser, &tables) != good)
		return -EINVAL;
	if (good && ser->units.nr && virt_to_phys((void *)tables.units) != ser->units.first)
		return -EFAULT;
	return good;
}

static void iommu_liveupdate_test_ser_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 26);
	struct hand *hand = kunit_kzalloc(test, sizeof(*hand), GFP_KERNEL);
	void *pages = kho_mutator_preserve(test);
	unsigned int page;

	KUNIT_ASSERT_NOT_NULL(test, hand);
	memcpy(pages + UNITS * PAGE_SIZE, good.units, sizeof(good.units));
	memcpy(pages + DOMAINS * PAGE_SIZE, good.domains, sizeof(good.domains));
	memcpy(pages + REQUESTERS * PAGE_SIZE, good.requesters, sizeof(good.requesters));
	hand->phys = virt_to_phys(pages);
	hand->ser = (struct iommu_ser) {
		.units = { hand->phys + UNITS * PAGE_SIZE, NR_UNITS },
		.domains = { hand->phys + DOMAINS * PAGE_SIZE, NR_DOMAINS },
		.requesters = { hand->phys + REQUESTERS * PAGE_SIZE, NR_REQUESTERS },
	};
	for (page = 0; page <= REQUESTERS; page++)
		kho_mutator_value(mutator, hand->phys + page * PAGE_SIZE);
	kho_mutator_value(mutator, PAGE_SIZE / sizeof(good.units[0]));
	kho_mutator_value(mutator, IOMMU_SER_MAX_ENTRIES);
	kho_mutator_table(test, mutator, &hand->ser, sizeof(hand->ser),
			  sizeof(struct iommu_array_ser));
	kho_mutator_run(test, mutator, iommu_liveupdate_read_ser, hand);
}

static struct kunit_case iommu_liveupdate_test_cases[] = {
	KUNIT_CASE(iommu_liveupdate_test_tables),
	KUNIT_CASE(iommu_liveupdate_test_mutations),
	KUNIT_CASE(iommu_liveupdate_test_ser_mutations),
	{}
};

static struct kunit_suite iommu_liveupdate_test_suite = {
	.name = "luo-iommu",
	.test_cases = iommu_liveupdate_test_cases,
};

kunit_test_suite(iommu_liveupdate_test_suite);

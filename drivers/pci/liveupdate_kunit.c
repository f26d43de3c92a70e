// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what reads the table of preserved PCI devices, with damaged ones.
 */
#include <kunit/test.h>
#include <linux/kho/abi/pci.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "../../kernel/liveupdate/kho_mutator.h"
#include "liveupdate.h"

#define NR_DEVICES	3

static const struct pci_liveupdate_dev_ser good_table[NR_DEVICES] = {
	{ .bdf = 0x0008, .flags = PCI_LIVEUPDATE_UPSTREAM, .driver = "pcieport" },
	{ .bdf = 0x0100, .flags = PCI_LIVEUPDATE_PRESERVED, .driver = "vfio-pci" },
	{ .domain = 1, .bdf = 0x0100, .flags = PCI_LIVEUPDATE_SIBLING },
};

static void pci_liveupdate_test_table(struct kunit *test)
{
	struct pci_liveupdate_dev_ser table[NR_DEVICES];

	KUNIT_EXPECT_TRUE(test, pci_liveupdate_table_is_sane(good_table, NR_DEVICES));
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_table_is_sane(good_table, 0));

#define BAD(_nr, _member, _value) do {						\
	memcpy(table, good_table, sizeof(table));				\
	table[_nr]._member = (_value);						\
	KUNIT_EXPECT_FALSE_MSG(test, pci_liveupdate_table_is_sane(table, NR_DEVICES), \
			       #_member " = " #_value);				\
} while (0)
	/* no reason, an unknown one */
	BAD(1, flags, 0);
	BAD(1, flags, BIT(3) | PCI_LIVEUPDATE_PRESERVED);
	BAD(1, flags, U16_MAX);
	BAD(1, class, BIT(24));
	/* not terminated */
	memcpy(table, good_table, sizeof(table));
	memset(table[1].driver, 'x', sizeof(table[1].driver));
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_table_is_sane(table, NR_DEVICES));
	/* twice */
	BAD(2, domain, 0);
	BAD(1, bdf, 0x0008);
#undef BAD
}

static int pci_liveupdate_read_table(void *arg)
{
	const struct pci_liveupdate_dev_ser *table = arg;
	unsigned int i;

	if (!pci_liveupdate_table_is_sane(table, NR_DEVICES))
		return 0;
	for (i = 0; i < NR_DEVICES; i++)
		if (!memchr(table[i].driver, 0, sizeof(table[i].driver)) ||
		    !table[i].flags || table[i].flags > 7)
			return -EINVAL;
	return 1;
}

static void pci_liveupdate_test_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 20);
	struct pci_liveupdate_dev_ser *table;

	table = kunit_kzalloc(test, sizeof(good_table), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	memcpy(table, good_table, sizeof(good_table));
	kho_mutator_table(test, mutator, table, sizeof(good_table), sizeof(*table));
	kho_mutator_run(test, mutator, pci_liveupdate_read_table, table);
}

static struct kunit_case pci_liveupdate_test_cases[] = {
	KUNIT_CASE(pci_liveupdate_test_table),
	KUNIT_CASE(pci_liveupdate_test_mutations),
	{}
};

static struct kunit_suite pci_liveupdate_test_suite = {
	.name = "luo-pci",
	.test_cases = pci_liveupdate_test_cases,
};

kunit_test_suite(pci_liveupdate_test_suite);

// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what reads the table of preserved PCI devices, with damaged ones.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/pci.h>
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

/* What says where the table is. */
struct pci_test_ser {
	struct pci_liveupdate_ser ser;
	u64 phys;
};

static int pci_liveupdate_read_ser(void *arg)
{
	const struct pci_test_ser *hand = arg;
	const struct pci_liveupdate_dev_ser *table = pci_liveupdate_find_table(&hand->ser);
	u64 nr = hand->ser.nr_devices;
	bool good;

	/* Only one page has devices in it; elsewhere there may be none of them. */
	good = PAGE_ALIGNED(hand->ser.devices) &&
	       kho_mutator_is_preserved(hand->ser.devices, PAGE_SIZE) &&
	       (!nr || (nr <= NR_DEVICES && hand->ser.devices == hand->phys));
	if (good != !!table || (table && virt_to_phys((void *)table) != hand->ser.devices))
		return -EINVAL;
	return good;
}

static void pci_liveupdate_test_ser_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 25);
	struct pci_test_ser *hand = kunit_kzalloc(test, sizeof(*hand), GFP_KERNEL);
	void *pages = kho_mutator_preserve(test);

	KUNIT_ASSERT_NOT_NULL(test, hand);
	memcpy(pages + PAGE_SIZE, good_table, sizeof(good_table));
	hand->phys = virt_to_phys(pages) + PAGE_SIZE;
	hand->ser.devices = hand->phys;
	hand->ser.nr_devices = NR_DEVICES;
	kho_mutator_value(mutator, hand->phys);
	kho_mutator_value(mutator, hand->phys + PAGE_SIZE);
	kho_mutator_value(mutator, NR_DEVICES - 1);
	kho_mutator_value(mutator, PAGE_SIZE / sizeof(good_table[0]));
	kho_mutator_value(mutator, PAGE_SIZE / sizeof(good_table[0]) + 1);
	kho_mutator_table(test, mutator, &hand->ser, sizeof(hand->ser), sizeof(u64));
	kho_mutator_run(test, mutator, pci_liveupdate_read_ser, hand);
}

/* How many there may be, here and there. */
#define LARGE_ORDER	6

static int large_order(phys_addr_t phys)
{
	return LARGE_ORDER;
}

static void pci_liveupdate_test_limit(struct kunit *test)
{
	struct pci_liveupdate_out out = { .max = 2 * PCI_LIVEUPDATE_MAX_DEVICES };
	struct pci_liveupdate_ser ser = { .nr_devices = PCI_LIVEUPDATE_MAX_DEVICES };
	struct pci_liveupdate_dev_ser *table;
	unsigned int i;

	table = kunit_kzalloc(test, PAGE_SIZE << LARGE_ORDER, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	static_assert((PCI_LIVEUPDATE_MAX_DEVICES + 1) * sizeof(*table) <=
		      PAGE_SIZE << LARGE_ORDER);
	for (i = 0; i <= PCI_LIVEUPDATE_MAX_DEVICES; i++) {
		table[i].bdf = i;
		table[i].flags = PCI_LIVEUPDATE_PRESERVED;
	}
	ser.devices = virt_to_phys(table);
	kunit_activate_static_stub(test, kho_preserved_order, large_order);
	KUNIT_EXPECT_PTR_EQ(test, pci_liveupdate_find_table(&ser), table);
	ser.nr_devices++;
	KUNIT_EXPECT_NULL(test, pci_liveupdate_find_table(&ser));

	out.nr = PCI_LIVEUPDATE_MAX_DEVICES - 1;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_grow(&out), 0);
	out.nr++;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_grow(&out), -ENOSPC);
}

/* Whatever identifies a device has to be as it was. */
static void pci_liveupdate_test_identity(struct kunit *test)
{
	const struct pci_liveupdate_dev_ser good = {
		.vendor = 1, .device = 2, .subsystem_vendor = 3, .subsystem_device = 4,
		.class = 5,
	};
	struct pci_dev *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);
	struct pci_liveupdate_dev_ser ser;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->vendor = good.vendor;
	dev->device = good.device;
	dev->subsystem_vendor = good.subsystem_vendor;
	dev->subsystem_device = good.subsystem_device;
	dev->class = good.class;
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_is_same(&good, dev));

#define OTHER(_member) do {							\
	ser = good;								\
	ser._member = 9;							\
	KUNIT_EXPECT_FALSE_MSG(test, pci_liveupdate_is_same(&ser, dev), #_member); \
} while (0)
	OTHER(vendor);
	OTHER(device);
	OTHER(subsystem_vendor);
	OTHER(subsystem_device);
	OTHER(class);
#undef OTHER
}

/* A root port that isolates by registers of its own: no machine of the lab has one. */
static void pci_liveupdate_test_acs_quirk(struct kunit *test)
{
	struct pci_dev *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->dev.init_name = "quirk";
	dev->vendor = PCI_VENDOR_ID_INTEL;
	dev->device = 0x1c10;
	dev->pcie_cap = 0x40;
	dev->pcie_flags_reg = PCI_EXP_TYPE_ROOT_PORT << 4;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_check_acs(dev, PCI_LIVEUPDATE_UPSTREAM, NULL),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_check_acs(dev, PCI_LIVEUPDATE_SIBLING, NULL), 0);
	dev->device = 0x1c0f;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_check_acs(dev, PCI_LIVEUPDATE_UPSTREAM, NULL), 0);
}

static struct kunit_case pci_liveupdate_test_cases[] = {
	KUNIT_CASE(pci_liveupdate_test_table),
	KUNIT_CASE(pci_liveupdate_test_mutations),
	KUNIT_CASE(pci_liveupdate_test_ser_mutations),
	KUNIT_CASE(pci_liveupdate_test_limit),
	KUNIT_CASE(pci_liveupdate_test_identity),
	KUNIT_CASE(pci_liveupdate_test_acs_quirk),
	{}
};

static struct kunit_suite pci_liveupdate_test_suite = {
	.name = "luo-pci",
	.test_cases = pci_liveupdate_test_cases,
};

kunit_test_suite(pci_liveupdate_test_suite);

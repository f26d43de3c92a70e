// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what reads the state of a preserved vfio-pci device, with a
 * damaged one.
 */
#include <kunit/test.h>
#include <linux/kho/abi/vfio_pci.h>

#include "../../../kernel/liveupdate/kho_mutator.h"
#include "vfio_pci_priv.h"

#define SIZE	(2 * PAGE_SIZE)

static const struct vfio_pci_ser good_ser = {
	.bdf = 0x0100,
	.flags = VFIO_PCI_SER_RESET_WORKS,
	.config_size = 4096,
};

static void vfio_pci_test_ser(struct kunit *test)
{
	struct vfio_pci_ser ser = good_ser;

	KUNIT_EXPECT_TRUE(test, vfio_pci_ser_is_sane(&ser, SIZE));
	KUNIT_EXPECT_FALSE(test, vfio_pci_ser_is_sane(&ser, PAGE_SIZE));
	ser.config_size = 256;
	KUNIT_EXPECT_TRUE(test, vfio_pci_ser_is_sane(&ser, PAGE_SIZE));

#define BAD(_member, _value) do {						\
	ser = good_ser;								\
	ser._member = (_value);							\
	KUNIT_EXPECT_FALSE_MSG(test, vfio_pci_ser_is_sane(&ser, SIZE),		\
			       #_member " = " #_value);				\
} while (0)
	BAD(config_size, 0);
	BAD(config_size, 255);
	BAD(config_size, 4097);
	BAD(config_size, U16_MAX);
	BAD(reserved, 1);
	BAD(flags, BIT(3));
	BAD(flags, U32_MAX);
#undef BAD
}

static int vfio_pci_read_ser(void *arg)
{
	const struct vfio_pci_ser *ser = arg;

	if (!vfio_pci_ser_is_sane(ser, SIZE))
		return 0;
	return ser->config_size <= SIZE - sizeof(*ser) ? 1 : -EINVAL;
}

static void vfio_pci_test_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 21);
	struct vfio_pci_ser *ser = kunit_kzalloc(test, sizeof(*ser), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	*ser = good_ser;
	kho_mutator_table(test, mutator, ser, sizeof(*ser), sizeof(*ser));
	kho_mutator_run(test, mutator, vfio_pci_read_ser, ser);
}

static struct kunit_case vfio_pci_test_cases[] = {
	KUNIT_CASE(vfio_pci_test_ser),
	KUNIT_CASE(vfio_pci_test_mutations),
	{}
};

static struct kunit_suite vfio_pci_test_suite = {
	.name = "luo-vfio-pci",
	.test_cases = vfio_pci_test_cases,
};

kunit_test_suite(vfio_pci_test_suite);

// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what reads the state of a preserved vfio-pci device, with a
 * damaged one.
 */
#include <kunit/test.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/pci_regs.h>
#include <linux/string.h>

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

/* A record with its virtual configuration space, and where that goes. */
struct vfio_pci_test {
	struct vfio_pci_ser *ser;
	/* of PCI_CFG_SPACE_SIZE, and a word behind */
	u8 *vconfig;
};

#define BEHIND	0xa5

/* This kernel has no INTx for the device. */
static int vfio_pci_load(struct vfio_pci_test *hand)
{
	u8 *vconfig = hand->vconfig;
	const u8 *config = hand->ser->config;

	memset(vconfig, 0, PCI_CFG_SPACE_SIZE);
	memset(vconfig + PCI_CFG_SPACE_SIZE, BEHIND, 8);
	vfio_pci_liveupdate_load_config(vconfig, hand->ser);
	if (memchr_inv(vconfig + PCI_CFG_SPACE_SIZE, BEHIND, 8))
		return -EFAULT;
	return !memcmp(vconfig, config, PCI_INTERRUPT_PIN) && !vconfig[PCI_INTERRUPT_PIN] &&
	       !memcmp(vconfig + PCI_INTERRUPT_PIN + 1, config + PCI_INTERRUPT_PIN + 1,
		       PCI_CFG_SPACE_SIZE - PCI_INTERRUPT_PIN - 1) ? 1 : -EINVAL;
}

static int vfio_pci_read_ser(void *arg)
{
	struct vfio_pci_test *hand = arg;
	const struct vfio_pci_ser *ser = hand->ser;
	bool sane;

	sane = (ser->config_size == 256 || ser->config_size == 4096) && !ser->reserved &&
	       ser->flags < 8;
	if (vfio_pci_ser_is_sane(ser, SIZE) != sane)
		return -EINVAL;
	/* The size has to be that of the device. */
	return sane && ser->config_size == PCI_CFG_SPACE_SIZE ? vfio_pci_load(hand) : sane;
}

static void vfio_pci_test_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 21);
	struct vfio_pci_test hand = {
		.ser = kunit_kzalloc(test, SIZE, GFP_KERNEL),
		.vconfig = kunit_kzalloc(test, PCI_CFG_SPACE_SIZE + 8, GFP_KERNEL),
	};

	KUNIT_ASSERT_NOT_NULL(test, hand.ser);
	KUNIT_ASSERT_NOT_NULL(test, hand.vconfig);
	*hand.ser = good_ser;
	hand.ser->config_size = PCI_CFG_SPACE_SIZE;
	hand.ser->config[PCI_INTERRUPT_PIN] = 1;
	kho_mutator_value(mutator, PCI_CFG_SPACE_EXP_SIZE);
	kho_mutator_table(test, mutator, hand.ser, sizeof(*hand.ser), 8);
	kho_mutator_table(test, mutator, hand.ser->config, PCI_CFG_SPACE_SIZE, 8);
	kho_mutator_run(test, mutator, vfio_pci_read_ser, &hand);
}

static void vfio_pci_test_intx(struct kunit *test)
{
	struct vfio_pci_ser *ser = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	u8 vconfig[PCI_CFG_SPACE_SIZE] = {};
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, ser);
	ser->config_size = PCI_CFG_SPACE_SIZE;
	/* Only if both have it. */
	for (i = 0; i < 4; i++) {
		vconfig[PCI_INTERRUPT_PIN] = i & 1;
		ser->config[PCI_INTERRUPT_PIN] = i >> 1;
		vfio_pci_liveupdate_load_config(vconfig, ser);
		KUNIT_EXPECT_EQ(test, vconfig[PCI_INTERRUPT_PIN], i == 3);
	}
}

static struct kunit_case vfio_pci_test_cases[] = {
	KUNIT_CASE(vfio_pci_test_ser),
	KUNIT_CASE(vfio_pci_test_mutations),
	KUNIT_CASE(vfio_pci_test_intx),
	{}
};

static struct kunit_suite vfio_pci_test_suite = {
	.name = "luo-vfio-pci",
	.test_cases = vfio_pci_test_cases,
};

kunit_test_suite(vfio_pci_test_suite);

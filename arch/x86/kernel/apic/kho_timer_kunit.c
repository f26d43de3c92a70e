// SPDX-License-Identifier: GPL-2.0
/* KUnit: what reads the frequency that was handed over, with damaged ones. */
#include <kunit/test.h>
#include <linux/kho/abi/x86_apic_timer.h>
#include <linux/limits.h>

#include "../../../../kernel/liveupdate/kho_mutator.h"
#include "kho_timer.h"

static void __init kho_apic_timer_test(struct kunit *test)
{
	struct x86_apic_timer_ser ser = {};

#define EXPECT(_sane, _hz) do {								\
	ser.hz = (_hz);									\
	KUNIT_EXPECT_EQ_MSG(test, kho_apic_timer_is_sane(&ser, sizeof(ser)), _sane, #_hz); \
} while (0)
	EXPECT(true, 1000000);
	EXPECT(true, (u64)UINT_MAX * HZ);
	EXPECT(false, 0);
	EXPECT(false, 999999);
	EXPECT(false, ((u64)UINT_MAX + 1) * HZ);
	EXPECT(false, U64_MAX);
	/* cut off */
	ser.hz = 1000000;
	KUNIT_EXPECT_FALSE(test, kho_apic_timer_is_sane(&ser, sizeof(ser) - 1));
	KUNIT_EXPECT_FALSE(test, kho_apic_timer_is_sane(&ser, 0));
	/* there may be more that this kernel knows nothing of */
	KUNIT_EXPECT_TRUE(test, kho_apic_timer_is_sane(&ser, sizeof(ser) + 1));
#undef EXPECT
}

/* The record, and how long it is said to be. */
struct kho_apic_timer_hand {
	struct x86_apic_timer_ser ser;
	u64 size;
};

/* A tick has at least one cycle, and a number of them that has 32 bits. */
static int __init kho_apic_timer_read(void *arg)
{
	const struct kho_apic_timer_hand *hand = arg;
	bool sane = hand->size >= 8 && hand->ser.hz >= 1000000 &&
		    hand->ser.hz < HZ * (1ULL << 32);

	return kho_apic_timer_is_sane(&hand->ser, hand->size) == sane ? sane : -EINVAL;
}

static void __init kho_apic_timer_mutate(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 45);
	struct kho_apic_timer_hand hand = { .ser.hz = 1000000007, .size = sizeof(hand.ser) };

	kho_mutator_value(mutator, 1000000);
	kho_mutator_value(mutator, 7);
	kho_mutator_value(mutator, HZ * (1ULL << 32));
	kho_mutator_table(test, mutator, &hand, sizeof(hand), sizeof(u64));
	kho_mutator_run(test, mutator, kho_apic_timer_read, &hand);
}

static struct kunit_case __refdata kho_apic_timer_cases[] = {
	KUNIT_CASE(kho_apic_timer_test),
	KUNIT_CASE(kho_apic_timer_mutate),
	{}
};

static struct kunit_suite __refdata kho_apic_timer_suite = {
	.name = "kho_apic_timer",
	.test_cases = kho_apic_timer_cases,
};

kunit_test_init_section_suites(&kho_apic_timer_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the frequency of APIC timers in the handover");

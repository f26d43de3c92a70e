/* SPDX-License-Identifier: GPL-2.0 */
/* The frequency of local APIC timers in the handover: a subtree of its own. */
#ifndef _LINUX_KHO_ABI_X86_APIC_TIMER_H
#define _LINUX_KHO_ABI_X86_APIC_TIMER_H

#include <linux/build_bug.h>
#include <linux/types.h>

#define X86_APIC_TIMER_KHO_NODE	"x86-apic-timer-v1"

/**
 * struct x86_apic_timer_ser - what took 100 ms to find out
 * @hz: frequency of the timers without their divider
 */
struct x86_apic_timer_ser {
	u64 hz;
};

static_assert(sizeof(struct x86_apic_timer_ser) == 8);

#endif /* _LINUX_KHO_ABI_X86_APIC_TIMER_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * The frequency of the local APIC timers goes from kernel to kernel.
 *
 * To find it out takes 100 ms, all of which guests would wait. It is the same as long
 * as the machine is on: what the previous kernel says is compared with what the timer
 * does within one millisecond. A value that was handed over is handed on as it is, so
 * no error grows.
 */
#define pr_fmt(fmt) "KHO: APIC timer: " fmt

#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/x86_apic_timer.h>
#include <linux/math64.h>
#include <linux/printk.h>
#include <linux/processor.h>

#include <asm/apic.h>
#include <asm/tsc.h>

#include "kho_timer.h"

/* As apic.c sets the divider. */
#define DIVISOR	16

/* What is too slow or too fast for the clock events is no frequency. */
VISIBLE_IF_KUNIT bool __init kho_apic_timer_is_sane(const struct x86_apic_timer_ser *ser,
						    size_t size)
{
	return size >= sizeof(*ser) && ser->hz >= 1000000 && ser->hz / HZ <= UINT_MAX;
}

/* What the previous kernel has found out, or NULL. */
static const struct x86_apic_timer_ser *__init previous_record(void)
{
	const struct x86_apic_timer_ser *ser;
	phys_addr_t phys;
	size_t size;

	if (kho_retrieve_subtree(X86_APIC_TIMER_KHO_NODE, &phys, &size))
		return NULL;
	ser = phys_to_virt(phys);
	if (kho_apic_timer_is_sane(ser, size))
		return ser;
	pr_err_once("%llu Hz can't be right\n", size < sizeof(*ser) ? 0 : ser->hz);
	return NULL;
}

/* How fast does the timer go, by the TSC? It is masked meanwhile. */
static u64 __init measured_hz(void)
{
	u32 divider = apic_read(APIC_TDCR) & ~(APIC_TDR_DIV_1 | APIC_TDR_DIV_TMBASE);
	u32 first, last;
	u64 start, end;

	apic_write(APIC_LVTT, LOCAL_TIMER_VECTOR | APIC_LVT_MASKED);
	apic_write(APIC_TDCR, divider | APIC_TDR_DIV_16);
	apic_write(APIC_TMICT, U32_MAX);

	start = rdtsc_ordered();
	first = apic_read(APIC_TMCCT);
	do {
		cpu_relax();
		end = rdtsc_ordered();
	} while (end - start < tsc_khz);
	last = apic_read(APIC_TMCCT);

	apic_write(APIC_TMICT, 0);
	return div64_u64((u64)(first - last) * DIVISOR * tsc_khz * 1000, end - start);
}

/**
 * kho_apic_timer_period - what the previous kernel knew of the APIC timer
 *
 * Context: boot CPU, before the timer is in use.
 * Return: a value for lapic_timer_period, in cycles for each tick, or 0 if it has to be
 * found out.
 */
unsigned int __init kho_apic_timer_period(void)
{
	const struct x86_apic_timer_ser *ser = tsc_khz ? previous_record() : NULL;
	u64 hz, measured;

	if (!ser)
		return 0;
	hz = ser->hz;
	measured = measured_hz();
	if (abs_diff(hz, measured) > hz / 64) {
		pr_warn("%llu Hz of the previous kernel are %llu now\n", hz, measured);
		return 0;
	}
	return hz / HZ;
}

/* If it is damaged, who knows whose page that is. */
static void __init free_previous(void)
{
	const struct x86_apic_timer_ser *ser = previous_record();

	if (ser)
		kho_restore_free((void *)ser);
}

/* With a deadline timer there may be nothing to tell. */
static int __init kho_apic_timer_init(void)
{
	struct x86_apic_timer_ser *ser;
	int err;

	free_previous();
	if (!kho_is_enabled() || !lapic_timer_period)
		return 0;
	ser = kho_alloc_preserve(sizeof(*ser));
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ser->hz = (u64)lapic_timer_period * HZ;
	err = kho_add_subtree(X86_APIC_TIMER_KHO_NODE, ser, sizeof(*ser));
	if (err)
		kho_unpreserve_free(ser);
	return err;
}
device_initcall(kho_apic_timer_init);

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _X86_APIC_KHO_TIMER_H
#define _X86_APIC_KHO_TIMER_H

#include <linux/types.h>

struct x86_apic_timer_ser;

#if IS_ENABLED(CONFIG_KUNIT)
bool kho_apic_timer_is_sane(const struct x86_apic_timer_ser *ser, size_t size);
#endif

#endif /* _X86_APIC_KHO_TIMER_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's drivers of the PCI device that it may have. */
#ifndef MINIVMM_DRIVER_H
#define MINIVMM_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"

/* What becomes of the device; whether all is well. */
struct driver {
	uint32_t id;
	bool (*set_up)(void);
	/* before each report */
	bool (*works)(uint64_t turn);
	/* after it, or NULL: the guest may have been stopped for long */
	bool (*look)(void);
	/* before the last one, or NULL */
	bool (*end)(void);
};

extern const struct driver edu_driver, e1000e_driver;

/* e1000e.c: for the report */
extern uint32_t frames, frames_meanwhile;

static inline uint32_t device_get(uint32_t offset)
{
	uint32_t value;

	asm volatile("movl (%1), %0" : "=r" (value) : "r" ((uint64_t)GUEST_BAR + offset)
		     : "memory");
	return value;
}

static inline void device_set(uint32_t offset, uint32_t value)
{
	asm volatile("movl %0, (%1)" : : "r" (value), "r" ((uint64_t)GUEST_BAR + offset)
		     : "memory");
}

static inline void relax(void)
{
	asm volatile("pause" : : : "memory");
}

#endif /* MINIVMM_DRIVER_H */

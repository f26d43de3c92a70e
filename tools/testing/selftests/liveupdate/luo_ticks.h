/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LUO_TICKS_H
#define LUO_TICKS_H

#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

/* The time stamp counter goes on through a kexec; the clocks start anew. */
static inline double luo_ticks_per_second(void)
{
	struct timespec start, now;
	uint64_t ticks = __rdtsc();
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		seconds = now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9;
	} while (seconds < 0.2);
	return (__rdtsc() - ticks) / seconds;
}

#endif /* LUO_TICKS_H */

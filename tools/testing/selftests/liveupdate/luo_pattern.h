/* SPDX-License-Identifier: GPL-2.0 */
/* What memory is filled with. It needs no library. */
#ifndef LUO_PATTERN_H
#define LUO_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* A pattern that tells files, pages and words apart. */
static inline uint64_t luo_word(uint64_t seed, uint64_t index)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ULL + index;

	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ (x >> 27);
}

static inline void luo_fill(void *mem, size_t size, uint64_t seed)
{
	uint64_t *words = mem;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		words[i] = luo_word(seed, i);
}

static inline int luo_is_filled(const void *mem, size_t size, uint64_t seed)
{
	const uint64_t *words = mem;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		if (words[i] != luo_word(seed, i))
			return 0;
	return 1;
}

#endif /* LUO_PATTERN_H */

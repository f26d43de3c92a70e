/* SPDX-License-Identifier: GPL-2.0 */
/* A numbered frame, to and from lab/frames.py. It needs no library. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../liveupdate/luo_pattern.h"

/* An experimental type. */
#define FRAME_TYPE_HIGH	0x88
#define FRAME_TYPE_LOW	0xb5

/* So long are frames, by their number. */
#define FRAME_MIN_WORDS	6
#define FRAME_LENGTHS	9

enum {
	FRAME_DATA = 1,	/* with a number, from 0 */
	FRAME_BEGIN,	/* from us: that they are wanted */
	FRAME_END,	/* from us: no more; from there: with the number of those sent */
};

struct frame {
	uint8_t to[6];
	uint8_t from[6];
	uint8_t type[2];
	uint16_t kind;
	uint64_t number;
	/* luo_word(number, ...), as many as there are */
	uint64_t words[FRAME_MIN_WORDS + FRAME_LENGTHS - 1];
};

/* What we send. */
#define FRAME_SIZE	offsetof(struct frame, words[FRAME_MIN_WORDS])

static inline struct frame frame_of(uint16_t kind)
{
	return (struct frame){
		.to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, .from = { 0x02 },
		.type = { FRAME_TYPE_HIGH, FRAME_TYPE_LOW }, .kind = kind,
	};
}

static inline bool frame_is(const struct frame *frame, size_t len, uint16_t kind)
{
	return len >= FRAME_SIZE && frame->type[0] == FRAME_TYPE_HIGH &&
	       frame->type[1] == FRAME_TYPE_LOW && frame->kind == kind;
}

static inline bool frame_is_data(const struct frame *frame, size_t len, uint64_t number)
{
	size_t size = (FRAME_MIN_WORDS + number % FRAME_LENGTHS) * sizeof(*frame->words);

	return frame_is(frame, len, FRAME_DATA) && frame->number == number &&
	       len == offsetof(struct frame, words) + size &&
	       luo_is_filled(frame->words, size, number);
}

#endif /* FRAME_H */

// SPDX-License-Identifier: GPL-2.0
/* Numbered frames that an e1000e receives. */
#define _GNU_SOURCE
#include <x86intrin.h>

#include "../liveupdate/luo_util.h"
#include "frames.h"

/* An experimental one. */
#define ETHERTYPE_HIGH	0x88
#define ETHERTYPE_LOW	0xb5

/* So long are frames, by their number. */
#define MIN_WORDS	6
#define LENGTHS		9

struct frame {
	uint8_t to[6];
	uint8_t from[6];
	uint8_t type[2];
	uint16_t kind;
	uint64_t number;
	/* luo_word(number, ...), as many as there are */
	uint64_t words[MIN_WORDS + LENGTHS - 1];
};

static size_t words_of(uint64_t number)
{
	return MIN_WORDS + number % LENGTHS;
}

static bool is_frame(const struct frame *frame, size_t len, uint16_t kind)
{
	return len >= offsetof(struct frame, words[MIN_WORDS]) &&
	       frame->type[0] == ETHERTYPE_HIGH && frame->type[1] == ETHERTYPE_LOW &&
	       frame->kind == kind;
}

static bool is_data(const struct frame *frame, size_t len, uint64_t number)
{
	return is_frame(frame, len, FRAME_DATA) && frame->number == number &&
	       len == offsetof(struct frame, words) + words_of(number) * sizeof(*frame->words) &&
	       luo_is_filled(frame->words, words_of(number) * sizeof(*frame->words), number);
}

int frames_say(struct dma_driver *driver, uint16_t kind)
{
	struct frame frame = {
		.to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, .from = { 0x02 },
		.type = { ETHERTYPE_HIGH, ETHERTYPE_LOW }, .kind = kind,
	};

	return ring_send(driver, &frame, offsetof(struct frame, words[MIN_WORDS]));
}

/* Each is the one that is due: none is missing, none is there twice. */
static int64_t look(const struct dma_area *area, struct frames *frames, uint32_t count)
{
	struct frame *frame;
	size_t len = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		frame = ring_peek(area, i, &len);
		if (frame && is_data(frame, len, frames->taken + i))
			continue;
		printf("# frame %llu: number %llu, kind %u, %zu bytes\n",
		       (unsigned long long)frames->taken + i,
		       frame ? (unsigned long long)frame->number : 0, frame ? frame->kind : 0,
		       len);
		return -EBADMSG;
	}
	frames->seen = frames->taken + count;
	frames->ticks = __rdtsc();
	return frames->seen;
}

int64_t frames_look(const struct dma_area *area, struct frames *frames)
{
	return look(area, frames, ring_count(area));
}

struct wait {
	const struct dma_area *area;
	uint32_t count;
};

static bool have_come(void *arg)
{
	struct wait *wait = arg;

	return ring_count(wait->area) >= wait->count;
}

int frames_wait(const struct dma_area *area, const struct frames *frames, uint64_t more)
{
	struct wait wait = { area, frames->seen - frames->taken + more };

	return wait_until(have_come, &wait);
}

void frames_take(struct dma_driver *driver, struct frames *frames)
{
	ring_take(driver, frames->seen - frames->taken);
	frames->taken = frames->seen;
}

static bool end_has_come(void *arg)
{
	struct wait *wait = arg;
	struct frame *frame;
	size_t len;

	wait->count = ring_count(wait->area);
	frame = wait->count ? ring_peek(wait->area, wait->count - 1, &len) : NULL;
	return frame && is_frame(frame, len, FRAME_END);
}

int64_t frames_end(struct dma_driver *driver, struct frames *frames)
{
	struct wait wait = { driver->area };
	int64_t number = frames_say(driver, FRAME_END);
	struct frame *frame;
	size_t len;

	if (!number)
		number = wait_until(end_has_come, &wait);
	if (number)
		return number;
	frame = ring_peek(driver->area, wait.count - 1, &len);
	number = look(driver->area, frames, wait.count - 1);
	return number < 0 || (uint64_t)number == frame->number ? number : -EBADMSG;
}

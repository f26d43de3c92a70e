// SPDX-License-Identifier: GPL-2.0
/* Numbered frames that an e1000e receives. */
#define _GNU_SOURCE
#include <x86intrin.h>

#include "../liveupdate/luo_util.h"
#include "frames.h"

int frames_say(struct dma_driver *driver, uint16_t kind)
{
	struct frame frame = frame_of(kind);

	return ring_send(driver, &frame, FRAME_SIZE);
}

/* Each is the one that is due: none is missing, none is there twice. */
static int64_t look(const struct dma_area *area, struct frames *frames, uint32_t count)
{
	struct frame *frame;
	size_t len = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		frame = ring_peek(area, i, &len);
		if (frame && frame_is_data(frame, len, frames->taken + i))
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
	return frame && frame_is(frame, len, FRAME_END);
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

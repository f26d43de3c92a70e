/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbered frames, as lab/frames.py sends them to an e1000e all the time: which have
 * come is seen in memory alone.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include "frame.h"
#include "lib/libvfio.h"

/* How far it is. Who has the area and this can go on. */
struct frames {
	/* the number of the first one in the ring that was not taken */
	uint64_t taken;
	/* how many had come at the last look, from the first one ever */
	uint64_t seen;
	/* the time stamp counter then */
	uint64_t ticks;
};

int frames_say(struct dma_driver *driver, uint16_t kind);
/* How many have come; -EBADMSG if one of them is not what it should be. */
int64_t frames_look(const struct dma_area *area, struct frames *frames);
/* Some more have come than were seen; or -ETIMEDOUT. */
int frames_wait(const struct dma_area *area, const struct frames *frames, uint64_t more);
/* The device has its descriptors back for all that were seen. */
void frames_take(struct dma_driver *driver, struct frames *frames);
/* No more are sent, and all that were have come: how many, or -errno. */
int64_t frames_end(struct dma_driver *driver, struct frames *frames);

#endif /* FRAMES_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices that go on with DMA through the kexec: their files, the iommufd that they
 * are attached to, and the memory they reach are in one session. So is memory that
 * they don't reach: a part of each area, and a memfd of its own.
 */
#ifndef RUNNING_H
#define RUNNING_H

#include "lib/libvfio.h"

#include "../liveupdate/luo_scenario.h"
#include "frames.h"

#define RUNNING_SPACES		2
#define RUNNING_DEVICES		3
/* Behind what is mapped of an area. */
#define RUNNING_BEYOND		MB
#define RUNNING_CONTROL		(16 * MB)

/* An address space, and what is mapped there. */
struct running_space {
	uint64_t iova;
	size_t mapped;

	struct iommu iommu;
	struct dma_area area;
};

struct running_device {
	const struct dma_driver_ops *ops;
	/* the @nth of its kind */
	int nth;
	/* the space that it is attached to, and where its part of the area is */
	int space;
	size_t at;

	char address[PCI_ADDRESS_SIZE];
	struct vfio_device device;
	struct dma_area part;
	struct dma_driver driver;
};

/* What the next kernel has to know; at the beginning of the control memfd. */
struct running_notes {
	uint32_t ioas[RUNNING_SPACES];
	uint32_t devices[RUNNING_DEVICES];
	/* for who uses it */
	uint64_t number;
	uint64_t seed;
	char text[128];
	struct frames frames;
};

struct running {
	/* of the session, too */
	const char *name;
	/* those with an IOVA */
	struct running_space spaces[RUNNING_SPACES];
	/* those with a driver */
	struct running_device devices[RUNNING_DEVICES];

	int session;
	struct dma_area control;
	struct running_notes *notes;
};

/* In the first kernel only: all is opened, and the devices put to work. */
void running_start(struct running *running);
void running_preserve(struct running *running);

/* In the next one: memory comes first, the devices are not touched. Is it all there? */
bool running_retrieve(struct running *running);
/* The devices, as they are. */
void running_take_over(struct running *running);
/* The same with devices that were stopped. */
void running_reopen(struct running *running);
/* Each vector gets one interrupt; none is lost. */
void running_interrupts(struct running *running);
/* No other memory has changed. */
void running_memory_is_same(struct running *running);
void running_finish(struct running *running);

/* Who gets it all is gone before it is whole. */
void running_die(struct running *running);
/* Nobody wants the devices any more. There is only the memory. */
void running_give_up(struct running *running);
void running_close_memory(struct running *running);

#endif /* RUNNING_H */

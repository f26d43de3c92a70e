/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device in use that is taken along: its file, its driver's state and buffers
 * in a memfd, and what it looked like. One session has the two.
 */
#ifndef CARRIED_H
#define CARRIED_H

#include "lib/libvfio.h"

#include "../liveupdate/luo_scenario.h"

#define TOKEN_AREA	1
#define TOKEN_DEVICE	2
#define TOKEN_IOMMUFD	3

#define CARRIED_BRIDGES	4

/* Where things are in the area, behind what is the driver's. */
#define CARRIED_FROM	AREA_BUFFERS
#define CARRIED_TO	(AREA_BUFFERS + 64 * 1024)
#define CARRIED_LOOKS	(AREA_BUFFERS + 128 * 1024)

/* What is to be the same in the next kernel. */
struct looks {
	/* of what is at CARRIED_TO */
	uint64_t seed;
	char address[PCI_ADDRESS_SIZE];
	int group;
	/* as its user sees it; as it is */
	uint32_t config_size;
	uint8_t config[PCI_EXTENDED_SIZE];
	uint8_t raw[PCI_CONFIG_SIZE];
	/* those above it, the next one first */
	uint32_t nr_bridges;
	struct {
		char address[PCI_ADDRESS_SIZE];
		uint8_t raw[PCI_EXTENDED_SIZE];
	} bridges[CARRIED_BRIDGES];
};

struct carried {
	/* of the session, too */
	const char *name;
	/* the @nth device of this kind */
	const struct dma_driver_ops *ops;
	int nth;
	/* one in the same group, whose iommu it has to use */
	struct carried *leader;
	/* its iommufd is taken along, too: it is attached to the same page table */
	bool with_iommufd;

	char address[PCI_ADDRESS_SIZE];
	uint64_t iova;
	int session;
	struct iommu own_iommu;
	struct iommu *iommu;
	struct dma_area area;
	struct vfio_device device;
	struct dma_driver driver;
};

/* Open the device, unless it is open, and put it to work. */
void carried_start(struct carried *carried);
/* Is it at work? DMA both ways, and an interrupt. */
void carried_work(struct carried *carried, bool interrupts);
/* What it was copying when it was preserved. */
void carried_data_are_there(struct carried *carried);
void carried_stop(struct carried *carried);

/* Its root port is set up in another way than at boot. */
void carried_upset_bridge(struct carried *carried);
/* Into a session of its name, and what it looks like is noted down. */
void carried_preserve(struct carried *carried);

/*
 * What can be done to a device only once, with each point of it made to fail: if it works
 * in spite of a failure, it goes on with the next device.
 */
struct sweep {
	const char *what;
	int (*ask)(int session);
	/* points that failed */
	int hits;
	/* the last pass was one without a failure */
	bool clean;
};

/* Returns what was asked for, once it works. */
int sweep_on(struct sweep *sweep, int session);
void sweep_end(const struct sweep *sweep);
/* Of the sessions of all devices. */
extern struct sweep finish_sweep;

/* In the next kernel: nobody else has got it. */
void carried_is_kept(struct carried *carried);
/* Or goes on with DMA if it is to; before anybody gets it back. */
void carried_is_quiet(struct carried *carried);
void carried_retrieve(struct carried *carried);
void carried_bind(struct carried *carried);
void carried_looks_same(struct carried *carried);
void carried_finish(struct carried *carried);

/* All of it, on either side. */
void carried_before(struct carried *carried);
void carried_after(struct carried *carried);

#endif /* CARRIED_H */

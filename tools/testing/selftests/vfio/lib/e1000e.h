/* SPDX-License-Identifier: GPL-2.0 */
/* Intel's 82574: what its two drivers have in common. */
#ifndef E1000E_H
#define E1000E_H

#include "e1000e_regs.h"
#include "libvfio.h"

static inline uint32_t e1000e_get(struct dma_driver *driver, size_t offset)
{
	return mmio_read32(driver->device->bars[0].mem, offset);
}

static inline void e1000e_set(struct dma_driver *driver, size_t offset, uint32_t value)
{
	mmio_write32(driver->device->bars[0].mem, offset, value);
}

/* The device, from any state: no interrupts, no DMA, and the link is up. */
int e1000e_reset(struct dma_driver *driver);
/* Where a ring is: @base is E1000_RDBAL or E1000_TDBAL. It is empty, at @head. */
void e1000e_set_ring(struct dma_driver *driver, size_t base, uint64_t iova, size_t size,
		     uint32_t head);
/* Vector 0 is for receive queue 0; that one interrupt is not enabled yet. */
void e1000e_set_vectors(struct dma_driver *driver);
void e1000e_remove(struct dma_driver *driver);
int e1000e_interrupt(struct dma_driver *driver);

#endif /* E1000E_H */

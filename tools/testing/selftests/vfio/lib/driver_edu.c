// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's device for education: some registers, a buffer of its own that DMA goes
 * to and from, 100 ms later, and one MSI. It has no reset.
 */
#include <errno.h>

#include "libvfio.h"

#define EDU_ID			0x00
#define EDU_LIVENESS		0x04	/* reads as the complement */
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_STATUS_COMPUTING	1
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_TARGET		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_RUN		1
#define EDU_DMA_TO_MEMORY	2
#define EDU_DMA_INTERRUPT	4

#define EDU_MAGIC		0x010000ed
#define EDU_BUFFER		0x40000
#define EDU_ADDRESSES		0x10000000ULL

/* What its registers hold. */
struct edu_state {
	uint32_t factorial;
	uint64_t source;
	uint64_t target;
	uint64_t count;
};

static void *edu_base(struct dma_driver *driver)
{
	return driver->device->bars[0].mem;
}

static bool edu_has_computed(void *base)
{
	return !(mmio_read32(base, EDU_STATUS) & EDU_STATUS_COMPUTING);
}

static bool edu_has_copied(void *base)
{
	return !(mmio_read64(base, EDU_DMA_COMMAND) & EDU_DMA_RUN);
}

static int edu_init(struct dma_driver *driver)
{
	struct edu_state *state = driver->state;
	void *base = edu_base(driver);
	int err;

	if ((mmio_read32(base, EDU_ID) & 0xffff) != (EDU_MAGIC & 0xffff))
		return -ENODEV;
	mmio_write32(base, EDU_LIVENESS, 0x12345678);
	if (mmio_read32(base, EDU_LIVENESS) != ~0x12345678U)
		return -EIO;
	mmio_write32(base, EDU_IRQ_ACK, mmio_read32(base, EDU_IRQ_STATUS));
	mmio_write32(base, EDU_FACTORIAL, 10);
	err = wait_until(edu_has_computed, base);
	if (err)
		return err;
	state->factorial = mmio_read32(base, EDU_FACTORIAL);
	state->source = mmio_read64(base, EDU_DMA_SOURCE);
	state->target = mmio_read64(base, EDU_DMA_TARGET);
	state->count = mmio_read64(base, EDU_DMA_COUNT);
	return state->factorial == 3628800 ? 0 : -EIO;
}

static void edu_remove(struct dma_driver *driver)
{
	mmio_write32(edu_base(driver), EDU_FACTORIAL, 0);
}

static bool edu_is_running(struct dma_driver *driver)
{
	struct edu_state *state = driver->state;
	void *base = edu_base(driver);

	return mmio_read32(base, EDU_FACTORIAL) == state->factorial &&
	       mmio_read64(base, EDU_DMA_SOURCE) == state->source &&
	       mmio_read64(base, EDU_DMA_TARGET) == state->target &&
	       mmio_read64(base, EDU_DMA_COUNT) == state->count;
}

/*
 * Between the memory at @iova and the device's buffer: it is over in 100 ms. With
 * @interrupt it raises one then, and that stays until edu_acknowledge().
 */
int edu_begin(struct dma_driver *driver, uint64_t iova, size_t len, bool to_memory,
	      bool interrupt)
{
	struct edu_state *state = driver->state;
	void *base = edu_base(driver);

	if (len > driver->ops->max_copy || iova + len > EDU_ADDRESSES)
		return -ERANGE;
	state->source = to_memory ? EDU_BUFFER : iova;
	state->target = to_memory ? iova : EDU_BUFFER;
	state->count = len;
	mmio_write64(base, EDU_DMA_SOURCE, state->source);
	mmio_write64(base, EDU_DMA_TARGET, state->target);
	mmio_write64(base, EDU_DMA_COUNT, len);
	mmio_write64(base, EDU_DMA_COMMAND, EDU_DMA_RUN | (to_memory ? EDU_DMA_TO_MEMORY : 0) |
		     (interrupt ? EDU_DMA_INTERRUPT : 0));
	return 0;
}

int edu_end(struct dma_driver *driver)
{
	return wait_until(edu_has_copied, edu_base(driver));
}

/* Which interrupts it has raised since. */
uint32_t edu_acknowledge(struct dma_driver *driver)
{
	uint32_t status = mmio_read32(edu_base(driver), EDU_IRQ_STATUS);

	mmio_write32(edu_base(driver), EDU_IRQ_ACK, status);
	return status;
}

static int edu_copy(struct dma_driver *driver, uint64_t to, uint64_t from, size_t len)
{
	int err = edu_begin(driver, from, len, false, false);

	if (!err)
		err = edu_end(driver);
	if (!err)
		err = edu_begin(driver, to, len, true, false);
	return err ? err : edu_end(driver);
}

/* It stays raised until it is acknowledged, so that comes first. */
static int edu_interrupt(struct dma_driver *driver)
{
	edu_acknowledge(driver);
	mmio_write32(edu_base(driver), EDU_IRQ_RAISE, 1);
	return 0;
}

const struct dma_driver_ops edu_ops = {
	.name = "edu",
	.vendor = 0x1234,
	.device = 0x11e8,
	.class = 0x00ff00,
	.irq_index = VFIO_PCI_MSI_IRQ_INDEX,
	.max_copy = 2048,
	.unit = 1,
	.init = edu_init,
	.remove = edu_remove,
	.is_running = edu_is_running,
	.copy = edu_copy,
	.interrupt = edu_interrupt,
};

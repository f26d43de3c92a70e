// SPDX-License-Identifier: GPL-2.0
/*
 * Intel's 82574 with as large a receive ring as it can have: what it receives in two
 * minutes finds its place without any software. Each frame is in a buffer of its own.
 *
 * All but one of the descriptors are the device's, or have a frame that nobody has
 * taken so far; the one at the tail parts the end from the beginning.
 */
#include <errno.h>
#include <string.h>

#include "e1000e.h"

#define RCTL	(E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM | \
		 E1000_RCTL_BUFFER_256 | E1000_RCTL_SECRC)
#define TCTL	(E1000_TCTL_EN | E1000_TCTL_PSP)

/* A frame shorter than that is for the device to make longer. */
#define MIN_FRAME	60
#define TX_DESCRIPTORS	16
/* Where it begins: the end of the ring is not far. */
#define FIRST		(RING_DESCRIPTORS - 1000)

struct ring_tx {
	struct tx_descriptor descriptors[TX_DESCRIPTORS];
	uint8_t frame[RING_BUFFER_SIZE];
};

struct ring_state {
	/* the first that was not taken, and the next to be sent by */
	uint32_t rx;
	uint32_t tx;
};

static uint32_t add(uint32_t index, uint32_t n)
{
	return (index + n) % RING_DESCRIPTORS;
}

static struct rx_descriptor *rx_of(const struct dma_area *area)
{
	return (struct rx_descriptor *)((char *)area->mem + RING_AT);
}

static struct ring_state *state_of(const struct dma_area *area)
{
	return (struct ring_state *)((char *)area->mem + DRIVER_STATE);
}

static uint64_t tx_iova(struct dma_driver *driver, size_t offset)
{
	return driver->rings_iova + offset;
}

static int ring_init(struct dma_driver *driver)
{
	struct rx_descriptor *rx = rx_of(driver->area);
	struct ring_state *state = driver->state;
	uint32_t i;
	int err = e1000e_reset(driver);

	if (err)
		return err;
	for (i = 0; i < RING_DESCRIPTORS; i++)
		rx[i] = (struct rx_descriptor){
			.address = driver->area->iova + RING_BUFFERS + i * RING_BUFFER_SIZE,
		};
	state->rx = FIRST;
	e1000e_set_ring(driver, E1000_TDBAL,
			tx_iova(driver, offsetof(struct ring_tx, descriptors)),
			TX_DESCRIPTORS * sizeof(struct tx_descriptor), 0);
	e1000e_set_ring(driver, E1000_RDBAL, driver->area->iova + RING_AT,
			RING_DESCRIPTORS * sizeof(*rx), FIRST);
	e1000e_set_vectors(driver);
	e1000e_set(driver, E1000_RAL15, MARK);
	e1000e_set(driver, E1000_TCTL, TCTL);
	e1000e_set(driver, E1000_RDT, add(FIRST, RING_DESCRIPTORS - 1));
	e1000e_set(driver, E1000_RCTL, RCTL);
	return 0;
}

/* Where its head is by now nobody knows. */
static bool ring_is_running(struct dma_driver *driver)
{
	struct ring_state *state = driver->state;

	return e1000e_get(driver, E1000_RAL15) == MARK &&
	       e1000e_get(driver, E1000_RCTL) == RCTL &&
	       e1000e_get(driver, E1000_TCTL) == TCTL &&
	       e1000e_get(driver, E1000_TDT) == state->tx &&
	       e1000e_get(driver, E1000_RDT) == add(state->rx, RING_DESCRIPTORS - 1) &&
	       e1000e_get(driver, E1000_RDBAL) == (uint32_t)driver->area->iova + RING_AT;
}

/* The @nth frame, from 0, of those that have come and were not taken; or NULL. */
void *ring_peek(const struct dma_area *area, uint32_t nth, size_t *len)
{
	uint32_t index = add(state_of(area)->rx, nth);
	struct rx_descriptor *rx = rx_of(area) + index;

	if (nth >= RING_DESCRIPTORS - 1 || !e1000e_is_done(&rx->status))
		return NULL;
	*len = rx->length;
	return (char *)area->mem + RING_BUFFERS + index * RING_BUFFER_SIZE;
}

/* How many have come and were not taken; if one was left out it counts, too. */
uint32_t ring_count(const struct dma_area *area)
{
	uint32_t count = RING_DESCRIPTORS - 1;
	size_t len;

	while (count && !ring_peek(area, count - 1, &len))
		count--;
	return count;
}

/* The first frames are not needed any more: the device has them back. */
void ring_take(struct dma_driver *driver, uint32_t count)
{
	struct ring_state *state = driver->state;
	struct rx_descriptor *rx = rx_of(driver->area);
	uint32_t i;

	for (i = 0; i < count; i++) {
		memset((char *)driver->area->mem + RING_BUFFERS + state->rx * RING_BUFFER_SIZE,
		       0, RING_BUFFER_SIZE);
		rx[state->rx].length = 0;
		rx[state->rx].status = 0;
		state->rx = add(state->rx, 1);
	}
	if (count)
		e1000e_set(driver, E1000_RDT, add(state->rx, RING_DESCRIPTORS - 1));
}

static bool has_sent(void *arg)
{
	struct dma_driver *driver = arg;
	struct ring_state *state = driver->state;
	struct ring_tx *tx = driver->rings;

	return e1000e_is_done(&tx->descriptors[(state->tx + TX_DESCRIPTORS - 1) %
					       TX_DESCRIPTORS].status);
}

int ring_send(struct dma_driver *driver, const void *frame, size_t len)
{
	struct ring_state *state = driver->state;
	struct ring_tx *tx = driver->rings;

	if (len < MIN_FRAME || len > sizeof(tx->frame))
		return -EINVAL;
	memcpy(tx->frame, frame, len);
	tx->descriptors[state->tx] = (struct tx_descriptor){
		.address = tx_iova(driver, offsetof(struct ring_tx, frame)), .length = len,
		.command = TX_END_OF_PACKET | TX_INSERT_FCS | TX_REPORT_STATUS,
	};
	state->tx = (state->tx + 1) % TX_DESCRIPTORS;
	e1000e_set(driver, E1000_TDT, state->tx);
	return wait_until(has_sent, driver);
}

const struct dma_driver_ops e1000e_ring_ops = {
	.name = "e1000e ring",
	.vendor = 0x8086,
	.device = 0x10d3,
	.class = 0x020000,
	.irq_index = VFIO_PCI_MSIX_IRQ_INDEX,
	.more = RING_AREA_SIZE - AREA_BUFFERS,
	.kernel_driver = "e1000e",
	.resets = true,
	.init = ring_init,
	.remove = e1000e_remove,
	.is_running = ring_is_running,
	.interrupt = e1000e_interrupt,
};

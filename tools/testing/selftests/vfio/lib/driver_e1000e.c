// SPDX-License-Identifier: GPL-2.0
/*
 * Intel's 82574 as QEMU has it, with its transmitter looped back to its receiver: a
 * frame that is sent from one place of memory is received at another one.
 *
 * A frame begins with a head of our own, as long as one receive buffer is: the
 * head lands in the driver's memory, and the data behind it where they are to be.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "e1000e.h"

#define RCTL	(E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_LOOPBACK | \
		 E1000_RCTL_BAM | E1000_RCTL_BUFFER_256 | E1000_RCTL_SECRC)
#define TCTL	(E1000_TCTL_EN | E1000_TCTL_PSP)

#define RING_SIZE		256
#define BUFFER_SIZE		256
#define MAX_COPY		1024

struct e1000e_rings {
	struct tx_descriptor tx[RING_SIZE];
	struct rx_descriptor rx[RING_SIZE];
	uint8_t sent_head[BUFFER_SIZE];
	uint8_t received_head[BUFFER_SIZE];
};

/* What the device has for the address of a part. */
#define ring_iova(_driver, _part) \
	((_driver)->rings_iova + offsetof(struct e1000e_rings, _part))

/* The next free descriptor of each ring, which is where the tail points to. */
struct e1000e_state {
	uint32_t tx;
	uint32_t rx;
};

static bool has_been_reset(void *arg)
{
	return !(e1000e_get(arg, E1000_CTRL) & E1000_CTRL_RST);
}

static bool link_is_up(void *arg)
{
	return e1000e_get(arg, E1000_STATUS) & E1000_STATUS_LU;
}

int e1000e_reset(struct dma_driver *driver)
{
	int err;

	e1000e_set(driver, E1000_IMC, UINT32_MAX);
	e1000e_set(driver, E1000_CTRL, e1000e_get(driver, E1000_CTRL) | E1000_CTRL_RST);
	err = wait_until(has_been_reset, driver);
	if (err)
		return err;
	e1000e_set(driver, E1000_CTRL, e1000e_get(driver, E1000_CTRL) | E1000_CTRL_SLU);
	return wait_until(link_is_up, driver);
}

void e1000e_set_ring(struct dma_driver *driver, size_t base, uint64_t iova, size_t size,
		     uint32_t head)
{
	e1000e_set(driver, base, iova);
	e1000e_set(driver, base + 4, iova >> 32);
	e1000e_set(driver, base + (E1000_RDLEN - E1000_RDBAL), size);
	/* Not all that call themselves an 82574 forget them with a reset. */
	e1000e_set(driver, base + (E1000_RDH - E1000_RDBAL), head);
	e1000e_set(driver, base + (E1000_RDT - E1000_RDBAL), head);
}

void e1000e_set_vectors(struct dma_driver *driver)
{
	e1000e_set(driver, E1000_IMC, UINT32_MAX);
	e1000e_set(driver, E1000_IVAR, E1000_IVAR_RXQ0_0);
	e1000e_set(driver, E1000_EIAC, E1000_CAUSE_RXQ0);
}

static int e1000e_init(struct dma_driver *driver)
{
	struct e1000e_rings *rings = driver->rings;
	int err = e1000e_reset(driver);

	if (err)
		return err;
	memset(rings->sent_head, 0xff, 6);
	rings->sent_head[12] = ETHERTYPE >> 8;
	rings->sent_head[13] = ETHERTYPE & 0xff;
	e1000e_set_ring(driver, E1000_TDBAL, ring_iova(driver, tx), sizeof(rings->tx), 0);
	e1000e_set_ring(driver, E1000_RDBAL, ring_iova(driver, rx), sizeof(rings->rx), 0);
	e1000e_set_vectors(driver);
	e1000e_set(driver, E1000_RAL15, MARK);
	e1000e_set(driver, E1000_TCTL, TCTL);
	e1000e_set(driver, E1000_RCTL, RCTL);
	return 0;
}

void e1000e_remove(struct dma_driver *driver)
{
	e1000e_set(driver, E1000_IMC, UINT32_MAX);
	e1000e_set(driver, E1000_RCTL, 0);
	e1000e_set(driver, E1000_TCTL, 0);
}

static bool is(struct dma_driver *driver, size_t offset, uint32_t value)
{
	return e1000e_get(driver, offset) == value;
}

static bool e1000e_is_running(struct dma_driver *driver)
{
	struct e1000e_state *state = driver->state;

	return is(driver, E1000_RAL15, MARK) &&
	       is(driver, E1000_RCTL, RCTL) && is(driver, E1000_TCTL, TCTL) &&
	       is(driver, E1000_TDH, state->tx) && is(driver, E1000_TDT, state->tx) &&
	       is(driver, E1000_RDH, state->rx) && is(driver, E1000_RDT, state->rx) &&
	       is(driver, E1000_RDBAL, ring_iova(driver, rx));
}

static void add_rx(struct dma_driver *driver, uint64_t address)
{
	struct e1000e_state *state = driver->state;
	struct e1000e_rings *rings = driver->rings;

	rings->rx[state->rx] = (struct rx_descriptor){ .address = address };
	state->rx = (state->rx + 1) % RING_SIZE;
}

static void add_tx(struct dma_driver *driver, uint64_t address, size_t len, uint8_t command)
{
	struct e1000e_state *state = driver->state;
	struct e1000e_rings *rings = driver->rings;

	rings->tx[state->tx] = (struct tx_descriptor){
		.address = address, .length = len, .command = command | TX_INSERT_FCS,
	};
	state->tx = (state->tx + 1) % RING_SIZE;
}

/* Has what was added last been seen to? */
static bool has_copied(void *arg)
{
	struct dma_driver *driver = arg;
	struct e1000e_state *state = driver->state;
	struct e1000e_rings *rings = driver->rings;

	return e1000e_is_done(&rings->tx[(state->tx + RING_SIZE - 1) % RING_SIZE].status) &&
	       e1000e_is_done(&rings->rx[(state->rx + RING_SIZE - 1) % RING_SIZE].status);
}

static int e1000e_copy(struct dma_driver *driver, uint64_t to, uint64_t from, size_t len)
{
	struct e1000e_state *state = driver->state;
	size_t at;

	/* A buffer is filled to its end but for the last one, which is exact, too. */
	add_rx(driver, ring_iova(driver, received_head));
	for (at = 0; at < len; at += BUFFER_SIZE)
		add_rx(driver, to + at);
	add_tx(driver, ring_iova(driver, sent_head), BUFFER_SIZE, 0);
	add_tx(driver, from, len, TX_END_OF_PACKET | TX_REPORT_STATUS);
	e1000e_set(driver, E1000_RDT, state->rx);
	e1000e_set(driver, E1000_TDT, state->tx);
	return wait_until(has_copied, driver);
}

int e1000e_interrupt(struct dma_driver *driver)
{
	/* The device takes it away when it sends one. */
	e1000e_set(driver, E1000_IMS, E1000_CAUSE_RXQ0);
	e1000e_set(driver, E1000_ICS, E1000_CAUSE_RXQ0);
	/*
	 * The next one has to wait for the end of an interval of 128 us. QEMU 7.2 does
	 * not survive it if MSI-X is off by then.
	 */
	usleep(1000);
	return 0;
}

const struct dma_driver_ops e1000e_ops = {
	.name = "e1000e",
	.vendor = 0x8086,
	.device = 0x10d3,
	.class = 0x020000,
	.irq_index = VFIO_PCI_MSIX_IRQ_INDEX,
	.max_copy = MAX_COPY,
	.unit = 1,
	.kernel_driver = "e1000e",
	.resets = true,
	.init = e1000e_init,
	.remove = e1000e_remove,
	.is_running = e1000e_is_running,
	.copy = e1000e_copy,
	.interrupt = e1000e_interrupt,
};

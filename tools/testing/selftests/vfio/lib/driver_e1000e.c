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

#include "libvfio.h"

#define E1000_CTRL		0x0000
#define E1000_CTRL_RST		0x04000000
#define E1000_CTRL_SLU		0x00000040
#define E1000_STATUS		0x0008
#define E1000_STATUS_LU		0x00000002
#define E1000_ICS		0x00c8
#define E1000_IMS		0x00d0
#define E1000_IMC		0x00d8
#define E1000_EIAC		0x00dc
#define E1000_IVAR		0x00e4
#define E1000_IVAR_RXQ0_0	0x00000008	/* receive queue 0: valid, vector 0 */
#define E1000_CAUSE_RXQ0	0x00100000
#define E1000_RCTL		0x0100
#define E1000_RCTL_EN		0x00000002
#define E1000_RCTL_UPE		0x00000008
#define E1000_RCTL_MPE		0x00000010
#define E1000_RCTL_LOOPBACK	0x00000040
#define E1000_RCTL_BAM		0x00008000
#define E1000_RCTL_BUFFER_256	0x00030000
#define E1000_RCTL_SECRC	0x04000000
#define E1000_TCTL		0x0400
#define E1000_TCTL_EN		0x00000002
#define E1000_TCTL_PSP		0x00000008
#define E1000_RDBAL		0x2800
#define E1000_RDLEN		0x2808
#define E1000_RDH		0x2810
#define E1000_RDT		0x2818
#define E1000_TDBAL		0x3800
#define E1000_TDLEN		0x3808
#define E1000_TDH		0x3810
#define E1000_TDT		0x3818
#define E1000_RAL15		0x5478

#define RCTL	(E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_LOOPBACK | \
		 E1000_RCTL_BAM | E1000_RCTL_BUFFER_256 | E1000_RCTL_SECRC)
#define TCTL	(E1000_TCTL_EN | E1000_TCTL_PSP)

#define DESCRIPTOR_DONE		0x01
#define TX_END_OF_PACKET	0x01
#define TX_INSERT_FCS		0x02
#define TX_REPORT_STATUS	0x08

#define RING_SIZE		256
#define BUFFER_SIZE		256
#define MAX_COPY		1024
/* An experimental one, so that nobody looks into the frame. */
#define ETHERTYPE		0x88b5
/* No address, which a reset forgets. */
#define MARK			0x6b72616d

struct tx_descriptor {
	uint64_t address;
	uint16_t length;
	uint8_t checksum_offset;
	uint8_t command;
	uint8_t status;
	uint8_t checksum_start;
	uint16_t special;
};

struct rx_descriptor {
	uint64_t address;
	uint16_t length;
	uint16_t checksum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};

struct e1000e_rings {
	struct tx_descriptor tx[RING_SIZE];
	struct rx_descriptor rx[RING_SIZE];
	uint8_t sent_head[BUFFER_SIZE];
	uint8_t received_head[BUFFER_SIZE];
};

/* The next free descriptor of each ring, which is where the tail points to. */
struct e1000e_state {
	uint32_t tx;
	uint32_t rx;
};

static uint32_t get(struct dma_driver *driver, size_t offset)
{
	return mmio_read32(driver->device->bars[0].mem, offset);
}

static void set(struct dma_driver *driver, size_t offset, uint32_t value)
{
	mmio_write32(driver->device->bars[0].mem, offset, value);
}

static bool has_been_reset(void *arg)
{
	return !(get(arg, E1000_CTRL) & E1000_CTRL_RST);
}

static bool link_is_up(void *arg)
{
	return get(arg, E1000_STATUS) & E1000_STATUS_LU;
}

static void set_ring(struct dma_driver *driver, size_t base, size_t length, size_t ring)
{
	uint64_t iova = driver->rings_iova + ring;

	set(driver, base, iova);
	set(driver, base + 4, iova >> 32);
	set(driver, length, RING_SIZE * sizeof(struct tx_descriptor));
	/* Not all that call themselves an 82574 forget them with a reset. */
	set(driver, base + (E1000_RDH - E1000_RDBAL), 0);
	set(driver, base + (E1000_RDT - E1000_RDBAL), 0);
}

static int e1000e_init(struct dma_driver *driver)
{
	struct e1000e_rings *rings = driver->rings;
	int err;

	set(driver, E1000_IMC, UINT32_MAX);
	set(driver, E1000_CTRL, get(driver, E1000_CTRL) | E1000_CTRL_RST);
	err = wait_until(has_been_reset, driver);
	if (err)
		return err;
	set(driver, E1000_CTRL, get(driver, E1000_CTRL) | E1000_CTRL_SLU);
	err = wait_until(link_is_up, driver);
	if (err)
		return err;

	memset(rings->sent_head, 0xff, 6);
	rings->sent_head[12] = ETHERTYPE >> 8;
	rings->sent_head[13] = ETHERTYPE & 0xff;
	set_ring(driver, E1000_TDBAL, E1000_TDLEN, offsetof(struct e1000e_rings, tx));
	set_ring(driver, E1000_RDBAL, E1000_RDLEN, offsetof(struct e1000e_rings, rx));
	set(driver, E1000_IMC, UINT32_MAX);
	set(driver, E1000_IVAR, E1000_IVAR_RXQ0_0);
	set(driver, E1000_EIAC, E1000_CAUSE_RXQ0);
	set(driver, E1000_RAL15, MARK);
	set(driver, E1000_TCTL, TCTL);
	set(driver, E1000_RCTL, RCTL);
	return 0;
}

static void e1000e_remove(struct dma_driver *driver)
{
	set(driver, E1000_IMC, UINT32_MAX);
	set(driver, E1000_RCTL, 0);
	set(driver, E1000_TCTL, 0);
}

static bool e1000e_is_running(struct dma_driver *driver)
{
	struct e1000e_state *state = driver->state;

	return get(driver, E1000_RAL15) == MARK &&
	       get(driver, E1000_RCTL) == RCTL && get(driver, E1000_TCTL) == TCTL &&
	       get(driver, E1000_TDH) == state->tx && get(driver, E1000_TDT) == state->tx &&
	       get(driver, E1000_RDH) == state->rx && get(driver, E1000_RDT) == state->rx &&
	       get(driver, E1000_RDBAL) == (uint32_t)driver->rings_iova +
	       offsetof(struct e1000e_rings, rx);
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
static bool is_done(uint8_t *status)
{
	return __atomic_load_n(status, __ATOMIC_ACQUIRE) & DESCRIPTOR_DONE;
}

static bool has_copied(void *arg)
{
	struct dma_driver *driver = arg;
	struct e1000e_state *state = driver->state;
	struct e1000e_rings *rings = driver->rings;

	return is_done(&rings->tx[(state->tx + RING_SIZE - 1) % RING_SIZE].status) &&
	       is_done(&rings->rx[(state->rx + RING_SIZE - 1) % RING_SIZE].status);
}

static int e1000e_copy(struct dma_driver *driver, uint64_t to, uint64_t from, size_t len)
{
	struct e1000e_state *state = driver->state;
	size_t at;

	/* A buffer is filled to its end but for the last one, which is exact, too. */
	add_rx(driver, driver->rings_iova + offsetof(struct e1000e_rings, received_head));
	for (at = 0; at < len; at += BUFFER_SIZE)
		add_rx(driver, to + at);
	add_tx(driver, driver->rings_iova + offsetof(struct e1000e_rings, sent_head),
	       BUFFER_SIZE, 0);
	add_tx(driver, from, len, TX_END_OF_PACKET | TX_REPORT_STATUS);
	set(driver, E1000_RDT, state->rx);
	set(driver, E1000_TDT, state->tx);
	return wait_until(has_copied, driver);
}

static int e1000e_interrupt(struct dma_driver *driver)
{
	/* The device takes it away when it sends one. */
	set(driver, E1000_IMS, E1000_CAUSE_RXQ0);
	set(driver, E1000_ICS, E1000_CAUSE_RXQ0);
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

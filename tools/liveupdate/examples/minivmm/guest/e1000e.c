// SPDX-License-Identifier: GPL-2.0
/*
 * Intel's 82574. From the beginning to the end it receives frames, whether the guest
 * runs or not. They are numbered: each that is taken is the one that is due, so none
 * is missing, and none has come twice.
 *
 * The ring is as large as there is memory for, as nobody gives descriptors back while
 * the guest is stopped. The one at the tail parts the end from the beginning.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <frame.h>
#include <lib/e1000e_regs.h>

#include "driver.h"

#define RCTL	(E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM | \
		 E1000_RCTL_BUFFER_256 | E1000_RCTL_SECRC)
#define TCTL	(E1000_TCTL_EN | E1000_TCTL_PSP)

#define BUFFER_SIZE	256
#define RX_DESCRIPTORS	((GUEST_RAM - GUEST_BUFFERS) / BUFFER_SIZE)
#define TX_DESCRIPTORS	8

static struct rx_descriptor *const rx = (struct rx_descriptor *)GUEST_RING;
static _Alignas(16) struct tx_descriptor tx[TX_DESCRIPTORS];
static struct frame sent;
static uint32_t rx_next, tx_next;

_Static_assert(GUEST_DATA + GUEST_DATA_SIZE <= GUEST_RING, "data run into the ring");
_Static_assert(GUEST_RING + RX_DESCRIPTORS * sizeof(*rx) <= GUEST_BUFFERS,
	       "the ring runs into its buffers");

uint32_t frames, frames_meanwhile;

static struct frame *buffer(uint32_t index)
{
	return (struct frame *)((uint64_t)GUEST_BUFFERS + index * BUFFER_SIZE);
}

static uint32_t rx_tail(void)
{
	return (rx_next + RX_DESCRIPTORS - 1) % RX_DESCRIPTORS;
}

static bool has_come(void)
{
	return e1000e_is_done(&rx[rx_next].status);
}

/* The device has it back when it is told of the tail. */
static void take_one(void)
{
	rx[rx_next].length = 0;
	rx[rx_next].status = 0;
	rx_next = (rx_next + 1) % RX_DESCRIPTORS;
}

static bool is_due(void)
{
	return !rx[rx_next].errors &&
	       frame_is_data(buffer(rx_next), rx[rx_next].length, frames);
}

/* All that have come; false if there is one that is not due. */
static bool take(void)
{
	while (has_come()) {
		if (!is_due())
			return false;
		take_one();
		frames++;
	}
	device_set(E1000_RDT, rx_tail());
	return true;
}

static void send(uint16_t kind)
{
	struct tx_descriptor *descriptor = &tx[tx_next];

	sent = frame_of(kind);
	*descriptor = (struct tx_descriptor){
		.address = (uint64_t)&sent, .length = FRAME_SIZE,
		.command = TX_END_OF_PACKET | TX_INSERT_FCS | TX_REPORT_STATUS,
	};
	tx_next = (tx_next + 1) % TX_DESCRIPTORS;
	device_set(E1000_TDT, tx_next);
	while (!e1000e_is_done(&descriptor->status))
		relax();
}

static void reset(void)
{
	device_set(E1000_IMC, UINT32_MAX);
	device_set(E1000_CTRL, device_get(E1000_CTRL) | E1000_CTRL_RST);
	while (device_get(E1000_CTRL) & E1000_CTRL_RST)
		relax();
	device_set(E1000_CTRL, device_get(E1000_CTRL) | E1000_CTRL_SLU);
	while (!(device_get(E1000_STATUS) & E1000_STATUS_LU))
		relax();
}

/* @base is E1000_RDBAL or E1000_TDBAL. */
static void set_ring(uint32_t base, uint64_t address, uint32_t size, uint32_t tail)
{
	device_set(base, address);
	device_set(base + 4, address >> 32);
	device_set(base + (E1000_RDLEN - E1000_RDBAL), size);
	device_set(base + (E1000_RDH - E1000_RDBAL), 0);
	device_set(base + (E1000_RDT - E1000_RDBAL), tail);
}

static bool e1000e_set_up(void)
{
	uint32_t i;

	reset();
	for (i = 0; i < RX_DESCRIPTORS; i++)
		rx[i] = (struct rx_descriptor){ .address = (uint64_t)buffer(i) };
	set_ring(E1000_TDBAL, (uint64_t)tx, sizeof(tx), 0);
	set_ring(E1000_RDBAL, (uint64_t)rx, RX_DESCRIPTORS * sizeof(*rx), rx_tail());
	device_set(E1000_RAL15, MARK);
	device_set(E1000_TCTL, TCTL);
	device_set(E1000_RCTL, RCTL);
	device_set(E1000_IMS, E1000_CAUSE_RXT0);
	send(FRAME_BEGIN);
	return true;
}

static bool is_as_it_was(void)
{
	return device_get(E1000_RAL15) == MARK &&
	       device_get(E1000_RCTL) == RCTL && device_get(E1000_TCTL) == TCTL &&
	       device_get(E1000_IMS) == E1000_CAUSE_RXT0 &&
	       device_get(E1000_RDBAL) == GUEST_RING && device_get(E1000_RDT) == rx_tail() &&
	       device_get(E1000_TDT) == tx_next;
}

/*
 * There is one interrupt, and no other until its cause is read. So one that got lost
 * while nobody was there for it is made up for here, and this one has to come.
 */
static bool e1000e_works(uint64_t turn)
{
	uint64_t before = device_interrupts;

	(void)turn;
	if (!is_as_it_was())
		return false;
	do {
		if (!take())
			return false;
		device_get(E1000_ICR);
		if (!has_come())
			halt();
	} while (device_interrupts == before);
	return take();
}

static bool e1000e_look(void)
{
	uint32_t before = frames;
	bool is_well = take();

	frames_meanwhile = frames - before;
	return is_well;
}

/* The last frame says how many there were. */
static bool e1000e_end(void)
{
	const struct frame *last;

	send(FRAME_END);
	while (take())
		relax();
	last = buffer(rx_next);
	if (!frame_is(last, rx[rx_next].length, FRAME_END) || last->number != frames)
		return false;
	take_one();
	return true;
}

const struct driver e1000e_driver = {
	.id = DEVICE_E1000E,
	.set_up = e1000e_set_up,
	.works = e1000e_works,
	.look = e1000e_look,
	.end = e1000e_end,
};

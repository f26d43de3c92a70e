// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's device for education. At each report it computes a factorial, brings back by DMA
 * what it was given at the last one, and is given other bytes. It has to be as it was left.
 */
#include <stdbool.h>
#include <stdint.h>

#include "driver.h"

#define EDU_ID			0x00
#define EDU_MAGIC		0x00ed
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_STATUS_COMPUTING	1
#define EDU_IRQ_STATUS		0x24
#define EDU_IRQ_ACK		0x64
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_TARGET		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_RUN		1
#define EDU_DMA_TO_MEMORY	2
#define EDU_DMA_INTERRUPT	4

#define EDU_BUFFER		0x40000
#define WORDS			(2048 / sizeof(uint64_t))

static uint64_t buffer[WORDS];
static uint32_t factorial;	/* what it has computed last */
static uint64_t seed;		/* of what it was given last */

/*
 * Without its interrupt it never ends, and an interrupt alone does not end it: there may
 * be one for nothing.
 */
static void transfer(uint64_t target, uint64_t source, uint32_t direction)
{
	uint64_t before = device_interrupts;

	device_set(EDU_DMA_SOURCE, source);
	device_set(EDU_DMA_TARGET, target);
	device_set(EDU_DMA_COUNT, sizeof(buffer));
	device_set(EDU_DMA_COMMAND, EDU_DMA_RUN | EDU_DMA_INTERRUPT | direction);
	while (device_interrupts == before || device_get(EDU_DMA_COMMAND) & EDU_DMA_RUN)
		halt();
	device_set(EDU_IRQ_ACK, device_get(EDU_IRQ_STATUS));
}

static uint64_t word(unsigned int i)
{
	return (seed + i) * 0x9e3779b97f4a7c15ULL;
}

static void give(uint64_t new_seed)
{
	unsigned int i;

	seed = new_seed;
	for (i = 0; i < WORDS; i++)
		buffer[i] = word(i);
	transfer(EDU_BUFFER, (uint64_t)buffer, 0);
}

static bool take_back(void)
{
	unsigned int i;
	bool same = true;

	for (i = 0; i < WORDS; i++)
		buffer[i] = 0;
	transfer((uint64_t)buffer, EDU_BUFFER, EDU_DMA_TO_MEMORY);
	for (i = 0; i < WORDS; i++)
		same &= buffer[i] == word(i);
	return same;
}

static bool compute(unsigned int n)
{
	unsigned int i;

	device_set(EDU_FACTORIAL, n);
	while (device_get(EDU_STATUS) & EDU_STATUS_COMPUTING)
		relax();
	for (factorial = 1, i = 2; i <= n; i++)
		factorial *= i;
	return device_get(EDU_FACTORIAL) == factorial;
}

static bool is_as_it_was(void)
{
	return device_get(EDU_FACTORIAL) == factorial &&
	       device_get(EDU_DMA_SOURCE) == (uint64_t)buffer &&
	       device_get(EDU_DMA_TARGET) == EDU_BUFFER;
}

static bool edu_set_up(void)
{
	if ((device_get(EDU_ID) & 0xffff) != EDU_MAGIC || !compute(5))
		return false;
	give(0);
	return true;
}

static bool edu_works(uint64_t turn)
{
	if (!is_as_it_was() || !take_back() || !compute(turn / REPORT_EVERY % 12))
		return false;
	give(turn);
	return true;
}

const struct driver edu_driver = {
	.id = DEVICE_EDU,
	.set_up = edu_set_up,
	.works = edu_works,
};

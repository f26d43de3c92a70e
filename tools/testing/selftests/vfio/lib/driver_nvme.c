// SPDX-License-Identifier: GPL-2.0
/*
 * An NVMe controller: data are copied by writing them to a block of the first
 * namespace, which loses what it had, and reading that block again.
 */
#include <errno.h>
#include <string.h>

#include "libvfio.h"

#define NVME_CC			0x14
#define NVME_CC_ENABLE		0x00000001
#define NVME_CC_ENTRY_SIZES	((6 << 16) | (4 << 20))
#define NVME_CSTS		0x1c
#define NVME_CSTS_READY		0x1
#define NVME_CSTS_FATAL		0x2
#define NVME_AQA		0x24
#define NVME_ASQ		0x28
#define NVME_ACQ		0x30
/* With the stride that CAP.DSTRD is 0 for. */
#define NVME_SQ_TAIL(_queue)	(0x1000 + 8 * (_queue))
#define NVME_CQ_HEAD(_queue)	(0x1004 + 8 * (_queue))
#define NVME_CAP_HIGH		0x04
#define NVME_CAP_HIGH_STRIDE	0xf

#define ADMIN_CREATE_SQ		0x01
#define ADMIN_CREATE_CQ		0x05
#define ADMIN_IDENTIFY		0x06
#define IDENTIFY_CONTROLLER	1
#define IO_WRITE		0x01
#define IO_READ			0x02

#define ADMIN			0
#define IO			1
#define ENTRIES			16
#define PAGE			4096
#define BLOCK			512

struct nvme_command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t id;
	uint32_t namespace;
	uint32_t reserved[4];
	uint64_t data[2];
	uint32_t dword10;
	uint32_t dword11;
	uint32_t dword12;
	uint32_t dwords[3];
};

struct nvme_completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq;
	uint16_t id;
	uint16_t status;	/* bit 0 is the phase */
};

/* Each in a page of its own, as the controller wants it. */
struct nvme_rings {
	struct {
		struct nvme_command sq[PAGE / sizeof(struct nvme_command)];
		struct nvme_completion cq[PAGE / sizeof(struct nvme_completion)];
	} queues[2];
	uint8_t identity[PAGE];
};

struct nvme_state {
	struct {
		uint32_t sq_tail;
		uint32_t cq_head;
		uint32_t phase;
		uint32_t next_id;
	} queues[2];
};

static void *nvme_base(struct dma_driver *driver)
{
	return driver->device->bars[0].mem;
}

static uint64_t sq_iova(struct dma_driver *driver, int queue)
{
	return driver->rings_iova + offsetof(struct nvme_rings, queues[queue].sq);
}

static uint64_t cq_iova(struct dma_driver *driver, int queue)
{
	return driver->rings_iova + offsetof(struct nvme_rings, queues[queue].cq);
}

static bool is_off(void *base)
{
	return !(mmio_read32(base, NVME_CSTS) & NVME_CSTS_READY);
}

static bool is_on(void *base)
{
	return mmio_read32(base, NVME_CSTS) & (NVME_CSTS_READY | NVME_CSTS_FATAL);
}

struct completion_wait {
	struct nvme_completion *entry;
	uint32_t phase;
};

static bool is_complete(void *arg)
{
	struct completion_wait *wait = arg;

	return (__atomic_load_n(&wait->entry->status, __ATOMIC_ACQUIRE) & 1) == wait->phase;
}

/* What is not over yet is up to the caller to count: there is room for 15. */
static void submit(struct dma_driver *driver, int queue, const struct nvme_command *command)
{
	struct nvme_state *state = driver->state;
	struct nvme_rings *rings = driver->rings;
	uint32_t tail = state->queues[queue].sq_tail;

	rings->queues[queue].sq[tail] = *command;
	rings->queues[queue].sq[tail].id = state->queues[queue].next_id++;
	state->queues[queue].sq_tail = (tail + 1) % ENTRIES;
	mmio_write32(nvme_base(driver), NVME_SQ_TAIL(queue), state->queues[queue].sq_tail);
}

/* Waits for the next one to be over, whichever it is. */
static int complete(struct dma_driver *driver, int queue)
{
	struct nvme_state *state = driver->state;
	struct nvme_rings *rings = driver->rings;
	uint32_t head = state->queues[queue].cq_head;
	struct completion_wait wait = {
		.entry = &rings->queues[queue].cq[head],
		.phase = state->queues[queue].phase,
	};
	int err = wait_until(is_complete, &wait);

	if (err)
		return err;
	state->queues[queue].cq_head = (head + 1) % ENTRIES;
	if (!state->queues[queue].cq_head)
		state->queues[queue].phase ^= 1;
	mmio_write32(nvme_base(driver), NVME_CQ_HEAD(queue), state->queues[queue].cq_head);
	return wait.entry->status >> 1 ? -EIO : 0;
}

/* One command at a time, until it is done. */
static int execute(struct dma_driver *driver, int queue, const struct nvme_command *command)
{
	struct nvme_state *state = driver->state;
	struct nvme_rings *rings = driver->rings;
	uint32_t head = state->queues[queue].cq_head;
	uint16_t id = state->queues[queue].next_id;
	int err;

	submit(driver, queue, command);
	err = complete(driver, queue);
	return !err && rings->queues[queue].cq[head].id != id ? -EIO : err;
}

static int identify(struct dma_driver *driver)
{
	struct nvme_command command = {
		.opcode = ADMIN_IDENTIFY,
		.data = { driver->rings_iova + offsetof(struct nvme_rings, identity) },
		.dword10 = IDENTIFY_CONTROLLER,
	};

	return execute(driver, ADMIN, &command);
}

static int create_io_queue(struct dma_driver *driver)
{
	struct nvme_command command = {
		.opcode = ADMIN_CREATE_CQ,
		.data = { cq_iova(driver, IO) },
		.dword10 = IO | (ENTRIES - 1) << 16,
		.dword11 = 1,	/* contiguous, no interrupts */
	};
	int err = execute(driver, ADMIN, &command);

	if (err)
		return err;
	command.opcode = ADMIN_CREATE_SQ;
	command.data[0] = sq_iova(driver, IO);
	command.dword11 = 1 | IO << 16;
	return execute(driver, ADMIN, &command);
}

static int switch_off(void *base)
{
	mmio_write32(base, NVME_CC, mmio_read32(base, NVME_CC) & ~NVME_CC_ENABLE);
	return wait_until(is_off, base);
}

static int nvme_init(struct dma_driver *driver)
{
	struct nvme_state *state = driver->state;
	struct nvme_rings *rings = driver->rings;
	void *base = nvme_base(driver);
	uint16_t vendor;
	int err;

	if (mmio_read32(base, NVME_CAP_HIGH) & NVME_CAP_HIGH_STRIDE)
		return -EOPNOTSUPP;
	err = switch_off(base);
	if (err)
		return err;
	state->queues[ADMIN].phase = 1;
	state->queues[IO].phase = 1;
	mmio_write32(base, NVME_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	mmio_write64(base, NVME_ASQ, sq_iova(driver, ADMIN));
	mmio_write64(base, NVME_ACQ, cq_iova(driver, ADMIN));
	mmio_write32(base, NVME_CC, NVME_CC_ENTRY_SIZES | NVME_CC_ENABLE);
	err = wait_until(is_on, base);
	if (err)
		return err;
	if (mmio_read32(base, NVME_CSTS) & NVME_CSTS_FATAL)
		return -EIO;
	err = identify(driver);
	if (err)
		return err;
	memcpy(&vendor, rings->identity, sizeof(vendor));
	if (vendor != vfio_config_get(driver->device, PCI_VENDOR_ID, 2))
		return -EIO;
	return create_io_queue(driver);
}

static void nvme_remove(struct dma_driver *driver)
{
	switch_off(nvme_base(driver));
}

/* A reset switches the controller off, so that commands are not answered. */
static bool nvme_is_running(struct dma_driver *driver)
{
	void *base = nvme_base(driver);

	return mmio_read32(base, NVME_CC) == (NVME_CC_ENTRY_SIZES | NVME_CC_ENABLE) &&
	       mmio_read32(base, NVME_CSTS) == NVME_CSTS_READY &&
	       mmio_read64(base, NVME_ASQ) == sq_iova(driver, ADMIN) &&
	       mmio_read64(base, NVME_ACQ) == cq_iova(driver, ADMIN);
}

static struct nvme_command transfer(uint8_t opcode, uint32_t block, uint64_t address, size_t len)
{
	return (struct nvme_command){
		.opcode = opcode,
		.namespace = 1,
		/* The second one is not looked at if the first page has it all. */
		.data = { address, (address | (PAGE - 1)) + 1 },
		.dword10 = block,
		.dword12 = len / BLOCK - 1,
	};
}

int nvme_write(struct dma_driver *driver, uint32_t block, uint64_t from, size_t len)
{
	struct nvme_command command = transfer(IO_WRITE, block, from, len);

	return execute(driver, IO, &command);
}

/* Does not wait: up to 8 may be begun, and each is to be ended. */
void nvme_begin_read(struct dma_driver *driver, uint32_t block, uint64_t to, size_t len)
{
	struct nvme_command command = transfer(IO_READ, block, to, len);

	submit(driver, IO, &command);
}

int nvme_end_read(struct dma_driver *driver)
{
	return complete(driver, IO);
}

/* How many of those begun are over, as the area has it: the device is not touched. */
int nvme_count_over(const struct dma_area *area)
{
	const struct nvme_state *state = (void *)((char *)area->mem + DRIVER_STATE);
	struct nvme_rings *rings = (void *)((char *)area->mem + DRIVER_RINGS);
	uint32_t head = state->queues[IO].cq_head;
	struct completion_wait wait = { .phase = state->queues[IO].phase };
	int over;

	for (over = 0; over < ENTRIES; over++) {
		wait.entry = &rings->queues[IO].cq[head];
		if (!is_complete(&wait))
			break;
		head = (head + 1) % ENTRIES;
		if (!head)
			wait.phase ^= 1;
	}
	return over;
}

static int nvme_copy(struct dma_driver *driver, uint64_t to, uint64_t from, size_t len)
{
	int err;

	if (len % BLOCK || to % 4 || from % 4)
		return -EINVAL;
	err = nvme_write(driver, 0, from, len);
	if (err)
		return err;
	nvme_begin_read(driver, 0, to, len);
	return nvme_end_read(driver);
}

/* Vector 0 is that of the admin queue. */
static int nvme_interrupt(struct dma_driver *driver)
{
	return identify(driver);
}

const struct dma_driver_ops nvme_ops = {
	.name = "nvme",
	.vendor = 0x1b36,
	.device = 0x0010,
	.class = 0x010802,
	.irq_index = VFIO_PCI_MSIX_IRQ_INDEX,
	.max_copy = PAGE,
	.unit = BLOCK,
	.kernel_driver = "nvme",
	.resets = true,
	.forgets = true,
	.init = nvme_init,
	.remove = nvme_remove,
	.is_running = nvme_is_running,
	.copy = nvme_copy,
	.interrupt = nvme_interrupt,
};

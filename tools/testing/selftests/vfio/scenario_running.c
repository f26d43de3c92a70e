// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that go on with DMA through the kexec. What they do is begun as the last
 * thing before it, or never ends; what came of it is seen in memory, before anybody
 * has touched the device.
 *
 * The machine has an e1000e behind a root port, to which lab/frames.py sends frames;
 * a sound card; an nvme behind a root port, whose disk is slow; four edu on the root
 * bus, and two that share an IOMMU group.
 */
#define _GNU_SOURCE
#include "running.h"
#include "scenarios.h"

#define POISON		0xa5
/* In a device's part of its area. */
#define FROM		AREA_BUFFERS
#define TO		(AREA_BUFFERS + 64 * 1024)

/* Of what is copied. */
static uint64_t seed;
/* The one that was prepared last: what can't be frozen is to be behind all others. */
static struct running *last;

static bool is_last_hop(void)
{
	const char *hops = luo_kernel_option("luo.hops=");

	return hops && stage == atoi(hops);
}

static void prepare(struct running *running)
{
	last = running;
	running_preserve(running);
}

static void take_over(struct running *running)
{
	running_memory_is_same(running);
	running_take_over(running);
	running_interrupts(running);
}

static void finish(struct running *running)
{
	running_finish(running);
	running_memory_is_same(running);
}

/* Frames: they come all the time. */

#define SOME_FRAMES	50

static struct running frames = {
	.name = "running, frames",
	.spaces = { { .iova = 0x1000000000, .mapped = RING_AREA_SIZE } },
	.devices = { { .ops = &e1000e_ring_ops } },
};

static int64_t look_for_frames(void)
{
	return frames_look(&frames.spaces[0].area, &frames.notes->frames);
}

static void more_frames_come(void)
{
	CHECK_EQ(frames_wait(&frames.spaces[0].area, &frames.notes->frames, SOME_FRAMES), 0);
	CHECK(look_for_frames() > 0);
}

static void frames_before(void)
{
	if (!stage) {
		running_start(&frames);
		CHECK_EQ(frames_say(&frames.devices[0].driver, FRAME_BEGIN), 0);
		more_frames_come();
	}
	prepare(&frames);
	more_frames_come();
}

static void frames_jump(void)
{
	CHECK(look_for_frames() > 0);
}

static void frames_stay(void)
{
	more_frames_come();
}

static void frames_after(void)
{
	struct dma_driver *driver = &frames.devices[0].driver;
	int64_t before, now;

	if (!running_retrieve(&frames))
		return;
	before = frames.notes->frames.seen;
	now = look_for_frames();
	printf("# %lld frames had come at the last look, %lld more have since\n",
	       (long long)before, (long long)now - before);
	CHECK(now > before);
	/* Nobody has done anything for the device so far. */
	more_frames_come();
	take_over(&frames);
	more_frames_come();
	frames_take(driver, &frames.notes->frames);
	more_frames_come();
	finish(&frames);
	more_frames_come();
	if (!is_last_hop())
		return;
	now = frames_end(driver, &frames.notes->frames);
	CHECK(now > 0);
	if (now > 0)
		printf("# %lld frames were sent, and all have come\n", (long long)now);
}

/* Sound: a buffer that takes 20 seconds is filled with silence, again and again. */

#define SOME_SOUND	(16 * 1024)

static struct running sound = {
	.name = "running, sound",
	.spaces = { { .iova = 0x4000000, .mapped = HDA_SOUND + HDA_SOUND_SIZE } },
	.devices = { { .ops = &hda_ops } },
};

static uint8_t *sound_buffer(void)
{
	return (uint8_t *)sound.spaces[0].area.mem + HDA_SOUND;
}

/* How much of the poison is gone, and in how many pieces. */
static size_t scan(size_t *pieces)
{
	uint8_t *buffer = sound_buffer(), previous = buffer[HDA_SOUND_SIZE - 1], now;
	size_t i, over = 0;

	for (i = 0, *pieces = 0; i < HDA_SOUND_SIZE; i++, previous = now) {
		now = __atomic_load_n(buffer + i, __ATOMIC_RELAXED);
		over += now != POISON;
		*pieces += now != POISON && previous == POISON;
	}
	return over;
}

/* That must be one piece, as DMA was never interrupted. */
static size_t count_sound(void)
{
	size_t over, pieces;
	int tries;

	/* The device may just be in the midst of one. */
	for (tries = 0; tries < 3; tries++) {
		over = scan(&pieces);
		if (pieces <= 1)
			return over;
		usleep(1000);
	}
	check(false, "%zu bytes were written in %zu pieces", over, pieces);
	return over;
}

static bool more_sound(void *arg)
{
	size_t pieces;

	return scan(&pieces) >= *(size_t *)arg;
}

/* To write where the device does makes two pieces at times, of which nothing is learnt. */
static void poison_sound(void)
{
	size_t some = SOME_SOUND, pieces;
	int tries = 0;

	do {
		memset(sound_buffer(), POISON, HDA_SOUND_SIZE);
		CHECK_EQ(wait_until(more_sound, &some), 0);
		scan(&pieces);
	} while (pieces > 1 && ++tries < 10);
}

static void sound_goes_on(void)
{
	size_t more = count_sound() + SOME_SOUND;

	if (more > HDA_SOUND_SIZE)
		poison_sound();
	else
		CHECK_EQ(wait_until(more_sound, &more), 0);
	count_sound();
}

static void sound_before(void)
{
	if (!stage)
		running_start(&sound);
	prepare(&sound);
	sound_goes_on();
}

static void sound_jump(void)
{
	poison_sound();
	sound.notes->number = count_sound();
}

static void sound_stay(void)
{
	sound_goes_on();
}

static void sound_after(void)
{
	size_t over;

	if (!running_retrieve(&sound))
		return;
	over = count_sound();
	printf("# %zu bytes of sound were written since the last look\n",
	       over - (size_t)sound.notes->number);
	CHECK(over > sound.notes->number);
	/* Nobody has done anything for the device so far. */
	sound_goes_on();
	take_over(&sound);
	sound_goes_on();
	finish(&sound);
	sound_goes_on();
}

/*
 * Nobody wants the device: it is stopped, and memory is not written to behind the back
 * of who has it. In the next hop its user dies too early, and the one after that goes on:
 * that it is closed in between may be seen.
 */

static void sound_has_ended(void)
{
	memset(sound_buffer(), POISON, HDA_SOUND_SIZE);
	/* It would be 40 KB. */
	usleep(200000);
	CHECK_EQ(count_sound(), 0);
}

static void unwanted_after(void)
{
	if (!running_retrieve(&sound))
		return;
	sound_goes_on();
	if (stage % 2) {
		running_give_up(&sound);
		sound_has_ended();
		running_memory_is_same(&sound);
		running_close_memory(&sound);
		/* An ordinary device. */
		running_start(&sound);
	} else {
		running_die(&sound);
		if (!running_retrieve(&sound))
			return;
		running_memory_is_same(&sound);
		running_reopen(&sound);
		poison_sound();
		finish(&sound);
	}
	sound_goes_on();
}

/* Commands to a slow disk. */

#define BLOCKS		8
#define BLOCK		512

static struct running disk = {
	.name = "running, disk",
	.spaces = { { .iova = 0x5000000, .mapped = AREA_SIZE } },
	.devices = { { .ops = &nvme_ops } },
};

/* All blocks are other ones than before. */
static void disk_before(void)
{
	struct running_device *device = &disk.devices[0];

	if (!stage)
		running_start(&disk);
	disk.notes->seed = ++seed + stage;
	luo_fill((char *)device->part.mem + FROM, BLOCKS * BLOCK, disk.notes->seed);
	CHECK_EQ(nvme_write(&device->driver, 0, device->part.iova + FROM, BLOCKS * BLOCK), 0);
	prepare(&disk);
}

static void disk_jump(void)
{
	struct running_device *device = &disk.devices[0];
	int i;

	memset((char *)device->part.mem + TO, POISON, BLOCKS * BLOCK);
	for (i = 0; i < BLOCKS; i++)
		nvme_begin_read(&device->driver, i, device->part.iova + TO + i * BLOCK, BLOCK);
	/* One may be as fast as that. */
	disk.notes->number = nvme_count_over(&device->part);
}

static void disk_stay(void)
{
	struct running_device *device = &disk.devices[0];
	int i;

	for (i = 0; i < BLOCKS; i++)
		CHECK_EQ(nvme_end_read(&device->driver), 0);
	CHECK(luo_is_filled((char *)device->part.mem + TO, BLOCKS * BLOCK, disk.notes->seed));
}

static void disk_after(void)
{
	struct running_device *device = &disk.devices[0];
	struct dma_area part;
	int over;

	if (!running_retrieve(&disk))
		return;
	part = area_part(&disk.spaces[0].area, device->at, AREA_SIZE);
	over = nvme_count_over(&part);
	printf("# %d of %d commands were over at the last look, %d at the first one\n",
	       (int)disk.notes->number, BLOCKS, over);
	CHECK(over > (int)disk.notes->number || over == BLOCKS);
	take_over(&disk);
	/* The rest of them as well. */
	disk_stay();
	finish(&disk);
	CHECK_EQ(driver_copy(&device->driver, TO, FROM, BLOCK), 0);
}

/* One transfer of each edu, which takes 100 ms: to memory, or in the next hop from it. */

#define EDU_LENGTH	2048

static struct running single = {
	.name = "running, edu",
	.spaces = { { .iova = 0x6000000, .mapped = AREA_SIZE } },
	.devices = { { .ops = &edu_ops } },
};

/* Two that share a group, and another one, with one page table. */
static struct running group = {
	.name = "running, one domain",
	.spaces = { { .iova = 0x7000000, .mapped = 3 * AREA_SIZE } },
	.devices = {
		{ .ops = &edu_ops, .nth = 4 },
		{ .ops = &edu_ops, .nth = 5, .at = AREA_SIZE },
		{ .ops = &edu_ops, .nth = 1, .at = 2 * AREA_SIZE },
	},
};

/* At the same address each has memory of its own. */
static struct running domains = {
	.name = "running, two domains",
	.spaces = {
		{ .iova = 0x8000000, .mapped = AREA_SIZE },
		{ .iova = 0x8000000, .mapped = AREA_SIZE },
	},
	.devices = {
		{ .ops = &edu_ops, .nth = 2 },
		{ .ops = &edu_ops, .nth = 3, .space = 1 },
	},
};

static int count(struct running *running)
{
	int i = 0;

	while (i < RUNNING_DEVICES && running->devices[i].ops)
		i++;
	return i;
}

static bool to_memory(int from_stage)
{
	return from_stage % 2 == 0;
}

/* Of each device's data. */
static uint64_t seed_of(struct running *running, int device)
{
	return running->notes->seed + device;
}

static void edu_before(struct running *running)
{
	struct running_device *device;
	int i;

	if (!stage)
		running_start(running);
	seed += RUNNING_DEVICES;
	running->notes->seed = seed + 1000 * stage;
	for (i = 0; i < count(running); i++) {
		device = &running->devices[i];
		luo_fill((char *)device->part.mem + FROM, EDU_LENGTH, seed_of(running, i));
		if (!to_memory(stage))
			continue;
		CHECK_EQ(edu_begin(&device->driver, device->part.iova + FROM, EDU_LENGTH, false,
				   false), 0);
		CHECK_EQ(edu_end(&device->driver), 0);
	}
	prepare(running);
}

static void edu_jump(struct running *running)
{
	struct running_device *device;
	int i;

	for (i = 0; i < count(running); i++) {
		device = &running->devices[i];
		memset((char *)device->part.mem + TO, POISON, EDU_LENGTH);
		CHECK_EQ(edu_begin(&device->driver,
				   device->part.iova + (to_memory(stage) ? TO : FROM),
				   EDU_LENGTH, to_memory(stage), true), 0);
	}
}

/* What is in memory, or by now in the device. */
static void edu_has_copied(struct running *running, int nth, int from_stage)
{
	struct running_device *device = &running->devices[nth];

	if (!to_memory(from_stage)) {
		CHECK_EQ(edu_begin(&device->driver, device->part.iova + TO, EDU_LENGTH, true,
				   false), 0);
		CHECK_EQ(edu_end(&device->driver), 0);
	}
	check(luo_is_filled((char *)device->part.mem + TO, EDU_LENGTH, seed_of(running, nth)),
	      "%s: DMA of device %d", running->name, nth);
}

static void edu_stay(struct running *running)
{
	int i;

	for (i = 0; i < count(running); i++) {
		CHECK_EQ(edu_end(&running->devices[i].driver), 0);
		CHECK_EQ(edu_acknowledge(&running->devices[i].driver), EDU_IRQ_DMA);
		edu_has_copied(running, i, stage);
	}
}

static void edu_after(struct running *running)
{
	struct running_device *device;
	int i, from_stage = stage - 1;

	if (!running_retrieve(running))
		return;
	for (i = 0; to_memory(from_stage) && i < count(running); i++) {
		device = &running->devices[i];
		device->part = area_part(&running->spaces[device->space].area, device->at,
					 AREA_SIZE);
		edu_has_copied(running, i, from_stage);
	}
	take_over(running);
	for (i = 0; i < count(running); i++) {
		device = &running->devices[i];
		CHECK_EQ(edu_acknowledge(&device->driver), EDU_IRQ_DMA);
		edu_has_copied(running, i, from_stage);
		CHECK_EQ(driver_copy(&device->driver, TO, FROM, EDU_LENGTH), 0);
	}
	finish(running);
	for (i = 0; i < count(running); i++)
		CHECK_EQ(driver_copy(&running->devices[i].driver, TO, FROM, EDU_LENGTH), 0);
}

static void single_before(void)
{
	edu_before(&single);
}

static void single_jump(void)
{
	edu_jump(&single);
}

static void single_stay(void)
{
	edu_stay(&single);
}

static void single_after(void)
{
	edu_after(&single);
}

static void group_before(void)
{
	edu_before(&group);
	CHECK_EQ(pci_group(group.devices[0].address), pci_group(group.devices[1].address));
	CHECK(pci_group(group.devices[0].address) != pci_group(group.devices[2].address));
}

static void group_jump(void)
{
	edu_jump(&group);
}

static void group_stay(void)
{
	edu_stay(&group);
}

static void group_after(void)
{
	edu_after(&group);
}

static void domains_before(void)
{
	edu_before(&domains);
}

static void domains_jump(void)
{
	edu_jump(&domains);
}

static void domains_stay(void)
{
	edu_stay(&domains);
}

static void domains_after(void)
{
	edu_after(&domains);
}

/* Frames come first, as it is their number at the first look that is told. */
const struct scenario running_scenarios[] = {
	{ "running_frames", frames_before, frames_after, 1, frames_jump, frames_stay },
	{ "running_sound", sound_before, sound_after, 1, sound_jump, sound_stay },
	{ "running_disk", disk_before, disk_after, 1, disk_jump, disk_stay },
	{ "running_edu", single_before, single_after, 1, single_jump, single_stay },
	{ "running_one_domain", group_before, group_after, 1, group_jump, group_stay },
	{ "running_two_domains", domains_before, domains_after, 1, domains_jump, domains_stay },
	/* In a run of its own. */
	{ "sound_is_unwanted", sound_before, unwanted_after, 1, sound_jump, sound_stay },
	{}
};

bool running_fail_to_freeze(void)
{
	struct running_device *device;
	struct kernel_log log;
	int eventfd;

	if (!last)
		return false;
	device = &last->devices[0];
	CHECK_EQ(log_open(&log), 0);
	CHECK_EQ(vfio_irq_enable(&device->device, device->ops->irq_index, 1, &eventfd), 0);
	CHECK_EQ(luo_kexec(), -EBUSY);
	CHECK(log_says(&log, device->address, "live update: "));
	CHECK_EQ(vfio_irq_disable(&device->device, device->ops->irq_index), 0);
	close(eventfd);
	log_close(&log);
	return true;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The demonstration of "make demo-dma": a network card is in use all through a live
 * update. lab/frames.py sends it numbered frames, lab/demo-dma.sh is the rest of it.
 *
 *	dma_demo STAGE
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/utsname.h>

#include "../liveupdate/luo_ticks.h"
#include "running.h"

#define SOME_FRAMES	500

static struct running card = {
	.name = "vm-7",
	.spaces = { { .iova = 0x1000000000, .mapped = RING_AREA_SIZE } },
	.devices = { { .ops = &e1000e_ring_ops } },
};

static void say(const char *fmt, ...)
{
	va_list args;

	printf("demo: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* What did not work was told before. */
static void if_failed_give_up(const char *what)
{
	if (!failures)
		return;
	say("FAILED: %s", what);
	exit(1);
}

static uint64_t look(const char *what)
{
	int64_t number = frames_look(&card.spaces[0].area, &card.notes->frames);

	CHECK(number >= 0);
	if_failed_give_up(what);
	return number;
}

static uint64_t more_come(const char *what)
{
	CHECK_EQ(frames_wait(&card.spaces[0].area, &card.notes->frames, SOME_FRAMES), 0);
	if_failed_give_up(what);
	return look(what);
}

static void before(void)
{
	struct dma_driver *driver = &card.devices[0].driver;
	struct utsname uts;

	uname(&uts);
	say("this is Linux %s", uts.release);
	running_start(&card);
	if_failed_give_up("put the network card to work");
	say("a process has got a network card, %s, by vfio-pci and iommufd",
	    driver->device->address);
	say("it may write to %d MiB of a memfd: %d descriptors, and a buffer for each",
	    RING_AREA_SIZE >> 20, RING_DESCRIPTORS);
	CHECK_EQ(frames_say(driver, FRAME_BEGIN), 0);
	say("it has asked for frames, and they come: %llu so far",
	    (unsigned long long)more_come("frames come"));
	running_preserve(&card);
	snprintf(card.notes->text, sizeof(card.notes->text), "%s", uts.release);
	if_failed_give_up("preserve it all");
	say("session \"%s\" has its memfd, its iommufd, and the card itself", card.name);
	say("frames still come: %llu so far", (unsigned long long)more_come("frames go on"));
	CHECK_EQ(luo_kexec_load(LUO_CMDLINE " luo.mode=demo-dma luo.stage=1"), 0);
	if_failed_give_up("load the next kernel");
	say("the next kernel is loaded; nobody has told the card");
	/* What is said takes time. */
	say("reboot(LINUX_REBOOT_CMD_KEXEC): this kernel ends here");
	look("the last look");
	CHECK_EQ(luo_kexec(), 0);
	if_failed_give_up("kexec");
}

static void after(void)
{
	struct dma_driver *driver = &card.devices[0].driver;
	struct frames last, first;
	struct utsname uts;
	int64_t number;
	double pause;

	if (!running_retrieve(&card))
		if_failed_give_up("get the memory back");
	last = card.notes->frames;
	look("each frame is there, in order");
	first = card.notes->frames;
	pause = (first.ticks - last.ticks) / luo_ticks_per_second();
	uname(&uts);
	say("this is Linux %s, booted by kexec; the memfd is back", uts.release);
	say("at the last look %llu frames had come, now there are %llu, each in its place",
	    (unsigned long long)last.seen, (unsigned long long)first.seen);
	say("nobody has touched the card so far, and they still come: %llu",
	    (unsigned long long)more_come("DMA goes on"));
	running_take_over(&card);
	running_memory_is_same(&card);
	if_failed_give_up("get the card back");
	say("the card and its iommufd are back: it was not reset, and it never stood still");
	running_finish(&card);
	more_come("frames go on");
	frames_take(driver, &card.notes->frames);
	if_failed_give_up("finish");
	say("the session is finished, the card has its %d descriptors again", RING_DESCRIPTORS);
	more_come("frames go on");
	number = frames_end(driver, &card.notes->frames);
	CHECK(number > 0);
	if_failed_give_up("all that was sent has come");
	say("it sends a frame: that is enough. %lld were sent, says the sender",
	    (long long)number);
	printf("demo-verdict: %lld frames were sent and %lld came, in order, none lost; ",
	       (long long)number, (long long)number);
	printf("%llu of them in the %.2f s in which no process was there to see, ",
	       (unsigned long long)(first.seen - last.seen), pause);
	printf("Linux %s -> %s\n", card.notes->text, uts.release);
}

int main(int argc, char **argv)
{
	stage = argc > 1 ? atoi(argv[1]) : 0;
	dev = luo_open();
	CHECK(dev >= 0);
	if_failed_give_up("open " LUO_DEVICE);
	if (stage)
		after();
	else
		before();
	return 0;
}

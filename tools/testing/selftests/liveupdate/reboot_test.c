// SPDX-License-Identifier: GPL-2.0
/*
 * Kexecs that fail: without an image, at freezing, late, and in a race with
 * everything else. All is as it was before.
 */
#define _GNU_SOURCE
#include "luo_fixture.h"
#include "luo_reboot.h"

#include <linux/kexec.h>

/* Without an image a kexec fails before anything has happened. */
TEST_F(luo, kexec_without_image)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(LUO_PAGE, 1);

	/* Nothing would be lost, so it is kexec that says no. */
	EXPECT_EQ(-EINVAL, luo_kexec());
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(-EINVAL, luo_kexec());
	EXPECT_EQ(-EEXIST, luo_create(self->dev, "s"));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	close(fd);
	close(session);
	session = luo_create(self->dev, "s");
	EXPECT_GE(session, 0);
	close(session);
}

/* What kexec_load(2) is given; it would not run. */
static int load_classic(void)
{
	static char code[LUO_PAGE];
	struct kexec_segment segment = {
		.buf = code, .bufsz = sizeof(code),
		.mem = (void *)(16 * LUO_MB), .memsz = sizeof(code),
	};

	return syscall(SYS_kexec_load, 16 * LUO_MB, 1UL, &segment,
		       (unsigned long)KEXEC_ARCH_X86_64) ? -errno : 0;
}

/* Pitfall 25: an image that would lose the files is refused while that helps. */
TEST_F(luo, image_without_handover_pitfall_25)
{
	static const char * const off[] = { "kho=off", "a=1 kho=0 -- kho=on", "liveupdate=off",
					    "kho=on kho=n", "\"liveupdate=off\"" };
	int session = luo_create(self->dev, "s"), fd = open(TEST_DEVICE, O_RDWR);
	unsigned int i;

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		ASSERT_EQ(0, luo_kexec_load_kernel(off[i]));
		EXPECT_EQ(-EINVAL, luo_kexec());
	}
	ASSERT_EQ(0, luo_kexec_unload());
	ASSERT_EQ(0, load_classic());
	EXPECT_EQ(-EINVAL, luo_kexec());
	ASSERT_EQ(0, syscall(SYS_kexec_load, 0UL, 0UL, NULL, (unsigned long)KEXEC_ARCH_X86_64));

	/* These are not refused: it comes to the freeze. */
	ASSERT_EQ(0, luo_kexec_load_kernel("kho=off kho=on xkho=off liveupdate"));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5"));
	EXPECT_EQ(-EIO, luo_kexec());
	ASSERT_EQ(0, luo_kexec_unload());
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	close(fd);
	close(session);
}

/* Another image comes in the place of the one that the files were frozen for. */
static void *replace_image(void *arg)
{
	int *err = arg;

	luo_wait_for_freeze();
	*err = luo_kexec_load_kernel("kho=off");
	luo_write(TEST_DELAY, "0");
	return NULL;
}

TEST_F(luo, image_is_replaced_late)
{
	int session = luo_create(self->dev, "s"), fd = open(TEST_DEVICE, O_RDWR), err = 1;
	pthread_t thread;

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	ASSERT_EQ(0, luo_kexec_load_kernel(""));
	ASSERT_EQ(0, luo_write(TEST_DELAY, LUO_LONG_DELAY));
	luo_rebooting = true;
	ASSERT_EQ(0, pthread_create(&thread, NULL, replace_image, &err));
	EXPECT_EQ(-EINVAL, luo_kexec());
	luo_rebooting = false;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, err);
	ASSERT_EQ(0, luo_kexec_unload());
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	close(fd);
	close(session);
}

TEST_F(luo, preserve_fails)
{
	int session = luo_create(self->dev, "s"), fd = open(TEST_DEVICE, O_RDWR);
	int unpreserved = luo_test_calls("unpreserve");

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, luo_write(TEST_FAIL, "preserve:5"));
	EXPECT_EQ(-EIO, luo_preserve(session, fd, 1));
	EXPECT_EQ(unpreserved, luo_test_calls("unpreserve"));
	EXPECT_EQ(-ENOENT, luo_unpreserve(session, 1));
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(-EBUSY, luo_preserve(session, fd, 2));
	close(fd);
	close(session);
	EXPECT_EQ(unpreserved + 1, luo_test_calls("unpreserve"));
}

/* The second of three files can't be frozen: none of them is. */
TEST_F(luo, freeze_fails_pitfall_7)
{
	int session = luo_create(self->dev, "s");
	int other = luo_create(self->dev, "t"), fds[3], i, memfd;
	int frozen = luo_test_calls("freeze"), unfrozen = luo_test_calls("unfreeze");
	uint64_t number = 7;

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	memfd = luo_memfd_filled(4 * LUO_PAGE, 7);
	ASSERT_EQ(0, luo_preserve(other, memfd, 9));
	for (i = 0; i < 3; i++) {
		fds[i] = open(TEST_DEVICE, O_RDWR);
		ASSERT_GE(fds[i], 0);
		ASSERT_EQ(0, luo_preserve(session, fds[i], i));
	}
	ASSERT_EQ(0, luo_kexec_load_kernel(""));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5:1"));
	EXPECT_EQ(-EIO, luo_kexec());
	EXPECT_EQ(frozen + 2, luo_test_calls("freeze"));
	EXPECT_EQ(unfrozen + 1, luo_test_calls("unfreeze"));

	/* All as before, and usable. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(8, write(fds[i], &number, sizeof(number)));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, luo_preserve(session, fds[1], 1));
	EXPECT_EQ(-1, ftruncate(memfd, 0));
	EXPECT_EQ(0, luo_unpreserve(other, 9));
	EXPECT_EQ(0, ftruncate(memfd, 0));
	EXPECT_EQ(0, luo_kexec_unload());
	for (i = 0; i < 3; i++)
		close(fds[i]);
	close(memfd);
	close(session);
	close(other);
}

TEST_F(luo, kexec_fails_late_pitfall_7)
{
	int session = luo_create(self->dev, "s"), fd = open(TEST_DEVICE, O_RDWR);
	int memfd = luo_memfd_filled(4 * LUO_PAGE, 7), i, error;
	long preserved;
	bool injected;

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	ASSERT_EQ(0, luo_preserve(session, memfd, 1));
	ASSERT_EQ(0, luo_preserve(session, fd, 2));
	preserved = luo_read_number(PRESERVED_PAGES);
	for (i = 0; i < 3; i++) {
		int frozen = luo_test_calls("freeze"), unfrozen = luo_test_calls("unfreeze");
		uint64_t number = i;

		ASSERT_EQ(0, luo_late_failure(0, 0, &error, &injected));
		EXPECT_EQ(-EINVAL, error);
		EXPECT_EQ(frozen + 1, luo_test_calls("freeze"));
		EXPECT_EQ(unfrozen + 1, luo_test_calls("unfreeze"));
		/* What was written for the next kernel is gone. */
		EXPECT_EQ(preserved, luo_read_number(PRESERVED_PAGES));
		EXPECT_EQ(8, write(fd, &number, sizeof(number)));
		EXPECT_EQ(0, luo_file_fill(memfd, 0, 4 * LUO_PAGE, i));
		EXPECT_EQ(-1, ftruncate(memfd, 0));
		EXPECT_EQ(-EEXIST, luo_create(self->dev, "s"));
	}
	close(fd);
	close(session);
	EXPECT_EQ(0, ftruncate(memfd, 0));
	close(memfd);
}

struct race {
	pthread_t thread;
	int dev;
	int session;
	int memfd;
	int result;
	useconds_t delay;
};

static void *race_create(void *arg)
{
	struct race *race = arg;

	luo_wait_in_reboot(race->delay);
	race->result = luo_create(race->dev, "race");
	return NULL;
}

static void *race_preserve(void *arg)
{
	struct race *race = arg;

	luo_wait_in_reboot(race->delay);
	race->result = luo_preserve(race->session, race->memfd, 77);
	return NULL;
}

static void *race_unpreserve(void *arg)
{
	struct race *race = arg;

	luo_wait_in_reboot(race->delay);
	race->result = luo_unpreserve(race->session, 1);
	return NULL;
}

static void *race_close(void *arg)
{
	struct race *race = arg;

	luo_wait_in_reboot(race->delay);
	race->result = close(race->session);
	return NULL;
}

static void *race_open(void *arg)
{
	struct race *race = arg;

	luo_wait_in_reboot(race->delay);
	race->result = luo_open();
	return NULL;
}

/* Create, preserve, unpreserve, close and open while the reboot is under way. */
TEST_F(luo, race_with_reboot_pitfall_6)
{
	static void *(* const racers[])(void *) = {
		race_create, race_preserve, race_unpreserve, race_close, race_open,
	};
	int fd, session, error, refused = 0;
	unsigned int i, delay;
	char name[16];

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	/* In the middle of the freeze, at its end and after it. */
	for (delay = 80; delay <= 200; delay += 12) {
		struct race races[5] = {};
		bool injected;

		fd = open(TEST_DEVICE, O_RDWR);
		session = luo_create(self->dev, "frozen");
		ASSERT_EQ(0, luo_preserve(session, fd, 1));
		for (i = 0; i < 5; i++) {
			snprintf(name, sizeof(name), "r%u", i);
			races[i].dev = self->dev;
			races[i].session = luo_create(self->dev, name);
			ASSERT_GE(races[i].session, 0);
			races[i].memfd = luo_memfd_filled(4 * LUO_PAGE, i);
			ASSERT_EQ(0, luo_preserve(races[i].session, races[i].memfd, 1));
			races[i].delay = (delay * 10 + i * 24) * 100;
		}
		/* The one to be preserved is another one. */
		close(races[1].memfd);
		races[1].memfd = luo_memfd_filled(4 * LUO_PAGE, 9);
		for (i = 0; i < 5; i++)
			ASSERT_EQ(0, pthread_create(&races[i].thread, NULL, racers[i], &races[i]));
		ASSERT_EQ(0, luo_late_failure(100 * 1000, 0, &error, &injected));
		EXPECT_EQ(-EINVAL, error);
		for (i = 0; i < 5; i++)
			pthread_join(races[i].thread, NULL);

		if (races[0].result < 0)
			EXPECT_EQ(-EBUSY, races[0].result);
		close(races[0].result);
		if (races[1].result)
			EXPECT_EQ(-EBUSY, races[1].result);
		EXPECT_EQ(races[1].result ? 0 : -1, ftruncate(races[1].memfd, 0));
		if (races[2].result)
			EXPECT_EQ(-EBUSY, races[2].result);
		EXPECT_EQ(races[2].result ? -1 : 0, ftruncate(races[2].memfd, 0));
		EXPECT_EQ(0, races[3].result);
		EXPECT_EQ(0, ftruncate(races[3].memfd, 0));
		EXPECT_EQ(-EBUSY, races[4].result);

		for (i = 0; i < 5; i++) {
			refused += races[i].result == -EBUSY;
			if (i != 3)
				close(races[i].session);
			close(races[i].memfd);
		}
		EXPECT_EQ(-EEXIST, luo_create(self->dev, "frozen"));
		close(fd);
		close(session);
		EXPECT_EQ(self->preserved, luo_read_number(PRESERVED_PAGES));
	}
	TH_LOG("%d of %d came while nothing could be changed", refused, 11 * 5);
}

TEST_HARNESS_MAIN

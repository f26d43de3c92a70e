/* SPDX-License-Identifier: GPL-2.0 */
/* Kexecs that fail, for certain: the machine must not leave the test. */
#ifndef LUO_REBOOT_H
#define LUO_REBOOT_H

#include <pthread.h>
#include <stdatomic.h>

#include "luo_fault.h"

#define TEST_DELAY	"/sys/module/luo_test_handler/parameters/freeze_delay_ms"

/* Longer than anything takes: it ends when somebody writes 0. */
#define LUO_LONG_DELAY	"600000"

/* What threads do in the middle of a reboot is timed from its beginning. */
static atomic_bool luo_rebooting;

static inline void luo_wait_in_reboot(useconds_t delay)
{
	while (!luo_rebooting)
		usleep(100);
	usleep(delay);
}

/* Returns in the middle of the freeze, or when there won't be one. */
static inline void luo_wait_for_freeze(void)
{
	char state[16] = "";
	int fd;

	while (luo_rebooting && strcmp(state, "frozen\n")) {
		usleep(1000);
		memset(state, 0, sizeof(state));
		fd = open("/sys/kernel/liveupdate/state", O_RDONLY | O_CLOEXEC);
		if (read(fd, state, sizeof(state) - 1) < 0)
			state[0] = '\0';
		close(fd);
	}
}

/* Takes the image away while a file is being frozen. */
struct luo_late {
	pthread_t thread;
	useconds_t delay;
	int error;
};

static inline void *luo_unload_late(void *arg)
{
	struct luo_late *late = arg;

	luo_wait_for_freeze();
	/* Somebody else may be at it. */
	do {
		late->error = luo_kexec_unload();
	} while (late->error == -EBUSY && !usleep(1000));
	usleep(late->delay);
	/* It has to be: nothing else ends the reboot. */
	while (luo_write(TEST_DELAY, "0") == -ENOMEM)
		usleep(1000);
	return NULL;
}

/*
 * A kexec that fails after everything was frozen and handed over, which takes
 * @delay and no less than it takes to have the image away. There has to be a file
 * of the test device. 0 if it did; if @nth, that allocation of it fails too.
 */
static inline int luo_late_failure(useconds_t delay, int nth, int *error, bool *injected)
{
	struct luo_late late = { .delay = delay };
	int err = luo_kexec_load_kernel("");

	*injected = false;
	if (!err)
		err = luo_write(TEST_DELAY, LUO_LONG_DELAY);
	if (err)
		return err;
	luo_rebooting = true;
	if (pthread_create(&late.thread, NULL, luo_unload_late, &late)) {
		luo_rebooting = false;
		luo_write(TEST_DELAY, "0");
		luo_kexec_unload();
		return -ENOMEM;
	}
	if (nth)
		luo_fail_nth(nth);
	*error = luo_kexec();
	if (nth)
		*injected = luo_has_failed();
	luo_rebooting = false;
	pthread_join(late.thread, NULL);
	return late.error;
}

/* Nobody else must know it: without this file a kexec would not fail. */
#define LUO_ANCHOR	0x5a6f5f1c0ffee357ULL

/* Something to freeze, the last one of those that are there so far. */
static inline int luo_anchor(int dev, unsigned int how, int *session)
{
	char name[32];
	int i, fd, err = -EBUSY;

	/* Somebody may have got hold of the last one. */
	snprintf(name, sizeof(name), "anchor-%u", how);
	*session = luo_create(dev, name);
	if (*session < 0)
		return *session;
	/* Or of this file, in a session of his: a fuzzer asks for any descriptor. */
	for (i = 0; i < 8 && err == -EBUSY; i++) {
		fd = open(TEST_DEVICE, O_RDWR | O_CLOEXEC);
		err = fd < 0 ? -errno : luo_preserve(*session, fd, LUO_ANCHOR);
		close(fd);
	}
	return err;
}

/*
 * Try to reboot, while others do as they please; it can't be done at once by
 * many. @how: without an image, with a file that can't be frozen, or with an image
 * that goes away late. @excuse: an error that it may fail with before that, or 0.
 *
 * Returns 0 if it failed as it should.
 */
static inline int luo_fail_to_reboot_or(int dev, unsigned int how, int excuse)
{
	int session, err = luo_anchor(dev, how, &session), expected = -EINVAL, late;
	bool injected;

	if (err) {
		/* With nothing to be frozen it would not fail. */
		expected = 0;
	} else if (how % 3 == 0) {
		err = luo_kexec();
	} else if (how % 3 == 1) {
		expected = -EIO;
		err = luo_kexec_load_kernel("");
		if (!err)
			err = luo_write(TEST_FAIL, "freeze:5");
		if (!err)
			err = luo_kexec();
		luo_kexec_unload();
	} else {
		late = luo_late_failure(0, 0, &err, &injected);
		if (late) {
			err = late;
			expected = 0;
		}
	}
	close(session);
	if (err == expected || (excuse && err == excuse))
		return 0;
	fprintf(stderr, "# reboot (%u): %d, not %d\n", how % 3, err, expected);
	return -1;
}

static inline int luo_fail_to_reboot(int dev, unsigned int how)
{
	return luo_fail_to_reboot_or(dev, how, 0);
}

#endif /* LUO_REBOOT_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* Kexecs that fail, for certain: the machine must not leave the test. */
#ifndef LUO_REBOOT_H
#define LUO_REBOOT_H

#include <pthread.h>
#include <stdatomic.h>

#include "luo_fault.h"

#define TEST_DELAY	"/sys/module/luo_test_handler/parameters/freeze_delay_ms"

/* What threads do in the middle of a reboot is timed from its beginning. */
static atomic_bool luo_rebooting;

static inline void luo_wait_in_reboot(useconds_t delay)
{
	while (!luo_rebooting)
		usleep(100);
	usleep(delay);
}

/* Takes the image away while a file is being frozen. */
static inline void *luo_unload_late(void *arg)
{
	bool *done = arg;
	int tries;

	luo_wait_in_reboot(10 * 1000);
	/* Somebody else may be at it. */
	for (tries = 0; tries < 100 && !*done; tries++) {
		*done = !luo_kexec_unload();
		usleep(*done ? 0 : 1000);
	}
	return NULL;
}

/*
 * A kexec that fails after everything was frozen and handed over, for which
 * freezing has to take its time (TEST_DELAY). 0 if it did; if @nth, that
 * allocation of it fails too.
 */
static inline int luo_late_failure(int nth, int *error, bool *injected)
{
	bool unloaded = false;
	pthread_t thread;

	*injected = false;
	if (luo_kexec_load_kernel(""))
		return -1;
	if (pthread_create(&thread, NULL, luo_unload_late, &unloaded))
		return -1;
	luo_rebooting = true;
	if (nth)
		luo_fail_nth(nth);
	*error = luo_kexec();
	if (nth)
		*injected = luo_has_failed();
	pthread_join(thread, NULL);
	luo_rebooting = false;
	return unloaded ? 0 : -1;
}

/* Nobody else must know it: without this file a kexec would not fail. */
#define LUO_ANCHOR	0x5a6f5f1c0ffee357ULL

/*
 * Try to reboot, while others do as they please; it can't be done at once by
 * many. @how: without an image, with a file that can't be frozen, or with an image
 * that goes away late. The file is the last one of those that are there so far.
 *
 * Returns 0 if it failed as it should.
 */
static inline int luo_fail_to_reboot(int dev, unsigned int how)
{
	int session, fd = open(TEST_DEVICE, O_RDWR | O_CLOEXEC), err, expected = -EINVAL;
	bool injected;
	char name[32];

	/* Somebody may have got hold of the last one. */
	snprintf(name, sizeof(name), "anchor-%u", how);
	session = luo_create(dev, name);
	err = luo_preserve(session, fd, LUO_ANCHOR);
	if (err) {
		/* With nothing to be frozen it would not fail. */
		fprintf(stderr, "# no anchor: %d\n", err);
	} else if (how % 3 == 0) {
		err = luo_kexec();
	} else if (how % 3 == 1) {
		expected = luo_kexec_load_kernel("");
		if (!expected)
			expected = luo_write(TEST_FAIL, "freeze:5");
		if (!expected) {
			expected = -EIO;
			err = luo_kexec();
			luo_kexec_unload();
		}
	} else {
		luo_write(TEST_DELAY, "300");
		if (luo_late_failure(0, &err, &injected))
			expected = 1;
		luo_write(TEST_DELAY, "0");
	}
	close(fd);
	close(session);
	if (err != expected)
		fprintf(stderr, "# reboot (%u): %d, not %d\n", how % 3, err, expected);
	return err != expected;
}

#endif /* LUO_REBOOT_H */

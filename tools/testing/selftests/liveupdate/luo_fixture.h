/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests without a successful kexec have in common. A number behind
 * "pitfall" is one of the list of bugs that others had.
 */
#ifndef LUO_FIXTURE_H
#define LUO_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "luo_util.h"

#include "../kselftest_harness.h"

/* Nothing is measured here, and a kernel that looks closely is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	600

#define PRESERVED_PAGES	"/sys/kernel/debug/kho/out/preserved_pages"

FIXTURE(luo) {
	int dev;
	long preserved;
};

FIXTURE_SETUP(luo)
{
	luo_watch_races("on");
	self->dev = luo_open();
	ASSERT_GE(self->dev, 0);
	self->preserved = luo_read_number(PRESERVED_PAGES);
	ASSERT_GT(self->preserved, 0);
}

/* Whatever a test did, nothing of it is left. */
FIXTURE_TEARDOWN(luo)
{
	close(self->dev);
	EXPECT_EQ(self->preserved, luo_read_number(PRESERVED_PAGES));
}

#endif /* LUO_FIXTURE_H */

// SPDX-License-Identifier: GPL-2.0
/* What the tests that go through kexecs have in common. */
#define _GNU_SOURCE
#include <stdarg.h>

#include "luo_scenario.h"

int stage;
int dev;
int failures;
const char *only;

void check(int ok, const char *fmt, ...)
{
	va_list args;

	if (ok)
		return;
	failures++;
	printf("# did not hold: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

int one_before(const char *name, uint64_t token, int fd)
{
	int session = luo_create(dev, name);

	CHECK(session >= 0);
	CHECK(fd >= 0);
	CHECK_EQ(luo_preserve(session, fd, token), 0);
	return session;
}

int one_after(const char *name, uint64_t token, int *session)
{
	int fd;

	*session = luo_retrieve_session(dev, name);
	CHECK(*session >= 0);
	fd = luo_retrieve(*session, token);
	CHECK(fd >= 0);
	return fd;
}

void end(int session, int fd)
{
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	close(fd);
}

void load_stage(const char *mode, int hops, char **options)
{
	char cmdline[1024];
	size_t len;

	snprintf(cmdline, sizeof(cmdline), LUO_CMDLINE " luo.mode=%s luo.stage=%d luo.hops=%d%s%s",
		 mode, stage + 1, hops, only ? " luo.only=" : "", only ?: "");
	for (; *options; options++) {
		len = strlen(cmdline);
		snprintf(cmdline + len, sizeof(cmdline) - len, " %s", *options);
	}
	CHECK_EQ(luo_kexec_load(cmdline), 0);
}

/* A memfd in huge pages. */
int thp_memfd(size_t size, uint64_t seed)
{
	int fd;

	CHECK_EQ(luo_write(SHMEM_ENABLED, "always"), 0);
	fd = luo_memfd_filled(size, seed);
	CHECK_EQ(luo_write(SHMEM_ENABLED, "never"), 0);
	return fd;
}

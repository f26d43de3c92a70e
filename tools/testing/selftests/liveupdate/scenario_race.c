// SPDX-License-Identifier: GPL-2.0
/*
 * A kexec in the middle of all else: sessions and files come and go, CPUs and
 * memory as well, until the jump. What each of them was just doing is carried as a
 * whole or not at all, and what was preserved before is as it was.
 *
 * Reboots that fail are in race_test.c.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "luo_hotplug.h"
#include "luo_scenario.h"

#define NR_WORKERS	4
#define NR_TOKENS	3
#define NAME		"race"

/* Carried in a memfd, and written until the jump. */
struct report {
	atomic_int rounds[NR_WORKERS];
	atomic_int cpus;
	atomic_int blocks;
	/* the first answer that is none to expect, and who got it */
	atomic_int error;
	atomic_int who;
};

/* From the time when the kernel is frozen all that changes something is refused. Was it? */
static bool refused(struct report *report, int who, int err)
{
	if (err < 0 && err != -EBUSY && !report->error) {
		report->who = who;
		report->error = err;
	}
	return err < 0;
}

static void set_name(char *name, size_t size, int worker)
{
	snprintf(name, size, NAME " %d", worker);
}

/* A session of its own, which holds any of three files, or does not exist. */
static void work(struct report *report, int number)
{
	char name[32];
	int fds[NR_TOKENS], session, i, bad;

	set_name(name, sizeof(name), number);
	for (i = 0; i < NR_TOKENS; i++)
		fds[i] = luo_memfd_filled((i + 1) * MB / 2, number * NR_TOKENS + i);
	while (1) {
		session = luo_create(dev, name);
		if (refused(report, number, session))
			continue;
		for (i = 0, bad = 0; i < NR_TOKENS; i++)
			bad += refused(report, number, luo_preserve(session, fds[i], i));
		i = report->rounds[number] % NR_TOKENS;
		bad += refused(report, number, luo_unpreserve(session, i));
		close(session);
		report->rounds[number] += !bad;
	}
}

static void toggle_cpu(struct report *report, int number)
{
	while (1) {
		luo_write(LUO_CPU, "0");
		if (!luo_write(LUO_CPU, "1"))
			report->cpus++;
	}
}

/* From the top, where more of it can go. */
static void toggle_memory(struct report *report, int number)
{
	unsigned long nr = luo_nr_blocks(), block = nr - 1;

	while (1) {
		if (!luo_set_online(block, "0", 2) && !luo_set_online(block, "1", 600))
			report->blocks++;
		block = block > nr / 2 + 1 ? block - 1 : nr - 1;
	}
}

/* A process that ends with this kernel, and holds no session of others. */
static void start(void (*fn)(struct report *report, int number), struct report *report, int number)
{
	if (fork())
		return;
	dev = dup2(dev, 3);
	syscall(SYS_close_range, 4U, ~0U, 0U);
	fn(report, number);
}

static void race_before(void)
{
	int fd = luo_memfd(LUO_PAGE, 0), i;
	struct report *report;

	report = mmap(NULL, LUO_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(report != MAP_FAILED);
	/* A page that is not there when it is preserved can't be written to. */
	report->rounds[0] = 0;
	one_before(NAME, 1, fd);
	CHECK(!access(LUO_CPU, W_OK));
	for (i = 0; i < NR_WORKERS; i++)
		start(work, report, i);
	start(toggle_cpu, report, 0);
	start(toggle_memory, report, 0);
	/* They are at it. */
	for (i = 0; i < NR_WORKERS; i++)
		while (report->rounds[i] < 3)
			usleep(10 * 1000);
	while (!report->cpus || !report->blocks)
		usleep(10 * 1000);
}

static void race_after(void)
{
	int session, i, token, fd, nr_sessions = 0, nr_files = 0;
	struct report report;
	char name[32];

	fd = one_after(NAME, 1, &session);
	CHECK_EQ(pread(fd, &report, sizeof(report), 0), sizeof(report));
	if (report.error)
		printf("# worker %d: %d\n", report.who, report.error);
	CHECK_EQ(report.error, 0);
	end(session, fd);

	for (i = 0; i < NR_WORKERS; i++) {
		set_name(name, sizeof(name), i);
		session = luo_retrieve_session(dev, name);
		CHECK(session >= 0 || session == -ENOENT);
		if (session < 0)
			continue;
		nr_sessions++;
		for (token = 0; token < NR_TOKENS; token++) {
			size_t size = (token + 1) * MB / 2;

			fd = luo_retrieve(session, token);
			CHECK(fd >= 0 || fd == -ENOENT);
			if (fd < 0)
				continue;
			nr_files++;
			CHECK_EQ(luo_size(fd), (long)size);
			CHECK(luo_file_is_filled(fd, 0, size, i * NR_TOKENS + token));
			close(fd);
		}
		CHECK_EQ(luo_finish(session), 0);
		close(session);
	}
	printf("# sessions had come %d %d %d %d times, a CPU %d, memory %d\n",
	       report.rounds[0], report.rounds[1], report.rounds[2], report.rounds[3], report.cpus,
	       report.blocks);
	printf("# %d sessions with %d files were carried\n", nr_sessions, nr_files);
	/* The two tables of KHO and LUO. */
	CHECK(luo_read_number(UNCLAIMED) <= 2);
}

const struct scenario race_scenarios[] = {
	{ "reboot_race", race_before, race_after, .special = 1 },
	{}
};

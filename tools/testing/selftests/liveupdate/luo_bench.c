// SPDX-License-Identifier: GPL-2.0
/*
 * What live update costs. Meant for a machine whose clock counts instructions
 * (QEMU's -icount shift=0): there a nanosecond is an instruction.
 *
 *	luo_bench memfd STAGE MIB THP TICKS	a memfd, through a kexec
 *	luo_bench files				files in one session
 *	luo_bench idle				what has nothing to do with live update
 *	luo_bench sessions STAGE		many sessions, through a kexec
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <time.h>
#include <x86intrin.h>

#include "luo_util.h"

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int must(int result, const char *what)
{
	if (result < 0) {
		printf("bench: FAILED: %s: %s\n", what, strerror(-result));
		exit(1);
	}
	return result;
}

static void report(const char *what, uint64_t instructions)
{
	printf("bench: %s %.2f\n", what, instructions / 1e6);
}

static void memfd_before(int dev, unsigned long mb, int thp)
{
	int session = must(luo_create(dev, "bench"), "create"), fd;
	char cmdline[256];
	uint64_t start;
	size_t i;
	char *mem;

	if (mb) {
		fd = must(luo_memfd(mb * LUO_MB, 0), "memfd");
		mem = mmap(NULL, mb * LUO_MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (mem == MAP_FAILED)
			must(-errno, "mmap");
		if (thp)
			madvise(mem, mb * LUO_MB, MADV_HUGEPAGE);
		for (i = 0; i < mb * LUO_MB; i += LUO_PAGE)
			mem[i] = 1;
		start = now();
		must(luo_preserve(session, fd, 1), "preserve");
		report("preserve", now() - start);
	}
	snprintf(cmdline, sizeof(cmdline),
		 LUO_CMDLINE " quiet nokaslr %s=memfd,1,%lu,%d,%llu",
		 "luo.mode=bench luo.bench", mb, thp, (unsigned long long)__rdtsc());
	must(luo_kexec_load(cmdline), "kexec_file_load");
	must(luo_kexec(), "kexec");
}

static void memfd_after(int dev, unsigned long mb, uint64_t ticks, uint64_t booted)
{
	int session = must(luo_retrieve_session(dev, "bench"), "retrieve session");
	uint64_t start;

	report("load-and-boot", booted - ticks);
	if (mb) {
		start = now();
		must(luo_retrieve(session, 1), "retrieve");
		report("retrieve", now() - start);
	}
	start = now();
	must(luo_finish(session), "finish");
	report("finish", now() - start);
}

#define BATCH	100
#define TRIES	5

/* How long it takes to preserve some files; the first of them has this token. */
static uint64_t preserve_batch(int session, uint64_t token)
{
	int fds[BATCH], i;
	uint64_t start;

	for (i = 0; i < BATCH; i++)
		fds[i] = must(open("/dev/liveupdate_test", O_RDWR), "open");
	start = now();
	for (i = 0; i < BATCH; i++)
		must(luo_preserve(session, fds[i], token + i), "preserve");
	start = now() - start;
	for (i = 0; i < BATCH; i++)
		close(fds[i]);
	return start;
}

/*
 * Cost of a file, first in a small session, then in one of 10,000. A tick, or what RCU
 * has put off, may come in between: so it is the shortest time of some.
 */
static void files(int dev)
{
	uint64_t few = UINT64_MAX, many = UINT64_MAX, ticks;
	int session, i;

	for (i = 0; i < TRIES; i++) {
		session = must(luo_create(dev, "small"), "create");
		ticks = preserve_batch(session, 0);
		few = ticks < few ? ticks : few;
		close(session);
	}
	session = must(luo_create(dev, "bench"), "create");
	for (i = 0; i < 9900; i += BATCH)
		preserve_batch(session, i);
	for (; i < 9900 + TRIES * BATCH; i += BATCH) {
		ticks = preserve_batch(session, i);
		many = ticks < many ? ticks : many;
	}
	printf("bench: file-at-100 %.0f\n", (double)few / BATCH);
	printf("bench: file-at-10000 %.0f\n", (double)many / BATCH);
	printf("bench: file-ratio %.2f\n", (double)many / few);
}

/* Also in a kernel without live update: boot, and what our hooks are near to. */
static void without(uint64_t booted)
{
	uint64_t start;
	int fd, i;

	report("unused-boot", booted);
	start = now();
	for (i = 0; i < 16; i++) {
		fd = must(luo_memfd_filled(16 * LUO_MB, i), "memfd");
		must(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, LUO_MB),
		     "punch hole");
		must(ftruncate(fd, LUO_MB), "truncate");
		close(fd);
	}
	report("unused-memfd", now() - start);
}

#define NR_SESSIONS	1000

static void per_session(const char *what, uint64_t start)
{
	printf("bench: %s %.0f\n", what, (now() - start) / (double)NR_SESSIONS);
}

static void sessions_before(int dev)
{
	static int sessions[NR_SESSIONS];
	char name[32];
	uint64_t start;
	int i;

	/* Tables of descriptors and the like grow in the first round. */
	for (i = 0; i < NR_SESSIONS; i++) {
		snprintf(name, sizeof(name), "vm-%d", i);
		sessions[i] = must(luo_create(dev, name), "create");
	}
	start = now();
	for (i = 0; i < NR_SESSIONS; i++)
		close(sessions[i]);
	per_session("session-close", start);
	start = now();
	for (i = 0; i < NR_SESSIONS; i++) {
		snprintf(name, sizeof(name), "vm-%d", i);
		must(luo_create(dev, name), "create");
	}
	per_session("session-create", start);
	must(luo_kexec_load(LUO_CMDLINE " quiet nokaslr luo.mode=bench luo.bench=sessions,1"),
	     "kexec_file_load");
	must(luo_kexec(), "kexec");
}

static void sessions_after(int dev)
{
	static int sessions[NR_SESSIONS];
	char name[32];
	uint64_t start = now();
	int i;

	for (i = 0; i < NR_SESSIONS; i++) {
		snprintf(name, sizeof(name), "vm-%d", i);
		sessions[i] = must(luo_retrieve_session(dev, name), "retrieve session");
	}
	per_session("session-retrieve", start);
	start = now();
	for (i = 0; i < NR_SESSIONS; i++)
		must(luo_finish(sessions[i]), "finish");
	per_session("session-finish", start);
}

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	uint64_t booted = __rdtsc();
	int dev;

	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 2 && !strcmp(argv[1], "idle")) {
		without(booted);
		return 0;
	}
	dev = must(luo_open(), "open");
	if (argc == 6 && !strcmp(argv[1], "memfd")) {
		if (atoi(argv[2]))
			memfd_after(dev, strtoul(argv[3], NULL, 0),
				    strtoull(argv[5], NULL, 0), booted);
		else
			memfd_before(dev, strtoul(argv[3], NULL, 0), atoi(argv[4]));
	} else if (argc == 2 && !strcmp(argv[1], "files")) {
		files(dev);
	} else if (argc == 3 && !strcmp(argv[1], "sessions")) {
		if (atoi(argv[2]))
			sessions_after(dev);
		else
			sessions_before(dev);
	} else {
		fprintf(stderr,
			"usage: luo_bench memfd STAGE MIB THP TICKS | files | idle | sessions STAGE\n");
		return 2;
	}
	return 0;
}

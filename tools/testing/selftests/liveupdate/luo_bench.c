// SPDX-License-Identifier: GPL-2.0
/*
 * What live update costs. Meant for a machine whose clock counts instructions
 * (QEMU's -icount shift=0): there a nanosecond is an instruction.
 *
 *	luo_bench memfd STAGE MIB KIND TICKS	a memfd, through a kexec; KIND is 0 for
 *						4 KiB pages, 1 for THP, 2 for hugetlb
 *	luo_bench empty STAGE N			N memfds of size 0, through a kexec
 *	luo_bench sessions STAGE N		N sessions, through a kexec
 *	luo_bench files				a file among few and among many
 *	luo_bench idle				what has nothing to do with live update
 *
 * The first three run on any kernel with the uAPI. For the pause to end with the first
 * program in user space, rdinit=/bin/luo_bench: it looks at the clock, then runs /init.
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <time.h>
#include <x86intrin.h>

#include "luo_hugetlb.h"

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

enum { SMALL, THP, HUGETLB };

#define CLOCK_NAME	"LUO_BENCH_CLOCK"

/* The TSC runs on across the kexec. */
static void report_start(void)
{
	const char *start = getenv(CLOCK_NAME);

	if (start)
		printf("bench: start %s\n", start);
}

static void load(const char *bench)
{
	char cmdline[256];

	snprintf(cmdline, sizeof(cmdline), LUO_CMDLINE " %s=%s",
		 "quiet nokaslr kho=on liveupdate=on rdinit=/bin/luo_bench luo.mode=bench luo.bench",
		 bench);
	must(luo_kexec_load(cmdline), "kexec_file_load");
}

/* The line is part of the pause: some thousand instructions. */
static void leave(void)
{
	printf("bench: jump %llu\n", (unsigned long long)__rdtsc());
	must(luo_kexec(), "kexec");
}

static int bench_memfd(unsigned long mb, int kind)
{
	char *mem;
	size_t i;
	int fd;

	if (kind == HUGETLB)
		must(luo_pool_set(LUO_2MB, "nr_hugepages", mb / 2), "nr_hugepages");
	fd = must(luo_memfd(mb * LUO_MB, kind == HUGETLB ? LUO_MFD_2MB : 0), "memfd");
	mem = mmap(NULL, mb * LUO_MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		must(-errno, "mmap");
	if (kind == THP)
		madvise(mem, mb * LUO_MB, MADV_HUGEPAGE);
	for (i = 0; i < mb * LUO_MB; i += LUO_PAGE)
		mem[i] = i / LUO_PAGE % 251 + 1;
	munmap(mem, mb * LUO_MB);
	return fd;
}

static void memfd_before(int dev, unsigned long mb, int kind)
{
	int session = must(luo_create(dev, "bench"), "create"), fd;
	char bench[128];
	uint64_t start;
	long free;

	if (mb) {
		fd = bench_memfd(mb, kind);
		free = luo_free_pages();
		start = now();
		must(luo_preserve(session, fd, 1), "preserve");
		report("preserve", now() - start);
		printf("bench: bookkeeping-kib %ld\n", (free - luo_free_pages()) * 4);
	}
	snprintf(bench, sizeof(bench), "memfd,1,%lu,%d,%llu", mb, kind,
		 (unsigned long long)__rdtsc());
	load(bench);
	leave();
}

/* Read a byte of each page; what is read has to be what was written. */
static void touch(int fd, unsigned long mb)
{
	uint64_t start = now();
	const char *mem = mmap(NULL, mb * LUO_MB, PROT_READ, MAP_SHARED, fd, 0);
	size_t i;

	if (mem == MAP_FAILED)
		must(-errno, "mmap");
	for (i = 0; i < mb * LUO_MB; i += LUO_PAGE)
		if (mem[i] != (char)(i / LUO_PAGE % 251 + 1))
			must(-EBADMSG, "content");
	report("touch", now() - start);
}

static void memfd_after(int dev, unsigned long mb, uint64_t ticks, uint64_t booted)
{
	int session, fd = -1;
	uint64_t start;

	report_start();
	report("load-and-boot", booted - ticks);
	printf("bench: free-kib %ld\n", luo_free_pages() * 4);
	session = must(luo_retrieve_session(dev, "bench"), "retrieve session");
	if (mb) {
		start = now();
		fd = must(luo_retrieve(session, 1), "retrieve");
		report("retrieve", now() - start);
		touch(fd, mb);
	}
	start = now();
	must(luo_finish(session), "finish");
	report("finish", now() - start);
}

static void empty_before(int dev, int nr)
{
	int session = must(luo_create(dev, "bench"), "create"), *fds, i;
	char bench[64];
	uint64_t start;

	fds = calloc(nr, sizeof(*fds));
	for (i = 0; i < nr; i++)
		fds[i] = must(luo_memfd(0, 0), "memfd");
	start = now();
	for (i = 0; i < nr; i++)
		must(luo_preserve(session, fds[i], i), "preserve");
	report("preserve", now() - start);
	snprintf(bench, sizeof(bench), "empty,1,%d", nr);
	load(bench);
	leave();
}

static void empty_after(int dev, int nr)
{
	int session, i;
	uint64_t start;

	report_start();
	session = must(luo_retrieve_session(dev, "bench"), "retrieve session");
	start = now();
	for (i = 0; i < nr; i++)
		must(luo_retrieve(session, i), "retrieve");
	report("retrieve", now() - start);
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

static void session_name(char *name, int i)
{
	snprintf(name, LIVEUPDATE_SESSION_NAME_LENGTH, "vm-%d", i);
}

static void sessions_before(int dev, int nr)
{
	int *sessions = calloc(nr, sizeof(*sessions)), i;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH], bench[64];
	uint64_t start;

	/* Tables of descriptors and the like grow in the first round. */
	for (i = 0; i < nr; i++) {
		session_name(name, i);
		sessions[i] = must(luo_create(dev, name), "create");
	}
	start = now();
	for (i = 0; i < nr; i++)
		close(sessions[i]);
	report("close", now() - start);
	start = now();
	for (i = 0; i < nr; i++) {
		session_name(name, i);
		must(luo_create(dev, name), "create");
	}
	report("create", now() - start);
	snprintf(bench, sizeof(bench), "sessions,1,%d", nr);
	load(bench);
	leave();
}

static void sessions_after(int dev, int nr)
{
	int *sessions = calloc(nr, sizeof(*sessions)), i;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	uint64_t start;

	report_start();
	start = now();
	for (i = 0; i < nr; i++) {
		session_name(name, i);
		sessions[i] = must(luo_retrieve_session(dev, name), "retrieve session");
	}
	report("retrieve", now() - start);
	start = now();
	for (i = 0; i < nr; i++)
		must(luo_finish(sessions[i]), "finish");
	report("finish", now() - start);
}

/* The first program in user space: what time is it? */
static int first(uint64_t booted)
{
	char clock[32];

	snprintf(clock, sizeof(clock), "%llu", (unsigned long long)booted);
	setenv(CLOCK_NAME, clock, 1);
	execl("/init", "/init", NULL);
	return 1;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	uint64_t booted = __rdtsc();
	int dev, stage;

	if (getpid() == 1)
		return first(booted);
	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 2 && !strcmp(argv[1], "idle")) {
		without(booted);
		return 0;
	}
	dev = must(luo_open(), "open");
	stage = argc > 2 ? atoi(argv[2]) : 0;
	if (argc == 6 && !strcmp(argv[1], "memfd")) {
		if (stage)
			memfd_after(dev, strtoul(argv[3], NULL, 0),
				    strtoull(argv[5], NULL, 0), booted);
		else
			memfd_before(dev, strtoul(argv[3], NULL, 0), atoi(argv[4]));
	} else if (argc == 4 && !strcmp(argv[1], "empty")) {
		(stage ? empty_after : empty_before)(dev, atoi(argv[3]));
	} else if (argc == 4 && !strcmp(argv[1], "sessions")) {
		(stage ? sessions_after : sessions_before)(dev, atoi(argv[3]));
	} else if (argc == 2 && !strcmp(argv[1], "files")) {
		files(dev);
	} else {
		fprintf(stderr,
			"usage: luo_bench memfd STAGE MIB KIND TICKS | empty STAGE N | sessions STAGE N | files | idle\n");
		return 2;
	}
	return 0;
}

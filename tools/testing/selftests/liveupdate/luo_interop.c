// SPDX-License-Identifier: GPL-2.0
/*
 * Memfds on their way through kernels of different origin, by the uAPI that these share.
 *
 *	luo_interop STAGE KERNEL,KERNEL...
 *
 * Stage N runs on the Nth KERNEL; /kernels has them by name. Each stage checks what has
 * come, makes ordinary files of it, preserves these files again and goes on. At the end,
 * the last one preserves nothing.
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/utsname.h>

#include "luo_util.h"

#define NR_MANY		1000
#define MANY_TOKEN(i)	((i) * 7 + 1)
#define SEALS		(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define POSITION	12345
#define HOLED_SIZE	(32 * LUO_MB)
#define HOLED_AT	(16 * LUO_MB)
#define ODD_SIZE	10000

/* In session "small". */
enum { PAGES = 1, SEALED, HOLED, ODD, EMPTY, NR_SMALL = EMPTY };
/* In session "huge". */
#define HUGE_TOKEN	0x8000000000000000ULL
#define HUGE_SIZE	(32 * LUO_MB)

static int results, failures;

static void result(int ok, int stage, const char *what, int value)
{
	printf("%sok %d stage_%d_%s", ok ? "" : "not ", ++results, stage, what);
	if (!ok && value < 0)
		printf(" (%s)", strerror(-value));
	else if (!ok)
		printf(" (%d)", value);
	printf("\n");
	fflush(stdout);
	failures += !ok;
}

static void must(int value, const char *what)
{
	if (value >= 0)
		return;
	printf("not ok %d %s (%s)\n", ++results, what, strerror(-value));
	exit(1);
}

struct files {
	int small[NR_SMALL + 1], huge, many[NR_MANY];
};

/* What is written behind the kernel's back: after it was preserved. */
static uint64_t late_word(int stage)
{
	return luo_word(4711, stage);
}

static void make(struct files *files)
{
	char *mem;
	int i;

	files->small[PAGES] = luo_memfd_filled(8 * LUO_MB, 1);
	must(files->small[PAGES], "memfd");
	must(lseek(files->small[PAGES], POSITION, SEEK_SET) == POSITION ? 0 : -errno, "lseek");
	files->small[SEALED] = luo_memfd_filled(LUO_MB, 2);
	must(files->small[SEALED], "sealed memfd");
	must(fcntl(files->small[SEALED], F_ADD_SEALS, SEALS) ? -errno : 0, "seals");
	files->small[HOLED] = luo_memfd(HOLED_SIZE, MFD_ALLOW_SEALING);
	must(files->small[HOLED], "memfd with a hole");
	must(luo_file_fill(files->small[HOLED], HOLED_AT, LUO_MB, 3), "memfd with a hole");
	files->small[ODD] = luo_memfd(ODD_SIZE, 0);
	must(files->small[ODD], "memfd of an odd size");
	must(luo_file_fill(files->small[ODD], 0, ODD_SIZE & ~7, 4), "memfd of an odd size");
	files->small[EMPTY] = luo_memfd(0, 0);
	must(files->small[EMPTY], "empty memfd");

	files->huge = luo_memfd(HUGE_SIZE, 0);
	must(files->huge, "huge memfd");
	mem = mmap(NULL, HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, files->huge, 0);
	must(mem == MAP_FAILED ? -errno : 0, "mmap");
	madvise(mem, HUGE_SIZE, MADV_HUGEPAGE);
	luo_fill(mem, HUGE_SIZE, 5);
	munmap(mem, HUGE_SIZE);

	for (i = 0; i < NR_MANY; i++) {
		files->many[i] = luo_memfd_filled(LUO_PAGE, 1000 + i);
		must(files->many[i], "many memfds");
	}
}

static void preserve(int dev, struct files *files, int stage)
{
	int small, huge, many, i, err = 0;
	uint64_t word = late_word(stage);

	small = luo_create(dev, "small");
	must(small, "create small");
	for (i = 1; i <= NR_SMALL; i++) {
		char what[32];

		snprintf(what, sizeof(what), "preserve_small_%d", i);
		err = luo_preserve(small, files->small[i], i);
		result(!err, stage, what, err);
	}
	huge = luo_create(dev, "huge");
	must(huge, "create huge");
	err = luo_preserve(huge, files->huge, HUGE_TOKEN);
	result(!err, stage, "preserve_huge", err);
	many = luo_create(dev, "many");
	must(many, "create many");
	for (i = 0, err = 0; i < NR_MANY && !err; i++)
		err = luo_preserve(many, files->many[i], MANY_TOKEN(i));
	result(!err, stage, "preserve_1000_files", err);
	i = pwrite(files->small[PAGES], &word, sizeof(word), LUO_MB);
	result(i == sizeof(word), stage, "write_after_preserve", i);
}

static int is_zero(int fd, off_t offset, size_t size)
{
	char *mem = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset);
	int ok = mem != MAP_FAILED;
	size_t i;

	for (i = 0; ok && i < size; i++)
		ok = !mem[i];
	if (mem != MAP_FAILED)
		munmap(mem, size);
	return ok;
}

static void check_small(struct files *files, int stage)
{
	int *fds = files->small, value;
	uint64_t word = 0;

	if (fds[PAGES] >= 0) {
		result(luo_size(fds[PAGES]) == 8 * LUO_MB, stage, "size", luo_size(fds[PAGES]));
		value = lseek(fds[PAGES], 0, SEEK_CUR);
		result(value == POSITION, stage, "position", value);
		value = pread(fds[PAGES], &word, sizeof(word), LUO_MB);
		result(word == late_word(stage - 1), stage, "written_after_preserve", value);
		word = luo_word(1, LUO_MB / sizeof(word));
		must(pwrite(fds[PAGES], &word, sizeof(word), LUO_MB), "pwrite");
		result(luo_file_is_filled(fds[PAGES], 0, 8 * LUO_MB, 1), stage, "content", 0);
	}
	if (fds[SEALED] >= 0) {
		value = fcntl(fds[SEALED], F_GET_SEALS);
		result(value == SEALS, stage, "seals", value);
		result(ftruncate(fds[SEALED], 1) < 0 && errno == EPERM, stage, "sealed", errno);
		result(luo_file_is_filled(fds[SEALED], 0, LUO_MB, 2), stage, "sealed_content", 0);
	}
	if (fds[HOLED] >= 0) {
		result(luo_size(fds[HOLED]) == HOLED_SIZE, stage, "holed_size", 0);
		result(luo_file_is_filled(fds[HOLED], HOLED_AT, LUO_MB, 3), stage,
		       "holed_content", 0);
		result(is_zero(fds[HOLED], 0, HOLED_AT) &&
		       is_zero(fds[HOLED], HOLED_AT + LUO_MB, HOLED_SIZE - HOLED_AT - LUO_MB),
		       stage, "holes_are_zero", 0);
		printf("# stage %d: the memfd of %lu MiB with 1 MiB in it has %ld KiB\n", stage,
		       HOLED_SIZE / LUO_MB, luo_blocks(fds[HOLED]) / 2);
	}
	if (fds[ODD] >= 0) {
		result(luo_size(fds[ODD]) == ODD_SIZE, stage, "odd_size", luo_size(fds[ODD]));
		result(luo_file_is_filled(fds[ODD], 0, ODD_SIZE & ~7, 4), stage, "odd_content", 0);
	}
	if (fds[EMPTY] >= 0)
		result(luo_size(fds[EMPTY]) == 0, stage, "empty_size", luo_size(fds[EMPTY]));
}

static void retrieve(int dev, struct files *files, int stage)
{
	int small, huge, many, i, err, good;

	small = luo_retrieve_session(dev, "small");
	result(small >= 0, stage, "session_small", small);
	for (i = 1; i <= NR_SMALL; i++) {
		char what[32];

		snprintf(what, sizeof(what), "retrieve_small_%d", i);
		files->small[i] = luo_retrieve(small, i);
		result(files->small[i] >= 0, stage, what, files->small[i]);
	}
	check_small(files, stage);
	err = luo_finish(small);
	result(!err, stage, "finish_small", err);
	close(small);

	huge = luo_retrieve_session(dev, "huge");
	result(huge >= 0, stage, "session_huge", huge);
	files->huge = luo_retrieve(huge, HUGE_TOKEN);
	result(files->huge >= 0, stage, "retrieve_huge", files->huge);
	result(luo_file_is_filled(files->huge, 0, HUGE_SIZE, 5), stage, "huge_content", 0);
	/* Mainline does not call it a THP. */
	result(luo_page_flags(files->huge, 0) & 1ULL << KPF_COMPOUND_HEAD &&
	       luo_page_flags(files->huge, 511 * LUO_PAGE) & 1ULL << KPF_COMPOUND_TAIL,
	       stage, "huge_is_still_huge", 0);
	err = luo_finish(huge);
	result(!err, stage, "finish_huge", err);
	close(huge);

	many = luo_retrieve_session(dev, "many");
	result(many >= 0, stage, "session_many", many);
	/* Any order is good. */
	for (i = NR_MANY - 1, good = 0; i >= 0; i--) {
		files->many[i] = luo_retrieve(many, MANY_TOKEN(i));
		good += files->many[i] >= 0 &&
			luo_file_is_filled(files->many[i], 0, LUO_PAGE, 1000 + i);
	}
	result(good == NR_MANY, stage, "1000_files", good);
	err = luo_finish(many);
	result(!err, stage, "finish_many", err);
	close(many);
}

/* The name of the kernel of a stage, or NULL after the last one. */
static const char *kernel_of(const char *order, int stage)
{
	static char name[64];

	while (order && stage--) {
		order = strchr(order, ',');
		if (order)
			order++;
	}
	if (!order)
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(order, ","), order);
	return name;
}

static int load(const char *name, const char *order, int stage)
{
	char path[128], cmdline[512];
	int kernel, initrd = open("/next/initrd", O_RDONLY | O_CLOEXEC), err;

	snprintf(path, sizeof(path), "/kernels/%s", name);
	kernel = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(cmdline, sizeof(cmdline), LUO_CMDLINE
		 " kho=on liveupdate=on luo.mode=interop luo.stage=%d luo.order=%s", stage, order);
	err = syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1, cmdline, 0UL);
	return err ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 8192, .rlim_max = 8192 };
	static struct files files;
	const char *next;
	struct utsname uts;
	int dev, stage;

	if (argc != 3) {
		fprintf(stderr, "usage: luo_interop STAGE KERNEL,KERNEL...\n");
		return 2;
	}
	stage = atoi(argv[1]);
	setrlimit(RLIMIT_NOFILE, &limit);
	uname(&uts);
	printf("TAP version 13\n# stage %d of %s: Linux %s\n", stage, argv[2], uts.release);
	luo_write(SHMEM_ENABLED, "advise");
	dev = luo_open();
	must(dev, "open " LUO_DEVICE);
	if (stage)
		retrieve(dev, &files, stage);
	else
		make(&files);
	next = kernel_of(argv[2], stage + 1);
	if (next && !failures) {
		preserve(dev, &files, stage);
		printf("1..%d\n", results);
		must(load(next, argv[2], stage + 1), "kexec_file_load");
		must(luo_kexec(), "kexec");
	}
	printf("1..%d\n", results);
	return failures || next ? 1 : 0;
}

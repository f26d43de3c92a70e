// SPDX-License-Identifier: GPL-2.0
/*
 * A long chain of live updates: what is carried arrives at each hop, and nothing
 * is used up on the way.
 *
 *	luo_chain STAGE HOPS
 *
 * What each kernel has counted is written to a memfd that is carried along, too;
 * the last kernel compares the hops from the third one on. A page that is lost
 * at each hop is seen: free memory differs from boot to boot, but the slope of
 * all hops tells what is lost at one hop to a fraction of a page.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stddef.h>

#include "luo_util.h"

#define FIRST		3
#define MAX_HOPS	500
#define PRESERVED	"/sys/kernel/debug/kho/out/preserved_pages"
#define UNCLAIMED	"/sys/kernel/debug/kho/in/unclaimed_pages"
#define SCRATCH		"/sys/kernel/debug/kho/out/scratch"

#define HUGE_SIZE		(2 * LUO_MB)
#define SMALL_SIZE		(16 * LUO_PAGE)

enum token { HISTORY, OLD_SMALL, OLD_HUGE, NEW_SMALL, NEW_HUGE, DEVICE, NR_TOKENS };

/* Of one kernel. */
struct record {
	uint64_t free;		/* pages, with nothing in caches */
	uint64_t total;		/* pages that the kernel has at all */
	uint64_t preserved;	/* before a session is created */
	uint64_t handed_over;	/* before the kexec */
	uint64_t unclaimed;	/* after all was retrieved */
	uint64_t scratch;	/* checksum of the regions */
	uint64_t nr_scratch;	/* their pages */
};

static int stage, hops, number, bad;
static struct record *history;

static void result(int good, const char *what)
{
	bad |= !good;
	printf("%sok %d chain_%s\n", good ? "" : "not ", ++number, what);
	fflush(stdout);
}

/* What does not hold here ends the chain. */
static void must(int good, const char *what)
{
	if (good)
		return;
	printf("KTAP version 1\n1..1\n# at hop %d\n", stage);
	result(0, what);
	exit(1);
}

#define MUST(_cond) must(!!(_cond), #_cond)

static int huge_memfd(uint64_t seed)
{
	int fd;

	MUST(!luo_write(SHMEM_ENABLED, "always"));
	fd = luo_memfd_filled(HUGE_SIZE, seed);
	MUST(!luo_write(SHMEM_ENABLED, "never"));
	return fd;
}

static void read_scratch(struct record *record)
{
	FILE *file = fopen(SCRATCH, "re");
	unsigned long long addr, size;

	MUST(file);
	while (fscanf(file, "%llx %llx", &addr, &size) == 2) {
		record->scratch = luo_word(record->scratch, addr) ^ size;
		record->nr_scratch += size / LUO_PAGE;
	}
	fclose(file);
}

/* Nothing but the history is there any more. */
static void measure(struct record *record)
{
	record->free = luo_free_pages();
	record->total = luo_meminfo("MemTotal") * 1024 / LUO_PAGE;
	record->preserved = luo_read_number(PRESERVED);
	record->unclaimed = stage ? luo_read_number(UNCLAIMED) : 0;
	read_scratch(record);
}

static int retrieve(int session, enum token token)
{
	int fd = luo_retrieve(session, token);

	MUST(fd >= 0);
	return fd;
}

/* Take everything out of the session: the files, as they will be carried on. */
static void arrive(int dev, int *fds)
{
	int session = luo_retrieve_session(dev, "chain"), i;
	uint64_t value = 0;

	MUST(session >= 0);
	for (i = 0; i < NR_TOKENS; i++)
		fds[i] = retrieve(session, i);
	MUST(luo_file_is_filled(fds[OLD_SMALL], 0, SMALL_SIZE, 1));
	MUST(luo_file_is_filled(fds[OLD_HUGE], 0, HUGE_SIZE, 2));
	MUST(luo_file_is_filled(fds[NEW_SMALL], 0, SMALL_SIZE, 1000 + stage));
	MUST(luo_file_is_filled(fds[NEW_HUGE], 0, HUGE_SIZE, 2000 + stage));
	MUST(read(fds[DEVICE], &value, sizeof(value)) == sizeof(value));
	MUST(value == (uint64_t)stage);
	MUST(!luo_finish(session));
	close(session);
	close(fds[NEW_SMALL]);
	close(fds[NEW_HUGE]);
	close(fds[DEVICE]);
	MUST(luo_retrieve_session(dev, "chain") == -ENOENT);
}

static void start(int *fds)
{
	fds[HISTORY] = luo_memfd_filled((hops + 1) * sizeof(*history), 0);
	fds[OLD_SMALL] = luo_memfd_filled(SMALL_SIZE, 1);
	fds[OLD_HUGE] = huge_memfd(2);
	MUST(fds[HISTORY] >= 0 && fds[OLD_SMALL] >= 0 && fds[OLD_HUGE] >= 0);
}

/* Some go all the way, the others only to the next kernel. */
static void depart(int dev, int *fds)
{
	int session = luo_create(dev, "chain"), i;
	uint64_t value = stage + 1;
	char cmdline[256];

	fds[NEW_SMALL] = luo_memfd_filled(SMALL_SIZE, 1000 + stage + 1);
	fds[NEW_HUGE] = huge_memfd(2000 + stage + 1);
	fds[DEVICE] = open(TEST_DEVICE, O_RDWR | O_CLOEXEC);
	MUST(write(fds[DEVICE], &value, sizeof(value)) == sizeof(value));
	for (i = 0; i < NR_TOKENS; i++)
		MUST(!luo_preserve(session, fds[i], i));
	history[stage].handed_over = luo_read_number(PRESERVED);
	snprintf(cmdline, sizeof(cmdline),
		 LUO_CMDLINE " quiet luo.mode=chain luo.stage=%d luo.hops=%d", stage + 1, hops);
	MUST(!luo_kexec_load(cmdline));
	luo_leaks();
	luo_kexec();
	MUST(!"kexec");
}

/* Is a figure the same at each hop? */
static void compare(const char *what, size_t offset)
{
	uint64_t first, value;
	int hop, good = 1;

	first = *(uint64_t *)((char *)&history[FIRST] + offset);
	for (hop = FIRST; hop <= hops; hop++) {
		value = *(uint64_t *)((char *)&history[hop] + offset);
		if (value != first) {
			printf("# hop %d: %llu, hop %d: %llu\n", FIRST, (unsigned long long)first,
			       hop, (unsigned long long)value);
			good = 0;
			break;
		}
	}
	result(good, what);
}

/* How many standard errors chance goes astray once in a thousand: Student's t. */
static double student(int freedom)
{
	static const double t[] = { 636.6, 31.60, 12.92, 8.61, 6.87, 5.96, 5.41, 5.04, 4.78, 4.59 };
	int nr = ARRAY_SIZE(t);

	return t[(freedom < nr ? freedom : nr) - 1];
}

/*
 * Least squares over the hops: what is gained at each hop. It must be less than
 * half a page away from none, or, in a chain too short for that, no farther than
 * chance goes.
 */
static void trend(const char *what, size_t offset)
{
	double n = hops - FIRST + 1, sx = 0, sy = 0, sxx = 0, sxy = 0, rest = 0;
	double slope, base, error, min = INFINITY, max = 0;
	int hop;

	for (hop = FIRST; hop <= hops; hop++) {
		double y = *(uint64_t *)((char *)&history[hop] + offset);

		sx += hop;
		sy += y;
		sxx += (double)hop * hop;
		sxy += hop * y;
		min = fmin(min, y);
		max = fmax(max, y);
	}
	slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
	base = (sy - slope * sx) / n;
	for (hop = FIRST; hop <= hops; hop++) {
		double y = *(uint64_t *)((char *)&history[hop] + offset);

		rest += (y - base - slope * hop) * (y - base - slope * hop);
	}
	error = sqrt(rest / (n - 2) / (sxx - sx * sx / n));
	printf("# %s: %.0f to %.0f pages, %+.3f at each hop (standard error %.3f)\n",
	       what, min, max, slope, error);
	result(fabs(slope) < 0.5 || fabs(slope) < student(n - 2) * error, what);
}

static void look_back(void)
{
	printf("KTAP version 1\n1..7\n");
	result(1, "has_arrived");
	compare("preserved_pages_at_rest_are_level", offsetof(struct record, preserved));
	compare("unclaimed_pages_are_level", offsetof(struct record, unclaimed));
	compare("scratch_regions_are_the_same", offsetof(struct record, scratch));
	trend("preserved_pages_are_level", offsetof(struct record, handed_over));
	trend("all_memory_is_level", offsetof(struct record, total));
	trend("free_memory_is_level", offsetof(struct record, free));
}

int main(int argc, char **argv)
{
	int dev = luo_open(), fds[NR_TOKENS];

	if (argc != 3)
		return 2;
	stage = atoi(argv[1]);
	hops = atoi(argv[2]);
	MUST(dev >= 0 && hops >= FIRST + 3 && hops <= MAX_HOPS);
	if (stage)
		arrive(dev, fds);
	else
		start(fds);
	history = mmap(NULL, (hops + 1) * sizeof(*history), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fds[HISTORY], 0);
	MUST(history != MAP_FAILED);
	memset(&history[stage], 0, sizeof(*history));
	measure(&history[stage]);
	printf("# hop %d: %llu of %llu pages free, %llu preserved, %llu unclaimed\n", stage,
	       (unsigned long long)history[stage].free, (unsigned long long)history[stage].total,
	       (unsigned long long)history[stage].preserved,
	       (unsigned long long)history[stage].unclaimed);
	if (stage == hops) {
		history[hops].handed_over = history[hops - 1].handed_over;
		look_back();
		return bad;
	}
	depart(dev, fds);
	return 1;
}

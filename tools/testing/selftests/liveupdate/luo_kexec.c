// SPDX-License-Identifier: GPL-2.0
/*
 * Live update across kexecs.
 *
 *	luo_kexec STAGE HOPS [OPTION]...
 *
 * Stage 0 prepares all scenarios and goes through a kexec into a kernel whose
 * command line says luo.stage=1; there all of them are checked, and prepared
 * again while there are hops left. The OPTIONs are for the next kernel's command
 * line. Results are KTAP. Everything is done by one process, as session
 * descriptors have to stay open until the kexec.
 *
 * A number behind "pitfall" is one of the list of bugs that others had.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "luo_util.h"

#include "../kselftest.h"

#define MB		LUO_MB
#define MEMINFO		"/proc/meminfo"
#define UNCLAIMED	"/sys/kernel/debug/kho/in/unclaimed_pages"
#define TEST_FAIL	"/sys/module/luo_test_handler/parameters/fail"

static int dev;
static int failures;

/* Says what did not hold; the scenario goes on. */
static void check(int ok, const char *fmt, ...)
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

#define CHECK(_cond)		check(!!(_cond), "line %d: %s", __LINE__, #_cond)
#define CHECK_EQ(_a, _b)	do {						\
	long _va = (_a), _vb = (_b);						\
	check(_va == _vb, "line %d: %s is %ld, not %ld", __LINE__, #_a, _va, _vb); \
} while (0)

static int one_before(const char *name, uint64_t token, int fd)
{
	int session = luo_create(dev, name);

	CHECK(session >= 0);
	CHECK(fd >= 0);
	CHECK_EQ(luo_preserve(session, fd, token), 0);
	return session;
}

static int one_after(const char *name, uint64_t token, int *session)
{
	int fd;

	*session = luo_retrieve_session(dev, name);
	CHECK(*session >= 0);
	fd = luo_retrieve(*session, token);
	CHECK(fd >= 0);
	return fd;
}

static void end(int session, int fd)
{
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	close(fd);
}

/* Content, size, position; and all that a memfd can do afterwards. */
static void memfd_before(void)
{
	int fd = luo_memfd_filled(16 * MB + LUO_PAGE, 1);

	CHECK_EQ(ftruncate(fd, 16 * MB + 100), 0);
	CHECK_EQ(lseek(fd, 12345, SEEK_SET), 12345);
	one_before("memfd", 42, fd);
	/* Pitfall 1: what is written once it is preserved. */
	CHECK_EQ(luo_file_fill(fd, 8 * MB, MB, 2), 0);
}

static void memfd_after(void)
{
	int session, fd = one_after("memfd", 42, &session), again;
	char path[64];

	CHECK_EQ(luo_size(fd), 16 * MB + 100);
	CHECK_EQ(luo_blocks(fd), (16 * MB + LUO_PAGE) / 512);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 12345);
	CHECK(luo_file_is_filled(fd, 0, 8 * MB, 1));
	CHECK(luo_file_is_filled(fd, 8 * MB, MB, 2));
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR);
	CHECK(again >= 0);
	CHECK(luo_file_is_filled(again, 0, 8 * MB, 1));
	close(again);

	/* Another descriptor of the same file. */
	again = luo_retrieve(session, 42);
	CHECK(again >= 0);
	CHECK_EQ(ftruncate(again, 32 * MB), 0);
	CHECK_EQ(luo_size(fd), 32 * MB);
	CHECK_EQ(luo_file_fill(fd, 0, 32 * MB, 3), 0);
	CHECK(luo_file_is_filled(again, 0, 32 * MB, 3));
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MB), 0);
	CHECK_EQ(luo_blocks(fd), 31 * MB / 512);
	close(again);
	CHECK_EQ(luo_finish(session), 0);
	CHECK_EQ(luo_finish(session), 0);
	CHECK_EQ(luo_retrieve(session, 42), -ENOENT);
	/* Granted only if nobody has a reference to a page that is not known of. */
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(session);
	close(fd);
	CHECK_EQ(luo_retrieve_session(dev, "memfd"), -ENOENT);
}

#define NR_FILES	300

static void many_files_before(void)
{
	int session = luo_create(dev, "many files"), i;

	CHECK(session >= 0);
	for (i = 0; i < NR_FILES; i++) {
		int fd = luo_memfd_filled((i % 4) * LUO_PAGE, i);

		CHECK_EQ(luo_preserve(session, fd, i * 1000003ULL), 0);
		close(fd);
	}
}

/* Pitfall 5: all of them, and in another order. */
static void many_files_after(void)
{
	int session = luo_retrieve_session(dev, "many files"), i;

	CHECK(session >= 0);
	CHECK_EQ(luo_finish(session), -EBUSY);
	for (i = NR_FILES - 1; i >= 0; i--) {
		int fd = luo_retrieve(session, i * 1000003ULL);

		CHECK(fd >= 0);
		CHECK_EQ(luo_size(fd), (i % 4) * LUO_PAGE);
		if (i % 4)
			CHECK(luo_file_is_filled(fd, 0, (i % 4) * LUO_PAGE, i));
		if (i)
			CHECK_EQ(luo_finish(session), -EBUSY);
		close(fd);
	}
	CHECK_EQ(luo_retrieve(session, 1), -ENOENT);
	CHECK_EQ(luo_finish(session), 0);
	close(session);
}

/* Pitfall 28: a full block of sessions, and one that is refused. */
#define NR_SESSIONS	120

static void many_sessions_before(void)
{
	char name[32];
	int i;

	for (i = 0; i < NR_SESSIONS; i++) {
		snprintf(name, sizeof(name), "session %d", i);
		one_before(name, i, luo_memfd_filled(LUO_PAGE, i));
		CHECK_EQ(luo_create(dev, name), -EEXIST);
	}
}

static void many_sessions_after(void)
{
	char name[32];
	int i;

	for (i = NR_SESSIONS - 1; i >= 0; i--) {
		int session, fd;

		snprintf(name, sizeof(name), "session %d", i);
		fd = one_after(name, i, &session);
		CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, i));
		CHECK_EQ(luo_retrieve_session(dev, name), -EBUSY);
		end(session, fd);
	}
}

static void empty_before(void)
{
	one_before("empty", 0, luo_memfd(0, 0));
	CHECK(luo_create(dev, "no files") >= 0);
}

static void empty_after(void)
{
	int session, fd = one_after("empty", 0, &session);

	CHECK_EQ(luo_size(fd), 0);
	end(session, fd);
	session = luo_retrieve_session(dev, "no files");
	CHECK(session >= 0);
	end(session, -1);
}

/* Pitfall 17; and a hole that is filled while the file is preserved. */
static void holes_before(void)
{
	int fd = luo_memfd(1UL << 40, 0);

	CHECK_EQ(luo_file_fill(fd, 0, LUO_PAGE, 1), 0);
	CHECK_EQ(luo_file_fill(fd, 1UL << 30, 3 * LUO_PAGE, 2), 0);
	one_before("holes", 1, fd);
	CHECK_EQ(luo_blocks(fd), 4 * LUO_PAGE / 512);
	CHECK_EQ(luo_file_fill(fd, 1UL << 35, 2 * LUO_PAGE, 3), 0);
	CHECK_EQ(luo_blocks(fd), 6 * LUO_PAGE / 512);
}

static void holes_after(void)
{
	int session, fd = one_after("holes", 1, &session);

	CHECK_EQ(luo_size(fd), 1UL << 40);
	CHECK_EQ(luo_blocks(fd), 6 * LUO_PAGE / 512);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), LUO_PAGE);
	CHECK_EQ(lseek(fd, LUO_PAGE, SEEK_DATA), 1UL << 30);
	CHECK_EQ(lseek(fd, 1UL << 30, SEEK_HOLE), (1UL << 30) + 3 * LUO_PAGE);
	CHECK_EQ(lseek(fd, (1UL << 30) + 3 * LUO_PAGE, SEEK_DATA), 1UL << 35);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 1));
	CHECK(luo_file_is_filled(fd, 1UL << 30, 3 * LUO_PAGE, 2));
	CHECK(luo_file_is_filled(fd, 1UL << 35, 2 * LUO_PAGE, 3));
	end(session, fd);
}

/* Pitfall 2: pages that fallocate() has left. */
static void fallocated_before(void)
{
	int fd = luo_memfd(8 * LUO_PAGE, 0);
	char byte = 'p';

	CHECK_EQ(fallocate(fd, 0, 0, 8 * LUO_PAGE), 0);
	one_before("fallocated", 1, fd);
	CHECK_EQ(pwrite(fd, &byte, 1, 3 * LUO_PAGE + 5), 1);
}

static void fallocated_after(void)
{
	int session, fd = one_after("fallocated", 1, &session), i;
	char buf[8 * LUO_PAGE], byte = 'q';

	CHECK_EQ(luo_blocks(fd), 8 * LUO_PAGE / 512);
	CHECK_EQ(pwrite(fd, &byte, 1, 6 * LUO_PAGE), 1);
	CHECK_EQ(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	for (i = 0; i < (int)sizeof(buf); i++)
		if (buf[i] != (i == 3 * (int)LUO_PAGE + 5 ? 'p' : i == 6 * (int)LUO_PAGE ? 'q' : 0))
			break;
	CHECK_EQ(i, sizeof(buf));
	end(session, fd);
}

static void seals_before(void)
{
	int fd = luo_memfd_filled(4 * LUO_PAGE, 4), session;

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), 0);
	session = one_before("seals", 1, fd);
	/* Pitfall 24: seals that are added later. */
	fd = luo_memfd_filled(4 * LUO_PAGE, 5);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), 0);
	fd = luo_memfd(LUO_PAGE, 0);
	CHECK_EQ(luo_preserve(session, fd, 3), 0);
}

static void seals_after(void)
{
	int session, fd = one_after("seals", 1, &session);
	char byte = 0;

	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK);
	CHECK(luo_file_is_filled(fd, 0, 4 * LUO_PAGE, 4));
	CHECK_EQ(pwrite(fd, &byte, 1, 0), -1);
	CHECK(mmap(NULL, LUO_PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(ftruncate(fd, 0), -1);
	close(fd);

	fd = luo_retrieve(session, 2);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK);
	CHECK(luo_file_is_filled(fd, 0, 4 * LUO_PAGE, 5));
	CHECK_EQ(ftruncate(fd, 0), -1);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	close(fd);

	fd = luo_retrieve(session, 3);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), -1);
	end(session, fd);
}

static long meminfo(const char *what)
{
	FILE *file = fopen(MEMINFO, "re");
	char line[128];
	long kb = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, what, strlen(what)))
			sscanf(line + strlen(what), ": %ld", &kb);
	if (file)
		fclose(file);
	return kb;
}

/* Pitfall 16: large folios stay large, and are counted by the page. */
static void thp_before(void)
{
	int fd;

	CHECK_EQ(luo_write("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always"), 0);
	fd = luo_memfd_filled(16 * MB, 6);
	CHECK_EQ(luo_write("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "never"), 0);
	CHECK_EQ(meminfo("ShmemHugePages"), 16 * 1024);
	one_before("thp", 1, fd);
}

static void thp_after(void)
{
	long before = meminfo("ShmemHugePages");
	int session, fd = one_after("thp", 1, &session);

	CHECK_EQ(meminfo("ShmemHugePages") - before, 16 * 1024);
	CHECK_EQ(luo_blocks(fd), 16 * MB / 512);
	CHECK(luo_file_is_filled(fd, 0, 16 * MB, 6));
	/* A part of a large folio goes. */
	CHECK_EQ(ftruncate(fd, MB), 0);
	CHECK(luo_file_is_filled(fd, 0, MB, 6));
	end(session, fd);
}

/* Given up before the kexec, in three ways. */
static void given_up_before(void)
{
	int session = one_before("unpreserved", 1, luo_memfd_filled(MB, 7));

	CHECK_EQ(luo_unpreserve(session, 1), 0);
	session = one_before("closed", 1, luo_memfd_filled(MB, 7));
	close(session);
	if (!fork()) {
		one_before("killed", 1, luo_memfd_filled(MB, 7));
		_exit(0);
	}
	wait(NULL);
}

static void given_up_after(void)
{
	int session = luo_retrieve_session(dev, "unpreserved");

	CHECK(session >= 0);
	CHECK_EQ(luo_retrieve(session, 1), -ENOENT);
	end(session, -1);
	CHECK_EQ(luo_retrieve_session(dev, "closed"), -ENOENT);
	CHECK_EQ(luo_retrieve_session(dev, "killed"), -ENOENT);
}

static void direction_before(void)
{
	one_before("direction", 1, luo_memfd_filled(LUO_PAGE, 8));
}

/* Pitfall 8, and two sessions of one name, one of each kernel. */
static void direction_after(void)
{
	int session, fd = one_after("direction", 1, &session), outgoing, other;

	other = luo_memfd(0, 0);
	CHECK_EQ(luo_preserve(session, other, 2), -EINVAL);
	outgoing = luo_create(dev, "direction");
	CHECK(outgoing >= 0);
	CHECK_EQ(luo_preserve(outgoing, other, 2), 0);
	CHECK_EQ(luo_finish(outgoing), -EINVAL);
	CHECK_EQ(luo_retrieve(outgoing, 2), -EINVAL);
	/* Ordinary only once it is finished. */
	CHECK_EQ(luo_preserve(outgoing, fd, 3), -EBUSY);
	CHECK_EQ(luo_finish(session), 0);
	CHECK_EQ(luo_preserve(outgoing, fd, 3), 0);
	close(outgoing);
	close(other);
	close(session);
	close(fd);
}

/* Pitfalls 30 and 31: the owner of a session dies before it is done. */
static void owner_dies_before(void)
{
	int session = one_before("owner", 1, luo_memfd_filled(LUO_PAGE, 9));

	CHECK_EQ(luo_preserve(session, luo_memfd_filled(LUO_PAGE, 10), 2), 0);
}

static void owner_dies_after(void)
{
	int session, fd;

	if (!fork()) {
		fd = one_after("owner", 1, &session);
		_exit(failures);
	}
	wait(NULL);
	fd = one_after("owner", 1, &session);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 9));
	close(fd);
	fd = luo_retrieve(session, 2);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 10));
	end(session, fd);
}

/* Nobody wants the file any more. */
static void discard_before(void)
{
	int session = one_before("discard", 1, luo_memfd_filled(4 * MB, 11));

	CHECK_EQ(luo_preserve(session, luo_memfd_filled(LUO_PAGE, 12), 2), 0);
}

static void discard_after(void)
{
	long before = luo_read_number(UNCLAIMED), freed;
	int session, fd = one_after("discard", 2, &session);

	CHECK_EQ(luo_finish(session), -EBUSY);
	CHECK_EQ(luo_unpreserve(session, 3), -ENOENT);
	CHECK_EQ(luo_unpreserve(session, 2), -EBUSY);
	CHECK_EQ(luo_unpreserve(session, 1), 0);
	CHECK_EQ(luo_retrieve(session, 1), -ENOENT);
	end(session, fd);
	freed = before - luo_read_number(UNCLAIMED);
	CHECK(freed >= (long)(4 * MB / LUO_PAGE));
}

/* Pitfall 3: a retrieval that failed fails the same way again. */
static void failed_before(void)
{
	int fd = open("/dev/liveupdate_test", O_RDWR), session;
	uint64_t number = 4711;

	CHECK_EQ(write(fd, &number, sizeof(number)), sizeof(number));
	session = one_before("failed", 1, fd);
	fd = open("/dev/liveupdate_test", O_RDWR);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
}

static void failed_after(void)
{
	int session = luo_retrieve_session(dev, "failed"), fd;
	uint64_t number = 0;

	/* Pitfall 32: out of memory is not for ever. */
	CHECK_EQ(luo_write(TEST_FAIL, "retrieve:12"), 0);
	CHECK_EQ(luo_retrieve(session, 1), -ENOMEM);
	fd = luo_retrieve(session, 1);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, &number, sizeof(number)), sizeof(number));
	CHECK_EQ(number, 4711);
	CHECK_EQ(luo_write(TEST_FAIL, "retrieve:5"), 0);
	CHECK_EQ(luo_retrieve(session, 2), -EIO);
	CHECK_EQ(luo_retrieve(session, 2), -EIO);
	CHECK_EQ(luo_finish(session), -EBUSY);
	CHECK_EQ(luo_unpreserve(session, 2), 0);
	end(session, fd);
}

/* A session that nobody asks for: it is kept, and so is its memory. */
static void unclaimed_before(void)
{
	one_before("unclaimed", 1, luo_memfd_filled(2 * MB, 13));
}

static void unclaimed_after(void)
{
	int session, fd;

	close(dev);
	dev = luo_open();
	CHECK(dev >= 0);
	CHECK(luo_read_number(UNCLAIMED) >= (long)(2 * MB / LUO_PAGE));
	fd = one_after("unclaimed", 1, &session);
	CHECK(luo_file_is_filled(fd, 0, 2 * MB, 13));
	end(session, fd);
	/* All other scenarios are done: what is left are the tables of KHO and LUO. */
	CHECK(luo_read_number(UNCLAIMED) <= 2);
}

static const struct scenario {
	const char *name;
	void (*before)(void);
	void (*after)(void);
} scenarios[] = {
	{ "memfd_pitfall_1", memfd_before, memfd_after },
	{ "many_files_pitfall_5", many_files_before, many_files_after },
	{ "many_sessions_pitfall_28", many_sessions_before, many_sessions_after },
	{ "empty_files", empty_before, empty_after },
	{ "holes_pitfall_17", holes_before, holes_after },
	{ "fallocated_pitfall_2", fallocated_before, fallocated_after },
	{ "seals_pitfall_24", seals_before, seals_after },
	{ "thp_pitfall_16", thp_before, thp_after },
	{ "given_up", given_up_before, given_up_after },
	{ "direction_pitfall_8", direction_before, direction_after },
	{ "owner_dies_pitfall_30_31", owner_dies_before, owner_dies_after },
	{ "discard", discard_before, discard_after },
	{ "failed_retrieve_pitfall_3_32", failed_before, failed_after },
	/* Last: it looks at what the others have left. */
	{ "unclaimed", unclaimed_before, unclaimed_after },
};

#define NR_SCENARIOS	((int)ARRAY_SIZE(scenarios))

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	int stage, hops, i, bad = 0;
	char cmdline[1024];

	if (argc < 3) {
		fprintf(stderr, "usage: luo_kexec STAGE HOPS [OPTION]...\n");
		return 2;
	}
	stage = atoi(argv[1]);
	hops = atoi(argv[2]);
	setrlimit(RLIMIT_NOFILE, &limit);
	dev = luo_open();
	CHECK(dev >= 0);

	if (stage) {
		printf("KTAP version 1\n1..%d\n", NR_SCENARIOS);
		for (i = 0; i < NR_SCENARIOS; i++) {
			failures = 0;
			scenarios[i].after();
			bad += !!failures;
			printf("%sok %d %s_hop_%d\n", failures ? "not " : "", i + 1,
			       scenarios[i].name, stage);
		}
	}
	if (stage == hops)
		return !!bad;

	failures = 0;
	for (i = 0; i < NR_SCENARIOS; i++)
		scenarios[i].before();
	if (failures)
		printf("not ok 0 prepare_stage_%d\n", stage);

	snprintf(cmdline, sizeof(cmdline),
		 "console=ttyS0 panic=-1 no_timer_check luo.mode=kexec luo.stage=%d luo.hops=%d",
		 stage + 1, hops);
	for (i = 3; i < argc; i++) {
		strncat(cmdline, " ", sizeof(cmdline) - strlen(cmdline) - 1);
		strncat(cmdline, argv[i], sizeof(cmdline) - strlen(cmdline) - 1);
	}
	CHECK_EQ(luo_kexec_load(cmdline), 0);

	/* Pitfall 7: a kexec that fails after the first file is frozen. */
	CHECK_EQ(luo_write(TEST_FAIL, "freeze:5:1"), 0);
	CHECK_EQ(luo_kexec(), -EIO);
	printf("%sok %d kexec_fails_first_pitfall_7_stage_%d\n", failures ? "not " : "",
	       NR_SCENARIOS + 1, stage);

	printf("# jump\n");
	CHECK_EQ(luo_kexec(), 0);
	printf("not ok 0 kexec_stage_%d\n", stage);
	return 1;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Live update across kexecs.
 *
 *	luo_kexec STAGE HOPS [OPTION]...
 *
 * Stage 0 prepares all scenarios and goes through a kexec into a kernel whose
 * command line says luo.stage=1; there all of them are checked, and prepared
 * again while there are hops left. The OPTIONs are for the next kernel's command
 * line. With luo.only=TEXT on the command line of the first kernel only the
 * scenarios with TEXT in their name are taken; with luo.only=none there is
 * nothing to hand over.
 * Results are KTAP. Sessions stay open until the kexec, and so do the processes
 * that have them.
 *
 * A number behind "pitfall" is one of the list of bugs that others had.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "luo_util.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	8U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC	0x20
#endif

#include "../kselftest.h"

#define MB		LUO_MB
#define MEMINFO		"/proc/meminfo"
#define UNCLAIMED	"/sys/kernel/debug/kho/in/unclaimed_pages"
#define TEST_FAIL	"/sys/module/luo_test_handler/parameters/fail"
#define TEST_DEVICE	"/dev/liveupdate_test"
#define THP		"/sys/kernel/mm/transparent_hugepage/"

/* The number of kexecs that it took to get here. */
static int stage;
static int dev;
static int failures;
/* Scenarios with this in their name, NULL for all. */
static const char *only;

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
	CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
	one_before("memfd", 42, fd);
	/* Pitfall 1: what is written once it is preserved. */
	CHECK_EQ(luo_file_fill(fd, 8 * MB, MB, 2), 0);
	CHECK_EQ(lseek(fd, 12345, SEEK_SET), 12345);
}

/* All of it is up to date and dirty, so that nothing is dropped under reclaim. */
static int is_safe(int fd, size_t size)
{
	const uint64_t safe = 1 << KPF_DIRTY | 1 << KPF_UPTODATE | 1 << KPF_SWAPBACKED;
	size_t i;

	for (i = 0; i < size; i += LUO_PAGE)
		if ((luo_page_flags(fd, i) & safe) != safe)
			return 0;
	return 1;
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
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(is_safe(fd, 10 * MB));

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
	/* What is behind the end is not a part of the file. */
	CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8 * LUO_PAGE, 8 * LUO_PAGE), 0);
	one_before("fallocated", 1, fd);
	CHECK_EQ(pwrite(fd, &byte, 1, 3 * LUO_PAGE + 5), 1);
}

static void fallocated_after(void)
{
	int session, fd = one_after("fallocated", 1, &session), i;
	char buf[8 * LUO_PAGE], byte = 'q';

	CHECK_EQ(luo_blocks(fd), 8 * LUO_PAGE / 512);
	CHECK(is_safe(fd, 8 * LUO_PAGE));
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
	fd = luo_memfd_filled(LUO_PAGE, 6);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	CHECK_EQ(luo_preserve(session, fd, 4), 0);
	fd = luo_memfd(LUO_PAGE, MFD_NOEXEC_SEAL);
	CHECK(fd >= 0);
	CHECK_EQ(luo_preserve(session, fd, 5), 0);
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
	close(fd);

	fd = luo_retrieve(session, 4);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_FUTURE_WRITE);
	CHECK_EQ(pwrite(fd, &byte, 1, 0), -1);
	CHECK(mmap(NULL, LUO_PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 6));
	close(fd);

	fd = luo_retrieve(session, 5);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_EXEC);
	CHECK_EQ(fchmod(fd, 0755), -1);
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

static int thp_memfd(const char *size, size_t bytes, uint64_t seed)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), THP "%sshmem_enabled", size);
	CHECK_EQ(luo_write(path, "always"), 0);
	fd = luo_memfd_filled(bytes, seed);
	CHECK_EQ(luo_write(path, "never"), 0);
	return fd;
}

/* Pitfall 16: large folios stay large, and are counted by the page. */
static void thp_before(void)
{
	long huge = meminfo("ShmemHugePages");
	int fd = thp_memfd("", 16 * MB, 6), session;

	CHECK_EQ(meminfo("ShmemHugePages") - huge, 16 * 1024);
	session = one_before("thp", 1, fd);
	/* One with small ones in it, and a hole. */
	fd = thp_memfd("", 6 * MB, 7);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   3 * MB, 4 * LUO_PAGE), 0);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
	/* One whose last one is behind the end as well. */
	fd = thp_memfd("", 3 * MB, 8);
	CHECK_EQ(luo_preserve(session, fd, 3), 0);
	/* Of 64 KiB. */
	fd = thp_memfd("hugepages-64kB/", MB, 9);
	CHECK(luo_page_flags(fd, 15 * LUO_PAGE) & (1 << KPF_COMPOUND_TAIL));
	CHECK_EQ(luo_preserve(session, fd, 4), 0);
}

static void thp_after(void)
{
	long before = meminfo("ShmemHugePages"), shmem = meminfo("Shmem");
	int session, fd = one_after("thp", 1, &session);
	char buf[4 * LUO_PAGE];
	size_t i;

	CHECK_EQ(meminfo("ShmemHugePages") - before, 16 * 1024);
	/* Counted in batches per CPU. */
	CHECK(labs(meminfo("Shmem") - shmem - 16 * 1024) < 1024);
	CHECK_EQ(luo_blocks(fd), 16 * MB / 512);
	CHECK(luo_file_is_filled(fd, 0, 16 * MB, 6));
	for (i = 0; i < 16 * MB; i += 2 * MB)
		CHECK(luo_page_flags(fd, i) & (1 << KPF_THP));
	CHECK(is_safe(fd, LUO_PAGE));
	/* A part of a large folio goes. */
	CHECK_EQ(ftruncate(fd, MB), 0);
	CHECK(luo_file_is_filled(fd, 0, MB, 6));
	CHECK_EQ(luo_blocks(fd), MB / 512);
	close(fd);

	fd = luo_retrieve(session, 2);
	CHECK(fd >= 0);
	CHECK_EQ(luo_blocks(fd), (6 * MB - 4 * LUO_PAGE) / 512);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 3 * MB);
	CHECK(luo_file_is_filled(fd, 0, 3 * MB, 7));
	CHECK_EQ(pread(fd, buf, sizeof(buf), 3 * MB), sizeof(buf));
	for (i = 0; i < sizeof(buf) && !buf[i]; i++)
		;
	CHECK_EQ(i, sizeof(buf));
	close(fd);

	fd = luo_retrieve(session, 3);
	CHECK(fd >= 0);
	CHECK_EQ(luo_size(fd), 3 * MB);
	CHECK(luo_file_is_filled(fd, 0, 3 * MB, 8));
	CHECK_EQ(ftruncate(fd, 4 * MB), 0);
	CHECK_EQ(pread(fd, buf, sizeof(buf), 3 * MB), sizeof(buf));
	for (i = 0; i < sizeof(buf) && !buf[i]; i++)
		;
	CHECK_EQ(i, sizeof(buf));
	close(fd);

	fd = luo_retrieve(session, 4);
	CHECK(fd >= 0);
	CHECK(luo_file_is_filled(fd, 0, MB, 9));
	CHECK(luo_page_flags(fd, 15 * LUO_PAGE) & (1 << KPF_COMPOUND_TAIL));
	CHECK_EQ(luo_blocks(fd), MB / 512);
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
	int fd = open(TEST_DEVICE, O_RDWR), session;
	uint64_t number = 4711;

	CHECK_EQ(write(fd, &number, sizeof(number)), sizeof(number));
	session = one_before("failed", 1, fd);
	fd = open(TEST_DEVICE, O_RDWR);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
}

static void failed_after(void)
{
	int session = luo_retrieve_session(dev, "failed"), fd;
	uint64_t number = 0;

	if (access(TEST_DEVICE, F_OK)) {
		CHECK_EQ(session, -EOPNOTSUPP);
		return;
	}
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

/* Pitfall 29: an answer that can't be written loses nothing. */
static void fault_before(void)
{
	one_before("fault", 1, luo_memfd_filled(2 * MB, 14));
}

static void fault_after(void)
{
	struct liveupdate_ioctl_retrieve_session *session_arg;
	struct liveupdate_session_retrieve_fd *fd_arg;
	int session, fd, i, before, after;
	void *mem;

	mem = mmap(NULL, LUO_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	session_arg = mem;
	fd_arg = mem + 2048;
	session_arg->size = sizeof(*session_arg);
	luo_set_name(session_arg->name, "fault");
	fd_arg->size = sizeof(*fd_arg);
	fd_arg->token = 1;
	CHECK_EQ(mprotect(mem, LUO_PAGE, PROT_READ), 0);
	before = dup(0);
	close(before);

	for (i = 0; i < 2; i++)
		CHECK_EQ(luo_ioctl(dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, session_arg),
			 -EFAULT);
	after = dup(0);
	close(after);
	CHECK_EQ(before, after);
	session = luo_retrieve_session(dev, "fault");
	CHECK(session >= 0);
	for (i = 0; i < 2; i++)
		CHECK_EQ(luo_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, fd_arg), -EFAULT);
	fd = luo_retrieve(session, 1);
	CHECK(fd >= 0);
	CHECK(luo_file_is_filled(fd, 0, 2 * MB, 14));
	close(session);
	/* It could be finished, so that was the end of it. */
	CHECK_EQ(luo_retrieve_session(dev, "fault"), -ENOENT);
	CHECK(luo_file_is_filled(fd, 0, 2 * MB, 14));
	close(fd);
	munmap(mem, LUO_PAGE);
}

/* Pitfall 32: each allocation fails, and it goes on from there. */
static void no_memory_before(void)
{
	int session = one_before("no memory", 1, luo_memfd_filled(MB, 15)), fd;

	CHECK_EQ(luo_preserve(session, thp_memfd("", 8 * MB, 16), 2), 0);
	fd = luo_memfd(1UL << 40, 0);
	CHECK_EQ(luo_file_fill(fd, 1UL << 39, MB, 17), 0);
	CHECK_EQ(luo_file_fill(fd, 1UL << 34, MB, 18), 0);
	CHECK_EQ(luo_preserve(session, fd, 3), 0);
	CHECK_EQ(luo_preserve(session, luo_memfd(0, 0), 4), 0);
	one_before("no memory to discard", 1, luo_memfd_filled(4 * MB, 15));
}

/* Ask until it works; how often it did not. */
static int insist(int (*ask)(int fd, uint64_t token), int fd, uint64_t token, int *result)
{
	int nth, injected;

	for (nth = 1; nth < 1000; nth++) {
		luo_fail_nth(nth);
		*result = ask(fd, token);
		injected = luo_has_failed();
		if (*result >= 0)
			return nth - 1;
		CHECK_EQ(*result, -ENOMEM);
		CHECK(injected);
		if (*result != -ENOMEM)
			break;
	}
	return -1;
}

static int ask_session(int fd, uint64_t token)
{
	return luo_retrieve_session(fd, token ? "no memory to discard" : "no memory");
}

static void no_memory_after(void)
{
	long before = luo_read_number(UNCLAIMED);
	int session, fd, total;

	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	total = insist(ask_session, dev, 0, &session);
	CHECK(total > 0);
	total += insist(luo_retrieve, session, 1, &fd);
	CHECK(luo_file_is_filled(fd, 0, MB, 15));
	CHECK_EQ(luo_blocks(fd), MB / 512);
	close(fd);
	total += insist(luo_retrieve, session, 2, &fd);
	CHECK(luo_file_is_filled(fd, 0, 8 * MB, 16));
	CHECK_EQ(luo_blocks(fd), 8 * MB / 512);
	close(fd);
	total += insist(luo_retrieve, session, 3, &fd);
	CHECK(luo_file_is_filled(fd, 1UL << 39, MB, 17));
	CHECK(luo_file_is_filled(fd, 1UL << 34, MB, 18));
	CHECK_EQ(luo_blocks(fd), 2 * MB / 512);
	close(fd);
	total += insist(luo_retrieve, session, 4, &fd);
	luo_fail_nth(1);
	CHECK_EQ(luo_finish(session), 0);
	luo_has_failed();
	end(session, fd);
	printf("# %d allocations failed\n", total);

	/* Half retrieved and then given up: nothing is lost. */
	insist(ask_session, dev, 1, &session);
	luo_fail_nth(12);
	fd = luo_retrieve(session, 1);
	luo_has_failed();
	if (fd >= 0) {
		close(fd);
		CHECK_EQ(luo_finish(session), 0);
	} else {
		CHECK_EQ(fd, -ENOMEM);
		CHECK_EQ(luo_unpreserve(session, 1), 0);
	}
	end(session, -1);
	CHECK(luo_log_was_clean());
	CHECK(before - luo_read_number(UNCLAIMED) >= (long)(15 * MB / LUO_PAGE));
}

/*
 * The way of a real one: luod makes the session and passes it on, the process
 * with the memory preserves it and writes until the jump. Of two numbers, the
 * second one follows the first one.
 */
static int pass_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {}, byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	if (fd < 0) {
		if (recvmsg(socket, &msg, 0) != 1)
			return -errno;
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
		return fd;
	}
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

#define WRITER_SIZE	(4 * MB)

static void writer(int socket)
{
	int session = pass_fd(socket, -1), fd = luo_memfd(WRITER_SIZE, 0), i;
	volatile uint64_t *first, *second;
	uint64_t count = 0;
	char *mem;

	mem = mmap(NULL, WRITER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 0; i < (int)(WRITER_SIZE / LUO_PAGE); i++)
		mem[i * LUO_PAGE + 8] = 1;
	i = luo_preserve(session, fd, 1);
	if (write(socket, &i, sizeof(i)) != sizeof(i))
		_exit(1);
	while (1) {
		size_t at = count * 7919 * LUO_PAGE % (WRITER_SIZE - LUO_PAGE);

		first = (uint64_t *)(mem + at / LUO_PAGE * LUO_PAGE);
		second = (uint64_t *)(mem + WRITER_SIZE - LUO_PAGE);
		*first = ++count;
		*second = count;
	}
}

static void writer_before(void)
{
	int sockets[2], session = luo_create(dev, "writer"), result = -1;

	CHECK(session >= 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	if (!fork()) {
		/* No other session is to live as long as this process. */
		dup2(sockets[1], 3);
		syscall(SYS_close_range, 4U, ~0U, 0U);
		writer(3);
	}
	CHECK_EQ(pass_fd(sockets[0], session), 0);
	CHECK_EQ(read(sockets[0], &result, sizeof(result)), sizeof(result));
	CHECK_EQ(result, 0);
	/* It is the writer's alone now. */
	close(session);
	CHECK_EQ(luo_create(dev, "writer"), -EEXIST);
}

static void writer_after(void)
{
	int session, fd = one_after("writer", 1, &session);
	uint64_t last, most = 0, value;
	size_t i;

	for (i = 0; i < WRITER_SIZE - LUO_PAGE; i += LUO_PAGE) {
		CHECK_EQ(pread(fd, &value, sizeof(value), i), sizeof(value));
		if (value > most)
			most = value;
	}
	CHECK_EQ(pread(fd, &last, sizeof(last), WRITER_SIZE - LUO_PAGE), sizeof(last));
	/* A machine with one CPU may have stopped it anywhere. */
	CHECK(most >= last);
	CHECK(most <= last + 1);
	CHECK(most > 1000);
	printf("# written %llu times until the jump\n", (unsigned long long)most);
	end(session, fd);
}

/* A word in each page of half of the memory; two nodes have a part in it. */
static void big_before(void)
{
	size_t size = meminfo("MemTotal") / 8 * LUO_PAGE, i;
	uint64_t *mem;
	int fd;

	if (size > 1536 * MB)
		size = 1536 * MB;
	fd = luo_memfd(size, 0);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	for (i = 0; i < size; i += LUO_PAGE)
		mem[i / 8 + i / LUO_PAGE % 512] = luo_word(19, i);
	munmap(mem, size);
	one_before("big", 1, fd);
	close(fd);
}

static void big_after(void)
{
	long before = meminfo("MemFree");
	int session, fd = one_after("big", 1, &session);
	size_t size = luo_size(fd), i;
	uint64_t *mem;

	CHECK(size >= 256 * MB);
	CHECK_EQ(luo_blocks(fd), (size + LUO_PAGE - 1) / LUO_PAGE * LUO_PAGE / 512);
	mem = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	for (i = 0; i < size; i += LUO_PAGE)
		if (mem[i / 8 + i / LUO_PAGE % 512] != luo_word(19, i))
			break;
	CHECK(i >= size);
	munmap(mem, size);
	end(session, fd);
	/* All of it is free now. */
	CHECK(meminfo("MemFree") - before > (long)(size / 1024 * 95 / 100));
}

/* The same file goes through all kernels. */
static int carried = -1;

static void carried_before(void)
{
	if (!stage)
		carried = thp_memfd("", 4 * MB + LUO_PAGE, 20);
	CHECK_EQ(luo_file_fill(carried, 4 * MB, LUO_PAGE, 21 + stage), 0);
	one_before("carried", 1, carried);
}

static void carried_after(void)
{
	int session;

	carried = one_after("carried", 1, &session);
	CHECK(luo_file_is_filled(carried, 0, 4 * MB, 20));
	CHECK(luo_file_is_filled(carried, 4 * MB, LUO_PAGE, 21 + stage - 1));
	CHECK(luo_page_flags(carried, 2 * MB) & (1 << KPF_THP));
	CHECK_EQ(luo_finish(session), 0);
	close(session);
}

#define NR_RETRIEVERS	8
#define NR_RETRIEVED	32

static void together_before(void)
{
	int session = luo_create(dev, "together"), i;

	for (i = 0; i < NR_RETRIEVED; i++)
		CHECK_EQ(luo_preserve(session, luo_memfd_filled(16 * LUO_PAGE, i), i), 0);
}

struct retriever {
	pthread_t thread;
	int session;
	int first;
	ino_t inodes[NR_RETRIEVED];
};

static void *retrieve_all(void *arg)
{
	struct retriever *retriever = arg;
	struct stat st;
	int i, at, fd;

	for (i = 0; i < NR_RETRIEVED; i++) {
		at = (retriever->first + i) % NR_RETRIEVED;
		fd = luo_retrieve(retriever->session, at);
		if (fd >= 0 && !fstat(fd, &st) &&
		    luo_file_is_filled(fd, 0, 16 * LUO_PAGE, at))
			retriever->inodes[at] = st.st_ino;
		close(fd);
		luo_finish(retriever->session);
	}
	return NULL;
}

/* Many ask for the same; each file comes back once, until it is finished. */
static void together_after(void)
{
	int session = luo_retrieve_session(dev, "together"), i, j, seen = 0;
	struct retriever retrievers[NR_RETRIEVERS] = {};

	CHECK(session >= 0);
	for (i = 0; i < NR_RETRIEVERS; i++) {
		retrievers[i].session = session;
		retrievers[i].first = i * NR_RETRIEVED / NR_RETRIEVERS;
		CHECK_EQ(pthread_create(&retrievers[i].thread, NULL, retrieve_all,
					&retrievers[i]), 0);
	}
	for (i = 0; i < NR_RETRIEVERS; i++)
		pthread_join(retrievers[i].thread, NULL);
	for (j = 0; j < NR_RETRIEVED; j++) {
		ino_t inode = 0;

		for (i = 0; i < NR_RETRIEVERS; i++) {
			if (!retrievers[i].inodes[j])
				continue;
			CHECK(!inode || inode == retrievers[i].inodes[j]);
			inode = retrievers[i].inodes[j];
		}
		seen += !!inode;
	}
	CHECK_EQ(seen, NR_RETRIEVED);
	end(session, -1);
}

/* Pitfall 18: a file of a type that this kernel does not know. */
static void unknown_type_before(void)
{
	int session = one_before("unknown type", 1, luo_memfd_filled(MB, 22));

	CHECK_EQ(luo_preserve(session, open(TEST_DEVICE, O_RDWR), 2), 0);
}

static void unknown_type_after(void)
{
	long before = luo_read_number(UNCLAIMED);
	int session, fd;

	if (!access(TEST_DEVICE, F_OK)) {
		fd = one_after("unknown type", 1, &session);
		CHECK(luo_file_is_filled(fd, 0, MB, 22));
		close(fd);
		fd = luo_retrieve(session, 2);
		end(session, fd);
		return;
	}
	CHECK_EQ(luo_retrieve_session(dev, "unknown type"), -EOPNOTSUPP);
	CHECK_EQ(luo_retrieve_session(dev, "unknown type"), -EOPNOTSUPP);
	/* Its memory is kept; the table of files was read and given back. */
	CHECK(before - luo_read_number(UNCLAIMED) <= 1);
	CHECK(luo_read_number(UNCLAIMED) >= (long)(MB / LUO_PAGE));
}

/* Not finished before the next kexec: it ends there. */
static void left_behind_before(void)
{
	char name[32];

	snprintf(name, sizeof(name), "left behind by %d", stage);
	one_before(name, 1, luo_memfd_filled(MB, 23));
	one_before("left behind", 1, luo_memfd_filled(MB, 23));
}

static void left_behind_after(void)
{
	int session, fd, i;
	char name[32];

	for (i = 0; i < stage - 1; i++) {
		snprintf(name, sizeof(name), "left behind by %d", i);
		CHECK_EQ(luo_retrieve_session(dev, name), -ENOENT);
	}
	/* Retrieved, but neither finished nor closed. */
	snprintf(name, sizeof(name), "left behind by %d", stage - 1);
	fd = one_after(name, 1, &session);
	CHECK(luo_file_is_filled(fd, 0, MB, 23));
	CHECK(luo_read_number(UNCLAIMED) >= (long)(MB / LUO_PAGE));
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
	if (!only && !access(TEST_DEVICE, F_OK))
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
	{ "fault_pitfall_29", fault_before, fault_after },
	{ "no_memory_pitfall_32", no_memory_before, no_memory_after },
	{ "writer_pitfall_1", writer_before, writer_after },
	{ "carried_on", carried_before, carried_after },
	{ "together", together_before, together_after },
	{ "unknown_type_pitfall_18", unknown_type_before, unknown_type_after },
	{ "big_pitfall_26", big_before, big_after },
	/* These two look at what the others have left. */
	{ "unclaimed", unclaimed_before, unclaimed_after },
	{ "left_behind", left_behind_before, left_behind_after },
};

#define NR_SCENARIOS	((int)ARRAY_SIZE(scenarios))

static int number;

static void result(const char *name)
{
	printf("%sok %d %s_%s_%d\n", failures ? "not " : "", ++number, name,
	       stage ? "hop" : "stage", stage);
	fflush(stdout);
	failures = 0;
}

/* What follows NAME on the kernel's command line, NULL if it is not there. */
static const char *kernel_option(const char *name)
{
	static char line[2048];
	FILE *file = fopen("/proc/cmdline", "re");
	char *at = NULL;

	if (file && fgets(line, sizeof(line), file))
		at = strstr(line, name);
	if (file)
		fclose(file);
	if (!at)
		return NULL;
	at += strlen(name);
	at[strcspn(at, " \n")] = '\0';
	return at;
}

static int is_selected(int i)
{
	return !only || strstr(scenarios[i].name, only);
}

/* In the new kernel. 0 if everything is as it should be. */
static int check_all(int planned)
{
	int i, bad = 0;

	printf("KTAP version 1\n1..%d\n", planned);
	for (i = 0; i < NR_SCENARIOS; i++) {
		if (!is_selected(i))
			continue;
		scenarios[i].after();
		bad += failures;
		result(scenarios[i].name);
	}
	if (!planned) {
		/* Nothing was handed over. */
		CHECK_EQ(luo_retrieve_session(dev, "memfd"), -ENOENT);
		bad += failures;
		result("kexec_without_sessions");
	}
	return bad;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	int hops, i, bad = 0, selected = 0;
	char cmdline[1024];

	if (argc < 3) {
		fprintf(stderr, "usage: luo_kexec STAGE HOPS [OPTION]...\n");
		return 2;
	}
	stage = atoi(argv[1]);
	hops = atoi(argv[2]);
	only = kernel_option("luo.only=");
	if (only)
		only = strdup(only);
	for (i = 0; i < NR_SCENARIOS; i++)
		selected += is_selected(i);
	setrlimit(RLIMIT_NOFILE, &limit);
	dev = luo_open();
	if (stage && dev < 0 && (kernel_option("kho=off") || kernel_option("liveupdate=off"))) {
		CHECK_EQ(dev, -ENOENT);
		result("there_is_no_live_update");
		return 0;
	}
	CHECK(dev >= 0);

	if (stage)
		bad = check_all(selected);
	if (stage == hops)
		return !!bad;

	failures = 0;
	for (i = 0; i < NR_SCENARIOS; i++)
		if (is_selected(i))
			scenarios[i].before();
	result("prepare");

	snprintf(cmdline, sizeof(cmdline),
		 "console=ttyS0 panic=-1 no_timer_check luo.mode=kexec luo.stage=%d luo.hops=%d%s%s",
		 stage + 1, hops, only ? " luo.only=" : "", only ?: "");
	for (i = 3; i < argc; i++) {
		strncat(cmdline, " ", sizeof(cmdline) - strlen(cmdline) - 1);
		strncat(cmdline, argv[i], sizeof(cmdline) - strlen(cmdline) - 1);
	}
	CHECK_EQ(luo_kexec_load(cmdline), 0);

	/* Pitfall 7: a kexec that fails after the first file is frozen. */
	if (!only) {
		CHECK_EQ(luo_write(TEST_FAIL, "freeze:5:1"), 0);
		CHECK_EQ(luo_kexec(), -EIO);
		result("kexec_fails_first_pitfall_7");
	}

	printf("# jump\n");
	CHECK_EQ(luo_kexec(), 0);
	result("kexec");
	return 1;
}

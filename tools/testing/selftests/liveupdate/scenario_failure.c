// SPDX-License-Identifier: GPL-2.0
/*
 * Retrievals that fail, and what works after that.
 */
#define _GNU_SOURCE
#include "luo_fault.h"
#include "luo_hugetlb.h"
#include "luo_spare.h"

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

/*
 * What can be retrieved in spite of a failure has copies; where debug options allocate for
 * themselves, that is often. The second kind is large.
 */
#define NR_COPIES(_kind)	((_kind) == 2 ? 24 : 48)
/* Tokens of copies, of each kind. */
#define COPIES(_kind)	(100 * (_kind))

static int sparse_memfd(size_t size)
{
	int fd = luo_memfd(1UL << 40, 0);

	CHECK_EQ(luo_file_fill(fd, 1UL << 39, size, 17), 0);
	CHECK_EQ(luo_file_fill(fd, 1UL << 34, size, 18), 0);
	return fd;
}

/* Its own session: the next kernel may not know what a test device is. */
static void device_before(void)
{
	int fd = open(TEST_DEVICE, O_RDWR), session, i;
	uint64_t number = 4712;

	if (fd < 0)
		return;
	CHECK_EQ(write(fd, &number, sizeof(number)), sizeof(number));
	session = one_before("no memory, device", 5, fd);
	for (i = 0; i < NR_COPIES(5); i++)
		CHECK_EQ(luo_preserve(session, open(TEST_DEVICE, O_RDWR), COPIES(5) + i), 0);
}

static void fill_small(int session, int number)
{
	CHECK_EQ(luo_preserve(session, luo_memfd_filled(4 * LUO_PAGE, number), SPARE_TOKEN(0)), 0);
}

static bool small_is_whole(int fd, int number)
{
	return luo_file_is_filled(fd, 0, 4 * LUO_PAGE, number);
}

static struct spare small = {
	.name = "memfd", .nr = 40, .nr_files = 1, .fill = fill_small,
	.is_whole = small_is_whole, .pages = 5,
};

#define NR_MANY		3

static void fill_many(int session, int number)
{
	int i;

	for (i = 0; i < NR_MANY; i++)
		CHECK_EQ(luo_preserve(session, luo_memfd(number * LUO_PAGE, 0), SPARE_TOKEN(i)), 0);
}

static bool many_is_whole(int fd, int number)
{
	return luo_size(fd) == number * (off_t)LUO_PAGE;
}

static struct spare many = {
	.name = "many memfds", .nr = 80, .nr_files = NR_MANY, .fill = fill_many,
	.is_whole = many_is_whole, .pages = NR_MANY + 1,
};

/* Pitfall 32: whatever can fail does, one by one, and it goes on from there. */
static void no_memory_before(void)
{
	int session = one_before("no memory", 1, luo_memfd_filled(MB, 15)), i;

	CHECK_EQ(luo_preserve(session, thp_memfd(8 * MB, 16), 2), 0);
	CHECK_EQ(luo_preserve(session, sparse_memfd(MB), 3), 0);
	CHECK_EQ(luo_preserve(session, luo_memfd(0, 0), 4), 0);
	for (i = 0; i < NR_COPIES(2); i++)
		CHECK_EQ(luo_preserve(session, thp_memfd(2 * MB, i), COPIES(2) + i), 0);
	for (i = 0; i < NR_COPIES(1); i++) {
		CHECK_EQ(luo_preserve(session, luo_memfd_filled(LUO_PAGE, i), COPIES(1) + i), 0);
		CHECK_EQ(luo_preserve(session, sparse_memfd(LUO_PAGE), COPIES(3) + i), 0);
		CHECK_EQ(luo_preserve(session, luo_memfd(0, 0), COPIES(4) + i), 0);
	}
	device_before();
	spare_before(&small);
	spare_before(&many);
}

/*
 * Ask until it works. Nothing that fails may take anything away. What can do
 * without something goes on with a copy.
 */
static int insist(const char *what, int session, uint64_t token)
{
	int nth, result, copy = 0, hits = 0;
	uint64_t asked = token;
	long unclaimed, fds;
	bool hit = true;

	for (nth = 1; hit && nth < 1000; nth++) {
		unclaimed = luo_read_number(UNCLAIMED);
		fds = luo_count_fds();
		luo_fail_nth(nth);
		result = luo_retrieve(session, asked);
		hit = luo_has_failed();
		hits += hit;
		if (result < 0) {
			CHECK(luo_is_fault(result));
			CHECK(hit);
			CHECK_EQ(luo_count_fds(), fds);
			/* A file that was taken in part is so still, but not lost. */
			CHECK(luo_read_number(UNCLAIMED) <= unclaimed);
		} else if (hit) {
			if (copy == NR_COPIES(token))
				break;
			close(result);
			asked = COPIES(token) + copy++;
		}
	}
	printf("# %s: %d points hit\n", what, hits);
	/* Only the last pass is one without a failure. */
	CHECK(hits > 0 && !hit);
	if (asked == token)
		return result;
	if (result >= 0)
		close(result);
	return luo_retrieve(session, token);
}

/* The copies that were not needed; each is retrieved if it was not yet. */
static void retrieve_copies(int session, int kind)
{
	int i, fd;

	for (i = 0; i < NR_COPIES(kind); i++) {
		fd = luo_retrieve(session, COPIES(kind) + i);
		CHECK(fd >= 0);
		if (kind <= 2)
			CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, i));
		if (kind == 3)
			CHECK(luo_file_is_filled(fd, 1UL << 39, LUO_PAGE, 17));
		close(fd);
	}
}

static void device_after(void)
{
	int session, fd;
	uint64_t number = 0;

	if (access(TEST_DEVICE, F_OK))
		return;
	session = luo_retrieve_session(dev, "no memory, device");
	CHECK(session >= 0);
	fd = insist("retrieve a test device", session, 5);
	CHECK_EQ(read(fd, &number, sizeof(number)), sizeof(number));
	CHECK_EQ(number, 4712);
	close(fd);
	retrieve_copies(session, 5);
	end(session, -1);
}

static void no_memory_after(void)
{
	long before = luo_read_number(UNCLAIMED);
	int session, fd, kind;

	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	spare_sweep(&many, SPARE_CLAIM);
	session = luo_retrieve_session(dev, "no memory");
	CHECK(session >= 0);
	fd = insist("retrieve a memfd", session, 1);
	CHECK(luo_file_is_filled(fd, 0, MB, 15));
	CHECK_EQ(luo_blocks(fd), MB / 512);
	close(fd);
	fd = insist("retrieve a memfd in huge pages", session, 2);
	CHECK(luo_file_is_filled(fd, 0, 8 * MB, 16));
	CHECK_EQ(luo_blocks(fd), 8 * MB / 512);
	close(fd);
	fd = insist("retrieve a sparse memfd", session, 3);
	CHECK(luo_file_is_filled(fd, 1UL << 39, MB, 17));
	CHECK(luo_file_is_filled(fd, 1UL << 34, MB, 18));
	CHECK_EQ(luo_blocks(fd), 2 * MB / 512);
	close(fd);
	close(insist("retrieve an empty memfd", session, 4));
	for (kind = 1; kind <= 4; kind++)
		retrieve_copies(session, kind);
	end(session, -1);
	device_after();

	spare_sweep_ends(&small);
	spare_end(&many);
	CHECK(before - luo_read_number(UNCLAIMED) >= (long)(11 * MB / LUO_PAGE) +
	      small.nr * small.pages + many.nr * many.pages);
}

/* A page, a hole with a reservation, and one more page. */
#define POOL_NR		48
#define POOL_PAGES	3
#define POOL_FREE	8

static void fill_pool(int session, int number)
{
	int fd = luo_memfd(POOL_PAGES * LUO_2MB, LUO_MFD_2MB);
	char *mem = mmap(NULL, POOL_PAGES * LUO_2MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(mem != MAP_FAILED);
	luo_fill(mem, LUO_PAGE, number);
	luo_fill(mem + 2 * LUO_2MB, LUO_PAGE, number + 1);
	munmap(mem, POOL_PAGES * LUO_2MB);
	CHECK_EQ(luo_preserve(session, fd, SPARE_TOKEN(0)), 0);
	close(fd);
}

static bool pool_is_whole(int fd, int number)
{
	char *mem = mmap(NULL, POOL_PAGES * LUO_2MB, PROT_READ, MAP_SHARED, fd, 0);
	bool whole;

	if (mem == MAP_FAILED)
		return false;
	whole = luo_is_filled(mem, LUO_PAGE, number) &&
		luo_is_filled(mem + 2 * LUO_2MB, LUO_PAGE, number + 1);
	munmap(mem, POOL_PAGES * LUO_2MB);
	return whole && luo_blocks(fd) == 2 * (long)LUO_2MB / 512 &&
	       luo_pool_number(LUO_2MB, -1, "resv_hugepages") == 1;
}

static struct spare pool = {
	.name = "memfd in huge pages", .nr = POOL_NR, .nr_files = 1, .fill = fill_pool,
	.is_whole = pool_is_whole, .pages = 1024,
};

static void pool_before(void)
{
	CHECK_EQ(luo_pool_set(LUO_2MB, "nr_hugepages", POOL_NR * POOL_PAGES), 0);
	spare_before(&pool);
}

static void pool_after(void)
{
	struct luo_pool now;

	CHECK_EQ(luo_pool_set(LUO_2MB, "nr_hugepages", POOL_FREE), 0);
	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	spare_sweep(&pool, SPARE_RETRIEVE);
	spare_sweep_ends(&pool);
	/* None of them is lost. */
	CHECK(luo_pool_read(LUO_2MB, &now));
	CHECK_EQ(now.total, POOL_FREE + 2 * POOL_NR);
	CHECK_EQ(now.free, now.total);
	CHECK_EQ(now.reserved, 0);
	CHECK_EQ(luo_pool_set(LUO_2MB, "nr_hugepages", 0), 0);
}

const struct scenario failure_scenarios[] = {
	{ "failed_retrieve_pitfall_3_32", failed_before, failed_after },
	{ "fault_pitfall_29", fault_before, fault_after },
	{ "no_memory_pitfall_32", no_memory_before, no_memory_after },
	{ "pool_without_memory_pitfall_32", pool_before, pool_after, .special = 1 },
	{}
};

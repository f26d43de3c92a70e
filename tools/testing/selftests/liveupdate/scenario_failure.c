// SPDX-License-Identifier: GPL-2.0
/*
 * Retrievals that fail, and what works after that.
 */
#define _GNU_SOURCE
#include "luo_fault.h"
#include "luo_scenario.h"

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

/* What can be done only once is done to many. */
#define NR_SPARE	40
#define NR_COPIES	24
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
	for (i = 0; i < NR_COPIES; i++)
		CHECK_EQ(luo_preserve(session, open(TEST_DEVICE, O_RDWR), COPIES(5) + i), 0);
}

/* Pitfall 32: whatever can fail does, one by one, and it goes on from there. */
static void no_memory_before(void)
{
	int session = one_before("no memory", 1, luo_memfd_filled(MB, 15)), i;
	char name[32];

	CHECK_EQ(luo_preserve(session, thp_memfd(8 * MB, 16), 2), 0);
	CHECK_EQ(luo_preserve(session, sparse_memfd(MB), 3), 0);
	CHECK_EQ(luo_preserve(session, luo_memfd(0, 0), 4), 0);
	for (i = 0; i < NR_COPIES; i++) {
		CHECK_EQ(luo_preserve(session, luo_memfd_filled(LUO_PAGE, i), COPIES(1) + i), 0);
		CHECK_EQ(luo_preserve(session, thp_memfd(2 * MB, i), COPIES(2) + i), 0);
		CHECK_EQ(luo_preserve(session, sparse_memfd(LUO_PAGE), COPIES(3) + i), 0);
		CHECK_EQ(luo_preserve(session, luo_memfd(0, 0), COPIES(4) + i), 0);
	}
	device_before();
	for (i = 1; i <= NR_SPARE; i++) {
		snprintf(name, sizeof(name), "spare %d", i);
		one_before(name, 1, luo_memfd_filled(4 * LUO_PAGE, i));
	}
}

/*
 * Ask until it works. Nothing that fails may take anything away. What can do
 * without something goes on with a copy.
 */
static int insist(const char *what, int (*ask)(int fd, uint64_t token), int fd, uint64_t token)
{
	int nth, result, copy = 0, hits = 0;
	uint64_t asked = token;
	long unclaimed, fds;
	bool hit = true;

	for (nth = 1; hit && nth < 1000; nth++) {
		unclaimed = luo_read_number(UNCLAIMED);
		fds = luo_count_fds();
		luo_fail_nth(nth);
		result = ask(fd, asked);
		hit = luo_has_failed();
		hits += hit;
		if (result < 0) {
			CHECK(luo_is_fault(result));
			CHECK(hit);
			CHECK_EQ(luo_count_fds(), fds);
			/* A file that was taken in part is so still, but not lost. */
			CHECK(luo_read_number(UNCLAIMED) <= unclaimed);
		} else if (hit) {
			if (!token || copy == NR_COPIES)
				break;
			close(result);
			asked = COPIES(token) + copy++;
		}
	}
	printf("# %s: %d points hit\n", what, hits);
	CHECK(hits > 0 && nth < 1000);
	if (asked == token)
		return result;
	if (!hit)
		close(result);
	return ask(fd, token);
}

/* The copies that were not needed; each is retrieved if it was not yet. */
static void retrieve_copies(int session, int kind)
{
	int i, fd;

	for (i = 0; i < NR_COPIES; i++) {
		fd = luo_retrieve(session, COPIES(kind) + i);
		CHECK(fd >= 0);
		if (kind <= 2)
			CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, i));
		if (kind == 3)
			CHECK(luo_file_is_filled(fd, 1UL << 39, LUO_PAGE, 17));
		close(fd);
	}
}

static int ask_session(int fd, uint64_t token)
{
	return luo_retrieve_session(fd, "no memory");
}

static void device_after(void)
{
	int session, fd;
	uint64_t number = 0;

	if (access(TEST_DEVICE, F_OK))
		return;
	session = luo_retrieve_session(dev, "no memory, device");
	CHECK(session >= 0);
	fd = insist("retrieve a test device", luo_retrieve, session, 5);
	CHECK_EQ(read(fd, &number, sizeof(number)), sizeof(number));
	CHECK_EQ(number, 4712);
	close(fd);
	retrieve_copies(session, 5);
	end(session, -1);
}

static int finish(int session)
{
	return luo_finish(session);
}

static int discard(int session)
{
	return luo_unpreserve(session, 1);
}

static int close_session(int session)
{
	return close(session);
}

/* One point further with each of the spare ones. Returns the last one used. */
static int one_by_one(const char *what, int (*ask)(int session), bool retrieve, int spare)
{
	int session, fd, err, nth = 0;
	bool hit = true;
	long unclaimed;
	char name[32];

	while (hit && ++spare <= NR_SPARE) {
		unclaimed = luo_read_number(UNCLAIMED);
		snprintf(name, sizeof(name), "spare %d", spare);
		session = luo_retrieve_session(dev, name);
		CHECK(session >= 0);
		fd = retrieve ? luo_retrieve(session, 1) : -1;
		luo_fail_nth(++nth);
		err = ask(session);
		hit = luo_has_failed();
		if (err) {
			CHECK(hit && luo_is_fault(err));
			CHECK_EQ(ask(session), 0);
		}
		if (retrieve)
			CHECK(luo_file_is_filled(fd, 0, 4 * LUO_PAGE, spare));
		close(fd);
		if (ask != close_session) {
			CHECK_EQ(luo_finish(session), 0);
			close(session);
		}
		CHECK_EQ(luo_retrieve_session(dev, name), -ENOENT);
		/* All of its memory is ordinary again, and what told of it. */
		CHECK(unclaimed - luo_read_number(UNCLAIMED) > 4);
	}
	CHECK(!hit);
	printf("# %s: %d points hit\n", what, nth - 1);
	return spare;
}

static void no_memory_after(void)
{
	long before = luo_read_number(UNCLAIMED);
	int session, fd, spare, kind;

	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	session = insist("retrieve a session", ask_session, dev, 0);
	fd = insist("retrieve a memfd", luo_retrieve, session, 1);
	CHECK(luo_file_is_filled(fd, 0, MB, 15));
	CHECK_EQ(luo_blocks(fd), MB / 512);
	close(fd);
	fd = insist("retrieve a memfd in huge pages", luo_retrieve, session, 2);
	CHECK(luo_file_is_filled(fd, 0, 8 * MB, 16));
	CHECK_EQ(luo_blocks(fd), 8 * MB / 512);
	close(fd);
	fd = insist("retrieve a sparse memfd", luo_retrieve, session, 3);
	CHECK(luo_file_is_filled(fd, 1UL << 39, MB, 17));
	CHECK(luo_file_is_filled(fd, 1UL << 34, MB, 18));
	CHECK_EQ(luo_blocks(fd), 2 * MB / 512);
	close(fd);
	close(insist("retrieve an empty memfd", luo_retrieve, session, 4));
	for (kind = 1; kind <= 4; kind++)
		retrieve_copies(session, kind);
	end(session, -1);
	device_after();

	spare = one_by_one("finish", finish, true, 0);
	spare = one_by_one("close a session", close_session, true, spare);
	spare = one_by_one("discard", discard, false, spare);
	CHECK(before - luo_read_number(UNCLAIMED) >= (long)(11 * MB / LUO_PAGE) + spare * 4);
	CHECK(luo_log_was_clean());
	luo_watch_races("on");
	while (++spare <= NR_SPARE) {
		char name[32];

		snprintf(name, sizeof(name), "spare %d", spare);
		fd = one_after(name, 1, &session);
		CHECK(luo_file_is_filled(fd, 0, 4 * LUO_PAGE, spare));
		end(session, fd);
	}
}

const struct scenario failure_scenarios[] = {
	{ "failed_retrieve_pitfall_3_32", failed_before, failed_after },
	{ "fault_pitfall_29", fault_before, fault_after },
	{ "no_memory_pitfall_32", no_memory_before, no_memory_after },
	{}
};

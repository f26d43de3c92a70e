// SPDX-License-Identifier: GPL-2.0
/*
 * Retrievals that fail, and what works after that.
 */
#define _GNU_SOURCE
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

/* Pitfall 32: each allocation fails, and it goes on from there. */
static void no_memory_before(void)
{
	int session = one_before("no memory", 1, luo_memfd_filled(MB, 15)), fd;

	CHECK_EQ(luo_preserve(session, thp_memfd(8 * MB, 16), 2), 0);
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

const struct scenario failure_scenarios[] = {
	{ "failed_retrieve_pitfall_3_32", failed_before, failed_after },
	{ "fault_pitfall_29", fault_before, fault_after },
	{ "no_memory_pitfall_32", no_memory_before, no_memory_after },
	{}
};

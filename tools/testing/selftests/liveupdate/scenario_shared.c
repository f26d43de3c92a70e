// SPDX-License-Identifier: GPL-2.0
/*
 * What files share (FLB), and files that need another one, across a kexec.
 */
#define _GNU_SOURCE
#include "luo_observe.h"
#include "luo_scenario.h"

/* A file of the test device, and a memfd that it needs. */
static int couple_before(const char *name, uint64_t seed)
{
	int fd = open(TEST_DEVICE, O_RDWR), memfd = luo_memfd_filled(MB, seed);
	int session;

	CHECK_EQ(ioctl(fd, TEST_SET_PEER, memfd), 0);
	session = one_before(name, 1, fd);
	CHECK_EQ(luo_preserve(session, memfd, 2), 0);
	return session;
}

static void needed_before(void)
{
	couple_before("needed", 31);
	couple_before("needed, first", 32);
	couple_before("needed, given up", 33);
}

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static void needed_after(void)
{
	int session, fd, peer, memfd;

	if (access(TEST_DEVICE, F_OK))
		return;
	/* It is the same file, whoever asks first. */
	fd = one_after("needed", 1, &session);
	peer = ioctl(fd, TEST_GET_PEER);
	CHECK(peer >= 0);
	CHECK(luo_file_is_filled(peer, 0, MB, 31));
	/* Pitfall 30: nobody has asked for that one yet. */
	CHECK_EQ(luo_finish(session), -EBUSY);
	close(session);
	session = luo_retrieve_session(dev, "needed");
	memfd = luo_retrieve(session, 2);
	CHECK_EQ(inode_of(memfd), inode_of(peer));
	CHECK_EQ(luo_retrieve(session, 1) >= 0, 1);
	end(session, fd);
	close(peer);
	close(memfd);

	memfd = one_after("needed, first", 2, &session);
	fd = luo_retrieve(session, 1);
	peer = ioctl(fd, TEST_GET_PEER);
	CHECK_EQ(inode_of(memfd), inode_of(peer));
	end(session, fd);
	close(peer);
	close(memfd);

	fd = one_after("needed, given up", 1, &session);
	CHECK_EQ(luo_unpreserve(session, 2), 0);
	CHECK_EQ(luo_retrieve(session, 2), -ENOENT);
	end(session, -1);
	peer = ioctl(fd, TEST_GET_PEER);
	CHECK(luo_file_is_filled(peer, 0, MB, 33));
	close(peer);
	close(fd);
}

static void shared_before(void)
{
	one_before("shared 1", 1, open(TEST_DEVICE, O_RDWR));
	one_before("shared 2", 1, open(TEST_DEVICE, O_RDWR));
	/* one life, for all of the sessions that were made up to here */
	CHECK_EQ(luo_test_calls("flb_preserve") - luo_test_calls("flb_unpreserve"), 1);
}

/* The files of all other scenarios are finished; most did not ask for it. */
static void shared_after(void)
{
	static const char * const events[] = {
		"luo_flb_retrieve: flb=luo-test-flb-v1 ret=-12 ns=",
		"luo_flb_retrieve: flb=luo-test-flb-v1 ret=0 ns=",
		"luo_flb_finish: flb=luo-test-flb-v1 ret=0 ns=",
	};
	int session, fd;

	if (access(TEST_DEVICE, F_OK))
		return;
	CHECK_EQ(luo_trace_events(true), 0);
	CHECK_EQ(luo_test_calls("flb_retrieve"), 0);
	CHECK_EQ(luo_write(TEST_FAIL, "flb_retrieve:12"), 0);
	CHECK_EQ(luo_read_number(TEST_FLB_IN), -1);
	CHECK_EQ(luo_read_number(TEST_FLB_IN), 1000 + stage - 1);
	CHECK_EQ(luo_test_calls("flb_retrieve"), 2);

	fd = one_after("shared 1", 1, &session);
	end(session, fd);
	CHECK_EQ(luo_test_calls("flb_finish"), 0);
	CHECK(luo_read_number(TEST_FLB_IN) >= 0);
	fd = one_after("shared 2", 1, &session);
	CHECK_EQ(luo_test_calls("flb_finish"), 0);
	end(session, fd);
	CHECK_EQ(luo_test_calls("flb_finish"), 1);
	CHECK_EQ(luo_read_number(TEST_FLB_IN), -1);
	CHECK_EQ(luo_trace_events(false), 0);
	check_trace(events, ARRAY_SIZE(events));
}

const struct scenario shared_scenarios[] = {
	{ "needed_file_pitfall_30", needed_before, needed_after },
	/* behind all others with such files: it counts them */
	{ "shared_data_pitfall_33", shared_before, shared_after },
	{}
};

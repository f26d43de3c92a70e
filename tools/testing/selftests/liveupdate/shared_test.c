// SPDX-License-Identifier: GPL-2.0
/*
 * What files share (FLB), and files that need another one, without a kexec.
 */
#define _GNU_SOURCE
#include "luo_fixture.h"

/* Alive from the first file to the last one, over all sessions. */
TEST_F(luo, shared_by_sessions)
{
	int preserved = luo_test_calls("flb_preserve");
	int unpreserved = luo_test_calls("flb_unpreserve");
	int a = luo_create(self->dev, "a"), b = luo_create(self->dev, "b");
	int fds[3], i;

	for (i = 0; i < 3; i++) {
		fds[i] = open(TEST_DEVICE, O_RDWR);
		ASSERT_EQ(0, luo_preserve(i ? a : b, fds[i], i));
	}
	EXPECT_EQ(preserved + 1, luo_test_calls("flb_preserve"));
	close(a);
	EXPECT_EQ(unpreserved, luo_test_calls("flb_unpreserve"));
	EXPECT_EQ(0, luo_unpreserve(b, 0));
	EXPECT_EQ(unpreserved + 1, luo_test_calls("flb_unpreserve"));
	EXPECT_EQ(0, luo_preserve(b, fds[1], 0));
	EXPECT_EQ(preserved + 2, luo_test_calls("flb_preserve"));
	close(b);
	EXPECT_EQ(unpreserved + 2, luo_test_calls("flb_unpreserve"));
	for (i = 0; i < 3; i++)
		close(fds[i]);
}

/* If it can't be preserved, neither can the file; and the other way round. */
TEST_F(luo, shared_fails)
{
	int session = luo_create(self->dev, "s"), fd = open(TEST_DEVICE, O_RDWR);
	int files = luo_test_calls("preserve");
	int unpreserved = luo_test_calls("flb_unpreserve");

	ASSERT_EQ(0, luo_write(TEST_FAIL, "flb_preserve:28"));
	EXPECT_EQ(-ENOSPC, luo_preserve(session, fd, 1));
	EXPECT_EQ(files, luo_test_calls("preserve"));
	EXPECT_EQ(unpreserved, luo_test_calls("flb_unpreserve"));

	ASSERT_EQ(0, luo_write(TEST_FAIL, "preserve:5"));
	EXPECT_EQ(-EIO, luo_preserve(session, fd, 1));
	EXPECT_EQ(unpreserved + 1, luo_test_calls("flb_unpreserve"));
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	close(fd);
	close(session);
	EXPECT_EQ(unpreserved + 2, luo_test_calls("flb_unpreserve"));
}

/* A file whose other one would be missing in the next kernel stops the reboot. */
TEST_F(luo, needed_file_is_not_preserved)
{
	int session = luo_create(self->dev, "s"), other = luo_create(self->dev, "t");
	int fd = open(TEST_DEVICE, O_RDWR), memfd = luo_memfd_filled(LUO_PAGE, 1);

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	ASSERT_EQ(0, ioctl(fd, TEST_SET_PEER, memfd));
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	ASSERT_EQ(0, luo_kexec_load_kernel(""));
	EXPECT_EQ(-ENOENT, luo_kexec());
	/* of no use in another session */
	ASSERT_EQ(0, luo_preserve(other, memfd, 2));
	EXPECT_EQ(-ENOENT, luo_kexec());
	ASSERT_EQ(0, luo_unpreserve(other, 2));
	/* nor if it is not the file that is meant */
	ASSERT_EQ(0, luo_preserve(session, open(TEST_DEVICE, O_RDWR), 2));
	EXPECT_EQ(-ENOENT, luo_kexec());
	/* It was that alone: now another one stops it. */
	ASSERT_EQ(0, luo_preserve(session, memfd, 3));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5:1"));
	EXPECT_EQ(-EIO, luo_kexec());
	EXPECT_EQ(0, luo_kexec_unload());
	close(memfd);
	close(fd);
	close(other);
	close(session);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Live update as far as it goes without a kexec that succeeds. A number behind
 * "pitfall" is one of the list of bugs that others had.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/resource.h>

#include "luo_util.h"

#include "../kselftest_harness.h"

#define PRESERVED_PAGES	"/sys/kernel/debug/kho/out/preserved_pages"
#define TEST_FAIL	"/sys/module/luo_test_handler/parameters/fail"

FIXTURE(luo) {
	int dev;
	long preserved;
};

FIXTURE_SETUP(luo)
{
	self->dev = luo_open();
	ASSERT_GE(self->dev, 0);
	self->preserved = luo_read_number(PRESERVED_PAGES);
	ASSERT_GT(self->preserved, 0);
}

/* Whatever a test did, nothing of it is left. */
FIXTURE_TEARDOWN(luo)
{
	close(self->dev);
	EXPECT_EQ(self->preserved, luo_read_number(PRESERVED_PAGES));
}

TEST_F(luo, open_is_exclusive)
{
	EXPECT_EQ(-EBUSY, luo_open());
	close(self->dev);
	self->dev = luo_open();
	EXPECT_GE(self->dev, 0);
}

TEST_F(luo, unknown_command)
{
	int session = luo_create(self->dev, "s");

	ASSERT_GE(session, 0);
	EXPECT_EQ(-ENOTTY, luo_ioctl(self->dev, _IO(LIVEUPDATE_IOCTL_TYPE, 0x3f), NULL));
	EXPECT_EQ(-ENOTTY, luo_ioctl(self->dev, _IO('x', 0), NULL));
	EXPECT_EQ(-ENOTTY, luo_ioctl(self->dev, LIVEUPDATE_SESSION_FINISH, NULL));
	EXPECT_EQ(-ENOTTY, luo_ioctl(session, LIVEUPDATE_IOCTL_CREATE_SESSION, NULL));
	EXPECT_EQ(-ENOTTY, luo_ioctl(session, _IO(LIVEUPDATE_IOCTL_TYPE, 0x7f), NULL));
	close(session);
}

/* Short, exact, longer with a zero tail, longer with another tail, null. */
static void check_sizes(struct __test_metadata *_metadata, int fd,
			unsigned long cmd, const void *arg, size_t size, int expect)
{
	unsigned char buf[4096 + 64] = {};
	uint32_t *first = (uint32_t *)buf;

	memcpy(buf, arg, size);
	*first = size - 1;
	EXPECT_EQ(-EINVAL, luo_ioctl(fd, cmd, buf));
	*first = 0;
	EXPECT_EQ(-EINVAL, luo_ioctl(fd, cmd, buf));
	*first = size + 8;
	buf[size + 3] = 1;
	EXPECT_EQ(-E2BIG, luo_ioctl(fd, cmd, buf));
	buf[size + 3] = 0;
	EXPECT_EQ(expect, luo_ioctl(fd, cmd, buf));
	EXPECT_EQ(-EFAULT, luo_ioctl(fd, cmd, NULL));
}

TEST_F(luo, sizes)
{
	struct liveupdate_ioctl_create_session create = { .name = "new" };
	struct liveupdate_ioctl_retrieve_session retrieve = { .name = "none" };
	struct liveupdate_session_preserve_fd preserve = { .fd = -1 };
	struct liveupdate_session_unpreserve_fd unpreserve = { .token = 5 };
	struct liveupdate_session_retrieve_fd retrieve_fd = { .token = 5 };
	struct liveupdate_session_finish finish = {};
	struct liveupdate_session_get_name name = {};
	int session = luo_create(self->dev, "s");

	ASSERT_GE(session, 0);
	check_sizes(_metadata, self->dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &create,
		    sizeof(create), 0);
	check_sizes(_metadata, self->dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION,
		    &retrieve, sizeof(retrieve), -ENOENT);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_PRESERVE_FD, &preserve,
		    sizeof(preserve), -EBADF);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_UNPRESERVE_FD,
		    &unpreserve, sizeof(unpreserve), -ENOENT);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_RETRIEVE_FD,
		    &retrieve_fd, sizeof(retrieve_fd), -EINVAL);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_FINISH, &finish,
		    sizeof(finish), -EINVAL);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_GET_NAME, &name,
		    sizeof(name), 0);
	close(session);
	/* The one that "create" has made; it is the lowest free descriptor. */
	close(session + 1);
}

TEST_F(luo, reserved_fields)
{
	struct liveupdate_session_finish finish = {
		.size = sizeof(finish), .reserved = 1,
	};
	struct liveupdate_session_get_name name = {
		.size = sizeof(name), .reserved = 1,
	};
	struct liveupdate_session_unpreserve_fd unpreserve = {
		.size = sizeof(unpreserve), .reserved = 1,
	};
	int session = luo_create(self->dev, "s");

	ASSERT_GE(session, 0);
	EXPECT_EQ(-EINVAL, luo_ioctl(session, LIVEUPDATE_SESSION_FINISH, &finish));
	EXPECT_EQ(-EINVAL, luo_ioctl(session, LIVEUPDATE_SESSION_GET_NAME, &name));
	EXPECT_EQ(-EINVAL, luo_ioctl(session, LIVEUPDATE_SESSION_UNPRESERVE_FD,
				     &unpreserve));
	close(session);
}

TEST_F(luo, names_pitfall_11)
{
	char longest[64], unterminated[65], path[64], link[256];
	struct liveupdate_session_get_name name = { .size = sizeof(name) };
	int session;
	ssize_t len;

	memset(longest, 'n', sizeof(longest));
	longest[63] = '\0';
	memset(unterminated, 'n', sizeof(unterminated));
	unterminated[64] = '\0';

	EXPECT_EQ(-EINVAL, luo_create(self->dev, ""));
	EXPECT_EQ(-EINVAL, luo_create(self->dev, unterminated));
	EXPECT_EQ(-EINVAL, luo_retrieve_session(self->dev, ""));
	EXPECT_EQ(-EINVAL, luo_retrieve_session(self->dev, unterminated));

	session = luo_create(self->dev, longest);
	ASSERT_GE(session, 0);
	EXPECT_EQ(-EEXIST, luo_create(self->dev, longest));
	EXPECT_EQ(0, luo_ioctl(session, LIVEUPDATE_SESSION_GET_NAME, &name));
	EXPECT_STREQ(longest, (char *)name.name);

	/* What systemd and CRIU know a session by. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", session);
	len = readlink(path, link, sizeof(link) - 1);
	ASSERT_GT(len, 0);
	link[len] = '\0';
	EXPECT_EQ(0, strncmp(link, "anon_inode:[luo_session] ", 25));
	EXPECT_STREQ(longest, link + 25);
	close(session);

	/* The name is free again. */
	session = luo_create(self->dev, longest);
	EXPECT_GE(session, 0);
	close(session);
}

TEST_F(luo, retrieve_unknown_session)
{
	EXPECT_EQ(-ENOENT, luo_retrieve_session(self->dev, "never"));
}

/* Pitfall 8: operations of the other direction. */
TEST_F(luo, direction_pitfall_8)
{
	int session = luo_create(self->dev, "s");

	ASSERT_GE(session, 0);
	EXPECT_EQ(-EINVAL, luo_retrieve(session, 1));
	EXPECT_EQ(-EINVAL, luo_finish(session));
	EXPECT_EQ(-ENOENT, luo_retrieve_session(self->dev, "s"));
	close(session);
}

TEST_F(luo, tokens)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd(0, 0);
	int other = luo_memfd(0, 0);

	ASSERT_GE(session, 0);
	EXPECT_EQ(0, luo_preserve(session, fd, 0));
	EXPECT_EQ(-EEXIST, luo_preserve(session, other, 0));
	EXPECT_EQ(0, luo_preserve(session, other, UINT64_MAX));
	EXPECT_EQ(-ENOENT, luo_unpreserve(session, 1));
	EXPECT_EQ(0, luo_unpreserve(session, 0));
	EXPECT_EQ(-ENOENT, luo_unpreserve(session, 0));
	EXPECT_EQ(0, luo_preserve(session, fd, 0));
	close(fd);
	close(other);
	close(session);
}

TEST_F(luo, same_inode_pitfall_4)
{
	int session = luo_create(self->dev, "s");
	int second = luo_create(self->dev, "t");
	int fd = luo_memfd_filled(LUO_PAGE, 1), again;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR);
	ASSERT_GE(again, 0);
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(-EBUSY, luo_preserve(session, fd, 2));
	EXPECT_EQ(-EBUSY, luo_preserve(session, again, 2));
	EXPECT_EQ(-EBUSY, luo_preserve(second, again, 1));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, luo_preserve(second, again, 1));
	close(fd);
	close(again);
	close(session);
	close(second);
}

TEST_F(luo, unsupported_files)
{
	int session = luo_create(self->dev, "s"), pipes[2], fd;

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-ENOENT, luo_preserve(session, pipes[0], 1));
	EXPECT_EQ(-ENOENT, luo_preserve(session, self->dev, 1));
	EXPECT_EQ(-ENOENT, luo_preserve(session, session, 1));
	fd = open("/tmp/luo-regular", O_RDWR | O_CREAT, 0600);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-ENOENT, luo_preserve(session, fd, 1));
	unlink("/tmp/luo-regular");
	EXPECT_EQ(-EBADF, luo_preserve(session, 999, 1));
	EXPECT_EQ(-EBADF, luo_preserve(session, -1, 1));
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
	close(session);
}

/* A descriptor that can only be read does not come back as one that can write. */
TEST_F(luo, read_only_memfd)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(LUO_PAGE, 1);
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	ASSERT_GE(again, 0);
	EXPECT_EQ(-EPERM, luo_preserve(session, again, 1));
	close(again);
	close(fd);
	close(session);
}

TEST_F(luo, memfd_keeps_its_promise)
{
	int session = luo_create(self->dev, "s"), i;
	int fd = luo_memfd_filled(16 * LUO_PAGE, 1);
	char byte = 'x';

	/* Once ended by UNPRESERVE_FD, once by the end of the session. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, luo_preserve(session, fd, 1));
		EXPECT_EQ(-1, ftruncate(fd, 17 * LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, ftruncate(fd, 15 * LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(0, ftruncate(fd, 16 * LUO_PAGE));
		EXPECT_EQ(-1, fallocate(fd, 0, 0, 32 * LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					0, LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, pwrite(fd, &byte, 1, 16 * LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(1, pwrite(fd, &byte, 1, 5 * LUO_PAGE));
		EXPECT_EQ(0, luo_file_fill(fd, 0, 16 * LUO_PAGE, 2));
		EXPECT_EQ(1, luo_file_is_filled(fd, 0, 16 * LUO_PAGE, 2));

		if (i)
			close(session);
		EXPECT_EQ(i ? -EBADF : 0, luo_unpreserve(session, 1));
		EXPECT_EQ(1, luo_file_is_filled(fd, 0, 16 * LUO_PAGE, 2));
		EXPECT_EQ(0, ftruncate(fd, 17 * LUO_PAGE));
		EXPECT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				       0, LUO_PAGE));
		EXPECT_EQ(0, ftruncate(fd, 16 * LUO_PAGE));
	}
	close(fd);
}

TEST_F(luo, holes_stay_holes_pitfall_17)
{
	int session = luo_create(self->dev, "s");
	int fd = luo_memfd(1UL << 40, 0);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, luo_file_fill(fd, 1UL << 39, LUO_PAGE, 1));
	EXPECT_EQ((long)LUO_PAGE / 512, luo_blocks(fd));
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ((long)LUO_PAGE / 512, luo_blocks(fd));
	close(fd);
	close(session);
}

static int raise_nofile(void)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };

	return setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_F(luo, ten_thousand_files_pitfall_19)
{
	int session = luo_create(self->dev, "s"), i, fd;

	for (i = 0; i < 10000; i++) {
		fd = luo_memfd(0, 0);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, luo_preserve(session, fd, i * 7919ULL));
		close(fd);
	}
	EXPECT_EQ(0, luo_unpreserve(session, 5000 * 7919ULL));
	close(session);
}

TEST_F(luo, two_thousand_sessions_pitfall_19)
{
	static int sessions[2000];
	char name[16];
	int i;

	ASSERT_EQ(0, raise_nofile());
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		sessions[i] = luo_create(self->dev, name);
		ASSERT_GE(sessions[i], 0);
	}
	EXPECT_EQ(-EEXIST, luo_create(self->dev, "s1999"));
	for (i = 0; i < 2000; i++)
		close(sessions[i]);
}

/* An answer that can't be written back undoes what it is the answer to. */
TEST_F(luo, fault_pitfall_29)
{
	struct liveupdate_ioctl_create_session *arg;
	int session, before, after;

	arg = mmap(NULL, LUO_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, arg);
	arg->size = sizeof(*arg);
	luo_set_name(arg->name, "fault");
	ASSERT_EQ(0, mprotect(arg, LUO_PAGE, PROT_READ));
	before = dup(0);
	close(before);
	EXPECT_EQ(-EFAULT, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_CREATE_SESSION, arg));
	after = dup(0);
	close(after);
	EXPECT_EQ(before, after);
	session = luo_create(self->dev, "fault");
	EXPECT_GE(session, 0);
	close(session);
}

/* Without an image a kexec fails before anything has happened. */
TEST_F(luo, kexec_without_image)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(LUO_PAGE, 1);

	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(-EINVAL, luo_kexec());
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	close(fd);
	close(session);
}

TEST(preserve_fails)
{
	int dev = luo_open(), session = luo_create(dev, "s");
	int fd = open("/dev/liveupdate_test", O_RDWR);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, luo_write(TEST_FAIL, "preserve:5"));
	EXPECT_EQ(-EIO, luo_preserve(session, fd, 1));
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	close(fd);
	close(session);
	close(dev);
}

/* The second of three files can't be frozen: none of them is. */
TEST_F(luo, freeze_fails_pitfall_7)
{
	int session = luo_create(self->dev, "s");
	int other = luo_create(self->dev, "t"), fds[3], i, memfd;

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	memfd = luo_memfd_filled(4 * LUO_PAGE, 7);
	ASSERT_EQ(0, luo_preserve(other, memfd, 9));
	for (i = 0; i < 3; i++) {
		fds[i] = open("/dev/liveupdate_test", O_RDWR);
		ASSERT_GE(fds[i], 0);
		ASSERT_EQ(0, luo_preserve(session, fds[i], i));
	}
	ASSERT_EQ(0, luo_kexec_load("console=ttyS0"));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5:1"));
	EXPECT_EQ(-EIO, luo_kexec());

	/* All as before, and usable. */
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, luo_preserve(session, fds[1], 1));
	EXPECT_EQ(-1, ftruncate(memfd, 0));
	EXPECT_EQ(0, luo_unpreserve(other, 9));
	EXPECT_EQ(0, ftruncate(memfd, 0));
	EXPECT_EQ(0, luo_kexec_unload());
	for (i = 0; i < 3; i++)
		close(fds[i]);
	close(memfd);
	close(session);
	close(other);
}

struct worker {
	pthread_t thread;
	int dev;
	int number;
	int errors;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	int i, fd, session;
	char name[32];

	for (i = 0; i < 200; i++) {
		/* Names are shared by pairs of threads. */
		snprintf(name, sizeof(name), "w%d", worker->number / 2);
		session = luo_create(worker->dev, name);
		if (session == -EEXIST)
			continue;
		fd = luo_memfd_filled(4 * LUO_PAGE, i);
		worker->errors += session < 0;
		worker->errors += !!luo_preserve(session, fd, 1);
		worker->errors += luo_preserve(session, fd, 2) != -EBUSY;
		if (i & 1)
			worker->errors += !!luo_unpreserve(session, 1);
		close(session);
		worker->errors += !luo_file_is_filled(fd, 0, 4 * LUO_PAGE, i);
		worker->errors += !!ftruncate(fd, 0);
		close(fd);
	}
	return NULL;
}

TEST_F(luo, sixteen_threads)
{
	struct worker workers[16] = {};
	int i;

	for (i = 0; i < 16; i++) {
		workers[i].dev = self->dev;
		workers[i].number = i;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (i = 0; i < 16; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].errors);
	}
}

TEST_HARNESS_MAIN

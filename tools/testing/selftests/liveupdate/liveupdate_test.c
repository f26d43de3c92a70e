// SPDX-License-Identifier: GPL-2.0
/*
 * Live update as far as it goes without a kexec that succeeds. A number behind
 * "pitfall" is one of the list of bugs that others had.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "luo_util.h"

#include "../kselftest_harness.h"

#define PRESERVED_PAGES	"/sys/kernel/debug/kho/out/preserved_pages"
#define TEST_FAIL	"/sys/module/luo_test_handler/parameters/fail"
#define TEST_DELAY	"/sys/module/luo_test_handler/parameters/freeze_delay_ms"
#define TEST_CALLS	"/sys/module/luo_test_handler/parameters/calls"
#define TEST_DEVICE	"/dev/liveupdate_test"
#define SHMEM_ENABLED	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

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

/*
 * Short, longer with a tail that is not zero, longer than any struct, no struct
 * at all; none of these does anything. Then exact, and longer with a zero tail.
 */
static void check_sizes(struct __test_metadata *_metadata, int fd,
			unsigned long cmd, const void *arg, size_t size,
			int exact, int longer)
{
	unsigned char buf[8192] = {};
	uint32_t *first = (uint32_t *)buf;

	memcpy(buf, arg, size);
	*first = size - 1;
	EXPECT_EQ(-EINVAL, luo_ioctl(fd, cmd, buf));
	*first = 4;
	EXPECT_EQ(-EINVAL, luo_ioctl(fd, cmd, buf));
	*first = 0;
	EXPECT_EQ(-EINVAL, luo_ioctl(fd, cmd, buf));
	*first = size + 8;
	buf[size] = 1;
	EXPECT_EQ(-E2BIG, luo_ioctl(fd, cmd, buf));
	buf[size] = 0;
	buf[size + 7] = 1;
	EXPECT_EQ(-E2BIG, luo_ioctl(fd, cmd, buf));
	buf[size + 7] = 0;
	*first = LUO_PAGE + 8;
	EXPECT_EQ(-E2BIG, luo_ioctl(fd, cmd, buf));
	*first = UINT32_MAX;
	EXPECT_EQ(-E2BIG, luo_ioctl(fd, cmd, buf));
	EXPECT_EQ(-EFAULT, luo_ioctl(fd, cmd, NULL));

	*first = size;
	/* Nothing behind what the caller has told of is looked at. */
	buf[size] = 1;
	EXPECT_EQ(exact, luo_ioctl(fd, cmd, buf));
	EXPECT_EQ(1, buf[size]);
	memcpy(buf, arg, size);
	buf[size] = 0;
	*first = size + 8;
	EXPECT_EQ(longer, luo_ioctl(fd, cmd, buf));
	*first = LUO_PAGE;
	EXPECT_EQ(longer, luo_ioctl(fd, cmd, buf));
}

TEST_F(luo, sizes)
{
	struct liveupdate_ioctl_create_session create = { .name = "new" };
	struct liveupdate_ioctl_retrieve_session retrieve = { .name = "none" };
	struct liveupdate_session_preserve_fd preserve = { .token = 5 };
	struct liveupdate_session_unpreserve_fd unpreserve = { .token = 5 };
	struct liveupdate_session_retrieve_fd retrieve_fd = { .token = 5 };
	struct liveupdate_session_finish finish = {};
	struct liveupdate_session_get_name name = {};
	int session = luo_create(self->dev, "s"), fd = luo_memfd(0, 0);

	ASSERT_GE(session, 0);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_UNPRESERVE_FD,
		    &unpreserve, sizeof(unpreserve), -ENOENT, -ENOENT);
	preserve.fd = fd;
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_PRESERVE_FD, &preserve,
		    sizeof(preserve), 0, -EEXIST);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_UNPRESERVE_FD,
		    &unpreserve, sizeof(unpreserve), 0, -ENOENT);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_RETRIEVE_FD,
		    &retrieve_fd, sizeof(retrieve_fd), -EINVAL, -EINVAL);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_FINISH, &finish,
		    sizeof(finish), -EINVAL, -EINVAL);
	check_sizes(_metadata, session, LIVEUPDATE_SESSION_GET_NAME, &name,
		    sizeof(name), 0, 0);
	check_sizes(_metadata, self->dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION,
		    &retrieve, sizeof(retrieve), -ENOENT, -ENOENT);
	check_sizes(_metadata, self->dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &create,
		    sizeof(create), 0, -EEXIST);
	close(fd);
	close(session);
	/* What "create" has made is at the lowest free descriptor. */
	EXPECT_EQ(0, close(fd + 1));
}

/* A caller that knows a longer struct gets what this kernel knows of it. */
TEST_F(luo, longer_answer)
{
	struct {
		struct liveupdate_ioctl_create_session known;
		uint64_t unknown[2];
	} arg = { .known = { .size = sizeof(arg), .name = "longer" } };

	ASSERT_EQ(0, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg));
	EXPECT_EQ(0, fcntl(arg.known.fd, F_GETFL) & O_CREAT);
	EXPECT_EQ(FD_CLOEXEC, fcntl(arg.known.fd, F_GETFD));
	EXPECT_EQ(sizeof(arg), arg.known.size);
	EXPECT_STREQ("longer", (char *)arg.known.name);
	EXPECT_EQ(0, close(arg.known.fd));
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

/* Names are bytes; what is behind the NUL is not a part of them. */
TEST_F(luo, odd_names)
{
	static const char * const names[] = {
		" ", "/", "..", "\n", "%s%n", "\xff\xfe", "[luo_session] x",
	};
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	struct liveupdate_session_get_name get;
	unsigned int i, j;
	int sessions[7];

	for (i = 0; i < 7; i++) {
		sessions[i] = luo_create(self->dev, names[i]);
		EXPECT_GE(sessions[i], 0);
		memset(&get, 0xff, sizeof(get));
		get.size = sizeof(get);
		get.reserved = 0;
		EXPECT_EQ(0, luo_ioctl(sessions[i], LIVEUPDATE_SESSION_GET_NAME, &get));
		EXPECT_STREQ(names[i], (char *)get.name);
		for (j = strlen(names[i]); j < sizeof(get.name); j++)
			EXPECT_EQ(0, get.name[j]);
	}
	memset(arg.name, 'g', sizeof(arg.name));
	arg.name[0] = '/';
	arg.name[1] = '\0';
	EXPECT_EQ(-EEXIST, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg));
	for (i = 0; i < 7; i++)
		close(sessions[i]);
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

static int send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {}, byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

/* A session ends with its last descriptor, also if that is on its way. */
TEST_F(luo, session_lives_as_long_as_a_descriptor)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(LUO_PAGE, 1);
	int other, sockets[2];

	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	other = dup(session);
	close(session);
	EXPECT_EQ(-1, ftruncate(fd, 0));
	EXPECT_EQ(-EEXIST, luo_create(self->dev, "s"));
	EXPECT_EQ(-EEXIST, luo_preserve(other, fd, 1));

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_EQ(0, send_fd(sockets[0], other));
	close(other);
	EXPECT_EQ(-1, ftruncate(fd, 0));
	close(sockets[0]);
	close(sockets[1]);
	EXPECT_EQ(0, ftruncate(fd, 0));
	session = luo_create(self->dev, "s");
	EXPECT_GE(session, 0);
	close(session);
	close(fd);
}

TEST_F(luo, session_outlives_the_device)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(LUO_PAGE, 1);

	close(self->dev);
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	self->dev = luo_open();
	ASSERT_GE(self->dev, 0);
	EXPECT_EQ(-EEXIST, luo_create(self->dev, "s"));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	close(session);
	close(fd);
}

/* Dropping a session, by closing it or by dying, unpreserves everything. */
TEST_F(luo, dropped_session)
{
	int session = luo_create(self->dev, "s"), fds[20], i, status;

	for (i = 0; i < 20; i++) {
		fds[i] = luo_memfd_filled(4 * LUO_PAGE, i);
		ASSERT_EQ(0, luo_preserve(session, fds[i], i));
	}
	EXPECT_GT(luo_read_number(PRESERVED_PAGES), self->preserved + 20 * 4 - 1);
	close(session);
	EXPECT_EQ(self->preserved, luo_read_number(PRESERVED_PAGES));

	if (!fork()) {
		session = luo_create(self->dev, "s");
		for (i = 0; i < 20; i++)
			if (luo_preserve(session, fds[i], i))
				_exit(1);
		_exit(0);
	}
	wait(&status);
	EXPECT_EQ(0, status);
	EXPECT_EQ(self->preserved, luo_read_number(PRESERVED_PAGES));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, ftruncate(fds[i], LUO_PAGE));
		EXPECT_EQ(1, luo_file_is_filled(fds[i], 0, LUO_PAGE, i));
		close(fds[i]);
	}
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
	close(fd);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(-ENOENT, luo_preserve(session, fd, 1));
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	EXPECT_EQ(-ENOENT, luo_preserve(session, fd, 1));
	close(fd);
	fd = open("/", O_PATH);
	EXPECT_EQ(-EBADF, luo_preserve(session, fd, 1));
	close(fd);
	EXPECT_EQ(-EBADF, luo_preserve(session, fd, 1));
	EXPECT_EQ(-EBADF, luo_preserve(session, 999, 1));
	EXPECT_EQ(-EBADF, luo_preserve(session, -1, 1));
	/* The token is still free. */
	fd = luo_memfd(0, 0);
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
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
		EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 32 * LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, fallocate(fd, 0, 0, LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, pwrite(fd, &byte, 1, 16 * LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(16 * (off_t)LUO_PAGE, luo_size(fd));
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

/* MADV_REMOVE is a hole punched by other means. */
TEST_F(luo, madvise_remove)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(4 * LUO_PAGE, 1);
	void *mem = mmap(NULL, 4 * LUO_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(-1, madvise(mem, LUO_PAGE, MADV_REMOVE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(1, luo_is_filled(mem, 4 * LUO_PAGE, 1));
	/* This forgets the mapping's entries only. */
	EXPECT_EQ(0, madvise(mem, 4 * LUO_PAGE, MADV_DONTNEED));
	EXPECT_EQ(1, luo_is_filled(mem, 4 * LUO_PAGE, 1));
	close(session);
	EXPECT_EQ(0, madvise(mem, LUO_PAGE, MADV_REMOVE));
	munmap(mem, 4 * LUO_PAGE);
	close(fd);
}

/* Pitfall 24: seals can be added meanwhile, but the one that waits for others. */
TEST_F(luo, seals_pitfall_24)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(4 * LUO_PAGE, 1);

	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(F_SEAL_GROW, fcntl(fd, F_GET_SEALS));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	close(fd);
	close(session);
}

/* A hole that is filled meanwhile is an ordinary page again in the end. */
TEST_F(luo, hole_is_filled)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd(64 * LUO_PAGE, 0);

	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(0, luo_blocks(fd));
	EXPECT_EQ(0, luo_file_fill(fd, 8 * LUO_PAGE, 8 * LUO_PAGE, 3));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(1, luo_file_is_filled(fd, 8 * LUO_PAGE, 8 * LUO_PAGE, 3));
	EXPECT_EQ(8 * (long)LUO_PAGE / 512, luo_blocks(fd));
	EXPECT_EQ(0, ftruncate(fd, 0));
	EXPECT_EQ(0, luo_blocks(fd));
	close(fd);
	close(session);
}

/* Huge pages stay what they are while they are preserved, and can go later. */
TEST_F(luo, thp)
{
	int session = luo_create(self->dev, "s"), fd;

	ASSERT_EQ(0, luo_write(SHMEM_ENABLED, "always"));
	fd = luo_memfd_filled(8 * LUO_MB, 1);
	EXPECT_EQ(0, luo_write(SHMEM_ENABLED, "never"));
	EXPECT_TRUE(!!(luo_page_flags(fd, 0) & (1 << KPF_THP)));
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_GE(luo_read_number(PRESERVED_PAGES), self->preserved + 2048);
	EXPECT_TRUE(!!(luo_page_flags(fd, 0) & (1 << KPF_THP)));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       LUO_MB, LUO_MB));
	EXPECT_EQ(7 * (long)LUO_MB / 512, luo_blocks(fd));
	/* And with what is left of it. */
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(1, luo_file_is_filled(fd, 0, LUO_MB, 1));
	close(session);
	EXPECT_EQ(0, ftruncate(fd, 0));
	close(fd);
}

static long meminfo_kb(const char *what)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long kb = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, what, strlen(what)))
			sscanf(line + strlen(what), ": %ld", &kb);
	if (file)
		fclose(file);
	return kb;
}

/* Most of the memory can be preserved, and is free afterwards. */
TEST_F(luo, most_of_the_memory_pitfall_26)
{
	long before = meminfo_kb("MemAvailable");
	size_t size = before / 4 * 3 * 1024 / LUO_PAGE * LUO_PAGE, i;
	int session = luo_create(self->dev, "s"), fd = luo_memfd(size, 0);
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, mem);
	for (i = 0; i < size; i += LUO_PAGE)
		mem[i] = 1;
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_GE(luo_read_number(PRESERVED_PAGES),
		  self->preserved + (long)(size / LUO_PAGE));
	for (i = 0; i < size && mem[i] == 1; i += LUO_PAGE)
		;
	EXPECT_GE(i, size);
	munmap(mem, size);
	close(fd);
	close(session);
	EXPECT_GE(meminfo_kb("MemAvailable"), before - before / 20);
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

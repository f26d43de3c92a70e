// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/liveupdate and sessions: each command, each error, many of them.
 */
#define _GNU_SOURCE
#include "luo_fixture.h"

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
	ASSERT_EQ(0, luo_send_fd(sockets[0], other));
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

TEST_HARNESS_MAIN

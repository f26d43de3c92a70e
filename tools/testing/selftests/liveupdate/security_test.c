// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what, and whose memory it takes.
 */
#define _GNU_SOURCE
#include "luo_fixture.h"

#include <grp.h>

#define NOBODY		65534
#define CGROUP		"/sys/fs/cgroup/luo_security"

static int drop_privileges(void)
{
	return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY);
}

TEST_F(luo, device_is_for_root)
{
	struct stat st;

	ASSERT_EQ(0, stat(LUO_DEVICE, &st));
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
}

/* A session is all that a virtual machine's process needs, and gives no more. */
TEST_F(luo, session_is_the_only_right)
{
	struct liveupdate_ioctl_create_session create = { .size = sizeof(create) };
	int session = luo_create(self->dev, "vm");
	int fd;

	close(self->dev);
	luo_set_name(create.name, "other");
	ASSERT_EQ(0, drop_privileges());
	fd = luo_memfd_filled(LUO_MB, 1);
	EXPECT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, luo_preserve(session, fd, 1));

	EXPECT_EQ(-EACCES, luo_open());
	EXPECT_EQ(-ENOTTY, luo_ioctl(session, LIVEUPDATE_IOCTL_CREATE_SESSION, &create));
	EXPECT_EQ(-ENOTTY, luo_ioctl(session, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &create));
	EXPECT_EQ(-EPERM, luo_kexec());
	EXPECT_EQ(-1, open(PRESERVED_PAGES, O_RDONLY));
	/* The fixture looks at what is left, which nobody may not. */
	close(session);
	_exit(_metadata->exit_code);
}

/* The file that comes back can be read and written: that is not to be gained. */
TEST_F(luo, rights_are_not_gained)
{
	static const int flags[] = { O_RDONLY, O_WRONLY };
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(LUO_PAGE, 1);
	unsigned int i;
	char path[64];
	int other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		other = open(path, flags[i]);
		ASSERT_GE(other, 0);
		EXPECT_EQ(-EPERM, luo_preserve(session, other, 1));
		close(other);
	}
	other = open(path, O_PATH);
	ASSERT_GE(other, 0);
	EXPECT_EQ(-EBADF, luo_preserve(session, other, 1));
	close(other);
	/* Somebody else's session has no claim to what is in this one. */
	other = luo_create(self->dev, "t");
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_EQ(-EBUSY, luo_preserve(other, fd, 1));
	EXPECT_EQ(-ENOENT, luo_unpreserve(other, 1));
	EXPECT_EQ(-EINVAL, luo_retrieve(other, 1));
	close(other);
	close(fd);
	close(session);
}

/* What is preserved can't be swapped out. */
TEST_F(luo, locked_memory_is_limited)
{
	struct rlimit limit = { .rlim_cur = LUO_MB, .rlim_max = LUO_MB };
	int session = luo_create(self->dev, "s"), big, half, rest, hole;

	big = luo_memfd_filled(LUO_MB + LUO_PAGE, 1);
	half = luo_memfd_filled(LUO_MB / 2, 2);
	rest = luo_memfd_filled(LUO_MB / 2 + LUO_PAGE, 3);
	hole = luo_memfd(LUO_MB, 0);
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	/* It is no limit for who may lock memory. */
	EXPECT_EQ(0, luo_preserve(session, big, 1));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	ASSERT_EQ(0, drop_privileges());
	EXPECT_EQ(-ENOMEM, luo_preserve(session, big, 1));
	EXPECT_EQ(0, luo_preserve(session, half, 2));
	EXPECT_EQ(-ENOMEM, luo_preserve(session, rest, 3));
	EXPECT_EQ(0, luo_preserve(session, hole, 4));
	EXPECT_EQ(0, luo_unpreserve(session, 2));
	EXPECT_EQ(0, luo_preserve(session, rest, 3));
	EXPECT_EQ(-ENOMEM, luo_preserve(session, half, 2));
	_exit(_metadata->exit_code);
}

/* Sessions and tables are paid for by who asks for them. */
static long cgroup_kernel(void)
{
	FILE *file = fopen(CGROUP "/memory.stat", "re");
	char line[64];
	long bytes = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "kernel ", 7))
			bytes = atol(line + 7);
	if (file)
		fclose(file);
	return bytes;
}

TEST_F(luo, memory_cgroup_is_charged)
{
	int session = luo_create(self->dev, "s"), fds[200], i;
	long before;

	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		SKIP(return, "no control groups");
	ASSERT_EQ(0, luo_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, luo_write(CGROUP "/cgroup.procs", "0"));
	for (i = 0; i < 200; i++)
		fds[i] = luo_memfd_filled(LUO_PAGE, i);
	before = cgroup_kernel();
	for (i = 0; i < 200; i++)
		EXPECT_EQ(0, luo_preserve(session, fds[i], i));
	/* Each has a page that describes it, a table and a list of its pages. */
	EXPECT_GE(cgroup_kernel() - before, 200L * 2 * LUO_PAGE);
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(0, luo_unpreserve(session, i));
		close(fds[i]);
	}
	close(session);
	EXPECT_EQ(0, luo_write("/sys/fs/cgroup/cgroup.procs", "0"));
}

TEST_HARNESS_MAIN

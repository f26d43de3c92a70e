// SPDX-License-Identifier: GPL-2.0
/*
 * memfds that are preserved: what they promise, and that nothing is left over.
 */
#define _GNU_SOURCE
#include "luo_fixture.h"

#include <linux/userfaultfd.h>

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

/* Most of the memory can be preserved, and is free afterwards. */
TEST_F(luo, most_of_the_memory_pitfall_26)
{
	long before = luo_meminfo("MemAvailable");
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
	EXPECT_GE(luo_meminfo("MemAvailable"), before - before / 20);
}

struct stuck_writer {
	pthread_t thread;
	int fd;
	char *page;
	ssize_t written;
};

static void *write_stuck(void *arg)
{
	struct stuck_writer *writer = arg;

	writer->written = write(writer->fd, writer->page, LUO_PAGE);
	return NULL;
}

/* A page that nobody provides, until it is freed: memory, or -errno. */
static int missing_page(char **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	*page = mmap(NULL, LUO_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area.range.start = (uintptr_t)*page;
	area.range.len = LUO_PAGE;
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &area))
		return -errno;
	return uffd;
}

/*
 * Whoever writes to a memfd what somebody else owes him holds it up, but neither
 * live update nor anybody else.
 */
TEST_F(luo, writer_is_stuck)
{
	int session = luo_create(self->dev, "s"), other = luo_create(self->dev, "t"), uffd;
	struct stuck_writer writer = { .fd = luo_memfd(4 * LUO_PAGE, 0) };
	int before = luo_memfd(4 * LUO_PAGE, 0);

	uffd = missing_page(&writer.page);
	ASSERT_GE(uffd, 0);
	ASSERT_EQ(0, luo_preserve(other, before, 1));
	ASSERT_EQ(0, pthread_create(&writer.thread, NULL, write_stuck, &writer));
	usleep(100 * 1000);
	EXPECT_EQ(-EBUSY, luo_preserve(session, writer.fd, 1));
	EXPECT_EQ(0, luo_unpreserve(other, 1));

	/* No page will come: the write goes on without. */
	close(uffd);
	pthread_join(writer.thread, NULL);
	EXPECT_EQ(0, luo_preserve(session, writer.fd, 1));
	close(writer.fd);
	close(before);
	close(session);
	close(other);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * memfds in huge pages that are preserved: what they promise, and that the pool
 * counts the same before, meanwhile and afterwards.
 */
#define _GNU_SOURCE
#include <sys/mount.h>
#include <sys/shm.h>

#include "luo_fixture.h"
#include "luo_fault.h"
#include "luo_hugetlb.h"

#define SIZE		LUO_2MB
#define PAGES		8
#define SCRATCH		"/sys/kernel/debug/kho/out/scratch"

FIXTURE(hugetlb) {
	int dev, session;
	long preserved;
};

FIXTURE_SETUP(hugetlb)
{
	self->dev = luo_open();
	ASSERT_GE(self->dev, 0);
	self->session = luo_create(self->dev, "s");
	ASSERT_GE(self->session, 0);
	self->preserved = luo_read_number(PRESERVED_PAGES);
	ASSERT_GT(self->preserved, 0);
	ASSERT_EQ(0, luo_pool_set(SIZE, "nr_hugepages", PAGES));
	ASSERT_EQ(PAGES, luo_pool_number(SIZE, -1, "nr_hugepages"));
}

/* Whatever a test did, all pages are free and none of them is reserved. */
FIXTURE_TEARDOWN(hugetlb)
{
	struct luo_pool pool;

	close(self->session);
	EXPECT_EQ(self->preserved, luo_read_number(PRESERVED_PAGES));
	EXPECT_EQ(0, luo_pool_set(SIZE, "nr_hugepages", 0));
	EXPECT_EQ(0, luo_pool_set(SIZE, "nr_overcommit_hugepages", 0));
	EXPECT_TRUE(luo_pool_read(SIZE, &pool));
	EXPECT_EQ(0, pool.total);
	EXPECT_EQ(0, pool.reserved);
	EXPECT_EQ(0, pool.surplus);
	close(self->dev);
}

static int huge_memfd(int pages)
{
	return luo_memfd(pages * SIZE, LUO_MFD_2MB | MFD_ALLOW_SEALING);
}

/* The same file by another descriptor. */
static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

TEST_F(hugetlb, keeps_its_promise)
{
	int fd = huge_memfd(4), i;
	void *mem;

	ASSERT_EQ(0, luo_file_fill(fd, 0, 3 * SIZE, 1));
	/* Once ended by UNPRESERVE_FD, once by the end of the session. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, luo_preserve(self->session, fd, 1));
		EXPECT_EQ(-1, ftruncate(fd, 5 * SIZE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, ftruncate(fd, 3 * SIZE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(0, ftruncate(fd, 4 * SIZE));
		EXPECT_EQ(-1, fallocate(fd, 0, 3 * SIZE, SIZE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_KEEP_SIZE, 4 * SIZE, SIZE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE));
		EXPECT_EQ(EPERM, errno);
		/* A part of a page would be zeroed. */
		EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					LUO_PAGE));
		EXPECT_EQ(EPERM, errno);
		/* To map it beyond its end would make it longer, if only to read it would not. */
		EXPECT_EQ(MAP_FAILED, mmap(NULL, 5 * SIZE, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_NORESERVE, fd, 0));
		EXPECT_EQ(EPERM, errno);
		mem = mmap(NULL, 5 * SIZE, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
		ASSERT_NE(MAP_FAILED, mem);
		EXPECT_EQ(-1, madvise(mem, SIZE, MADV_REMOVE));
		EXPECT_EQ(EPERM, errno);
		EXPECT_TRUE(luo_is_filled(mem, 3 * SIZE, 1));
		munmap(mem, 5 * SIZE);
		EXPECT_EQ(4 * (off_t)SIZE, luo_size(fd));
		EXPECT_EQ(3 * (long)SIZE / 512, luo_blocks(fd));
		EXPECT_EQ(0, luo_file_fill(fd, 0, 3 * SIZE, 1));

		if (i)
			close(self->session);
		EXPECT_EQ(i ? -EBADF : 0, luo_unpreserve(self->session, 1));
		EXPECT_TRUE(luo_file_is_filled(fd, 0, 3 * SIZE, 1));
		EXPECT_EQ(0, ftruncate(fd, 5 * SIZE));
		EXPECT_EQ(0, fallocate(fd, 0, 3 * SIZE, SIZE));
		EXPECT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * SIZE,
				       SIZE));
		EXPECT_EQ(0, ftruncate(fd, 4 * SIZE));
	}
	close(fd);
}

/* Nothing of the pool changes but what a hole takes that is filled. */
TEST_F(hugetlb, pool_counts_the_same)
{
	int fd = huge_memfd(7), i;
	struct luo_pool before, pool;
	char *mem;

	/* Eight are there, four in use, three reserved; then two more, surplus. */
	ASSERT_EQ(0, luo_pool_set(SIZE, "nr_overcommit_hugepages", 4));
	mem = mmap(NULL, 7 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	for (i = 0; i < 4; i++)
		mem[i * SIZE] = 1;
	ASSERT_TRUE(luo_pool_read(SIZE, &before));
	EXPECT_EQ(3, before.reserved);
	EXPECT_EQ(4, before.free);

	ASSERT_EQ(0, luo_preserve(self->session, fd, 1));
	EXPECT_EQ(self->preserved + 4 * 512 + 3, luo_read_number(PRESERVED_PAGES));
	ASSERT_TRUE(luo_pool_read(SIZE, &pool));
	EXPECT_EQ(0, memcmp(&before, &pool, sizeof(pool)));
	mem[6 * SIZE] = 1;
	ASSERT_TRUE(luo_pool_read(SIZE, &pool));
	EXPECT_EQ(3, pool.free);
	EXPECT_EQ(2, pool.reserved);

	/* A pool that becomes smaller has to leave what is preserved. */
	EXPECT_EQ(0, luo_pool_set(SIZE, "nr_hugepages", 1));
	ASSERT_TRUE(luo_pool_read(SIZE, &pool));
	EXPECT_EQ(7, pool.total);
	EXPECT_EQ(6, pool.surplus);
	EXPECT_EQ(0, luo_unpreserve(self->session, 1));
	munmap(mem, 7 * SIZE);
	close(fd);
	ASSERT_TRUE(luo_pool_read(SIZE, &pool));
	EXPECT_EQ(1, pool.total);
	EXPECT_EQ(1, pool.free);
	EXPECT_EQ(0, pool.reserved);
}

/* A file that nobody else has open any more is there until the session is not. */
TEST_F(hugetlb, closed_meanwhile)
{
	int fd = huge_memfd(2);

	ASSERT_EQ(0, luo_file_fill(fd, 0, 2 * SIZE, 1));
	ASSERT_EQ(0, luo_preserve(self->session, fd, 1));
	close(fd);
	EXPECT_EQ(PAGES - 2, luo_pool_number(SIZE, -1, "free_hugepages"));
	close(self->session);
	EXPECT_EQ(PAGES, luo_pool_number(SIZE, -1, "free_hugepages"));
}

TEST_F(hugetlb, same_inode_pitfall_4)
{
	int fd = huge_memfd(1), again = reopen(fd, O_RDWR);
	int second = luo_create(self->dev, "t");

	ASSERT_GE(again, 0);
	EXPECT_EQ(0, luo_preserve(self->session, fd, 1));
	EXPECT_EQ(-EBUSY, luo_preserve(self->session, again, 2));
	EXPECT_EQ(-EBUSY, luo_preserve(second, again, 1));
	close(second);
	close(again);
	again = reopen(fd, O_RDONLY);
	EXPECT_EQ(0, luo_unpreserve(self->session, 1));
	/* It would come back as one that can write. */
	EXPECT_EQ(-EPERM, luo_preserve(self->session, again, 1));
	close(again);
	close(fd);
}

/* A mapping's file, by /proc/self/map_files. */
static int open_mapping(void *mem)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)mem,
		 (unsigned long)mem + SIZE);
	return open(path, O_RDWR);
}

/* What also lies on hugetlbfs, and is no memfd. */
TEST_F(hugetlb, others_are_refused)
{
	int shm = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | SHM_HUGETLB | 21U << 26 | 0600), fd;
	void *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | 21U << 26, -1, 0);

	ASSERT_NE(MAP_FAILED, mem);
	fd = open_mapping(mem);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-ENOENT, luo_preserve(self->session, fd, 1));
	close(fd);
	munmap(mem, SIZE);

	ASSERT_GE(shm, 0);
	mem = shmat(shm, NULL, 0);
	ASSERT_NE((void *)-1, mem);
	fd = open_mapping(mem);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-ENOENT, luo_preserve(self->session, fd, 1));
	close(fd);
	shmdt(mem);
	shmctl(shm, IPC_RMID, NULL);

	mkdir("/tmp/huge", 0700);
	ASSERT_EQ(0, mount("none", "/tmp/huge", "hugetlbfs", 0, "pagesize=2M"));
	fd = open("/tmp/huge/memfd:x", O_RDWR | O_CREAT, 0600);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-ENOENT, luo_preserve(self->session, fd, 1));
	EXPECT_EQ(0, unlink("/tmp/huge/memfd:x"));
	EXPECT_EQ(-ENOENT, luo_preserve(self->session, fd, 1));
	close(fd);
	EXPECT_EQ(0, umount("/tmp/huge"));
	rmdir("/tmp/huge");
}

/* Pitfall 24: seals can be added meanwhile, but the one that waits for others. */
TEST_F(hugetlb, seals_pitfall_24)
{
	int fd = huge_memfd(1);

	ASSERT_EQ(0, luo_file_fill(fd, 0, SIZE, 1));
	ASSERT_EQ(0, luo_preserve(self->session, fd, 1));
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, luo_unpreserve(self->session, 1));
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(0, luo_preserve(self->session, fd, 1));
	close(fd);
}

/* Pages of a private mapping are not the file's. */
TEST_F(hugetlb, private_mapping)
{
	int fd = huge_memfd(2);
	char *mem = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, luo_file_fill(fd, 0, SIZE, 1));
	mem[0] = 1;
	mem[SIZE] = 1;
	ASSERT_EQ(0, luo_preserve(self->session, fd, 1));
	EXPECT_EQ(self->preserved + 512 + 3, luo_read_number(PRESERVED_PAGES));
	munmap(mem, 2 * SIZE);
	close(fd);
}

/* Each allocation fails, and nothing is left of the try. */
TEST_F(hugetlb, no_memory)
{
	int fd = huge_memfd(3), failed = 0, nth, err = -1, injected = 1;
	struct luo_pool before, pool;

	ASSERT_EQ(0, luo_file_fill(fd, 0, SIZE, 1));
	ASSERT_EQ(0, luo_file_fill(fd, 2 * SIZE, SIZE, 2));
	ASSERT_TRUE(luo_pool_read(SIZE, &before));
	ASSERT_EQ(0, luo_fail_setup());
	luo_log_hide();
	for (nth = 1; nth < 1000; nth++) {
		luo_fail_nth(nth);
		err = luo_preserve(self->session, fd, 1);
		injected = luo_has_failed();
		if (!injected)
			break;
		/* Some are tried again, in another way. */
		EXPECT_TRUE(luo_is_fault(err) || !err);
		failed += !!err;
		if (!err)
			EXPECT_EQ(0, luo_unpreserve(self->session, 1));
		EXPECT_EQ(self->preserved, luo_read_number(PRESERVED_PAGES));
	}
	EXPECT_EQ(0, err);
	EXPECT_GT(failed, 5);
	EXPECT_FALSE(injected);
	TH_LOG("preserve: %d points hit, %d of them made it fail", nth - 1, failed);
	EXPECT_TRUE(luo_log_was_clean());
	ASSERT_TRUE(luo_pool_read(SIZE, &pool));
	EXPECT_EQ(0, memcmp(&before, &pool, sizeof(pool)));
	close(fd);
}

/* A kexec that fails when all is frozen leaves nothing behind. */
TEST_F(hugetlb, kexec_fails)
{
	int fd = huge_memfd(6), fail = open(TEST_DEVICE, O_RDWR), i;
	struct luo_pool before, pool;
	char *mem = mmap(NULL, 6 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long preserved;

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	ASSERT_NE(MAP_FAILED, mem);
	mem[SIZE] = 1;
	ASSERT_EQ(0, luo_preserve(self->session, fd, 1));
	ASSERT_EQ(0, luo_preserve(self->session, huge_memfd(1), 2));
	ASSERT_EQ(0, luo_preserve(self->session, fail, 3));
	preserved = luo_read_number(PRESERVED_PAGES);
	ASSERT_EQ(0, luo_kexec_load_kernel(LUO_CMDLINE));
	/* Each time one hole more is filled, and taken in. */
	for (i = 2; i < 5; i++) {
		mem[i * SIZE] = 1;
		ASSERT_TRUE(luo_pool_read(SIZE, &before));
		ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5"));
		EXPECT_EQ(-EIO, luo_kexec());
		preserved += 512;
		EXPECT_EQ(preserved, luo_read_number(PRESERVED_PAGES));
		ASSERT_TRUE(luo_pool_read(SIZE, &pool));
		EXPECT_EQ(0, memcmp(&before, &pool, sizeof(pool)));
	}
	EXPECT_EQ(0, luo_kexec_unload());
	munmap(mem, 6 * SIZE);
	close(fail);
	close(fd);
}

static int in_scratch(uint64_t phys)
{
	FILE *file = fopen(SCRATCH, "re");
	unsigned long addr, size;
	int found = 0;

	while (file && fscanf(file, "%lx %lx", &addr, &size) == 2)
		found |= phys >= addr && phys < addr + size;
	if (file)
		fclose(file);
	return found;
}

/* Does the page of a mapping lie in scratch? -1 if that can't be told. */
static int page_in_scratch(int map, char *page)
{
	uint64_t entry;

	if (pread(map, &entry, sizeof(entry), (uintptr_t)page / LUO_PAGE * 8) != 8)
		return -1;
	return in_scratch((entry & ((1ULL << 55) - 1)) * LUO_PAGE);
}

/* How many of the pages of a mapping lie in scratch? */
static int pages_in_scratch(int map, char *mem, int pages)
{
	int i, found = 0;

	for (i = 0; i < pages; i++)
		found += page_in_scratch(map, mem + i * SIZE);
	return found;
}

/*
 * Pages of the pool may come to lie in scratch; those that are preserved move
 * out, and the pool counts as before.
 */
TEST_F(hugetlb, moved_out_of_scratch_pitfall_15)
{
	int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), pages, fd, i, moved = 0;
	struct luo_pool before, pool;
	int all = luo_meminfo("MemFree") * 1024 / SIZE;
	char *mem;

	/*
	 * As many as there are; those that remain are the last ones that were found.
	 * How many of them it takes depends on the zones of the machine.
	 */
	for (pages = 48; ; pages *= 2) {
		ASSERT_LT(pages, all);
		ASSERT_EQ(0, luo_pool_set(SIZE, "nr_hugepages", all));
		ASSERT_EQ(0, luo_pool_set(SIZE, "nr_hugepages", pages));
		fd = huge_memfd(pages);
		mem = mmap(NULL, pages * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, mem);
		for (i = 0; i < pages; i++)
			*(int *)(mem + i * SIZE) = i;
		moved = pages_in_scratch(map, mem, pages);
		if (moved > 0)
			break;
		munmap(mem, pages * SIZE);
		close(fd);
	}

	ASSERT_TRUE(luo_pool_read(SIZE, &before));
	EXPECT_EQ(0, luo_preserve(self->session, fd, 1));
	ASSERT_TRUE(luo_pool_read(SIZE, &pool));
	EXPECT_EQ(0, memcmp(&before, &pool, sizeof(pool)));
	for (i = 0; i < pages; i++)
		EXPECT_EQ(i, *(int *)(mem + i * SIZE));
	EXPECT_EQ(0, pages_in_scratch(map, mem, pages));
	TH_LOG("%d of %d pages lay in scratch", moved, pages);
	munmap(mem, pages * SIZE);
	close(map);
	close(fd);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * memfds across a kexec: content, size, holes, seals, huge pages.
 */
#define _GNU_SOURCE
#include <sys/socket.h>

#include "luo_scenario.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	8U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC	0x20
#endif

/* Content, size, position; and all that a memfd can do afterwards. */
static void memfd_before(void)
{
	int fd = luo_memfd_filled(16 * MB + LUO_PAGE, 1);

	CHECK_EQ(ftruncate(fd, 16 * MB + 100), 0);
	CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
	one_before("memfd", 42, fd);
	/* Pitfall 1: what is written once it is preserved. */
	CHECK_EQ(luo_file_fill(fd, 8 * MB, MB, 2), 0);
	CHECK_EQ(lseek(fd, 12345, SEEK_SET), 12345);
}

/* All of it is up to date and dirty, so that nothing is dropped under reclaim. */
static int is_safe(int fd, size_t size)
{
	const uint64_t safe = 1 << KPF_DIRTY | 1 << KPF_UPTODATE | 1 << KPF_SWAPBACKED;
	size_t i;

	for (i = 0; i < size; i += LUO_PAGE)
		if ((luo_page_flags(fd, i) & safe) != safe)
			return 0;
	return 1;
}

static void memfd_after(void)
{
	int session, fd = one_after("memfd", 42, &session), again;
	char path[64];

	CHECK_EQ(luo_size(fd), 16 * MB + 100);
	CHECK_EQ(luo_blocks(fd), (16 * MB + LUO_PAGE) / 512);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 12345);
	CHECK(luo_file_is_filled(fd, 0, 8 * MB, 1));
	CHECK(luo_file_is_filled(fd, 8 * MB, MB, 2));
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(is_safe(fd, 10 * MB));

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR);
	CHECK(again >= 0);
	CHECK(luo_file_is_filled(again, 0, 8 * MB, 1));
	close(again);

	/* Another descriptor of the same file. */
	again = luo_retrieve(session, 42);
	CHECK(again >= 0);
	CHECK_EQ(ftruncate(again, 32 * MB), 0);
	CHECK_EQ(luo_size(fd), 32 * MB);
	CHECK_EQ(luo_file_fill(fd, 0, 32 * MB, 3), 0);
	CHECK(luo_file_is_filled(again, 0, 32 * MB, 3));
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MB), 0);
	CHECK_EQ(luo_blocks(fd), 31 * MB / 512);
	close(again);
	CHECK_EQ(luo_finish(session), 0);
	CHECK_EQ(luo_finish(session), 0);
	CHECK_EQ(luo_retrieve(session, 42), -ENOENT);
	/* Granted only if nobody has a reference to a page that is not known of. */
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(session);
	close(fd);
	CHECK_EQ(luo_retrieve_session(dev, "memfd"), -ENOENT);
}

/* Pitfall 17; and a hole that is filled while the file is preserved. */
static void holes_before(void)
{
	int fd = luo_memfd(1UL << 40, 0);

	CHECK_EQ(luo_file_fill(fd, 0, LUO_PAGE, 1), 0);
	CHECK_EQ(luo_file_fill(fd, 1UL << 30, 3 * LUO_PAGE, 2), 0);
	one_before("holes", 1, fd);
	CHECK_EQ(luo_blocks(fd), 4 * LUO_PAGE / 512);
	CHECK_EQ(luo_file_fill(fd, 1UL << 35, 2 * LUO_PAGE, 3), 0);
	CHECK_EQ(luo_blocks(fd), 6 * LUO_PAGE / 512);
}

static void holes_after(void)
{
	int session, fd = one_after("holes", 1, &session);

	CHECK_EQ(luo_size(fd), 1UL << 40);
	CHECK_EQ(luo_blocks(fd), 6 * LUO_PAGE / 512);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), LUO_PAGE);
	CHECK_EQ(lseek(fd, LUO_PAGE, SEEK_DATA), 1UL << 30);
	CHECK_EQ(lseek(fd, 1UL << 30, SEEK_HOLE), (1UL << 30) + 3 * LUO_PAGE);
	CHECK_EQ(lseek(fd, (1UL << 30) + 3 * LUO_PAGE, SEEK_DATA), 1UL << 35);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 1));
	CHECK(luo_file_is_filled(fd, 1UL << 30, 3 * LUO_PAGE, 2));
	CHECK(luo_file_is_filled(fd, 1UL << 35, 2 * LUO_PAGE, 3));
	end(session, fd);
}

/* Pitfall 2: pages that fallocate() has left. */
static void fallocated_before(void)
{
	int fd = luo_memfd(8 * LUO_PAGE, 0);
	char byte = 'p';

	CHECK_EQ(fallocate(fd, 0, 0, 8 * LUO_PAGE), 0);
	/* What is behind the end is not a part of the file. */
	CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8 * LUO_PAGE, 8 * LUO_PAGE), 0);
	one_before("fallocated", 1, fd);
	CHECK_EQ(pwrite(fd, &byte, 1, 3 * LUO_PAGE + 5), 1);
}

static void fallocated_after(void)
{
	int session, fd = one_after("fallocated", 1, &session), i;
	char buf[8 * LUO_PAGE], byte = 'q';

	CHECK_EQ(luo_blocks(fd), 8 * LUO_PAGE / 512);
	CHECK(is_safe(fd, 8 * LUO_PAGE));
	CHECK_EQ(pwrite(fd, &byte, 1, 6 * LUO_PAGE), 1);
	CHECK_EQ(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	for (i = 0; i < (int)sizeof(buf); i++)
		if (buf[i] != (i == 3 * (int)LUO_PAGE + 5 ? 'p' : i == 6 * (int)LUO_PAGE ? 'q' : 0))
			break;
	CHECK_EQ(i, sizeof(buf));
	end(session, fd);
}

/* Pages behind the end are not carried, and are not taken for others. */
static void behind_end_before(void)
{
	int fd = luo_memfd(64 * LUO_PAGE, 0);

	CHECK_EQ(luo_file_fill(fd, 0, LUO_PAGE, 1), 0);
	CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 64 * LUO_PAGE, 8 * LUO_PAGE), 0);
	one_before("behind end", 1, fd);
	/* They go, and as many others come. */
	CHECK_EQ(ftruncate(fd, 64 * LUO_PAGE), 0);
	CHECK_EQ(luo_blocks(fd), LUO_PAGE / 512);
	CHECK_EQ(luo_file_fill(fd, 8 * LUO_PAGE, 8 * LUO_PAGE, 2), 0);
}

static void behind_end_after(void)
{
	int session, fd = one_after("behind end", 1, &session);

	CHECK_EQ(luo_blocks(fd), 9 * LUO_PAGE / 512);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 1));
	CHECK(luo_file_is_filled(fd, 8 * LUO_PAGE, 8 * LUO_PAGE, 2));
	end(session, fd);
}

static void seals_before(void)
{
	int fd = luo_memfd_filled(4 * LUO_PAGE, 4), session;

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), 0);
	session = one_before("seals", 1, fd);
	/* Pitfall 24: seals that are added later. */
	fd = luo_memfd_filled(4 * LUO_PAGE, 5);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), 0);
	fd = luo_memfd(LUO_PAGE, 0);
	CHECK_EQ(luo_preserve(session, fd, 3), 0);
	fd = luo_memfd_filled(LUO_PAGE, 6);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	CHECK_EQ(luo_preserve(session, fd, 4), 0);
	fd = luo_memfd(LUO_PAGE, MFD_NOEXEC_SEAL);
	CHECK(fd >= 0);
	CHECK_EQ(luo_preserve(session, fd, 5), 0);
}

static void seals_after(void)
{
	int session, fd = one_after("seals", 1, &session);
	char byte = 0;

	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK);
	CHECK(luo_file_is_filled(fd, 0, 4 * LUO_PAGE, 4));
	CHECK_EQ(pwrite(fd, &byte, 1, 0), -1);
	CHECK(mmap(NULL, LUO_PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(ftruncate(fd, 0), -1);
	close(fd);

	fd = luo_retrieve(session, 2);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK);
	CHECK(luo_file_is_filled(fd, 0, 4 * LUO_PAGE, 5));
	CHECK_EQ(ftruncate(fd, 0), -1);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	close(fd);

	fd = luo_retrieve(session, 3);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), -1);
	close(fd);

	fd = luo_retrieve(session, 4);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_FUTURE_WRITE);
	CHECK_EQ(pwrite(fd, &byte, 1, 0), -1);
	CHECK(mmap(NULL, LUO_PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 6));
	close(fd);

	fd = luo_retrieve(session, 5);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_EXEC);
	CHECK_EQ(fchmod(fd, 0755), -1);
	end(session, fd);
}

/* Pitfall 16: large folios stay large, and are counted by the page. */
static void thp_before(void)
{
	long huge = luo_meminfo("ShmemHugePages");
	int fd = thp_memfd(16 * MB, 6), session;

	CHECK_EQ(luo_meminfo("ShmemHugePages") - huge, 16 * 1024);
	session = one_before("thp", 1, fd);
	/* One with small ones in it, and a hole. */
	fd = thp_memfd(6 * MB, 7);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   3 * MB, 4 * LUO_PAGE), 0);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
	/* One whose last one is behind the end as well. */
	fd = thp_memfd(3 * MB, 8);
	CHECK_EQ(luo_preserve(session, fd, 3), 0);
}

static void thp_after(void)
{
	long before = luo_meminfo("ShmemHugePages"), shmem = luo_meminfo("Shmem");
	int session, fd = one_after("thp", 1, &session);
	char buf[4 * LUO_PAGE];
	size_t i;

	CHECK_EQ(luo_meminfo("ShmemHugePages") - before, 16 * 1024);
	/* Counted in batches per CPU. */
	CHECK(labs(luo_meminfo("Shmem") - shmem - 16 * 1024) < 1024);
	CHECK_EQ(luo_blocks(fd), 16 * MB / 512);
	CHECK(luo_file_is_filled(fd, 0, 16 * MB, 6));
	for (i = 0; i < 16 * MB; i += 2 * MB)
		CHECK(luo_page_flags(fd, i) & (1 << KPF_THP));
	CHECK(is_safe(fd, LUO_PAGE));
	/* A part of a large folio goes. */
	CHECK_EQ(ftruncate(fd, MB), 0);
	CHECK(luo_file_is_filled(fd, 0, MB, 6));
	CHECK_EQ(luo_blocks(fd), MB / 512);
	close(fd);

	fd = luo_retrieve(session, 2);
	CHECK(fd >= 0);
	CHECK_EQ(luo_blocks(fd), (6 * MB - 4 * LUO_PAGE) / 512);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 3 * MB);
	CHECK(luo_file_is_filled(fd, 0, 3 * MB, 7));
	CHECK_EQ(pread(fd, buf, sizeof(buf), 3 * MB), sizeof(buf));
	for (i = 0; i < sizeof(buf) && !buf[i]; i++)
		;
	CHECK_EQ(i, sizeof(buf));
	close(fd);

	fd = luo_retrieve(session, 3);
	CHECK(fd >= 0);
	CHECK_EQ(luo_size(fd), 3 * MB);
	CHECK(luo_file_is_filled(fd, 0, 3 * MB, 8));
	CHECK_EQ(ftruncate(fd, 4 * MB), 0);
	CHECK_EQ(pread(fd, buf, sizeof(buf), 3 * MB), sizeof(buf));
	for (i = 0; i < sizeof(buf) && !buf[i]; i++)
		;
	CHECK_EQ(i, sizeof(buf));
	end(session, fd);
}

/*
 * The way of a real one: luod makes the session and passes it on, the process
 * with the memory preserves it and writes until the jump. Of two numbers, the
 * second one follows the first one.
 */
#define WRITER_SIZE	(4 * MB)

static void writer(int socket)
{
	int session = luo_receive_fd(socket), fd = luo_memfd(WRITER_SIZE, 0), i;
	uint64_t count = 0, *first, *second;
	char *mem;

	mem = mmap(NULL, WRITER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 0; i < (int)(WRITER_SIZE / LUO_PAGE); i++)
		mem[i * LUO_PAGE + 8] = 1;
	i = luo_preserve(session, fd, 1);
	if (write(socket, &i, sizeof(i)) != sizeof(i))
		_exit(1);
	while (1) {
		size_t at = count * 7919 * LUO_PAGE % (WRITER_SIZE - LUO_PAGE);

		first = (uint64_t *)(mem + at / LUO_PAGE * LUO_PAGE);
		second = (uint64_t *)(mem + WRITER_SIZE - LUO_PAGE);
		__atomic_store_n(first, ++count, __ATOMIC_RELEASE);
		__atomic_store_n(second, count, __ATOMIC_RELEASE);
	}
}

static void writer_before(void)
{
	int sockets[2], session = luo_create(dev, "writer"), result = -1;

	CHECK(session >= 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	if (!fork()) {
		/* No other session is to live as long as this process. */
		dup2(sockets[1], 3);
		syscall(SYS_close_range, 4U, ~0U, 0U);
		writer(3);
	}
	CHECK_EQ(luo_send_fd(sockets[0], session), 0);
	CHECK_EQ(read(sockets[0], &result, sizeof(result)), sizeof(result));
	CHECK_EQ(result, 0);
	/* It is the writer's alone now. */
	close(session);
	CHECK_EQ(luo_create(dev, "writer"), -EEXIST);
}

static void writer_after(void)
{
	int session, fd = one_after("writer", 1, &session);
	uint64_t last, most = 0, value;
	size_t i;

	for (i = 0; i < WRITER_SIZE - LUO_PAGE; i += LUO_PAGE) {
		CHECK_EQ(pread(fd, &value, sizeof(value), i), sizeof(value));
		if (value > most)
			most = value;
	}
	CHECK_EQ(pread(fd, &last, sizeof(last), WRITER_SIZE - LUO_PAGE), sizeof(last));
	/* A machine with one CPU may have stopped it anywhere. */
	CHECK(most >= last);
	CHECK(most <= last + 1);
	CHECK(most > 1000);
	printf("# written %llu times until the jump\n", (unsigned long long)most);
	end(session, fd);
}

/* A word in each page of half of the memory; two nodes have a part in it. */
static void big_before(void)
{
	size_t size = luo_meminfo("MemTotal") / 8 * LUO_PAGE, i;
	uint64_t *mem;
	int fd;

	if (size > 1536 * MB)
		size = 1536 * MB;
	fd = luo_memfd(size, 0);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	for (i = 0; i < size; i += LUO_PAGE)
		mem[i / 8 + i / LUO_PAGE % 512] = luo_word(19, i);
	munmap(mem, size);
	one_before("big", 1, fd);
	close(fd);
}

static void big_after(void)
{
	long before = luo_meminfo("MemFree");
	int session, fd = one_after("big", 1, &session);
	size_t size = luo_size(fd), i;
	uint64_t *mem;

	CHECK(size >= 256 * MB);
	CHECK_EQ(luo_blocks(fd), (size + LUO_PAGE - 1) / LUO_PAGE * LUO_PAGE / 512);
	mem = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	for (i = 0; i < size; i += LUO_PAGE)
		if (mem[i / 8 + i / LUO_PAGE % 512] != luo_word(19, i))
			break;
	CHECK(i >= size);
	munmap(mem, size);
	end(session, fd);
	/* All of it is free now. */
	CHECK(luo_meminfo("MemFree") - before > (long)(size / 1024 * 95 / 100));
}

#define CGROUPS		"/sys/fs/cgroup/"

static long cgroup_shmem(void)
{
	FILE *file = fopen(CGROUPS "luo/memory.stat", "re");
	char line[64];
	long bytes = -1;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "shmem %ld", &bytes);
	if (file)
		fclose(file);
	return bytes;
}

static void charge_before(void)
{
	int session = one_before("charge", 1, luo_memfd_filled(8 * MB, 24));

	CHECK_EQ(luo_preserve(session, thp_memfd(8 * MB, 25), 2), 0);
}

/* Who retrieves is charged, for each page, and for as long as there is one. */
static void charge_after(void)
{
	int session, fd, status = -1;

	mkdir(CGROUPS "luo", 0755);
	CHECK_EQ(luo_write(CGROUPS "cgroup.subtree_control", "+memory"), 0);
	if (!fork()) {
		failures = 0;
		CHECK_EQ(luo_write(CGROUPS "luo/cgroup.procs", "0"), 0);
		CHECK_EQ(cgroup_shmem(), 0);
		fd = one_after("charge", 1, &session);
		CHECK_EQ(cgroup_shmem(), 8 * MB);
		CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MB), 0);
		CHECK_EQ(cgroup_shmem(), 7 * MB);
		close(fd);
		fd = luo_retrieve(session, 2);
		CHECK_EQ(cgroup_shmem(), 15 * MB);
		CHECK(luo_file_is_filled(fd, 0, 8 * MB, 25));
		CHECK_EQ(cgroup_shmem(), 15 * MB);
		end(session, fd);
		CHECK_EQ(cgroup_shmem(), 0);
		_exit(!!failures);
	}
	wait(&status);
	CHECK_EQ(status, 0);
}

/* The same file goes through all kernels. */
static int carried = -1;

static void carried_before(void)
{
	if (!stage)
		carried = thp_memfd(4 * MB + LUO_PAGE, 20);
	CHECK_EQ(luo_file_fill(carried, 4 * MB, LUO_PAGE, 21 + stage), 0);
	one_before("carried", 1, carried);
}

static void carried_after(void)
{
	int session;

	carried = one_after("carried", 1, &session);
	CHECK(luo_file_is_filled(carried, 0, 4 * MB, 20));
	CHECK(luo_file_is_filled(carried, 4 * MB, LUO_PAGE, 21 + stage - 1));
	CHECK(luo_page_flags(carried, 2 * MB) & (1 << KPF_THP));
	CHECK_EQ(luo_finish(session), 0);
	close(session);
}

const struct scenario memfd_scenarios[] = {
	{ "memfd_pitfall_1", memfd_before, memfd_after },
	{ "holes_pitfall_17", holes_before, holes_after },
	{ "fallocated_pitfall_2", fallocated_before, fallocated_after },
	{ "behind_end", behind_end_before, behind_end_after },
	{ "seals_pitfall_24", seals_before, seals_after },
	{ "thp_pitfall_16", thp_before, thp_after },
	{ "writer_pitfall_1", writer_before, writer_after },
	{ "memory_cgroup", charge_before, charge_after },
	{ "carried_on", carried_before, carried_after },
	{ "big_pitfall_26", big_before, big_after },
	{}
};

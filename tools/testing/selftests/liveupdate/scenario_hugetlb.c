// SPDX-License-Identifier: GPL-2.0
/*
 * memfds in huge pages across a kexec: content, holes, reservations, and what
 * the pool counts. Whatever hugepages= says on the command line of either
 * kernel, the pool comes out right:
 *
 *  - what is preserved is persistent up to the size of the old pool, and surplus
 *    beyond, on each node;
 *  - the new pool has what its command line asks for, or what has come if that
 *    is more.
 *
 * What fails without memory is in scenario_failure.c.
 */
#define _GNU_SOURCE
#include "luo_fault.h"
#include "luo_hugetlb.h"
#include "luo_observe.h"
#include "luo_scenario.h"

#define SIZE		LUO_2MB
#define CGROUP		"/sys/fs/cgroup/hugetlb"

/* What the old kernel leaves to be known in the new one, in the first file. */
struct old_pool {
	/* pages in files, and how many of them the pool is to have */
	long used[LUO_NODES], persistent[LUO_NODES];
};

static void pool_is(const char *when, size_t size, long total, long free, long reserved,
		    long surplus)
{
	struct luo_pool pool;

	CHECK(luo_pool_read(size, &pool));
	check(pool.total == total && pool.free == free && pool.reserved == reserved &&
	      pool.surplus == surplus,
	      "%s: %ld pages, %ld free, %ld reserved, %ld surplus, not %ld, %ld, %ld, %ld", when,
	      pool.total, pool.free, pool.reserved, pool.surplus, total, free, reserved, surplus);
}

/* Pages that hugepages= asks for on a node; on all for -1. */
static long pages_wanted(int node)
{
	const char *at = luo_kernel_option(" hugepages=");
	long sum = 0, nr;
	int nid, n;

	if (!at)
		return 0;
	if (!strchr(at, ':'))
		return node < 0 ? atol(at) : -1;
	while (sscanf(at, "%d:%ld%n", &nid, &nr, &n) == 2) {
		if (node < 0 || node == nid)
			sum += nr;
		at += n + (at[n] == ',');
	}
	return sum;
}

static int huge_memfd(size_t pages, unsigned int flags)
{
	int fd = luo_memfd(pages * SIZE, LUO_MFD_2MB | flags);

	CHECK(fd >= 0);
	return fd;
}

static void hugetlb_before(void)
{
	int session = luo_create(dev, "hugetlb"), main, reserved, discarded, surplus, node;
	struct old_pool *old;
	struct luo_pool pool;
	void *mem;

	/* A pool of the command line stays what it is. */
	if (!pages_wanted(-1))
		CHECK_EQ(luo_pool_set(SIZE, "nr_hugepages", 6), 0);
	CHECK_EQ(luo_pool_set(SIZE, "nr_overcommit_hugepages", 16), 0);
	CHECK(session >= 0);

	/* Page 0 is for struct old_pool; 2 and 5 stay holes, 3 is filled late. */
	main = huge_memfd(6, MFD_ALLOW_SEALING);
	CHECK_EQ(luo_file_fill(main, 0, 2 * SIZE, 1), 0);
	CHECK_EQ(luo_file_fill(main, 4 * SIZE, SIZE, 2), 0);
	CHECK_EQ(luo_preserve(session, main, 1), 0);
	CHECK_EQ(luo_file_fill(main, 3 * SIZE, SIZE, 3), 0);
	CHECK_EQ(fcntl(main, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_EQ(lseek(main, 12345, SEEK_SET), 12345);

	/* All of it is reserved, 1 and 4 are there; one more hole is filled late. */
	reserved = huge_memfd(7, 0);
	mem = mmap(NULL, 7 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, reserved, 0);
	CHECK(mem != MAP_FAILED);
	luo_fill(mem + SIZE, SIZE, 4);
	CHECK_EQ(luo_preserve(session, reserved, 2), 0);
	luo_fill(mem + 4 * SIZE, SIZE, 5);
	munmap(mem, 7 * SIZE);

	discarded = huge_memfd(2, 0);
	CHECK_EQ(luo_file_fill(discarded, 0, 2 * SIZE, 6), 0);
	CHECK_EQ(luo_preserve(session, discarded, 3), 0);
	surplus = huge_memfd(2, 0);
	CHECK_EQ(luo_file_fill(surplus, 0, 2 * SIZE, 7), 0);
	CHECK_EQ(luo_preserve(session, surplus, 4), 0);
	/* One with nothing in it. */
	CHECK_EQ(luo_preserve(session, huge_memfd(3, 0), 5), 0);

	CHECK(luo_pool_read(SIZE, &pool));
	CHECK_EQ(pool.total - pool.free, 10);
	CHECK_EQ(pool.reserved, 5);
	old = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, main, 0);
	CHECK(old != MAP_FAILED);
	for (node = 0; node < LUO_NODES; node++) {
		old->used[node] = pool.node_total[node] - pool.node_free[node];
		old->persistent[node] = pool.node_total[node] - pool.node_surplus[node];
		if (old->persistent[node] > old->used[node])
			old->persistent[node] = old->used[node];
	}
	munmap(old, SIZE);
}

/* What the kernel has allocated at boot, knowing what would come. */
static void boot_was_right(const struct luo_pool *boot, const struct old_pool *old)
{
	long wanted = pages_wanted(-1), come = old->persistent[0] + old->persistent[1];
	long all[LUO_NODES];
	int node, more;

	for (node = 0; node < LUO_NODES; node++) {
		all[node] = boot->node_total[node] + old->persistent[node];
		/* As many as wanted on this very node. */
		if (wanted && pages_wanted(node) >= 0)
			CHECK_EQ(all[node], pages_wanted(node) > old->persistent[node] ?
				 pages_wanted(node) : old->persistent[node]);
	}
	if (wanted && pages_wanted(0) >= 0)
		return;
	CHECK_EQ(boot->total, wanted > come ? wanted - come : 0);
	/* Of two nodes one has more only if that has come. */
	more = all[1] > all[0];
	if (luo_pool_number(SIZE, 1, "nr_hugepages") >= 0)
		CHECK(all[more] - all[!more] <= 1 || !boot->node_total[more]);
}

static void main_is_whole(int fd)
{
	CHECK_EQ(luo_size(fd), 6 * SIZE);
	CHECK_EQ(luo_blocks(fd), 4 * SIZE / 512);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 12345);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW);
	CHECK(luo_file_is_filled(fd, 4 * SIZE, SIZE, 2));
	CHECK(luo_file_is_filled(fd, 3 * SIZE, SIZE, 3));
	CHECK_EQ(ftruncate(fd, 5 * SIZE), 0);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * SIZE, SIZE), 0);
	CHECK_EQ(luo_blocks(fd), 3 * SIZE / 512);
	CHECK_EQ(fallocate(fd, 0, 3 * SIZE, SIZE), 0);
	/* Granted only if nobody has a reference to a page that is not known of. */
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

/* Nobody has kept free pages for what is reserved: they may have to be added. */
static int retrieve_reserved(int session, const struct luo_pool *pool)
{
	struct luo_pool now;
	int fd = luo_retrieve(session, 2);

	if (pool->free < 5) {
		CHECK_EQ(fd, -ENOMEM);
		CHECK_EQ(luo_retrieve(session, 2), -ENOMEM);
		CHECK(luo_pool_read(SIZE, &now));
		CHECK(now.reserved < 5);
		CHECK_EQ(luo_finish(session), -EBUSY);
		/* What is surplus becomes persistent before a page is added. */
		CHECK_EQ(luo_pool_set(SIZE, "nr_hugepages", now.total + 5 - now.free), 0);
		fd = luo_retrieve(session, 2);
	}
	CHECK(fd >= 0);
	CHECK(luo_pool_read(SIZE, &now));
	CHECK_EQ(now.reserved, 5);
	CHECK_EQ(luo_blocks(fd), 2 * SIZE / 512);
	CHECK(luo_file_is_filled(fd, SIZE, SIZE, 4));
	CHECK(luo_file_is_filled(fd, 4 * SIZE, SIZE, 5));
	/* A hole is filled out of the reservation. */
	CHECK_EQ(luo_file_fill(fd, 2 * SIZE, SIZE, 8), 0);
	CHECK(luo_pool_read(SIZE, &now));
	CHECK_EQ(now.reserved, 4);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * SIZE, SIZE), 0);
	CHECK(luo_pool_read(SIZE, &now));
	CHECK_EQ(now.reserved, 4);
	return fd;
}

/* Who gets a file back is charged for it, and does not if that is too much. */
static int retrieve_charged(int session)
{
	char pid[16];
	int fd;

	CHECK_EQ(luo_write("/sys/fs/cgroup/cgroup.subtree_control", "+hugetlb"), 0);
	CHECK_EQ(mkdir(CGROUP, 0700), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK_EQ(luo_write(CGROUP "/cgroup.procs", pid), 0);
	CHECK_EQ(luo_write(CGROUP "/hugetlb.2MB.max", "2M"), 0);
	CHECK_EQ(luo_retrieve(session, 4), -ENOMEM);
	CHECK_EQ(luo_read_number(CGROUP "/hugetlb.2MB.current"), SIZE);
	CHECK_EQ(luo_write(CGROUP "/hugetlb.2MB.max", "max"), 0);
	CHECK_EQ(luo_write(CGROUP "/hugetlb.2MB.rsvd.max", "2M"), 0);
	CHECK_EQ(luo_retrieve(session, 4), -ENOMEM);
	CHECK_EQ(luo_write(CGROUP "/hugetlb.2MB.rsvd.max", "max"), 0);
	fd = luo_retrieve(session, 4);
	CHECK(fd >= 0);
	CHECK_EQ(luo_read_number(CGROUP "/hugetlb.2MB.current"), 2 * SIZE);
	CHECK_EQ(luo_read_number(CGROUP "/hugetlb.2MB.rsvd.current"), 2 * SIZE);
	return fd;
}

static void leave_cgroup(void)
{
	char pid[16];

	CHECK_EQ(luo_read_number(CGROUP "/hugetlb.2MB.current"), 0);
	CHECK_EQ(luo_read_number(CGROUP "/hugetlb.2MB.rsvd.current"), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK_EQ(luo_write("/sys/fs/cgroup/cgroup.procs", pid), 0);
	CHECK_EQ(rmdir(CGROUP), 0);
}

static void hugetlb_after(void)
{
	int session = luo_retrieve_session(dev, "hugetlb"), main, reserved, surplus, empty, node;
	struct luo_pool boot, pool;
	struct old_pool old = {};
	long enlarged, over;
	char *text;
	void *mem;

	CHECK(session >= 0);
	CHECK(luo_pool_read(SIZE, &boot));
	CHECK_EQ(boot.free, boot.total);
	CHECK_EQ(boot.reserved + boot.surplus, 0);

	main = luo_retrieve(session, 1);
	CHECK(main >= 0);
	mem = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, main, 0);
	CHECK(mem != MAP_FAILED);
	if (mem == MAP_FAILED)
		return;
	old = *(struct old_pool *)mem;
	munmap(mem, SIZE);
	if (luo_pool_number(SIZE, 1, "nr_hugepages") < 0) {
		/* One node is left, with numa=off. */
		old.used[0] += old.used[1];
		old.persistent[0] += old.persistent[1];
		old.persistent[1] = 0;
	}
	boot_was_right(&boot, &old);
	CHECK(luo_pool_read(SIZE, &pool));
	CHECK_EQ(pool.total, boot.total + 4);
	CHECK_EQ(pool.free, boot.free);
	CHECK_EQ(pool.reserved, 0);
	main_is_whole(main);
	CHECK(luo_pool_read(SIZE, &pool));
	CHECK_EQ(pool.reserved, 0);

	enlarged = pool.free < 5;
	reserved = retrieve_reserved(session, &pool);
	surplus = retrieve_charged(session);
	CHECK(luo_file_is_filled(surplus, 0, 2 * SIZE, 7));
	CHECK_EQ(luo_unpreserve(session, 3), 0);
	text = luo_read_file(SYSFS_INCOMING "/hugetlb");
	CHECK(luo_has_line(text, "file:\t0x5 hugetlb-memfd-v1 6291456 waiting"));
	free(text);
	empty = luo_retrieve(session, 5);
	CHECK_EQ(luo_size(empty), 3 * SIZE);
	CHECK_EQ(luo_blocks(empty), 0);
	close(empty);

	/* Everything has come: each node has what it should. */
	CHECK(luo_pool_read(SIZE, &pool));
	for (node = 0; node < LUO_NODES; node++) {
		long is = pool.node_total[node] - pool.node_surplus[node];
		long should = boot.node_total[node] + old.persistent[node];

		check(enlarged ? is >= should : is == should,
		      "node %d has %ld persistent pages, not %ld", node, is, should);
	}
	/* Of what was surplus, as much was discarded as possible. */
	over = old.used[0] - old.persistent[0];
	if (!pool.node_total[1])
		CHECK_EQ(pool.surplus, over > 2 ? over - 2 : 0);

	/* What is closed is free, and what was surplus is not a huge page any more. */
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	close(surplus);
	leave_cgroup();
	close(main);
	close(reserved);
	pool_is("closed", SIZE, pool.total - pool.surplus, pool.total - pool.surplus, 0, 0);
	CHECK_EQ(luo_pool_set(SIZE, "nr_hugepages", 3), 0);
	pool_is("smaller", SIZE, 3, 3, 0, 0);
	CHECK_EQ(luo_pool_set(SIZE, "nr_hugepages", 8), 0);
	pool_is("larger", SIZE, 8, 8, 0, 0);
	CHECK_EQ(luo_pool_set(SIZE, "nr_hugepages", pages_wanted(-1)), 0);
	CHECK_EQ(luo_retrieve_session(dev, "hugetlb"), -ENOENT);
}

/* Pages of 1 GiB: one in a file with a hole, one to be discarded. */
static void gigantic_before(void)
{
	int session = luo_create(dev, "gigantic"), fd;

	CHECK(session >= 0);
	CHECK_EQ(luo_pool_number(LUO_1GB, -1, "nr_hugepages"), 2);
	fd = luo_memfd(3 * LUO_1GB, LUO_MFD_1GB);
	CHECK(fd >= 0);
	CHECK(luo_file_sample(fd, LUO_1GB, LUO_1GB, 1, 1));
	CHECK_EQ(luo_preserve(session, fd, 1), 0);
	fd = luo_memfd(LUO_1GB, LUO_MFD_1GB);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
	CHECK(luo_file_sample(fd, 0, LUO_1GB, 2, 1));
	pool_is("used", LUO_1GB, 2, 0, 0, 0);
}

static void gigantic_after(void)
{
	int session = luo_retrieve_session(dev, "gigantic"), fd;
	long used = luo_meminfo("MemFree");

	CHECK(session >= 0);
	if (luo_pool_number(LUO_1GB, -1, "nr_hugepages") < 0) {
		/* This kernel has no such pages; they can still be given up. */
		CHECK_EQ(luo_retrieve(session, 1), -EOPNOTSUPP);
		CHECK_EQ(luo_retrieve(session, 1), -EOPNOTSUPP);
		CHECK_EQ(luo_unpreserve(session, 2), 0);
		CHECK(luo_meminfo("MemFree") - used > 1000 * 1024);
		return;
	}

	/* Both are to come, so none was allocated, whatever was asked for. */
	pool_is("boot", LUO_1GB, 0, 0, 0, 0);
	CHECK_EQ(luo_unpreserve(session, 2), 0);
	pool_is("discarded", LUO_1GB, 1, 1, 0, 0);
	fd = luo_retrieve(session, 1);
	CHECK(fd >= 0);
	pool_is("retrieved", LUO_1GB, 2, 1, 0, 0);
	CHECK_EQ(luo_size(fd), 3 * LUO_1GB);
	CHECK_EQ(luo_blocks(fd), LUO_1GB / 512);
	CHECK_EQ(luo_finish(session), 0);
	/* Also the page that was discarded is one that can be used. */
	CHECK(luo_file_sample(fd, 0, LUO_1GB, 3, 1));
	pool_is("filled", LUO_1GB, 2, 0, 0, 0);
	CHECK(luo_file_sample(fd, LUO_1GB, LUO_1GB, 1, 0));
	close(fd);
	close(session);
	pool_is("closed", LUO_1GB, 2, 2, 0, 0);
	CHECK_EQ(luo_pool_set(LUO_1GB, "nr_hugepages", 0), 0);
	pool_is("none", LUO_1GB, 0, 0, 0, 0);
	CHECK(luo_meminfo("MemFree") - used > 2000 * 1024);
}

/* Each a page, and one reserved. Half of the pages are surplus. */
#define NR_DISCARDED	24

static void discard_before(void)
{
	int session = luo_create(dev, "discard"), fd, i;
	void *mem;

	CHECK(session >= 0);
	CHECK_EQ(luo_pool_set(SIZE, "nr_hugepages", NR_DISCARDED / 2), 0);
	CHECK_EQ(luo_pool_set(SIZE, "nr_overcommit_hugepages", 2 * NR_DISCARDED), 0);
	for (i = 1; i <= NR_DISCARDED; i++) {
		fd = huge_memfd(2, 0);
		mem = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		CHECK(mem != MAP_FAILED);
		luo_fill(mem, LUO_PAGE, i);
		CHECK_EQ(luo_preserve(session, fd, i), 0);
		munmap(mem, 2 * SIZE);
	}
}

/* Given up, while each allocation fails, one by one: not a page is lost. */
static void discard_after(void)
{
	int session = luo_retrieve_session(dev, "discard"), i, err, hits = 0;
	bool hit = true;

	CHECK(session >= 0);
	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	for (i = 1; i <= NR_DISCARDED; i++) {
		luo_fail_nth(hit ? i : 0);
		err = luo_unpreserve(session, i);
		hit = hit && luo_has_failed();
		hits += hit;
		if (err) {
			CHECK(hit && luo_is_fault(err));
			CHECK_EQ(luo_unpreserve(session, i), 0);
		}
	}
	printf("# discard huge pages: %d points hit\n", hits);
	CHECK(hits && !hit);
	CHECK(luo_log_was_clean());
	luo_watch_races("on");
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	pool_is("discarded", SIZE, NR_DISCARDED / 2, NR_DISCARDED / 2, 0, 0);
	CHECK_EQ(luo_pool_set(SIZE, "nr_hugepages", 0), 0);
}

const struct scenario hugetlb_scenarios[] = {
	{ "hugetlb", hugetlb_before, hugetlb_after },
	{ "gigantic", gigantic_before, gigantic_after, .special = 1 },
	/* in the same machines: it counts all there is in the pool of 2 MiB */
	{ "discard_beside_gigantic", discard_before, discard_after, .special = 1 },
	{}
};

// SPDX-License-Identifier: GPL-2.0
/*
 * iommufd contexts without a device: what is mapped in the next kernel is what was
 * mapped, as the domain of a device that is none can tell.
 */
#define _GNU_SOURCE
#include "../liveupdate/luo_fault.h"
#include "../liveupdate/luo_hugetlb.h"
#include "../liveupdate/luo_spare.h"
#include "iommufd_mock.h"
#include "scenarios.h"

#define RO		IOMMU_IOAS_MAP_READABLE
#define RW		(IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED		IOMMU_IOAS_MAP_FIXED_IOVA
#define IOVA		(MOCK_APERTURE_START + 64 * MB)

/* Tokens. */
#define CONTEXT		1
#define HUGE		2
#define SMALL		3
/* Contexts of the same kind, for what can be done only once. */
#define COPIES		100
#define NR_COPIES	24

#define HUGE_SIZE	(4 * MB)
#define SMALL_SIZE	(64 * LUO_PAGE)
#define COPIED		(2 * MB)
#define SEED		31

/* IDs start at 1, and are given in turn. */
#define FIRST_IOAS	1
#define GONE_IOAS	2
#define SECOND_IOAS	3

static int small_pages(int iommufd, __u32 ioas_id, __u16 op, __u64 *value)
{
	struct iommu_option arg = {
		.size = sizeof(arg), .option_id = IOMMU_OPTION_HUGE_PAGES, .op = op,
		.object_id = ioas_id, .val64 = *value,
	};
	int err = luo_ioctl(iommufd, IOMMU_OPTION, &arg);

	*value = arg.val64;
	return err;
}

static int allow_iovas(int iommufd, __u32 ioas_id, __u64 start, __u64 last)
{
	struct iommu_iova_range range = { start, last };
	struct iommu_ioas_allow_iovas arg = {
		.size = sizeof(arg), .ioas_id = ioas_id, .num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	return luo_ioctl(iommufd, IOMMU_IOAS_ALLOW_IOVAS, &arg);
}

/*
 * Where things are in the first IOAS, and at the same IOVAs the copy in the second
 * one. Behind it is what nobody may write to, and a part of pages.
 */
#define AT_HUGE		IOVA
#define AT_READ_ONLY	(IOVA + 16 * MB)
#define AT_PART		(IOVA + 32 * MB)
#define PART_START	(3 * LUO_PAGE + MOCK_PAGE)
#define PART_LENGTH	(2 * LUO_PAGE + MOCK_PAGE)
/* All that is allowed in the second one. */
#define ALLOWED		(IOVA + 48 * MB)

static void map_all(int iommufd, int huge, int small)
{
	__u64 iova = AT_HUGE, zero = 0;

	CHECK_EQ(map_file(iommufd, FIRST_IOAS, huge, 0, HUGE_SIZE, &iova, RW | FIXED), 0);
	CHECK_EQ(copy(iommufd, FIRST_IOAS, AT_HUGE, SECOND_IOAS, &iova, HUGE_SIZE, RO | FIXED),
		 0);
	iova = AT_READ_ONLY;
	CHECK_EQ(map_file(iommufd, FIRST_IOAS, small, 0, SMALL_SIZE, &iova, RO | FIXED), 0);
	iova = AT_PART;
	CHECK_EQ(map_file(iommufd, FIRST_IOAS, small, PART_START, PART_LENGTH, &iova, RW | FIXED),
		 0);
	CHECK_EQ(small_pages(iommufd, SECOND_IOAS, IOMMU_OPTION_OP_SET, &zero), 0);
	CHECK_EQ(allow_iovas(iommufd, SECOND_IOAS, ALLOWED, ALLOWED + MB - 1), 0);
}

static int make_context(int huge, int small)
{
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	__u32 ids[3];

	CHECK(iommufd >= 0);
	CHECK_EQ(ioas_alloc(iommufd, &ids[0]), 0);
	CHECK_EQ(ioas_alloc(iommufd, &ids[1]), 0);
	CHECK_EQ(ioas_alloc(iommufd, &ids[2]), 0);
	CHECK_EQ(ids[0], FIRST_IOAS);
	CHECK_EQ(ids[2], SECOND_IOAS);
	CHECK_EQ(destroy(iommufd, GONE_IOAS), 0);
	map_all(iommufd, huge, small);
	return iommufd;
}

void iommufd_before(void)
{
	int huge = thp_memfd(HUGE_SIZE, SEED), small = luo_memfd_filled(SMALL_SIZE, SEED + 1);
	int iommufd = make_context(huge, small), session, i;
	__u64 iova;

	CHECK(huge >= 0 && small >= 0);
	/* In this order: what it needs is not there yet. */
	session = one_before("iommufd", CONTEXT, iommufd);
	CHECK_EQ(luo_preserve(session, huge, HUGE), 0);
	CHECK_EQ(luo_preserve(session, small, SMALL), 0);
	for (i = 0; i < NR_COPIES; i++)
		CHECK_EQ(luo_preserve(session, make_context(huge, small), COPIES + i), 0);
	iova = IOVA + 60 * MB;
	CHECK_EQ(map_file(iommufd, FIRST_IOAS, small, 0, SMALL_SIZE, &iova, RW | FIXED), -EBUSY);
	CHECK_EQ(unmap(iommufd, FIRST_IOAS, AT_READ_ONLY, SMALL_SIZE), -EBUSY);
}

/*
 * Pitfall 32: whatever can fail does, one by one, and it goes on from there. What can
 * do without something goes on with a copy.
 */
static int retrieve_without_memory(int session)
{
	int nth, hits = 0, copy = 0, fd = -1;
	__u64 token = CONTEXT;
	bool hit = true;
	long fds;

	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	for (nth = 1; hit && nth < 2000 && copy <= NR_COPIES; nth++) {
		fds = luo_count_fds();
		luo_fail_nth(nth);
		fd = luo_retrieve(session, token);
		hit = luo_has_failed();
		hits += hit;
		CHECK(fd >= 0 || luo_is_fault(fd));
		if (fd >= 0) {
			close(fd);
			token = COPIES + copy++;
		}
		CHECK_EQ(luo_count_fds(), fds);
	}
	printf("# retrieve a context: %d points hit, %d without harm\n", hits, copy - 1);
	CHECK(hits > 10 && !hit);
	CHECK(luo_log_was_clean());
	luo_watch_races("on");
	return luo_retrieve(session, CONTEXT);
}

static void drop_copies(int session)
{
	int i, fd;

	for (i = 0; i < NR_COPIES; i++) {
		fd = luo_retrieve(session, COPIES + i);
		CHECK(fd >= 0);
		close(fd);
	}
}

/* What a domain that is attached to it gets. */
static void looks_same(int iommufd, int huge, int small)
{
	char *huge_mem = mmap(NULL, HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, huge, 0);
	char *small_mem = mmap(NULL, SMALL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, small, 0);
	struct mock first, second;

	CHECK(huge_mem != MAP_FAILED && small_mem != MAP_FAILED);
	CHECK_EQ(mock_domain(iommufd, FIRST_IOAS, 0, &first), 0);
	CHECK_EQ(mock_domain(iommufd, SECOND_IOAS, 0, &second), 0);
	CHECK_EQ(check_map(iommufd, first.hwpt_id, AT_HUGE, huge_mem, HUGE_SIZE), 0);
	CHECK_EQ(check_map(iommufd, first.hwpt_id, AT_READ_ONLY, small_mem, SMALL_SIZE), 0);
	CHECK_EQ(check_map(iommufd, first.hwpt_id, AT_PART, small_mem + PART_START,
			   PART_LENGTH), 0);
	CHECK_EQ(check_map(iommufd, second.hwpt_id, AT_HUGE, huge_mem, HUGE_SIZE), 0);
	/* Nothing else is mapped. */
	CHECK_EQ(check_map(iommufd, second.hwpt_id, AT_READ_ONLY, small_mem, LUO_PAGE), -EINVAL);
	CHECK(luo_is_filled(huge_mem, HUGE_SIZE, SEED));
	CHECK(luo_is_filled(small_mem, SMALL_SIZE, SEED + 1));
	CHECK_EQ(destroy(iommufd, first.stdev_id), 0);
	CHECK_EQ(destroy(iommufd, second.stdev_id), 0);
	munmap(huge_mem, HUGE_SIZE);
	munmap(small_mem, SMALL_SIZE);
}

/* What may be read, and what written to. */
static void access_is_same(int iommufd)
{
	static char buffer[64];
	int access = create_access(iommufd, FIRST_IOAS, 0);

	CHECK(access >= 0);
	CHECK_EQ(access_rw(iommufd, access, AT_READ_ONLY, buffer, sizeof(buffer), 0), 0);
	CHECK(luo_is_filled(buffer, sizeof(buffer), SEED + 1));
	CHECK_EQ(access_rw(iommufd, access, AT_READ_ONLY, buffer, sizeof(buffer),
			   MOCK_ACCESS_RW_WRITE), -EPERM);
	CHECK_EQ(access_rw(iommufd, access, AT_PART, buffer, sizeof(buffer),
			   MOCK_ACCESS_RW_WRITE), 0);
	close(access);
}

static void options_are_same(int iommufd)
{
	__u64 value = 7, iova = 0;
	int small = luo_memfd(LUO_PAGE, 0);

	CHECK_EQ(small_pages(iommufd, FIRST_IOAS, IOMMU_OPTION_OP_GET, &value), 0);
	CHECK_EQ(value, 1);
	CHECK_EQ(small_pages(iommufd, SECOND_IOAS, IOMMU_OPTION_OP_GET, &value), 0);
	CHECK_EQ(value, 0);
	CHECK_EQ(map_file(iommufd, SECOND_IOAS, small, 0, LUO_PAGE, &iova, RW), 0);
	CHECK(iova >= ALLOWED && iova < ALLOWED + MB);
	CHECK_EQ(unmap(iommufd, SECOND_IOAS, iova, LUO_PAGE), 0);
	close(small);
}

/* An ordinary context: what came along can be taken away, and so on. */
static void goes_on(int iommufd, int huge, int small)
{
	__u32 id;

	CHECK_EQ(ioas_alloc(iommufd, &id), 0);
	CHECK_EQ(destroy(iommufd, id), 0);
	CHECK_EQ(destroy(iommufd, GONE_IOAS), -ENOENT);
	CHECK_EQ(unmap(iommufd, FIRST_IOAS, AT_HUGE, HUGE_SIZE), 0);
	CHECK_EQ(unmap(iommufd, SECOND_IOAS, AT_HUGE, HUGE_SIZE), 0);
	CHECK_EQ(unmap(iommufd, FIRST_IOAS, AT_READ_ONLY, SMALL_SIZE), 0);
	CHECK_EQ(unmap(iommufd, FIRST_IOAS, AT_PART, PART_LENGTH), 0);
	CHECK_EQ(destroy(iommufd, FIRST_IOAS), 0);
	CHECK_EQ(destroy(iommufd, SECOND_IOAS), 0);
}

void iommufd_after(void)
{
	int session = luo_retrieve_session(dev, "iommufd"), iommufd, huge, small, other;
	__u64 iova = IOVA + 60 * MB;
	struct mock mock;

	CHECK(session >= 0);
	iommufd = retrieve_without_memory(session);
	huge = luo_retrieve(session, HUGE);
	/* Only the context has asked for this one so far. */
	CHECK_EQ(luo_finish(session), -EBUSY);
	small = luo_retrieve(session, SMALL);
	CHECK(huge >= 0 && small >= 0);
	CHECK_EQ(map_file(iommufd, FIRST_IOAS, small, 0, SMALL_SIZE, &iova, RW | FIXED), -EBUSY);
	CHECK_EQ(unmap(iommufd, FIRST_IOAS, AT_READ_ONLY, SMALL_SIZE), -EBUSY);
	CHECK_EQ(mock_domain(iommufd, FIRST_IOAS, 0, &mock), -EBUSY);
	/* Who has it dies: it is the same one that comes back. */
	other = luo_retrieve(session, CONTEXT);
	close(iommufd);
	iommufd = other;
	drop_copies(session);
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	looks_same(iommufd, huge, small);
	access_is_same(iommufd);
	options_are_same(iommufd);
	goes_on(iommufd, huge, small);
	close(iommufd);
	/* A memfd is not pinned, and not written to, by anybody any more. */
	CHECK_EQ(fcntl(small, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(huge);
	close(small);
}

/*
 * Nobody wants it. As long as it is there, devices could have access to memory of the
 * session, so that has to stay where it is.
 */
#define KEPT	4
#define POOL	5

void iommufd_given_up_before(void)
{
	int small = luo_memfd_filled(SMALL_SIZE, SEED + 2), huge = thp_memfd(2 * MB, SEED + 3);
	int iommufd = make_context(thp_memfd(HUGE_SIZE, SEED), small), session, pool;

	CHECK_EQ(luo_pool_set(LUO_2MB, "nr_hugepages", 2), 0);
	pool = luo_memfd(2 * MB, LUO_MFD_2MB | MFD_ALLOW_SEALING);
	CHECK(pool >= 0);
	CHECK_EQ(luo_file_fill(pool, 0, 2 * MB, SEED + 4), 0);
	CHECK_EQ(unmap(iommufd, FIRST_IOAS, AT_HUGE, HUGE_SIZE), 0);
	CHECK_EQ(unmap(iommufd, SECOND_IOAS, AT_HUGE, HUGE_SIZE), 0);
	session = one_before("iommufd, given up", SMALL, small);
	CHECK_EQ(luo_preserve(session, iommufd, CONTEXT), 0);
	CHECK_EQ(luo_preserve(session, huge, HUGE), 0);
	CHECK_EQ(luo_preserve(session, luo_memfd_filled(SMALL_SIZE, SEED), KEPT), 0);
	CHECK_EQ(luo_preserve(session, pool, POOL), 0);
}

void iommufd_given_up_after(void)
{
	long unclaimed = luo_read_number(UNCLAIMED);
	int session, small = one_after("iommufd, given up", SMALL, &session);
	int huge = luo_retrieve(session, HUGE), pool = luo_retrieve(session, POOL);

	CHECK_EQ(luo_unpreserve(session, KEPT), -EBUSY);
	/* Who seals it waits for references that would be pins. */
	CHECK_EQ(fcntl(small, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CHECK_EQ(fcntl(pool, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CHECK_EQ(errno, EBUSY);
	CHECK_EQ(luo_unpreserve(session, CONTEXT), 0);
	CHECK_EQ(luo_unpreserve(session, KEPT), 0);
	CHECK_EQ(fcntl(small, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CHECK_EQ(luo_finish(session), 0);
	CHECK_EQ(fcntl(small, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK_EQ(fcntl(pool, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK(luo_file_is_filled(huge, 0, 2 * MB, SEED + 3));
	CHECK(luo_file_is_filled(pool, 0, 2 * MB, SEED + 4));
	end(session, small);
	close(huge);
	close(pool);
	/* One for the context, and each table of it has one. */
	CHECK(unclaimed - luo_read_number(UNCLAIMED) >= (long)(2 * SMALL_SIZE / LUO_PAGE) + 6);
}

/* What it had mapped is not there any more: it fails for good, and costs itself only. */
void iommufd_broken_before(void)
{
	int small = luo_memfd_filled(SMALL_SIZE, SEED + 5), iommufd;

	iommufd = make_context(thp_memfd(HUGE_SIZE, SEED), small);
	CHECK_EQ(unmap(iommufd, FIRST_IOAS, AT_HUGE, HUGE_SIZE), 0);
	CHECK_EQ(unmap(iommufd, SECOND_IOAS, AT_HUGE, HUGE_SIZE), 0);
	CHECK_EQ(luo_preserve(one_before("iommufd, broken", SMALL, small), iommufd, CONTEXT), 0);
}

void iommufd_broken_after(void)
{
	int session, small = one_after("iommufd, broken", SMALL, &session);

	CHECK_EQ(ftruncate(small, SMALL_SIZE / 2), 0);
	CHECK_EQ(luo_retrieve(session, CONTEXT), -EIO);
	CHECK_EQ(luo_retrieve(session, CONTEXT), -EIO);
	CHECK_EQ(luo_finish(session), -EBUSY);
	CHECK_EQ(luo_unpreserve(session, CONTEXT), 0);
	CHECK_EQ(luo_finish(session), 0);
	CHECK(luo_file_is_filled(small, 0, SMALL_SIZE / 2, SEED + 5));
	close(session);
	CHECK_EQ(fcntl(small, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(small);
}

/* Contexts that are finished, and given up, with whatever can fail. */
#define SPARE_SIZE	(4 * LUO_PAGE)

static void fill_spare(int session, int number)
{
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	int memfd = luo_memfd_filled(SPARE_SIZE, number);
	__u64 iova = IOVA;
	__u32 id;

	CHECK_EQ(ioas_alloc(iommufd, &id), 0);
	CHECK_EQ(map_file(iommufd, id, memfd, 0, SPARE_SIZE, &iova, RW | FIXED), 0);
	CHECK_EQ(luo_preserve(session, iommufd, SPARE_TOKEN(0)), 0);
	CHECK_EQ(luo_preserve(session, memfd, SPARE_TOKEN(1)), 0);
	close(iommufd);
	close(memfd);
}

static bool spare_is_whole(int iommufd, int number)
{
	int access = create_access(iommufd, FIRST_IOAS, 0);
	static char buffer[64];
	bool whole;

	whole = access >= 0 &&
		!access_rw(iommufd, access, IOVA, buffer, sizeof(buffer), 0) &&
		luo_is_filled(buffer, sizeof(buffer), number) &&
		!access_rw(iommufd, access, IOVA, buffer, sizeof(buffer), MOCK_ACCESS_RW_WRITE);
	close(access);
	/* It is an ordinary one. */
	return whole && !unmap(iommufd, FIRST_IOAS, IOVA, SPARE_SIZE);
}

/* Preserved are the pages, and for each of the two what tells of it. */
static struct spare spare = {
	.name = "iommufd", .nr = 40, .nr_files = 2, .fill = fill_spare,
	.is_whole = spare_is_whole, .pages = SPARE_SIZE / LUO_PAGE + 2,
};

void iommufd_spare_before(void)
{
	spare_before(&spare);
}

void iommufd_spare_after(void)
{
	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	spare_sweep_ends(&spare);
}

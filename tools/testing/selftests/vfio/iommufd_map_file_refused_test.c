// SPDX-License-Identifier: GPL-2.0
/* IOMMU_IOAS_MAP_FILE: what is refused, and what fails on the way. */
#define _GNU_SOURCE
#include "iommufd_map_file.h"

#include "../liveupdate/luo_fault.h"

static int job_limits(void *arg)
{
	struct job *job = arg;
	const __u64 iova = job->iova;
	int err = be_nobody(job->limit), i;

	for (i = 0; !err && i < 3; i++) {
		job->iova = iova;
		err = map_file(job->fd, job->ioas_id, job->memfd, 0,
			       (job->limit + 1) * LUO_PAGE, &job->iova, RW | FIXED);
		err = err == -ENOMEM ? 0 : -EPROTO;
		if (!err)
			err = map_file(job->fd, job->ioas_id, job->memfd, 0,
				       job->limit * LUO_PAGE, &job->iova, RW | FIXED);
		/* One more, and all of it again. */
		job->iova += 2 * LENGTH;
		if (!err && map_file(job->fd, job->ioas_id, job->memfd, 0, LUO_PAGE, &job->iova,
				     RW | FIXED) != -ENOMEM)
			err = -EPROTO;
		if (!err)
			err = unmap(job->fd, job->ioas_id, iova, job->limit * LUO_PAGE);
	}
	return err;
}

/* By user, and by process. */
TEST_F(map_file, locked_memory_is_limited)
{
	struct iommu_option option = {
		.size = sizeof(option), .option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_SET,
	};
	struct job job = {
		.memfd = self->memfd, .limit = 513, .iova = IOVA,
	};
	struct mock mock;
	int mode;

	for (mode = 0; mode < 2; mode++) {
		job.fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		option.val64 = mode;
		ASSERT_EQ(0, luo_ioctl(job.fd, IOMMU_OPTION, &option));
		ASSERT_EQ(0, ioas_alloc(job.fd, &job.ioas_id));
		ASSERT_EQ(0, mock_domain(job.fd, job.ioas_id, 0, &mock));
		EXPECT_EQ(0, in_child(job_limits, &job));
		EXPECT_EQ(0, pages_pinned());

		/* The account may be closed while pages are in it. */
		job.length = LUO_2MB;
		EXPECT_EQ(0, in_child(job_map, &job));
		EXPECT_EQ(LUO_2MB / LUO_PAGE, pages_pinned());
		EXPECT_EQ(0, unmap(job.fd, job.ioas_id, IOVA, LUO_2MB));
		EXPECT_EQ(0, pages_pinned());

		/* To a process that is gone nothing can be added. */
		ASSERT_EQ(0, destroy(job.fd, mock.stdev_id));
		EXPECT_EQ(0, in_child(job_map, &job));
		EXPECT_EQ(mode ? -EINVAL : 0, mock_domain(job.fd, job.ioas_id, 0, &mock));
		EXPECT_EQ(mode ? 0 : LUO_2MB / LUO_PAGE, pages_pinned());
		close(job.fd);
		EXPECT_EQ(0, pages_pinned());
	}
}

TEST_F(map_file, open_modes_and_seals)
{
	static const int seals[] = { F_SEAL_WRITE, F_SEAL_FUTURE_WRITE };
	int ro = reopen(self->memfd, O_RDONLY), wo = reopen(self->memfd, O_WRONLY), fd;
	__u64 iova = IOVA, other;
	size_t i;

	EXPECT_EQ(-EACCES, map_file(self->fd, self->ioas_id, ro, 0, LENGTH, &iova, RW | FIXED));
	EXPECT_EQ(-EACCES, map_file(self->fd, self->ioas_id, wo, 0, LENGTH, &iova, RW | FIXED));
	EXPECT_EQ(0, map_file(self->fd, self->ioas_id, ro, 0, LENGTH, &iova, RO | FIXED));
	close(ro);
	close(wo);
	/* It does not become writeable as a copy. */
	other = IOVA + LENGTH;
	EXPECT_NE(0, copy(self->fd, self->ioas_id, IOVA, self->ioas_id, &other, LENGTH,
			  RW | FIXED));
	EXPECT_EQ(0, unmap(self->fd, self->ioas_id, IOVA, LENGTH));

	for (i = 0; i < ARRAY_SIZE(seals); i++) {
		fd = new_memfd(variant->flags, LENGTH);
		ASSERT_EQ(0, add_seals(fd, seals[i]));
		EXPECT_EQ(-EPERM, map_file(self->fd, self->ioas_id, fd, 0, LENGTH, &iova,
					   RW | FIXED));
		EXPECT_EQ(0, map_file(self->fd, self->ioas_id, fd, 0, LENGTH, &iova, RO | FIXED));
		EXPECT_EQ(0, unmap(self->fd, self->ioas_id, IOVA, LENGTH));
		close(fd);
	}

	/* No domain: nothing is pinned, yet it may be at any time. */
	unmap_mem(&self->mem);
	EXPECT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW | FIXED));
	EXPECT_EQ(0, pages_pinned());
	EXPECT_EQ(-EBUSY, add_seals(self->memfd, F_SEAL_WRITE));
	attach_domain();
	EXPECT_EQ(-EBUSY, add_seals(self->memfd, F_SEAL_WRITE));
	EXPECT_EQ(0, unmap(self->fd, self->ioas_id, IOVA, LENGTH));
	/* The teardown seals it. */
}

TEST_F(map_file, nonsense)
{
	struct { struct iommu_ioas_map_file arg; __u64 more; } longer = {};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int path = reopen(self->memfd, O_PATH), pipes[2];
	int text = open("/proc/version", O_RDONLY | O_CLOEXEC);
	__u32 ioas_id = self->ioas_id;
	__u64 iova = IOVA;
	int empty = new_memfd(variant->flags, 0);

#define refused(_err, _fd, _start, _length, _flags)				\
	EXPECT_EQ(_err, map_file(self->fd, ioas_id, _fd, _start, _length, &iova, _flags))

	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	refused(-EBADF, -1, 0, LENGTH, RW | FIXED);
	refused(-EBADF, 1000, 0, LENGTH, RW | FIXED);
	refused(-EBADF, path, 0, LENGTH, RW | FIXED);
	refused(-EINVAL, null, 0, LENGTH, RW | FIXED);
	refused(-EINVAL, text, 0, LUO_PAGE, RO | FIXED);
	refused(-EINVAL, pipes[0], 0, LENGTH, RO | FIXED);
	refused(-EINVAL, self->fd, 0, LENGTH, RW | FIXED);
	refused(-EINVAL, empty, 0, LENGTH, RW | FIXED);
	refused(-EINVAL, self->memfd, 0, 0, RW | FIXED);
	refused(-EINVAL, self->memfd, LUO_PAGE, LENGTH, RW | FIXED);
	refused(-EINVAL, self->memfd, 0, LENGTH + LUO_PAGE, RW | FIXED);
	refused(-EINVAL, self->memfd, LENGTH, LUO_PAGE, RW | FIXED);
	refused(-EOVERFLOW, self->memfd, -LUO_PAGE, LENGTH, RW | FIXED);
	refused(-EOVERFLOW, self->memfd, 1ULL << 63, LENGTH, RW | FIXED);
	refused(-EOVERFLOW, self->memfd, 0, -1ULL, RW | FIXED);
	refused(-EOVERFLOW, self->memfd, LUO_PAGE, -LUO_PAGE, RW | FIXED);
	refused(-EINVAL, self->memfd, 0, LENGTH, FIXED);
	refused(-EOPNOTSUPP, self->memfd, 0, LENGTH, RW | FIXED | 8);
	ioas_id = 12345;
	refused(-ENOENT, self->memfd, 0, LENGTH, RW | FIXED);
	ioas_id = self->ioas_id;
	iova = -1ULL;
	refused(-EOVERFLOW, self->memfd, 0, LENGTH, RW | FIXED);
	iova = IOVA;

	longer.arg = (struct iommu_ioas_map_file){
		.size = sizeof(longer), .flags = RW | FIXED, .ioas_id = ioas_id,
		.fd = self->memfd, .length = LENGTH, .iova = IOVA,
	};
	longer.more = 1;
	EXPECT_EQ(-E2BIG, luo_ioctl(self->fd, IOMMU_IOAS_MAP_FILE, &longer));
	longer.arg.size = offsetof(struct iommu_ioas_map_file, iova);
	EXPECT_EQ(-EINVAL, luo_ioctl(self->fd, IOMMU_IOAS_MAP_FILE, &longer));

	/* Bytes are fine until there is a domain, which has pages. */
	EXPECT_EQ(0, map_file(self->fd, ioas_id, self->memfd, 5, 1000, &iova, RW | FIXED));
	EXPECT_EQ(-EEXIST, map_file(self->fd, ioas_id, self->memfd, 0, LENGTH, &iova, RW | FIXED));
	EXPECT_EQ(-EADDRINUSE, mock_domain(self->fd, ioas_id, 0, &self->mock));
	EXPECT_EQ(0, unmap(self->fd, ioas_id, IOVA, 1000));
	attach_domain();
	refused(-EINVAL, self->memfd, 5, LUO_PAGE, RW | FIXED);
	refused(-EINVAL, self->memfd, 0, 1000, RW | FIXED);
	iova = 5;
	refused(-EINVAL, self->memfd, 0, LENGTH, RW | FIXED);
	close(null);
	close(path);
	close(text);
	close(pipes[0]);
	close(pipes[1]);
	close(empty);
}

/* Whatever fails on the way, nothing is left behind; and it works at last. */
#define MAX_POINTS	20000

static int map_for_all(int iommufd, __u32 ioas_id, int fd, int access)
{
	__u64 iova = IOVA;
	__u32 id;
	int err;

	err = map_file(iommufd, ioas_id, fd, 0, LUO_2MB + LUO_PAGE, &iova, RW | FIXED);
	if (err)
		return err;
	err = access_pin(iommufd, access, IOVA + LUO_PAGE, 3 * LUO_PAGE, NULL, &id);
	if (!err)
		err = access_unpin(iommufd, access, id);
	return err;
}

TEST_F(map_file, faults)
{
	int fd, nth, err = -1, failed = 0;
	bool hit = true;
	int access;

	ASSERT_EQ(0, luo_fail_setup());
	attach_domain();
	access = create_access(self->fd, self->ioas_id, PINS);
	ASSERT_LE(0, access);
	luo_log_hide();
	for (nth = 1; hit && nth < MAX_POINTS; nth += 1 + nth / 32) {
		/* Holes, so that memory is asked for. */
		fd = new_memfd(variant->flags, LENGTH);
		luo_fail_nth(nth);
		err = map_for_all(self->fd, self->ioas_id, fd, access);
		hit = luo_has_failed();
		if (err) {
			failed++;
			EXPECT_TRUE(hit);
			/* Mock domains say that there is no room in other words. */
			EXPECT_TRUE(luo_is_fault(err) || err == -EINVAL || err == -ENOENT) {
				TH_LOG("point %d: %d", nth, err);
			}
			/* Or it was a later step that failed. */
			err = unmap(self->fd, self->ioas_id, IOVA, LUO_2MB + LUO_PAGE);
			EXPECT_TRUE(!err || err == -ENOENT);
		} else {
			EXPECT_EQ(0, unmap(self->fd, self->ioas_id, IOVA, LUO_2MB + LUO_PAGE));
		}
		EXPECT_EQ(0, pages_pinned());
		EXPECT_EQ(0, add_seals(fd, F_SEAL_WRITE));
		close(fd);
	}
	EXPECT_TRUE(luo_log_was_clean());
	EXPECT_FALSE(hit);
	EXPECT_LT(4, failed);
	close(access);
}

TEST_HARNESS_MAIN

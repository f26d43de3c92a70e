// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of iommufd contexts, as far as it goes without a successful kexec:
 * what is refused, and what can't be changed while a context is preserved.
 */
#define _GNU_SOURCE
#include "../liveupdate/luo_fixture.h"
#include "../liveupdate/luo_reboot.h"

#include "iommufd_mock.h"

#define RW		(IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED		IOMMU_IOAS_MAP_FIXED_IOVA
#define LENGTH		(64 * LUO_PAGE)
#define IOVA		(MOCK_APERTURE_START + 64 * LUO_MB)

/* Their tokens. */
#define CONTEXT		1
#define MEMFD		2

/* A context with a memfd mapped, and a session. */
struct context {
	int session;
	int fd;
	int memfd;
	__u32 ioas_id;
	__u64 iova;
};

/* The step that fails, or 0. */
static int context_open(struct context *context, int dev, const char *name)
{
	context->iova = IOVA;
	context->session = luo_create(dev, name);
	context->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	context->memfd = luo_memfd_filled(LENGTH, 3);
	if (context->session < 0 || context->fd < 0 || context->memfd < 0)
		return __LINE__;
	if (ioas_alloc(context->fd, &context->ioas_id))
		return __LINE__;
	return map_file(context->fd, context->ioas_id, context->memfd, 0, LENGTH, &context->iova,
			RW | FIXED) ? __LINE__ : 0;
}

static void context_close(struct context *context)
{
	close(context->fd);
	close(context->memfd);
	close(context->session);
}

static int map_memory(struct context *context, void *mem, __u64 iova)
{
	struct iommu_ioas_map arg = {
		.size = sizeof(arg), .flags = RW | FIXED, .ioas_id = context->ioas_id,
		.user_va = (uintptr_t)mem, .length = LUO_PAGE, .iova = iova,
	};

	return luo_ioctl(context->fd, IOMMU_IOAS_MAP, &arg);
}

static int set_option(struct context *context, __u32 option, __u32 id, __u64 value)
{
	struct iommu_option arg = {
		.size = sizeof(arg), .option_id = option, .op = IOMMU_OPTION_OP_SET,
		.object_id = id, .val64 = value,
	};

	return luo_ioctl(context->fd, IOMMU_OPTION, &arg);
}

static int allow_iovas(struct context *context, __u64 start, __u64 last)
{
	struct iommu_iova_range range = { start, last };
	struct iommu_ioas_allow_iovas arg = {
		.size = sizeof(arg), .ioas_id = context->ioas_id, .num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	return luo_ioctl(context->fd, IOMMU_IOAS_ALLOW_IOVAS, &arg);
}

static int make_vfio_ioas(struct context *context)
{
	struct iommu_vfio_ioas arg = {
		.size = sizeof(arg), .op = IOMMU_VFIO_IOAS_SET, .ioas_id = context->ioas_id,
	};

	return luo_ioctl(context->fd, IOMMU_VFIO_IOAS, &arg);
}

static int make_fault_queue(struct context *context)
{
	struct iommu_fault_alloc arg = { .size = sizeof(arg) };
	int err = luo_ioctl(context->fd, IOMMU_FAULT_QUEUE_ALLOC, &arg);

	return err ? err : (int)arg.out_fault_fd;
}

/* All that could change it; what it is afterwards is what it was. */
static void changes(struct __test_metadata *_metadata, struct context *context, int expected)
{
	__u64 iova = IOVA + LENGTH;
	struct mock mock;
	__u32 id;
	int fd;

	EXPECT_EQ(expected, map_file(context->fd, context->ioas_id, context->memfd, 0, LENGTH,
				     &iova, RW | FIXED));
	if (!expected)
		EXPECT_EQ(0, unmap(context->fd, context->ioas_id, iova, LENGTH));
	iova = IOVA + LENGTH;
	EXPECT_EQ(expected, copy(context->fd, context->ioas_id, IOVA, context->ioas_id, &iova,
				 LENGTH, RW | FIXED));
	if (!expected)
		EXPECT_EQ(0, unmap(context->fd, context->ioas_id, iova, LENGTH));
	EXPECT_EQ(expected, unmap(context->fd, context->ioas_id, IOVA, LENGTH));
	if (!expected)
		EXPECT_EQ(0, map_file(context->fd, context->ioas_id, context->memfd, 0, LENGTH,
				      &context->iova, RW | FIXED));
	EXPECT_EQ(expected, ioas_alloc(context->fd, &id));
	EXPECT_EQ(expected, destroy(context->fd, expected ? context->ioas_id : id));
	EXPECT_EQ(expected, allow_iovas(context, IOVA, IOVA + LENGTH - 1));
	EXPECT_EQ(expected, set_option(context, IOMMU_OPTION_HUGE_PAGES, context->ioas_id, 1));
	EXPECT_EQ(expected, mock_domain(context->fd, context->ioas_id, 0, &mock));
	if (!expected)
		EXPECT_EQ(0, destroy(context->fd, mock.stdev_id));
	fd = create_access(context->fd, context->ioas_id, 0);
	EXPECT_EQ(expected, fd < 0 ? fd : 0);
	if (fd >= 0)
		close(fd);
	if (expected) {
		EXPECT_EQ(expected, make_vfio_ioas(context));
		EXPECT_EQ(expected, make_fault_queue(context));
		EXPECT_EQ(expected, set_option(context, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	}
}

TEST_F(luo, nothing_changes)
{
	struct context context;
	int copied;

	ASSERT_EQ(0, context_open(&context, self->dev, "held"));
	changes(_metadata, &context, 0);
	ASSERT_EQ(0, luo_preserve(context.session, context.fd, CONTEXT));
	changes(_metadata, &context, -EBUSY);
	/* It is one context, whatever file it is by. */
	copied = dup(context.fd);
	EXPECT_EQ(-EBUSY, luo_preserve(context.session, copied, MEMFD));
	close(copied);
	ASSERT_EQ(0, luo_unpreserve(context.session, CONTEXT));
	changes(_metadata, &context, 0);
	/* Another one is not bothered: they share an inode. */
	ASSERT_EQ(0, luo_preserve(context.session, context.fd, CONTEXT));
	copied = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	EXPECT_EQ(0, luo_preserve(context.session, copied, MEMFD));
	EXPECT_EQ(0, luo_unpreserve(context.session, MEMFD));
	close(copied);
	context_close(&context);
}

static int preserve(struct context *context)
{
	return luo_preserve(context->session, context->fd, CONTEXT);
}

/* What can't be carried, one by one. */
TEST_F(luo, foreign)
{
	struct context context;
	struct mock mock;
	void *mem;
	int fd;

	ASSERT_EQ(0, context_open(&context, self->dev, "foreign"));
	mem = mmap(NULL, LUO_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, map_memory(&context, mem, 2 * IOVA));
	EXPECT_EQ(-EOPNOTSUPP, preserve(&context));
	ASSERT_EQ(0, unmap(context.fd, context.ioas_id, 2 * IOVA, LUO_PAGE));

	ASSERT_EQ(0, mock_domain(context.fd, context.ioas_id, 0, &mock));
	EXPECT_EQ(-EOPNOTSUPP, preserve(&context));
	ASSERT_EQ(0, destroy(context.fd, mock.stdev_id));

	fd = create_access(context.fd, context.ioas_id, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, preserve(&context));
	close(fd);
	/* Now all of that is gone. */
	EXPECT_EQ(0, luo_preserve(context.session, context.fd, CONTEXT));
	ASSERT_EQ(0, luo_unpreserve(context.session, CONTEXT));

	ASSERT_EQ(0, make_vfio_ioas(&context));
	EXPECT_EQ(-EOPNOTSUPP, preserve(&context));
	context_close(&context);

	ASSERT_EQ(0, context_open(&context, self->dev, "fault queue"));
	fd = make_fault_queue(&context);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, preserve(&context));
	close(fd);
	context_close(&context);

	ASSERT_LE(0, context.session = luo_create(self->dev, "accounting"));
	context.fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, set_option(&context, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(-EOPNOTSUPP, preserve(&context));
	close(context.fd);
	close(context.session);
	munmap(mem, LUO_PAGE);
}

/* It is frozen if its memfd is in the same session, first or last. */
TEST_F(luo, memfd_is_missing)
{
	int other = luo_create(self->dev, "other");
	struct context context;

	ASSERT_EQ(0, context_open(&context, self->dev, "missing"));
	ASSERT_EQ(0, luo_preserve(context.session, context.fd, CONTEXT));
	EXPECT_EQ(-EINVAL, luo_try_kexec());
	ASSERT_EQ(0, luo_preserve(other, context.memfd, MEMFD));
	EXPECT_EQ(-EINVAL, luo_try_kexec());
	ASSERT_EQ(0, luo_unpreserve(other, MEMFD));
	/* It goes on to the last file, which can't be frozen. */
	ASSERT_EQ(0, luo_preserve(context.session, context.memfd, MEMFD));
	EXPECT_EQ(0, luo_fail_to_reboot(self->dev, 1));
	changes(_metadata, &context, -EBUSY);
	EXPECT_EQ(0, luo_fail_to_reboot(self->dev, 2));
	ASSERT_EQ(0, luo_unpreserve(context.session, CONTEXT));
	changes(_metadata, &context, 0);
	ASSERT_EQ(0, luo_preserve(context.session, context.fd, CONTEXT));
	EXPECT_EQ(0, luo_fail_to_reboot(self->dev, 1));
	/* The session goes, and lets go of it. */
	close(context.session);
	changes(_metadata, &context, 0);
	context.session = -1;
	context_close(&context);
	close(other);
}

/* Whatever fails, there is nothing left of it. */
TEST_F(luo, out_of_memory)
{
	struct context context;
	bool hit = true;
	int nth, err;

	ASSERT_EQ(0, context_open(&context, self->dev, "memory"));
	ASSERT_EQ(0, luo_fail_setup());
	luo_log_hide();
	for (nth = 1; hit && nth < 1000; nth++) {
		luo_fail_nth(nth);
		err = luo_preserve(context.session, context.fd, CONTEXT);
		hit = luo_has_failed();
		EXPECT_TRUE(!err || luo_is_fault(err));
		EXPECT_EQ(err ? -ENOENT : 0, luo_unpreserve(context.session, CONTEXT));
		changes(_metadata, &context, 0);
	}
	EXPECT_LT(3, nth);
	EXPECT_FALSE(hit);
	TH_LOG("preserve: %d points hit", nth - 2);
	EXPECT_TRUE(luo_log_was_clean());
	luo_watch_races("on");
	context_close(&context);
}

/* Also when it is written down: with an area more at each try that works. */
TEST_F(luo, out_of_memory_in_the_freeze)
{
	struct context context;
	bool hit = true;
	int nth, err;

	ASSERT_EQ(0, context_open(&context, self->dev, "memory"));
	ASSERT_EQ(0, luo_preserve(context.session, context.memfd, MEMFD));
	ASSERT_EQ(0, luo_preserve(context.session, context.fd, CONTEXT));
	/* An anchor, so that it fails in any case. */
	err = open(TEST_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, luo_preserve(context.session, err, 3));
	close(err);
	ASSERT_EQ(0, luo_fail_setup());
	luo_log_hide();
	ASSERT_EQ(0, luo_kexec_load_kernel(""));
	for (nth = 1; hit && nth < 1000; nth++) {
		ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5"));
		luo_fail_nth(nth);
		err = luo_kexec();
		hit = luo_has_failed();
		ASSERT_TRUE(err == -EIO || luo_is_fault(err));
	}
	luo_kexec_unload();
	luo_write(TEST_FAIL, "");
	EXPECT_LT(3, nth);
	EXPECT_FALSE(hit);
	TH_LOG("freeze: %d points hit", nth - 2);
	EXPECT_TRUE(luo_log_was_clean());
	luo_watch_races("on");
	close(context.session);
	changes(_metadata, &context, 0);
	context.session = -1;
	context_close(&context);
}

TEST_HARNESS_MAIN

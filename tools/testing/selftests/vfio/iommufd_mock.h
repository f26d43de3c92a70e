/* SPDX-License-Identifier: GPL-2.0 */
/* Address spaces of an iommufd, on domains of no device: CONFIG_IOMMUFD_TEST. */
#ifndef IOMMUFD_MOCK_H
#define IOMMUFD_MOCK_H

#include <stddef.h>

#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#include "../liveupdate/luo_util.h"

/* What these domains have for pages. */
#define MOCK_PAGE	(LUO_PAGE / 2)

static inline int map_file(int iommufd, __u32 ioas_id, int fd, __u64 start, __u64 length,
			   __u64 *iova, __u32 flags)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg), .flags = flags, .ioas_id = ioas_id, .fd = fd,
		.start = start, .length = length, .iova = *iova,
	};
	int err = luo_ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &arg);

	if (!err)
		*iova = arg.iova;
	return err;
}

static inline int unmap(int iommufd, __u32 ioas_id, __u64 iova, __u64 length)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg), .ioas_id = ioas_id, .iova = iova, .length = length,
	};
	int err = luo_ioctl(iommufd, IOMMU_IOAS_UNMAP, &arg);

	return err ? err : arg.length != length;
}

static inline int copy(int iommufd, __u32 from, __u64 from_iova, __u32 to, __u64 *to_iova,
		       __u64 length, __u32 flags)
{
	struct iommu_ioas_copy arg = {
		.size = sizeof(arg), .flags = flags, .dst_ioas_id = to, .src_ioas_id = from,
		.length = length, .dst_iova = *to_iova, .src_iova = from_iova,
	};
	int err = luo_ioctl(iommufd, IOMMU_IOAS_COPY, &arg);

	*to_iova = arg.dst_iova;
	return err;
}

/* Does a domain have just what is at @mem? */
static inline int check_map(int iommufd, __u32 hwpt_id, __u64 iova, void *mem, size_t length)
{
	struct iommu_test_cmd arg = {
		.size = sizeof(arg), .op = IOMMU_TEST_OP_MD_CHECK_MAP, .id = hwpt_id,
		.check_map = { .iova = iova, .length = length, .uptr = (uintptr_t)mem },
	};

	return luo_ioctl(iommufd, IOMMU_TEST_CMD, &arg);
}

static inline int ioas_alloc(int iommufd, __u32 *ioas_id)
{
	struct iommu_ioas_alloc arg = { .size = sizeof(arg) };
	int err = luo_ioctl(iommufd, IOMMU_IOAS_ALLOC, &arg);

	*ioas_id = arg.out_ioas_id;
	return err;
}

static inline int destroy(int iommufd, __u32 id)
{
	struct iommu_destroy arg = { .size = sizeof(arg), .id = id };

	return luo_ioctl(iommufd, IOMMU_DESTROY, &arg);
}

/* A device that is none, and what came with it. */
struct mock {
	__u32 stdev_id;
	__u32 hwpt_id;
	__u32 idev_id;
};

static inline int mock_domain(int iommufd, __u32 ioas_id, __u32 flags, struct mock *mock)
{
	struct iommu_test_cmd arg = {
		.size = sizeof(arg), .op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, .id = ioas_id,
		.mock_domain_flags = { .dev_flags = flags },
	};
	int err = luo_ioctl(iommufd, IOMMU_TEST_CMD, &arg);

	mock->stdev_id = arg.mock_domain_flags.out_stdev_id;
	mock->hwpt_id = arg.mock_domain_flags.out_hwpt_id;
	mock->idev_id = arg.mock_domain_flags.out_idev_id;
	return err;
}

/* The device gets a domain that tracks what is written to. */
static inline int mock_track(int iommufd, __u32 ioas_id, struct mock *mock)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc), .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = mock->idev_id, .pt_id = ioas_id,
	};
	struct iommu_test_cmd replace = {
		.size = sizeof(replace), .op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		.id = mock->stdev_id,
	};
	struct iommu_hwpt_set_dirty_tracking on = {
		.size = sizeof(on), .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
	};
	int err = luo_ioctl(iommufd, IOMMU_HWPT_ALLOC, &alloc);

	mock->hwpt_id = alloc.out_hwpt_id;
	replace.mock_domain_replace.pt_id = mock->hwpt_id;
	on.hwpt_id = mock->hwpt_id;
	if (!err)
		err = luo_ioctl(iommufd, IOMMU_TEST_CMD, &replace);
	return err ? err : luo_ioctl(iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &on);
}

/* Pretend that the device has written to the pages of @bitmap. */
static inline int mock_dirty(int iommufd, __u32 hwpt_id, __u64 iova, size_t length, void *bitmap)
{
	struct iommu_test_cmd arg = {
		.size = sizeof(arg), .op = IOMMU_TEST_OP_DIRTY, .id = hwpt_id,
		.dirty = { .iova = iova, .length = length, .page_size = MOCK_PAGE,
			   .uptr = (uintptr_t)bitmap },
	};

	return luo_ioctl(iommufd, IOMMU_TEST_CMD, &arg);
}

static inline int get_dirty(int iommufd, __u32 hwpt_id, __u64 iova, size_t length, void *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap arg = {
		.size = sizeof(arg), .hwpt_id = hwpt_id, .iova = iova, .length = length,
		.page_size = MOCK_PAGE, .data = (uintptr_t)bitmap,
	};

	return luo_ioctl(iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &arg);
}

/* Returns its descriptor. */
static inline int create_access(int iommufd, __u32 ioas_id, __u32 flags)
{
	struct iommu_test_cmd arg = {
		.size = sizeof(arg), .op = IOMMU_TEST_OP_CREATE_ACCESS, .id = ioas_id,
		.create_access = { .flags = flags },
	};
	int err = luo_ioctl(iommufd, IOMMU_TEST_CMD, &arg);

	return err ? err : (int)arg.create_access.out_access_fd;
}

static inline int access_unpin(int iommufd, __u32 access, __u32 id)
{
	struct iommu_test_cmd arg = {
		.size = sizeof(arg), .op = IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, .id = access,
		.destroy_access_pages = { .access_pages_id = id },
	};

	return luo_ioctl(iommufd, IOMMU_TEST_CMD, &arg);
}

static inline int access_pin(int iommufd, __u32 access, __u64 iova, size_t length, void *mem,
			     __u32 *id)
{
	struct iommu_test_cmd arg = {
		.size = sizeof(arg), .op = IOMMU_TEST_OP_ACCESS_PAGES, .id = access,
		.access_pages = { .iova = iova, .length = length, .uptr = (uintptr_t)mem,
				  .flags = MOCK_FLAGS_ACCESS_WRITE },
	};
	int err = luo_ioctl(iommufd, IOMMU_TEST_CMD, &arg);

	*id = arg.access_pages.out_access_pages_id;
	return err;
}

static inline int access_rw(int iommufd, __u32 access, __u64 iova, void *mem, size_t length,
			    __u32 flags)
{
	struct iommu_test_cmd arg = {
		.size = sizeof(arg), .op = IOMMU_TEST_OP_ACCESS_RW, .id = access,
		.access_rw = { .iova = iova, .length = length, .uptr = (uintptr_t)mem,
			       .flags = flags },
	};

	return luo_ioctl(iommufd, IOMMU_TEST_CMD, &arg);
}

static inline int memory_limit(int iommufd, __u32 limit)
{
	struct iommu_test_cmd arg = {
		.size = sizeof(arg), .op = IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
		.memory_limit = { .limit = limit },
	};

	return luo_ioctl(iommufd, IOMMU_TEST_CMD, &arg);
}

#endif /* IOMMUFD_MOCK_H */

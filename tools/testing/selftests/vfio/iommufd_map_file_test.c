// SPDX-License-Identifier: GPL-2.0
/* IOMMU_IOAS_MAP_FILE: what domains and accesses get is what is in the file. */
#define _GNU_SOURCE
#include <linux/vfio.h>

#include "iommufd_map_file.h"

TEST_F(map_file, domain_first)
{
	__u64 iova = 0;

	attach_domain();
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW));
	EXPECT_EQ(0, iova % variant->page);
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, iova, self->mem, LENGTH));
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	EXPECT_EQ(0, unmap(self->fd, self->ioas_id, iova, LENGTH));
	EXPECT_EQ(0, pages_pinned());
	EXPECT_TRUE(luo_is_filled(self->mem, LENGTH, SEED));
}

/* Without one nothing is pinned; with a second one, nothing twice. */
TEST_F(map_file, domains_later)
{
	struct mock second;
	__u64 iova = IOVA;

	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW | FIXED));
	EXPECT_EQ(IOVA, iova);
	EXPECT_EQ(0, pages_pinned());
	attach_domain();
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	ASSERT_EQ(0, mock_domain(self->fd, self->ioas_id, MOCK_FLAGS_DEVICE_HUGE_IOVA, &second));
	EXPECT_EQ(0, check_map(self->fd, second.hwpt_id, iova, self->mem, LENGTH));
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	ASSERT_EQ(0, destroy(self->fd, self->mock.stdev_id));
	EXPECT_EQ(0, check_map(self->fd, second.hwpt_id, iova, self->mem, LENGTH));
	ASSERT_EQ(0, destroy(self->fd, second.stdev_id));
	EXPECT_EQ(0, pages_pinned());
}

/* Any part of a file, of many folios or within one. */
TEST_F(map_file, parts)
{
	static const struct { size_t start, pages; } parts[] = {
		{ 0, 1 }, { 1, 1 }, { 3, 17 }, { 510, 4 }, { 511, 513 }, { 1023, 1 },
	};
	__u64 iova[ARRAY_SIZE(parts)] = {};
	long pages = 0;
	size_t i;

	attach_domain();
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t start = parts[i].start * LUO_PAGE, length = parts[i].pages * LUO_PAGE;

		ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, start, length,
				      &iova[i], RW));
		EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, iova[i], self->mem + start,
				       length));
		pages += parts[i].pages;
		EXPECT_EQ(pages, pages_pinned());
	}
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		ASSERT_EQ(0, unmap(self->fd, self->ioas_id, iova[i], parts[i].pages * LUO_PAGE));
		pages -= parts[i].pages;
		EXPECT_EQ(pages, pages_pinned());
	}
}

/* Folios that have no neighbours, and batches with room for few. */
TEST_F(map_file, scattered)
{
	static const __u32 limits[] = { 12, 64, 12 * 17, 4096, 65536 };
	int fd = new_memfd(variant->flags, LENGTH);
	size_t offset, i;
	__u64 iova;
	char *mem;

	mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	for (offset = LENGTH; offset; offset -= variant->page)
		mem[offset - 1] = 1;
	attach_domain();
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		iova = 0;
		ASSERT_EQ(0, memory_limit(self->fd, limits[i]));
		EXPECT_EQ(0, map_file(self->fd, self->ioas_id, fd, 0, LENGTH, &iova, RW));
		EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, iova, mem, LENGTH));
		EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
		EXPECT_EQ(0, unmap(self->fd, self->ioas_id, iova, LENGTH));
		EXPECT_EQ(0, pages_pinned());
	}
	munmap(mem, LENGTH);
	close(fd);
}

/* Nobody has to have had the file mapped, ever. */
TEST_F(map_file, holes)
{
	int fd = new_memfd(variant->flags, LENGTH);
	__u64 iova = 0;
	char *mem;

	attach_domain();
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, fd, LUO_2MB, LUO_2MB, &iova, RW));
	EXPECT_EQ(LUO_2MB / 512, luo_blocks(fd));
	mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, iova, mem + LUO_2MB, LUO_2MB));
	EXPECT_EQ(0, mem[LUO_2MB]);
	EXPECT_EQ(0, memcmp(mem + LUO_2MB, mem + LUO_2MB + 1, LUO_2MB - 1));
	munmap(mem, LENGTH);
	/* What is not enough for all must not be lost. */
	if (variant->flags & MFD_HUGETLB) {
		int other = new_memfd(variant->flags, 16 * LUO_2MB);

		EXPECT_EQ(-ENOMEM, map_file(self->fd, self->ioas_id, other, 0, 16 * LUO_2MB, &iova,
					    RW));
		EXPECT_EQ(LUO_2MB / LUO_PAGE, pages_pinned());
		close(other);
	}
	close(fd);
}

/* fallocate() leaves pages that are zeroed later. Not after a device wrote there. */
TEST_F(map_file, fallocated)
{
	int fd = new_memfd(variant->flags, LENGTH);
	char data[100], seen[100];
	__u64 iova = 0;
	int access;
	void *dirt;

	dirt = mmap(NULL, 64 * LUO_MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, dirt);
	memset(dirt, 0x5a, 64 * LUO_MB);
	munmap(dirt, 64 * LUO_MB);
	ASSERT_EQ(0, fallocate(fd, 0, 0, LENGTH));

	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, fd, 0, LENGTH, &iova, RW));
	access = create_access(self->fd, self->ioas_id, 0);
	ASSERT_LE(0, access);
	memset(data, 0, sizeof(data));
	ASSERT_EQ(0, access_rw(self->fd, access, iova + 5000, seen, sizeof(seen), 0));
	EXPECT_EQ(0, memcmp(data, seen, sizeof(data)));
	luo_fill(data, sizeof(data), SEED);
	ASSERT_EQ(0, access_rw(self->fd, access, iova + LUO_2MB, data, sizeof(data),
			       MOCK_ACCESS_RW_WRITE));
	ASSERT_EQ((ssize_t)sizeof(seen), pread(fd, seen, sizeof(seen), LUO_2MB));
	EXPECT_EQ(0, memcmp(data, seen, sizeof(data)));
	close(access);
	close(fd);
}

TEST_F(map_file, copied)
{
	__u64 iova = 0, all = 0, some = 0, from = 509 * LUO_PAGE;
	struct mock other;
	__u32 ioas_id;

	attach_domain();
	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas_id));
	ASSERT_EQ(0, mock_domain(self->fd, ioas_id, 0, &other));
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW));
	ASSERT_EQ(0, copy(self->fd, self->ioas_id, iova, ioas_id, &all, LENGTH, RW));
	ASSERT_EQ(0, copy(self->fd, self->ioas_id, iova + from, ioas_id, &some, 5 * LUO_PAGE, RO));
	/* Pages are shared, and pinned once. */
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	ASSERT_EQ(0, unmap(self->fd, self->ioas_id, iova, LENGTH));
	EXPECT_EQ(0, check_map(self->fd, other.hwpt_id, all, self->mem, LENGTH));
	ASSERT_EQ(0, unmap(self->fd, ioas_id, all, LENGTH));
	EXPECT_EQ(5, pages_pinned());
	EXPECT_EQ(0, check_map(self->fd, other.hwpt_id, some, self->mem + from,
			       5 * LUO_PAGE));
	/* It is enough to keep the file from being sealed. */
	unmap_mem(&self->mem);
	EXPECT_EQ(-EBUSY, add_seals(self->memfd, F_SEAL_WRITE));
	ASSERT_EQ(0, unmap(self->fd, ioas_id, some, 5 * LUO_PAGE));
	EXPECT_EQ(0, pages_pinned());
}

/* As VFIO's own containers have it: parts of a mapping go. */
TEST_F(map_file, unmapped_in_part)
{
	struct iommu_vfio_ioas compat = { .size = sizeof(compat), .op = IOMMU_VFIO_IOAS_SET };
	struct iommu_option option = { .size = sizeof(option), .op = IOMMU_OPTION_OP_SET };
	struct vfio_iommu_type1_dma_unmap part = { .argsz = sizeof(part) };
	size_t from = 100 * LUO_PAGE, length = 450 * LUO_PAGE;
	__u64 iova = IOVA;

	option.option_id = IOMMU_OPTION_HUGE_PAGES;
	option.object_id = self->ioas_id;
	ASSERT_EQ(0, luo_ioctl(self->fd, IOMMU_OPTION, &option));
	compat.ioas_id = self->ioas_id;
	ASSERT_EQ(0, luo_ioctl(self->fd, IOMMU_VFIO_IOAS, &compat));
	attach_domain();
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW | FIXED));
	part.iova = IOVA + from;
	part.size = length;
	ASSERT_EQ(0, luo_ioctl(self->fd, VFIO_IOMMU_UNMAP_DMA, &part));
	EXPECT_EQ(length, part.size);
	EXPECT_EQ((LENGTH - length) / LUO_PAGE, pages_pinned());
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, IOVA, self->mem, from));
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, IOVA + from + length,
			       self->mem + from + length, LENGTH - from - length));
	EXPECT_EQ(-EINVAL, check_map(self->fd, self->mock.hwpt_id, IOVA + from, self->mem + from,
				     LUO_PAGE));
	/* It can be filled again. */
	iova = IOVA + from;
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, from, length, &iova,
			      RW | FIXED));
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, IOVA, self->mem, LENGTH));
}

TEST_F(map_file, accessed)
{
	__u32 some, all;
	int access;
	__u64 iova = IOVA;

	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova,
			      RW | FIXED));
	access = create_access(self->fd, self->ioas_id, PINS);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, access_pin(self->fd, access, iova + 3 * LUO_PAGE, 20 * LUO_PAGE,
				self->mem + 3 * LUO_PAGE, &some));
	EXPECT_EQ(20, pages_pinned());
	ASSERT_EQ(0, access_pin(self->fd, access, iova, LENGTH, self->mem, &all));
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	attach_domain();
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, iova, self->mem, LENGTH));
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	ASSERT_EQ(0, access_unpin(self->fd, access, all));
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	ASSERT_EQ(0, destroy(self->fd, self->mock.stdev_id));
	EXPECT_EQ(20, pages_pinned());
	ASSERT_EQ(0, access_unpin(self->fd, access, some));
	EXPECT_EQ(0, pages_pinned());
	/* Whoever has pages is told that they go. */
	ASSERT_EQ(0, access_pin(self->fd, access, iova, LUO_PAGE, self->mem, &some));
	EXPECT_EQ(0, unmap(self->fd, self->ioas_id, iova, LENGTH));
	EXPECT_EQ(0, pages_pinned());
	close(access);
}

TEST_F(map_file, read_and_written)
{
	static const size_t offsets[] = { 0, 1, 4095, 4096, LUO_2MB - 5, LUO_2MB + 77 };
	static const size_t lengths[] = { 1, 100, 4096, 10000 };
	char data[10000], seen[10000];
	__u64 iova = 0, ro = 0;
	__u32 flags;
	int access;
	size_t i, j;

	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW));
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &ro, RO));
	access = create_access(self->fd, self->ioas_id, 0);
	ASSERT_LE(0, access);
	for (i = 0; i < ARRAY_SIZE(offsets) * ARRAY_SIZE(lengths) * 2; i++) {
		size_t offset = offsets[i % ARRAY_SIZE(offsets)];
		size_t length = lengths[i / ARRAY_SIZE(offsets) % ARRAY_SIZE(lengths)];

		flags = i % 2 ? MOCK_ACCESS_RW_SLOW_PATH : 0;
		for (j = 0; j < length; j++)
			data[j] = i * 13 + j;
		ASSERT_EQ(0, access_rw(self->fd, access, iova + offset, data, length,
				       flags | MOCK_ACCESS_RW_WRITE));
		EXPECT_EQ(0, memcmp(data, self->mem + offset, length));
		ASSERT_EQ(0, access_rw(self->fd, access, ro + offset, seen, length, flags));
		EXPECT_EQ(0, memcmp(data, seen, length));
	}
	EXPECT_EQ(-EPERM, access_rw(self->fd, access, ro, data, 1, MOCK_ACCESS_RW_WRITE));
	EXPECT_EQ(0, pages_pinned());
	close(access);
}

TEST_F(map_file, dirty_tracking)
{
	const size_t size = LENGTH / MOCK_PAGE / 8;
	uint8_t dirty[size], seen[size];
	__u64 iova = IOVA;

	attach_domain();
	ASSERT_EQ(0, mock_track(self->fd, self->ioas_id, &self->mock));
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW | FIXED));
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, IOVA, self->mem, LENGTH));
	luo_fill(dirty, size, SEED);
	ASSERT_EQ(0, mock_dirty(self->fd, self->mock.hwpt_id, IOVA, LENGTH, dirty));
	memset(seen, 0, size);
	ASSERT_EQ(0, get_dirty(self->fd, self->mock.hwpt_id, IOVA, LENGTH, seen));
	EXPECT_EQ(0, memcmp(dirty, seen, size));
	/* It was told once. */
	memset(dirty, 0, size);
	memset(seen, 0, size);
	ASSERT_EQ(0, get_dirty(self->fd, self->mock.hwpt_id, IOVA, LENGTH, seen));
	EXPECT_EQ(0, memcmp(dirty, seen, size));
}

/* Whoever has mapped it is gone, and so is every mapping of it. */
TEST_F(map_file, mapper_exits)
{
	struct job job = {
		.fd = self->fd, .memfd = self->memfd, .ioas_id = self->ioas_id,
		.length = LENGTH, .iova = IOVA,
	};
	int access;
	char seen[64];

	unmap_mem(&self->mem);
	ASSERT_EQ(0, in_child(job_map, &job));
	/* Pages are read, and pinned, with no process at hand that has mapped them. */
	access = create_access(self->fd, self->ioas_id, 0);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, access_rw(self->fd, access, IOVA, seen, sizeof(seen), 0));
	EXPECT_TRUE(luo_is_filled(seen, sizeof(seen), SEED));
	close(access);
	attach_domain();
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	self->mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, self->memfd, 0);
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, IOVA, self->mem, LENGTH));
	EXPECT_TRUE(luo_is_filled(self->mem, LENGTH, SEED));
}

/* A fork() copies no page from under the device. */
TEST_F(map_file, fork_writes)
{
	struct job job = {
		.fd = self->fd, .memfd = self->memfd, .ioas_id = self->ioas_id,
		.length = LUO_2MB, .iova = IOVA + LENGTH,
	};
	__u64 iova = IOVA;

	attach_domain();
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW | FIXED));
	ASSERT_EQ(0, in_child(job_map, &job));
	luo_fill(self->mem, LENGTH, SEED + 1);
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, IOVA, self->mem, LENGTH));
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, IOVA + LENGTH, self->mem, LUO_2MB));
}

/* What is cut off stays pinned, and what is not there can't be. */
TEST_F(map_file, truncated)
{
	__u64 iova = IOVA;

	attach_domain();
	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LENGTH, &iova, RW | FIXED));
	ASSERT_EQ(0, ftruncate(self->memfd, LUO_2MB));
	EXPECT_EQ(LENGTH / LUO_PAGE, pages_pinned());
	EXPECT_EQ(0, unmap(self->fd, self->ioas_id, IOVA, LENGTH));
	EXPECT_EQ(0, pages_pinned());
	ASSERT_EQ(0, destroy(self->fd, self->mock.stdev_id));

	ASSERT_EQ(0, map_file(self->fd, self->ioas_id, self->memfd, 0, LUO_2MB, &iova, RW | FIXED));
	ASSERT_EQ(0, ftruncate(self->memfd, 0));
	EXPECT_EQ(-EINVAL, mock_domain(self->fd, self->ioas_id, 0, &self->mock));
	EXPECT_EQ(0, pages_pinned());
	/* It may grow again. */
	ASSERT_EQ(0, ftruncate(self->memfd, LENGTH));
	attach_domain();
	EXPECT_EQ(0, check_map(self->fd, self->mock.hwpt_id, IOVA, self->mem, LUO_2MB));
}

/* Files end anywhere, pages do not. */
TEST_F(map_file, last_page)
{
	__u64 iova = IOVA;
	int fd;

	if (variant->flags & MFD_HUGETLB)
		return;
	fd = new_memfd(variant->flags, LUO_PAGE + 1);
	attach_domain();
	EXPECT_EQ(-EINVAL, map_file(self->fd, self->ioas_id, fd, 0, 3 * LUO_PAGE, &iova,
				    RW | FIXED));
	EXPECT_EQ(0, map_file(self->fd, self->ioas_id, fd, 0, 2 * LUO_PAGE, &iova, RW | FIXED));
	EXPECT_EQ(2, pages_pinned());
	close(fd);
}

TEST_HARNESS_MAIN

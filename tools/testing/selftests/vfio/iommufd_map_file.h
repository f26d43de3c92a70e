/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A memfd that is mapped by IOMMU_IOAS_MAP_FILE, with pages of each kind. After each
 * test no page is pinned any more, and the file can be sealed.
 */
#ifndef IOMMUFD_MAP_FILE_H
#define IOMMUFD_MAP_FILE_H

#include "child.h"
#include "iommufd_mock.h"

#include "../liveupdate/luo_hugetlb.h"

#include "../kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

#define LENGTH		(2 * LUO_2MB)
#define RW		(IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define RO		IOMMU_IOAS_MAP_READABLE
#define FIXED		IOMMU_IOAS_MAP_FIXED_IOVA
#define IOVA		(MOCK_APERTURE_START + 64 * LUO_MB)
#define SEED		7
#define PINS		MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES

static inline long vm_counter(const char *what)
{
	FILE *file = fopen("/proc/vmstat", "re");
	char line[128];
	long number = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, what, strlen(what)))
			sscanf(line + strlen(what), "%ld", &number);
	if (file)
		fclose(file);
	return number;
}

/* Pins that somebody has. */
static inline long pinned(void)
{
	luo_write("/proc/sys/vm/stat_refresh", "1");
	return vm_counter("nr_foll_pin_acquired ") - vm_counter("nr_foll_pin_released ");
}

/* The same file, opened in another way. */
static inline int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static inline int add_seals(int fd, int seals)
{
	return fcntl(fd, F_ADD_SEALS, seals) ? -errno : 0;
}

FIXTURE(map_file) {
	int fd;
	__u32 ioas_id;
	struct mock mock;
	int memfd;
	char *mem;
	long pins;
};

FIXTURE_VARIANT(map_file) {
	unsigned int flags;
	size_t page;
	const char *shmem_enabled;
	int kpf;
};

FIXTURE_VARIANT_ADD(map_file, small) {
	.page = LUO_PAGE, .shmem_enabled = "never",
};

FIXTURE_VARIANT_ADD(map_file, thp) {
	.page = LUO_2MB, .shmem_enabled = "always", .kpf = KPF_THP,
};

FIXTURE_VARIANT_ADD(map_file, hugetlb) {
	.page = LUO_2MB, .shmem_enabled = "never", .kpf = KPF_HUGE, .flags = LUO_MFD_2MB,
};

/* @length is its size; nothing is in it. */
static inline int new_memfd(unsigned int flags, size_t length)
{
	return luo_memfd(length, flags | MFD_ALLOW_SEALING);
}

/* Once is enough. */
static inline void unmap_mem(char **mem)
{
	if (*mem)
		munmap(*mem, LENGTH);
	*mem = NULL;
}

FIXTURE_SETUP(map_file)
{
	ASSERT_EQ(0, luo_write(SHMEM_ENABLED, variant->shmem_enabled));
	if (variant->flags & MFD_HUGETLB)
		ASSERT_EQ(0, luo_pool_set(LUO_2MB, "nr_hugepages", 8));
	self->pins = pinned();
	self->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas_id));
	self->memfd = new_memfd(variant->flags, LENGTH);
	ASSERT_LE(0, self->memfd);
	self->mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, self->memfd, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	luo_fill(self->mem, LENGTH, SEED);
	/* The kind of pages that this is about. */
	if (variant->kpf)
		ASSERT_TRUE(luo_page_flags(self->memfd, 0) & (1ULL << variant->kpf));
}

FIXTURE_TEARDOWN(map_file)
{
	unmap_mem(&self->mem);
	close(self->fd);
	EXPECT_EQ(self->pins, pinned());
	EXPECT_EQ(0, add_seals(self->memfd, F_SEAL_WRITE));
	close(self->memfd);
	if (variant->flags & MFD_HUGETLB) {
		EXPECT_EQ(0, luo_pool_number(LUO_2MB, -1, "resv_hugepages"));
		EXPECT_EQ(8, luo_pool_number(LUO_2MB, -1, "free_hugepages"));
		luo_pool_set(LUO_2MB, "nr_hugepages", 0);
	}
	luo_write(SHMEM_ENABLED, "never");
}

#define attach_domain()								\
	ASSERT_EQ(0, mock_domain(self->fd, self->ioas_id, 0, &self->mock))

/* Pins since the test began. */
#define pages_pinned()	(pinned() - self->pins)

/* For in_child(). */
struct job {
	int fd;
	int memfd;
	__u32 ioas_id;
	rlim_t limit;
	size_t length;
	__u64 iova;
};

static inline int job_map(void *arg)
{
	struct job *job = arg;
	int err = job->limit ? be_nobody(job->limit) : 0;

	return err ? err : map_file(job->fd, job->ioas_id, job->memfd, 0, job->length, &job->iova,
				    RW | FIXED);
}

#endif /* IOMMUFD_MAP_FILE_H */

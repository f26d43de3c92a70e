// SPDX-License-Identifier: GPL-2.0
/* Memory that devices have access to. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvfio.h"

int area_create(struct dma_area *area, uint64_t iova)
{
	return area_create_size(area, iova, AREA_SIZE);
}

int area_create_size(struct dma_area *area, uint64_t iova, size_t size)
{
	int fd = memfd_create("dma", MFD_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = ftruncate(fd, size) ? -errno : area_adopt(area, fd, iova);
	if (err)
		close(fd);
	return err;
}

/* One that was created before, by whomever. It has the descriptor then. */
int area_adopt(struct dma_area *area, int fd, uint64_t iova)
{
	struct stat st;
	void *mem;

	if (fstat(fd, &st))
		return -errno;
	mem = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	area->fd = fd;
	area->mem = mem;
	area->size = st.st_size;
	area->iova = iova;
	return 0;
}

/* A part of an area, as one that has no descriptor of its own. Not to be closed. */
struct dma_area area_part(const struct dma_area *area, size_t offset, size_t size)
{
	return (struct dma_area){
		.fd = -1, .mem = (char *)area->mem + offset, .size = size,
		.iova = area->iova + offset,
	};
}

int area_map(struct dma_area *area, struct iommu *iommu)
{
	return iommu_map(iommu, area->iova, area->mem, area->size);
}

void area_close(struct dma_area *area)
{
	if (!area->mem)
		return;
	munmap(area->mem, area->size);
	close(area->fd);
	area->mem = NULL;
}

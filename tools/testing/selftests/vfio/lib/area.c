// SPDX-License-Identifier: GPL-2.0
/* Memory that devices have access to. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libvfio.h"

int area_create(struct dma_area *area, uint64_t iova)
{
	int fd = memfd_create("dma", MFD_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = ftruncate(fd, AREA_SIZE) ? -errno : area_adopt(area, fd, iova);
	if (err)
		close(fd);
	return err;
}

/* One that was created before, by whomever. It has the descriptor then. */
int area_adopt(struct dma_area *area, int fd, uint64_t iova)
{
	void *mem = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	area->fd = fd;
	area->mem = mem;
	area->size = AREA_SIZE;
	area->iova = iova;
	return 0;
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

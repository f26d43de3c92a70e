/* SPDX-License-Identifier: GPL-2.0 */
/* Pools of huge pages, for tests. */
#ifndef LUO_HUGETLB_H
#define LUO_HUGETLB_H

#include "luo_util.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB	4U
#endif
#define LUO_MFD_2MB	(MFD_HUGETLB | 21U << 26)
#define LUO_MFD_1GB	(MFD_HUGETLB | 30U << 26)

#define LUO_2MB		(2 * LUO_MB)
#define LUO_1GB		(1024 * LUO_MB)
#define LUO_NODES	2

/* What the kernel says of a pool. */
struct luo_pool {
	long total, free, reserved, surplus;
	/* of each node */
	long node_total[LUO_NODES], node_free[LUO_NODES], node_surplus[LUO_NODES];
};

/* A number of the pool with pages of @size, of all nodes if @node is -1. */
static inline long luo_pool_number(size_t size, int node, const char *what)
{
	char path[160];

	if (node < 0)
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/%s",
			 size / 1024, what);
	else
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%d/hugepages/hugepages-%zukB/%s", node,
			 size / 1024, what);
	return luo_read_number(path);
}

static inline int luo_pool_set(size_t size, const char *what, long number)
{
	char path[160], text[32];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/%s", size / 1024,
		 what);
	snprintf(text, sizeof(text), "%ld", number);
	return luo_write(path, text);
}

/* A node that is not there has nothing. */
static inline long luo_pool_node(size_t size, int node, const char *what)
{
	long number = luo_pool_number(size, node, what);

	return number < 0 ? 0 : number;
}

/* Returns whether all that is said of it agrees. */
static inline int luo_pool_read(size_t size, struct luo_pool *pool)
{
	long total = 0, free = 0, surplus = 0;
	int node;

	pool->total = luo_pool_number(size, -1, "nr_hugepages");
	pool->free = luo_pool_number(size, -1, "free_hugepages");
	pool->reserved = luo_pool_number(size, -1, "resv_hugepages");
	pool->surplus = luo_pool_number(size, -1, "surplus_hugepages");
	for (node = 0; node < LUO_NODES; node++) {
		total += pool->node_total[node] = luo_pool_node(size, node, "nr_hugepages");
		free += pool->node_free[node] = luo_pool_node(size, node, "free_hugepages");
		surplus += pool->node_surplus[node] =
			luo_pool_node(size, node, "surplus_hugepages");
	}
	if (total != pool->total || free != pool->free || surplus != pool->surplus)
		return 0;
	if (luo_meminfo("Hugepagesize") != (long)size / 1024)
		return 1;
	return pool->total == luo_meminfo("HugePages_Total") &&
	       pool->free == luo_meminfo("HugePages_Free") &&
	       pool->reserved == luo_meminfo("HugePages_Rsvd") &&
	       pool->surplus == luo_meminfo("HugePages_Surp");
}

/* Fill, or check, a word of each 4 KiB: gibibytes take long to write. */
static inline int luo_file_sample(int fd, off_t offset, size_t size, uint64_t seed, int write)
{
	char *mem = mmap(NULL, size, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd,
			 offset);
	int ok = 1;
	size_t i;

	if (mem == MAP_FAILED)
		return 0;
	for (i = 0; i < size; i += LUO_PAGE) {
		uint64_t *word = (uint64_t *)(mem + i);

		if (write)
			*word = luo_word(seed, i);
		else
			ok &= *word == luo_word(seed, i);
	}
	munmap(mem, size);
	return ok;
}

#endif /* LUO_HUGETLB_H */

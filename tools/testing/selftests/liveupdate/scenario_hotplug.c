// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that was added since boot, for a machine that has all of it on node 1,
 * above 4 GiB: the next kernel will not know it, so nothing there is preserved.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "luo_scenario.h"

#define ADDED		(4096 * MB)

/* Where this process, and the kernel for it, gets memory from. */
static void take_from(int mode, unsigned long node)
{
	unsigned long mask = 1UL << node;

	CHECK_EQ(syscall(SYS_set_mempolicy, mode, &mask, 64), 0);
}

/* Physical address of the first page of a file, 0 if there is none. */
static uint64_t address_of(int fd)
{
	void *map = mmap(NULL, LUO_PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	CHECK(map != MAP_FAILED && pagemap >= 0);
	CHECK_EQ(pread(pagemap, &entry, 8, (uintptr_t)map / LUO_PAGE * 8), 8);
	close(pagemap);
	munmap(map, LUO_PAGE);
	return (entry & ((1ULL << 55) - 1)) * LUO_PAGE;
}

static void hotplug_before(void)
{
	int session, fd;

	take_from(MPOL_BIND, 0);
	fd = luo_memfd_filled(3 * MB, 51);
	CHECK(address_of(fd) && address_of(fd) < ADDED);

	/* From here to the kexec all that the kernel needs is to come from there. */
	take_from(MPOL_PREFERRED, 1);
	session = one_before("hotplug", 1, fd);
	fd = luo_memfd_filled(LUO_PAGE, 52);
	CHECK(address_of(fd) >= ADDED);
	CHECK_EQ(luo_preserve(session, fd, 2), -EOPNOTSUPP);
	/* It is as it was. */
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 52));
	CHECK_EQ(ftruncate(fd, 2 * LUO_PAGE), 0);
	close(fd);
}

static void hotplug_after(void)
{
	int session, fd = one_after("hotplug", 1, &session);

	CHECK(luo_file_is_filled(fd, 0, 3 * MB, 51));
	end(session, fd);
}

const struct scenario hotplug_scenarios[] = {
	{ "hotplug", hotplug_before, hotplug_after, .special = 1 },
	{}
};

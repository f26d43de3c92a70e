// SPDX-License-Identifier: GPL-2.0
/*
 * A next kernel in which the drivers are modules that come late: until they are there
 * the device goes on, and its session can't be had; from then on they stay.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "scenarios.h"

/* In this order. */
static const char * const modules[] = { "iommufd", "vfio", "vfio-pci-core", "vfio-pci" };

static int load(const char *module)
{
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "/bin/%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

static int unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

void modules_are_late(struct carried *carried)
{
	int session;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		CHECK_EQ(luo_retrieve_session(dev, carried->name), -EOPNOTSUPP);
		CHECK_EQ(pci_find(carried->ops->vendor, carried->ops->device, carried->nth,
				  carried->address), 0);
		carried_is_quiet(carried);
		CHECK_EQ(load(modules[i]), 0);
	}
	session = luo_retrieve_session(dev, carried->name);
	CHECK(session >= 0);
	/* Nobody has its files yet. */
	CHECK_EQ(unload("vfio_pci"), -EAGAIN);
	CHECK_EQ(unload("iommufd"), -EAGAIN);
	close(session);
}

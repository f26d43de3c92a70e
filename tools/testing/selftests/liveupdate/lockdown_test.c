// SPDX-License-Identifier: GPL-2.0
/*
 * On a machine that was booted with lockdown=integrity: nobody, not even root, may
 * run another kernel that nobody vouches for, or write to this one's memory.
 */
#define _GNU_SOURCE
#include <linux/kexec.h>

#include "luo_fixture.h"

#define LOCKDOWN	"/sys/kernel/security/lockdown"
#define DAMAGE(_what)	"/sys/module/kho_damage/parameters/" _what

FIXTURE(lockdown) {
	int dev;
	int session;
	int fd;
};

FIXTURE_SETUP(lockdown)
{
	char said[64] = "";
	int fd = open(LOCKDOWN, O_RDONLY);

	ASSERT_GT(read(fd, said, sizeof(said) - 1), 0);
	close(fd);
	ASSERT_NE(NULL, strstr(said, "[integrity]"));
	self->dev = luo_open();
	ASSERT_GE(self->dev, 0);
	self->session = luo_create(self->dev, "vm");
	self->fd = luo_memfd_filled(LUO_MB, 1);
	ASSERT_EQ(0, luo_preserve(self->session, self->fd, 1));
}

/* What was refused has cost nothing. */
FIXTURE_TEARDOWN(lockdown)
{
	EXPECT_EQ(-EBUSY, luo_preserve(self->session, self->fd, 2));
	EXPECT_EQ(1, luo_file_is_filled(self->fd, 0, LUO_MB, 1));
	EXPECT_EQ(0, luo_unpreserve(self->session, 1));
	close(self->fd);
	close(self->session);
	close(self->dev);
}

TEST_F(lockdown, unsigned_kernel_is_refused)
{
	EXPECT_EQ(-EPERM, luo_kexec_load(""));
	EXPECT_EQ(-1, syscall(SYS_kexec_load, 0, 0, NULL, KEXEC_ARCH_DEFAULT));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-EINVAL, luo_kexec());
}

TEST_F(lockdown, memory_is_not_damaged)
{
	EXPECT_EQ(-EPERM, luo_write(DAMAGE("replace"), "LUO:luo-v5:luo-v6"));
	EXPECT_EQ(-EPERM, luo_write(DAMAGE("write"), "fdt:0=0"));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* Each thing that can be wrong with a state is refused, and said. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "state.h"

FIXTURE(state) {
	int fd;
	struct vm_state saved;
	struct vm_state back;
	const char *why;
};

FIXTURE_SETUP(state)
{
	memset(&self->saved.vcpu, 0x5a, sizeof(self->saved.vcpu));
	self->saved.ram_size = GUEST_RAM;
	self->saved.clock.tsc_khz = 1000000;
	self->saved.vcpu.msr_count = STATE_MSRS;
	self->saved.vcpu.cpuid_count = STATE_CPUID;
	self->fd = state_create();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(state)
{
	close(self->fd);
}

/* Writes it as it is, with a true checksum: what is left are the limits. */
#define EXPECT_REFUSED(_why) do {						\
	ASSERT_EQ(0, state_write(self->fd, &self->saved));			\
	EXPECT_EQ(-EINVAL, state_read(self->fd, &self->back, &self->why));	\
	EXPECT_STREQ(_why, self->why);						\
} while (0)

TEST_F(state, comes_back)
{
	ASSERT_EQ(0, state_write(self->fd, &self->saved));
	ASSERT_EQ(0, state_read(self->fd, &self->back, &self->why));
	EXPECT_EQ(NULL, self->why);
	EXPECT_EQ(0, memcmp(&self->saved, &self->back, sizeof(self->saved)));
}

TEST_F(state, is_not_there_before_it_is_saved)
{
	EXPECT_EQ(-EINVAL, state_read(self->fd, &self->back, &self->why));
	EXPECT_STREQ("the guest was not stopped before the update", self->why);
}

TEST_F(state, is_forgotten)
{
	ASSERT_EQ(0, state_write(self->fd, &self->saved));
	ASSERT_EQ(0, state_forget(self->fd));
	EXPECT_EQ(-EINVAL, state_read(self->fd, &self->back, &self->why));
	EXPECT_STREQ("the guest was not stopped before the update", self->why);
}

/* One bit anywhere. */
TEST_F(state, no_bit_is_changed)
{
	char *mem = mmap(NULL, sizeof(self->saved), PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->fd, 0);
	unsigned int i, missed = 0;

	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, state_write(self->fd, &self->saved));
	for (i = 0; i < sizeof(self->saved); i++) {
		mem[i] ^= 1 << i % 8;
		missed += state_read(self->fd, &self->back, &self->why) != -EINVAL;
		mem[i] ^= 1 << i % 8;
	}
	EXPECT_EQ(0, missed);
	EXPECT_EQ(0, state_read(self->fd, &self->back, &self->why));
	munmap(mem, sizeof(self->saved));
}

TEST_F(state, has_its_size)
{
	int fd = memfd_create("other", MFD_CLOEXEC);

	ASSERT_EQ(0, ftruncate(fd, sizeof(self->saved) - 1));
	EXPECT_EQ(-EINVAL, state_read(fd, &self->back, &self->why));
	EXPECT_STREQ("the state has another size", self->why);
	ASSERT_EQ(0, ftruncate(fd, sizeof(self->saved) + 1));
	EXPECT_EQ(-EINVAL, state_read(fd, &self->back, &self->why));
	close(fd);
	EXPECT_EQ(-EBADF, state_read(fd, &self->back, &self->why));
	EXPECT_STREQ("the state can't be read", self->why);
}

TEST_F(state, keeps_its_size)
{
	EXPECT_EQ(-1, ftruncate(self->fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, ftruncate(self->fd, 2 * sizeof(self->saved)));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(state, is_of_minivmm)
{
	ASSERT_EQ(0, state_write(self->fd, &self->saved));
	ASSERT_EQ(8, pwrite(self->fd, "notours", 8, 0));
	EXPECT_EQ(-EINVAL, state_read(self->fd, &self->back, &self->why));
	EXPECT_STREQ("this is no state of minivmm", self->why);
}

TEST_F(state, is_of_this_version)
{
	uint32_t version = STATE_VERSION + 1;

	ASSERT_EQ(0, state_write(self->fd, &self->saved));
	ASSERT_EQ(sizeof(version), pwrite(self->fd, &version, sizeof(version),
					  offsetof(struct vm_state, version)));
	EXPECT_EQ(-EINVAL, state_read(self->fd, &self->back, &self->why));
	EXPECT_STREQ("the state is of another version of minivmm", self->why);
}

TEST_F(state, has_as_much_memory)
{
	self->saved.ram_size++;
	EXPECT_REFUSED("the guest has another amount of memory");
}

TEST_F(state, has_an_ioas_or_none)
{
	self->saved.ioas = 1ULL << 32;
	EXPECT_REFUSED("there can't be such an IOAS");
}

TEST_F(state, has_a_clock_that_runs)
{
	self->saved.clock.tsc_khz = 0;
	EXPECT_REFUSED("the clock has no frequency");
}

TEST_F(state, has_room_for_its_msrs)
{
	self->saved.vcpu.msr_count++;
	EXPECT_REFUSED("there are too many MSRs");
}

TEST_F(state, has_room_for_its_cpuid)
{
	self->saved.vcpu.cpuid_count++;
	EXPECT_REFUSED("there are too many CPUID leaves, or none");
	self->saved.vcpu.cpuid_count = 0;
	EXPECT_REFUSED("there are too many CPUID leaves, or none");
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* The memfd that holds the state of a stopped guest. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"

/* FNV-1a: it is damage that is looked for, not malice. */
static uint64_t checksum(const struct vm_state *state)
{
	const uint8_t *byte = (const uint8_t *)state + offsetof(struct vm_state, ram_size);
	const uint8_t *end = (const uint8_t *)(state + 1);
	uint64_t sum = 0xcbf29ce484222325ULL;

	while (byte < end)
		sum = (sum ^ *byte++) * 0x100000001b3ULL;
	return sum;
}

int state_create(void)
{
	int fd = memfd_create("minivmm-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct vm_state)) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int write_at(int fd, const void *buf, size_t size, off_t offset)
{
	ssize_t done = pwrite(fd, buf, size, offset);

	if (done < 0)
		return -errno;
	return (size_t)done == size ? 0 : -EIO;
}

int state_forget(int fd)
{
	static const char none[sizeof(((struct vm_state *)0)->magic)];

	return write_at(fd, none, sizeof(none), 0);
}

int state_write(int fd, struct vm_state *state)
{
	size_t body = offsetof(struct vm_state, version);
	int err;

	memcpy(state->magic, STATE_MAGIC, sizeof(state->magic));
	state->version = STATE_VERSION;
	state->size = sizeof(*state);
	state->checksum = checksum(state);
	err = state_forget(fd);
	if (!err)
		err = write_at(fd, (const char *)state + body, sizeof(*state) - body, body);
	if (!err)
		err = write_at(fd, state->magic, sizeof(state->magic), 0);
	return err;
}

static bool is_zero(const char *bytes, size_t size)
{
	while (size--)
		if (*bytes++)
			return false;
	return true;
}

/* What KVM does not check for us. */
static const char *complaint(const struct vm_state *state)
{
	if (is_zero(state->magic, sizeof(state->magic)))
		return "the guest was not stopped before the update";
	if (memcmp(state->magic, STATE_MAGIC, sizeof(state->magic)))
		return "this is no state of minivmm";
	if (state->version != STATE_VERSION || state->size != sizeof(*state))
		return "the state is of another version of minivmm";
	if (state->checksum != checksum(state))
		return "the state is damaged";
	if (state->ram_size != GUEST_RAM)
		return "the guest has another amount of memory";
	if (state->ioas > UINT32_MAX)
		return "there can't be such an IOAS";
	if (!state->clock.tsc_khz)
		return "the clock has no frequency";
	if (state->vcpu.msr_count > STATE_MSRS)
		return "there are too many MSRs";
	if (!state->vcpu.cpuid_count || state->vcpu.cpuid_count > STATE_CPUID)
		return "there are too many CPUID leaves, or none";
	return NULL;
}

int state_read(int fd, struct vm_state *state, const char **why)
{
	struct stat st;
	ssize_t got;

	*why = "the state can't be read";
	if (fstat(fd, &st))
		return -errno;
	if (st.st_size != sizeof(*state)) {
		*why = "the state has another size";
		return -EINVAL;
	}
	/* A copy: what has been checked stays as it is. */
	got = pread(fd, state, sizeof(*state), 0);
	if (got < 0)
		return -errno;
	if (got != sizeof(*state))
		return -EIO;
	*why = complaint(state);
	return *why ? -EINVAL : 0;
}

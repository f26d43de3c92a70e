// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions come to a VMM as descriptors, from a daemon. Without one they are asked
 * for here: /dev/liveupdate has one user at a time, who has to be quick.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/liveupdate.h>

#include "session.h"

#define DEVICE		"/dev/liveupdate"
#define TRIES		1000
#define WAIT_US		10000

static int open_device(void)
{
	int fd, tries = TRIES;

	while ((fd = open(DEVICE, O_RDWR | O_CLOEXEC)) < 0) {
		if (errno != EBUSY || !--tries)
			return -errno;
		usleep(WAIT_US);
	}
	return fd;
}

/* Creating and retrieving take the same struct. */
static int ask_device(const char *name, unsigned long cmd)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int device, err;

	if (strlen(name) >= sizeof(arg.name))
		return -ENAMETOOLONG;
	memcpy(arg.name, name, strlen(name));
	device = open_device();
	if (device < 0)
		return device;
	err = ioctl(device, cmd, &arg) ? -errno : 0;
	close(device);
	return err ? err : arg.fd;
}

int session_create(const char *name)
{
	return ask_device(name, LIVEUPDATE_IOCTL_CREATE_SESSION);
}

int session_retrieve(const char *name)
{
	return ask_device(name, LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
}

int session_preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	return ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg) ? -errno : 0;
}

int session_get(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = token };

	return ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg) ? -errno : arg.fd;
}

int session_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg) ? -errno : 0;
}

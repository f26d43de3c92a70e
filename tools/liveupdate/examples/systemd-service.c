// SPDX-License-Identifier: GPL-2.0-only
/*
 * A service that keeps two things through "systemctl kexec", by systemd >= 261 alone,
 * without luod: a memfd, which systemd preserves for it, and a session of its own
 * with another memfd in it. Its unit has to have
 *
 *	FileDescriptorStoreMax=2
 *	FileDescriptorStorePreserve=yes
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include <liveupdate.h>

#define SESSION		"systemd-service"
#define TOKEN		1

static int must(int ret, const char *what)
{
	if (ret < 0) {
		errno = -ret;
		err(1, "%s", what);
	}
	return ret;
}

static int new_memfd(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%s", text) < 0)
		err(1, "memfd");
	return fd;
}

static void store(const char *name, int fd)
{
	char text[64];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	if (sd_pid_notify_with_fds(0, 0, text, &fd, 1) <= 0)
		errx(1, "systemd does not keep %s", name);
}

static void print(const char *what, int fd)
{
	char text[128];
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	if (got < 0)
		err(1, "%s", what);
	text[got] = '\0';
	printf("systemd-service: %s: %s\n", what, text);
}

/* An own session needs the device, for a moment only: it has one user at a time. */
static void create_session(void)
{
	int device = must(lu_open(), LU_DEVICE);
	int session = must(lu_create_session(device, SESSION), SESSION);

	close(device);
	must(lu_preserve_fd(session, new_memfd("in its own session"), TOKEN), "preserve");
	store("session", session);
}

static void look_into_session(int session)
{
	struct lu_session_info info;

	must(lu_session_info(session, &info), "session");
	if (info.direction == LU_OUTGOING) {
		printf("systemd-service: session: of this kernel\n");
		return;
	}
	print("session", must(lu_retrieve_fd(session, TOKEN), "retrieve"));
	must(lu_finish(session), "finish");
}

int main(void)
{
	char **names = NULL;
	int count = must(sd_listen_fds_with_names(1, &names), "descriptors"), i;

	if (!count) {
		printf("systemd-service: nothing is there yet\n");
		store("memfd", new_memfd("kept by systemd"));
		create_session();
	}
	for (i = 0; i < count; i++) {
		if (lu_is_session(SD_LISTEN_FDS_START + i))
			look_into_session(SD_LISTEN_FDS_START + i);
		else
			print(names[i], SD_LISTEN_FDS_START + i);
	}
	fflush(stdout);
	sd_notify(0, "READY=1");
	pause();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The demonstration: a memfd with real content, this machine's own kernel and
 * initramfs, goes through a live update.
 *
 *	luo_demo STAGE
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/utsname.h>

#include "luo_ticks.h"
#include "luo_util.h"

#define SESSION		"vm-7"
#define TOKEN		1

static void say(const char *fmt, ...)
{
	va_list args;

	printf("demo: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static void give_up(const char *what, int err)
{
	say("FAILED: %s: %s", what, strerror(-err));
	exit(1);
}

/* busybox has the checksum. */
static void sum(int fd, char text[65])
{
	char command[64];
	FILE *pipe;

	snprintf(command, sizeof(command), "sha256sum /proc/%d/fd/%d", getpid(), fd);
	pipe = popen(command, "r");
	if (!pipe || fscanf(pipe, "%64s", text) != 1)
		give_up("sha256sum", -EIO);
	pclose(pipe);
}

static int copy_file(int to, const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	char buf[65536];
	ssize_t n;

	if (from < 0)
		return -errno;
	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, n) != n)
			return -errno;
	close(from);
	return n < 0 ? -errno : 0;
}

static void before(int dev)
{
	char checksum[65], cmdline[512];
	struct utsname uts;
	int fd, session, err;

	uname(&uts);
	say("this is Linux %s", uts.release);
	fd = luo_memfd(0, MFD_ALLOW_SEALING);
	err = copy_file(fd, "/next/bzImage");
	if (!err)
		err = copy_file(fd, "/next/initrd");
	if (err)
		give_up("fill the memfd", err);
	sum(fd, checksum);
	say("a memfd holds %ld KiB: this machine's own kernel and initramfs",
	    (long)luo_size(fd) / 1024);
	say("its SHA-256 is %s", checksum);

	session = luo_create(dev, SESSION);
	if (session < 0)
		give_up("create the session", session);
	say("session \"" SESSION "\" is created: /dev/liveupdate gave descriptor %d", session);
	err = luo_preserve(session, fd, TOKEN);
	if (err)
		give_up("preserve the memfd", err);
	say("the memfd is preserved in it, as token %d", TOKEN);

	snprintf(cmdline, sizeof(cmdline),
		 LUO_CMDLINE " luo.mode=demo %s luo.sum=%s luo.from=%s",
		 "luo.stage=1", checksum, uts.release);
	err = luo_kexec_load(cmdline);
	if (err)
		give_up("load the next kernel", err);
	say("the next kernel is loaded by kexec_file_load(2)");
	say("reboot(LINUX_REBOOT_CMD_KEXEC): this kernel ends here");
	printf("demo-ticks: %llu\n", (unsigned long long)__rdtsc());
	err = luo_kexec();
	give_up("kexec", err);
}

static void option(const char *name, char *value, size_t size)
{
	const char *found = luo_kernel_option(name);

	snprintf(value, size, "%s", found ? found : "");
}

static void after(int dev)
{
	uint64_t ticks;
	char checksum[65], expected[128], from[128];
	struct utsname uts;
	int session, fd, err;

	uname(&uts);
	say("this is Linux %s, booted by kexec", uts.release);
	session = luo_retrieve_session(dev, SESSION);
	if (session < 0)
		give_up("retrieve the session", session);
	say("session \"" SESSION "\" is back");
	fd = luo_retrieve(session, TOKEN);
	if (fd < 0)
		give_up("retrieve the memfd", fd);
	ticks = __rdtsc();
	say("the memfd is back, as descriptor %d", fd);
	sum(fd, checksum);
	option("luo.sum=", expected, sizeof(expected));
	option("luo.from=", from, sizeof(from));
	say("its SHA-256 is %s", checksum);
	if (strcmp(checksum, expected))
		give_up("the content is not what it was", -EIO);
	err = luo_finish(session);
	if (err)
		give_up("finish the session", err);
	say("the session is finished, the memfd is an ordinary one again");
	printf("demo-ticks: %llu %.0f\n", (unsigned long long)ticks, luo_ticks_per_second());
	printf("demo-verdict: memfd of %ld KiB with the same SHA-256, ",
	       (long)luo_size(fd) / 1024);
	printf("session \"%s\", Linux %s -> %s\n", SESSION, from, uts.release);
}

int main(int argc, char **argv)
{
	int stage = argc > 1 ? atoi(argv[1]) : 0, dev = luo_open();

	if (dev < 0)
		give_up("open " LUO_DEVICE, dev);
	if (stage)
		after(dev);
	else
		before(dev);
	return 0;
}

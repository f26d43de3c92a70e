/* SPDX-License-Identifier: GPL-2.0 */
/* Calls of live update for tests: results are a descriptor or 0, or -errno. */
#ifndef LUO_UTIL_H
#define LUO_UTIL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kernel-page-flags.h>
#include <linux/liveupdate.h>
#include <linux/reboot.h>

#include "../kselftest.h"
#include "luo_pattern.h"

#define LUO_DEVICE	"/dev/liveupdate"
/* What every kernel of the test machine is given. */
#define LUO_CMDLINE	"console=ttyS0 panic=-1 no_timer_check"
#define LUO_PAGE	4096UL
#define LUO_MB		(256 * LUO_PAGE)

#define TEST_DEVICE	"/dev/liveupdate_test"
#define TEST_PARAMETERS	"/sys/module/luo_test_handler/parameters/"
#define TEST_FAIL	TEST_PARAMETERS "fail"
#define TEST_CALLS	TEST_PARAMETERS "calls"
#define TEST_FLB_VALUE	TEST_PARAMETERS "flb_value"
#define TEST_FLB_IN	TEST_PARAMETERS "flb_incoming"
/* A file of the test device needs another one; gives that one out. */
#define TEST_SET_PEER	_IO('L', 0)
#define TEST_GET_PEER	_IO('L', 1)
#define SHMEM_ENABLED	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static inline int luo_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

static inline int luo_open(void)
{
	int fd = open(LUO_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A name that is too long stays without its NUL. */
static inline void luo_set_name(uint8_t *field, const char *name)
{
	size_t len = strlen(name);

	memcpy(field, name, len < LIVEUPDATE_SESSION_NAME_LENGTH ?
	       len : LIVEUPDATE_SESSION_NAME_LENGTH);
}

static inline int luo_create(int dev, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int err;

	luo_set_name(arg.name, name);
	err = luo_ioctl(dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg);
	return err ? err : arg.fd;
}

static inline int luo_retrieve_session(int dev, const char *name)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg) };
	int err;

	luo_set_name(arg.name, name);
	err = luo_ioctl(dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg);
	return err ? err : arg.fd;
}

static inline int luo_preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	return luo_ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

static inline int luo_unpreserve(int session, uint64_t token)
{
	struct liveupdate_session_unpreserve_fd arg = {
		.size = sizeof(arg), .token = token,
	};

	return luo_ioctl(session, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg);
}

static inline int luo_retrieve(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg), .token = token,
	};
	int err = luo_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);

	return err ? err : arg.fd;
}

static inline int luo_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return luo_ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg);
}

/* Fill, or check, a part of a file through a mapping. */
static inline int luo_file_fill(int fd, off_t offset, size_t size, uint64_t seed)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (mem == MAP_FAILED)
		return -errno;
	luo_fill(mem, size, seed);
	munmap(mem, size);
	return 0;
}

static inline int luo_file_is_filled(int fd, off_t offset, size_t size,
				     uint64_t seed)
{
	void *mem = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset);
	int ok;

	if (mem == MAP_FAILED)
		return 0;
	ok = luo_is_filled(mem, size, seed);
	munmap(mem, size);
	return ok;
}

static inline int luo_memfd(size_t size, unsigned int flags)
{
	int fd = memfd_create("luo", flags);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size)) {
		close(fd);
		return -errno;
	}
	return fd;
}

static inline int luo_memfd_filled(size_t size, uint64_t seed)
{
	int fd = luo_memfd(size, MFD_ALLOW_SEALING), err = 0;

	if (fd >= 0 && size)
		err = luo_file_fill(fd, 0, size, seed);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static inline long luo_blocks(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : (long)st.st_blocks;
}

static inline off_t luo_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : st.st_size;
}

/* A number in a file of /proc or /sys, or -1. */
static inline long luo_read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long number = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

/* A line of /proc/meminfo, in KiB. */
static inline long luo_meminfo(const char *what)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long kb = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, what, strlen(what)))
			sscanf(line + strlen(what), ": %ld", &kb);
	if (file)
		fclose(file);
	return kb;
}

static inline int luo_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Let KCSAN look, or not, where it is. */
static inline void luo_watch_races(const char *on_or_off)
{
	luo_write("/sys/kernel/debug/kcsan", on_or_off);
}

/* Pages that are free, those kept by the CPUs included, with nothing in caches. */
static inline long luo_free_pages(void)
{
	long pages = 0, number;
	char line[128];
	FILE *file;
	int i;

	/* What is freed by RCU and by workqueues takes its time. */
	for (i = 0; i < 3; i++) {
		luo_write("/proc/sys/vm/drop_caches", "3");
		usleep(100 * 1000);
	}
	file = fopen("/proc/zoneinfo", "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " pages free %ld", &number) == 1 ||
		    sscanf(line, " count: %ld", &number) == 1)
			pages += number;
	if (file)
		fclose(file);
	return pages;
}

static inline long luo_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	long fds = 0;

	while (dir && readdir(dir))
		fds++;
	if (dir)
		closedir(dir);
	return fds;
}

/* What follows NAME on the kernel's command line, until the next call, or NULL. */
static inline const char *luo_kernel_option(const char *name)
{
	static char line[2048];
	FILE *file = fopen("/proc/cmdline", "re");
	char *at = NULL;

	if (file && fgets(line, sizeof(line), file))
		at = strstr(line, name);
	if (file)
		fclose(file);
	if (!at)
		return NULL;
	at += strlen(name);
	at[strcspn(at, "\n ")] = '\0';
	return at;
}

/* How often an operation of the test device was called. */
static inline int luo_test_calls(const char *op)
{
	FILE *file = fopen(TEST_CALLS, "re");
	char line[64];
	int number = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, op, strlen(op)) && line[strlen(op)] == ':')
			number = atoi(line + strlen(op) + 1);
	if (file)
		fclose(file);
	return number;
}

/* The frame of the page at @offset, without writing to it; 0 if there is none. */
static inline uint64_t luo_page_frame(int fd, off_t offset)
{
	struct stat st;
	/* A huge page is not mapped in part. */
	size_t size = fstat(fd, &st) ? LUO_PAGE : st.st_blksize;
	char *mem = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset);
	int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t pfn = 0;

	if (mem != MAP_FAILED && (__atomic_load_n(mem, __ATOMIC_RELAXED), 1) &&
	    pread(map, &pfn, sizeof(pfn), (uintptr_t)mem / LUO_PAGE * 8) != 8)
		pfn = 0;
	if (mem != MAP_FAILED)
		munmap(mem, size);
	close(map);
	/* The low 55 bits of an entry are the page frame. */
	return pfn & ((1ULL << 55) - 1);
}

/* KPF_* of the page at @offset, 0 if there is none. */
static inline uint64_t luo_page_flags(int fd, off_t offset)
{
	int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t pfn = luo_page_frame(fd, offset), kpf = 0;

	if (!pfn || pread(flags, &kpf, sizeof(kpf), pfn * 8) != 8)
		kpf = 0;
	close(flags);
	return kpf;
}

static inline int luo_send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {}, byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

static inline int luo_receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &msg, 0) != 1)
		return -errno;
	if (!CMSG_FIRSTHDR(&msg))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

#ifndef KEXEC_FILE_UNLOAD
#define KEXEC_FILE_UNLOAD	1
#endif

#ifndef KEXEC_FILE_NO_INITRAMFS
#define KEXEC_FILE_NO_INITRAMFS	4
#endif

static inline int luo_kexec_load_fd(int kernel, const char *cmdline)
{
	return syscall(SYS_kexec_file_load, kernel, -1, strlen(cmdline) + 1, cmdline,
		       (unsigned long)KEXEC_FILE_NO_INITRAMFS) ? -errno : 0;
}

#define LUO_SHORT_KERNEL	"/tmp/bzImage"
/* Where the header of a bzImage has its init_size. */
#define LUO_INIT_SIZE		0x260

static inline int luo_make_short_kernel(void)
{
	int kernel = open("/next/bzImage", O_RDONLY | O_CLOEXEC);
	int fd = open(LUO_SHORT_KERNEL ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint32_t size = 2 * LUO_MB;
	int made = kernel >= 0 && sendfile(fd, kernel, NULL, LUO_MB) == LUO_MB &&
		   pwrite(fd, &size, sizeof(size), LUO_INIT_SIZE) == sizeof(size);

	close(kernel);
	/* One that can be written to is no executable. */
	close(fd);
	return made && !rename(LUO_SHORT_KERNEL ".new", LUO_SHORT_KERNEL) ? 0 : -1;
}

/*
 * The beginning of a kernel, which says that it needs little memory: it is loaded
 * like a whole one, but sooner. Nobody can run it.
 */
static inline int luo_short_kernel(void)
{
	if (access(LUO_SHORT_KERNEL, F_OK) && luo_make_short_kernel())
		return -1;
	return open(LUO_SHORT_KERNEL, O_RDONLY | O_CLOEXEC);
}

/* For a kexec that is to fail. */
static inline int luo_kexec_load_kernel(const char *cmdline)
{
	int kernel = luo_short_kernel();
	int err = luo_kexec_load_fd(kernel, cmdline);

	close(kernel);
	return err;
}

static inline int luo_kexec_load(const char *cmdline)
{
	int kernel = open("/next/bzImage", O_RDONLY | O_CLOEXEC);
	int initrd = open("/next/initrd", O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1,
		    cmdline, 0UL))
		err = -errno;
	close(kernel);
	close(initrd);
	return err;
}

static inline int luo_kexec_unload(void)
{
	return syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL,
		       (unsigned long)KEXEC_FILE_UNLOAD) ? -errno : 0;
}

/* Whoever leaves this kernel for good says what it has leaked, if that is known. */
static inline void luo_leaks(void)
{
	fflush(NULL);
	if (!access("/sys/kernel/debug/kmemleak", F_OK) && system("/init leaks"))
		printf("kmemleak: can't be asked for new suspected leaks\n");
}

/* Returns only if it fails. */
static inline int luo_kexec(void)
{
	fflush(NULL);
	return reboot(LINUX_REBOOT_CMD_KEXEC) ? -errno : 0;
}

/* A kexec that must not succeed: with an image that would do nothing useful. */
static inline int luo_try_kexec(void)
{
	int err = luo_kexec_load_kernel("");

	if (!err)
		err = luo_kexec();
	luo_kexec_unload();
	return err;
}

#endif /* LUO_UTIL_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is made to fail: of all that a thread asks the kernel for, the nth
 * allocation or copy from or to user memory. And what the kernel says to it.
 */
#ifndef LUO_FAULT_H
#define LUO_FAULT_H

#include <stdbool.h>
#include <sys/klog.h>

#include "luo_util.h"

/* The caller's own; opened once, as to open it can fail as well. */
static inline int luo_fail_file(void)
{
	static __thread int fd = -1;

	if (fd < 0)
		fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return fd;
}

/* Let the @nth one of this thread fail, once. 0 is for none. */
static inline void luo_fail_nth(int nth)
{
	int len, fd = luo_fail_file(), tries;
	char text[16];

	len = snprintf(text, sizeof(text), "%d", nth);
	/* To tell it is to copy, which may be the one to fail. */
	for (tries = 0; tries < 3; tries++)
		if (pwrite(fd, text, len, 0) == len)
			return;
	fprintf(stderr, "fail-nth can't be written: %s\n", strerror(errno));
	abort();
}

/* Has it come to that? There are no failures any more in any case. */
static inline bool luo_has_failed(void)
{
	char text[16] = "";
	ssize_t len;

	/* If this fails, it is because nothing else has. */
	len = pread(luo_fail_file(), text, sizeof(text) - 1, 0);
	luo_fail_nth(0);
	return len > 0 && !atoi(text);
}

/*
 * Also those allocations that may wait can fail; nothing is said about it. One
 * thread is at work, again and again, so KCSAN would see nothing, and slowly.
 */
static inline int luo_fail_setup(void)
{
	static const char * const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_usercopy/verbose", "0" },
	};
	unsigned int i;
	int err = luo_fail_file() < 0 ? -ENOENT : 0;
	char path[128];

	for (i = 0; !err && i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i][0]);
		err = luo_write(path, settings[i][1]);
	}
	luo_watch_races("off");
	return err;
}

/* What something may end with that was made to fail. */
static inline bool luo_is_fault(int err)
{
	return err == -ENOMEM || err == -EFAULT;
}

/*
 * A splat on the console fails the run. An allocation that is made to fail may
 * be reported with a backtrace, so the console is off meanwhile, and the log is
 * looked at instead.
 */
static inline void luo_log_hide(void)
{
	klogctl(5, NULL, 0);
	klogctl(6, NULL, 0);
}

/*
 * Whether a data race is one of ours is for those to tell who read the console:
 * it gets what KCSAN has said, between its lines of '='.
 */
static inline void luo_log_show_races(const char *log)
{
	const char *line, *end;
	bool race = false;

	for (line = log; *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		if (memmem(line, end - line, "BUG: KCSAN: ", 12)) {
			fprintf(stderr, "==========\n");
			race = true;
		}
		if (race)
			fprintf(stderr, "%.*s\n", (int)(end - line), line);
		if (memmem(line, end - line, "==========", 10))
			race = false;
	}
}

static inline bool luo_log_has(const char *log, const char *what)
{
	while ((log = strstr(log, what))) {
		if (strncmp(log, "BUG: KCSAN: ", 12))
			return true;
		log++;
	}
	return false;
}

static inline int luo_log_was_clean(void)
{
	static const char * const bad[] = {
		"WARNING: ", "BUG: ", "Oops: ", "Bad page", "bad page", "refcount_t: ",
		"corruption", "locking dependency", "unable to handle", "protection fault",
		"UBSAN: ",
	};
	int size = klogctl(10, NULL, 0), len, clean = 1;
	char *buf = size > 0 ? calloc(1, size + 1) : NULL;
	unsigned int i;

	klogctl(7, NULL, 0);
	len = buf ? klogctl(3, buf, size) : -1;
	if (len < 0)
		return 0;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		clean &= !luo_log_has(buf, bad[i]);
	if (clean)
		luo_log_show_races(buf);
	else
		fprintf(stderr, "%s\n", buf);
	free(buf);
	return clean;
}

#endif /* LUO_FAULT_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* What an operator sees: /sys/kernel/liveupdate, fdinfo, trace events. */
#ifndef LUO_OBSERVE_H
#define LUO_OBSERVE_H

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mount.h>

#include "luo_util.h"

#define SYSFS_LUO	"/sys/kernel/liveupdate"
#define SYSFS_OUTGOING	SYSFS_LUO "/sessions/outgoing"
#define SYSFS_INCOMING	SYSFS_LUO "/sessions/incoming"
#define TRACING		"/sys/kernel/tracing"

/* All that is in a file, for free(), and how much that is; or NULL with errno set. */
static inline char *luo_read_fd(int fd, size_t *read_size)
{
	size_t size = 0, room = 4096;
	char *text = malloc(room);
	ssize_t len;

	while (text) {
		if (room - size < 4096) {
			room *= 2;
			text = realloc(text, room);
		}
		len = text ? read(fd, text + size, room - size - 1) : -1;
		if (len < 0) {
			free(text);
			return NULL;
		}
		if (!len)
			break;
		size += len;
	}
	if (text)
		text[size] = '\0';
	*read_size = size;
	return text;
}

/* The same of a path; it never waits. */
static inline char *luo_read_raw(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;
	char *text;

	if (fd < 0)
		return NULL;
	text = luo_read_fd(fd, size);
	err = errno;
	close(fd);
	errno = err;
	return text;
}

static inline char *luo_read_file(const char *path)
{
	size_t size;

	return luo_read_raw(path, &size);
}

/* Does the file hold just @want? It is told if not. */
static inline bool luo_file_says(const char *path, const char *want)
{
	char *text = luo_read_file(path);
	bool says = text && !strcmp(text, want);

	if (!says)
		printf("# %s says '%s' (%s), not '%s'\n", path, text ?: "",
		       text ? "all of it" : strerror(errno), want);
	free(text);
	return says;
}

static inline bool luo_state_is(const char *want)
{
	char line[32];

	snprintf(line, sizeof(line), "%s\n", want);
	return luo_file_says(SYSFS_LUO "/state", line);
}

/* Is there a line in @text that is @fmt? */
static inline bool luo_has_line(const char *text, const char *fmt, ...)
{
	char line[512];
	const char *at;
	va_list args;
	size_t len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (at = text; at && (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && (at[len] == '\n' || !at[len]))
			return true;
	printf("# there is no line '%s' in:\n%s\n", line, text ?: "nothing at all");
	return false;
}

/*
 * Does a number in the text look like an address? Kernel addresses have 16
 * digits; those of RAM above the first 64 KiB have five, and nothing that the
 * tests themselves choose to be shown has as many.
 */
static inline const char *luo_find_address(const char *text)
{
	while (*text) {
		const char *start = text;
		size_t len;

		if (!isxdigit(*text)) {
			text++;
			continue;
		}
		if (!strncmp(text, "0x", 2)) {
			text += 2;
			len = strspn(text, "0123456789abcdefABCDEF");
			if (len >= 5)
				return start;
		} else {
			len = strspn(text, "0123456789abcdefABCDEF");
			if (len >= 8)
				return start;
		}
		text += len;
	}
	return NULL;
}

static inline int luo_trace_mount(void)
{
	if (access(TRACING "/trace", F_OK) && mount("none", TRACING, "tracefs", 0, NULL))
		return -errno;
	return 0;
}

/* The trace events of live update, on or off. */
static inline int luo_trace_events(bool on)
{
	int fd;

	if (luo_trace_mount())
		return -errno;
	/* To open it for writing anew empties it. */
	if (on) {
		fd = open(TRACING "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	return luo_write(TRACING "/events/liveupdate/enable", on ? "1" : "0");
}

#endif /* LUO_OBSERVE_H */

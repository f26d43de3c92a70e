// SPDX-License-Identifier: GPL-2.0-only
/* Lines of key=value on stderr. No value has a blank: names of sessions can't. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luod.h"

#define LOG_BURST	20
#define LOG_PERIOD	5000

static struct {
	int64_t since;
	unsigned int told;
	unsigned int suppressed;
} limit;

bool log_may_tell(void)
{
	int64_t now = luod_now();

	if (now - limit.since >= LOG_PERIOD || !limit.since) {
		if (limit.suppressed)
			log_line(LOG_WARNING, "event=suppressed lines=%u", limit.suppressed);
		limit.since = now;
		limit.told = 0;
		limit.suppressed = 0;
	}
	if (limit.told < LOG_BURST) {
		limit.told++;
		return true;
	}
	limit.suppressed++;
	return false;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char * const names[] = {
		[LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info",
	};
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* The journal takes the level from the number. */
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", level, line);
	else
		fprintf(stderr, "luod: level=%s %s\n", names[level], line);
}

const char *log_errno(int error)
{
	const char *name = strerrorname_np(error < 0 ? -error : error);

	return name ? name : "?";
}

#ifdef LUOD_CRASH_POINTS
#include <signal.h>
#include <unistd.h>

void crash_point(const char *name)
{
	const char *path = getenv("LUOD_CRASH_POINTS");
	FILE *file = path ? fopen(path, "re") : NULL;
	char wanted[64] = "";

	if (!file)
		return;
	if (fscanf(file, "%63s", wanted) != 1)
		wanted[0] = '\0';
	fclose(file);
	if (strcmp(wanted, name))
		return;
	unlink(path);
	kill(getpid(), SIGKILL);
}
#endif

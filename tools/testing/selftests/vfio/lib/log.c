// SPDX-License-Identifier: GPL-2.0
/* What the kernel says, from a certain moment on. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libvfio.h"

#define PRINTK		"/proc/sys/kernel/printk"
#define WARNING		4

static int open_at_end(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

int log_open(struct kernel_log *log)
{
	log->console = -1;
	log->searched = open_at_end();
	log->since = open_at_end();
	return log->searched < 0 || log->since < 0 ? -EIO : 0;
}

/* The next line, with its level at the beginning of @line; NULL if there is none. */
static char *next_line(int fd, char *line, size_t size)
{
	ssize_t len;
	char *text;

	do {
		len = read(fd, line, size - 1);
	} while (len < 0 && errno == EPIPE);
	if (len <= 0)
		return NULL;
	line[len] = '\0';
	text = strchr(line, ';');
	return text ? text + 1 : line;
}

struct search {
	int fd;
	const char *text, *more;
};

static bool found(void *arg)
{
	struct search *search = arg;
	char line[8192], *text;

	while ((text = next_line(search->fd, line, sizeof(line))))
		if (strstr(text, search->text) && strstr(text, search->more))
			return true;
	return false;
}

/* A line with both of them has been said since, or is within some seconds. */
bool log_says(struct kernel_log *log, const char *text, const char *more)
{
	struct search search = { .fd = log->searched, .text = text, .more = more };

	return !wait_until(found, &search);
}

static int console_level(int level)
{
	FILE *file = fopen(PRINTK, "r+e");
	int old;

	if (!file)
		return -errno;
	if (fscanf(file, "%d", &old) != 1)
		old = -EINVAL;
	rewind(file);
	fprintf(file, "%d", level);
	return fclose(file) ? -errno : old;
}

/* What is to come belongs to the test: it does not get to the console, until the end. */
int log_quiet(struct kernel_log *log)
{
	log->console = console_level(1);
	return log->console < 0 ? log->console : 0;
}

/* How many warnings and worse there have been since that don't have @expected in them. */
int log_unexpected(struct kernel_log *log, const char *expected)
{
	char line[8192], *text;
	int number = 0;

	while ((text = next_line(log->since, line, sizeof(line)))) {
		if ((atoi(line) & 7) > WARNING || strstr(text, expected))
			continue;
		printf("# unexpected: %s", text);
		number++;
	}
	return number;
}

void log_close(struct kernel_log *log)
{
	if (log->console >= 0)
		console_level(log->console);
	close(log->searched);
	close(log->since);
}

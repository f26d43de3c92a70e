// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which types of files does the next kernel know? A kernel of this series gives up a
 * session with a file of an unknown type, mainline all sessions: better not to go at all.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "luctl.h"

#define OUTGOING	LU_SYSFS "/sessions/outgoing"

/* Up to Linux 7.3. */
#define MAINLINE	"memfd-v2"

static bool is_known(const char *types, const char *type)
{
	size_t len = strlen(type);
	const char *at;

	for (at = types; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, type, len) && (!at[len] || at[len] == ','))
			return true;
	}
	return false;
}

/* 0, how many are unknown, or -errno. A session that has ended meanwhile has none. */
static int check_session(const char *types, const char *name)
{
	char path[512], line[256], token[32], type[200];
	int unknown = 0;
	FILE *file;

	snprintf(path, sizeof(path), OUTGOING "/%s", name);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	errno = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "file:\t%31s %199s", token, type) != 2 || is_known(types, type))
			continue;
		fprintf(stderr, "luctl: session %s: %s is %s, unknown to the next kernel\n",
			name, token, type);
		unknown++;
	}
	if (errno && errno != ENODEV)
		unknown = -errno;
	fclose(file);
	return unknown;
}

int types_check(const char *types)
{
	DIR *dir = opendir(OUTGOING);
	int unknown = 0, ret = 0;
	struct dirent *entry;

	if (!dir)
		return -errno;
	if (!strcmp(types, "mainline"))
		types = MAINLINE;
	while (ret >= 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		ret = check_session(types, entry->d_name);
		unknown += ret;
	}
	closedir(dir);
	return ret < 0 ? ret : unknown;
}

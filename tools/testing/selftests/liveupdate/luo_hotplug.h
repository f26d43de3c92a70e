/* SPDX-License-Identifier: GPL-2.0 */
/* CPUs and memory that come and go. */
#ifndef LUO_HOTPLUG_H
#define LUO_HOTPLUG_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "luo_util.h"

#define LUO_MAX_BLOCKS	1024
#define LUO_MEMORY	"/sys/devices/system/memory"
#define LUO_CPU		"/sys/devices/system/cpu/cpu1/online"

/*
 * Take a block of memory off line; one that does not go would try for ever, so it
 * is asked by somebody who can be told to stop, and who has nothing else open.
 */
static inline int luo_set_online(unsigned long block, const char *online, unsigned int seconds)
{
	char path[64];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), LUO_MEMORY "/memory%lu/online", block);
	pid = fork();
	if (!pid) {
		close_range(3, ~0U, 0);
		alarm(seconds);
		_exit(-luo_write(path, online));
	}
	if (pid < 0)
		return -errno;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static inline unsigned long luo_block_size(void)
{
	FILE *file = fopen(LUO_MEMORY "/block_size_bytes", "re");
	unsigned long size = 0;

	if (file && fscanf(file, "%lx", &size) != 1)
		size = 0;
	if (file)
		fclose(file);
	return size;
}

static inline unsigned long luo_nr_blocks(void)
{
	DIR *dir = opendir(LUO_MEMORY);
	unsigned long nr = 0, block;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "memory%lu", &block) == 1 && block >= nr)
			nr = block + 1;
	closedir(dir);
	return nr < LUO_MAX_BLOCKS ? nr : LUO_MAX_BLOCKS;
}

/* Why a block may stay. */
static inline bool luo_block_may_stay(int err)
{
	return err == -EBUSY || err == -EINTR || err == -EINVAL || err == -ENOENT ||
	       err == -ENOMEM;
}

#endif /* LUO_HOTPLUG_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* What is done by a process of its own, by one that has no privileges, say. */
#ifndef CHILD_H
#define CHILD_H

#include <sys/resource.h>
#include <sys/wait.h>

#include "../liveupdate/luo_util.h"

#define NOBODY		65534

/* Runs in a child: whoever maps is gone afterwards. */
static inline int in_child(int (*job)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(-job(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

/* No capabilities, and what may be locked is limited to @pages. */
static inline int be_nobody(rlim_t pages)
{
	struct rlimit limit = { pages * LUO_PAGE, pages * LUO_PAGE };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return 0;
}

#endif /* CHILD_H */

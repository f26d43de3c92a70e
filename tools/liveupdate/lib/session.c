// SPDX-License-Identifier: LGPL-2.1-or-later
/* The uAPI of the kernel: ioctls, and the fdinfo of a session. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/liveupdate.h>

#include "liveupdate.h"

static_assert(LU_NAME_SIZE == LIVEUPDATE_SESSION_NAME_LENGTH, "names");

static int lu_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

static int lu_set_name(uint8_t field[LU_NAME_SIZE], const char *name)
{
	size_t len = strlen(name);

	if (len >= LU_NAME_SIZE)
		return -ENAMETOOLONG;
	memcpy(field, name, len);
	return 0;
}

int lu_open(void)
{
	int fd = open(LU_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int lu_create_session(int device, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int ret = lu_set_name(arg.name, name);

	if (!ret)
		ret = lu_ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg);
	return ret ? ret : arg.fd;
}

int lu_retrieve_session(int device, const char *name)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg) };
	int ret = lu_set_name(arg.name, name);

	if (!ret)
		ret = lu_ioctl(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg);
	return ret ? ret : arg.fd;
}

int lu_preserve_fd(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	return lu_ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

int lu_unpreserve_fd(int session, uint64_t token)
{
	struct liveupdate_session_unpreserve_fd arg = {
		.size = sizeof(arg), .token = token,
	};

	return lu_ioctl(session, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg);
}

int lu_retrieve_fd(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg), .token = token,
	};
	int ret = lu_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);

	return ret ? ret : arg.fd;
}

int lu_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return lu_ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg);
}

/*
 * lu_session_name - the name of a session
 *
 * The ioctl is not tried on what is no session: its number may mean something
 * else there.
 */
int lu_session_name(int session, char name[LU_NAME_SIZE])
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	int ret = lu_is_session(session) ? 0 : -ENOTTY;

	if (!ret)
		ret = lu_ioctl(session, LIVEUPDATE_SESSION_GET_NAME, &arg);
	if (ret)
		return ret;
	memcpy(name, arg.name, LU_NAME_SIZE);
	name[LU_NAME_SIZE - 1] = '\0';
	return 0;
}

int lu_is_session(int fd)
{
	static const char begin[] = "anon_inode:[luo_session]";
	char link[64], path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link));
	return len >= (ssize_t)sizeof(begin) - 1 && !memcmp(link, begin, sizeof(begin) - 1);
}

/* The value of a line "KEY:\tVALUE", or NULL. */
static const char *lu_value(const char *line, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) || line[len] != ':' || line[len + 1] != '\t')
		return NULL;
	return line + len + 2;
}

static int lu_parse_state(const char *value)
{
	static const char * const states[] = {
		[LU_PRESERVING] = "preserving",
		[LU_FROZEN] = "frozen",
		[LU_WAITING] = "waiting",
		[LU_CLAIMED] = "claimed",
		[LU_FINISHED] = "finished",
	};
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strcmp(value, states[i]))
			return i;
	return -EPROTO;
}

static int lu_parse_file(const char *value, struct lu_file *file)
{
	char size[32], state[32], *end;

	memset(file, 0, sizeof(*file));
	file->token = strtoull(value, &end, 0);
	if (end == value || sscanf(end, " %127s %31s %31s", file->type, size, state) != 3)
		return -EPROTO;
	file->size = strcmp(size, "-") ? strtoll(size, NULL, 10) : -1;
	if (!strcmp(state, "preserved"))
		file->state = LU_FILE_PRESERVED;
	else if (!strcmp(state, "waiting"))
		file->state = LU_FILE_WAITING;
	else if (!strcmp(state, "retrieved"))
		file->state = LU_FILE_RETRIEVED;
	else if (sscanf(state, "failed:%d", &file->error) == 1)
		file->state = LU_FILE_FAILED;
	else
		return -EPROTO;
	file->error = abs(file->error);
	return 0;
}

/* Each line of the fdinfo; either of @info and @fn may be NULL. */
static int lu_fdinfo(int session, struct lu_session_info *info, lu_file_fn fn, void *data)
{
	struct lu_file entry;
	const char *value;
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *file;
	int ret = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!ret && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		value = lu_value(line, "file");
		if (value && fn) {
			ret = lu_parse_file(value, &entry);
			if (!ret)
				ret = fn(&entry, data);
		}
		if (!info)
			continue;
		value = lu_value(line, "files");
		if (value)
			info->files = strtoul(value, NULL, 10);
		value = lu_value(line, "direction");
		if (value)
			info->direction = strcmp(value, "incoming") ? LU_OUTGOING : LU_INCOMING;
		value = lu_value(line, "state");
		if (value) {
			ret = lu_parse_state(value);
			info->state = ret < 0 ? LU_PRESERVING : ret;
			ret = ret < 0 ? ret : 0;
		}
	}
	if (!ret && ferror(file))
		ret = -EIO;
	free(line);
	fclose(file);
	return ret;
}

int lu_session_info(int session, struct lu_session_info *info)
{
	int ret;

	memset(info, 0, sizeof(*info));
	ret = lu_session_name(session, info->name);
	return ret ? ret : lu_fdinfo(session, info, NULL, NULL);
}

int lu_session_files(int session, lu_file_fn fn, void *data)
{
	return lu_is_session(session) ? lu_fdinfo(session, NULL, fn, data) : -ENOTTY;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LUOD_FDPASS_H
#define LUOD_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

int lu_send(int socket, const void *data, size_t size, int fd, int flags);
ssize_t lu_receive(int socket, void *data, size_t size, int *fd, int flags);

#endif /* LUOD_FDPASS_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* Sessions of live update. All return a descriptor or 0, or -errno. */
#ifndef MINIVMM_SESSION_H
#define MINIVMM_SESSION_H

#include <stdint.h>

/* One to be handed over to the next kernel, and one of the previous kernel. */
int session_create(const char *name);
int session_retrieve(const char *name);

int session_preserve(int session, int fd, uint64_t token);
int session_get(int session, uint64_t token);
int session_finish(int session);

#endif /* MINIVMM_SESSION_H */

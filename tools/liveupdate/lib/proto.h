/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said on luod's socket (SOCK_SEQPACKET). See luod-protocol(7).
 *
 * Each message is one struct luod_wire, in either direction, little endian. A client
 * asks, luod answers with the same op and serial; error is an errno or 0. A session
 * comes with its answer by SCM_RIGHTS. Only events come unasked. Whatever an op does
 * not use has to be zero.
 */
#ifndef LUOD_PROTO_H
#define LUOD_PROTO_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "liveupdate.h"

#define LUOD_MAGIC	0x444f554cU	/* "LUOD" */
#define LUOD_VERSION	1
#define LUOD_ARGS	6

enum luod_op {
	/*			  arguments		answer */
	LUOD_STATUS = 1,	/* -			pid, outgoing, incoming, clients,
				 *			subscribers, enum luod_flag
				 */
	LUOD_LIST,		/* id before		id, direction, uid, enum luod_flag,
				 *			retrieved; name. ENOENT: no more
				 */
	LUOD_CREATE,		/* name			session */
	LUOD_GET,		/* name			session */
	LUOD_RETRIEVE,		/* name			session */
	LUOD_RELEASE,		/* name			- */
	LUOD_FINISH,		/* name			- */
	LUOD_SUBSCRIBE,		/* -			- */
	LUOD_READY,		/* update, error	- */
	LUOD_PREPARE,		/* ms, force		update, ready, failed, pid, uid, error */
	LUOD_COMMIT,		/* update		- */
	LUOD_REPORT,		/* -			prepare, ready, saved, started, clients */
	LUOD_OPS,
	/* Events */
	LUOD_EVENT_PREPARE = 0x100,	/* update, ms */
	LUOD_EVENT_RESUME,		/* update, error */
	/* luod closes the connection, for this error. */
	LUOD_EVENT_BYE,
};

enum luod_flag {
	LUOD_HELD = 1,
	LUOD_FINISHED = 2,
	LUOD_STORE = 4,
	LUOD_STORE_LOST = 8,
	LUOD_UPDATING = 16,
};

/* As it is on the socket: little endian. */
struct luod_wire {
	uint32_t magic;
	uint16_t version;
	uint16_t op;
	uint32_t serial;
	uint32_t error;
	uint64_t arg[LUOD_ARGS];
	char name[LU_NAME_SIZE];
};

static_assert(sizeof(struct luod_wire) == 128, "the protocol");

/* As the host has it. The name ends with a NUL. */
struct luod_msg {
	enum luod_op op;
	uint32_t serial;
	uint32_t error;
	uint64_t arg[LUOD_ARGS];
	char name[LU_NAME_SIZE];
};

bool luod_name_is_valid(const char name[LU_NAME_SIZE]);
int luod_parse_request(const void *data, size_t size, struct luod_msg *msg);
int luod_parse_answer(const void *data, size_t size, struct luod_msg *msg);
void luod_encode(const struct luod_msg *msg, struct luod_wire *wire);

#endif /* LUOD_PROTO_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading and writing messages. Nothing here does anything but look at bytes, so
 * that tests/fuzz_proto.c can throw any at it.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "proto.h"

/* How many arguments a request has, and whether it has a name. */
static const struct {
	unsigned char args;
	bool name;
} luod_requests[LUOD_OPS] = {
	[LUOD_STATUS] = { 0, false },
	[LUOD_LIST] = { 1, false },
	[LUOD_CREATE] = { 0, true },
	[LUOD_GET] = { 0, true },
	[LUOD_RETRIEVE] = { 0, true },
	[LUOD_RELEASE] = { 0, true },
	[LUOD_FINISH] = { 0, true },
	[LUOD_SUBSCRIBE] = { 0, false },
	[LUOD_READY] = { 2, false },
	[LUOD_PREPARE] = { 2, false },
	[LUOD_COMMIT] = { 1, false },
	[LUOD_REPORT] = { 0, false },
};

static bool luod_is_zero(const void *data, size_t size)
{
	const unsigned char *byte = data;

	while (size && !*byte) {
		byte++;
		size--;
	}
	return !size;
}

/*
 * luod_name_is_valid - may a session have this name?
 *
 * Visible ASCII, so that it can stand in a log and on a command line. The kernel
 * is not so strict. All behind the NUL is zero.
 */
bool luod_name_is_valid(const char name[LU_NAME_SIZE])
{
	size_t len = strnlen(name, LU_NAME_SIZE), i;

	if (!len || len == LU_NAME_SIZE)
		return false;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return luod_is_zero(name + len, LU_NAME_SIZE - len);
}

static int luod_decode(const void *data, size_t size, struct luod_msg *msg)
{
	struct luod_wire wire;
	int i;

	if (size != sizeof(wire))
		return -EMSGSIZE;
	memcpy(&wire, data, sizeof(wire));
	if (le32toh(wire.magic) != LUOD_MAGIC)
		return -EBADMSG;
	if (le16toh(wire.version) != LUOD_VERSION)
		return -EPROTONOSUPPORT;
	msg->op = le16toh(wire.op);
	msg->serial = le32toh(wire.serial);
	msg->error = le32toh(wire.error);
	for (i = 0; i < LUOD_ARGS; i++)
		msg->arg[i] = le64toh(wire.arg[i]);
	memcpy(msg->name, wire.name, sizeof(msg->name));
	return 0;
}

/*
 * luod_parse_request - read what a client says
 *
 * @msg is only to be used if it returns 0. Otherwise -EMSGSIZE, -EBADMSG,
 * -EPROTONOSUPPORT (version), -EOPNOTSUPP (op) or -EINVAL (contents).
 */
int luod_parse_request(const void *data, size_t size, struct luod_msg *msg)
{
	int ret = luod_decode(data, size, msg);
	size_t args;

	if (ret)
		return ret;
	if (msg->op < LUOD_STATUS || msg->op >= LUOD_OPS)
		return -EOPNOTSUPP;
	args = luod_requests[msg->op].args;
	if (msg->error || !luod_is_zero(msg->arg + args, sizeof(*msg->arg) * (LUOD_ARGS - args)))
		return -EINVAL;
	if (luod_requests[msg->op].name)
		return luod_name_is_valid(msg->name) ? 0 : -EINVAL;
	return luod_is_zero(msg->name, sizeof(msg->name)) ? 0 : -EINVAL;
}

/*
 * luod_parse_answer - read what luod says, an answer or an event
 *
 * The name is empty or valid, the error an errno. Errors as above.
 */
int luod_parse_answer(const void *data, size_t size, struct luod_msg *msg)
{
	int ret = luod_decode(data, size, msg);

	if (ret)
		return ret;
	if (msg->error > 4095)
		return -EINVAL;
	if (msg->name[0] && !luod_name_is_valid(msg->name))
		return -EINVAL;
	return 0;
}

void luod_encode(const struct luod_msg *msg, struct luod_wire *wire)
{
	int i;

	memset(wire, 0, sizeof(*wire));
	wire->magic = htole32(LUOD_MAGIC);
	wire->version = htole16(LUOD_VERSION);
	wire->op = htole16(msg->op);
	wire->serial = htole32(msg->serial);
	wire->error = htole32(msg->error);
	for (i = 0; i < LUOD_ARGS; i++)
		wire->arg[i] = htole64(msg->arg[i]);
	memcpy(wire->name, msg->name, sizeof(wire->name));
}

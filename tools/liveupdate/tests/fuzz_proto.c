// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever comes from a client, from the previous kernel or from luod.conf: any bytes
 * at all. Built by "make fuzz" it is a target for libFuzzer. Otherwise it changes bytes
 * of what is right, N times:
 *
 *	fuzz_proto --mutate N [SEED]
 *
 * What is taken for right has to say, written again, what was read.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luod.h"

#define CHECK(condition) do { if (!(condition)) fail(#condition); } while (0)
#define MAX_INPUT	1024

static unsigned long accepted[4];

int64_t luod_now(void)
{
	return 0;
}

uint64_t luod_ticks(void)
{
	return 0;
}

static void fail(const char *what)
{
	fprintf(stderr, "fuzz_proto: %s\n", what);
	abort();
}

static void try_request(const uint8_t *data, size_t size)
{
	struct luod_wire wire;
	struct luod_msg msg;

	if (luod_parse_request(data, size, &msg))
		return;
	luod_encode(&msg, &wire);
	CHECK(size == sizeof(wire) && !memcmp(data, &wire, size));
	CHECK(!msg.name[0] || luod_name_is_valid(msg.name));
	accepted[0]++;
}

static void try_answer(const uint8_t *data, size_t size)
{
	struct luod_wire wire;
	struct luod_msg msg;

	if (luod_parse_answer(data, size, &msg))
		return;
	CHECK(msg.error <= 4095 && memchr(msg.name, 0, sizeof(msg.name)));
	luod_encode(&msg, &wire);
	CHECK(msg.name[0] ? !memcmp(data, &wire, size) :
			    !memcmp(data, &wire, size - sizeof(msg.name)));
	accepted[1]++;
}

static void try_state(const uint8_t *data, size_t size)
{
	static struct sessions sessions;
	struct state state = {};
	size_t written;
	void *again;

	if (state_parse(data, size, &sessions, &state))
		return;
	again = state_write(&sessions, &state, &written);
	/* All but the checksum, at 20 to 24. */
	CHECK(written == size && !memcmp(again, data, 20) &&
	      !memcmp((char *)again + 24, data + 24, size - 24));
	free(again);
	accepted[2]++;
}

static void try_policy(const uint8_t *data, size_t size)
{
	static struct policy policy;
	struct peer peer = { .uid = 1000, .ngroups = 1, .groups = { 1000 } };
	char text[MAX_INPUT + 1];
	unsigned int line;

	if (size > MAX_INPUT)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (policy_parse(text, &policy, &line))
		return;
	CHECK(policy.count <= LUOD_MAX_RULES);
	CHECK(!policy_allows(&policy, &peer, LUOD_SESSION));
	policy_allows(&policy, &peer, "vm-7");
	accepted[3]++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says what the others are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (* const tries[])(const uint8_t *data, size_t size) = {
		try_request, try_answer, try_state, try_policy,
	};

	if (size)
		tries[data[0] % 4](data + 1, size - 1);
	return 0;
}

#ifndef LIBFUZZER
static uint64_t seed = 1;

static uint64_t next(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* Something right, of kind @kind. */
static size_t make_seed(int kind, uint8_t *data)
{
	static struct sessions sessions;
	static const char text[] = "# users\nallow user 1000 vm-* max=4\n"
				   "allow group 100 a?[0-9]\nallow any x-*\n";
	struct luod_msg msg = { .op = 1 + next(LUOD_OPS - 1), .serial = next(1 << 20) };
	struct state state = { .generation = next(100) };
	char name[LU_NAME_SIZE];
	struct session *session;
	struct luod_wire wire;
	size_t size, i;
	void *written;

	if (kind < 2) {
		memcpy(msg.name, "vm-7", sizeof("vm-7"));
		luod_encode(&msg, &wire);
		memcpy(data, &wire, sizeof(wire));
		return sizeof(wire);
	}
	if (kind == 3) {
		memcpy(data, text, sizeof(text) - 1);
		return sizeof(text) - 1;
	}
	memset(&sessions, 0, sizeof(sessions));
	memset(state.boot, 'b', sizeof(state.boot) - 1);
	for (i = next(6); i > 0; i--) {
		snprintf(name, sizeof(name), "vm-%zu", i);
		session = sessions_add(&sessions, next(2), name, next(3));
		session->finished = session->direction == LU_INCOMING && next(2);
	}
	written = state_write(&sessions, &state, &size);
	memcpy(data, written, size);
	free(written);
	return size;
}

static size_t mutate(uint8_t *data, size_t size)
{
	static const uint8_t interesting[] = { 0, 1, 0x7f, 0x80, 0xff, ' ', '\n', '/' };
	size_t at = next(size);

	switch (next(6)) {
	case 0:
		data[at] ^= 1 << next(8);
		return size;
	case 1:
		data[at] = interesting[next(sizeof(interesting))];
		return size;
	case 2:
		data[at] = next(256);
		return size;
	case 3:
		return at + 1;
	case 4:
		memmove(data + at, data + next(size - at) + at, (size - at) / 2);
		return size;
	default:
		return size;
	}
}

int main(int argc, char **argv)
{
	static const char * const kinds[] = { "requests", "answers", "states", "policies" };
	unsigned long count, i;
	uint8_t data[MAX_INPUT];
	size_t size;
	int kind;

	if (argc < 3 || strcmp(argv[1], "--mutate")) {
		fprintf(stderr, "usage: fuzz_proto --mutate N [SEED]\n");
		return 2;
	}
	if (argc > 3)
		seed = strtoull(argv[3], NULL, 0) | 1;
	count = strtoul(argv[2], NULL, 0);
	for (i = 0; i < count; i++) {
		kind = next(4);
		size = make_seed(kind, data + 1) + 1;
		data[0] = kind;
		for (uint64_t n = next(4); n > 0 && size > 1; n--)
			size = 1 + mutate(data + 1, size - 1);
		/* As large as it is, so that reading behind it is seen. */
		uint8_t *exact = malloc(size);

		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	/* A parser that refuses everything would pass the rest. */
	for (kind = 0; kind < 4; kind++) {
		printf("%s: %lu of about %lu accepted\n", kinds[kind], accepted[kind], count / 4);
		CHECK(accepted[kind] && accepted[kind] < count / 4 * 9 / 10);
	}
	return 0;
}
#endif

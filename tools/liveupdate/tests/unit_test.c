// SPDX-License-Identifier: GPL-2.0-only
/* What of luod and the library needs no kernel with live update. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "fdpass.h"
#include "luod.h"

int64_t luod_now(void)
{
	return 0;
}

uint64_t luod_ticks(void)
{
	return 0;
}

TEST(names)
{
	char name[LU_NAME_SIZE] = "vm-7";

	EXPECT_TRUE(luod_name_is_valid(name));
	name[LU_NAME_SIZE - 1] = 'x';
	EXPECT_FALSE(luod_name_is_valid(name));
	memset(name, 'x', sizeof(name));
	EXPECT_FALSE(luod_name_is_valid(name));
	name[LU_NAME_SIZE - 1] = '\0';
	EXPECT_TRUE(luod_name_is_valid(name));
	name[3] = ' ';
	EXPECT_FALSE(luod_name_is_valid(name));
	name[3] = '\x80';
	EXPECT_FALSE(luod_name_is_valid(name));
	memset(name, 0, sizeof(name));
	EXPECT_FALSE(luod_name_is_valid(name));
}

TEST(requests_are_strict)
{
	struct luod_msg msg = { .op = LUOD_CREATE, .serial = 7, .name = "vm-7" }, got;
	struct luod_wire wire;

	luod_encode(&msg, &wire);
	ASSERT_EQ(luod_parse_request(&wire, sizeof(wire), &got), 0);
	EXPECT_EQ(memcmp(&msg, &got, sizeof(msg)), 0);
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire) - 1, &got), -EMSGSIZE);
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire) + 1, &got), -EMSGSIZE);
	wire.arg[5] = 1;
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire), &got), -EINVAL);
	wire.arg[5] = 0;
	wire.error = 1;
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire), &got), -EINVAL);
	wire.error = 0;
	wire.name[0] = '\0';
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire), &got), -EINVAL);
	wire.op = LUOD_OPS;
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire), &got), -EOPNOTSUPP);
	wire.op = 0;
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire), &got), -EOPNOTSUPP);
	wire.version = 2;
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire), &got), -EPROTONOSUPPORT);
	wire.magic = 0;
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire), &got), -EBADMSG);

	msg = (struct luod_msg) { .op = LUOD_STATUS, .name = "vm-7" };
	luod_encode(&msg, &wire);
	EXPECT_EQ(luod_parse_request(&wire, sizeof(wire), &got), -EINVAL);
}

TEST(policy)
{
	struct policy policy;
	struct peer root = {}, user = { .uid = 1000, .ngroups = 2, .groups = { 5, 6 } };
	unsigned int line;

	ASSERT_EQ(policy_parse("# a comment\n\nallow user 1000 vm-* max=3 # why\n"
			       "allow\tgroup 6 g[0-9]\nallow any pub-?\n", &policy, &line), 0);
	EXPECT_EQ(policy.count, 3);
	EXPECT_EQ(policy_allows(&policy, &user, "vm-7"), 3);
	EXPECT_EQ(policy_allows(&policy, &user, "g7"), 64);
	EXPECT_EQ(policy_allows(&policy, &user, "g77"), 0);
	EXPECT_EQ(policy_allows(&policy, &user, "pub-x"), 64);
	EXPECT_EQ(policy_allows(&policy, &user, "other"), 0);
	EXPECT_EQ(policy_allows(&policy, &user, LUOD_SESSION), 0);
	user.uid = 1001;
	user.groups[1] = 7;
	EXPECT_EQ(policy_allows(&policy, &user, "vm-7"), 0);
	EXPECT_EQ(policy_allows(&policy, &user, "g7"), 0);
	EXPECT_GT(policy_allows(&policy, &root, "anything"), 64);
	EXPECT_EQ(policy_allows(&policy, &root, LUOD_SESSION), 0);
}

TEST(policy_errors)
{
	static const char * const bad[] = {
		"deny any x", "allow", "allow any", "allow user 1000",
		"allow user 1000 x max=0", "allow user 1000 x max=5000", "allow any x y",
		"allow any x max=1 y", "allow nobody x", "allow user 4294967295 x",
		"allow any xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	};
	struct policy policy;
	unsigned int line, i;
	char text[256];

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "allow any ok-*\n%s\nallow any x\n", bad[i]);
		EXPECT_EQ(policy_parse(text, &policy, &line), -EINVAL) TH_LOG("%s", bad[i]);
		EXPECT_EQ(line, 2);
	}
	EXPECT_EQ(policy_parse("allow user nobody-of-that-name x\n", &policy, &line), -ENOENT);
}

FIXTURE(state)
{
	struct sessions *sessions;
	struct sessions *again;
	struct state state;
	char *data;
	size_t size;
};

FIXTURE_SETUP(state)
{
	self->sessions = calloc(1, sizeof(*self->sessions));
	self->again = calloc(1, sizeof(*self->again));
	self->state.generation = 12;
	self->state.next.saved = 99;
	memset(self->state.boot, 'b', 36);
	sessions_add(self->sessions, LU_OUTGOING, "vm-1", 1000);
	sessions_add(self->sessions, LU_INCOMING, "vm-1", 1001);
	sessions_add(self->sessions, LU_OUTGOING, "vm-2", 0);
	self->sessions->table[1].finished = true;
	self->data = state_write(self->sessions, &self->state, &self->size);
	ASSERT_NE(self->data, NULL);
}

FIXTURE_TEARDOWN(state)
{
	free(self->data);
	free(self->sessions);
	free(self->again);
}

TEST_F(state, is_what_was_saved)
{
	struct state state = {};

	ASSERT_EQ(state_parse(self->data, self->size, self->again, &state), 0);
	EXPECT_EQ(self->again->count, 3);
	EXPECT_EQ(self->again->next_id, 3);
	EXPECT_EQ(memcmp(self->again->table, self->sessions->table,
			 3 * sizeof(struct session)), 0);
	EXPECT_EQ(state.generation, 12);
	EXPECT_EQ(state.next.saved, 99);
}

/* Any bit, any length. */
TEST_F(state, damaged_is_refused)
{
	struct state state = {};
	size_t i;

	for (i = 0; i < self->size * 8; i++) {
		self->data[i / 8] ^= 1 << i % 8;
		ASSERT_EQ(state_parse(self->data, self->size, self->again, &state), -EINVAL);
		self->data[i / 8] ^= 1 << i % 8;
	}
	for (i = 0; i < self->size; i++)
		ASSERT_EQ(state_parse(self->data, i, self->again, &state), -EINVAL);
	ASSERT_EQ(state_parse(self->data, self->size, self->again, &state), 0);
}

TEST_F(state, table_is_full)
{
	unsigned int i;
	char name[32];

	for (i = 3; i < LUOD_MAX_SESSIONS; i++) {
		snprintf(name, sizeof(name), "x-%u", i);
		ASSERT_NE(sessions_add(self->sessions, LU_OUTGOING, name, 0), NULL);
	}
	/* The one that is finished makes room. */
	ASSERT_NE(sessions_add(self->sessions, LU_OUTGOING, "y", 0), NULL);
	EXPECT_EQ(sessions_add(self->sessions, LU_OUTGOING, "z", 0), NULL);
	EXPECT_EQ(sessions_find(self->sessions, LU_INCOMING, "vm-1"), NULL);
	EXPECT_EQ(sessions_after(self->sessions, 1), &self->sessions->table[1]);
	EXPECT_EQ(sessions_after(self->sessions, LUOD_MAX_SESSIONS + 1), NULL);
}

TEST(descriptors_pass)
{
	int pair[2], fd, memfd = memfd_create("x", MFD_CLOEXEC);
	char data[4];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ASSERT_EQ(lu_send(pair[0], "abc", 3, memfd, 0), 0);
	ASSERT_EQ(lu_receive(pair[1], data, sizeof(data), &fd, 0), 3);
	EXPECT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(lu_send(pair[0], "abcdef", 6, -1, 0), 0);
	EXPECT_EQ(lu_receive(pair[1], data, sizeof(data), &fd, 0), 6);
	EXPECT_EQ(fd, -1);
	close(pair[0]);
	EXPECT_EQ(lu_receive(pair[1], data, sizeof(data), &fd, 0), 0);
	EXPECT_EQ(lu_send(pair[1], "abc", 3, -1, 0), -EPIPE);
	close(pair[1]);
	close(memfd);
}

TEST(no_sessions)
{
	struct lu_session_info info;
	char name[LU_NAME_SIZE];
	int fd = memfd_create("anon_inode:[luo_session] x", MFD_CLOEXEC);

	EXPECT_EQ(lu_is_session(fd), 0);
	EXPECT_EQ(lu_is_session(-1), 0);
	EXPECT_EQ(lu_session_name(fd, name), -ENOTTY);
	EXPECT_EQ(lu_session_info(fd, &info), -ENOTTY);
	close(fd);
}

TEST(nobody_there)
{
	struct lu_client *client = NULL;
	char path[200];

	EXPECT_EQ(lu_connect("/nowhere/luod", &client), -ENOENT);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	EXPECT_EQ(lu_connect(path, &client), -ENAMETOOLONG);
	EXPECT_EQ(client, NULL);
	lu_disconnect(client);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions across a kexec: many, given up, shared, nobody's.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "luo_scenario.h"

#define NR_FILES	10000

/* Most of them are empty. */
static size_t file_size(int i)
{
	return i % 50 ? 0 : i / 50 % 4 * LUO_PAGE;
}

static void many_files_before(void)
{
	int session = luo_create(dev, "many files"), i;

	CHECK(session >= 0);
	for (i = 0; i < NR_FILES; i++) {
		int fd = luo_memfd_filled(file_size(i), i);

		CHECK_EQ(luo_preserve(session, fd, i * 1000003ULL), 0);
		close(fd);
	}
}

/* Pitfall 5: all of them, and in another order. */
static void many_files_after(void)
{
	int session = luo_retrieve_session(dev, "many files"), i;

	CHECK(session >= 0);
	CHECK_EQ(luo_finish(session), -EBUSY);
	for (i = NR_FILES - 1; i >= 0; i--) {
		int fd = luo_retrieve(session, i * 1000003ULL);

		CHECK(fd >= 0);
		CHECK_EQ(luo_size(fd), (long)file_size(i));
		if (file_size(i))
			CHECK(luo_file_is_filled(fd, 0, file_size(i), i));
		if (i % 1000 == 1)
			CHECK_EQ(luo_finish(session), -EBUSY);
		close(fd);
	}
	CHECK_EQ(luo_retrieve(session, 1), -ENOENT);
	CHECK_EQ(luo_finish(session), 0);
	close(session);
}

/* Pitfall 28: a full block of sessions, and one that is refused. */
#define NR_SESSIONS	2000

static void many_sessions_before(void)
{
	char name[32];
	int i;

	for (i = 0; i < NR_SESSIONS; i++) {
		snprintf(name, sizeof(name), "session %d", i);
		one_before(name, i, luo_memfd_filled(LUO_PAGE, i));
		CHECK_EQ(luo_create(dev, name), -EEXIST);
	}
}

static void many_sessions_after(void)
{
	char name[32];
	int i;

	for (i = NR_SESSIONS - 1; i >= 0; i--) {
		int session, fd;

		snprintf(name, sizeof(name), "session %d", i);
		fd = one_after(name, i, &session);
		CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, i));
		CHECK_EQ(luo_retrieve_session(dev, name), -EBUSY);
		end(session, fd);
	}
}

static void empty_before(void)
{
	one_before("empty", 0, luo_memfd(0, 0));
	CHECK(luo_create(dev, "no files") >= 0);
}

static void empty_after(void)
{
	int session, fd = one_after("empty", 0, &session);

	CHECK_EQ(luo_size(fd), 0);
	end(session, fd);
	session = luo_retrieve_session(dev, "no files");
	CHECK(session >= 0);
	end(session, -1);
}

/* Given up before the kexec, in three ways. */
static void given_up_before(void)
{
	int session = one_before("unpreserved", 1, luo_memfd_filled(MB, 7));

	CHECK_EQ(luo_unpreserve(session, 1), 0);
	session = one_before("closed", 1, luo_memfd_filled(MB, 7));
	close(session);
	if (!fork()) {
		one_before("killed", 1, luo_memfd_filled(MB, 7));
		_exit(0);
	}
	wait(NULL);
}

static void given_up_after(void)
{
	int session = luo_retrieve_session(dev, "unpreserved");

	CHECK(session >= 0);
	CHECK_EQ(luo_retrieve(session, 1), -ENOENT);
	end(session, -1);
	CHECK_EQ(luo_retrieve_session(dev, "closed"), -ENOENT);
	CHECK_EQ(luo_retrieve_session(dev, "killed"), -ENOENT);
}

static void direction_before(void)
{
	one_before("direction", 1, luo_memfd_filled(LUO_PAGE, 8));
}

/* Pitfall 8, and two sessions of one name, one of each kernel. */
static void direction_after(void)
{
	int session, fd = one_after("direction", 1, &session), outgoing, other;

	other = luo_memfd(0, 0);
	CHECK_EQ(luo_preserve(session, other, 2), -EINVAL);
	outgoing = luo_create(dev, "direction");
	CHECK(outgoing >= 0);
	CHECK_EQ(luo_preserve(outgoing, other, 2), 0);
	CHECK_EQ(luo_finish(outgoing), -EINVAL);
	CHECK_EQ(luo_retrieve(outgoing, 2), -EINVAL);
	/* Ordinary only once it is finished. */
	CHECK_EQ(luo_preserve(outgoing, fd, 3), -EBUSY);
	CHECK_EQ(luo_finish(session), 0);
	CHECK_EQ(luo_preserve(outgoing, fd, 3), 0);
	close(outgoing);
	close(other);
	close(session);
	close(fd);
}

/* Pitfalls 30 and 31: the owner of a session dies before it is done. */
static void owner_dies_before(void)
{
	int session = one_before("owner", 1, luo_memfd_filled(LUO_PAGE, 9));

	CHECK_EQ(luo_preserve(session, luo_memfd_filled(LUO_PAGE, 10), 2), 0);
}

static void owner_dies_after(void)
{
	int session, fd, status = -1;

	if (!fork()) {
		fd = one_after("owner", 1, &session);
		_exit(!!failures);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	fd = one_after("owner", 1, &session);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 9));
	close(fd);
	fd = luo_retrieve(session, 2);
	CHECK(luo_file_is_filled(fd, 0, LUO_PAGE, 10));
	end(session, fd);
}

/* Nobody wants the file any more. */
static void discard_before(void)
{
	int session = one_before("discard", 1, luo_memfd_filled(4 * MB, 11));

	CHECK_EQ(luo_preserve(session, luo_memfd_filled(LUO_PAGE, 12), 2), 0);
}

static void discard_after(void)
{
	long before = luo_read_number(UNCLAIMED), freed;
	int session, fd = one_after("discard", 2, &session);

	CHECK_EQ(luo_finish(session), -EBUSY);
	CHECK_EQ(luo_unpreserve(session, 3), -ENOENT);
	CHECK_EQ(luo_unpreserve(session, 2), -EBUSY);
	CHECK_EQ(luo_unpreserve(session, 1), 0);
	CHECK_EQ(luo_retrieve(session, 1), -ENOENT);
	end(session, fd);
	freed = before - luo_read_number(UNCLAIMED);
	CHECK(freed >= (long)(4 * MB / LUO_PAGE));
}

#define NR_RETRIEVERS	8
#define NR_RETRIEVED	32

static void together_before(void)
{
	int session = luo_create(dev, "together"), i;

	for (i = 0; i < NR_RETRIEVED; i++)
		CHECK_EQ(luo_preserve(session, luo_memfd_filled(16 * LUO_PAGE, i), i), 0);
}

struct retriever {
	pthread_t thread;
	int session;
	int first;
	ino_t inodes[NR_RETRIEVED];
};

static void *retrieve_all(void *arg)
{
	struct retriever *retriever = arg;
	struct stat st;
	int i, at, fd;

	for (i = 0; i < NR_RETRIEVED; i++) {
		at = (retriever->first + i) % NR_RETRIEVED;
		fd = luo_retrieve(retriever->session, at);
		if (fd >= 0 && !fstat(fd, &st) &&
		    luo_file_is_filled(fd, 0, 16 * LUO_PAGE, at))
			retriever->inodes[at] = st.st_ino;
		close(fd);
		luo_finish(retriever->session);
	}
	return NULL;
}

/* Many ask for the same; each file comes back once, until it is finished. */
static void together_after(void)
{
	int session = luo_retrieve_session(dev, "together"), i, j, seen = 0;
	struct retriever retrievers[NR_RETRIEVERS] = {};

	CHECK(session >= 0);
	for (i = 0; i < NR_RETRIEVERS; i++) {
		retrievers[i].session = session;
		retrievers[i].first = i * NR_RETRIEVED / NR_RETRIEVERS;
		CHECK_EQ(pthread_create(&retrievers[i].thread, NULL, retrieve_all,
					&retrievers[i]), 0);
	}
	for (i = 0; i < NR_RETRIEVERS; i++)
		pthread_join(retrievers[i].thread, NULL);
	for (j = 0; j < NR_RETRIEVED; j++) {
		ino_t inode = 0;

		for (i = 0; i < NR_RETRIEVERS; i++) {
			if (!retrievers[i].inodes[j])
				continue;
			CHECK(!inode || inode == retrievers[i].inodes[j]);
			inode = retrievers[i].inodes[j];
		}
		seen += !!inode;
	}
	CHECK_EQ(seen, NR_RETRIEVED);
	end(session, -1);
}

/* Pitfall 18: a file of a type that this kernel does not know. */
static void unknown_type_before(void)
{
	int session = one_before("unknown type", 1, luo_memfd_filled(MB, 22));

	CHECK_EQ(luo_preserve(session, open(TEST_DEVICE, O_RDWR), 2), 0);
}

static void unknown_type_after(void)
{
	long before = luo_read_number(UNCLAIMED);
	int session, fd;

	if (!access(TEST_DEVICE, F_OK)) {
		fd = one_after("unknown type", 1, &session);
		CHECK(luo_file_is_filled(fd, 0, MB, 22));
		close(fd);
		fd = luo_retrieve(session, 2);
		end(session, fd);
		return;
	}
	CHECK_EQ(luo_retrieve_session(dev, "unknown type"), -EOPNOTSUPP);
	CHECK_EQ(luo_retrieve_session(dev, "unknown type"), -EOPNOTSUPP);
	/* Its memory is kept; the table of files was read and given back. */
	CHECK(before - luo_read_number(UNCLAIMED) <= 1);
	CHECK(luo_read_number(UNCLAIMED) >= (long)(MB / LUO_PAGE));
}

/* Not finished before the next kexec: it ends there. */
static void left_behind_before(void)
{
	char name[32];

	snprintf(name, sizeof(name), "left behind by %d", stage);
	one_before(name, 1, luo_memfd_filled(MB, 23));
	one_before("left behind", 1, luo_memfd_filled(MB, 23));
}

static void left_behind_after(void)
{
	int session, fd, i;
	char name[32];

	for (i = 0; i < stage - 1; i++) {
		snprintf(name, sizeof(name), "left behind by %d", i);
		CHECK_EQ(luo_retrieve_session(dev, name), -ENOENT);
	}
	/* Retrieved, but neither finished nor closed. */
	snprintf(name, sizeof(name), "left behind by %d", stage - 1);
	fd = one_after(name, 1, &session);
	CHECK(luo_file_is_filled(fd, 0, MB, 23));
	CHECK(luo_read_number(UNCLAIMED) >= (long)(MB / LUO_PAGE));
}

/* A session that nobody asks for: it is kept, and so is its memory. */
static void unclaimed_before(void)
{
	one_before("unclaimed", 1, luo_memfd_filled(2 * MB, 13));
}

static void unclaimed_after(void)
{
	int session, fd;

	close(dev);
	dev = luo_open();
	CHECK(dev >= 0);
	CHECK(luo_read_number(UNCLAIMED) >= (long)(2 * MB / LUO_PAGE));
	fd = one_after("unclaimed", 1, &session);
	CHECK(luo_file_is_filled(fd, 0, 2 * MB, 13));
	end(session, fd);
	/*
	 * Of all other scenarios only the next one is not done: it has two memfds,
	 * with five pages of tables each. There are two tables of KHO and LUO.
	 */
	if (!only && !access(TEST_DEVICE, F_OK))
		CHECK(luo_read_number(UNCLAIMED) <= 2 * ((long)(MB / LUO_PAGE) + 5) + 2);
}

const struct scenario session_scenarios[] = {
	{ "ten_thousand_files_pitfall_5_19", many_files_before, many_files_after },
	{ "two_thousand_sessions_pitfall_19_28", many_sessions_before, many_sessions_after },
	{ "empty_files", empty_before, empty_after },
	{ "given_up", given_up_before, given_up_after },
	{ "direction_pitfall_8", direction_before, direction_after },
	{ "owner_dies_pitfall_30_31", owner_dies_before, owner_dies_after },
	{ "discard", discard_before, discard_after },
	{ "together", together_before, together_after },
	{ "unknown_type_pitfall_18", unknown_type_before, unknown_type_after },
	{}
};

/* They look at what all others have left. */
const struct scenario final_scenarios[] = {
	{ "unclaimed", unclaimed_before, unclaimed_after },
	{ "left_behind", left_behind_before, left_behind_after },
	{}
};

// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of luo_session.c and luo_namespace.c. */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "luo_kunit.h"
#include "luo_namespace.h"
#include "luo_session.h"
#include "luo_show.h"

#define EXPECT_EVENTS		LUO_KUNIT_EXPECT_EVENTS
#define PRESERVE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_PRESERVE, id)
#define UNPRESERVE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_UNPRESERVE, id)
#define FREEZE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_FREEZE, id)
#define UNFREEZE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_UNFREEZE, id)
#define RETRIEVE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_RETRIEVE, id)
#define CAN_FINISH(id)		LUO_KUNIT_EVENT(LUO_KUNIT_CAN_FINISH, id)
#define FINISH(id)		LUO_KUNIT_EVENT(LUO_KUNIT_FINISH, id)

static struct luo_file_ser luo_kunit_files[] = {
	{ .compatible = LUO_KUNIT_COMPATIBLE, .token = 10, .data = 0 },
	{ .compatible = LUO_KUNIT_COMPATIBLE, .token = 11, .data = 1 },
};

static struct luo_session *create(struct kunit *test, const char *name)
{
	struct luo_session *session = luo_session_create(name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session);
	return session;
}

static struct luo_session *claim(struct kunit *test, const char *name)
{
	struct luo_session *session = luo_session_claim(name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session);
	luo_session_announce(session);
	return session;
}

static void close(struct luo_session *session)
{
	guard(rwsem_read)(&luo_reboot_lock);
	luo_session_close(session);
}

static int preserve(struct kunit *test, struct luo_session *session,
		    unsigned int id, u64 token)
{
	return luo_session_preserve(session, luo_kunit_file(test, id), token);
}

static int retrieve(struct luo_session *session, u64 token)
{
	struct file *file = NULL;
	int ret = luo_session_retrieve(session, token, &file);

	if (!ret)
		fput(file);
	return ret;
}

/* One session of two files was handed over. */
static void hand_over(struct kunit *test, const char *name)
{
	struct luo_session_ser *ser = kunit_kzalloc(test, sizeof(*ser),
						    GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	strscpy(ser->name, name, sizeof(ser->name));
	ser->count = ARRAY_SIZE(luo_kunit_files);
	luo_kunit_add_record(ser);
	luo_kunit_add_record(NULL);
	luo_kunit_add_record(&luo_kunit_files[0]);
	luo_kunit_add_record(&luo_kunit_files[1]);
	luo_kunit_add_record(NULL);
	KUNIT_ASSERT_EQ(test, luo_session_load_all(0), 0);
}

static void luo_session_names(struct kunit *test)
{
	struct luo_session *a, *b, *in;

	a = create(test, "a");
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_create("a")),
			-EEXIST);
	b = create(test, "b");
	close(a);
	a = create(test, "a");

	/* the other direction has its own names */
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_claim("a")), -ENOENT);
	hand_over(test, "a");
	in = claim(test, "a");
	KUNIT_EXPECT_PTR_NE(test, in, a);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_claim("a")), -EBUSY);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_claim("b")), -ENOENT);
	close(in);
	in = claim(test, "a");
	close(in);
	close(b);
	close(a);
}

static void luo_session_many(struct kunit *test)
{
	const unsigned int nr = 2000;
	struct luo_session **sessions;
	char name[LUO_SESSION_NAME_LEN];
	unsigned int i;

	sessions = kunit_kcalloc(test, nr, sizeof(*sessions), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sessions);
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "many-%u", i);
		sessions[i] = create(test, name);
	}
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_create("many-999")),
			-EEXIST);
	for (i = 0; i < nr; i++)
		close(sessions[i]);
	KUNIT_EXPECT_TRUE(test, list_empty(&luo_outgoing.list));
}

static void luo_session_direction(struct kunit *test)
{
	struct luo_session *out = create(test, "out"), *in;

	KUNIT_EXPECT_EQ(test, retrieve(out, 10), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_session_finish(out), -EINVAL);
	hand_over(test, "in");
	in = claim(test, "in");
	KUNIT_EXPECT_EQ(test, preserve(test, in, 2, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);
	close(in);
	close(out);
}

static void luo_session_close_unpreserves(struct kunit *test)
{
	struct luo_session *session = create(test, "out");

	KUNIT_EXPECT_EQ(test, preserve(test, session, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, preserve(test, session, 1, 2), 0);
	KUNIT_EXPECT_EQ(test, luo_session_unpreserve(session, 3), -ENOENT);
	close(session);
	EXPECT_EVENTS(test, PRESERVE(0), PRESERVE(1), UNPRESERVE(1),
		      UNPRESERVE(0));
}

static void luo_session_finishes(struct kunit *test)
{
	struct luo_session *session;

	hand_over(test, "in");
	session = claim(test, "in");
	KUNIT_EXPECT_EQ(test, retrieve(session, 11), 0);
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_unpreserve(session, 11), -EBUSY);
	KUNIT_EXPECT_EQ(test, retrieve(session, 10), 0);
	luo_kunit_fail(LUO_KUNIT_CAN_FINISH, 0, -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), -EBUSY);
	KUNIT_EXPECT_EQ(test, retrieve(session, 10), 0);
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), 0);
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), 0);
	KUNIT_EXPECT_EQ(test, retrieve(session, 10), -ENOENT);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_claim("in")),
			-ENOENT);
	close(session);
}

/* Its owner dies: the next one gets all of it. */
static void luo_session_claimed_again(struct kunit *test)
{
	struct luo_session *session;

	hand_over(test, "in");
	session = claim(test, "in");
	KUNIT_EXPECT_EQ(test, retrieve(session, 10), 0);
	close(session);
	session = claim(test, "in");
	KUNIT_EXPECT_EQ(test, retrieve(session, 10), 0);
	KUNIT_EXPECT_EQ(test, retrieve(session, 11), 0);
	EXPECT_EVENTS(test, RETRIEVE(0), RETRIEVE(1));

	/* nothing is missing any more, so this time it is finished */
	close(session);
	EXPECT_EVENTS(test, CAN_FINISH(0), CAN_FINISH(1), FINISH(0), FINISH(1));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_claim("in")),
			-ENOENT);
}

/* The claim does not reach its owner: it is as if nobody had asked. */
static void luo_session_unannounced(struct kunit *test)
{
	struct luo_session *session;

	hand_over(test, "in");
	session = claim(test, "in");
	KUNIT_EXPECT_EQ(test, retrieve(session, 10), 0);
	KUNIT_EXPECT_EQ(test, retrieve(session, 11), 0);
	luo_kunit_fail(LUO_KUNIT_CAN_FINISH, 0, -EBUSY);
	close(session);
	luo_kunit_forget_events();

	session = luo_session_claim("in");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session);
	close(session);
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);
	close(claim(test, "in"));
	EXPECT_EVENTS(test, CAN_FINISH(0), CAN_FINISH(1), FINISH(0), FINISH(1));
}

static void luo_session_damaged_table(struct kunit *test)
{
	struct luo_session_ser nameless = {}, endless = {};
	struct luo_session_ser good = { .name = "good" };
	struct luo_session_ser twice = { .name = "twice" };

	memset(endless.name, 'x', sizeof(endless.name));
	luo_kunit_add_record(&twice);
	luo_kunit_add_record(&nameless);
	luo_kunit_add_record(&endless);
	luo_kunit_add_record(&twice);
	luo_kunit_add_record(&good);
	luo_kunit_add_record(ERR_PTR(-EINVAL));
	luo_kunit_add_record(NULL);
	KUNIT_EXPECT_EQ(test, luo_session_load_all(0), -EINVAL);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_claim("twice")),
			-EIO);
	/* it may have been one of those that can't be read */
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(luo_session_claim("lost")), -EIO);
	close(claim(test, "good"));
}

/* One broken session, and one of an unknown type, don't touch the third. */
static void luo_session_damaged_files(struct kunit *test)
{
	struct luo_session_ser broken = { .name = "broken", .count = 2 };
	struct luo_session_ser unknown = { .name = "unknown", .count = 1 };
	struct luo_file_ser stranger = { .compatible = "luo-kunit-v2" };
	int i;

	luo_kunit_add_record(&broken);
	luo_kunit_add_record(&unknown);
	hand_over(test, "good");
	luo_kunit.nr_records = luo_kunit.next_record;
	luo_kunit_add_record(&luo_kunit_files[0]);
	luo_kunit_add_record(NULL);
	luo_kunit_add_record(&stranger);
	luo_kunit_add_record(NULL);
	luo_kunit_add_record(&luo_kunit_files[0]);
	luo_kunit_add_record(&luo_kunit_files[1]);
	luo_kunit_add_record(NULL);

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, -EIO,
				PTR_ERR_OR_ZERO(luo_session_claim("broken")));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
				PTR_ERR_OR_ZERO(luo_session_claim("unknown")));
	close(claim(test, "good"));
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);
}

static void luo_session_freeze_fails(struct kunit *test)
{
	struct luo_session *sessions[3];
	int i, ret;

	for (i = 0; i < 3; i++) {
		char name[] = { '0' + i, 0 };

		sessions[i] = create(test, name);
		KUNIT_ASSERT_EQ(test, preserve(test, sessions[i], i, i), 0);
	}
	luo_kunit_forget_events();

	luo_kunit_fail(LUO_KUNIT_FREEZE, 2, -EIO);
	down_write(&luo_reboot_lock);
	ret = luo_session_freeze_all();
	up_write(&luo_reboot_lock);
	KUNIT_EXPECT_EQ(test, ret, -EIO);
	EXPECT_EVENTS(test, FREEZE(0), FREEZE(1), FREEZE(2), UNFREEZE(1),
		      UNFREEZE(0));

	down_write(&luo_reboot_lock);
	ret = luo_session_freeze_all();
	luo_session_unfreeze_all();
	up_write(&luo_reboot_lock);
	KUNIT_EXPECT_EQ(test, ret, 0);
	EXPECT_EVENTS(test, FREEZE(0), FREEZE(1), FREEZE(2), UNFREEZE(2),
		      UNFREEZE(1), UNFREEZE(0));

	for (i = 0; i < 3; i++)
		close(sessions[i]);
}

/* Closed after the reboot had begun, and then the reboot fails. */
static void luo_session_orphans(struct kunit *test)
{
	struct luo_session *out = create(test, "out"), *in;

	KUNIT_ASSERT_EQ(test, preserve(test, out, 2, 1), 0);
	hand_over(test, "in");
	in = claim(test, "in");
	luo_kunit_forget_events();

	scoped_guard(rwsem_write, &luo_reboot_lock)
		luo_rebooting = true;
	close(out);
	close(in);
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);
	KUNIT_EXPECT_FALSE(test, list_empty(&luo_outgoing.list));

	scoped_guard(rwsem_write, &luo_reboot_lock) {
		luo_rebooting = false;
		luo_session_close_orphans();
	}
	EXPECT_EVENTS(test, UNPRESERVE(2));
	KUNIT_EXPECT_TRUE(test, list_empty(&luo_outgoing.list));
	close(claim(test, "in"));
}

/* Table after table, as if nobody had read it yet. */
static int show(struct kunit *test, const char *name, char **text)
{
	struct seq_file m = { .size = PAGE_SIZE };
	unsigned int next = luo_kunit.next_record;
	struct luo_session *session;
	int ret;

	m.buf = kunit_kzalloc(test, m.size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	scoped_guard(mutex, &luo_incoming.lock)
		session = luo_namespace_find(&luo_incoming, name);
	KUNIT_ASSERT_NOT_NULL(test, session);
	ret = luo_session_show(&m, session);
	luo_kunit.next_record = next;
	*text = m.buf;
	return ret;
}

static void luo_session_shown(struct kunit *test)
{
	struct luo_session *session;
	char *text;

	hand_over(test, "in/1");
	KUNIT_EXPECT_EQ(test, show(test, "in/1", &text), 0);
	KUNIT_EXPECT_STREQ(test, text,
			   "session:\tin\\x2f1\ndirection:\tincoming\n"
			   "state:\twaiting\nfiles:\t2\n"
			   "file:\t0xa " LUO_KUNIT_COMPATIBLE " - waiting\n"
			   "file:\t0xb " LUO_KUNIT_COMPATIBLE " 4711 waiting\n");
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);

	session = claim(test, "in/1");
	KUNIT_EXPECT_EQ(test, retrieve(session, 11), 0);
	luo_kunit_fail(LUO_KUNIT_RETRIEVE, 0, -EIO);
	KUNIT_EXPECT_EQ(test, retrieve(session, 10), -EIO);
	KUNIT_EXPECT_EQ(test, show(test, "in/1", &text), 0);
	KUNIT_EXPECT_STREQ(test, text,
			   "session:\tin\\x2f1\ndirection:\tincoming\n"
			   "state:\tclaimed\nfiles:\t2\n"
			   "file:\t0xa " LUO_KUNIT_COMPATIBLE " - failed:5\n"
			   "file:\t0xb " LUO_KUNIT_COMPATIBLE " - retrieved\n");
	KUNIT_EXPECT_EQ(test, luo_session_unpreserve(session, 10), 0);
	close(session);
}

/* What is damaged is not shown, and looking does not change it. */
static void luo_session_shown_damaged(struct kunit *test)
{
	static const struct luo_file_ser nameless = { .token = 1 };
	struct luo_file_ser endless = { .token = 1 };
	struct {
		const void *second;
		const void *third;
	} cases[] = {
		{ ERR_PTR(-EINVAL) },
		{ NULL },
		{ &nameless },
		{ &endless },
		{ &luo_kunit_files[1], &luo_kunit_files[0] },
	};
	char *text;
	int i, j;

	memset(endless.compatible, 'x', sizeof(endless.compatible));
	hand_over(test, "in");
	luo_kunit.nr_records = luo_kunit.next_record;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		luo_kunit.nr_records = luo_kunit.next_record;
		luo_kunit_add_record(&luo_kunit_files[0]);
		luo_kunit_add_record((void *)cases[i].second);
		luo_kunit_add_record((void *)cases[i].third);
		for (j = 0; j < 2; j++)
			KUNIT_EXPECT_EQ_MSG(test, show(test, "in", &text), -EIO,
					    "case %d", i);
	}
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);
}

static void luo_session_kunit_exit(struct kunit *test)
{
	luo_namespace_forget_incoming();
	luo_kunit_exit(test);
}

static struct kunit_case luo_session_cases[] = {
	KUNIT_CASE(luo_session_names),
	KUNIT_CASE(luo_session_many),
	KUNIT_CASE(luo_session_direction),
	KUNIT_CASE(luo_session_close_unpreserves),
	KUNIT_CASE(luo_session_finishes),
	KUNIT_CASE(luo_session_claimed_again),
	KUNIT_CASE(luo_session_unannounced),
	KUNIT_CASE(luo_session_damaged_table),
	KUNIT_CASE(luo_session_damaged_files),
	KUNIT_CASE(luo_session_freeze_fails),
	KUNIT_CASE(luo_session_orphans),
	KUNIT_CASE(luo_session_shown),
	KUNIT_CASE(luo_session_shown_damaged),
	{}
};

static struct kunit_suite luo_session_suite = {
	.name = "luo_session",
	.init = luo_kunit_init,
	.exit = luo_session_kunit_exit,
	.test_cases = luo_session_cases,
};

kunit_test_suite(luo_session_suite);

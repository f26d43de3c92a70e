// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of luo_file.c and luo_handler.c. */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/string.h>

#include "luo_file.h"
#include "luo_kunit.h"

#define LOCKED			LUO_KUNIT_LOCKED
#define EXPECT_EVENTS		LUO_KUNIT_EXPECT_EVENTS
#define PRESERVE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_PRESERVE, id)
#define UNPRESERVE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_UNPRESERVE, id)
#define FREEZE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_FREEZE, id)
#define UNFREEZE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_UNFREEZE, id)
#define RETRIEVE(id)		LUO_KUNIT_EVENT(LUO_KUNIT_RETRIEVE, id)
#define CAN_FINISH(id)		LUO_KUNIT_EVENT(LUO_KUNIT_CAN_FINISH, id)
#define FINISH(id)		LUO_KUNIT_EVENT(LUO_KUNIT_FINISH, id)
#define DISCARD(id)		LUO_KUNIT_EVENT(LUO_KUNIT_DISCARD, id)

static struct luo_file_set *new_set(struct kunit *test)
{
	struct luo_file_set *set = kunit_kzalloc(test, sizeof(*set),
						 GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, set);
	luo_file_set_init(set, "kunit");
	return set;
}

static int preserve(struct luo_file_set *set, struct file *file, u64 token)
{
	return LOCKED(set, luo_file_set_preserve(set, file, token));
}

static int unpreserve(struct luo_file_set *set, u64 token)
{
	return LOCKED(set, luo_file_set_unpreserve(set, token));
}

static void unpreserve_all(struct luo_file_set *set)
{
	mutex_lock(&set->lock);
	luo_file_set_unpreserve_all(set);
	mutex_unlock(&set->lock);
}

static int load(struct luo_file_set *set, u64 count)
{
	return LOCKED(set, luo_file_set_load(set, 0, count));
}

static int attach(struct luo_file_set *set)
{
	return LOCKED(set, luo_file_set_attach(set));
}

static int retrieve(struct luo_file_set *set, u64 token)
{
	struct file *file = NULL;
	int ret = LOCKED(set, luo_file_set_retrieve(set, token, &file));

	if (!ret)
		fput(file);
	return ret;
}

static int discard(struct luo_file_set *set, u64 token)
{
	return LOCKED(set, luo_file_set_discard(set, token));
}

static bool finish(struct luo_file_set *set)
{
	bool can;

	mutex_lock(&set->lock);
	can = luo_file_set_can_finish(set);
	if (can)
		luo_file_set_finish(set);
	mutex_unlock(&set->lock);
	return can;
}

static void drop(struct luo_file_set *set)
{
	mutex_lock(&set->lock);
	luo_file_set_drop(set);
	mutex_unlock(&set->lock);
}

/* @count files were handed over: tokens from 10, objects from 0. */
static struct luo_file_set *handed_over(struct kunit *test, unsigned int count)
{
	struct luo_file_set *set = new_set(test);
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct luo_file_ser *ser = kunit_kzalloc(test, sizeof(*ser),
							 GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, ser);
		strscpy(ser->compatible, LUO_KUNIT_COMPATIBLE);
		ser->token = 10 + i;
		ser->data = i;
		luo_kunit_add_record(ser);
	}
	KUNIT_ASSERT_EQ(test, load(set, count), 0);
	KUNIT_ASSERT_EQ(test, attach(set), 0);
	return set;
}

static void luo_file_preserve(struct kunit *test)
{
	struct luo_file_set *set = new_set(test);

	KUNIT_EXPECT_EQ(test, preserve(set, luo_kunit_file(test, 0), 0), 0);
	KUNIT_EXPECT_EQ(test, preserve(set, luo_kunit_file(test, 1), U64_MAX),
			0);
	KUNIT_EXPECT_EQ(test, preserve(set, luo_kunit_file(test, 2), 2), 0);
	KUNIT_EXPECT_EQ(test, set->count, 3ul);
	KUNIT_EXPECT_EQ(test, unpreserve(set, 3), -ENOENT);
	KUNIT_EXPECT_EQ(test, unpreserve(set, U64_MAX), 0);
	KUNIT_EXPECT_EQ(test, unpreserve(set, U64_MAX), -ENOENT);
	KUNIT_EXPECT_EQ(test, preserve(set, luo_kunit_file(test, 1), 1), 0);
	EXPECT_EVENTS(test, PRESERVE(0), PRESERVE(1), PRESERVE(2),
		      UNPRESERVE(1), PRESERVE(1));

	unpreserve_all(set);
	EXPECT_EVENTS(test, UNPRESERVE(1), UNPRESERVE(2), UNPRESERVE(0));
	KUNIT_EXPECT_EQ(test, set->count, 0ul);
	KUNIT_EXPECT_TRUE(test, xa_empty(&set->tokens));
}

static void luo_file_preserve_fails(struct kunit *test)
{
	struct luo_file_set *set = new_set(test), *other = new_set(test);
	struct file *file = luo_kunit_file(test, 0);

	/* the handler's error, and nothing is left behind */
	luo_kunit_fail(LUO_KUNIT_PRESERVE, 0, -EMFILE);
	KUNIT_EXPECT_EQ(test, preserve(set, file, 1), -EMFILE);
	KUNIT_EXPECT_EQ(test, set->count, 0ul);
	KUNIT_EXPECT_TRUE(test, xa_empty(&set->tokens));
	KUNIT_EXPECT_EQ(test, preserve(set, file, 1), 0);
	EXPECT_EVENTS(test, PRESERVE(0), PRESERVE(0));

	/* what is in use is found before the handler is asked */
	KUNIT_EXPECT_EQ(test, preserve(set, luo_kunit_file(test, 1), 1),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, preserve(set, file, 2), -EBUSY);
	KUNIT_EXPECT_EQ(test, preserve(other, file, 2), -EBUSY);
	KUNIT_EXPECT_EQ(test, preserve(other, luo_kunit_file(test, 0), 2),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);

	/* and is free again afterwards */
	KUNIT_EXPECT_EQ(test, unpreserve(set, 1), 0);
	KUNIT_EXPECT_EQ(test, preserve(other, file, 1), 0);
	unpreserve_all(other);
}

static void luo_file_no_handler(struct kunit *test)
{
	struct luo_file_set *set = new_set(test);
	struct file *file = luo_kunit_file(test, 0);

	liveupdate_unregister_file_handler(&luo_kunit_handler);
	KUNIT_EXPECT_EQ(test, preserve(set, file, 1), -ENOENT);
	KUNIT_EXPECT_TRUE(test, xa_empty(&set->tokens));
	KUNIT_EXPECT_EQ(test, 0,
			liveupdate_register_file_handler(&luo_kunit_handler));
}

static void luo_file_freeze_fails(struct kunit *test)
{
	struct luo_file_set *set = new_set(test);
	int i;

	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, 0,
				preserve(set, luo_kunit_file(test, i), i));
	luo_kunit_forget_events();

	luo_kunit_fail(LUO_KUNIT_FREEZE, 0, -EIO);
	KUNIT_EXPECT_EQ(test, LOCKED(set, luo_file_set_freeze(set)), -EIO);
	EXPECT_EVENTS(test, FREEZE(0));
	luo_kunit_fail(LUO_KUNIT_FREEZE, 1, -EIO);
	KUNIT_EXPECT_EQ(test, LOCKED(set, luo_file_set_freeze(set)), -EIO);
	EXPECT_EVENTS(test, FREEZE(0), FREEZE(1), UNFREEZE(0));
	luo_kunit_fail(LUO_KUNIT_FREEZE, 2, -EIO);
	KUNIT_EXPECT_EQ(test, LOCKED(set, luo_file_set_freeze(set)), -EIO);
	EXPECT_EVENTS(test, FREEZE(0), FREEZE(1), FREEZE(2), UNFREEZE(1),
		      UNFREEZE(0));

	KUNIT_EXPECT_EQ(test, LOCKED(set, luo_file_set_freeze(set)), 0);
	EXPECT_EVENTS(test, FREEZE(0), FREEZE(1), FREEZE(2));
	mutex_lock(&set->lock);
	luo_file_set_unfreeze(set);
	mutex_unlock(&set->lock);
	EXPECT_EVENTS(test, UNFREEZE(2), UNFREEZE(1), UNFREEZE(0));
	unpreserve_all(set);
}

static void luo_file_retrieve(struct kunit *test)
{
	struct luo_file_set *set = handed_over(test, 3);
	struct luo_file_set *other = new_set(test);

	KUNIT_EXPECT_EQ(test, retrieve(set, 9), -ENOENT);
	KUNIT_EXPECT_EQ(test, retrieve(set, 12), 0);
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	KUNIT_EXPECT_FALSE(test, finish(set));
	KUNIT_EXPECT_EQ(test, retrieve(set, 11), 0);
	luo_kunit_forget_events();

	/* not an ordinary file yet */
	KUNIT_EXPECT_EQ(test, preserve(other, luo_kunit_file(test, 0), 1),
			-EBUSY);

	luo_kunit_fail(LUO_KUNIT_CAN_FINISH, 1, -EBUSY);
	KUNIT_EXPECT_FALSE(test, finish(set));
	EXPECT_EVENTS(test, CAN_FINISH(0), CAN_FINISH(1));
	KUNIT_EXPECT_EQ(test, set->count, 3ul);

	KUNIT_EXPECT_TRUE(test, finish(set));
	EXPECT_EVENTS(test, CAN_FINISH(0), CAN_FINISH(1), CAN_FINISH(2),
		      FINISH(0), FINISH(1), FINISH(2));
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), -ENOENT);
	KUNIT_EXPECT_EQ(test, preserve(other, luo_kunit_file(test, 0), 1), 0);
	unpreserve_all(other);
}

static void luo_file_retrieve_renews(struct kunit *test)
{
	struct luo_file_set *set = handed_over(test, 1);
	struct file *file = NULL;

	luo_kunit_set_renewable(true);
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	EXPECT_EVENTS(test, RETRIEVE(0));
	/* Nobody has it. */
	KUNIT_EXPECT_EQ(test, LOCKED(set, luo_file_set_retrieve(set, 10, &file)), 0);
	EXPECT_EVENTS(test, RETRIEVE(0));
	/* Somebody has. */
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	fput(file);
	luo_kunit_fail(LUO_KUNIT_RETRIEVE, 0, -ENOMEM);
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), -ENOMEM);
	KUNIT_EXPECT_FALSE(test, finish(set));
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	luo_kunit_set_renewable(false);
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	EXPECT_EVENTS(test, RETRIEVE(0), RETRIEVE(0));
	KUNIT_EXPECT_TRUE(test, finish(set));
}

static void luo_file_retrieve_fails(struct kunit *test)
{
	static const int passing[] = { -ENOMEM, -EINTR, -EAGAIN };
	struct luo_file_set *set = handed_over(test, 2);
	int i;

	for (i = 0; i < ARRAY_SIZE(passing); i++) {
		luo_kunit_fail(LUO_KUNIT_RETRIEVE, 0, passing[i]);
		KUNIT_EXPECT_EQ(test, retrieve(set, 10), passing[i]);
	}
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	EXPECT_EVENTS(test, RETRIEVE(0), RETRIEVE(0), RETRIEVE(0), RETRIEVE(0));

	/* one that is for good: the handler is not asked again */
	luo_kunit_fail(LUO_KUNIT_RETRIEVE, 0, -ENODATA);
	KUNIT_EXPECT_EQ(test, retrieve(set, 11), -ENODATA);
	KUNIT_EXPECT_EQ(test, retrieve(set, 11), -ENODATA);
	EXPECT_EVENTS(test, RETRIEVE(1));
	KUNIT_EXPECT_FALSE(test, finish(set));

	KUNIT_EXPECT_EQ(test, discard(set, 11), 0);
	KUNIT_EXPECT_EQ(test, discard(set, 11), -ENOENT);
	KUNIT_EXPECT_TRUE(test, finish(set));
}

static void luo_file_discard(struct kunit *test)
{
	struct luo_file_set *set = handed_over(test, 2);

	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	KUNIT_EXPECT_EQ(test, discard(set, 10), -EBUSY);
	KUNIT_EXPECT_EQ(test, discard(set, 11), 0);
	KUNIT_EXPECT_EQ(test, retrieve(set, 11), -ENOENT);
	KUNIT_EXPECT_EQ(test, discard(set, 12), -ENOENT);
	KUNIT_EXPECT_TRUE(test, finish(set));
	EXPECT_EVENTS(test, RETRIEVE(0), DISCARD(1), CAN_FINISH(0), FINISH(0));
}

/* A file that needs another one of its session: by which name is it there? */
static void luo_file_token_of_other(struct kunit *test)
{
	struct luo_file_set *set = new_set(test), *other = new_set(test);
	struct file *file = luo_kunit_file(test, 0);
	u64 token = 0;

	KUNIT_EXPECT_FALSE(test, liveupdate_file_is_preserved(file));
	KUNIT_EXPECT_EQ(test, preserve(set, file, 77), 0);
	KUNIT_EXPECT_EQ(test, preserve(other, luo_kunit_file(test, 1), 77), 0);
	KUNIT_EXPECT_TRUE(test, liveupdate_file_is_preserved(file));
	/* told by what it stands for */
	file = luo_kunit_file(test, 0);
	KUNIT_EXPECT_TRUE(test, liveupdate_file_is_preserved(file));
	KUNIT_EXPECT_EQ(test, 0,
			LOCKED(set, liveupdate_get_token_outgoing(set, file,
								  &token)));
	KUNIT_EXPECT_EQ(test, token, 77ull);
	KUNIT_EXPECT_EQ(test, -ENOENT,
			LOCKED(other, liveupdate_get_token_outgoing(other, file,
								    &token)));
	unpreserve_all(set);
	unpreserve_all(other);
	KUNIT_EXPECT_FALSE(test, liveupdate_file_is_preserved(file));
}

static void luo_file_get_other(struct kunit *test)
{
	struct luo_file_set *set = handed_over(test, 3);

	luo_kunit.needs[0] = 11;
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), 0);
	EXPECT_EVENTS(test, RETRIEVE(0), RETRIEVE(1));
	KUNIT_EXPECT_EQ(test, retrieve(set, 12), 0);
	/* The owner of the session has still to say what becomes of it. */
	luo_kunit_forget_events();
	KUNIT_EXPECT_FALSE(test, finish(set));
	KUNIT_EXPECT_EQ(test, discard(set, 10), -EBUSY);
	KUNIT_EXPECT_EQ(test, discard(set, 11), 0);
	EXPECT_EVENTS(test, FINISH(1));
	KUNIT_EXPECT_TRUE(test, finish(set));

	set = handed_over(test, 3);
	luo_kunit.needs[0] = 13;
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), -ENOENT);
	/* It fails in passing, and so does what needs it. */
	luo_kunit.needs[1] = 12;
	luo_kunit_fail(LUO_KUNIT_RETRIEVE, 1, -ENOMEM);
	KUNIT_EXPECT_EQ(test, retrieve(set, 11), -ENOMEM);
	KUNIT_EXPECT_EQ(test, retrieve(set, 11), 0);
	drop(set);
}

/* No kernel writes down files that need each other, or themselves. */
static void luo_file_get_loop(struct kunit *test)
{
	struct luo_file_set *set = handed_over(test, 3);
	int i;

	luo_kunit.needs[0] = 11;
	luo_kunit.needs[1] = 10;
	luo_kunit.needs[2] = 12;
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), -ELOOP);
	KUNIT_EXPECT_EQ(test, retrieve(set, 11), -ELOOP);
	KUNIT_EXPECT_EQ(test, retrieve(set, 12), -ELOOP);
	drop(set);

	/* Too many, one behind the other. */
	set = handed_over(test, 5);
	for (i = 0; i < 4; i++)
		luo_kunit.needs[i] = 11 + i;
	KUNIT_EXPECT_EQ(test, retrieve(set, 10), -ELOOP);
	KUNIT_EXPECT_EQ(test, retrieve(set, 14), 0);
	drop(set);
}

static void luo_file_unknown_type(struct kunit *test)
{
	struct luo_file_set *set = handed_over(test, 0);
	struct luo_file_ser known = { .compatible = LUO_KUNIT_COMPATIBLE };
	struct luo_file_ser unknown = { .compatible = "luo-kunit-v2",
					.token = 1 };
	struct liveupdate_file_handler handler = {
		.ops = luo_kunit_handler.ops,
		.compatible = "luo-kunit-v2",
	};

	luo_kunit_add_record(&known);
	luo_kunit_add_record(&unknown);
	KUNIT_ASSERT_EQ(test, load(set, 2), 0);
	KUNIT_EXPECT_EQ(test, attach(set), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, attach(set), -EOPNOTSUPP);

	/* its module is loaded late */
	KUNIT_ASSERT_EQ(test, liveupdate_register_file_handler(&handler), 0);
	KUNIT_EXPECT_EQ(test, attach(set), 0);
	drop(set);
	liveupdate_unregister_file_handler(&handler);
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);
}

static void luo_file_load_damaged(struct kunit *test)
{
	struct luo_file_ser good = { .compatible = LUO_KUNIT_COMPATIBLE };
	struct luo_file_ser endless = { .token = 1 };
	struct luo_file_ser nameless = { .token = 1 };
	struct luo_file_ser twice = good;
	struct {
		const char *what;
		void *second;
		u64 count;
		bool loop;
	} cases[] = {
		{ "unterminated", &endless, 2 },
		{ "no type", &nameless, 2 },
		{ "same token", &twice, 2 },
		{ "damaged chain", ERR_PTR(-EINVAL), 2 },
		{ "fewer than counted", NULL, 2 },
		{ "far fewer than counted", NULL, U64_MAX },
		{ "more than counted", NULL, 0 },
		{ "loop", &good, U64_MAX, true },
	};
	int i;

	memset(endless.compatible, 'x', sizeof(endless.compatible));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct luo_file_set *set = new_set(test);

		luo_kunit.nr_records = 0;
		luo_kunit.next_record = 0;
		luo_kunit.loop = cases[i].loop;
		luo_kunit_add_record(&good);
		luo_kunit_add_record(cases[i].second);
		KUNIT_EXPECT_EQ_MSG(test, load(set, cases[i].count), -EINVAL,
				    "%s", cases[i].what);
		KUNIT_EXPECT_EQ_MSG(test, set->count, 0ul, "%s", cases[i].what);
		KUNIT_EXPECT_TRUE(test, xa_empty(&set->tokens));
	}
	KUNIT_EXPECT_EQ(test, luo_kunit.nr_events, 0u);
}

static void luo_file_load_no_memory(struct kunit *test)
{
	struct luo_file_set *set = new_set(test);
	struct luo_file_ser good = { .compatible = LUO_KUNIT_COMPATIBLE };

	luo_kunit_add_record(&good);
	luo_kunit_add_record(ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_EQ(test, load(set, 2), -ENOMEM);
	KUNIT_EXPECT_EQ(test, set->count, 0ul);
	luo_kunit.next_record = 0;
	luo_kunit.nr_records = 1;
	KUNIT_EXPECT_EQ(test, load(set, 1), 0);
	drop(set);
}

static void luo_file_register(struct kunit *test)
{
	struct liveupdate_file_ops ops = *luo_kunit_handler.ops;
	struct liveupdate_file_handler same = {
		.ops = &ops, .compatible = LUO_KUNIT_COMPATIBLE,
	};
	struct liveupdate_file_handler nameless = { .ops = &ops };
	struct liveupdate_file_handler endless = {
		.ops = &ops,
		/* as many characters as there is room for */
		.compatible = "012345678901234567890123456789012345678901234567",
	};
	struct liveupdate_file_handler idle = { .compatible = "luo-kunit-v2" };

	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&same), -EEXIST);
	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&nameless),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&endless),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&idle), -EINVAL);
	idle.ops = &ops;
	ops.finish = NULL;
	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&idle), -EINVAL);
	ops.finish = luo_kunit_handler.ops->finish;
	ops.get_id = NULL;
	ops.freeze = NULL;
	ops.unfreeze = NULL;
	ops.can_finish = NULL;
	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&idle), 0);
	liveupdate_unregister_file_handler(&idle);
}

/* A handler whose every question registers, and unregisters, another one. */
static struct liveupdate_file_handler luo_kunit_inner = {
	.compatible = "luo-kunit-inner",
};

static bool outer_can_preserve(struct liveupdate_file_handler *handler,
			       struct file *file)
{
	return !liveupdate_register_file_handler(&luo_kunit_inner);
}

static int outer_preserve(struct liveupdate_file_op_args *args)
{
	liveupdate_unregister_file_handler(&luo_kunit_inner);
	return -EXDEV;
}

static void luo_file_register_nested(struct kunit *test)
{
	struct liveupdate_file_ops ops = *luo_kunit_handler.ops;
	struct liveupdate_file_handler outer = {
		.ops = &ops, .compatible = "luo-kunit-outer",
	};
	struct luo_file_set *set = new_set(test);
	struct file *file = luo_kunit_file(test, 0);

	luo_kunit_inner.ops = luo_kunit_handler.ops;
	ops.can_preserve = outer_can_preserve;
	ops.preserve = outer_preserve;
	liveupdate_unregister_file_handler(&luo_kunit_handler);
	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&outer), 0);
	KUNIT_EXPECT_EQ(test, preserve(set, file, 1), -EXDEV);
	liveupdate_unregister_file_handler(&outer);
	KUNIT_EXPECT_EQ(test, 0,
			liveupdate_register_file_handler(&luo_kunit_handler));
}

static struct kunit_case luo_file_cases[] = {
	KUNIT_CASE(luo_file_preserve),
	KUNIT_CASE(luo_file_preserve_fails),
	KUNIT_CASE(luo_file_no_handler),
	KUNIT_CASE(luo_file_freeze_fails),
	KUNIT_CASE(luo_file_retrieve),
	KUNIT_CASE(luo_file_retrieve_renews),
	KUNIT_CASE(luo_file_retrieve_fails),
	KUNIT_CASE(luo_file_discard),
	KUNIT_CASE(luo_file_token_of_other),
	KUNIT_CASE(luo_file_get_other),
	KUNIT_CASE(luo_file_get_loop),
	KUNIT_CASE(luo_file_unknown_type),
	KUNIT_CASE(luo_file_load_damaged),
	KUNIT_CASE(luo_file_load_no_memory),
	KUNIT_CASE(luo_file_register),
	KUNIT_CASE(luo_file_register_nested),
	{}
};

static struct kunit_suite luo_file_suite = {
	.name = "luo_file",
	.init = luo_kunit_init,
	.exit = luo_kunit_exit,
	.test_cases = luo_file_cases,
};

kunit_test_suite(luo_file_suite);

// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of luo_flb.c, and of files that need an FLB or another file. */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "luo_flb.h"
#include "luo_kunit.h"
#include "luo_session.h"

#define NR_FLBS		3
#define FLB_DATA	4711

/* How often each operation of an FLB was called, and what it is to answer. */
static struct luo_flb_kunit {
	unsigned int preserve, unpreserve, retrieve, finish;
	int error;
	int finish_status;
	void *finish_obj;
} calls[NR_FLBS];

static struct liveupdate_flb flbs[NR_FLBS];

static unsigned int flb_index(struct liveupdate_flb_op_args *args)
{
	return args->flb - flbs;
}

static int flb_preserve(struct liveupdate_flb_op_args *args)
{
	unsigned int i = flb_index(args);

	calls[i].preserve++;
	args->data = FLB_DATA + i;
	args->obj = &calls[i];
	return calls[i].error;
}

static void flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	unsigned int i = flb_index(args);

	calls[i].unpreserve++;
	calls[i].error = args->data != FLB_DATA + i || args->obj != &calls[i];
}

static int flb_retrieve(struct liveupdate_flb_op_args *args)
{
	unsigned int i = flb_index(args);

	calls[i].retrieve++;
	args->obj = &calls[i];
	return args->data == FLB_DATA + i ? calls[i].error : -EINVAL;
}

static void flb_finish(struct liveupdate_flb_op_args *args)
{
	unsigned int i = flb_index(args);

	calls[i].finish++;
	calls[i].finish_obj = args->obj;
	calls[i].finish_status = args->retrieve_status;
}

static const struct liveupdate_flb_ops flb_ops = {
	.owner = THIS_MODULE,
	.preserve = flb_preserve,
	.unpreserve = flb_unpreserve,
	.retrieve = flb_retrieve,
	.finish = flb_finish,
};

static struct liveupdate_flb flbs[NR_FLBS] = {
	{ .ops = &flb_ops, .compatible = "luo-kunit-flb0" },
	{ .ops = &flb_ops, .compatible = "luo-kunit-flb1" },
	{ .ops = &flb_ops, .compatible = "luo-kunit-flb2" },
};

static struct liveupdate_flb *const flbs_01[] = { &flbs[0], &flbs[1], NULL };
static struct liveupdate_flb *const flbs_1[] = { &flbs[1], NULL };
static struct liveupdate_flb *const flbs_2[] = { &flbs[2], NULL };

/* Two handlers share an FLB; the third one is registered late. */
static struct liveupdate_file_handler handlers[NR_FLBS] = {
	{ .compatible = "luo-kunit-needs-01", .flbs = flbs_01 },
	{ .compatible = "luo-kunit-needs-1", .flbs = flbs_1 },
	{ .compatible = "luo-kunit-needs-2", .flbs = flbs_2 },
};

static void unregister(void *handler)
{
	liveupdate_unregister_file_handler(handler);
}

static void luo_flb_register_late(struct kunit *test, unsigned int i)
{
	handlers[i].ops = luo_kunit_handler.ops;
	KUNIT_ASSERT_EQ(test, 0,
			liveupdate_register_file_handler(&handlers[i]));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unregister,
						  &handlers[i]));
}

static void luo_flb_outgoing(struct kunit *test)
{
	void *obj;

	KUNIT_EXPECT_EQ(test, luo_flb_preserve(&handlers[0]), 0);
	KUNIT_EXPECT_EQ(test, luo_flb_preserve(&handlers[1]), 0);
	KUNIT_EXPECT_EQ(test, luo_flb_preserve(&handlers[0]), 0);
	KUNIT_EXPECT_EQ(test, calls[0].preserve, 1u);
	KUNIT_EXPECT_EQ(test, calls[1].preserve, 1u);

	luo_flb_unpreserve(&handlers[0]);
	luo_flb_unpreserve(&handlers[0]);
	KUNIT_EXPECT_EQ(test, calls[0].unpreserve, 1u);
	KUNIT_EXPECT_EQ(test, calls[0].error, 0);
	KUNIT_EXPECT_EQ(test, calls[1].unpreserve, 0u);

	/* A user keeps it, and it can be needed again meanwhile. */
	KUNIT_EXPECT_EQ(test, liveupdate_flb_get_outgoing(&flbs[0], &obj),
			-ENOENT);
	KUNIT_ASSERT_EQ(test, liveupdate_flb_get_outgoing(&flbs[1], &obj), 0);
	KUNIT_EXPECT_PTR_EQ(test, obj, (void *)&calls[1]);
	luo_flb_unpreserve(&handlers[1]);
	KUNIT_EXPECT_EQ(test, calls[1].unpreserve, 0u);
	KUNIT_EXPECT_EQ(test, luo_flb_preserve(&handlers[1]), 0);
	luo_flb_unpreserve(&handlers[1]);
	KUNIT_EXPECT_EQ(test, calls[1].preserve, 1u);
	liveupdate_flb_put_outgoing(&flbs[1]);
	KUNIT_EXPECT_EQ(test, calls[1].unpreserve, 1u);
	KUNIT_EXPECT_EQ(test, calls[1].error, 0);
}

static void luo_flb_preserve_fails(struct kunit *test)
{
	calls[1].error = -EIO;
	KUNIT_EXPECT_EQ(test, luo_flb_preserve(&handlers[0]), -EIO);
	KUNIT_EXPECT_EQ(test, calls[0].preserve, 1u);
	KUNIT_EXPECT_EQ(test, calls[0].unpreserve, 1u);
	KUNIT_EXPECT_EQ(test, calls[1].unpreserve, 0u);

	calls[1].error = 0;
	KUNIT_EXPECT_EQ(test, luo_flb_preserve(&handlers[0]), 0);
	luo_flb_unpreserve(&handlers[0]);
	KUNIT_EXPECT_EQ(test, calls[0].unpreserve, 2u);
	KUNIT_EXPECT_EQ(test, calls[1].unpreserve, 1u);
}

/* A handler that can't be registered leaves its FLBs as they were. */
static void luo_flb_registration(struct kunit *test)
{
	static struct liveupdate_flb nameless = { .ops = &flb_ops };
	static struct liveupdate_flb twin = {
		.ops = &flb_ops,
		.compatible = "luo-kunit-flb0",
	};
	struct liveupdate_flb *wrong[] = { &flbs[2], &nameless, NULL };
	struct liveupdate_file_handler handler = {
		.ops = luo_kunit_handler.ops,
		.compatible = "luo-kunit-needs-nothing",
		.flbs = wrong,
	};

	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&handler),
			-EINVAL);
	wrong[1] = &twin;
	KUNIT_EXPECT_EQ(test, liveupdate_register_file_handler(&handler),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, flbs[2].nr_handlers, 0u);

	/* Pitfall 35: handlers may come at any time. */
	luo_flb_register_late(test, 2);
	KUNIT_EXPECT_EQ(test, flbs[2].nr_handlers, 1u);
	KUNIT_EXPECT_EQ(test, flbs[1].nr_handlers, 2u);
}

/* One page, as the previous kernel would leave it. */
struct luo_flb_table {
	struct luo_flb_header_ser header;
	struct luo_flb_ser ser[NR_FLBS + 1];
};

static struct luo_flb_table *handed_over(struct kunit *test, u64 count)
{
	struct luo_flb_table *table = kunit_kzalloc(test, PAGE_SIZE,
						    GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, table);
	table->header.pgcnt = 1;
	table->header.count = NR_FLBS;
	for (i = 0; i < NR_FLBS; i++) {
		strscpy(table->ser[i].name, flbs[i].compatible);
		table->ser[i].data = FLB_DATA + i;
		table->ser[i].count = count;
	}
	return table;
}

static int use_incoming(unsigned int i)
{
	void *obj = NULL;
	int ret = liveupdate_flb_get_incoming(&flbs[i], &obj);

	if (ret)
		return ret;
	liveupdate_flb_put_incoming(&flbs[i]);
	return obj == &calls[i] ? 0 : -EINVAL;
}

static void luo_flb_incoming(struct kunit *test)
{
	struct luo_flb_table *table = handed_over(test, 2);
	void *obj;

	KUNIT_ASSERT_EQ(test, luo_flb_load_table(&table->header), 0);
	luo_flb_register_late(test, 2);
	KUNIT_EXPECT_EQ(test, use_incoming(2), 0);
	KUNIT_EXPECT_EQ(test, use_incoming(2), 0);
	KUNIT_EXPECT_EQ(test, calls[2].retrieve, 1u);
	luo_flb_finish(&handlers[2]);
	KUNIT_EXPECT_EQ(test, calls[2].finish, 0u);

	/* The last file is finished, but somebody is still at it. */
	KUNIT_ASSERT_EQ(test, liveupdate_flb_get_incoming(&flbs[2], &obj), 0);
	luo_flb_finish(&handlers[2]);
	KUNIT_EXPECT_EQ(test, calls[2].finish, 0u);
	KUNIT_EXPECT_EQ(test, use_incoming(2), -ENOENT);
	liveupdate_flb_put_incoming(&flbs[2]);
	KUNIT_EXPECT_EQ(test, calls[2].finish, 1u);
	KUNIT_EXPECT_EQ(test, calls[2].finish_status, 1);
	KUNIT_EXPECT_PTR_EQ(test, calls[2].finish_obj, (void *)&calls[2]);

	/* More files than were counted: no underflow (pitfall 33) */
	luo_flb_finish(&handlers[2]);
	KUNIT_EXPECT_EQ(test, calls[2].finish, 1u);
	KUNIT_EXPECT_EQ(test, use_incoming(2), -ENOENT);
}

/* Pitfall 33: nobody has asked for it, and it is finished all the same. */
static void luo_flb_finish_without_retrieve(struct kunit *test)
{
	struct luo_flb_table *table = handed_over(test, 1);

	luo_flb_register_late(test, 2);
	KUNIT_EXPECT_EQ(test, use_incoming(2), -ENOENT);
	unregister(&handlers[2]);
	KUNIT_ASSERT_EQ(test, luo_flb_load_table(&table->header), 0);
	KUNIT_ASSERT_EQ(test, 0,
			liveupdate_register_file_handler(&handlers[2]));
	luo_flb_finish(&handlers[2]);
	KUNIT_EXPECT_EQ(test, calls[2].retrieve, 0u);
	KUNIT_EXPECT_EQ(test, calls[2].finish, 1u);
	KUNIT_EXPECT_EQ(test, calls[2].finish_status, 0);
	KUNIT_EXPECT_NULL(test, calls[2].finish_obj);
}

static void luo_flb_retrieve_fails(struct kunit *test)
{
	struct luo_flb_table *table = handed_over(test, 1);

	KUNIT_ASSERT_EQ(test, luo_flb_load_table(&table->header), 0);
	luo_flb_register_late(test, 2);
	calls[2].error = -ENOMEM;
	KUNIT_EXPECT_EQ(test, use_incoming(2), -ENOMEM);
	calls[2].error = -EBADMSG;
	KUNIT_EXPECT_EQ(test, use_incoming(2), -EBADMSG);
	calls[2].error = 0;
	KUNIT_EXPECT_EQ(test, use_incoming(2), -EBADMSG);
	KUNIT_EXPECT_EQ(test, calls[2].retrieve, 2u);
	luo_flb_finish(&handlers[2]);
	KUNIT_EXPECT_EQ(test, calls[2].finish, 1u);
	KUNIT_EXPECT_EQ(test, calls[2].finish_status, -EBADMSG);
}

/* Pitfall 33: counts and names of the previous kernel are not believed. */
static void luo_flb_damaged_table(struct kunit *test)
{
	struct luo_flb_table *table = handed_over(test, 1);

	memset(table->ser[0].name, 'x', sizeof(table->ser[0].name));
	table->ser[1].count = 0;
	table->header.count = ~0ULL;
	table->ser[NR_FLBS] = table->ser[2];
	KUNIT_EXPECT_EQ(test, luo_flb_load_table(&table->header), -EINVAL);
	luo_flb_refuse_all(-EIO);
	luo_flb_register_late(test, 2);
	KUNIT_EXPECT_EQ(test, use_incoming(2), -EIO);
	luo_flb_finish(&handlers[2]);
	KUNIT_EXPECT_EQ(test, calls[2].finish_status, -EIO);

	luo_flb_forget_incoming();
	table = handed_over(test, 1);
	table->header.count = 1;
	KUNIT_EXPECT_EQ(test, luo_flb_load_table(&table->header), 0);
}

/* More records than there may be: it is told, and the rest is not looked at. */
static void luo_flb_too_many(struct kunit *test)
{
	size_t size = sizeof(struct luo_flb_header_ser) +
		      (LUO_FLB_MAX + 1) * sizeof(struct luo_flb_ser);
	struct luo_flb_header_ser *header = kunit_kzalloc(test, PAGE_ALIGN(size), GFP_KERNEL);
	struct luo_flb_ser *ser;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, header);
	header->pgcnt = PHYS_PFN(PAGE_ALIGN(size));
	header->count = LUO_FLB_MAX + 1;
	ser = (struct luo_flb_ser *)(header + 1);
	for (i = 0; i <= LUO_FLB_MAX; i++) {
		snprintf(ser[i].name, sizeof(ser[i].name), "flb %u", i);
		ser[i].count = 1;
	}
	strscpy(ser[LUO_FLB_MAX].name, flbs[2].compatible);
	KUNIT_EXPECT_EQ(test, luo_flb_load_table(header), -EINVAL);
	luo_flb_register_late(test, 2);
	KUNIT_EXPECT_EQ(test, use_incoming(2), -ENOENT);
	unregister(&handlers[2]);

	luo_flb_forget_incoming();
	header->count = LUO_FLB_MAX;
	ser[LUO_FLB_MAX - 1] = ser[LUO_FLB_MAX];
	ser[LUO_FLB_MAX - 1].data = FLB_DATA + 2;
	KUNIT_EXPECT_EQ(test, luo_flb_load_table(header), 0);
	KUNIT_EXPECT_EQ(test, 0, liveupdate_register_file_handler(&handlers[2]));
	KUNIT_EXPECT_EQ(test, use_incoming(2), 0);
	luo_flb_finish(&handlers[2]);
}

static int luo_flb_kunit_init(struct kunit *test)
{
	int ret = luo_kunit_init(test);
	unsigned int i;

	if (ret)
		return ret;
	memset(calls, 0, sizeof(calls));
	for (i = 0; i < 2; i++)
		luo_flb_register_late(test, i);
	return 0;
}

static void luo_flb_kunit_exit(struct kunit *test)
{
	luo_kunit_exit(test);
	luo_flb_forget_incoming();
}

static struct kunit_case luo_flb_cases[] = {
	KUNIT_CASE(luo_flb_outgoing),
	KUNIT_CASE(luo_flb_preserve_fails),
	KUNIT_CASE(luo_flb_registration),
	KUNIT_CASE(luo_flb_incoming),
	KUNIT_CASE(luo_flb_finish_without_retrieve),
	KUNIT_CASE(luo_flb_retrieve_fails),
	KUNIT_CASE(luo_flb_damaged_table),
	KUNIT_CASE(luo_flb_too_many),
	{}
};

static struct kunit_suite luo_flb_suite = {
	.name = "luo_flb",
	.init = luo_flb_kunit_init,
	.exit = luo_flb_kunit_exit,
	.test_cases = luo_flb_cases,
};

kunit_test_suite(luo_flb_suite);

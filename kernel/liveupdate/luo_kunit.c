// SPDX-License-Identifier: GPL-2.0
/*
 * A fake file handler for the KUnit tests of the Live Update Orchestrator: it
 * notes what it is asked, and fails where it is told to.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>

#include "luo_file.h"
#include "luo_kunit.h"

/* What a fake file stands for; told by its address. */
static char luo_kunit_objs[LUO_KUNIT_NR_OBJS];

struct luo_kunit luo_kunit;

static const struct file_operations luo_kunit_fops = {
	.owner = THIS_MODULE,
};

static unsigned int luo_kunit_id(struct file *file)
{
	return (char *)file->private_data - luo_kunit_objs;
}

static struct file *luo_kunit_open(unsigned int id)
{
	return anon_inode_getfile("[luo_kunit]", &luo_kunit_fops,
				  &luo_kunit_objs[id], O_RDWR);
}

static int luo_kunit_call(enum luo_kunit_op op, unsigned int id)
{
	int ret;

	if (luo_kunit.nr_events < LUO_KUNIT_NR_EVENTS)
		luo_kunit.events[luo_kunit.nr_events++] =
			LUO_KUNIT_EVENT(op, id);
	if (!luo_kunit.fail_error || luo_kunit.fail_op != op)
		return 0;
	if (luo_kunit.fail_skip) {
		luo_kunit.fail_skip--;
		return 0;
	}
	ret = luo_kunit.fail_error;
	luo_kunit.fail_error = 0;
	return ret;
}

static bool luo_kunit_can_preserve(struct liveupdate_file_handler *handler,
				   struct file *file)
{
	return file->f_op == &luo_kunit_fops;
}

static unsigned long luo_kunit_get_id(struct file *file)
{
	return luo_kunit_id(file);
}

static loff_t luo_kunit_get_size(const struct liveupdate_file_op_args *args)
{
	return args->serialized_data ? 4711 : -EINVAL;
}

static int luo_kunit_preserve(struct liveupdate_file_op_args *args)
{
	args->serialized_data = luo_kunit_id(args->file);
	return luo_kunit_call(LUO_KUNIT_PRESERVE, args->serialized_data);
}

static void luo_kunit_unpreserve(struct liveupdate_file_op_args *args)
{
	luo_kunit_call(LUO_KUNIT_UNPRESERVE, args->serialized_data);
}

static int luo_kunit_freeze(struct liveupdate_file_op_args *args)
{
	return luo_kunit_call(LUO_KUNIT_FREEZE, args->serialized_data);
}

static void luo_kunit_unfreeze(struct liveupdate_file_op_args *args)
{
	luo_kunit_call(LUO_KUNIT_UNFREEZE, args->serialized_data);
}

static int luo_kunit_need(struct liveupdate_file_op_args *args)
{
	u64 token = luo_kunit.needs[args->serialized_data];
	struct file *file;
	int ret;

	if (!token)
		return 0;
	ret = liveupdate_get_file_incoming(args->session, token, &file);
	if (!ret)
		fput(file);
	return ret;
}

static int luo_kunit_retrieve(struct liveupdate_file_op_args *args)
{
	struct file *file;
	int ret;

	ret = luo_kunit_call(LUO_KUNIT_RETRIEVE, args->serialized_data);
	if (!ret)
		ret = luo_kunit_need(args);
	if (ret)
		return ret;
	file = luo_kunit_open(args->serialized_data);
	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

static bool luo_kunit_can_finish(struct liveupdate_file_op_args *args)
{
	return !luo_kunit_call(LUO_KUNIT_CAN_FINISH, args->serialized_data);
}

static void luo_kunit_finish(struct liveupdate_file_op_args *args)
{
	luo_kunit_call(args->file ? LUO_KUNIT_FINISH : LUO_KUNIT_DISCARD,
		       args->serialized_data);
}

static struct liveupdate_file_ops luo_kunit_ops = {
	.owner = THIS_MODULE,
	.can_preserve = luo_kunit_can_preserve,
	.preserve = luo_kunit_preserve,
	.unpreserve = luo_kunit_unpreserve,
	.freeze = luo_kunit_freeze,
	.unfreeze = luo_kunit_unfreeze,
	.retrieve = luo_kunit_retrieve,
	.can_finish = luo_kunit_can_finish,
	.finish = luo_kunit_finish,
	.get_id = luo_kunit_get_id,
	.get_size = luo_kunit_get_size,
};

/* Is a file that nobody has retrieved again? */
void luo_kunit_set_renewable(bool renewable)
{
	luo_kunit_ops.renewable = renewable;
}

struct liveupdate_file_handler luo_kunit_handler = {
	.ops = &luo_kunit_ops,
	.compatible = LUO_KUNIT_COMPATIBLE,
};

/* Stands in for luo_next_record(). */
static void *luo_kunit_next_record(struct kho_block_reader *reader)
{
	if (luo_kunit.loop)
		return luo_kunit.records[luo_kunit.next_record++ %
					 luo_kunit.nr_records];
	if (luo_kunit.next_record == luo_kunit.nr_records)
		return NULL;
	return luo_kunit.records[luo_kunit.next_record++];
}

int luo_kunit_init(struct kunit *test)
{
	luo_kunit = (struct luo_kunit){};
	kunit_activate_static_stub(test, luo_next_record,
				   luo_kunit_next_record);
	return liveupdate_register_file_handler(&luo_kunit_handler);
}

void luo_kunit_exit(struct kunit *test)
{
	liveupdate_unregister_file_handler(&luo_kunit_handler);
}

void luo_kunit_fail(enum luo_kunit_op op, unsigned int skip, int error)
{
	luo_kunit.fail_op = op;
	luo_kunit.fail_skip = skip;
	luo_kunit.fail_error = error;
}

void luo_kunit_forget_events(void)
{
	luo_kunit.nr_events = 0;
}

/* NULL ends a table. */
void luo_kunit_add_record(void *record)
{
	luo_kunit.records[luo_kunit.nr_records++] = record;
}

static void luo_kunit_put_file(void *file)
{
	fput(file);
}

/* A file that lives until the end of the test. */
struct file *luo_kunit_file(struct kunit *test, unsigned int id)
{
	struct file *file = luo_kunit_open(id);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, luo_kunit_put_file,
						  file));
	return file;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A file type for tests of live update: every open of /dev/liveupdate_test is a
 * file that holds one u64, and that can be preserved.
 *
 * read(2) and write(2) of 8 bytes get and set the number, whatever the offset.
 * It may be changed until the file is frozen.
 *
 * What goes wrong is told in the module's parameters, also on the command line
 * of the next kernel:
 *
 *	fail=STEP:ERRNO[:SKIP]
 *
 * makes STEP (preserve, freeze, retrieve, can_finish) fail once, after it has
 * worked SKIP times. ERRNO is the number of an error, 0 forgets the order.
 *
 *	freeze_delay_ms=N
 *
 * makes each freeze take that long, so that something else can happen
 * meanwhile: a kexec image that is unloaded then makes the kexec fail after the
 * freeze.
 *
 *	calls
 *
 * reads as how often each operation was called so far.
 *
 * Invariants:
 *  - the number that is handed over is the one at the time of the freeze;
 *  - a frozen file does not change.
 */
#define pr_fmt(fmt) "luo_test: " fmt

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

enum luo_test_op {
	/* those that can fail */
	LUO_TEST_PRESERVE,
	LUO_TEST_FREEZE,
	LUO_TEST_RETRIEVE,
	LUO_TEST_CAN_FINISH,
	LUO_TEST_NR_STEPS,
	/* those that can't */
	LUO_TEST_UNPRESERVE = LUO_TEST_NR_STEPS,
	LUO_TEST_UNFREEZE,
	LUO_TEST_FINISH,
	LUO_TEST_NR_OPS
};

static const char *const luo_test_names[LUO_TEST_NR_OPS] = {
	[LUO_TEST_PRESERVE] = "preserve",
	[LUO_TEST_FREEZE] = "freeze",
	[LUO_TEST_RETRIEVE] = "retrieve",
	[LUO_TEST_CAN_FINISH] = "can_finish",
	[LUO_TEST_UNPRESERVE] = "unpreserve",
	[LUO_TEST_UNFREEZE] = "unfreeze",
	[LUO_TEST_FINISH] = "finish",
};

/**
 * struct luo_test_fault - an order to fail
 * @error: positive error number, 0 for none
 * @skip: calls that still work
 */
struct luo_test_fault {
	unsigned int error;
	unsigned int skip;
};

/* Protects luo_test_faults. */
static DEFINE_MUTEX(luo_test_lock);
static struct luo_test_fault luo_test_faults[LUO_TEST_NR_STEPS];
static atomic_t luo_test_calls[LUO_TEST_NR_OPS];

/**
 * struct luo_test_file - an open file
 * @lock: protects the other fields
 * @value: what is read and written
 * @frozen: @value is on its way
 */
struct luo_test_file {
	/* a leaf */
	struct mutex lock;
	u64 value;
	bool frozen;
};

static int luo_test_fail_set(const char *text, const struct kernel_param *kp)
{
	unsigned int error, skip = 0;
	char name[16];
	int step;

	if (sscanf(text, "%15[^:]:%u:%u", name, &error, &skip) < 2 ||
	    error > MAX_ERRNO)
		return -EINVAL;
	step = match_string(luo_test_names, LUO_TEST_NR_STEPS, name);
	if (step < 0)
		return -EINVAL;

	guard(mutex)(&luo_test_lock);
	luo_test_faults[step].error = error;
	luo_test_faults[step].skip = skip;
	return 0;
}

static int luo_test_fail_get(char *buf, const struct kernel_param *kp)
{
	int step, len = 0;

	guard(mutex)(&luo_test_lock);
	for (step = 0; step < LUO_TEST_NR_STEPS; step++)
		len += sysfs_emit_at(buf, len, "%s:%u:%u\n",
				     luo_test_names[step],
				     luo_test_faults[step].error,
				     luo_test_faults[step].skip);
	return len;
}

static const struct kernel_param_ops luo_test_fail_ops = {
	.set = luo_test_fail_set,
	.get = luo_test_fail_get,
};
module_param_cb(fail, &luo_test_fail_ops, NULL, 0600);
MODULE_PARM_DESC(fail, "STEP:ERRNO[:SKIP], fail once");

static int luo_test_calls_get(char *buf, const struct kernel_param *kp)
{
	int op, len = 0;

	for (op = 0; op < LUO_TEST_NR_OPS; op++)
		len += sysfs_emit_at(buf, len, "%s:%d\n", luo_test_names[op],
				     atomic_read(&luo_test_calls[op]));
	return len;
}

static const struct kernel_param_ops luo_test_calls_ops = {
	.get = luo_test_calls_get,
};
module_param_cb(calls, &luo_test_calls_ops, NULL, 0400);
MODULE_PARM_DESC(calls, "how often each operation was called");

static unsigned int luo_test_freeze_delay_ms;
module_param_named(freeze_delay_ms, luo_test_freeze_delay_ms, uint, 0600);
MODULE_PARM_DESC(freeze_delay_ms, "how long it takes to freeze a file");

/* Count the call; 0, or the error that was ordered. */
static int luo_test_enter(enum luo_test_op op)
{
	struct luo_test_fault *fault;
	int ret;

	atomic_inc(&luo_test_calls[op]);
	if (op >= LUO_TEST_NR_STEPS)
		return 0;

	guard(mutex)(&luo_test_lock);
	fault = &luo_test_faults[op];
	if (!fault->error)
		return 0;
	if (fault->skip) {
		fault->skip--;
		return 0;
	}
	ret = -fault->error;
	fault->error = 0;
	pr_info("%s fails as ordered: %d\n", luo_test_names[op], ret);
	return ret;
}

static struct luo_test_file *luo_test_file_alloc(u64 value)
{
	struct luo_test_file *test = kzalloc(sizeof(*test), GFP_KERNEL);

	if (test) {
		mutex_init(&test->lock);
		test->value = value;
	}
	return test;
}

static int luo_test_open(struct inode *inode, struct file *file)
{
	file->private_data = luo_test_file_alloc(0);
	return file->private_data ? 0 : -ENOMEM;
}

static int luo_test_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t luo_test_read(struct file *file, char __user *buf, size_t size,
			     loff_t *pos)
{
	struct luo_test_file *test = file->private_data;
	u64 value;

	if (size != sizeof(value))
		return -EINVAL;
	scoped_guard(mutex, &test->lock)
		value = test->value;
	return copy_to_user(buf, &value, sizeof(value)) ? -EFAULT : size;
}

static ssize_t luo_test_write(struct file *file, const char __user *buf,
			      size_t size, loff_t *pos)
{
	struct luo_test_file *test = file->private_data;
	u64 value;

	if (size != sizeof(value))
		return -EINVAL;
	if (copy_from_user(&value, buf, sizeof(value)))
		return -EFAULT;
	guard(mutex)(&test->lock);
	if (test->frozen)
		return -EBUSY;
	test->value = value;
	return size;
}

static const struct file_operations luo_test_fops = {
	.owner = THIS_MODULE,
	.open = luo_test_open,
	.release = luo_test_release,
	.read = luo_test_read,
	.write = luo_test_write,
	.llseek = noop_llseek,
};

static struct miscdevice luo_test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "liveupdate_test",
	.fops = &luo_test_fops,
	.mode = 0600,
};

static bool luo_test_can_preserve(struct liveupdate_file_handler *handler,
				  struct file *file)
{
	return file->f_op == &luo_test_fops;
}

/* All opens of the device share an inode. */
static unsigned long luo_test_get_id(struct file *file)
{
	return (unsigned long)file->private_data;
}

static void luo_test_set_frozen(struct luo_test_file *test, bool frozen)
{
	guard(mutex)(&test->lock);
	test->frozen = frozen;
}

static int luo_test_preserve(struct liveupdate_file_op_args *args)
{
	struct luo_test_file *test = args->file->private_data;

	args->private_data = test;
	return luo_test_enter(LUO_TEST_PRESERVE);
}

static void luo_test_unpreserve(struct liveupdate_file_op_args *args)
{
	luo_test_enter(LUO_TEST_UNPRESERVE);
	WARN_ON(((struct luo_test_file *)args->private_data)->frozen);
}

static int luo_test_freeze(struct liveupdate_file_op_args *args)
{
	struct luo_test_file *test = args->private_data;
	int ret;

	if (luo_test_freeze_delay_ms)
		msleep(luo_test_freeze_delay_ms);
	ret = luo_test_enter(LUO_TEST_FREEZE);
	if (ret)
		return ret;
	luo_test_set_frozen(test, true);
	args->serialized_data = test->value;
	return 0;
}

static void luo_test_unfreeze(struct liveupdate_file_op_args *args)
{
	luo_test_enter(LUO_TEST_UNFREEZE);
	luo_test_set_frozen(args->private_data, false);
}

static int luo_test_retrieve(struct liveupdate_file_op_args *args)
{
	struct luo_test_file *test;
	struct file *file;
	int ret;

	ret = luo_test_enter(LUO_TEST_RETRIEVE);
	if (ret)
		return ret;
	test = luo_test_file_alloc(args->serialized_data);
	if (!test)
		return -ENOMEM;
	file = anon_inode_getfile("[luo_test]", &luo_test_fops, test, O_RDWR);
	if (IS_ERR(file)) {
		kfree(test);
		return PTR_ERR(file);
	}
	args->file = file;
	return 0;
}

static bool luo_test_can_finish(struct liveupdate_file_op_args *args)
{
	return !luo_test_enter(LUO_TEST_CAN_FINISH);
}

static void luo_test_finish(struct liveupdate_file_op_args *args)
{
	luo_test_enter(LUO_TEST_FINISH);
	WARN_ON(!args->file != (args->retrieve_status <= 0));
}

static const struct liveupdate_file_ops luo_test_ops = {
	.owner = THIS_MODULE,
	.can_preserve = luo_test_can_preserve,
	.preserve = luo_test_preserve,
	.unpreserve = luo_test_unpreserve,
	.freeze = luo_test_freeze,
	.unfreeze = luo_test_unfreeze,
	.retrieve = luo_test_retrieve,
	.can_finish = luo_test_can_finish,
	.finish = luo_test_finish,
	.get_id = luo_test_get_id,
};

static struct liveupdate_file_handler luo_test_handler = {
	.ops = &luo_test_ops,
	.compatible = "luo-test-v1",
};

static int __init luo_test_init(void)
{
	int ret;

	ret = liveupdate_register_file_handler(&luo_test_handler);
	if (ret)
		return ret;
	ret = misc_register(&luo_test_device);
	if (ret)
		liveupdate_unregister_file_handler(&luo_test_handler);
	return ret;
}
module_init(luo_test_init);

static void __exit luo_test_exit(void)
{
	misc_deregister(&luo_test_device);
	liveupdate_unregister_file_handler(&luo_test_handler);
}
module_exit(luo_test_exit);

MODULE_DESCRIPTION("File type for tests of live update");
MODULE_LICENSE("GPL");

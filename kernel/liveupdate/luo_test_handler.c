// SPDX-License-Identifier: GPL-2.0
/*
 * A file type for tests of live update: every open of /dev/liveupdate_test is a
 * file that holds one u64, and that can be preserved.
 *
 * read(2) and write(2) of 8 bytes get and set the number, whatever the offset.
 * It may be changed until the file is frozen. An ioctl tells it of another file
 * that it needs: that one must be in the same session, and is found again by its
 * token in the next kernel.
 *
 * All these files share an FLB, which holds a number as well: parameter
 * flb_value is the one to be handed over, flb_incoming reads as the one that was.
 *
 * What goes wrong is told in the module's parameters, also on the command line
 * of the next kernel:
 *
 *	fail=STEP:ERRNO[:SKIP]
 *
 * makes STEP (preserve, freeze, retrieve, can_finish, flb_preserve,
 * flb_retrieve) fail once, after it has
 * worked SKIP times. ERRNO is the number of an error, 0 forgets the order.
 *
 *	freeze_delay_ms=N
 *
 * makes each freeze take that long, or until somebody sets it to 0, so that
 * something else can happen meanwhile: a kexec image that is unloaded then makes
 * the kexec fail after the freeze.
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
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/kexec_handover.h>
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
	LUO_TEST_FLB_PRESERVE,
	LUO_TEST_FLB_RETRIEVE,
	LUO_TEST_NR_STEPS,
	/* those that can't */
	LUO_TEST_UNPRESERVE = LUO_TEST_NR_STEPS,
	LUO_TEST_UNFREEZE,
	LUO_TEST_FINISH,
	LUO_TEST_FLB_UNPRESERVE,
	LUO_TEST_FLB_FINISH,
	LUO_TEST_NR_OPS
};

static const char *const luo_test_names[LUO_TEST_NR_OPS] = {
	[LUO_TEST_PRESERVE] = "preserve",
	[LUO_TEST_FREEZE] = "freeze",
	[LUO_TEST_RETRIEVE] = "retrieve",
	[LUO_TEST_CAN_FINISH] = "can_finish",
	[LUO_TEST_FLB_PRESERVE] = "flb_preserve",
	[LUO_TEST_FLB_RETRIEVE] = "flb_retrieve",
	[LUO_TEST_UNPRESERVE] = "unpreserve",
	[LUO_TEST_UNFREEZE] = "unfreeze",
	[LUO_TEST_FINISH] = "finish",
	[LUO_TEST_FLB_UNPRESERVE] = "flb_unpreserve",
	[LUO_TEST_FLB_FINISH] = "flb_finish",
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
 * @peer: another file that this one needs, or NULL
 * @frozen: @value is on its way
 */
struct luo_test_file {
	/* a leaf */
	struct mutex lock;
	u64 value;
	struct file *peer;
	bool frozen;
};

/**
 * struct luo_test_ser - a file in the handover
 * @value: its number
 * @peer: token of the file that it needs
 * @has_peer: whether it needs one
 */
struct luo_test_ser {
	u64 value;
	u64 peer;
	u64 has_peer;
};

/* Take a file's descriptor for the one that is needed; give one out. */
#define LUO_TEST_SET_PEER	_IO('L', 0)
#define LUO_TEST_GET_PEER	_IO('L', 1)

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

static void luo_test_delay(void)
{
	unsigned long end = jiffies +
			    msecs_to_jiffies(READ_ONCE(luo_test_freeze_delay_ms));

	while (READ_ONCE(luo_test_freeze_delay_ms) && time_before(jiffies, end))
		fsleep(USEC_PER_MSEC);
}

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

static void luo_test_file_free(struct luo_test_file *test)
{
	if (test->peer)
		fput(test->peer);
	kfree(test);
}

static int luo_test_release(struct inode *inode, struct file *file)
{
	luo_test_file_free(file->private_data);
	return 0;
}

static int luo_test_set_peer(struct luo_test_file *test, int fd)
{
	struct file *peer __free(fput) = fget(fd);

	if (!peer)
		return -EBADF;
	guard(mutex)(&test->lock);
	if (test->frozen || test->peer)
		return -EBUSY;
	test->peer = no_free_ptr(peer);
	return 0;
}

static int luo_test_get_peer(struct luo_test_file *test)
{
	int fd;

	guard(mutex)(&test->lock);
	if (!test->peer)
		return -ENOENT;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd >= 0)
		fd_install(fd, get_file(test->peer));
	return fd;
}

static long luo_test_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	switch (cmd) {
	case LUO_TEST_SET_PEER:
		return luo_test_set_peer(file->private_data, arg);
	case LUO_TEST_GET_PEER:
		return luo_test_get_peer(file->private_data);
	default:
		return -ENOTTY;
	}
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
	.unlocked_ioctl = luo_test_ioctl,
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
	struct luo_test_ser *ser;
	int ret;

	ret = luo_test_enter(LUO_TEST_PRESERVE);
	if (ret)
		return ret;
	ser = kho_alloc_preserve(sizeof(*ser));
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	args->private_data = ser;
	args->serialized_data = virt_to_phys(ser);
	return 0;
}

static void luo_test_unpreserve(struct liveupdate_file_op_args *args)
{
	luo_test_enter(LUO_TEST_UNPRESERVE);
	WARN_ON(((struct luo_test_file *)args->file->private_data)->frozen);
	kho_unpreserve_free(args->private_data);
}

static int luo_test_freeze(struct liveupdate_file_op_args *args)
{
	struct luo_test_file *test = args->file->private_data;
	struct luo_test_ser *ser = args->private_data;
	int ret;

	luo_test_delay();
	ret = luo_test_enter(LUO_TEST_FREEZE);
	if (!ret && test->peer)
		ret = liveupdate_get_token_outgoing(args->session, test->peer,
						    &ser->peer);
	if (ret)
		return ret;
	luo_test_set_frozen(test, true);
	ser->value = test->value;
	ser->has_peer = !!test->peer;
	return 0;
}

static void luo_test_unfreeze(struct liveupdate_file_op_args *args)
{
	luo_test_enter(LUO_TEST_UNFREEZE);
	luo_test_set_frozen(args->file->private_data, false);
}

/* Of the previous kernel, or NULL if there is no such thing. */
static struct luo_test_ser *luo_test_find_ser(u64 data)
{
	return kho_preserved_order(data) ? NULL : phys_to_virt(data);
}

static struct luo_test_file *
luo_test_restore(struct liveupdate_file_op_args *args,
		 const struct luo_test_ser *ser)
{
	struct luo_test_file *test = luo_test_file_alloc(ser->value);
	int ret;

	if (!test || !ser->has_peer)
		return test ?: ERR_PTR(-ENOMEM);
	ret = liveupdate_get_file_incoming(args->session, ser->peer,
					   &test->peer);
	if (ret) {
		luo_test_file_free(test);
		return ERR_PTR(ret);
	}
	return test;
}

static int luo_test_retrieve(struct liveupdate_file_op_args *args)
{
	struct luo_test_ser *ser = luo_test_find_ser(args->serialized_data);
	struct luo_test_file *test;
	struct file *file;
	int ret;

	ret = luo_test_enter(LUO_TEST_RETRIEVE);
	if (!ret && !ser)
		ret = -EIO;
	if (ret)
		return ret;
	test = luo_test_restore(args, ser);
	if (IS_ERR(test))
		return PTR_ERR(test);
	file = anon_inode_getfile("[luo_test]", &luo_test_fops, test, O_RDWR);
	if (IS_ERR(file)) {
		luo_test_file_free(test);
		return PTR_ERR(file);
	}
	args->file = file;
	kho_restore_free(ser);
	return 0;
}

static bool luo_test_can_finish(struct liveupdate_file_op_args *args)
{
	return !luo_test_enter(LUO_TEST_CAN_FINISH);
}

static void luo_test_finish(struct liveupdate_file_op_args *args)
{
	struct luo_test_ser *ser = luo_test_find_ser(args->serialized_data);

	luo_test_enter(LUO_TEST_FINISH);
	WARN_ON(!args->file != (args->retrieve_status <= 0));
	if (args->retrieve_status <= 0 && ser)
		kho_restore_free(ser);
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

static unsigned long luo_test_flb_value;
module_param_named(flb_value, luo_test_flb_value, ulong, 0600);
MODULE_PARM_DESC(flb_value, "number that the FLB hands over");

static int luo_test_flb_preserve(struct liveupdate_flb_op_args *args)
{
	int ret = luo_test_enter(LUO_TEST_FLB_PRESERVE);
	u64 *value;

	if (ret)
		return ret;
	value = kho_alloc_preserve(sizeof(*value));
	if (IS_ERR(value))
		return PTR_ERR(value);
	*value = luo_test_flb_value;
	args->obj = value;
	args->data = virt_to_phys(value);
	return 0;
}

static void luo_test_flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	luo_test_enter(LUO_TEST_FLB_UNPRESERVE);
	kho_unpreserve_free(args->obj);
}

static int luo_test_flb_retrieve(struct liveupdate_flb_op_args *args)
{
	int ret = luo_test_enter(LUO_TEST_FLB_RETRIEVE);

	if (ret)
		return ret;
	if (kho_preserved_order(args->data))
		return -EIO;
	args->obj = phys_to_virt(args->data);
	return 0;
}

static void luo_test_flb_finish(struct liveupdate_flb_op_args *args)
{
	luo_test_enter(LUO_TEST_FLB_FINISH);
	WARN_ON(!args->obj != (args->retrieve_status <= 0));
	if (args->retrieve_status >= 0)
		kho_restore_free(phys_to_virt(args->data));
}

static const struct liveupdate_flb_ops luo_test_flb_ops = {
	.owner = THIS_MODULE,
	.preserve = luo_test_flb_preserve,
	.unpreserve = luo_test_flb_unpreserve,
	.retrieve = luo_test_flb_retrieve,
	.finish = luo_test_flb_finish,
};

static struct liveupdate_flb luo_test_flb = {
	.ops = &luo_test_flb_ops,
	.compatible = "luo-test-flb-v1",
};

static struct liveupdate_flb *const luo_test_flbs[] = { &luo_test_flb, NULL };

static int luo_test_flb_get(char *buf, const struct kernel_param *kp)
{
	void *obj;
	u64 value;
	int ret;

	ret = liveupdate_flb_get_incoming(&luo_test_flb, &obj);
	if (ret)
		return ret;
	value = *(u64 *)obj;
	liveupdate_flb_put_incoming(&luo_test_flb);
	return sysfs_emit(buf, "%llu\n", value);
}

static const struct kernel_param_ops luo_test_flb_param_ops = {
	.get = luo_test_flb_get,
};
module_param_cb(flb_incoming, &luo_test_flb_param_ops, NULL, 0400);
MODULE_PARM_DESC(flb_incoming, "number that the FLB was handed over with");

static struct liveupdate_file_handler luo_test_handler = {
	.ops = &luo_test_ops,
	.compatible = "luo-test-v1",
	.flbs = luo_test_flbs,
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

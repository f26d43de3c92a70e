// SPDX-License-Identifier: GPL-2.0
/*
 * Live Update Orchestrator (LUO): /dev/liveupdate, and what happens to the
 * sessions at boot and at reboot.
 *
 * Invariants:
 *  - the device has at most one user at a time;
 *  - the handover is published only while luo_rebooting, in one step, with
 *    every outgoing session frozen and serialised; before that, and after the
 *    reboot has failed, there is no trace of it;
 *  - nothing that is found at boot can keep the machine from booting.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <kunit/visibility.h>
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/kstrtox.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/string.h>

#include "../kexec_internal.h"
#include "luo_core.h"
#include "luo_debugfs.h"
#include "luo_file.h"
#include "luo_flb.h"
#include "luo_ioctl.h"
#include "luo_namespace.h"
#include "luo_session.h"
#include "luo_sysfs.h"
#include "luo_trace.h"

static const char luo_compatible[sizeof_field(struct luo_ser, compatible)] =
	LUO_COMPATIBLE;

static bool luo_on __ro_after_init = true;

/* Live updates that it took to get here since the last cold boot. */
static u64 luo_number __ro_after_init;

/* The published handover, or NULL; protected by luo_reboot_lock. */
static struct luo_ser *luo_out;

static unsigned long luo_device_busy;

static int __init luo_early_param(char *value)
{
	return kstrtobool(value, &luo_on);
}
early_param("liveupdate", luo_early_param);

/**
 * liveupdate_enabled - can files be preserved?
 *
 * Return: true unless the command line says otherwise, for live update or for
 * KHO as a whole.
 */
bool liveupdate_enabled(void)
{
	return luo_on && kho_is_enabled();
}
EXPORT_SYMBOL_GPL(liveupdate_enabled);

/* The caller holds the kexec lock. */
static bool luo_image_takes_files(void)
{
	return !kho_check_image() && !kexec_image->liveupdate_off;
}

static int luo_publish(void)
{
	struct luo_ser *ser;
	u64 sessions = 0, flbs;
	int ret;

	lockdep_assert_held_write(&luo_reboot_lock);
	ser = kho_alloc_preserve(sizeof(*ser));
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ret = luo_session_serialise_all(&sessions);
	if (ret)
		goto err_free;
	ret = luo_flb_serialise(&flbs);
	if (ret)
		goto err_sessions;
	memcpy(ser->compatible, luo_compatible, sizeof(ser->compatible));
	ser->liveupdate_num = luo_number + 1;
	ser->sessions_pa = sessions;
	ser->flbs_pa = flbs;
	ret = kho_add_subtree(LUO_FDT_NODE, ser, sizeof(*ser));
	if (ret)
		goto err_flbs;
	luo_out = ser;
	return 0;

err_flbs:
	luo_flb_unserialise();
err_sessions:
	luo_session_unserialise_all();
err_free:
	kho_unpreserve_free(ser);
	return ret;
}

static void luo_unpublish(void)
{
	lockdep_assert_held_write(&luo_reboot_lock);
	kho_remove_subtree(luo_out);
	luo_flb_unserialise();
	luo_session_unserialise_all();
	kho_unpreserve_free(luo_out);
	luo_out = NULL;
}

/* From the first file that is frozen to the last one that is unfrozen. */
static void luo_set_rebooting(bool rebooting)
{
	lockdep_assert_held_write(&luo_reboot_lock);
	WRITE_ONCE(luo_rebooting, rebooting);
	luo_sysfs_update();
}

static int luo_hand_over(void)
{
	int ret;

	ret = luo_trace_all(luo_freeze_all, luo_session_freeze_all());
	if (ret)
		return ret;
	ret = luo_trace_all(luo_serialise_all, luo_publish());
	if (ret) {
		luo_session_unfreeze_all();
		pr_err("the handover can't be written: %d\n", ret);
		return ret;
	}
	luo_debugfs_keep_out(luo_out);
	return 0;
}

/**
 * liveupdate_load_image - note what an image thinks of live update
 * @image: of kexec_file_load(), being loaded
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int liveupdate_load_image(struct kimage *image)
{
	int off;

	if (!liveupdate_enabled() || image->type == KEXEC_TYPE_CRASH)
		return 0;
	off = kho_cmdline_off(image, "liveupdate");
	if (off < 0)
		return off;
	image->liveupdate_off = off;
	if (off)
		pr_warn("the kernel that is loaded has liveupdate=off: it can't have any file\n");
	return 0;
}

/**
 * liveupdate_check_image - can the image still take what is frozen?
 *
 * It may have been replaced after liveupdate_reboot().
 *
 * Context: process context, the kexec lock is held.
 * Return: 0 or -EINVAL.
 */
int liveupdate_check_image(void)
{
	guard(rwsem_read)(&luo_reboot_lock);
	if (!luo_out || luo_image_takes_files())
		return 0;
	pr_err("the kexec image has been replaced by one that takes no files\n");
	return -EINVAL;
}

/**
 * liveupdate_reboot - prepare for the jump into the next kernel
 *
 * Freezes and serialises all sessions. From then on user space can't change
 * anything, until liveupdate_reboot_failed(), which the caller must call if it
 * gets back from kernel_kexec().
 *
 * Context: process context, before anything is shut down; may sleep.
 * Return: 0; -EINVAL if files are preserved and the kexec image could not take
 * them along; -EBUSY if the reboot has begun already, or an image is just being
 * loaded; -ENOMEM; or what a handler says that could not freeze its file. On
 * failure nothing has changed.
 */
int liveupdate_reboot(void)
{
	unsigned long sessions, files, incoming;
	bool takes_files;
	int ret;

	if (!liveupdate_enabled())
		return 0;

	guard(rwsem_write)(&luo_reboot_lock);
	if (luo_rebooting)
		return -EBUSY;

	if (!kexec_trylock())
		return -EBUSY;
	takes_files = luo_image_takes_files();
	kexec_unlock();

	luo_session_count(&sessions, &files, &incoming);
	if (incoming)
		pr_warn("%lu sessions of the previous kernel are not finished and end with this one\n",
			incoming);
	if (!takes_files) {
		if (files) {
			pr_err("no kexec image that takes a handover: %lu files in %lu sessions would be lost\n",
			       files, sessions);
			return -EINVAL;
		}
		luo_set_rebooting(true);
		return 0;
	}

	luo_set_rebooting(true);
	ret = luo_hand_over();
	if (ret) {
		luo_set_rebooting(false);
		return ret;
	}
	pr_info("live update %llu: %lu files in %lu sessions\n",
		luo_number + 1, files, sessions);
	return 0;
}

/**
 * liveupdate_reboot_failed - go on in this kernel
 *
 * Undoes liveupdate_reboot(), and does what was put off since: sessions that
 * were closed end now.
 *
 * Context: process context, may sleep. Does nothing without a
 * liveupdate_reboot() that succeeded.
 */
void liveupdate_reboot_failed(void)
{
	guard(rwsem_write)(&luo_reboot_lock);
	if (!luo_rebooting)
		return;
	if (luo_out) {
		luo_unpublish();
		luo_session_unfreeze_all();
		pr_info("no live update: all files are usable again\n");
	}
	luo_set_rebooting(false);
	luo_session_close_orphans();
}

static int luo_device_open(struct inode *inode, struct file *filp)
{
	guard(rwsem_read)(&luo_reboot_lock);
	if (luo_rebooting || test_and_set_bit_lock(0, &luo_device_busy))
		return -EBUSY;
	return 0;
}

static int luo_device_release(struct inode *inode, struct file *filp)
{
	clear_bit_unlock(0, &luo_device_busy);
	return 0;
}

static const struct file_operations luo_device_fops = {
	.owner = THIS_MODULE,
	.open = luo_device_open,
	.release = luo_device_release,
	.unlocked_ioctl = luo_device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice luo_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "liveupdate",
	.fops = &luo_device_fops,
	.mode = 0600,
};

/* Nothing of what was handed over can be believed. */
static void __init luo_refuse_all(int error)
{
	luo_session_refuse_all(error);
	luo_flb_refuse_all(error);
}

VISIBLE_IF_KUNIT int luo_check_ser(const struct luo_ser *ser, size_t size)
{
	if (size < sizeof(*ser)) {
		pr_err("the handover is cut off: no session can be retrieved\n");
		return -EIO;
	}
	if (memcmp(ser->compatible, luo_compatible, sizeof(luo_compatible))) {
		pr_err("the handover has version '%*pE', not '%s': no session can be retrieved\n",
		       (int)strnlen(ser->compatible, sizeof(ser->compatible)),
		       ser->compatible, luo_compatible);
		return -EOPNOTSUPP;
	}
	return 0;
}

static const char *__init luo_table_fault(int ret)
{
	return ret == -ENOMEM ? "did not fit in memory" : "is damaged";
}

static void __init luo_take_over(void)
{
	unsigned long outgoing, files, incoming;
	const struct luo_ser *ser;
	phys_addr_t phys;
	size_t size;
	int ret;

	ret = kho_retrieve_subtree(LUO_FDT_NODE, &phys, &size);
	if (ret == -ENOENT)
		return;
	if (ret) {
		pr_err("the handover can't be read: %d\n", ret);
		luo_refuse_all(-EIO);
		return;
	}
	if (!liveupdate_enabled()) {
		pr_warn("off: what the previous kernel handed over is ignored\n");
		return;
	}
	ser = phys_to_virt(phys);
	ret = luo_check_ser(ser, size);
	if (ret) {
		luo_refuse_all(ret);
		return;
	}

	luo_number = ser->liveupdate_num;
	luo_debugfs_keep_in(ser);
	ret = luo_trace_all(luo_load_all,
			    luo_session_load_all(ser->sessions_pa));
	if (ret)
		pr_err("the table of sessions %s, some are lost: %d\n",
		       luo_table_fault(ret), ret);
	ret = luo_flb_load(ser->flbs_pa);
	if (ret)
		pr_err("the table of shared data %s, some are lost: %d\n",
		       luo_table_fault(ret), ret);
	kho_restore_free((void *)ser);
	scoped_guard(rwsem_write, &luo_reboot_lock)
		luo_session_count(&outgoing, &files, &incoming);
	pr_info("live update %llu: %lu sessions were handed over\n",
		luo_number, incoming);
}

/*
 * Who brings up buses and IOMMUs asks for what was handed over; before kho_init()
 * nothing of it can be restored.
 */
static int __init luo_early_init(void)
{
	int ret;

	ret = luo_file_init();
	if (!ret)
		ret = luo_namespace_init();
	if (ret) {
		luo_on = false;
		pr_err("off, no memory: nothing can be retrieved or preserved\n");
		return ret;
	}
	luo_debugfs_init();
	luo_take_over();
	return 0;
}
postcore_initcall(luo_early_init);

static int __init luo_init(void)
{
	int ret;

	if (!liveupdate_enabled())
		return 0;
	luo_sysfs_init(&luo_number);
	ret = misc_register(&luo_device);
	if (ret) {
		luo_on = false;
		pr_err("off: there is no device: %d\n", ret);
	}
	return ret;
}
late_initcall(luo_init);

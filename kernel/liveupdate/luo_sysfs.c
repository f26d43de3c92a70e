// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/liveupdate: what an operator may look at. Read-only.
 *
 * Invariants:
 *  - luo_reboot_lock is not taken here: no reader waits for a reboot, and a
 *    reboot waits for a reader no longer than it takes to list one session;
 *  - a session has one node, however many files are in it. The node goes before
 *    the session does: who reads it need not hold anything else;
 *  - that a node goes is waited for without the lock of the session: its
 *    readers want that lock;
 *  - whoever changes what the state is made of calls luo_sysfs_update() after
 *    that, so that the last one of them has seen it all.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kernfs.h>
#include <linux/kexec_handover.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "luo_namespace.h"
#include "luo_session.h"
#include "luo_show.h"
#include "luo_sysfs.h"

enum luo_state {
	LUO_STATE_NORMAL,
	LUO_STATE_PRESERVING,
	LUO_STATE_UPDATED,
	LUO_STATE_FROZEN,
};

static const char *const luo_state_names[] = {
	[LUO_STATE_NORMAL] = "normal",
	[LUO_STATE_PRESERVING] = "preserving",
	[LUO_STATE_UPDATED] = "updated",
	[LUO_STATE_FROZEN] = "frozen",
};

/* What there is in sysfs; made at boot, it stays. */
static struct luo_sysfs {
	const u64 *number;
	/* directories, NULL if they could not be made */
	struct kernfs_node *outgoing;
	struct kernfs_node *incoming;
	/* of the file "state" */
	struct kernfs_node *state;
	/* protects @told; a leaf */
	spinlock_t lock;
	/* the state that whoever polls the file has been woken for */
	enum luo_state told;
} luo_sysfs = {
	.lock = __SPIN_LOCK_UNLOCKED(luo_sysfs.lock),
};

static enum luo_state luo_state(void)
{
	if (READ_ONCE(luo_rebooting))
		return LUO_STATE_FROZEN;
	if (!list_empty(&luo_incoming.list))
		return LUO_STATE_UPDATED;
	if (atomic_read(&luo_outgoing.nr_with_files))
		return LUO_STATE_PRESERVING;
	return LUO_STATE_NORMAL;
}

/**
 * luo_sysfs_update - something has changed that may change the state
 *
 * Context: process context; does not sleep.
 */
void luo_sysfs_update(void)
{
	enum luo_state state;

	if (!luo_sysfs.state)
		return;
	spin_lock(&luo_sysfs.lock);
	state = luo_state();
	if (state != luo_sysfs.told) {
		luo_sysfs.told = state;
		sysfs_notify_dirent(luo_sysfs.state);
	}
	spin_unlock(&luo_sysfs.lock);
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%s\n", luo_state_names[luo_state()]);
}

static ssize_t number_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%llu\n", *luo_sysfs.number);
}

static ssize_t previous_release_show(struct kobject *kobj,
				     struct kobj_attribute *attr, char *buf)
{
	const char *release = kho_previous_release();

	/* Whatever the previous kernel made of it: escape it. */
	return sysfs_emit(buf, "%*pE\n", (int)strlen(release), release);
}

static struct kobj_attribute luo_state_attr = __ATTR_RO(state);
static struct kobj_attribute luo_number_attr = __ATTR_RO(number);
static struct kobj_attribute luo_previous_release_attr =
	__ATTR_RO(previous_release);

static struct attribute *luo_attrs[] = {
	&luo_state_attr.attr,
	&luo_number_attr.attr,
	&luo_previous_release_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(luo);

static int luo_session_seq_show(struct seq_file *m, void *v)
{
	struct kernfs_open_file *of = m->private;

	return luo_session_show(m, of->kn->priv);
}

static const struct kernfs_ops luo_session_kernfs_ops = {
	.seq_show = luo_session_seq_show,
};

/**
 * luo_sysfs_add - show a session
 * @session: the session, which has its name
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM.
 */
int luo_sysfs_add(struct luo_session *session)
{
	static struct lock_class_key key;
	struct kernfs_node *dir, *kn;
	char name[LUO_SHOWN_NAME_LEN];

	dir = session->incoming ? luo_sysfs.incoming : luo_sysfs.outgoing;
	if (!dir)
		return 0;
	luo_shown_name(name, session->name);
	kn = __kernfs_create_file(dir, name, 0400, GLOBAL_ROOT_UID,
				  GLOBAL_ROOT_GID, 0, &luo_session_kernfs_ops,
				  session, NULL, &key);
	if (IS_ERR(kn))
		return PTR_ERR(kn);
	session->kn = kn;
	return 0;
}

/**
 * luo_sysfs_remove - show a session no more
 * @session: the session, shown or not
 *
 * Waits for who is just reading it.
 *
 * Context: process context, may sleep; the session's lock is not held.
 */
void luo_sysfs_remove(struct luo_session *session)
{
	struct kernfs_node *kn = xchg(&session->kn, NULL);

	lockdep_assert_not_held(&session->files.lock);
	if (kn)
		kernfs_remove(kn);
}

/* Names of sessions are not for everybody. */
static struct kernfs_node *__init
luo_sysfs_mkdir(struct kernfs_node *parent, const char *name)
{
	struct kernfs_node *dir = kernfs_create_dir(parent, name, 0500, NULL);

	return IS_ERR(dir) ? NULL : dir;
}

static int __init luo_sysfs_fill(struct kobject *root)
{
	struct kernfs_node *sessions, *outgoing, *incoming;

	if (sysfs_create_groups(root, luo_groups))
		return -ENOMEM;
	sessions = luo_sysfs_mkdir(root->sd, "sessions");
	if (!sessions)
		return -ENOMEM;
	outgoing = luo_sysfs_mkdir(sessions, "outgoing");
	incoming = luo_sysfs_mkdir(sessions, "incoming");
	if (!outgoing || !incoming)
		return -ENOMEM;
	luo_sysfs.outgoing = outgoing;
	luo_sysfs.incoming = incoming;
	luo_sysfs.state = sysfs_get_dirent(root->sd, "state");
	return 0;
}

/* What can't be shown is no reason to lose it. */
static void __init luo_sysfs_add_incoming(void)
{
	struct luo_session *session;

	guard(rwsem_write)(&luo_reboot_lock);
	list_for_each_entry(session, &luo_incoming.list, list)
		if (luo_sysfs_add(session))
			luo_set_err(&session->files,
				    "no memory to show it in sysfs\n");
}

/**
 * luo_sysfs_init - make the directory, and show what was handed over
 * @number: how many live updates it took to get here
 *
 * Without memory for it, nothing is shown.
 *
 * Context: boot, before user space can ask for a session.
 */
void __init luo_sysfs_init(const u64 *number)
{
	struct kobject *root = kobject_create_and_add("liveupdate", kernel_kobj);

	luo_sysfs.number = number;
	if (!root || luo_sysfs_fill(root)) {
		pr_err("no memory to show anything in sysfs\n");
		/* All that is in it goes, too. */
		kobject_put(root);
		return;
	}
	luo_sysfs_add_incoming();
	luo_sysfs_update();
}

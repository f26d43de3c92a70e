// SPDX-License-Identifier: GPL-2.0
/*
 * What user space can ask for: the ioctls of /dev/liveupdate and of session
 * descriptors. Everything about descriptors and user memory is here, so that
 * luo_session.c needs to know of neither.
 *
 * Invariants:
 *  - a command runs under luo_reboot_lock, and not once the reboot has begun;
 *  - user memory is touched before and after that, never under it;
 *  - the descriptor of an answer becomes visible last, after the answer itself
 *    has reached the caller. If that fails, putting the file undoes the
 *    command: a new session ends, a claimed one is claimable again, and a
 *    retrieved file can be retrieved again.
 */
#include <linux/anon_inodes.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/liveupdate.h>

#include "luo_ioctl.h"
#include "luo_session.h"
#include "luo_show.h"

static_assert(LIVEUPDATE_SESSION_NAME_LENGTH == LUO_SESSION_NAME_LEN);

/* Any command's argument; all begin with their size. */
union luo_ioctl_buf {
	u32 size;
	struct liveupdate_ioctl_create_session create;
	struct liveupdate_ioctl_retrieve_session claim;
	struct liveupdate_session_preserve_fd preserve;
	struct liveupdate_session_retrieve_fd retrieve;
	struct liveupdate_session_finish finish;
	struct liveupdate_session_get_name get_name;
	struct liveupdate_session_unpreserve_fd unpreserve;
};

/**
 * struct luo_ioctl_ctx - a command that is being run
 * @buf: argument, and answer
 * @session: the session asked, NULL for the device
 * @fd: a reserved descriptor, for commands that answer one
 * @file: out: what @fd will stand for
 */
struct luo_ioctl_ctx {
	union luo_ioctl_buf buf;
	struct luo_session *session;
	int fd;
	struct file *file;
};

/**
 * struct luo_ioctl - a command
 * @cmd: its number
 * @size: size of its argument, as this kernel knows it
 * @min_size: size of its argument when it was introduced
 * @answers: the argument is copied back
 * @answers_fd: it answers a descriptor
 * @run: called under luo_reboot_lock
 */
struct luo_ioctl {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	bool answers;
	bool answers_fd;
	int (*run)(struct luo_ioctl_ctx *ctx);
};

#define LUO_IOCTL(_cmd, _arg, _last, _run, ...)				\
	{								\
		.cmd = (_cmd),						\
		.size = sizeof(_arg),					\
		.min_size = offsetofend(_arg, _last),			\
		.run = (_run),						\
		__VA_ARGS__						\
	}

static long luo_session_ioctl(struct file *filp, unsigned int cmd,
			      unsigned long arg);

static int luo_session_fop_release(struct inode *inode, struct file *filp)
{
	guard(rwsem_read)(&luo_reboot_lock);
	luo_session_close(filp->private_data);
	return 0;
}

static void luo_session_show_fdinfo(struct seq_file *m, struct file *filp)
{
	/* Who is interrupted meanwhile does not want to know any more. */
	luo_session_show(m, filp->private_data);
}

static const struct file_operations luo_session_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = luo_session_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = luo_session_fop_release,
	.show_fdinfo = luo_session_show_fdinfo,
	.llseek = noop_llseek,
};

/* The name is known to systemd and CRIU. The session ends if this fails. */
static int luo_session_open(struct luo_session *session, struct file **filp)
{
	char name[sizeof("[luo_session] ") + LUO_SESSION_NAME_LEN];
	struct file *file;

	snprintf(name, sizeof(name), "[luo_session] %s", session->name);
	file = anon_inode_getfile(name, &luo_session_fops, session, O_RDWR);
	if (IS_ERR(file)) {
		luo_session_close(session);
		return PTR_ERR(file);
	}
	*filp = file;
	return 0;
}

static bool luo_name_is_valid(const u8 *name)
{
	size_t len = strnlen(name, LIVEUPDATE_SESSION_NAME_LENGTH);

	return len && len < LIVEUPDATE_SESSION_NAME_LENGTH;
}

static int luo_run_create_session(struct luo_ioctl_ctx *ctx)
{
	struct liveupdate_ioctl_create_session *arg = &ctx->buf.create;
	struct luo_session *session;

	if (!luo_name_is_valid(arg->name))
		return -EINVAL;
	session = luo_session_create(arg->name);
	if (IS_ERR(session))
		return PTR_ERR(session);
	arg->fd = ctx->fd;
	return luo_session_open(session, &ctx->file);
}

static int luo_run_retrieve_session(struct luo_ioctl_ctx *ctx)
{
	struct liveupdate_ioctl_retrieve_session *arg = &ctx->buf.claim;
	struct luo_session *session;

	if (!luo_name_is_valid(arg->name))
		return -EINVAL;
	session = luo_session_claim(arg->name);
	if (IS_ERR(session))
		return PTR_ERR(session);
	arg->fd = ctx->fd;
	return luo_session_open(session, &ctx->file);
}

static int luo_run_preserve_fd(struct luo_ioctl_ctx *ctx)
{
	struct liveupdate_session_preserve_fd *arg = &ctx->buf.preserve;
	struct file *file __free(fput) = fget(arg->fd);

	if (!file)
		return -EBADF;
	return luo_session_preserve(ctx->session, file, arg->token);
}

static int luo_run_unpreserve_fd(struct luo_ioctl_ctx *ctx)
{
	struct liveupdate_session_unpreserve_fd *arg = &ctx->buf.unpreserve;

	if (arg->reserved)
		return -EINVAL;
	return luo_session_unpreserve(ctx->session, arg->token);
}

static int luo_run_retrieve_fd(struct luo_ioctl_ctx *ctx)
{
	struct liveupdate_session_retrieve_fd *arg = &ctx->buf.retrieve;

	arg->fd = ctx->fd;
	return luo_session_retrieve(ctx->session, arg->token, &ctx->file);
}

static int luo_run_finish(struct luo_ioctl_ctx *ctx)
{
	if (ctx->buf.finish.reserved)
		return -EINVAL;
	return luo_session_finish(ctx->session);
}

static int luo_run_get_name(struct luo_ioctl_ctx *ctx)
{
	struct liveupdate_session_get_name *arg = &ctx->buf.get_name;

	if (arg->reserved)
		return -EINVAL;
	strscpy_pad(arg->name, ctx->session->name, sizeof(arg->name));
	return 0;
}

static const struct luo_ioctl luo_device_ioctls[] = {
	LUO_IOCTL(LIVEUPDATE_IOCTL_CREATE_SESSION,
		  struct liveupdate_ioctl_create_session, name,
		  luo_run_create_session, .answers = true, .answers_fd = true),
	LUO_IOCTL(LIVEUPDATE_IOCTL_RETRIEVE_SESSION,
		  struct liveupdate_ioctl_retrieve_session, name,
		  luo_run_retrieve_session, .answers = true,
		  .answers_fd = true),
};

static const struct luo_ioctl luo_session_ioctls[] = {
	LUO_IOCTL(LIVEUPDATE_SESSION_PRESERVE_FD,
		  struct liveupdate_session_preserve_fd, token,
		  luo_run_preserve_fd),
	LUO_IOCTL(LIVEUPDATE_SESSION_RETRIEVE_FD,
		  struct liveupdate_session_retrieve_fd, token,
		  luo_run_retrieve_fd, .answers = true, .answers_fd = true),
	LUO_IOCTL(LIVEUPDATE_SESSION_FINISH,
		  struct liveupdate_session_finish, reserved,
		  luo_run_finish),
	LUO_IOCTL(LIVEUPDATE_SESSION_GET_NAME,
		  struct liveupdate_session_get_name, name,
		  luo_run_get_name, .answers = true),
	LUO_IOCTL(LIVEUPDATE_SESSION_UNPRESERVE_FD,
		  struct liveupdate_session_unpreserve_fd, token,
		  luo_run_unpreserve_fd),
};

static int luo_ioctl_run(const struct luo_ioctl *ioctl,
			 struct luo_ioctl_ctx *ctx)
{
	guard(rwsem_read)(&luo_reboot_lock);
	if (luo_rebooting)
		return -EBUSY;
	return ioctl->run(ctx);
}

/* Publish the descriptor, or undo what there is to it. */
static int luo_ioctl_answer_fd(const struct luo_ioctl *ioctl,
			       struct luo_ioctl_ctx *ctx, void __user *uarg,
			       size_t size)
{
	int ret;

	ctx->fd = get_unused_fd_flags(O_CLOEXEC);
	if (ctx->fd < 0)
		return ctx->fd;
	ret = luo_ioctl_run(ioctl, ctx);
	if (ret)
		goto err_fd;
	if (copy_to_user(uarg, &ctx->buf, size)) {
		ret = -EFAULT;
		goto err_file;
	}
	if (ctx->file->f_op == &luo_session_fops)
		luo_session_announce(ctx->file->private_data);
	fd_install(ctx->fd, ctx->file);
	return 0;

err_file:
	fput(ctx->file);
err_fd:
	put_unused_fd(ctx->fd);
	return ret;
}

static long luo_ioctl_dispatch(const struct luo_ioctl *ioctl,
			       const struct luo_ioctl *end,
			       struct luo_session *session, unsigned int cmd,
			       void __user *uarg)
{
	struct luo_ioctl_ctx ctx = { .session = session };
	u32 size;
	int ret;

	while (ioctl != end && ioctl->cmd != cmd)
		ioctl++;
	if (ioctl == end)
		return -ENOTTY;

	if (get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	if (size < ioctl->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&ctx.buf, ioctl->size, uarg, size);
	if (ret)
		return ret;
	ctx.buf.size = size;
	size = min(size, ioctl->size);

	if (ioctl->answers_fd)
		return luo_ioctl_answer_fd(ioctl, &ctx, uarg, size);
	ret = luo_ioctl_run(ioctl, &ctx);
	if (!ret && ioctl->answers && copy_to_user(uarg, &ctx.buf, size))
		ret = -EFAULT;
	return ret;
}

static long luo_session_ioctl(struct file *filp, unsigned int cmd,
			      unsigned long arg)
{
	return luo_ioctl_dispatch(luo_session_ioctls,
				  luo_session_ioctls +
				  ARRAY_SIZE(luo_session_ioctls),
				  filp->private_data, cmd, (void __user *)arg);
}

/**
 * luo_device_ioctl - ioctl(2) on /dev/liveupdate
 * @filp: the device
 * @cmd: command
 * @arg: its argument
 *
 * Return: 0, or an error: see Documentation/userspace-api/liveupdate.rst.
 */
long luo_device_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return luo_ioctl_dispatch(luo_device_ioctls,
				  luo_device_ioctls +
				  ARRAY_SIZE(luo_device_ioctls),
				  NULL, cmd, (void __user *)arg);
}

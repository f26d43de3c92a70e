// SPDX-License-Identifier: GPL-2.0
/*
 * Kexec HandOver: what the image of the next kernel is given.
 *
 * The image names the outgoing FDT and scratch, and its segments lie in scratch.
 * Those that the handover is not for, or that don't want it, are as before: crash
 * kernels, images of kexec_load(), and ones with kho=off.
 */
#define pr_fmt(fmt) "KHO: " fmt

#include <linux/cleanup.h>
#include <linux/ioport.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kstrtox.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "kho_core.h"
#include "kho_damage.h"
#include "kho_scratch.h"

/**
 * kho_cmdline_off - does the command line of an image turn an option off?
 * @image: of kexec_file_load(), being loaded
 * @option: name of a boolean early parameter
 *
 * Context: process context, may sleep.
 * Return: 1 if it does, 0 if not, or -ENOMEM.
 */
int kho_cmdline_off(const struct kimage *image, const char *option)
{
	char *copy __free(kfree) = NULL, *args, *param, *value;
	bool on = true, last;

	if (!image->cmdline_buf_len)
		return 0;
	copy = kmemdup_nul(image->cmdline_buf, image->cmdline_buf_len, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;

	args = skip_spaces(copy);
	while (*args) {
		args = next_arg(args, &param, &value);
		if (!value && !strcmp(param, "--"))
			break;
		/* The last one counts, and nonsense does not. */
		if (value && !strcmp(param, option) && !kstrtobool(value, &last))
			on = last;
	}
	return !on;
}

/**
 * kho_fill_kimage - add the handover to an image that is being loaded
 * @image: of kexec_file_load()
 *
 * Context: process context, the kexec lock is held.
 * Return: 0 or a negative errno.
 */
int kho_fill_kimage(struct kimage *image)
{
	const struct kho_scratch_ser *scratch;
	struct kexec_buf kbuf = {
		.image = image,
		.mem = KEXEC_BUF_MEM_UNKNOWN,
		.buf_align = SZ_64K,
		.buf_max = ULONG_MAX,
		.top_down = true,
	};
	unsigned int nr;
	int err;

	if (!kho_is_enabled() || image->type == KEXEC_TYPE_CRASH)
		return 0;

	err = kho_cmdline_off(image, "kho");
	if (err < 0)
		return err;
	if (err) {
		pr_warn("the kernel that is loaded has kho=off: it gets no handover\n");
		return 0;
	}

	scratch = kho_scratch_table(&nr);
	kbuf.bufsz = nr * sizeof(*scratch);
	kbuf.memsz = kbuf.bufsz;
	/* Freed with the image's other buffers: nothing of it is allocated. */
	kbuf.buffer = (void *)scratch;
	err = kexec_add_buffer(&kbuf);
	if (err)
		return err;

	image->kho.fdt = kho_fdt_phys();
	image->kho.scratch = kbuf.mem;
	image->kho.scratch_size = kbuf.bufsz;
	kho_damage_load(image);
	return 0;
}

/**
 * kho_is_in_image - does an image get a handover?
 * @image: of kexec_file_load(), after kho_fill_kimage()
 *
 * Return: true if so.
 */
bool kho_is_in_image(const struct kimage *image)
{
	return image->kho.fdt;
}

/**
 * kho_check_image - will the loaded image get the handover?
 *
 * Context: the kexec lock is held.
 * Return: 0 if it will; -ENOENT if there is no image, or one of kexec_load(), or
 * one with kho=off.
 */
int kho_check_image(void)
{
	return kexec_image && kexec_image->kho.fdt ? 0 : -ENOENT;
}

/**
 * kho_walk_scratch - look for room for a segment in scratch
 * @kbuf: the segment
 * @func: called for each region, ends the walk by a value other than 0
 *
 * Return: -EOPNOTSUPP if the segment may lie anywhere, otherwise the last value
 * of @func.
 */
int kho_walk_scratch(struct kexec_buf *kbuf,
		     int (*func)(struct resource *res, void *arg))
{
	const struct kho_scratch_ser *scratch;
	unsigned int nr, i;
	int ret = 0;

	if (!kho_is_enabled() || kbuf->image->type == KEXEC_TYPE_CRASH)
		return -EOPNOTSUPP;

	scratch = kho_scratch_table(&nr);
	for (i = 0; i < nr && !ret; i++) {
		struct resource res = {
			.start = scratch[i].addr,
			.end = scratch[i].addr + scratch[i].size - 1,
		};

		ret = func(&res, kbuf);
	}
	return ret;
}

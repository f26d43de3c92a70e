// SPDX-License-Identifier: GPL-2.0
/*
 * Damage what is handed over, for tests of the kernel that has to read it.
 *
 *	kho_damage.replace=TABLE:OLD:NEW
 *
 * TABLE is "fdt" or the name of a subtree. The first OLD in it becomes NEW, a
 * text of the same length.
 *
 *	kho_damage.write=PATH:OFFSET=VALUE[,PATH:OFFSET=VALUE]...
 *
 * The 64 bits at OFFSET of a table become VALUE; with "^" or "+" in place of "="
 * they are flipped by it, or it is added. PATH is TABLE[/OFFSET]...: the table
 * whose physical address is at OFFSET of the one before. OFFSET may be "*", the
 * first place that is not 0. To begin with, TABLE is
 *
 *	fdt		the KHO FDT
 *	NODE.PROPERTY	a property of one of its nodes, ".PROPERTY" of the root
 *	image		address of the FDT; address and size of the table of scratch
 *			regions: as an image tells them
 *	scratch		the table of scratch regions
 *
 * VALUE is a number; the address of a PATH; "text", "scratch" or "outside" for an
 * address in this kernel, in scratch or behind the end of memory; or what is
 * there at [PATH:OFFSET]. Any of them may be shifted by ">>N".
 *
 * An image and scratch are damaged when an image is loaded; all else in the last
 * moment before the kexec, after it was written. What is found here is this
 * kernel's own, so it is believed.
 */
#define pr_fmt(fmt) "KHO: damage: " fmt

#include <linux/err.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kstrtox.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/security.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <asm/sections.h>

#include "kho_damage.h"
#include "kho_scratch.h"

/* Parameters of a module are set under a lock, and at the end there is one task. */
static char kho_damage_replace[64];
static char kho_damage_write[1024];

/* What is damaged of an image that is being loaded. */
static u8 kho_damage_scratch[SZ_4K];

static int kho_damage_set_replace(const char *value, const struct kernel_param *kp)
{
	char copy[sizeof(kho_damage_replace)], *rest = copy, *table, *old;

	if (security_locked_down(LOCKDOWN_DEV_MEM))
		return -EPERM;
	if (strscpy(copy, value) < 0)
		return -EINVAL;
	table = strsep(&rest, ":");
	old = strsep(&rest, ":");
	if (!*table || !old || !*old || !rest)
		return -EINVAL;
	rest[strcspn(rest, "\n")] = '\0';
	if (strlen(old) != strlen(rest))
		return -EINVAL;
	strscpy(kho_damage_replace, value);
	return 0;
}

static int kho_damage_set_write(const char *value, const struct kernel_param *kp)
{
	if (security_locked_down(LOCKDOWN_DEV_MEM))
		return -EPERM;
	if (strlen(value) >= sizeof(kho_damage_write))
		return -EINVAL;
	strscpy(kho_damage_write, value);
	kho_damage_write[strcspn(kho_damage_write, "\n")] = '\0';
	return 0;
}

static const struct kernel_param_ops kho_damage_replace_ops = {
	.set = kho_damage_set_replace,
};
module_param_cb(replace, &kho_damage_replace_ops, NULL, 0200);

static const struct kernel_param_ops kho_damage_write_ops = {
	.set = kho_damage_set_write,
};
module_param_cb(write, &kho_damage_write_ops, NULL, 0200);

static void *kho_damage_at(phys_addr_t phys)
{
	return phys && pfn_valid(PHYS_PFN(phys)) ? phys_to_virt(phys) : NULL;
}

static void *kho_damage_property(void *fdt, char *name)
{
	char *node_name = strsep(&name, ".");
	int node = 0, len;

	if (*node_name)
		node = fdt_subnode_offset(fdt, 0, node_name);
	return node < 0 || !name ? NULL : fdt_getprop_w(fdt, node, name, &len);
}

static void *kho_damage_table(struct kimage *image, char *name)
{
	if (!strcmp(name, "image"))
		return &image->kho;
	if (!strcmp(name, "scratch"))
		return kho_damage_scratch;
	if (!strcmp(name, "fdt"))
		return kho_damage_at(image->kho.fdt);
	return kho_damage_property(kho_damage_at(image->kho.fdt), name);
}

/* The place of 64 bits in @table. */
static u64 *kho_damage_slot(void *table, const char *offset)
{
	u64 *slot = table;
	unsigned long bytes;

	if (!table || !offset)
		return NULL;
	if (strcmp(offset, "*"))
		return kstrtoul(offset, 0, &bytes) ? NULL : table + bytes;
	while (!get_unaligned(slot) && !PAGE_ALIGNED(slot + 1))
		slot++;
	return slot;
}

static void *kho_damage_walk(struct kimage *image, char *path)
{
	void *table = kho_damage_table(image, strsep(&path, "/"));

	while (table && path) {
		u64 *slot = kho_damage_slot(table, strsep(&path, "/"));

		table = slot ? kho_damage_at(get_unaligned(slot)) : NULL;
	}
	return table;
}

static u64 *kho_damage_place(struct kimage *image, char *place)
{
	char *offset = place;
	void *table = kho_damage_walk(image, strsep(&offset, ":"));

	return kho_damage_slot(table, offset);
}

static int kho_damage_source(struct kimage *image, char *text, u64 *value)
{
	const struct kho_scratch_ser *scratch;
	unsigned int nr;
	void *table;

	if (!kstrtou64(text, 0, value))
		return 0;

	scratch = kho_scratch_table(&nr);
	if (!strcmp(text, "text")) {
		*value = __pa_symbol(_text);
	} else if (!strcmp(text, "scratch")) {
		*value = scratch[nr - 1].addr;
	} else if (!strcmp(text, "outside")) {
		*value = PFN_PHYS(max_pfn) + SZ_1G;
	} else if (*text == '[') {
		text[strcspn(text, "]")] = '\0';
		table = kho_damage_place(image, text + 1);
		if (!table)
			return -ENOENT;
		*value = get_unaligned((u64 *)table);
	} else {
		table = kho_damage_walk(image, text);
		if (!table)
			return -ENOENT;
		*value = virt_to_phys(table);
	}
	return 0;
}

static int kho_damage_value(struct kimage *image, char *text, u64 *value)
{
	char *shift = strstr(text, ">>");
	unsigned int bits = 0;
	int err;

	if (shift) {
		*shift = '\0';
		if (kstrtouint(shift + 2, 0, &bits) || bits > 63)
			return -EINVAL;
	}
	err = kho_damage_source(image, text, value);
	*value >>= bits;
	return err;
}

static int kho_damage_one(struct kimage *image, char *place)
{
	char *text = strpbrk(place, "=^+"), how;
	u64 *slot, value, old;

	if (!text)
		return -EINVAL;
	how = *text;
	*text++ = '\0';
	slot = kho_damage_place(image, place);
	if (!slot || kho_damage_value(image, text, &value))
		return -ENOENT;

	old = get_unaligned(slot);
	if (how == '^')
		value ^= old;
	else if (how == '+')
		value += old;
	put_unaligned(value, slot);
	pr_notice("0x%llx is 0x%llx now\n", old, value);
	return 0;
}

/* Some of the damages are done on loading, the others before the jump. */
static void kho_damage_all(struct kimage *image, bool load)
{
	char *copy __free(kfree) = kstrdup(kho_damage_write, GFP_KERNEL);
	char *rest = copy, *one;

	while (rest && (one = strsep(&rest, ",")) && *one) {
		bool of_image = str_has_prefix(one, "image:") ||
				str_has_prefix(one, "scratch:");

		if (of_image == load && kho_damage_one(image, one))
			pr_err("there is no %s\n", one);
	}
}

/**
 * kho_damage_load - damage what an image says of scratch and the FDT
 * @image: of kexec_file_load(), just after kho_fill_kimage()
 *
 * Context: the kexec lock is held.
 */
void kho_damage_load(struct kimage *image)
{
	struct kexec_segment *segment = image->segment;
	unsigned int nr;

	kho_scratch_table(&nr);
	if (WARN_ON_ONCE(nr * sizeof(struct kho_scratch_ser) > sizeof(kho_damage_scratch)))
		return;
	while (segment->mem != image->kho.scratch)
		segment++;
	memcpy(kho_damage_scratch, segment->kbuf, segment->bufsz);
	segment->kbuf = kho_damage_scratch;

	kernel_param_lock(THIS_MODULE);
	kho_damage_all(image, true);
	kernel_param_unlock(THIS_MODULE);
}

static void *kho_damage_find(void *fdt, const char *table, size_t *size)
{
	const u64 *blob, *blob_size;
	int node;

	*size = PAGE_SIZE;
	if (!strcmp(table, "fdt"))
		return fdt;

	node = fdt_subnode_offset(fdt, 0, table);
	if (node < 0)
		return NULL;
	blob = fdt_getprop(fdt, node, KHO_FDT_BLOB_PROP, NULL);
	blob_size = fdt_getprop(fdt, node, KHO_FDT_BLOB_SIZE_PROP, NULL);
	if (!blob || !blob_size)
		return NULL;
	*size = get_unaligned(blob_size);
	return phys_to_virt(get_unaligned(blob));
}

static void kho_damage_text(struct kimage *image)
{
	char *rest = kho_damage_replace, *table, *old, *at;
	size_t size, len;

	table = strsep(&rest, ":");
	old = strsep(&rest, ":");
	len = strlen(old);
	at = kho_damage_find(phys_to_virt(image->kho.fdt), table, &size);
	for (; at && size >= len; at++, size--) {
		if (memcmp(at, old, len))
			continue;
		memcpy(at, rest, len);
		pr_notice("%s in %s is %.*s now\n", old, table, (int)len, rest);
		return;
	}
	pr_err("%s has no %s\n", table, old);
}

static int kho_damage(struct notifier_block *nb, unsigned long action, void *data)
{
	if (!kexec_in_progress || kho_check_image())
		return NOTIFY_DONE;
	if (*kho_damage_replace)
		kho_damage_text(kexec_image);
	kho_damage_all(kexec_image, false);
	return NOTIFY_DONE;
}

static struct notifier_block kho_damage_notifier = {
	.notifier_call = kho_damage,
};

static int __init kho_damage_init(void)
{
	return register_reboot_notifier(&kho_damage_notifier);
}
core_initcall(kho_damage_init);

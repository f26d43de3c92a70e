// SPDX-License-Identifier: GPL-2.0
/*
 * Damage what is handed over, for tests of the kernel that has to read it.
 *
 *	kho_damage.replace=TABLE:OLD:NEW
 *
 * TABLE is "fdt" or the name of a subtree. In the last moment before the kexec
 * the first OLD in it becomes NEW, a text of the same length.
 */
#define pr_fmt(fmt) "KHO: damage: " fmt

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/libfdt.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

static char kho_damage_order[64];

/* Parameters of a module are set under a lock, and at the end there is one task. */
static int kho_damage_set(const char *value, const struct kernel_param *kp)
{
	char copy[sizeof(kho_damage_order)], *rest = copy, *table, *old;

	if (strscpy(copy, value) < 0)
		return -EINVAL;
	table = strsep(&rest, ":");
	old = strsep(&rest, ":");
	if (!*table || !old || !*old || !rest)
		return -EINVAL;
	rest[strcspn(rest, "\n")] = '\0';
	if (strlen(old) != strlen(rest))
		return -EINVAL;
	strscpy(kho_damage_order, value);
	return 0;
}

static const struct kernel_param_ops kho_damage_ops = {
	.set = kho_damage_set,
};
module_param_cb(replace, &kho_damage_ops, NULL, 0200);

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

static int kho_damage(struct notifier_block *nb, unsigned long action, void *data)
{
	char *rest = kho_damage_order, *table, *old, *at;
	size_t size, len;

	if (!*rest || !kexec_in_progress || kho_check_image())
		return NOTIFY_DONE;
	table = strsep(&rest, ":");
	old = strsep(&rest, ":");
	len = strlen(old);
	at = kho_damage_find(phys_to_virt(kexec_image->kho.fdt), table, &size);
	for (; at && size >= len; at++, size--) {
		if (memcmp(at, old, len))
			continue;
		memcpy(at, rest, len);
		pr_notice("%s in %s is %.*s now\n", old, table, (int)len, rest);
		return NOTIFY_DONE;
	}
	pr_err("%s has no %s\n", table, old);
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

// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/kho: what was handed over to this kernel (in/) and what it
 * would hand over now (out/). Read-only.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/seq_file.h>

#include "kho_debugfs.h"
#include "kho_memory.h"
#include "kho_scratch.h"

static struct debugfs_blob_wrapper kho_fdt_in;
static struct debugfs_blob_wrapper kho_fdt_out;

static int scratch_show(struct seq_file *m, void *v)
{
	const struct kho_scratch_ser *scratch;
	unsigned int nr, i;

	scratch = kho_scratch_table(&nr);
	for (i = 0; i < nr; i++)
		seq_printf(m, "0x%llx 0x%llx\n", scratch[i].addr, scratch[i].size);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(scratch);

static int preserved_pages_get(void *data, u64 *val)
{
	*val = kho_nr_preserved();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(preserved_pages_fops, preserved_pages_get, NULL, "%llu\n");

static int unclaimed_pages_get(void *data, u64 *val)
{
	*val = kho_nr_restorable();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(unclaimed_pages_fops, unclaimed_pages_get, NULL, "%llu\n");

/* debugfs_init() is a core_initcall too: what it makes is made after it. */
static int __init kho_debugfs_create(void)
{
	struct dentry *root, *in, *out;

	if (!kho_fdt_out.data)
		return 0;

	root = debugfs_create_dir("kho", NULL);
	out = debugfs_create_dir("out", root);
	debugfs_create_blob("fdt", 0400, out, &kho_fdt_out);
	debugfs_create_file("scratch", 0400, out, NULL, &scratch_fops);
	debugfs_create_file_unsafe("preserved_pages", 0400, out, NULL,
				   &preserved_pages_fops);
	if (!kho_fdt_in.data)
		return 0;

	in = debugfs_create_dir("in", root);
	debugfs_create_blob("fdt", 0400, in, &kho_fdt_in);
	debugfs_create_file_unsafe("unclaimed_pages", 0400, in, NULL,
				   &unclaimed_pages_fops);
	return 0;
}
late_initcall(kho_debugfs_create);

/**
 * kho_debugfs_init - name what is to be shown
 * @fdt_in: FDT of the previous kernel, or NULL
 * @fdt_out: FDT for the next kernel
 */
void __init kho_debugfs_init(const void *fdt_in, const void *fdt_out)
{
	kho_fdt_in.data = (void *)fdt_in;
	kho_fdt_in.size = fdt_in ? PAGE_SIZE : 0;
	kho_fdt_out.data = (void *)fdt_out;
	kho_fdt_out.size = PAGE_SIZE;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/kho: what was handed over to this kernel (in/) and what it
 * would hand over now (out/). Read-only.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/libfdt.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "kho_debugfs.h"
#include "kho_memory.h"
#include "kho_scratch.h"

/* Of a subtree no more than this is kept. */
#define KHO_DEBUGFS_MAX		SZ_64K

/* A copy of what was handed over as a subtree; the name is in the FDT. */
struct kho_subtree_copy {
	struct list_head list;
	const char *name;
	struct debugfs_blob_wrapper blob;
	u8 data[];
};

static LIST_HEAD(kho_subtrees_in);
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
	struct dentry *root, *in, *out, *subtrees;
	struct kho_subtree_copy *copy;

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
	subtrees = debugfs_create_dir("subtrees", in);
	list_for_each_entry(copy, &kho_subtrees_in, list)
		debugfs_create_blob(copy->name, 0400, subtrees, &copy->blob);
	return 0;
}
late_initcall(kho_debugfs_create);

static void __init kho_debugfs_keep_subtree(const char *name)
{
	struct kho_subtree_copy *copy;
	phys_addr_t phys;
	size_t size;

	if (kho_retrieve_subtree(name, &phys, &size))
		return;
	size = min(size, KHO_DEBUGFS_MAX);
	copy = kvmalloc(struct_size(copy, data, size), GFP_KERNEL);
	if (!copy)
		return;
	memcpy(copy->data, phys_to_virt(phys), size);
	copy->name = name;
	copy->blob.data = copy->data;
	copy->blob.size = size;
	list_add_tail(&copy->list, &kho_subtrees_in);
}

/**
 * kho_debugfs_keep - copy what was handed over, before it is given back
 * @fdt_in: FDT of the previous kernel, or NULL
 */
void __init kho_debugfs_keep(const void *fdt_in)
{
	const char *name;
	int node;

	if (!fdt_in)
		return;
	fdt_for_each_subnode(node, fdt_in, 0) {
		name = fdt_get_name(fdt_in, node, NULL);
		if (name)
			kho_debugfs_keep_subtree(name);
	}
}

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

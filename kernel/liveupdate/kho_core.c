// SPDX-License-Identifier: GPL-2.0
/*
 * Kexec HandOver (KHO): what this kernel found, and what it leaves.
 *
 * The way through a boot:
 *
 *	kho_populate()		the boot data name an FDT and scratch regions;
 *				from here on memblock allocates from scratch only
 *	kho_memory_known()	memblock knows all memory: is scratch a part of it?
 *	kho_memory_open()	all memory is mapped: believe the handover or
 *				refuse it, reserve what is preserved, open the rest
 *	kho_scratch_reserve()	just before memblock frees everything
 *	kho_scratch_mark()	just after it
 *	kho_init()		an initcall: free scratch and gaps, start the
 *				outgoing handover
 *
 * Invariants:
 *  - a handover is believed whole or refused whole, with one line in the log;
 *    a machine never fails to boot because of one;
 *  - the outgoing FDT and map are at fixed places from kho_init() on and always
 *    valid, so an image can be loaded before or after memory is preserved.
 */
#define pr_fmt(fmt) "KHO: " fmt

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/crash_dump.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kstrtox.h>
#include <linux/libfdt.h>
#include <linux/list.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <linux/utsname.h>

#include "kho_core.h"
#include "kho_debugfs.h"
#include "kho_memory.h"
#include "kho_scratch.h"

struct kho_subtree {
	struct list_head list;
	const char *name;
	void *blob;
	size_t size;
};

/* The outgoing handover. */
static struct kho_fdt_out {
	/* protects the members that say so; taken before that of kho_preserve.c */
	struct mutex lock;
	/** @fdt: one preserved page; its contents under @lock */
	void *fdt;
	/** @subtrees: of &struct kho_subtree; under @lock */
	struct list_head subtrees;
} kho_out = {
	.lock = __MUTEX_INITIALIZER(kho_out.lock),
	.subtrees = LIST_HEAD_INIT(kho_out.subtrees),
};

/* The incoming handover, written at boot only. */
static struct kho_fdt_in {
	/** @fdt_phys: 0 if there is none, or it is refused */
	phys_addr_t fdt_phys;
	const void *fdt;
	/** @refused: there was one, and this is no crash kernel */
	bool refused;
	/** @kexec_count: kexecs since the last cold boot */
	u32 kexec_count;
	/** @previous_release: of the previous kernel, empty if not known */
	char previous_release[KHO_METADATA_RELEASE];
} kho_in __ro_after_init;

static bool kho_enable __ro_after_init =
	IS_ENABLED(CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT);

static int __init kho_parse_enable(char *p)
{
	return kstrtobool(p, &kho_enable);
}
early_param("kho", kho_parse_enable);

/**
 * kho_is_enabled - can memory be preserved in this kernel?
 *
 * Return: whether it can.
 */
bool kho_is_enabled(void)
{
	return kho_enable;
}
EXPORT_SYMBOL_GPL(kho_is_enabled);

/**
 * is_kho_boot - has a previous kernel handed something over?
 *
 * Return: whether one has, and it was not refused.
 */
bool is_kho_boot(void)
{
	return kho_in.fdt;
}
EXPORT_SYMBOL_GPL(is_kho_boot);

/**
 * kho_was_refused - has a previous kernel handed something over in vain?
 *
 * What was preserved is free memory now: devices that have access to it must not
 * go on.
 *
 * Context: early boot, after kho_memory_open().
 * Return: whether it has.
 */
bool __init kho_was_refused(void)
{
	return kho_in.refused;
}

/**
 * kho_previous_release - which kernel was here before?
 *
 * Return: its release, any bytes, or "".
 */
const char *kho_previous_release(void)
{
	return kho_in.previous_release;
}

/**
 * kho_populate - the boot data tell of a handover
 * @fdt_phys: physical address of the FDT
 * @fdt_len: its size
 * @scratch_phys: physical address of the table of scratch regions
 * @scratch_len: its size
 *
 * Context: early boot, before memblock knows any memory.
 */
void __init kho_populate(phys_addr_t fdt_phys, u64 fdt_len,
			 phys_addr_t scratch_phys, u64 scratch_len)
{
	if (!fdt_phys || !IS_ALIGNED(fdt_phys, PAGE_SIZE) ||
	    fdt_len != PAGE_SIZE || kho_in.fdt_phys ||
	    kho_scratch_adopt(scratch_phys, scratch_len)) {
		pr_err("refused: the boot data name an impossible FDT (%pa+0x%llx) or scratch (%pa+0x%llx)\n",
		       &fdt_phys, fdt_len, &scratch_phys, scratch_len);
		kho_in.refused = true;
		return;
	}
	kho_in.fdt_phys = fdt_phys;
}

/**
 * kho_memory_known - refuse scratch that is not there
 *
 * Context: early boot, memblock knows all memory and nothing is mapped yet.
 */
void __init kho_memory_known(void)
{
	if (!kho_in.fdt_phys || kho_scratch_is_memory())
		return;
	pr_err("refused: scratch is not memory of this machine\n");
	kho_scratch_forget();
	kho_in.fdt_phys = 0;
	kho_in.refused = true;
}

/* What does the FDT of the previous kernel say? It is one page. */
VISIBLE_IF_KUNIT int __init kho_read_fdt(const void *fdt, u64 *map_phys)
{
	if (fdt_check_header(fdt) || fdt_totalsize(fdt) > PAGE_SIZE) {
		pr_err("refused: the FDT is damaged\n");
		return -EINVAL;
	}
	if (fdt_node_check_compatible(fdt, 0, KHO_FDT_COMPATIBLE)) {
		pr_err("refused: the previous kernel does not speak %s\n",
		       KHO_FDT_COMPATIBLE);
		return -EINVAL;
	}
	if (kho_fdt_get_u64(fdt, 0, KHO_FDT_MAP_PROP, map_phys)) {
		pr_err("refused: the FDT names no map\n");
		return -EINVAL;
	}
	return 0;
}

static int __init kho_check_fdt(phys_addr_t fdt_phys, u64 *map_phys)
{
	if (!memblock_is_region_memory(fdt_phys, PAGE_SIZE) ||
	    kho_scratch_overlaps(fdt_phys, PAGE_SIZE)) {
		pr_err("refused: the FDT is not in preservable memory\n");
		return -EFAULT;
	}
	return kho_read_fdt(phys_to_virt(fdt_phys), map_phys);
}

/**
 * kho_memory_open - open all memory that is not preserved
 *
 * Context: early boot, all memory is known and mapped.
 */
void __init kho_memory_open(void)
{
	u64 map_phys;

	/* A crash kernel looks at what is left, it does not continue it. */
	if (is_kdump_kernel()) {
		kho_enable = false;
		kho_in.refused = false;
	}
	if (!kho_in.fdt_phys)
		return;

	if (!kho_enable) {
		pr_warn("off: what the previous kernel preserved is lost\n");
		goto refuse;
	}
	if (kho_check_fdt(kho_in.fdt_phys, &map_phys))
		goto refuse;
	if (kho_memory_ingest(map_phys)) {
		pr_err("refused: the map of preserved memory is damaged\n");
		goto refuse;
	}
	if (!kho_was_preserved(kho_in.fdt_phys, 1)) {
		kho_memory_forget();
		pr_err("refused: the FDT was not preserved\n");
		goto refuse;
	}

	kho_scratch_keep();
	kho_in.fdt = phys_to_virt(kho_in.fdt_phys);
	return;

refuse:
	kho_scratch_forget();
	kho_in.fdt_phys = 0;
	kho_in.refused = !is_kdump_kernel();
}

/**
 * kho_scratch_reserve - reserve scratch before memblock frees everything
 *
 * Context: boot, nearly all boot memory is allocated.
 */
void __init kho_scratch_reserve(void)
{
	if (!kho_enable)
		return;
	if (is_kho_boot()) {
		kho_scratch_keep_all();
	} else if (kho_scratch_alloc()) {
		pr_err("off: no memory for scratch\n");
		kho_enable = false;
	}
}

/* Lay the FDT out anew in @fdt, a page. */
static int kho_write_fdt(void *fdt)
{
	struct kho_subtree *subtree;
	u64 map = kho_memory_map_phys();
	int err;

	lockdep_assert_held(&kho_out.lock);

	err = fdt_create(fdt, PAGE_SIZE);
	err = err ?: fdt_finish_reservemap(fdt);
	err = err ?: fdt_begin_node(fdt, "");
	err = err ?: fdt_property_string(fdt, "compatible", KHO_FDT_COMPATIBLE);
	err = err ?: fdt_property(fdt, KHO_FDT_MAP_PROP, &map, sizeof(map));
	list_for_each_entry(subtree, &kho_out.subtrees, list) {
		u64 phys = virt_to_phys(subtree->blob), size = subtree->size;

		err = err ?: fdt_begin_node(fdt, subtree->name);
		err = err ?: fdt_property(fdt, KHO_FDT_BLOB_PROP, &phys, sizeof(phys));
		err = err ?: fdt_property(fdt, KHO_FDT_BLOB_SIZE_PROP, &size,
					  sizeof(size));
		err = err ?: fdt_end_node(fdt);
	}
	err = err ?: fdt_end_node(fdt);
	err = err ?: fdt_finish(fdt);

	return err ? -ENOSPC : 0;
}

static int kho_update_fdt(void)
{
	void *fdt = (void *)get_zeroed_page(GFP_KERNEL);
	int err;

	if (!fdt)
		return -ENOMEM;
	err = kho_write_fdt(fdt);
	if (!err)
		memcpy(kho_out.fdt, fdt, PAGE_SIZE);
	free_page((unsigned long)fdt);
	return err;
}

/**
 * kho_fdt_phys - where the outgoing FDT is
 *
 * Context: from kho_init() on, with KHO enabled.
 * Return: its physical address, the same until the kexec.
 */
phys_addr_t kho_fdt_phys(void)
{
	return virt_to_phys(kho_out.fdt);
}

/**
 * kho_add_subtree - hand a blob over to the next kernel under a name
 * @name: unique, must stay valid until kho_remove_subtree()
 * @blob: in memory that the caller has preserved
 * @size: size of the blob in bytes
 *
 * Context: process context, may sleep.
 * Return: 0, -EEXIST, -ENOSPC, -ENOMEM, or -EOPNOTSUPP with KHO off.
 */
int kho_add_subtree(const char *name, void *blob, size_t size)
{
	struct kho_subtree *subtree, *other;
	int err;

	if (!kho_out.fdt)
		return -EOPNOTSUPP;

	subtree = kzalloc(sizeof(*subtree), GFP_KERNEL);
	if (!subtree)
		return -ENOMEM;
	subtree->name = name;
	subtree->blob = blob;
	subtree->size = size;

	mutex_lock(&kho_out.lock);
	list_for_each_entry(other, &kho_out.subtrees, list) {
		if (!strcmp(other->name, name)) {
			err = -EEXIST;
			goto free;
		}
	}
	list_add_tail(&subtree->list, &kho_out.subtrees);
	err = kho_update_fdt();
	if (err)
		goto unlist;
	mutex_unlock(&kho_out.lock);
	return 0;

unlist:
	list_del(&subtree->list);
free:
	mutex_unlock(&kho_out.lock);
	kfree(subtree);
	return err;
}
EXPORT_SYMBOL_GPL(kho_add_subtree);

/**
 * kho_remove_subtree - undo kho_add_subtree()
 * @blob: as it was added; one that was not is ignored
 *
 * Context: process context, may sleep.
 */
void kho_remove_subtree(void *blob)
{
	struct kho_subtree *subtree;

	guard(mutex)(&kho_out.lock);
	list_for_each_entry(subtree, &kho_out.subtrees, list) {
		if (subtree->blob != blob)
			continue;
		list_del(&subtree->list);
		/* Shorter than what is there, so it fits in place. */
		WARN_ON_ONCE(kho_write_fdt(kho_out.fdt));
		kfree(subtree);
		return;
	}
}
EXPORT_SYMBOL_GPL(kho_remove_subtree);

/**
 * kho_fdt_get_u64 - read a number from a flattened device tree
 * @fdt: the tree
 * @node: offset of a node
 * @name: a property of it
 * @value: on return the number, in the byte order of the machine
 *
 * Return: 0 or -EINVAL.
 */
int kho_fdt_get_u64(const void *fdt, int node, const char *name, u64 *value)
{
	const u64 *prop;
	int len;

	prop = fdt_getprop(fdt, node, name, &len);
	if (!prop || len != sizeof(*value))
		return -EINVAL;
	*value = get_unaligned(prop);
	return 0;
}

/* Find a blob of the previous kernel's FDT, which has been checked. */
VISIBLE_IF_KUNIT int kho_find_blob(const void *fdt, const char *name,
				   u64 *phys, u64 *size)
{
	int node = fdt_subnode_offset(fdt, 0, name);
	u64 end;

	/* libfdt finds "name@1" as well. */
	if (node < 0 || strcmp(fdt_get_name(fdt, node, NULL), name))
		return -ENOENT;

	if (kho_fdt_get_u64(fdt, node, KHO_FDT_BLOB_PROP, phys) ||
	    kho_fdt_get_u64(fdt, node, KHO_FDT_BLOB_SIZE_PROP, size) ||
	    !*size || check_add_overflow(*phys, *size, &end) ||
	    !kho_was_preserved(PAGE_ALIGN_DOWN(*phys),
			       PHYS_PFN(end - 1) - PHYS_PFN(*phys) + 1)) {
		pr_err("what is handed over as %*pE is not preserved memory\n",
		       (int)strlen(name), name);
		return -EINVAL;
	}
	return 0;
}

/**
 * kho_retrieve_subtree - find a blob of the previous kernel
 * @name: as it was added there
 * @phys: on return its physical address
 * @size: on return its size in bytes, not 0
 *
 * Context: any, from kho_memory_open() on.
 * Return: 0, -ENOENT if there is none, or -EINVAL if what is there is not
 * preserved memory.
 */
int kho_retrieve_subtree(const char *name, phys_addr_t *phys, size_t *size)
{
	u64 blob, len;
	int err;

	if (!kho_in.fdt)
		return -ENOENT;
	err = kho_find_blob(kho_in.fdt, name, &blob, &len);
	if (err)
		return err;
	*phys = blob;
	*size = len;
	return 0;
}
EXPORT_SYMBOL_GPL(kho_retrieve_subtree);

VISIBLE_IF_KUNIT bool __init kho_metadata_is_sane(const struct kho_metadata_ser *meta,
						  size_t size)
{
	return size >= sizeof(*meta) && meta->version == KHO_METADATA_VERSION &&
	       strnlen(meta->previous_release, KHO_METADATA_RELEASE) <
	       KHO_METADATA_RELEASE;
}

static void __init kho_read_metadata(void)
{
	const struct kho_metadata_ser *meta;
	phys_addr_t phys;
	size_t size;

	if (kho_retrieve_subtree(KHO_METADATA_NODE, &phys, &size))
		return;
	meta = phys_to_virt(phys);
	if (!kho_metadata_is_sane(meta, size)) {
		pr_err("metadata of the previous kernel are damaged\n");
		return;
	}
	kho_in.kexec_count = meta->kexec_count;
	strscpy(kho_in.previous_release, meta->previous_release);
	/* Whatever the previous kernel made of it: escape it. */
	pr_info("kexec %u since the last cold boot, from %*pE, %lu pages preserved\n",
		meta->kexec_count, (int)strlen(kho_in.previous_release),
		kho_in.previous_release, kho_nr_restorable());
	kho_restore_free(phys_to_virt(phys));
}

static int __init kho_write_metadata(void)
{
	struct kho_metadata_ser *meta = kho_alloc_preserve(sizeof(*meta));
	int err;

	if (IS_ERR(meta))
		return PTR_ERR(meta);
	meta->version = KHO_METADATA_VERSION;
	meta->kexec_count = kho_in.kexec_count + 1;
	strscpy(meta->previous_release, init_utsname()->release,
		sizeof(meta->previous_release));

	err = kho_add_subtree(KHO_METADATA_NODE, meta, sizeof(*meta));
	if (err)
		kho_unpreserve_free(meta);
	return err;
}

/* After page_alloc_init_late(), and before anybody wants to preserve. */
static int __init kho_init(void)
{
	void *fdt;
	int err;

	kho_scratch_release();
	kho_memory_release_gaps();
	if (!kho_enable)
		return 0;

	/* The FDT is read as long as this kernel lives: nobody else may have it. */
	if (kho_in.fdt)
		kho_retain_pages(kho_in.fdt_phys, 1);
	kho_debugfs_keep(kho_in.fdt);
	kho_read_metadata();
	err = kho_memory_create();
	if (err)
		goto off;
	fdt = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(fdt)) {
		err = PTR_ERR(fdt);
		goto off;
	}
	kho_out.fdt = fdt;
	err = kho_write_metadata();
	if (err) {
		kho_out.fdt = NULL;
		kho_unpreserve_free(fdt);
		goto off;
	}
	kho_debugfs_init(kho_in.fdt, kho_out.fdt);
	return 0;

off:
	pr_err("off: no memory for the handover (%d)\n", err);
	kho_enable = false;
	return err;
}
core_initcall(kho_init);

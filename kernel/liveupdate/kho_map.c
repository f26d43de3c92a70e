// SPDX-License-Identifier: GPL-2.0
/*
 * The preserved-memory map: which blocks of memory the next kernel must leave
 * alone. A pure data structure; it knows nothing about who uses it.
 *
 * The map is a set of keys. The key of a block of order o at page frame p is
 *
 *	(1 << (52 - o)) | (p >> o)
 *
 * so the top bit tells the order. Keys are kept in a radix tree of six levels,
 * all of whole pages: a leaf is a bitmap of the low 15 bits of the key, each of
 * the five levels of inner nodes takes 9 bits more and holds the physical
 * addresses of its children, 0 for none. The next kernel reads the very same
 * pages, so the layout is ABI.
 *
 * Invariants:
 *  - no node but the root is empty: whoever clears its last bit or entry frees
 *    it, so an abandoned preservation leaves nothing behind;
 *  - nodes are pages of their own, never slab objects, which could lie where
 *    the next kernel puts itself;
 *  - nodes are not part of the map;
 *  - without a root a map is empty: it can be asked, but not added to.
 */
#define pr_fmt(fmt) "KHO: " fmt

#include <linux/align.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/printk.h>

#include "kho_map.h"

#define KHO_MAP_NODE_ENTRIES	BIT(KHO_MAP_NODE_BITS)

/**
 * kho_map_key - key of a block
 * @pfn: first page frame, a multiple of 2^@order
 * @order: the block has 2^@order pages
 *
 * Return: the key.
 */
u64 kho_map_key(unsigned long pfn, unsigned int order)
{
	return BIT_ULL(52 - order) | (pfn >> order);
}

static unsigned int key_index(u64 key, unsigned int level)
{
	return (key >> (KHO_MAP_LEAF_BITS + (level - 1) * KHO_MAP_NODE_BITS)) &
	       (KHO_MAP_NODE_ENTRIES - 1);
}

static unsigned long key_bit(u64 key)
{
	return key & (KHO_MAP_AREA_PAGES - 1);
}

static unsigned int key_order(u64 key)
{
	return 52 - ilog2(key);
}

static unsigned long key_pfn(u64 key)
{
	unsigned int order = key_order(key);

	return (key & ~BIT_ULL(52 - order)) << order;
}

static noinline unsigned long *kho_map_walk(struct kho_map *map, u64 key)
{
	u64 *node = map->root;
	unsigned int level;

	for (level = KHO_MAP_ROOT_LEVEL; node && level; level--) {
		u64 phys = node[key_index(key, level)];

		node = phys ? phys_to_virt(phys) : NULL;
	}
	if (node) {
		map->last_key = key >> KHO_MAP_LEAF_BITS;
		map->last_leaf = (unsigned long *)node;
	}
	return (unsigned long *)node;
}

/* The leaf that was asked for last is map->last_leaf, if there was one. */
static unsigned long *kho_map_leaf(struct kho_map *map, u64 key)
{
	/* Pages in a row are what is asked for most. */
	if (likely(map->last_leaf && map->last_key == key >> KHO_MAP_LEAF_BITS))
		return map->last_leaf;
	return kho_map_walk(map, key);
}

/**
 * kho_alloc_folio - allocate memory that can be handed over
 * @gfp: as of folio_alloc(), without a zone
 * @order: order of the folio
 *
 * Where memory was added since boot, most of what is free may be of that. It is
 * never below 4 GiB: firmware has what can be added behind all that is there.
 *
 * Context: process context, may sleep.
 * Return: the folio, or NULL.
 */
struct folio *kho_alloc_folio(gfp_t gfp, unsigned int order)
{
	struct folio *folio = folio_alloc(gfp, order);

	if (!folio || kho_was_there_at_boot(folio_pfn(folio), order))
		return folio;
	folio_put(folio);
	folio = folio_alloc(gfp | GFP_DMA32, order);
	if (folio && kho_was_there_at_boot(folio_pfn(folio), order))
		return folio;
	if (folio)
		folio_put(folio);
	pr_warn_ratelimited("no free memory that was there at boot: nothing else can be preserved\n");
	return NULL;
}

static u64 *kho_map_alloc_node(void)
{
	struct folio *folio = kho_alloc_folio(GFP_KERNEL | __GFP_ZERO, 0);

	return folio ? folio_address(folio) : NULL;
}

/**
 * kho_map_create - make an empty map
 * @map: to be initialised
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kho_map_create(struct kho_map *map)
{
	*map = (struct kho_map){
		.root = kho_map_alloc_node(),
	};
	return map->root ? 0 : -ENOMEM;
}

static void kho_map_free_node(u64 *node, unsigned int level)
{
	unsigned int i;

	for (i = 0; level && i < KHO_MAP_NODE_ENTRIES; i++)
		if (node[i])
			kho_map_free_node(phys_to_virt(node[i]), level - 1);
	free_page((unsigned long)node);
}

/**
 * kho_map_destroy - free a map and all its nodes
 * @map: the map
 */
void kho_map_destroy(struct kho_map *map)
{
	if (map->root)
		kho_map_free_node(map->root, KHO_MAP_ROOT_LEVEL);
	*map = (struct kho_map){};
}

/* Free the nodes on the way to @key that have become empty, from the leaf up. */
static void kho_map_prune(struct kho_map *map, u64 key)
{
	u64 *path[KHO_MAP_ROOT_LEVEL + 1];
	unsigned int level;

	map->last_leaf = NULL;
	path[KHO_MAP_ROOT_LEVEL] = map->root;
	for (level = KHO_MAP_ROOT_LEVEL; level; level--) {
		u64 phys = path[level][key_index(key, level)];

		if (!phys)
			break;
		path[level - 1] = phys_to_virt(phys);
	}
	/* An incomplete path is one that kho_map_add() could not finish. */
	for (; level < KHO_MAP_ROOT_LEVEL; level++) {
		if (memchr_inv(path[level], 0, PAGE_SIZE))
			return;
		free_page((unsigned long)path[level]);
		path[level + 1][key_index(key, level + 1)] = 0;
	}
}

/**
 * kho_map_add - add a block
 * @map: the map
 * @pfn: first page frame, a multiple of 2^@order
 * @order: the block has 2^@order pages
 *
 * A block that overlaps another of a different order is not noticed here, but
 * when the map is read.
 *
 * Context: process context, may sleep; the caller holds the lock of the map.
 * Return: 0, -EINVAL for a bad order or alignment, -EEXIST or -ENOMEM; the map
 * is unchanged after an error.
 */
int kho_map_add(struct kho_map *map, unsigned long pfn, unsigned int order)
{
	unsigned int level;
	u64 *node;
	u64 key;

	if (order > KHO_MAP_MAX_ORDER || !IS_ALIGNED(pfn, BIT(order)))
		return -EINVAL;

	key = kho_map_key(pfn, order);
	node = (u64 *)kho_map_leaf(map, key);
	if (node)
		goto set;

	node = map->root;
	for (level = KHO_MAP_ROOT_LEVEL; level; level--) {
		u64 *slot = &node[key_index(key, level)];

		if (!*slot) {
			void *child = kho_map_alloc_node();

			if (!child) {
				kho_map_prune(map, key);
				return -ENOMEM;
			}
			*slot = virt_to_phys(child);
		}
		node = phys_to_virt(*slot);
	}
set:
	return __test_and_set_bit(key_bit(key), (unsigned long *)node) ?
	       -EEXIST : 0;
}

/**
 * kho_map_del - remove a block
 * @map: the map
 * @pfn: as it was added
 * @order: as it was added
 *
 * Context: any, the caller holds the lock of the map.
 * Return: whether exactly this block was in the map.
 */
bool kho_map_del(struct kho_map *map, unsigned long pfn, unsigned int order)
{
	u64 key = kho_map_key(pfn, order);
	unsigned long *leaf = kho_map_leaf(map, key);

	if (!leaf || !__test_and_clear_bit(key_bit(key), leaf))
		return false;
	if (!leaf[BIT_WORD(key_bit(key))])
		kho_map_prune(map, key);
	return true;
}

/**
 * kho_map_test - is a block in the map?
 * @map: the map
 * @pfn: first page frame
 * @order: order of the block
 *
 * Return: whether exactly this block is in the map.
 */
bool kho_map_test(struct kho_map *map, unsigned long pfn,
		  unsigned int order)
{
	u64 key = kho_map_key(pfn, order);
	unsigned long *leaf = kho_map_leaf(map, key);

	return leaf && test_bit(key_bit(key), leaf);
}

/**
 * kho_map_order - order of the block that starts at a page frame
 * @map: the map
 * @pfn: page frame
 * @hint: order to try first, at most %KHO_MAP_MAX_ORDER
 *
 * Return: the order, or -ENOENT if no block starts there.
 */
int kho_map_order(struct kho_map *map, unsigned long pfn,
		  unsigned int hint)
{
	u64 key = kho_map_key(pfn, hint);
	unsigned long *leaf;
	unsigned int order;

	if (likely(IS_ALIGNED(pfn, BIT(hint)))) {
		leaf = kho_map_leaf(map, key);
		if (likely(leaf && test_bit(key_bit(key), leaf)))
			return hint;
	}
	for (order = 0; order <= KHO_MAP_MAX_ORDER; order++) {
		if (!IS_ALIGNED(pfn, BIT(order)))
			break;
		if (kho_map_test(map, pfn, order))
			return order;
	}
	return -ENOENT;
}

/**
 * kho_map_take - remove the block that starts at a page frame, keep all nodes
 * @map: the map
 * @pfn: page frame
 * @hint: as of kho_map_order()
 *
 * For a map whose nodes belong to somebody else.
 *
 * Context: any, the caller holds the lock of the map.
 * Return: the order of the block, or -ENOENT if none starts there.
 */
int kho_map_take(struct kho_map *map, unsigned long pfn, unsigned int hint)
{
	int order = kho_map_order(map, pfn, hint);

	if (order >= 0)
		__clear_bit(key_bit(kho_map_key(pfn, order)), map->last_leaf);
	return order;
}

/**
 * kho_map_find - order of the block that a page frame lies in
 * @map: the map
 * @pfn: page frame
 *
 * Return: the order, or -ENOENT if it lies in none.
 */
int kho_map_find(struct kho_map *map, unsigned long pfn)
{
	unsigned int order;

	for (order = 0; order <= KHO_MAP_MAX_ORDER; order++)
		if (kho_map_test(map, ALIGN_DOWN(pfn, BIT(order)), order))
			return order;
	return -ENOENT;
}

/**
 * kho_map_covers - is a range of pages all in blocks of the map?
 * @map: the map
 * @pfn: first page frame
 * @nr_pages: length of the range
 *
 * Return: whether it is.
 */
bool kho_map_covers(struct kho_map *map, unsigned long pfn,
		    unsigned long nr_pages)
{
	unsigned long end;

	if (check_add_overflow(pfn, nr_pages, &end))
		return false;

	while (pfn < end) {
		int order = kho_map_find(map, pfn);

		if (order < 0)
			return false;
		pfn = ALIGN_DOWN(pfn, BIT(order)) + BIT(order);
	}
	return true;
}

/**
 * kho_map_area - which pages of an area are in the map, whatever the order
 * @map: the map
 * @area: the area starts at page frame @area * %KHO_MAP_AREA_PAGES
 * @bitmap: of %KHO_MAP_AREA_PAGES bits; on return the pages of the area that
 *	belong to a block
 *
 * This makes runs of pages of what may be single pages in several orders, and
 * costs per area and run, not per page.
 *
 * Return: 0, or -EINVAL if two blocks overlap.
 */
int kho_map_area(struct kho_map *map, unsigned long area,
		 unsigned long *bitmap)
{
	unsigned long pfn = area << KHO_MAP_LEAF_BITS;
	bool empty = true;
	unsigned int order;

	bitmap_zero(bitmap, KHO_MAP_AREA_PAGES);

	for (order = 0; order <= KHO_MAP_MAX_ORDER; order++) {
		u64 key = kho_map_key(ALIGN_DOWN(pfn, BIT(order)), order);
		unsigned long *leaf = kho_map_leaf(map, key);
		unsigned long first = key_bit(key), last, start, end;

		if (!leaf)
			continue;

		if (order >= KHO_MAP_LEAF_BITS) {
			if (!test_bit(first, leaf))
				continue;
			if (!empty)
				return -EINVAL;
			bitmap_fill(bitmap, KHO_MAP_AREA_PAGES);
			empty = false;
			continue;
		}

		last = first + (KHO_MAP_AREA_PAGES >> order);
		for (start = find_next_bit(leaf, last, first); start < last;
		     start = find_next_bit(leaf, last, end)) {
			unsigned long from = (start - first) << order, to;

			end = find_next_zero_bit(leaf, last, start);
			to = (end - first) << order;
			if (!empty && find_next_bit(bitmap, to, from) < to)
				return -EINVAL;
			bitmap_set(bitmap, from, to - from);
		}
		empty = bitmap_empty(bitmap, KHO_MAP_AREA_PAGES);
	}
	return 0;
}

static int kho_map_check_leaf(u64 key, const unsigned long *leaf,
			      unsigned long end_pfn, unsigned long *nr_pages)
{
	unsigned int order;
	u64 last;

	if (bitmap_empty(leaf, KHO_MAP_AREA_PAGES))
		return 0;
	/* Only the keys of orders that no block has come without a top bit. */
	if (!key)
		return -EINVAL;

	order = key_order(key);
	last = key | find_last_bit(leaf, KHO_MAP_AREA_PAGES);
	if (order > KHO_MAP_MAX_ORDER || key_pfn(last) + BIT(order) > end_pfn)
		return -ERANGE;

	*nr_pages += (unsigned long)bitmap_weight(leaf, KHO_MAP_AREA_PAGES) << order;
	return 0;
}

static int kho_map_check_node(u64 phys, unsigned int level, u64 key,
			      unsigned long end_pfn, kho_map_node_fn node_fn,
			      void *arg, unsigned long *nr_pages)
{
	u64 *node;
	unsigned int i;
	int err;

	if (!IS_ALIGNED(phys, PAGE_SIZE))
		return -EINVAL;
	err = node_fn(phys, arg);
	if (err)
		return err;

	node = phys_to_virt(phys);
	if (!level)
		return kho_map_check_leaf(key, (unsigned long *)node, end_pfn,
					  nr_pages);

	for (i = 0; i < KHO_MAP_NODE_ENTRIES; i++) {
		unsigned int shift = KHO_MAP_LEAF_BITS +
				     (level - 1) * KHO_MAP_NODE_BITS;

		if (!node[i])
			continue;
		err = kho_map_check_node(node[i], level - 1,
					 key | ((u64)i << shift), end_pfn,
					 node_fn, arg, nr_pages);
		if (err)
			return err;
	}
	return 0;
}

/**
 * kho_map_check - check a map that somebody else has written
 * @map: the map, only its root is believed to be an address
 * @end_pfn: no block may end above it
 * @node_fn: asked for each node before it is read
 * @arg: for @node_fn
 * @nr_pages: on return the number of pages in all blocks
 *
 * A loop is found by @node_fn, which must refuse a page that it has seen.
 * Overlaps are found by kho_map_area().
 *
 * Return: 0 or a negative errno.
 */
int kho_map_check(struct kho_map *map, unsigned long end_pfn,
		  kho_map_node_fn node_fn, void *arg, unsigned long *nr_pages)
{
	*nr_pages = 0;
	return kho_map_check_node(virt_to_phys(map->root), KHO_MAP_ROOT_LEVEL, 0,
				  end_pfn, node_fn, arg, nr_pages);
}

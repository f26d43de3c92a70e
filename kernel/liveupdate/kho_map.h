/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KHO_MAP_H
#define _KHO_MAP_H

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/types.h>

/* A leaf is one page of bits, an inner node one page of physical addresses. */
#define KHO_MAP_LEAF_BITS	(PAGE_SHIFT + 3)
#define KHO_MAP_NODE_BITS	(PAGE_SHIFT - 3)
#define KHO_MAP_ROOT_LEVEL	5

/*
 * The highest order whose keys do not fit the leaf of another order's first
 * blocks; 256 TiB, far beyond what is preserved in one block.
 */
#define KHO_MAP_MAX_ORDER	36

/* What one leaf of order 0 covers: the unit of kho_map_area(). */
#define KHO_MAP_AREA_PAGES	BIT(KHO_MAP_LEAF_BITS)
#define KHO_MAP_AREA_LONGS	(KHO_MAP_AREA_PAGES / BITS_PER_LONG)

/**
 * struct kho_map - set of preserved blocks
 * @root: root node
 * @last_leaf: the leaf that was used last, or NULL
 * @last_key: of @last_leaf, without the bits that the leaf tells apart
 *
 * The owner of the map serialises access to it.
 */
struct kho_map {
	u64 *root;
	unsigned long *last_leaf;
	u64 last_key;
};

/*
 * Is this page, whose address is aligned, a node that may be believed? It is
 * asked once for each reference, so it can tell one that is referenced twice.
 * 0 if it is, a negative errno otherwise.
 */
typedef int (*kho_map_node_fn)(phys_addr_t phys, void *arg);

/*
 * The next kernel is told of the memory that was there at boot: what has been
 * added since can't be preserved, nor be a node.
 */
static inline bool kho_was_there_at_boot(unsigned long pfn, unsigned int order)
{
	return !IS_ENABLED(CONFIG_MEMORY_HOTPLUG) ||
	       (early_section(__pfn_to_section(pfn)) &&
		early_section(__pfn_to_section(pfn + BIT(order) - 1)));
}

u64 kho_map_key(unsigned long pfn, unsigned int order);
struct folio *kho_alloc_folio(gfp_t gfp, unsigned int order);
int kho_map_add(struct kho_map *map, unsigned long pfn, unsigned int order);
bool kho_map_del(struct kho_map *map, unsigned long pfn, unsigned int order);
bool kho_map_test(struct kho_map *map, unsigned long pfn,
		  unsigned int order);
int kho_map_order(struct kho_map *map, unsigned long pfn,
		  unsigned int hint);
int kho_map_take(struct kho_map *map, unsigned long pfn, unsigned int hint);
int kho_map_find(struct kho_map *map, unsigned long pfn);
bool kho_map_covers(struct kho_map *map, unsigned long pfn,
		    unsigned long nr_pages);
int kho_map_area(struct kho_map *map, unsigned long area,
		 unsigned long *bitmap);
int kho_map_check(struct kho_map *map, unsigned long end_pfn,
		  kho_map_node_fn node_fn, void *arg, unsigned long *nr_pages);
int kho_map_create(struct kho_map *map);
void kho_map_destroy(struct kho_map *map);

#endif /* _KHO_MAP_H */

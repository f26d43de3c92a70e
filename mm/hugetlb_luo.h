/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_HUGETLB_LUO_H
#define _MM_HUGETLB_LUO_H

#include <linux/nodemask.h>
#include <linux/types.h>

struct hstate;
struct hugetlb_luo_folio_ser;
struct hugetlb_luo_range_ser;
struct hugetlb_luo_ser;
struct hugetlb_pool_ser;
struct liveupdate_file_op_args;

#ifdef CONFIG_LIVEUPDATE_HUGETLB

/* hugetlb_luo_pool.c */
int hugetlb_luo_pool_add(struct hstate *h, const struct hugetlb_luo_folio_ser *table,
			 unsigned long nr);
void hugetlb_luo_pool_remove(struct hstate *h,
			     const struct hugetlb_luo_folio_ser *table,
			     unsigned long nr);
void hugetlb_luo_expect_pages(struct hstate *h);
void hugetlb_luo_leave_room(struct hstate *h);
int hugetlb_luo_poorest_node(const struct hstate *h, const unsigned int *got,
			     const nodemask_t *nodes);

/* hugetlb_luo_retrieve.c */
int hugetlb_luo_retrieve(struct liveupdate_file_op_args *args);
void hugetlb_luo_finish(struct liveupdate_file_op_args *args);
loff_t hugetlb_luo_get_size(const struct liveupdate_file_op_args *args);

#if IS_ENABLED(CONFIG_KUNIT)
bool hugetlb_pool_is_sane(const struct hugetlb_pool_ser *ser, size_t size,
			  u64 max_pages);
bool hugetlb_luo_ser_is_sane(const struct hugetlb_luo_ser *ser);
int hugetlb_luo_preserved_order(phys_addr_t phys);
int hugetlb_luo_check_table(const struct hugetlb_luo_ser *ser,
			    const struct hugetlb_luo_folio_ser *table);
int hugetlb_luo_check_ranges(const struct hugetlb_luo_ser *ser,
			     const struct hugetlb_luo_folio_ser *table,
			     const struct hugetlb_luo_range_ser *ranges);
#endif

#else

static inline void hugetlb_luo_expect_pages(struct hstate *h)
{
}

static inline void hugetlb_luo_leave_room(struct hstate *h)
{
}

#endif /* CONFIG_LIVEUPDATE_HUGETLB */

#endif /* _MM_HUGETLB_LUO_H */

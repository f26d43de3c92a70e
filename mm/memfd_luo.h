/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/types.h>

struct liveupdate_file_op_args;
struct memfd_luo_folio_ser;
struct memfd_luo_ser;

int memfd_luo_retrieve(struct liveupdate_file_op_args *args);
void memfd_luo_finish(struct liveupdate_file_op_args *args);
loff_t memfd_luo_get_size(const struct liveupdate_file_op_args *args);

#if IS_ENABLED(CONFIG_KUNIT)
int memfd_check_ser(const struct memfd_luo_ser *ser);
int memfd_check_table(const struct memfd_luo_folio_ser *table,
		      unsigned long nr, u64 size);
#endif

#endif /* _MM_MEMFD_LUO_H */

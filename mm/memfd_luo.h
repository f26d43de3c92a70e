/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/types.h>

struct liveupdate_file_op_args;

int memfd_luo_retrieve(struct liveupdate_file_op_args *args);
void memfd_luo_finish(struct liveupdate_file_op_args *args);
loff_t memfd_luo_get_size(const struct liveupdate_file_op_args *args);

#endif /* _MM_MEMFD_LUO_H */

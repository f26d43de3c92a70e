/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

struct liveupdate_file_op_args;

int memfd_luo_retrieve(struct liveupdate_file_op_args *args);
void memfd_luo_finish(struct liveupdate_file_op_args *args);

#endif /* _MM_MEMFD_LUO_H */

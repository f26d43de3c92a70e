/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_FLB_H
#define _LUO_FLB_H

#include <linux/types.h>

struct liveupdate_file_handler;
struct luo_flb_ser;

/* the FLBs of a handler, and its files */
int luo_flb_register(struct liveupdate_file_handler *handler);
void luo_flb_unregister(struct liveupdate_file_handler *handler);
int luo_flb_preserve(struct liveupdate_file_handler *handler);
void luo_flb_unpreserve(struct liveupdate_file_handler *handler);
void luo_flb_finish(struct liveupdate_file_handler *handler);

/* all FLBs */
int luo_flb_serialise(u64 *table);
void luo_flb_unserialise(void);
int luo_flb_load(u64 table);
const struct luo_flb_ser *luo_flb_table(u64 table, bool own, size_t *nr);
void luo_flb_refuse_all(int error);

#if IS_ENABLED(CONFIG_LIVEUPDATE_KUNIT_TEST)
struct luo_flb_header_ser;
int luo_flb_load_table(const struct luo_flb_header_ser *header);
void luo_flb_forget_incoming(void);
#endif

#endif /* _LUO_FLB_H */

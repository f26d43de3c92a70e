/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_HANDLER_H
#define _LUO_HANDLER_H

struct file;
struct liveupdate_file_handler;

struct liveupdate_file_handler *luo_handler_get_for(struct file *file);
struct liveupdate_file_handler *luo_handler_get_named(const char *compatible);
void luo_handler_put(struct liveupdate_file_handler *handler);

#endif /* _LUO_HANDLER_H */

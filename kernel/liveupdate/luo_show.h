/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_SHOW_H
#define _LUO_SHOW_H

#include <linux/kho/abi/luo.h>

struct luo_session;
struct seq_file;

/* A name of which each character has become "\xHH", and its NUL. */
#define LUO_SHOWN_NAME_LEN	(4 * (LUO_SESSION_NAME_LEN - 1) + 1)

void luo_shown_name(char *shown, const char *name);
int luo_session_show(struct seq_file *m, struct luo_session *session);

#endif /* _LUO_SHOW_H */

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_SYSFS_H
#define _LUO_SYSFS_H

#include <linux/types.h>

struct luo_session;

#ifdef CONFIG_SYSFS
void luo_sysfs_init(const u64 *number);
void luo_sysfs_update(void);
int luo_sysfs_add(struct luo_session *session);
void luo_sysfs_remove(struct luo_session *session);
#else
static inline void luo_sysfs_init(const u64 *number)
{
}

static inline void luo_sysfs_update(void)
{
}

static inline int luo_sysfs_add(struct luo_session *session)
{
	return 0;
}

static inline void luo_sysfs_remove(struct luo_session *session)
{
}
#endif

#endif /* _LUO_SYSFS_H */

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_DEBUGFS_H
#define _LUO_DEBUGFS_H

struct luo_ser;

#ifdef CONFIG_LIVEUPDATE_DEBUGFS
void luo_debugfs_init(void);
void luo_debugfs_keep_in(const struct luo_ser *ser);
void luo_debugfs_keep_out(const struct luo_ser *ser);
#else
static inline void luo_debugfs_init(void)
{
}

static inline void luo_debugfs_keep_in(const struct luo_ser *ser)
{
}

static inline void luo_debugfs_keep_out(const struct luo_ser *ser)
{
}
#endif

#endif /* _LUO_DEBUGFS_H */

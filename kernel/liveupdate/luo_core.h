/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_CORE_H
#define _LUO_CORE_H

#include <linux/types.h>

struct luo_ser;

#if IS_ENABLED(CONFIG_KUNIT)
int luo_check_ser(const struct luo_ser *ser, size_t size);
#endif

#endif /* _LUO_CORE_H */

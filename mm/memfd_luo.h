/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/time64.h>
#include <linux/types.h>

struct liveupdate_file_op_args;
struct memfd_luo_folio_ser;
struct memfd_luo_ser;

int memfd_luo_retrieve(struct liveupdate_file_op_args *args);
void memfd_luo_finish(struct liveupdate_file_op_args *args);
loff_t memfd_luo_get_size(const struct liveupdate_file_op_args *args);

/* A millisecond apart. */
#define MEMFD_LUO_DISCARD_TRIES	10

/* Another try may work. */
static inline bool memfd_luo_is_passing(int err)
{
	return err == -ENOMEM || err == -EINTR || err == -EAGAIN;
}

/*
 * Who gives up a memfd can't be told to try again, so that is done for him. To be
 * asked after each try, with a @tries that begins as 0.
 */
static inline bool memfd_luo_may_retry(int err, unsigned int *tries)
{
	if (!memfd_luo_is_passing(err) || ++*tries == MEMFD_LUO_DISCARD_TRIES)
		return false;
	fsleep(USEC_PER_MSEC);
	return true;
}

#if IS_ENABLED(CONFIG_KUNIT)
int memfd_check_ser(const struct memfd_luo_ser *ser);
int memfd_check_table(const struct memfd_luo_folio_ser *table,
		      unsigned long nr, u64 size);
#endif

#endif /* _MM_MEMFD_LUO_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of iommufd contexts: the records of one.
 *
 * Nothing is believed that the previous kernel has written: here each record is
 * looked at on its own; that they fit together is seen when a context is made of
 * them, see liveupdate_in.c.
 */
#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/block.h>
#include <linux/mm.h>
#include <linux/overflow.h>

#include "liveupdate.h"

const size_t iommufd_ser_sizes[IOMMUFD_SER_KINDS] = {
	[IOMMUFD_SER_IOAS] = sizeof(struct iommufd_ioas_ser),
	[IOMMUFD_SER_RANGE] = sizeof(struct iommufd_range_ser),
	[IOMMUFD_SER_PAGES] = sizeof(struct iommufd_pages_ser),
	[IOMMUFD_SER_AREA] = sizeof(struct iommufd_area_ser),
	[IOMMUFD_SER_HWPT] = sizeof(struct iommufd_hwpt_ser),
	[IOMMUFD_SER_DEVICE] = sizeof(struct iommufd_device_ser),
};

static bool id_is_sane(u32 id)
{
	return id && id <= INT_MAX;
}

static bool ioas_is_sane(const struct iommufd_ioas_ser *ser)
{
	return id_is_sane(ser->id) && !(ser->flags & ~IOMMUFD_IOAS_SER_SMALL_PAGES);
}

static bool range_is_sane(const struct iommufd_range_ser *ser)
{
	return id_is_sane(ser->ioas_id) && ser->start < ser->last && !ser->reserved;
}

static bool pages_is_sane(const struct iommufd_pages_ser *ser)
{
	u64 end;

	return ser->npages && !check_add_overflow(ser->index, ser->npages, &end) &&
	       end <= MAX_LFS_FILESIZE >> PAGE_SHIFT &&
	       !(ser->flags & ~IOMMUFD_PAGES_SER_WRITEABLE) && !ser->reserved;
}

static bool area_is_sane(const struct iommufd_area_ser *ser)
{
	u64 last;

	return id_is_sane(ser->ioas_id) && ser->length &&
	       !check_add_overflow(ser->iova, ser->length - 1, &last) &&
	       !check_add_overflow(ser->start, ser->length - 1, &last) &&
	       ser->flags && !(ser->flags & ~(IOMMUFD_AREA_SER_READABLE |
					      IOMMUFD_AREA_SER_WRITEABLE)) &&
	       !ser->reserved;
}

static bool hwpt_is_sane(const struct iommufd_hwpt_ser *ser)
{
	return id_is_sane(ser->id) && id_is_sane(ser->ioas_id) &&
	       !(ser->flags & ~(IOMMUFD_HWPT_SER_AUTO | IOMMUFD_HWPT_SER_COHERENT)) &&
	       !ser->reserved;
}

static bool device_is_sane(const struct iommufd_device_ser *ser)
{
	return id_is_sane(ser->id) && (!ser->hwpt_id || id_is_sane(ser->hwpt_id)) &&
	       ser->segment <= INT_MAX && !ser->reserved;
}

VISIBLE_IF_KUNIT bool iommufd_ser_record_is_sane(enum iommufd_ser_kind kind,
						 const void *record)
{
	switch (kind) {
	case IOMMUFD_SER_IOAS:
		return ioas_is_sane(record);
	case IOMMUFD_SER_RANGE:
		return range_is_sane(record);
	case IOMMUFD_SER_PAGES:
		return pages_is_sane(record);
	case IOMMUFD_SER_AREA:
		return area_is_sane(record);
	case IOMMUFD_SER_HWPT:
		return hwpt_is_sane(record);
	case IOMMUFD_SER_DEVICE:
		return device_is_sane(record);
	default:
		return false;
	}
}

/**
 * iommufd_ser_find - what was handed over for a context
 * @phys: Where it should be
 *
 * Return: it, or NULL if there is no such thing.
 */
const struct iommufd_ser *iommufd_ser_find(u64 phys)
{
	const struct iommufd_ser *ser;
	int kind;

	if (!PAGE_ALIGNED(phys) || !kho_was_preserved(phys, 1))
		return NULL;
	ser = phys_to_virt(phys);
	if (ser->flags)
		return NULL;
	for (kind = 0; kind < IOMMUFD_SER_KINDS; kind++)
		if (!ser->chains[kind].first != !ser->chains[kind].count)
			return NULL;
	return ser;
}

/**
 * iommufd_ser_read - read all records of a kind
 * @ser: What was handed over
 * @kind: Of which records
 * @fn: Called for each, until it fails
 * @arg: For @fn
 *
 * Return: 0, -EINVAL if the records are damaged, or what @fn has returned.
 */
int iommufd_ser_read(const struct iommufd_ser *ser, enum iommufd_ser_kind kind,
		     int (*fn)(void *arg, const void *record), void *arg)
{
	const struct iommufd_chain_ser *chain = &ser->chains[kind];
	struct kho_block_reader reader;
	const void *record;
	u64 nr = 0;
	int rc;

	kho_block_reader_init(&reader, chain->first, iommufd_ser_sizes[kind]);
	while ((record = kho_block_next(&reader))) {
		if (IS_ERR(record))
			return PTR_ERR(record);
		if (nr++ == chain->count || !iommufd_ser_record_is_sane(kind, record))
			return -EINVAL;
		rc = fn(arg, record);
		if (rc)
			return rc;
	}
	return nr == chain->count ? 0 : -EINVAL;
}

/**
 * iommufd_ser_free - nobody needs what was handed over any more
 * @ser: It
 */
void iommufd_ser_free(const struct iommufd_ser *ser)
{
	int kind;

	for (kind = 0; kind < IOMMUFD_SER_KINDS; kind++)
		kho_block_restore_free(ser->chains[kind].first, iommufd_ser_sizes[kind]);
	kho_restore_free((void *)ser);
}

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PCI_LIVEUPDATE_H
#define _PCI_LIVEUPDATE_H

#include <linux/list.h>
#include <linux/mutex_types.h>
#include <linux/types.h>

struct liveupdate_flb_op_args;
struct pci_liveupdate_dev_ser;
struct pci_liveupdate_ser;
struct pci_dev;

/*
 * Protects all that is in liveupdate*.c, and the fields of struct pci_dev that
 * they write. Taken under the locks of LUO and under pci_rescan_remove_lock;
 * pci_bus_sem and the locks of IOMMU groups are taken under it.
 */
extern struct mutex pci_liveupdate_lock;

/**
 * struct pci_liveupdate_out - what is handed over
 * @ser: says where @table is
 * @table: a preserved array, with room for @max entries
 * @max: entries
 * @devices: of &struct pci_liveupdate_dev
 * @nr: length of @devices
 */
struct pci_liveupdate_out {
	struct pci_liveupdate_ser *ser;
	struct pci_liveupdate_dev_ser *table;
	size_t max;
	struct list_head devices;
	size_t nr;
};

/* @flag: PCI_LIVEUPDATE_*, why @dev is needed */
typedef int (*pci_liveupdate_fn)(struct pci_dev *dev, unsigned int flag, void *data);

int pci_liveupdate_walk_needed(struct pci_dev *dev, pci_liveupdate_fn fn, void *data);

/* liveupdate_in.c */
int pci_liveupdate_retrieve_all(struct liveupdate_flb_op_args *args);
void pci_liveupdate_finish_all(struct liveupdate_flb_op_args *args);
#if IS_ENABLED(CONFIG_KUNIT)
int pci_liveupdate_grow(struct pci_liveupdate_out *out);
int pci_liveupdate_check_acs(struct pci_dev *dev, unsigned int flag, void *data);
bool pci_liveupdate_is_same(const struct pci_liveupdate_dev_ser *ser,
			    const struct pci_dev *dev);
bool pci_liveupdate_table_is_sane(const struct pci_liveupdate_dev_ser *table, size_t nr);
const struct pci_liveupdate_dev_ser *
pci_liveupdate_find_table(const struct pci_liveupdate_ser *ser);
#endif

#endif /* _PCI_LIVEUPDATE_H */

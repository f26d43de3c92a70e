/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCI devices in the handover: "pci-v1" of the LUO's data shared by files. Its
 * u64 is the physical address of a &struct pci_liveupdate_ser in a preserved
 * page.
 */
#ifndef _LINUX_KHO_ABI_PCI_H
#define _LINUX_KHO_ABI_PCI_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

#define PCI_LIVEUPDATE_COMPATIBLE	"pci-v1"

/* Why a device is listed; one may have several reasons. */
#define PCI_LIVEUPDATE_PRESERVED	BIT(0)	/* one of its files is preserved */
#define PCI_LIVEUPDATE_UPSTREAM		BIT(1)	/* bridge above a preserved one */
#define PCI_LIVEUPDATE_SIBLING		BIT(2)	/* in the IOMMU group of one */

#define PCI_LIVEUPDATE_DRIVER_LEN	32

/**
 * struct pci_liveupdate_dev_ser - a device that the next kernel leaves alone
 * @domain: PCI segment
 * @bdf: bus in the upper, device and function in the lower 8 bits
 * @flags: PCI_LIVEUPDATE_*, at least one
 * @vendor: as found in its configuration space, like the following ones
 * @device: device ID
 * @subsystem_vendor: subsystem vendor ID, 0 for a bridge without
 * @subsystem_device: subsystem ID
 * @class: class code (24 bits)
 * @driver: its driver, NUL padded; empty if it has none
 */
struct pci_liveupdate_dev_ser {
	u32 domain;
	u16 bdf;
	u16 flags;
	u16 vendor;
	u16 device;
	u16 subsystem_vendor;
	u16 subsystem_device;
	u32 class;
	char driver[PCI_LIVEUPDATE_DRIVER_LEN];
} __packed;
static_assert(sizeof(struct pci_liveupdate_dev_ser) == 52);

/* Each entry is compared with each other one. */
#define PCI_LIVEUPDATE_MAX_DEVICES	4096

/**
 * struct pci_liveupdate_ser - all of them
 * @devices: physical address of an array of &struct pci_liveupdate_dev_ser, in
 *	one preserved block of memory; in any order, each device once
 * @nr_devices: entries in it, at most %PCI_LIVEUPDATE_MAX_DEVICES
 */
struct pci_liveupdate_ser {
	u64 devices;
	u64 nr_devices;
};

static_assert(sizeof(struct pci_liveupdate_ser) == 16);

#endif /* _LINUX_KHO_ABI_PCI_H */

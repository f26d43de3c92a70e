/* SPDX-License-Identifier: GPL-2.0 */
/* vfio-pci devices in the handover: file handler "vfio-pci-v1" of the LUO. */
#ifndef _LINUX_KHO_ABI_VFIO_PCI_H
#define _LINUX_KHO_ABI_VFIO_PCI_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

#define VFIO_PCI_LIVEUPDATE_COMPATIBLE	"vfio-pci-v1"

#define VFIO_PCI_SER_RESET_WORKS	BIT(0)	/* the device can be reset */
#define VFIO_PCI_SER_VIRQ_DISABLED	BIT(1)	/* the user has disabled INTx */
#define VFIO_PCI_SER_RUNNING		BIT(2)	/* goes on with DMA meanwhile */

/**
 * struct vfio_pci_ser - a vfio-pci device
 * @domain: PCI segment
 * @bdf: bus in the upper, device and function in the lower 8 bits
 * @command: command register, as it was while the device was in use
 * @flags: VFIO_PCI_SER_*
 * @config_size: bytes in @config, 256 or 4096
 * @reserved: 0
 * @config: virtual configuration space: what of it is not in the device itself
 *
 * The block of memory that it is in is preserved. The device itself is one of
 * those in &struct pci_liveupdate_ser, which says what else it is.
 */
struct vfio_pci_ser {
	u32 domain;
	u16 bdf;
	u16 command;
	u32 flags;
	u16 config_size;
	u16 reserved;
	u8 config[];
} __packed;
static_assert(sizeof(struct vfio_pci_ser) == 16);

#endif /* _LINUX_KHO_ABI_VFIO_PCI_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * Stop the DMA that a previous kernel has left going.
 *
 * Devices may go on with DMA through a live update. If what is handed over is
 * refused, the memory that they reach becomes anybody's: bus mastering is turned off
 * before any of it is given out. Devices in other PCI segments than the first one
 * can't be reached that early.
 */
#define pr_fmt(fmt) "PCI: live update: " fmt

#include <linux/init.h>
#include <linux/pci.h>
#include <linux/printk.h>

#include <asm/pci-direct.h>

static void __init stop_function(u8 bus, u8 slot, u8 func)
{
	u8 type = read_pci_config_byte(bus, slot, func, PCI_HEADER_TYPE) & PCI_HEADER_TYPE_MASK;
	u16 command = read_pci_config_16(bus, slot, func, PCI_COMMAND);

	/* Bridges forward what others do. */
	if (type != PCI_HEADER_TYPE_NORMAL || !(command & PCI_COMMAND_MASTER))
		return;
	pr_warn("0000:%02x:%02x.%d: bus mastering is turned off, it may reach what is free now\n",
		bus, slot, func);
	write_pci_config_16(bus, slot, func, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
}

static void __init stop_slot(u8 bus, u8 slot)
{
	unsigned int func;

	for (func = 0; func < 8; func++) {
		if (read_pci_config_16(bus, slot, func, PCI_VENDOR_ID) != 0xffff)
			stop_function(bus, slot, func);
		else if (!func)
			return;
		if (!func && !(read_pci_config_byte(bus, slot, 0, PCI_HEADER_TYPE) &
			       PCI_HEADER_TYPE_MFD))
			return;
	}
}

/**
 * early_pci_stop_dma - turn bus mastering off for all devices
 *
 * Context: early boot, before memory is given out.
 */
void __init early_pci_stop_dma(void)
{
	unsigned int bus, slot;

	if (!early_pci_allowed()) {
		pr_err("devices may go on with DMA to memory that is free now\n");
		return;
	}
	for (bus = 0; bus < 256; bus++)
		for (slot = 0; slot < 32; slot++)
			stop_slot(bus, slot);
}

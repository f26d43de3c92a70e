/* SPDX-License-Identifier: GPL-2.0 */
/* PCI devices that live through a live update; see drivers/pci/liveupdate.c. */
#ifndef _LINUX_PCI_LIVEUPDATE_H
#define _LINUX_PCI_LIVEUPDATE_H

#ifdef CONFIG_PCI_LIVEUPDATE

#include <linux/kho/abi/pci.h>
#include <linux/liveupdate.h>
#include <linux/pci.h>

/* What a file handler of PCI devices needs. */
extern struct liveupdate_flb pci_liveupdate_flb;

int pci_liveupdate_preserve(struct pci_dev *dev);
void pci_liveupdate_unpreserve(struct pci_dev *dev);
int pci_liveupdate_freeze(struct pci_dev *dev, bool running);
void pci_liveupdate_finish(struct pci_dev *dev);

/**
 * pci_liveupdate_incoming - was a device handed over, and is not finished?
 * @dev: PCI device
 *
 * Return: PCI_LIVEUPDATE_*, or 0.
 */
static inline unsigned int pci_liveupdate_incoming(const struct pci_dev *dev)
{
	return READ_ONCE(dev->liveupdate_incoming);
}

/**
 * pci_liveupdate_outgoing - is a device to be handed over?
 * @dev: PCI device
 *
 * Return: PCI_LIVEUPDATE_*, or 0.
 */
static inline unsigned int pci_liveupdate_outgoing(const struct pci_dev *dev)
{
	return READ_ONCE(dev->liveupdate_outgoing);
}

/**
 * pci_liveupdate_held - must a device stay what it is?
 * @dev: PCI device
 *
 * Return: PCI_LIVEUPDATE_*, for what was and for what is to be handed over; or 0.
 */
static inline unsigned int pci_liveupdate_held(const struct pci_dev *dev)
{
	return READ_ONCE(dev->liveupdate_incoming) | READ_ONCE(dev->liveupdate_outgoing);
}

/* Hooks of the PCI core. */
void pci_liveupdate_setup_device(struct pci_dev *dev);
void pci_liveupdate_add_device(struct pci_dev *dev);
void pci_liveupdate_remove_device(struct pci_dev *dev);
bool pci_liveupdate_runs(struct pci_dev *dev);
bool pci_liveupdate_had_driver(struct pci_dev *dev, const struct device_driver *driver);
bool pci_liveupdate_may_bind(struct pci_dev *dev, const struct device_driver *driver);
bool pci_liveupdate_bus_held(struct pci_bus *bus);

#else /* CONFIG_PCI_LIVEUPDATE */

/* What is compiled is to be just what it was: not even a declaration is added. */
#define pci_liveupdate_incoming(_dev)			((void)(_dev), 0)
#define pci_liveupdate_held(_dev)			((void)(_dev), 0)
#define pci_liveupdate_setup_device(_dev)		((void)(_dev))
#define pci_liveupdate_add_device(_dev)			((void)(_dev))
#define pci_liveupdate_remove_device(_dev)		((void)(_dev))
#define pci_liveupdate_runs(_dev)			((void)(_dev), false)
#define pci_liveupdate_had_driver(_dev, _driver)	((void)(_dev), (void)(_driver), false)
#define pci_liveupdate_may_bind(_dev, _driver)		((void)(_dev), (void)(_driver), true)
#define pci_liveupdate_bus_held(_bus)			((void)(_bus), false)

#endif /* CONFIG_PCI_LIVEUPDATE */

#endif /* _LINUX_PCI_LIVEUPDATE_H */

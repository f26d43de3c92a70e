// SPDX-License-Identifier: GPL-2.0
/*
 * A device that could have translations of its own (ATS), in a kernel that was told
 * not to use it (pci=noats), is carried to one that was not: it stays off, as the entry
 * that the IOMMU has for the device stays as it is.
 */
#define _GNU_SOURCE
#include "scenarios.h"

/* virtio-rng: among what QEMU has, only virtio does ATS. */
#define VENDOR		0x1af4
#define DEVICE		0x1044

/* IDs are given in turn: the IOAS, the device, the page table. */
#define FIRST_ID	1

static struct {
	struct vfio_device device;
	struct iommu iommu;
	char address[PCI_ADDRESS_SIZE];
} ats;

static uint16_t ats_control(void)
{
	static uint8_t config[PCI_EXTENDED_SIZE];
	uint16_t control = PCI_ATS_CTRL_ENABLE;
	int at;

	CHECK_EQ(pci_config_raw(ats.address, config, sizeof(config)), sizeof(config));
	at = pci_extended_capability(config, sizeof(config), PCI_EXT_CAP_ID_ATS);
	CHECK(at > 0);
	if (at > 0)
		memcpy(&control, config + at + PCI_ATS_CTRL, sizeof(control));
	return control;
}

void ats_before(void)
{
	int session;

	if (!ats.address[0]) {
		CHECK_EQ(pci_find(VENDOR, DEVICE, 0, ats.address), 0);
		CHECK_EQ(pci_bind(ats.address, "vfio-pci"), 0);
		CHECK_EQ(iommu_open(&ats.iommu), 0);
		CHECK_EQ(vfio_open(&ats.device, ats.address), 0);
		CHECK_EQ(vfio_start(&ats.device, &ats.iommu), 0);
	}
	CHECK_EQ(ats_control() & PCI_ATS_CTRL_ENABLE, 0);
	session = one_before("ats", TOKEN_DEVICE, ats.device.fd);
	CHECK_EQ(luo_preserve(session, ats.iommu.fd, TOKEN_IOMMUFD), 0);
}

void ats_after(void)
{
	int session, fd = one_after("ats", TOKEN_DEVICE, &session);

	CHECK_EQ(pci_find(VENDOR, DEVICE, 0, ats.address), 0);
	CHECK_EQ(vfio_adopt(&ats.device, ats.address, fd), 0);
	ats.iommu.fd = luo_retrieve(session, TOKEN_IOMMUFD);
	CHECK(ats.iommu.fd >= 0);
	ats.iommu.ioas = FIRST_ID;
	CHECK_EQ(ats_control() & PCI_ATS_CTRL_ENABLE, 0);
	CHECK_EQ(vfio_bind(&ats.device, &ats.iommu), 0);
	CHECK_EQ(vfio_attach(&ats.device, &ats.iommu), 0);
	CHECK_EQ(ats_control() & PCI_ATS_CTRL_ENABLE, 0);
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	CHECK_EQ(ats_control() & PCI_ATS_CTRL_ENABLE, 0);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * vfio-pci by its character devices, on real (emulated) devices, as it is when
 * nothing is preserved; and the library that the other tests build on.
 *
 * Of the devices below those are taken that the machine has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/libvfio.h"

#include "../kselftest_harness.h"

/* Nothing is measured here. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

/* Where things are in an area. */
#define FROM		AREA_BUFFERS
#define TO		(AREA_BUFFERS + 64 * 1024)

FIXTURE(device) {
	char address[PCI_ADDRESS_SIZE];
	struct iommu iommu;
	struct dma_area area;
	struct vfio_device device;
	struct dma_driver driver;
};

FIXTURE_VARIANT(device) {
	const struct dma_driver_ops *ops;
	/* what is copied: of the edu not much, as each transfer takes 100 ms */
	size_t length;
};

FIXTURE_VARIANT_ADD(device, edu) { .ops = &edu_ops, .length = 1001 };
FIXTURE_VARIANT_ADD(device, e1000e) { .ops = &e1000e_ops, .length = 3003 };
FIXTURE_VARIANT_ADD(device, nvme) { .ops = &nvme_ops, .length = 8192 };

FIXTURE_SETUP(device)
{
	const struct dma_driver_ops *ops = variant->ops;

	self->device.fd = -1;
	self->iommu.fd = -1;
	if (pci_find(ops->vendor, ops->device, 0, self->address))
		SKIP(return, "there is no such device");
	ASSERT_EQ(0, pci_bind(self->address, "vfio-pci"));
	ASSERT_EQ(0, iommu_open(&self->iommu));
	ASSERT_EQ(0, vfio_open(&self->device, self->address));
	ASSERT_EQ(0, vfio_start(&self->device, &self->iommu));
	ASSERT_EQ(0, area_create(&self->area, AREA_IOVA));
	ASSERT_EQ(0, area_map(&self->area, &self->iommu));
}

FIXTURE_TEARDOWN(device)
{
	driver_remove(&self->driver);
	vfio_close(&self->device);
	area_close(&self->area);
	iommu_close(&self->iommu);
}

static uint8_t *at(struct dma_area *area, size_t offset)
{
	return (uint8_t *)area->mem + offset;
}

static void fill(struct dma_area *area, size_t length, uint8_t seed)
{
	size_t i;

	for (i = 0; i < length; i++)
		at(area, FROM)[i] = i * 31 + (i >> 8) + seed;
	memset(at(area, TO), 0, length + 1);
}

static int compare(struct dma_area *area, size_t length)
{
	return memcmp(at(area, FROM), at(area, TO), length);
}

/* That, and not a byte more. */
static bool is_copied(struct dma_area *area, size_t length)
{
	return !compare(area, length) && !at(area, TO)[length];
}

TEST_F(device, identity)
{
	const struct dma_driver_ops *ops = variant->ops;
	int flags = vfio_flags(&self->device);
	uint8_t seen[64], raw[64];

	EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI, flags & VFIO_DEVICE_FLAGS_PCI);
	EXPECT_EQ(ops->resets, !!(flags & VFIO_DEVICE_FLAGS_RESET));
	EXPECT_EQ(ops->vendor, vfio_config_get(&self->device, PCI_VENDOR_ID, 2));
	EXPECT_EQ(ops->device, vfio_config_get(&self->device, PCI_DEVICE_ID, 2));
	EXPECT_EQ(ops->class, vfio_config_get(&self->device, PCI_CLASS_REVISION, 4) >> 8);
	EXPECT_EQ(ops->class, pci_read(self->address, "class"));
	/* The hardware's, but for what is the user's own. */
	ASSERT_EQ(sizeof(seen), vfio_config_read(&self->device, 0, seen, sizeof(seen)));
	ASSERT_EQ(sizeof(raw), pci_config_raw(self->address, raw, sizeof(raw)));
	EXPECT_EQ(0, memcmp(seen, raw, PCI_COMMAND));
	EXPECT_EQ(0, memcmp(seen + PCI_CLASS_REVISION, raw + PCI_CLASS_REVISION, 4));
	EXPECT_EQ(0, memcmp(seen + PCI_SUBSYSTEM_VENDOR_ID, raw + PCI_SUBSYSTEM_VENDOR_ID, 4));
}

TEST_F(device, config_space_is_written)
{
	struct vfio_device *device = &self->device;
	uint8_t config[PCI_CONFIG_SIZE];
	int pass;

	EXPECT_EQ(0, vfio_config_set(device, PCI_CACHE_LINE_SIZE, 1, 0x10));
	EXPECT_EQ(0x10, vfio_config_get(device, PCI_CACHE_LINE_SIZE, 1));
	EXPECT_EQ(0, vfio_config_set(device, PCI_INTERRUPT_LINE, 1, 0x5a));
	EXPECT_EQ(0x5a, vfio_config_get(device, PCI_INTERRUPT_LINE, 1));
	for (pass = 1; pass >= 0; pass--) {
		uint32_t want = pass ? PCI_COMMAND_MASTER : 0;

		EXPECT_EQ(0, vfio_set_master(device, pass));
		EXPECT_EQ(want, vfio_config_get(device, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
		ASSERT_EQ((int)sizeof(config),
			  pci_config_raw(self->address, config, sizeof(config)));
		EXPECT_EQ(want, config[PCI_COMMAND] & PCI_COMMAND_MASTER);
	}
	/* What the device is can't be written. */
	EXPECT_EQ(0, vfio_config_set(device, PCI_DEVICE_ID, 2, 0x4711));
	EXPECT_EQ(variant->ops->device, vfio_config_get(device, PCI_DEVICE_ID, 2));
	/* All of it can be read, and no more. */
	EXPECT_EQ((int)sizeof(config), vfio_config_read(device, 0, config, sizeof(config)));
	EXPECT_GT(1, vfio_config_read(device, PCI_EXTENDED_SIZE, config, 4));
}

/* A base address register tells its size, as it does to a guest; nothing moves. */
TEST_F(device, bar_is_sized)
{
	struct vfio_device *device = &self->device;
	struct vfio_region_info info;
	uint32_t before, size;

	ASSERT_EQ(0, vfio_region(device, VFIO_PCI_BAR0_REGION_INDEX, &info));
	before = vfio_config_get(device, PCI_BASE_ADDRESS_0, 4);
	EXPECT_EQ(0, vfio_config_set(device, PCI_BASE_ADDRESS_0, 4, UINT32_MAX));
	size = ~(vfio_config_get(device, PCI_BASE_ADDRESS_0, 4) &
		 (uint32_t)PCI_BASE_ADDRESS_MEM_MASK) + 1;
	EXPECT_EQ(info.size, size);
	EXPECT_EQ(0, vfio_config_set(device, PCI_BASE_ADDRESS_0, 4, before));
	EXPECT_EQ(before, vfio_config_get(device, PCI_BASE_ADDRESS_0, 4));
	EXPECT_EQ(0, driver_init(&self->driver, device, &self->area));
}

TEST_F(device, dma_goes_both_ways)
{
	ASSERT_EQ(0, driver_init(&self->driver, &self->device, &self->area));
	fill(&self->area, variant->length, 1);
	EXPECT_EQ(0, driver_copy(&self->driver, TO, FROM, variant->length));
	EXPECT_TRUE(is_copied(&self->area, variant->length));
}

/* Memory that is mapped by its file: the file has what the device has written. */
TEST_F(device, dma_into_a_file)
{
	const size_t length = variant->length, half = self->area.size / 2;
	struct dma_area *area = &self->area;
	uint8_t *seen = malloc(length + 1);

	ASSERT_NE(NULL, seen);
	ASSERT_EQ(0, iommu_unmap(&self->iommu, area->iova, area->size));
	/* Two mappings, the second half before the first, and no page of it in use yet. */
	ASSERT_EQ(0, iommu_map_file(&self->iommu, area->iova + half, area->fd, half, half));
	ASSERT_EQ(0, iommu_map_file(&self->iommu, area->iova, area->fd, 0, half));
	ASSERT_EQ(0, driver_init(&self->driver, &self->device, area));
	fill(area, length, 4);
	EXPECT_EQ(0, driver_copy(&self->driver, half + 4096, FROM, length));
	ASSERT_EQ((ssize_t)length + 1, pread(area->fd, seen, length + 1, half + 4096));
	EXPECT_EQ(0, memcmp(at(area, FROM), seen, length));
	EXPECT_EQ(0, seen[length]);
	free(seen);
}

/* Whoever has the memory and the device takes over from whoever had them. */
TEST_F(device, driver_is_resumed)
{
	struct dma_driver other = {};
	int i;

	ASSERT_EQ(0, driver_init(&self->driver, &self->device, &self->area));
	for (i = 0; i < 3; i++) {
		fill(&self->area, variant->length, i);
		ASSERT_EQ(0, driver_copy(&self->driver, TO, FROM, variant->ops->unit));
	}
	ASSERT_EQ(0, driver_resume(&other, &self->device, &self->area));
	/* Rings go around, where there are some. */
	for (i = 0; i < (variant->ops == &edu_ops ? 1 : 300); i++) {
		fill(&self->area, variant->length, 10 + i);
		ASSERT_EQ(0, driver_copy(&other, TO, FROM, variant->ops->unit));
		ASSERT_EQ(0, compare(&self->area, variant->ops->unit));
	}
	/* What it was to find is not there. */
	memset(self->area.mem, 0, DRIVER_STATE);
	EXPECT_EQ(-EINVAL, driver_resume(&other, &self->device, &self->area));
}

TEST_F(device, interrupts_come)
{
	const struct dma_driver_ops *ops = variant->ops;
	int round, i, eventfd;

	EXPECT_LE(1, vfio_irq_count(&self->device, ops->irq_index));
	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, vfio_irq_enable(&self->device, ops->irq_index, 1, &eventfd));
		if (!round)
			ASSERT_EQ(0, driver_init(&self->driver, &self->device, &self->area));
		for (i = 0; i < 3; i++) {
			EXPECT_EQ(0, ops->interrupt(&self->driver));
			/* One more is no harm: there were some when it was set up. */
			EXPECT_LE(1, vfio_irq_wait(eventfd, VFIO_WAIT_MS));
		}
		EXPECT_EQ(0, vfio_irq_disable(&self->device, ops->irq_index));
		vfio_irq_wait(eventfd, 0);
		EXPECT_EQ(0, ops->interrupt(&self->driver));
		EXPECT_EQ(-ETIMEDOUT, vfio_irq_wait(eventfd, 50));
		close(eventfd);
	}
}

/* What the device may not reach stays as it is, and the fault is told. */
TEST_F(device, dma_faults)
{
	struct kernel_log log;
	void *hidden = at(&self->area, TO);
	char iova[32];
	uint8_t *copy;
	size_t i;

	ASSERT_EQ(0, driver_init(&self->driver, &self->device, &self->area));
	/* The area, mapped again without one page. */
	ASSERT_EQ(0, iommu_unmap(&self->iommu, self->area.iova, self->area.size));
	ASSERT_EQ(0, iommu_map(&self->iommu, self->area.iova, self->area.mem, TO));
	fill(&self->area, variant->length, 3);
	copy = malloc(variant->length);
	ASSERT_NE(NULL, copy);
	for (i = 0; i < variant->length; i++)
		((uint8_t *)hidden)[i] = copy[i] = ~i;

	ASSERT_EQ(0, log_open(&log));
	ASSERT_EQ(0, log_quiet(&log));
	/* What the driver gets to know of it is the device's business. */
	driver_copy(&self->driver, TO, FROM, variant->ops->unit);
	snprintf(iova, sizeof(iova), "fault addr 0x%llx", AREA_IOVA + TO);
	EXPECT_TRUE(log_says(&log, self->address + 5, iova));
	EXPECT_EQ(0, log_unexpected(&log, "DMAR:"));
	log_close(&log);
	EXPECT_EQ(0, memcmp(hidden, copy, variant->length));
	free(copy);

	/* It goes on where it may. */
	ASSERT_EQ(0, iommu_map(&self->iommu, self->area.iova + TO, hidden,
			       self->area.size - TO));
	ASSERT_EQ(0, driver_init(&self->driver, &self->device, &self->area));
	EXPECT_EQ(0, driver_copy(&self->driver, TO, FROM, variant->ops->unit));
	EXPECT_EQ(0, memcmp(at(&self->area, FROM), hidden, variant->ops->unit));
}

TEST_F(device, reset)
{
	int err;

	ASSERT_EQ(0, driver_init(&self->driver, &self->device, &self->area));
	err = vfio_reset(&self->device);
	if (!variant->ops->resets) {
		EXPECT_EQ(-EINVAL, err);
		EXPECT_TRUE(variant->ops->is_running(&self->driver));
		return;
	}
	EXPECT_EQ(0, err);
	if (variant->ops->forgets) {
		EXPECT_FALSE(variant->ops->is_running(&self->driver));
		EXPECT_EQ(-ESTALE, driver_resume(&self->driver, &self->device, &self->area));
	}
	ASSERT_EQ(0, driver_init(&self->driver, &self->device, &self->area));
	fill(&self->area, variant->length, 4);
	EXPECT_EQ(0, driver_copy(&self->driver, TO, FROM, variant->ops->unit));
	EXPECT_EQ(0, compare(&self->area, variant->ops->unit));
}

/* A reset of the bus, where there is one; it is no device's choice to forget then. */
TEST_F(device, hot_reset)
{
	struct hot_reset_info info = {};

	ASSERT_EQ(0, driver_init(&self->driver, &self->device, &self->area));
	if (variant->ops == &edu_ops) {
		EXPECT_EQ(-ENODEV, vfio_hot_reset(&self->device));
		EXPECT_TRUE(variant->ops->is_running(&self->driver));
		return;
	}
	ASSERT_EQ(0, vfio_hot_reset_info(&self->device, &info));
	EXPECT_EQ(1, info.count);
	EXPECT_EQ(self->device.id, info.devices[0].devid);
	EXPECT_EQ(0, vfio_hot_reset(&self->device));
	EXPECT_FALSE(variant->ops->is_running(&self->driver));
}

/* One at a time, and only with memory to work on. */
TEST_F(device, is_opened_once)
{
	struct vfio_device other = { .fd = -1 };
	struct iommu iommu;

	ASSERT_EQ(0, iommu_open(&iommu));
	ASSERT_EQ(0, vfio_open(&other, self->address));
	EXPECT_EQ(-EINVAL, vfio_flags(&other));
	EXPECT_EQ(-EINVAL, vfio_bind(&other, &iommu));
	EXPECT_EQ(-EBUSY, group_open(self->address, &iommu));
	vfio_close(&other);
	EXPECT_EQ(0, vfio_detach(&self->device));
	EXPECT_EQ(0, vfio_attach(&self->device, &self->iommu));
	iommu_close(&iommu);
}

/* By its group, as it was done before. */
TEST_F(device, group_works)
{
	struct vfio_device other;
	struct iommu iommu;
	int group, fd;

	vfio_close(&self->device);
	self->device.fd = -1;
	ASSERT_EQ(0, iommu_open(&iommu));
	group = group_open(self->address, &iommu);
	ASSERT_LE(0, group);
	fd = group_device(group, self->address);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vfio_adopt(&other, self->address, fd));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI, vfio_flags(&other) & VFIO_DEVICE_FLAGS_PCI);
	vfio_close(&other);
	EXPECT_EQ(-ENODEV, group_device(group, "0000:ff:1f.7"));
	close(group);
	iommu_close(&iommu);
}

/* The edu is the one whose INTx stays as it was set. */
TEST(intx_comes)
{
	char address[PCI_ADDRESS_SIZE];
	struct vfio_device device;
	struct iommu iommu;
	int eventfd, i;
	void *registers;

	if (pci_find(edu_ops.vendor, edu_ops.device, 0, address))
		SKIP(return, "there is no such device");
	ASSERT_EQ(0, pci_bind(address, "vfio-pci"));
	ASSERT_EQ(0, iommu_open(&iommu));
	ASSERT_EQ(0, vfio_open(&device, address));
	ASSERT_EQ(0, vfio_start(&device, &iommu));
	registers = device.bars[0].mem;
	ASSERT_EQ(1, vfio_irq_count(&device, VFIO_PCI_INTX_IRQ_INDEX));
	ASSERT_EQ(0, vfio_irq_enable(&device, VFIO_PCI_INTX_IRQ_INDEX, 1, &eventfd));
	for (i = 0; i < 2; i++) {
		mmio_write32(registers, EDU_IRQ_RAISE, 1);
		EXPECT_EQ(1, vfio_irq_wait(eventfd, VFIO_WAIT_MS));
		/* It is masked now, and still raised: it comes again. */
		EXPECT_EQ(0, vfio_irq_unmask_intx(&device));
		EXPECT_EQ(1, vfio_irq_wait(eventfd, VFIO_WAIT_MS));
		mmio_write32(registers, EDU_IRQ_ACK, 1);
		EXPECT_EQ(0, vfio_irq_unmask_intx(&device));
		EXPECT_EQ(-ETIMEDOUT, vfio_irq_wait(eventfd, 50));
	}
	EXPECT_EQ(0, vfio_irq_disable(&device, VFIO_PCI_INTX_IRQ_INDEX));
	close(eventfd);
	vfio_close(&device);
	iommu_close(&iommu);
}

/* What can't be reset alone can't be by its bus, as long as that has others. */
TEST(two_in_a_group)
{
	char address[2][PCI_ADDRESS_SIZE];
	struct vfio_device devices[2];
	struct hot_reset_info info;
	struct iommu iommu, other;
	int i;

	for (i = 0; i < 2; i++) {
		if (pci_find(edu_ops.vendor, edu_ops.device, 1 + i, address[i]))
			SKIP(return, "there are no such devices");
		ASSERT_EQ(0, pci_bind(address[i], "vfio-pci"));
	}
	ASSERT_EQ(pci_group(address[0]), pci_group(address[1]));
	ASSERT_EQ(0, iommu_open(&iommu));
	ASSERT_EQ(0, iommu_open(&other));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vfio_open(&devices[i], address[i]));
	ASSERT_EQ(0, vfio_start(&devices[0], &iommu));
	/* A group is nobody else's. */
	EXPECT_EQ(-EPERM, vfio_bind(&devices[1], &other));
	ASSERT_EQ(0, vfio_start(&devices[1], &iommu));
	EXPECT_EQ(0, vfio_hot_reset_info(&devices[0], &info));
	/* The bridge itself is in the group, and not on the bus. */
	EXPECT_EQ(2, info.count);
	for (i = 0; i < 2; i++)
		vfio_close(&devices[i]);
	iommu_close(&other);
	iommu_close(&iommu);
}

TEST_HARNESS_MAIN

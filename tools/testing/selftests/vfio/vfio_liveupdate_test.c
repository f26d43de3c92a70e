// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of vfio-pci devices, as far as it goes without a successful kexec:
 * what is refused, what goes on while a device is preserved and what does not,
 * and kexecs that fail.
 */
#define _GNU_SOURCE
#include "../liveupdate/luo_fixture.h"
#include "../liveupdate/luo_reboot.h"

#include "lib/libvfio.h"

#define MTTY	"/sys/devices/virtual/mtty/mtty/mdev_supported_types/mtty-1/create"
#define UUID	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define FROM	AREA_BUFFERS
#define TO	(AREA_BUFFERS + 4096)
#define LENGTH	512

/* A device in use. */
struct used {
	char address[PCI_ADDRESS_SIZE];
	struct iommu iommu;
	struct dma_area area;
	struct vfio_device device;
	struct dma_driver driver;
};

/* The step that fails, or 0. */
static int use(struct used *used, const struct dma_driver_ops *ops, int nth)
{
	int eventfd;

	memset(used, 0, sizeof(*used));
	if (pci_find(ops->vendor, ops->device, nth, used->address))
		return __LINE__;
	if (pci_bind(used->address, "vfio-pci") || iommu_open(&used->iommu))
		return __LINE__;
	if (vfio_open(&used->device, used->address) ||
	    vfio_start(&used->device, &used->iommu))
		return __LINE__;
	if (area_create(&used->area, AREA_IOVA) || area_map(&used->area, &used->iommu))
		return __LINE__;
	if (vfio_irq_enable(&used->device, ops->irq_index, 1, &eventfd) ||
	    driver_init(&used->driver, &used->device, &used->area))
		return __LINE__;
	close(eventfd);
	return vfio_irq_disable(&used->device, ops->irq_index) ? __LINE__ : 0;
}

static void disuse(struct used *used)
{
	driver_remove(&used->driver);
	vfio_close(&used->device);
	area_close(&used->area);
	iommu_close(&used->iommu);
}

/* DMA both ways, with the state that the driver has: nothing is set up again. */
static bool copies(struct used *used)
{
	static uint64_t seed;
	char *mem = used->area.mem;

	luo_fill(mem + FROM, LENGTH, ++seed);
	memset(mem + TO, 0, LENGTH);
	return !driver_copy(&used->driver, TO, FROM, LENGTH) &&
	       luo_is_filled(mem + TO, LENGTH, seed);
}

static bool interrupts(struct used *used, int eventfd)
{
	return !used->driver.ops->interrupt(&used->driver) &&
	       vfio_irq_wait(eventfd, VFIO_WAIT_MS) >= 1;
}

/* Interrupts are off before and after. */
static bool works(struct used *used)
{
	uint32_t index = used->driver.ops->irq_index;
	bool ok = copies(used);
	int eventfd;

	if (vfio_irq_enable(&used->device, index, 1, &eventfd))
		return false;
	ok &= interrupts(used, eventfd);
	close(eventfd);
	return !vfio_irq_disable(&used->device, index) && ok;
}

/* What is not open and bound as it should be, or is somebody else's. */
TEST_F(luo, refused)
{
	int session = luo_create(self->dev, "refused"), fd, group;
	char address[PCI_ADDRESS_SIZE];
	struct vfio_device device;
	struct iommu iommu;

	ASSERT_LE(0, session);
	ASSERT_EQ(0, pci_find(edu_ops.vendor, edu_ops.device, 0, address));
	ASSERT_EQ(0, pci_bind(address, "vfio-pci"));
	ASSERT_EQ(0, iommu_open(&iommu));
	EXPECT_EQ(-ENOENT, luo_preserve(session, 0, 1));

	ASSERT_EQ(0, vfio_open(&device, address));
	EXPECT_EQ(-EINVAL, luo_preserve(session, device.fd, 1));
	/* Bound is enough: it can be attached later. */
	ASSERT_EQ(0, vfio_bind(&device, &iommu));
	EXPECT_EQ(0, luo_preserve(session, device.fd, 1));
	fd = vfio_cdev_open(address);
	ASSERT_LE(0, fd);
	EXPECT_GT(0, luo_preserve(session, fd, 2));
	close(fd);
	fd = dup(device.fd);
	EXPECT_EQ(-EBUSY, luo_preserve(session, fd, 2));
	close(fd);
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	vfio_close(&device);

	/* Pitfall 22: files from a group. */
	group = group_open(address, &iommu);
	ASSERT_LE(0, group);
	EXPECT_EQ(-ENOENT, luo_preserve(session, group, 1));
	fd = group_device(group, address);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, luo_preserve(session, fd, 1));
	close(fd);
	close(group);
	iommu_close(&iommu);
	close(session);
}

/* Pitfall 22: a driver that is based on vfio-pci; a device that is none of PCI. */
TEST_F(luo, other_drivers_are_refused)
{
	int session = luo_create(self->dev, "variant"), fd = -1, i;
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	char address[PCI_ADDRESS_SIZE], path[96];
	struct vfio_device device;
	struct iommu iommu;

	ASSERT_EQ(0, iommu_open(&iommu));
	ASSERT_EQ(0, pci_find(edu_ops.vendor, edu_ops.device, 0, address));
	ASSERT_EQ(0, pci_bind(address, "virtio_vfio_pci"));
	ASSERT_EQ(0, vfio_open(&device, address));
	ASSERT_EQ(0, vfio_bind(&device, &iommu));
	EXPECT_EQ(-EOPNOTSUPP, luo_preserve(session, device.fd, 1));
	vfio_close(&device);
	ASSERT_EQ(0, pci_bind(address, "vfio-pci"));

	ASSERT_EQ(0, luo_write(MTTY, UUID));
	for (i = 0; i < 64 && fd < 0; i++) {
		snprintf(path, sizeof(path), "/sys/bus/mdev/devices/" UUID "/vfio-dev/vfio%d", i);
		if (access(path, F_OK))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	ASSERT_LE(0, fd);
	bind.iommufd = iommu.fd;
	ASSERT_EQ(0, luo_ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	/* Nobody carries files of such a kind. */
	EXPECT_EQ(-ENOENT, luo_preserve(session, fd, 1));
	close(fd);
	ASSERT_EQ(0, luo_write("/sys/bus/mdev/devices/" UUID "/remove", "1"));
	iommu_close(&iommu);
	close(session);
}

/* A device with functions of its own, and one of these. */
TEST_F(luo, sriov_is_refused)
{
	int session = luo_create(self->dev, "sriov");
	char address[PCI_ADDRESS_SIZE];
	struct vfio_device device, vf;
	struct iommu iommu;

	/* Behind that without. */
	ASSERT_EQ(0, pci_find(nvme_ops.vendor, nvme_ops.device, 1, address));
	ASSERT_LT(0, pci_read(address, "sriov_totalvfs"));
	ASSERT_EQ(0, pci_bind(address, "vfio-pci"));
	ASSERT_EQ(0, pci_write(address, "sriov_drivers_autoprobe", "0"));
	ASSERT_EQ(0, iommu_open(&iommu));
	ASSERT_EQ(0, vfio_open(&device, address));
	ASSERT_EQ(0, vfio_bind(&device, &iommu));

	EXPECT_EQ(0, luo_preserve(session, device.fd, 1));
	EXPECT_EQ(-EBUSY, pci_write(address, "sriov_numvfs", "1"));
	EXPECT_EQ(0, pci_read(address, "sriov_numvfs"));
	EXPECT_EQ(0, luo_unpreserve(session, 1));

	ASSERT_EQ(0, pci_write(address, "sriov_numvfs", "1"));
	EXPECT_EQ(-EOPNOTSUPP, luo_preserve(session, device.fd, 1));
	ASSERT_EQ(0, pci_find(nvme_ops.vendor, nvme_ops.device, 2, address));
	ASSERT_EQ(0, pci_bind(address, "vfio-pci"));
	ASSERT_EQ(0, vfio_open(&vf, address));
	ASSERT_EQ(0, vfio_bind(&vf, &iommu));
	EXPECT_EQ(-EOPNOTSUPP, luo_preserve(session, vf.fd, 2));
	vfio_close(&vf);
	EXPECT_EQ(0, pci_write(device.address, "sriov_numvfs", "0"));
	EXPECT_EQ(0, luo_preserve(session, device.fd, 1));
	vfio_close(&device);
	iommu_close(&iommu);
	close(session);
}

/* It goes on, but for what would make another device of it. */
TEST_F(luo, goes_on_while_preserved)
{
	static const struct dma_driver_ops * const all[] = { &edu_ops, &e1000e_ops, &nvme_ops };
	int session = luo_create(self->dev, "goes on"), eventfd;
	struct used used;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		ASSERT_EQ(0, use(&used, all[i], 0));
		EXPECT_TRUE(works(&used));
		/* Armed interrupts are fine, too. */
		ASSERT_EQ(0, vfio_irq_enable(&used.device, all[i]->irq_index, 1, &eventfd));
		EXPECT_EQ(0, luo_preserve(session, used.device.fd, i));
		EXPECT_TRUE(interrupts(&used, eventfd));
		EXPECT_EQ(0, vfio_irq_disable(&used.device, all[i]->irq_index));
		close(eventfd);
		EXPECT_TRUE(works(&used));
		EXPECT_EQ(0, vfio_config_set(&used.device, PCI_INTERRUPT_LINE, 1, 0x77));
		EXPECT_EQ(0x77, vfio_config_get(&used.device, PCI_INTERRUPT_LINE, 1));
		EXPECT_EQ(0, vfio_detach(&used.device));
		EXPECT_EQ(0, vfio_attach(&used.device, &used.iommu));
		EXPECT_TRUE(copies(&used));

		EXPECT_EQ(-EBUSY, pci_write(used.address, "remove", "1"));
		EXPECT_EQ(all[i] == &edu_ops ? -ENODEV : -EBUSY, vfio_hot_reset(&used.device));
		EXPECT_TRUE(used.driver.ops->is_running(&used.driver));
		EXPECT_TRUE(works(&used));

		EXPECT_EQ(0, luo_unpreserve(session, i));
		if (all[i] != &edu_ops)
			EXPECT_EQ(0, vfio_hot_reset(&used.device));
		disuse(&used);
	}
	close(session);
}

/* Of two in a group both are preserved: all is held as long as one of them is. */
TEST_F(luo, group_is_held)
{
	char bridge[PCI_ADDRESS_SIZE], second[PCI_ADDRESS_SIZE];
	int session = luo_create(self->dev, "group");
	struct vfio_device device;
	struct used first;

	ASSERT_EQ(0, use(&first, &edu_ops, 1));
	ASSERT_EQ(0, pci_find(edu_ops.vendor, edu_ops.device, 2, second));
	ASSERT_EQ(pci_group(first.address), pci_group(second));
	ASSERT_EQ(0, pci_bridge_above(first.address, bridge));
	ASSERT_EQ(0, pci_bind(second, "vfio-pci"));
	ASSERT_EQ(0, luo_preserve(session, first.device.fd, 1));
	EXPECT_EQ(-EBUSY, pci_write(second, "remove", "1"));
	ASSERT_EQ(0, vfio_open(&device, second));
	ASSERT_EQ(0, vfio_start(&device, &first.iommu));
	ASSERT_EQ(0, luo_preserve(session, device.fd, 2));
	ASSERT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(-EBUSY, pci_write(first.address, "remove", "1"));
	EXPECT_EQ(-EBUSY, pci_write(bridge, "remove", "1"));
	EXPECT_EQ(-EBUSY, pci_write(bridge, "reset_subordinate", "1"));
	EXPECT_TRUE(works(&first));
	vfio_close(&device);
	disuse(&first);
	close(session);
}

/* A bridge above it can't be taken away either. */
TEST_F(luo, bridges_are_held)
{
	int session = luo_create(self->dev, "bridges"), n = 0;
	char above[PCI_ADDRESS_SIZE], at[PCI_ADDRESS_SIZE];
	struct used used;

	ASSERT_EQ(0, use(&used, &nvme_ops, 0));
	ASSERT_EQ(0, luo_preserve(session, used.device.fd, 1));
	memcpy(at, used.address, PCI_ADDRESS_SIZE);
	for (; !pci_bridge_above(at, above); n++) {
		EXPECT_EQ(-EBUSY, pci_write(above, "remove", "1"));
		memcpy(at, above, PCI_ADDRESS_SIZE);
	}
	/* A root port and the two ends of the switch. */
	EXPECT_EQ(3, n);
	EXPECT_TRUE(works(&used));
	disuse(&used);
	/* The session has the file still: nothing is reset, nor can be. */
	EXPECT_EQ(-EBUSY, pci_write(used.address, "remove", "1"));
	close(session);

	/* That was all. */
	ASSERT_EQ(0, use(&used, &nvme_ops, 0));
	EXPECT_TRUE(works(&used));
	disuse(&used);
}

/* Pitfall 22: what is armed, or asleep, can't be frozen; and all goes on. */
TEST_F(luo, busy_devices_fail_the_kexec_pitfall_22)
{
	int session = luo_create(self->dev, "busy"), eventfd;
	struct kernel_log log;
	struct used edu, e1000e;

	ASSERT_EQ(0, use(&edu, &edu_ops, 0));
	ASSERT_EQ(0, use(&e1000e, &e1000e_ops, 0));
	/* The other one is frozen, and thawed. */
	ASSERT_EQ(0, luo_preserve(session, edu.device.fd, 1));
	ASSERT_EQ(0, luo_preserve(session, e1000e.device.fd, 2));
	ASSERT_EQ(0, log_open(&log));

	ASSERT_EQ(0, vfio_irq_enable(&e1000e.device, e1000e_ops.irq_index, 1, &eventfd));
	EXPECT_EQ(-EBUSY, luo_try_kexec());
	EXPECT_TRUE(log_says(&log, e1000e.address, "live update: "));
	EXPECT_TRUE(interrupts(&e1000e, eventfd));
	EXPECT_TRUE(copies(&e1000e));
	EXPECT_TRUE(works(&edu));
	EXPECT_EQ(0, vfio_irq_disable(&e1000e.device, e1000e_ops.irq_index));
	close(eventfd);

	/* Of whatever kind. */
	ASSERT_EQ(0, vfio_irq_enable(&edu.device, VFIO_PCI_INTX_IRQ_INDEX, 1, &eventfd));
	EXPECT_EQ(-EBUSY, luo_try_kexec());
	EXPECT_TRUE(log_says(&log, edu.address, "live update: "));
	EXPECT_EQ(0, vfio_irq_disable(&edu.device, VFIO_PCI_INTX_IRQ_INDEX));
	close(eventfd);
	EXPECT_TRUE(works(&edu));

	ASSERT_EQ(0, vfio_set_power(&e1000e.device, 3));
	EXPECT_EQ(-EBUSY, luo_try_kexec());
	EXPECT_TRUE(log_says(&log, e1000e.address, "live update: "));
	ASSERT_EQ(0, vfio_set_power(&e1000e.device, 0));
	EXPECT_TRUE(works(&edu));

	ASSERT_EQ(0, vfio_low_power(&e1000e.device, true));
	EXPECT_EQ(-EBUSY, luo_try_kexec());
	EXPECT_TRUE(log_says(&log, e1000e.address, "live update: "));
	ASSERT_EQ(0, vfio_low_power(&e1000e.device, false));
	EXPECT_TRUE(works(&edu));

	log_close(&log);
	disuse(&edu);
	disuse(&e1000e);
	close(session);
}

/* The bridge above leads nowhere for a while: what is behind it can't be frozen. */
TEST_F(luo, silent_device_fails_the_kexec)
{
	uint16_t buses, none = 0, secondary;
	int session = luo_create(self->dev, "silent");
	uint8_t raw[PCI_CONFIG_SIZE];
	char above[PCI_ADDRESS_SIZE];
	struct kernel_log log;
	struct used used;

	ASSERT_EQ(0, use(&used, &e1000e_ops, 0));
	ASSERT_EQ(0, luo_preserve(session, used.device.fd, 1));
	ASSERT_EQ(0, log_open(&log));
	ASSERT_EQ(0, pci_bridge_above(used.address, above));
	ASSERT_EQ(sizeof(raw), pci_config_raw(above, raw, sizeof(raw)));
	memcpy(&buses, raw + PCI_PRIMARY_BUS, sizeof(buses));
	memcpy(&secondary, raw + PCI_SUBORDINATE_BUS, sizeof(secondary));

	ASSERT_EQ(0, pci_config_poke(above, PCI_PRIMARY_BUS, none));
	ASSERT_EQ(0, pci_config_poke(above, PCI_SUBORDINATE_BUS, none));
	EXPECT_EQ(-EIO, luo_try_kexec());
	EXPECT_TRUE(log_says(&log, used.address, "does not answer"));
	ASSERT_EQ(0, pci_config_poke(above, PCI_PRIMARY_BUS, buses));
	ASSERT_EQ(0, pci_config_poke(above, PCI_SUBORDINATE_BUS, secondary));
	EXPECT_TRUE(works(&used));

	log_close(&log);
	disuse(&used);
	close(session);
}

/* What was asked for while the device was frozen. */
struct intruder {
	struct used *used;
	bool config_refused;
	bool config_kept;
	bool irqs_refused;
	bool sleep_refused;
};

static void *intrude(void *arg)
{
	struct intruder *intruder = arg;
	struct vfio_device *device = &intruder->used->device;
	uint8_t value = vfio_config_get(device, PCI_INTERRUPT_LINE, 1);
	int eventfd, err = 0;

	while (!luo_rebooting)
		usleep(100);
	/* Up to the moment in which its state is taken, and not longer. */
	while (luo_rebooting && !err) {
		err = vfio_config_set(device, PCI_INTERRUPT_LINE, 1, value + 1);
		value += !err;
	}
	intruder->config_refused = err == -EBUSY;
	intruder->config_kept = vfio_config_get(device, PCI_INTERRUPT_LINE, 1) == value;
	err = vfio_irq_enable(device, intruder->used->driver.ops->irq_index, 1, &eventfd);
	intruder->irqs_refused = err == -EBUSY;
	intruder->sleep_refused = vfio_low_power(device, true) == -EBUSY;
	return NULL;
}

/* Pitfall 7: it fails when all devices are frozen, by another file or at the end. */
TEST_F(luo, aborted_kexec_is_undone_pitfall_7)
{
	int session = luo_create(self->dev, "abort"), fd = open(TEST_DEVICE, O_RDWR), err;
	struct used used;
	struct intruder intruder = { .used = &used };
	pthread_t thread;
	bool injected;

	ASSERT_EQ(0, use(&used, &nvme_ops, 0));
	ASSERT_EQ(0, luo_preserve(session, used.device.fd, 1));
	ASSERT_EQ(0, luo_preserve(session, fd, 2));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5"));
	EXPECT_EQ(-EIO, luo_try_kexec());
	EXPECT_TRUE(used.driver.ops->is_running(&used.driver));
	EXPECT_TRUE(works(&used));

	ASSERT_EQ(0, pthread_create(&thread, NULL, intrude, &intruder));
	ASSERT_EQ(0, luo_late_failure(300 * 1000, 0, &err, &injected));
	EXPECT_GT(0, err);
	pthread_join(thread, NULL);
	EXPECT_TRUE(intruder.config_refused);
	EXPECT_TRUE(intruder.config_kept);
	EXPECT_TRUE(intruder.irqs_refused);
	EXPECT_TRUE(intruder.sleep_refused);
	EXPECT_TRUE(used.driver.ops->is_running(&used.driver));
	EXPECT_TRUE(works(&used));
	EXPECT_EQ(0, vfio_config_set(&used.device, PCI_INTERRUPT_LINE, 1, 0x55));
	disuse(&used);
	close(fd);
	close(session);
}

static void *unbind(void *arg)
{
	struct used *used = arg;

	return (void *)(long)pci_unbind(used->address);
}

/* It can't be unbound: whoever tries waits until it is not in use any more. */
TEST_F(luo, unbinding_waits)
{
	int session = luo_create(self->dev, "unbind");
	struct kernel_log log;
	struct used used;
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, use(&used, &edu_ops, 0));
	ASSERT_EQ(0, luo_preserve(session, used.device.fd, 1));
	ASSERT_EQ(0, log_open(&log));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unbind, &used));
	while (!log_says(&log, used.address, "it goes away once"))
		usleep(10 * 1000);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, &result));
	EXPECT_TRUE(copies(&used));
	/* The reboot would wait, too, and for ever. */
	EXPECT_EQ(-EBUSY, luo_try_kexec());
	EXPECT_TRUE(log_says(&log, used.address, "its driver is being taken away"));
	EXPECT_TRUE(copies(&used));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(-EBUSY, luo_preserve(session, used.device.fd, 1));
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, &result));
	log_close(&log);
	disuse(&used);
	EXPECT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(NULL, result);
	EXPECT_EQ(-ENODEV, vfio_cdev_open(used.address));

	/* Its session can be the last one to have it. */
	ASSERT_EQ(0, use(&used, &edu_ops, 0));
	ASSERT_EQ(0, luo_preserve(session, used.device.fd, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unbind, &used));
	disuse(&used);
	usleep(100 * 1000);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, &result));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(NULL, result);
	EXPECT_EQ(-ENODEV, vfio_cdev_open(used.address));
	close(session);
}

/* Each allocation of it fails once; nothing is left of it, and the device works. */
TEST_F(luo, preserve_without_memory)
{
	int session = luo_create(self->dev, "no memory"), nth, err, hits = 0;
	long preserved, fds;
	struct used used;
	bool hit = true;

	ASSERT_EQ(0, luo_fail_setup());
	ASSERT_EQ(0, use(&used, &nvme_ops, 0));
	/* Whatever is allocated once is. */
	ASSERT_EQ(0, luo_preserve(session, used.device.fd, 1));
	ASSERT_EQ(0, luo_unpreserve(session, 1));
	preserved = luo_read_number(PRESERVED_PAGES);
	fds = luo_count_fds();
	luo_log_hide();
	for (nth = 1; hit && nth < 1000; nth++) {
		luo_fail_nth(nth);
		err = luo_preserve(session, used.device.fd, 1);
		hit = luo_has_failed();
		hits += hit;
		EXPECT_TRUE(!err || luo_is_fault(err));
		EXPECT_EQ(err ? -ENOENT : 0, luo_unpreserve(session, 1));
		EXPECT_EQ(preserved, luo_read_number(PRESERVED_PAGES));
		EXPECT_EQ(fds, luo_count_fds());
	}
	EXPECT_TRUE(luo_log_was_clean());
	EXPECT_FALSE(hit);
	EXPECT_LT(4, hits);
	printf("# %d points\n", hits);
	EXPECT_TRUE(works(&used));
	/* Nothing holds it any more. */
	EXPECT_EQ(0, vfio_hot_reset(&used.device));
	disuse(&used);
	close(session);
}

TEST_HARNESS_MAIN

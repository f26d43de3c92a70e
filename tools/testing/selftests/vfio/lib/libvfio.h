/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCI devices in user space: a small library for tests, on vfio-pci's character
 * devices and iommufd.
 *
 * Functions return a descriptor, a number or 0, or -errno; none of them prints or
 * ends the test. What a device needs to go on, rings and their indices, is in
 * memory that can be handed to another process or, as it is a memfd, to
 * another kernel.
 */
#ifndef LIBVFIO_H
#define LIBVFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define PCI_ADDRESS_SIZE	sizeof("0000:00:00.0")
#define PCI_CONFIG_SIZE		256
#define PCI_EXTENDED_SIZE	4096
#define PCI_BARS		6

/* Bounds of what is waited for; nothing takes that long on a machine that works. */
#define VFIO_WAIT_MS		10000

/* PCI devices as sysfs shows them (pci.c) */

int pci_find(uint16_t vendor, uint16_t device, int nth, char *address);
int pci_read_text(const char *address, const char *attribute, char *text, size_t size);
long pci_read(const char *address, const char *attribute);
int pci_write(const char *address, const char *attribute, const char *text);
int pci_driver(const char *address, char *driver, size_t size);
int pci_bind(const char *address, const char *driver);
int pci_unbind(const char *address);
int pci_group(const char *address);
int pci_config_raw(const char *address, void *config, size_t size);
int pci_config_poke(const char *address, size_t offset, uint16_t value);
int pci_rescan(void);
int pci_capability(const uint8_t *config, uint8_t id);
int pci_bridge_above(const char *address, char *bridge);
int pci_extended_capability(const uint8_t *config, size_t size, uint16_t id);

/* An address space of an iommufd (iommu.c) */

struct iommu {
	int fd;
	uint32_t ioas;
};

int iommu_open(struct iommu *iommu);
int iommu_add(struct iommu *iommu, const struct iommu *first);
void iommu_close(struct iommu *iommu);
int iommu_map(struct iommu *iommu, uint64_t iova, void *mem, size_t size);
int iommu_map_file(struct iommu *iommu, uint64_t iova, int fd, uint64_t start, size_t size);
int iommu_unmap(struct iommu *iommu, uint64_t iova, size_t size);

/* Memory that devices have access to: a memfd, mapped here and there (area.c) */

#define AREA_SIZE		(1024 * 1024)
#define AREA_IOVA		0x1000000ULL
/* The first part is the driver's, the rest is there to be copied to and fro. */
#define AREA_BUFFERS		(64 * 1024)

struct dma_area {
	int fd;
	void *mem;
	size_t size;
	uint64_t iova;
};

int area_create(struct dma_area *area, uint64_t iova);
int area_create_size(struct dma_area *area, uint64_t iova, size_t size);
int area_adopt(struct dma_area *area, int fd, uint64_t iova);
int area_map(struct dma_area *area, struct iommu *iommu);
struct dma_area area_part(const struct dma_area *area, size_t offset, size_t size);
void area_close(struct dma_area *area);

/* A device (device.c) */

struct vfio_bar {
	void *mem;
	size_t size;
};

struct vfio_device {
	char address[PCI_ADDRESS_SIZE];
	int fd;
	/* what a bound one got from iommufd */
	uint32_t id;
	/* configuration space: where it is in the file, and 256 or 4096 */
	uint64_t config_offset;
	size_t config_size;
	struct vfio_bar bars[PCI_BARS];
};

int vfio_cdev_path(const char *address, char *path, size_t size);
int vfio_cdev_open(const char *address);
int vfio_open(struct vfio_device *device, const char *address);
int vfio_adopt(struct vfio_device *device, const char *address, int fd);
void vfio_close(struct vfio_device *device);
int vfio_bind(struct vfio_device *device, struct iommu *iommu);
int vfio_attach(struct vfio_device *device, struct iommu *iommu);
int vfio_detach(struct vfio_device *device);
int vfio_region(struct vfio_device *device, uint32_t index, struct vfio_region_info *info);
int vfio_map_bars(struct vfio_device *device);
int vfio_start(struct vfio_device *device, struct iommu *iommu);
int vfio_flags(struct vfio_device *device);
int vfio_reset(struct vfio_device *device);
int vfio_set_power(struct vfio_device *device, int d_state);
int vfio_low_power(struct vfio_device *device, bool enter);

/* Configuration space as the user of the device sees it (config.c) */

int vfio_config_read(struct vfio_device *device, size_t offset, void *buf, size_t size);
int vfio_config_write(struct vfio_device *device, size_t offset, const void *buf, size_t size);
uint32_t vfio_config_get(struct vfio_device *device, size_t offset, size_t size);
int vfio_config_set(struct vfio_device *device, size_t offset, size_t size, uint32_t value);
int vfio_config_capability(struct vfio_device *device, uint8_t id);
int vfio_set_master(struct vfio_device *device, bool on);

/* Interrupts (irq.c) */

int vfio_irq_count(struct vfio_device *device, uint32_t index);
int vfio_irq_enable(struct vfio_device *device, uint32_t index, uint32_t count, int *eventfds);
int vfio_irq_disable(struct vfio_device *device, uint32_t index);
int vfio_irq_unmask_intx(struct vfio_device *device);
int vfio_irq_wait(int eventfd, int timeout_ms);

/* Resets of all that hangs on a bus (hot_reset.c) */

#define HOT_RESET_DEVICES	16

struct hot_reset_info {
	uint32_t flags;
	uint32_t count;
	struct vfio_pci_dependent_device devices[HOT_RESET_DEVICES];
};

int vfio_hot_reset_info(struct vfio_device *device, struct hot_reset_info *info);
int vfio_hot_reset(struct vfio_device *device);

/* The older way to a device, by its group (group.c) */

int group_open(const char *address, struct iommu *iommu);
int group_device(int group, const char *address);

/* Registers. Nothing but accesses of just this size reaches the device. */

static inline uint16_t mmio_read16(void *base, size_t offset)
{
	return __atomic_load_n((uint16_t *)((char *)base + offset), __ATOMIC_SEQ_CST);
}

static inline void mmio_write16(void *base, size_t offset, uint16_t value)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n((uint16_t *)((char *)base + offset), value, __ATOMIC_RELEASE);
}

static inline uint32_t mmio_read32(void *base, size_t offset)
{
	return __atomic_load_n((uint32_t *)((char *)base + offset), __ATOMIC_SEQ_CST);
}

static inline void mmio_write32(void *base, size_t offset, uint32_t value)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n((uint32_t *)((char *)base + offset), value, __ATOMIC_RELEASE);
}

static inline uint64_t mmio_read64(void *base, size_t offset)
{
	return __atomic_load_n((uint64_t *)((char *)base + offset), __ATOMIC_SEQ_CST);
}

static inline void mmio_write64(void *base, size_t offset, uint64_t value)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n((uint64_t *)((char *)base + offset), value, __ATOMIC_RELEASE);
}

/* Drivers of devices that a virtual machine can have (driver.c, driver_*.c) */

struct dma_driver;

struct dma_driver_ops {
	const char *name;
	uint16_t vendor;
	uint16_t device;
	uint32_t class;
	/* VFIO_PCI_MSI_IRQ_INDEX or VFIO_PCI_MSIX_IRQ_INDEX; it is number 0 */
	uint32_t irq_index;
	/* what is copied at a time: at most, and a multiple of what */
	size_t max_copy;
	size_t unit;
	/* what it needs of the area behind AREA_BUFFERS */
	size_t more;
	/* the kernel's driver for it, or NULL */
	const char *kernel_driver;
	/* it can be reset alone, and that shows */
	bool resets;
	bool forgets;

	/*
	 * From any state; leaves in driver->state what the device needs to go on. If
	 * interrupts are to come they have to be enabled: QEMU's NVMe controller takes
	 * a vector into use when it is switched on, or never.
	 */
	int (*init)(struct dma_driver *driver);
	void (*remove)(struct dma_driver *driver);
	/* the device is as it was left: its registers agree with the state */
	bool (*is_running)(struct dma_driver *driver);
	/*
	 * the device reads, then writes memory; the bytes may be lost by a fault. NULL
	 * if that is not what it is for
	 */
	int (*copy)(struct dma_driver *driver, uint64_t to, uint64_t from, size_t len);
	/* have the device send one; or NULL */
	int (*interrupt)(struct dma_driver *driver);
};

/* What begins the area of each driver. */
struct dma_driver_header {
	char name[16];
	uint64_t iova;
};

#define DRIVER_STATE		64
#define DRIVER_RINGS		4096

struct dma_driver {
	const struct dma_driver_ops *ops;
	struct vfio_device *device;
	struct dma_area *area;
	/* in the area: DRIVER_STATE, up to DRIVER_RINGS */
	void *state;
	/* in the area, too: DRIVER_RINGS, up to AREA_BUFFERS */
	void *rings;
	uint64_t rings_iova;
};

/* The edu's registers for its interrupt. */
#define EDU_IRQ_STATUS		0x24
#define EDU_IRQ_RAISE		0x60
#define EDU_IRQ_ACK		0x64
/* What DMA raises. */
#define EDU_IRQ_DMA		0x100

extern const struct dma_driver_ops edu_ops;
extern const struct dma_driver_ops e1000e_ops;
extern const struct dma_driver_ops hda_ops;
extern const struct dma_driver_ops nvme_ops;

const struct dma_driver_ops *driver_find(uint16_t vendor, uint16_t device);
int driver_init(struct dma_driver *driver, struct vfio_device *device, struct dma_area *area);
int driver_resume(struct dma_driver *driver, struct vfio_device *device, struct dma_area *area);
int driver_init_as(struct dma_driver *driver, const struct dma_driver_ops *ops,
		   struct vfio_device *device, struct dma_area *area);
int driver_resume_as(struct dma_driver *driver, const struct dma_driver_ops *ops,
		     struct vfio_device *device, struct dma_area *area);
void driver_remove(struct dma_driver *driver);
int driver_copy(struct dma_driver *driver, size_t to, size_t from, size_t len);

/* Calls @done until it says yes; -ETIMEDOUT if that takes too long. */
int wait_until(bool (*done)(void *arg), void *arg);

/*
 * DMA that nobody waits for, for who is elsewhere meanwhile. What has an area as its
 * argument looks at memory only.
 */

int edu_begin(struct dma_driver *driver, uint64_t iova, size_t len, bool to_memory,
	      bool interrupt);
int edu_end(struct dma_driver *driver);
uint32_t edu_acknowledge(struct dma_driver *driver);

int nvme_write(struct dma_driver *driver, uint32_t block, uint64_t from, size_t len);
void nvme_begin_read(struct dma_driver *driver, uint32_t block, uint64_t to, size_t len);
int nvme_end_read(struct dma_driver *driver);
int nvme_count_over(const struct dma_area *area);

/* Sound that is recorded all the time, over and over again: silence (driver_hda.c) */

#define HDA_SOUND		(1024 * 1024)
#define HDA_SOUND_SIZE		(4 * 1024 * 1024)

/* An e1000e that receives, without anybody for many frames (driver_e1000e_ring.c) */

#define RING_DESCRIPTORS	65520
#define RING_BUFFER_SIZE	256
#define RING_AT			(1024 * 1024)
#define RING_BUFFERS		(2 * 1024 * 1024)
#define RING_AREA_SIZE		(18 * 1024 * 1024)

extern const struct dma_driver_ops e1000e_ring_ops;

void *ring_peek(const struct dma_area *area, uint32_t nth, size_t *len);
uint32_t ring_count(const struct dma_area *area);
void ring_take(struct dma_driver *driver, uint32_t count);
int ring_send(struct dma_driver *driver, const void *frame, size_t len);

/* What the kernel says (log.c) */

struct kernel_log {
	/* where log_says() and log_unexpected() are */
	int searched;
	int since;
	/* the level of messages that is to be set again, or -1 */
	int console;
};

int log_open(struct kernel_log *log);
bool log_says(struct kernel_log *log, const char *text, const char *more);
void log_close(struct kernel_log *log);
int log_quiet(struct kernel_log *log);
int log_unexpected(struct kernel_log *log, const char *expected);

#endif /* LIBVFIO_H */

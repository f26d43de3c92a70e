// SPDX-License-Identifier: GPL-2.0
/* Devices that go on with DMA through the kexec. */
#define _GNU_SOURCE
#include "running.h"

#define TOKEN_CONTROL	1
#define TOKEN_IOMMUFD	2
/* And those behind. */
#define TOKEN_SPACE	10
#define TOKEN_DEVICE	20

#define SEED		0x72756e
#define VECTORS		32

static struct running_space *next_space(struct running *running, struct running_space *space)
{
	space = space ? space + 1 : running->spaces;
	return space < running->spaces + RUNNING_SPACES && space->iova ? space : NULL;
}

static struct running_device *next_device(struct running *running, struct running_device *device)
{
	device = device ? device + 1 : running->devices;
	return device < running->devices + RUNNING_DEVICES && device->ops ? device : NULL;
}

/* The iommufd that all have. */
static int iommufd_of(struct running *running)
{
	return running->spaces[0].iommu.fd;
}

static void *beyond(struct running_space *space)
{
	return (char *)space->area.mem + space->mapped;
}

static void *control(struct running *running)
{
	return (char *)running->control.mem + LUO_PAGE;
}

static void start_space(struct running *running, struct running_space *space)
{
	if (space == running->spaces)
		CHECK_EQ(iommu_open(&space->iommu), 0);
	else
		CHECK_EQ(iommu_add(&space->iommu, &running->spaces[0].iommu), 0);
	CHECK_EQ(area_create_size(&space->area, space->iova, space->mapped + RUNNING_BEYOND), 0);
	luo_fill(beyond(space), RUNNING_BEYOND, SEED);
	CHECK_EQ(iommu_map_file(&space->iommu, space->iova, space->area.fd, 0, space->mapped),
		 0);
	running->notes->ioas[space - running->spaces] = space->iommu.ioas;
}

/* The part of the area that a device has is up to where the next one's begins. */
static void set_part(struct running *running, struct running_device *device)
{
	struct running_space *space = &running->spaces[device->space];
	size_t size = device->ops->more ? AREA_BUFFERS + device->ops->more : AREA_SIZE;

	device->part = area_part(&space->area, device->at, size);
}

static void start_device(struct running *running, struct running_device *device)
{
	struct running_space *space = &running->spaces[device->space];
	const struct dma_driver_ops *ops = device->ops;
	int eventfd;

	CHECK_EQ(pci_find(ops->vendor, ops->device, device->nth, device->address), 0);
	CHECK_EQ(pci_bind(device->address, "vfio-pci"), 0);
	set_part(running, device);
	CHECK_EQ(vfio_open(&device->device, device->address), 0);
	CHECK_EQ(vfio_start(&device->device, &space->iommu), 0);
	CHECK_EQ(vfio_irq_enable(&device->device, ops->irq_index, 1, &eventfd), 0);
	CHECK_EQ(driver_init_as(&device->driver, ops, &device->device, &device->part), 0);
	CHECK_EQ(vfio_irq_disable(&device->device, ops->irq_index), 0);
	close(eventfd);
	running->notes->devices[device - running->devices] = device->device.id;
}

void running_start(struct running *running)
{
	struct running_device *device = NULL;
	struct running_space *space = NULL;

	CHECK_EQ(area_create_size(&running->control, 0, RUNNING_CONTROL), 0);
	running->notes = running->control.mem;
	luo_fill(control(running), RUNNING_CONTROL - LUO_PAGE, SEED + 1);
	while ((space = next_space(running, space)))
		start_space(running, space);
	while ((device = next_device(running, device)))
		start_device(running, device);
}

void running_preserve(struct running *running)
{
	struct running_device *device = NULL;
	struct running_space *space = NULL;

	running->session = one_before(running->name, TOKEN_CONTROL, running->control.fd);
	while ((device = next_device(running, device)))
		CHECK_EQ(luo_preserve(running->session, device->device.fd,
				      TOKEN_DEVICE + (device - running->devices)), 0);
	CHECK_EQ(luo_preserve(running->session, iommufd_of(running), TOKEN_IOMMUFD), 0);
	while ((space = next_space(running, space))) {
		CHECK_EQ(luo_preserve(running->session, space->area.fd,
				      TOKEN_SPACE + (space - running->spaces)), 0);
		CHECK_EQ(iommu_unmap(&space->iommu, space->iova, space->mapped), -EBUSY);
	}
}

static bool adopt(struct running *running, struct dma_area *area, uint64_t token, uint64_t iova)
{
	int fd = luo_retrieve(running->session, token);
	bool is_there = fd >= 0 && !area_adopt(area, fd, iova);

	check(is_there, "%s: memory with token %llu", running->name, (unsigned long long)token);
	return is_there;
}

bool running_retrieve(struct running *running)
{
	struct running_device *device = NULL;
	struct running_space *space = NULL;

	running->session = luo_retrieve_session(dev, running->name);
	CHECK(running->session >= 0);
	if (!adopt(running, &running->control, TOKEN_CONTROL, 0))
		return false;
	running->notes = running->control.mem;
	while ((device = next_device(running, device)))
		CHECK_EQ(pci_find(device->ops->vendor, device->ops->device, device->nth,
				  device->address), 0);
	while ((space = next_space(running, space)))
		if (!adopt(running, &space->area, TOKEN_SPACE + (space - running->spaces),
			   space->iova))
			return false;
	return true;
}

/* As the hardware has it: what is above it lets it through, too. */
static void is_master(const char *address)
{
	char above[PCI_ADDRESS_SIZE], bridge[PCI_ADDRESS_SIZE];
	uint8_t raw[PCI_STD_HEADER_SIZEOF];

	memcpy(above, address, sizeof(above));
	do {
		CHECK_EQ(pci_config_raw(above, raw, sizeof(raw)), sizeof(raw));
		check(raw[PCI_COMMAND] & PCI_COMMAND_MASTER, "%s: bus mastering", above);
		memcpy(bridge, above, sizeof(bridge));
	} while (!pci_bridge_above(bridge, above));
}

static void is_kept(struct running_device *device)
{
	char driver[32] = "";

	CHECK_EQ(pci_driver(device->address, driver, sizeof(driver)), 0);
	CHECK_EQ(strcmp(driver, "vfio-pci"), 0);
	is_master(device->address);
}

static void retrieve_device(struct running *running, struct running_device *device)
{
	int fd = luo_retrieve(running->session, TOKEN_DEVICE + (device - running->devices));

	CHECK(fd >= 0);
	CHECK_EQ(vfio_adopt(&device->device, device->address, fd), 0);
}

/* Descriptors of all, and the devices are bound. */
static void retrieve_all(struct running *running)
{
	struct running_device *device = NULL;
	struct running_space *space = NULL;
	int iommufd;

	while ((device = next_device(running, device)))
		retrieve_device(running, device);
	CHECK_EQ(luo_finish(running->session), -EBUSY);
	iommufd = luo_retrieve(running->session, TOKEN_IOMMUFD);
	CHECK(iommufd >= 0);
	while ((space = next_space(running, space))) {
		space->iommu.fd = iommufd;
		space->iommu.ioas = running->notes->ioas[space - running->spaces];
		CHECK_EQ(iommu_unmap(&space->iommu, space->iova, space->mapped), -EBUSY);
	}
	while ((device = next_device(running, device))) {
		CHECK_EQ(vfio_bind(&device->device, &running->spaces[device->space].iommu), 0);
		CHECK_EQ(device->device.id,
			 running->notes->devices[device - running->devices]);
	}
	CHECK_EQ(luo_finish(running->session), -EBUSY);
}

void running_reopen(struct running *running)
{
	struct running_device *device = NULL;

	retrieve_all(running);
	while ((device = next_device(running, device))) {
		CHECK_EQ(vfio_attach(&device->device, &running->spaces[device->space].iommu), 0);
		CHECK_EQ(vfio_detach(&device->device), -EBUSY);
		CHECK_EQ(vfio_map_bars(&device->device), 0);
		set_part(running, device);
		CHECK_EQ(driver_resume_as(&device->driver, device->ops, &device->device,
					  &device->part), 0);
	}
}

void running_take_over(struct running *running)
{
	struct running_device *device = NULL;

	while ((device = next_device(running, device)))
		is_kept(device);
	running_reopen(running);
	while ((device = next_device(running, device))) {
		is_master(device->address);
		CHECK(vfio_config_get(&device->device, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	}
}

static void interrupts(struct running_device *device)
{
	uint32_t index = device->ops->irq_index;
	int eventfds[VECTORS], count, i;

	count = vfio_irq_count(&device->device, index);
	CHECK(count > 0);
	if (count > VECTORS)
		count = VECTORS;
	CHECK_EQ(vfio_irq_enable(&device->device, index, count, eventfds), 0);
	for (i = 0; i < count; i++)
		check(vfio_irq_wait(eventfds[i], VFIO_WAIT_MS) == 1, "%s: interrupt %d of %d",
		      device->address, i, count);
	/* That was the last one. */
	for (i = 0; i < count; i++)
		CHECK_EQ(vfio_irq_wait(eventfds[i], 0), -ETIMEDOUT);
	CHECK_EQ(vfio_irq_disable(&device->device, index), 0);
	for (i = 0; i < count; i++)
		close(eventfds[i]);
}

void running_interrupts(struct running *running)
{
	struct running_device *device = NULL;

	while ((device = next_device(running, device)))
		interrupts(device);
}

void running_memory_is_same(struct running *running)
{
	struct running_space *space = NULL;

	CHECK(luo_is_filled(control(running), RUNNING_CONTROL - LUO_PAGE, SEED + 1));
	while ((space = next_space(running, space)))
		CHECK(luo_is_filled(beyond(space), RUNNING_BEYOND, SEED));
}

void running_finish(struct running *running)
{
	struct running_device *device = NULL;

	CHECK_EQ(luo_finish(running->session), 0);
	close(running->session);
	while ((device = next_device(running, device)))
		is_master(device->address);
}

void running_close_memory(struct running *running)
{
	struct running_space *space = NULL;

	while ((space = next_space(running, space)))
		area_close(&space->area);
	area_close(&running->control);
}

void running_die(struct running *running)
{
	struct running_device *device = NULL;

	retrieve_all(running);
	CHECK_EQ(close(running->session), 0);
	while ((device = next_device(running, device)))
		vfio_close(&device->device);
	iommu_close(&running->spaces[0].iommu);
	running_close_memory(running);
}

static bool is_stopped(const char *address)
{
	uint8_t raw[PCI_STD_HEADER_SIZEOF];

	return pci_config_raw(address, raw, sizeof(raw)) == sizeof(raw) &&
	       !(raw[PCI_COMMAND] & PCI_COMMAND_MASTER);
}

void running_give_up(struct running *running)
{
	struct running_device *device = NULL;

	while ((device = next_device(running, device)))
		is_kept(device);
	/* It knows of the devices. */
	CHECK_EQ(luo_unpreserve(running->session, TOKEN_DEVICE), -EBUSY);
	CHECK_EQ(luo_unpreserve(running->session, TOKEN_IOMMUFD), 0);
	while ((device = next_device(running, device)))
		CHECK_EQ(luo_unpreserve(running->session,
					TOKEN_DEVICE + (device - running->devices)), 0);
	CHECK_EQ(luo_finish(running->session), 0);
	close(running->session);
	while ((device = next_device(running, device)))
		check(is_stopped(device->address), "%s: it is stopped", device->address);
}

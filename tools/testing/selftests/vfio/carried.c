// SPDX-License-Identifier: GPL-2.0
/* Devices in use that are taken along. */
#define _GNU_SOURCE
#include "../liveupdate/luo_fault.h"
#include "carried.h"

/* A transfer of the edu takes 100 ms, of however few bytes. */
#define WORK_LENGTH	1024

/* Of what was copied last. */
static uint64_t seed;

static struct looks *looks_of(struct carried *carried)
{
	return (struct looks *)((char *)carried->area.mem + CARRIED_LOOKS);
}

static void set_up(struct carried *carried)
{
	carried->iommu = carried->leader ? carried->leader->iommu : &carried->own_iommu;
	if (!carried->leader)
		CHECK_EQ(iommu_open(carried->iommu), 0);
}

/* As a guest might: the most of it is known to vfio only, and not to the device. */
static void write_config(struct vfio_device *device)
{
	int msi = vfio_config_capability(device, PCI_CAP_ID_MSI);

	CHECK_EQ(vfio_config_set(device, PCI_INTERRUPT_LINE, 1, 0x5a), 0);
	CHECK_EQ(vfio_config_set(device, PCI_CACHE_LINE_SIZE, 1, 0x10), 0);
	CHECK_EQ(vfio_config_set(device, PCI_COMMAND, 2,
				 vfio_config_get(device, PCI_COMMAND, 2) |
				 PCI_COMMAND_INTX_DISABLE), 0);
	CHECK_EQ(vfio_config_set(device, PCI_BASE_ADDRESS_0, 4, 0xe0000000), 0);
	CHECK_EQ(vfio_config_get(device, PCI_BASE_ADDRESS_0, 4) & PCI_BASE_ADDRESS_MEM_MASK,
		 0xe0000000);
	if (msi < 0)
		return;
	CHECK_EQ(vfio_config_set(device, msi + PCI_MSI_ADDRESS_LO, 4, 0xfee01000), 0);
	CHECK_EQ(vfio_config_get(device, msi + PCI_MSI_ADDRESS_LO, 4), 0xfee01000);
}

static int map_area(struct carried *carried)
{
	struct dma_area *area = &carried->area;

	return carried->with_iommufd ?
		iommu_map_file(carried->iommu, area->iova, area->fd, 0, area->size) :
		area_map(area, carried->iommu);
}

void carried_start(struct carried *carried)
{
	int eventfd;

	if (carried->iommu)
		return;
	CHECK_EQ(pci_find(carried->ops->vendor, carried->ops->device, carried->nth,
			  carried->address), 0);
	CHECK_EQ(pci_bind(carried->address, "vfio-pci"), 0);
	set_up(carried);
	CHECK_EQ(area_create(&carried->area, carried->iova), 0);
	CHECK_EQ(map_area(carried), 0);
	CHECK_EQ(vfio_open(&carried->device, carried->address), 0);
	CHECK_EQ(vfio_start(&carried->device, carried->iommu), 0);
	write_config(&carried->device);
	CHECK_EQ(vfio_irq_enable(&carried->device, carried->ops->irq_index, 1, &eventfd), 0);
	CHECK_EQ(driver_init(&carried->driver, &carried->device, &carried->area), 0);
	CHECK_EQ(vfio_irq_disable(&carried->device, carried->ops->irq_index), 0);
	close(eventfd);
}

static void interrupt(struct carried *carried)
{
	struct vfio_device *device = &carried->device;
	int eventfd;

	CHECK_EQ(vfio_irq_enable(device, carried->ops->irq_index, 1, &eventfd), 0);
	CHECK_EQ(carried->ops->interrupt(&carried->driver), 0);
	CHECK(vfio_irq_wait(eventfd, VFIO_WAIT_MS) >= 1);
	CHECK_EQ(vfio_irq_disable(device, carried->ops->irq_index), 0);
	close(eventfd);
}

void carried_work(struct carried *carried, bool interrupts)
{
	char *mem = carried->area.mem;

	/* Why not was told before. */
	if (!carried->driver.ops)
		return;
	luo_fill(mem + CARRIED_FROM, WORK_LENGTH, ++seed);
	memset(mem + CARRIED_TO, 0, WORK_LENGTH);
	CHECK_EQ(driver_copy(&carried->driver, CARRIED_TO, CARRIED_FROM, WORK_LENGTH), 0);
	check(luo_is_filled(mem + CARRIED_TO, WORK_LENGTH, seed), "%s: DMA", carried->name);
	if (interrupts)
		interrupt(carried);
}

void carried_data_are_there(struct carried *carried)
{
	CHECK(luo_is_filled((char *)carried->area.mem + CARRIED_TO, WORK_LENGTH,
			    looks_of(carried)->seed));
}

/* Those in its group that need its iommu are to be stopped before. */
void carried_stop(struct carried *carried)
{
	driver_remove(&carried->driver);
	vfio_close(&carried->device);
	area_close(&carried->area);
	if (!carried->leader)
		iommu_close(carried->iommu);
	carried->iommu = NULL;
}

static void look(struct carried *carried, struct looks *looks)
{
	char address[PCI_ADDRESS_SIZE], bridge[PCI_ADDRESS_SIZE];
	uint32_t i;

	memset(looks, 0, sizeof(*looks));
	looks->seed = seed;
	memcpy(looks->address, carried->address, PCI_ADDRESS_SIZE);
	memcpy(address, carried->address, PCI_ADDRESS_SIZE);
	looks->group = pci_group(carried->address);
	looks->config_size = carried->device.config_size;
	CHECK_EQ(vfio_config_read(&carried->device, 0, looks->config, looks->config_size),
		 looks->config_size);
	CHECK_EQ(pci_config_raw(carried->address, looks->raw, sizeof(looks->raw)),
		 sizeof(looks->raw));
	for (i = 0; i < CARRIED_BRIDGES && !pci_bridge_above(address, bridge); i++) {
		memcpy(looks->bridges[i].address, bridge, PCI_ADDRESS_SIZE);
		pci_config_raw(bridge, looks->bridges[i].raw, sizeof(looks->bridges[i].raw));
		memcpy(address, bridge, PCI_ADDRESS_SIZE);
	}
	looks->nr_bridges = i;
}

void carried_preserve(struct carried *carried)
{
	look(carried, looks_of(carried));
	carried->session = one_before(carried->name, TOKEN_AREA, carried->area.fd);
	CHECK_EQ(luo_preserve(carried->session, carried->device.fd, TOKEN_DEVICE), 0);
	if (!carried->with_iommufd)
		return;
	CHECK_EQ(luo_preserve(carried->session, carried->iommu->fd, TOKEN_IOMMUFD), 0);
	CHECK_EQ(iommu_unmap(carried->iommu, carried->area.iova, carried->area.size), -EBUSY);
	CHECK_EQ(vfio_detach(&carried->device), -EBUSY);
	CHECK_EQ(vfio_attach(&carried->device, carried->iommu), -EBUSY);
}

/* One that has no power management is in a state that nobody knows. */
static bool is_awake(const char *address)
{
	char state[32] = "";

	CHECK_EQ(pci_read_text(address, "power_state", state, sizeof(state)), 0);
	return !strcmp(state, "D0\n") || !strcmp(state, "unknown\n");
}

/* Neither asleep nor to be reset. */
static void hardware_is_kept(struct carried *carried)
{
	int err = pci_write(carried->address, "reset", "1");
	char above[PCI_ADDRESS_SIZE], at[PCI_ADDRESS_SIZE];

	/* Some can't be anyway. */
	CHECK(err == -EBUSY || (err == -ENOENT && !carried->ops->resets));
	CHECK(is_awake(carried->address));
	memcpy(at, carried->address, PCI_ADDRESS_SIZE);
	while (!pci_bridge_above(at, above)) {
		CHECK(is_awake(above));
		CHECK_EQ(pci_write(above, "reset_subordinate", "1"), -EBUSY);
		memcpy(at, above, PCI_ADDRESS_SIZE);
	}
}

void carried_is_quiet(struct carried *carried)
{
	uint8_t raw[PCI_CONFIG_SIZE] = {};

	CHECK_EQ(pci_config_raw(carried->address, raw, sizeof(raw)), sizeof(raw));
	CHECK_EQ(!!(raw[PCI_COMMAND] & PCI_COMMAND_MASTER), carried->with_iommufd);
}

void carried_is_kept(struct carried *carried)
{
	struct iommu iommu;
	char driver[32];
	int group;

	CHECK_EQ(pci_find(carried->ops->vendor, carried->ops->device, carried->nth,
			  carried->address), 0);
	CHECK_EQ(pci_driver(carried->address, driver, sizeof(driver)), 0);
	check(!strcmp(driver, "vfio-pci"), "%s has driver %s", carried->name, driver);
	hardware_is_kept(carried);
	CHECK_EQ(vfio_cdev_open(carried->address), -EBUSY);
	CHECK_EQ(iommu_open(&iommu), 0);
	group = group_open(carried->address, &iommu);
	/* Of one that is bound not even the group can be had. */
	CHECK_EQ(group < 0 ? group : group_device(group, carried->address), -EBUSY);
	if (group >= 0)
		close(group);
	iommu_close(&iommu);
	/* Nobody is to have it. */
	CHECK_EQ(pci_write(carried->address, "remove", "1"), -EBUSY);
	CHECK_EQ(pci_write(carried->address, "driver_override", "e1000e"), 0);
	CHECK_EQ(pci_write(carried->address, "driver_override", "\n"), 0);
}

/* The bridge above is as a kernel that set it up itself would not have it. */
void carried_upset_bridge(struct carried *carried)
{
	uint8_t raw[PCI_EXTENDED_SIZE] = {};
	char bridge[PCI_ADDRESS_SIZE];
	uint16_t control;
	int at;

	CHECK_EQ(pci_bridge_above(carried->address, bridge), 0);
	CHECK_EQ(pci_config_raw(bridge, raw, sizeof(raw)), sizeof(raw));
	at = pci_capability(raw, PCI_CAP_ID_EXP);
	CHECK(at > 0);
	/* Nobody below it knows what that is. */
	memcpy(&control, raw + at + PCI_EXP_DEVCTL2, sizeof(control));
	CHECK_EQ(pci_config_poke(bridge, at + PCI_EXP_DEVCTL2, control | PCI_EXP_DEVCTL2_ARI), 0);
	/* Nor needs this window, which is closed. */
	CHECK_EQ(pci_config_poke(bridge, PCI_PREF_MEMORY_LIMIT, 0), 0);
	CHECK_EQ(pci_config_poke(bridge, PCI_PREF_MEMORY_BASE, 0xfff0), 0);
}

/* Needs the device's session and its file to be there. */
void carried_retrieve(struct carried *carried)
{
	int fd;

	carried->session = luo_retrieve_session(dev, carried->name);
	CHECK(carried->session >= 0);
	CHECK_EQ(luo_finish(carried->session), -EBUSY);
	fd = luo_retrieve(carried->session, TOKEN_AREA);
	CHECK(fd >= 0);
	CHECK_EQ(area_adopt(&carried->area, fd, carried->iova), 0);
	fd = luo_retrieve(carried->session, TOKEN_DEVICE);
	CHECK(fd >= 0);
	CHECK_EQ(vfio_adopt(&carried->device, carried->address, fd), 0);
	/* Not whole yet. */
	CHECK_EQ(luo_finish(carried->session), -EBUSY);
}

int sweep_on(struct sweep *sweep, int session)
{
	bool hit = true;
	int ret = -1;

	if (sweep->clean)
		return sweep->ask(session);
	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	while (ret < 0 && hit) {
		luo_fail_nth(sweep->hits + 1);
		ret = sweep->ask(session);
		hit = luo_has_failed();
		sweep->hits += hit;
		CHECK(ret >= 0 || (hit && luo_is_fault(ret)));
	}
	sweep->clean = !hit;
	CHECK(luo_log_was_clean());
	luo_watch_races("on");
	return ret;
}

void sweep_end(const struct sweep *sweep)
{
	printf("# %s: %d points hit%s\n", sweep->what, sweep->hits,
	       sweep->clean ? "" : ", the last one without harm");
	CHECK(sweep->hits);
}

static struct carried *binding;

/* As long as it can't be bound it is as it was: quiet, or doing DMA. */
static int ask_bind(int session)
{
	int err = vfio_bind(&binding->device, binding->iommu);

	if (err)
		carried_is_quiet(binding);
	return err;
}

static struct sweep bind_sweep = { .what = "bind a device", .ask = ask_bind };

static void bind_device(struct carried *carried)
{
	binding = carried;
	/* Behind what the devices have met in the hop before. */
	if (!bind_sweep.hits)
		bind_sweep.hits = 6 * (stage - 1);
	CHECK_EQ(sweep_on(&bind_sweep, carried->session), 0);
	printf("# bind a device: %d points hit\n", bind_sweep.hits);
	CHECK(bind_sweep.hits);
}

/* IDs are given in turn: the IOAS, the device, the page table. */
#define FIRST_ID	1
#define DEVICE_ID	2

static void retrieve_iommufd(struct carried *carried)
{
	struct iommu *iommu = carried->iommu = &carried->own_iommu;

	iommu->fd = luo_retrieve(carried->session, TOKEN_IOMMUFD);
	CHECK(iommu->fd >= 0);
	iommu->ioas = FIRST_ID;
	/* It has all, and until it is finished it stays so. */
	CHECK_EQ(map_area(carried), -EBUSY);
	CHECK_EQ(iommu_unmap(iommu, carried->area.iova, carried->area.size), -EBUSY);
	bind_device(carried);
	CHECK_EQ(carried->device.id, DEVICE_ID);
	CHECK_EQ(luo_finish(carried->session), -EBUSY);
	CHECK_EQ(vfio_attach(&carried->device, iommu), 0);
	CHECK_EQ(vfio_detach(&carried->device), -EBUSY);
	CHECK_EQ(vfio_map_bars(&carried->device), 0);
}

void carried_bind(struct carried *carried)
{
	struct vfio_device again;
	int fd;

	if (carried->with_iommufd) {
		retrieve_iommufd(carried);
	} else {
		set_up(carried);
		CHECK_EQ(map_area(carried), 0);
		bind_device(carried);
		CHECK_EQ(vfio_attach(&carried->device, carried->iommu), 0);
		CHECK_EQ(vfio_map_bars(&carried->device), 0);
	}
	/* Another descriptor, the same file: it is bound. */
	fd = luo_retrieve(carried->session, TOKEN_DEVICE);
	CHECK(fd >= 0 && fd != carried->device.fd);
	CHECK_EQ(vfio_adopt(&again, carried->address, fd), 0);
	CHECK(vfio_flags(&again) & VFIO_DEVICE_FLAGS_PCI);
	vfio_close(&again);
}

static void bytes_same(struct carried *carried, const char *what, const uint8_t *now,
		       const uint8_t *before, size_t from, size_t to)
{
	size_t i;

	for (i = from; i < to; i++)
		check(now[i] == before[i], "%s: %s at %#zx is %02x, was %02x", carried->name,
		      what, i, now[i], before[i]);
}

static void bridges_same(struct carried *carried, const struct looks *now,
			 const struct looks *before)
{
	uint32_t i, acs = 0;
	int at;

	CHECK_EQ(now->nr_bridges, before->nr_bridges);
	for (i = 0; i < now->nr_bridges; i++) {
		const uint8_t *raw = now->bridges[i].raw, *old = before->bridges[i].raw;

		CHECK_EQ(strcmp(now->bridges[i].address, before->bridges[i].address), 0);
		/* Bus numbers and windows, but not the secondary status; control. */
		bytes_same(carried, "bridge", raw, old, PCI_PRIMARY_BUS, PCI_SEC_STATUS);
		bytes_same(carried, "bridge", raw, old, PCI_MEMORY_BASE, PCI_CAPABILITY_LIST);
		bytes_same(carried, "bridge", raw, old, PCI_BRIDGE_CONTROL,
			   PCI_BRIDGE_CONTROL + 2);
		at = pci_capability(old, PCI_CAP_ID_EXP);
		CHECK(at > 0);
		bytes_same(carried, "payload", raw, old, at + PCI_EXP_DEVCTL,
			   at + PCI_EXP_DEVCTL + 2);
		bytes_same(carried, "ARI", raw, old, at + PCI_EXP_DEVCTL2,
			   at + PCI_EXP_DEVCTL2 + 2);
		at = pci_extended_capability(old, PCI_EXTENDED_SIZE, PCI_EXT_CAP_ID_ACS);
		if (at < 0)
			continue;
		bytes_same(carried, "ACS", raw, old, at + PCI_ACS_CTRL, at + PCI_ACS_CTRL + 2);
		/* Isolated as it is at boot: requests may not turn back. */
		CHECK(raw[at + PCI_ACS_CTRL] & PCI_ACS_RR);
		acs++;
	}
	/* Root ports have it. */
	CHECK(!now->nr_bridges || acs || carried->ops == &edu_ops);
}

/* Pitfall 21: what makes it reachable; pitfall 22: it was not reset. */
void carried_looks_same(struct carried *carried)
{
	const struct looks *before = looks_of(carried);
	static struct looks now;

	look(carried, &now);
	CHECK_EQ(strcmp(now.address, before->address), 0);
	CHECK_EQ(now.group, before->group);
	CHECK_EQ(now.config_size, before->config_size);
	CHECK_EQ(before->config_size, carried->ops == &edu_ops ?
		 PCI_CONFIG_SIZE : PCI_EXTENDED_SIZE);
	bytes_same(carried, "config", now.config, before->config, 0, before->config_size);
	bytes_same(carried, "raw", now.raw, before->raw, 0, PCI_STATUS);
	bytes_same(carried, "raw", now.raw, before->raw, PCI_CLASS_REVISION, PCI_STD_HEADER_SIZEOF);
	bridges_same(carried, &now, before);
	CHECK(now.raw[PCI_COMMAND] & PCI_COMMAND_MASTER);
	CHECK_EQ(driver_resume(&carried->driver, &carried->device, &carried->area), 0);
}

struct sweep finish_sweep = { .what = "finish a device", .ask = luo_finish };

void carried_finish(struct carried *carried)
{
	int session = luo_create(dev, "too early"), fd;

	/* Not before it is whole again. */
	CHECK_EQ(luo_preserve(session, carried->device.fd, 1), -EBUSY);
	close(session);
	CHECK_EQ(vfio_cdev_open(carried->address), -EBUSY);
	CHECK_EQ(sweep_on(&finish_sweep, carried->session), 0);
	close(carried->session);
	/* It is one like any other now, with a user. */
	fd = vfio_cdev_open(carried->address);
	CHECK(fd >= 0);
	close(fd);
}

void carried_before(struct carried *carried)
{
	carried_start(carried);
	carried_work(carried, true);
	carried_preserve(carried);
	/* It goes on. */
	carried_work(carried, true);
}

void carried_after(struct carried *carried)
{
	carried_is_kept(carried);
	carried_is_quiet(carried);
	carried_retrieve(carried);
	carried_bind(carried);
	carried_looks_same(carried);
	carried_work(carried, true);
	carried_finish(carried);
	carried_work(carried, true);
}

// SPDX-License-Identifier: GPL-2.0
/* Devices in several places, prepared in one kernel and looked at in the next one. */
#define _GNU_SOURCE
#include "../liveupdate/luo_fault.h"
#include "scenarios.h"

#define DAMAGE_WRITE	"/sys/module/kho_damage/parameters/write"

static struct carried edu = { .name = "edu", .ops = &edu_ops, .iova = 0x1000000 };
static struct carried e1000e = { .name = "e1000e", .ops = &e1000e_ops, .iova = 0x1100000 };
static struct carried nvme = { .name = "nvme", .ops = &nvme_ops, .iova = 0x1200000 };
/* In one group. */
static struct carried first = {
	.name = "first", .ops = &edu_ops, .nth = 1, .iova = 0x1300000,
};

static struct carried second = {
	.name = "second", .ops = &edu_ops, .nth = 2, .iova = 0x1400000, .leader = &first,
};

static int ask_device(int session)
{
	return luo_retrieve(session, TOKEN_DEVICE);
}

static int discard_device(int session)
{
	return luo_unpreserve(session, TOKEN_DEVICE);
}

static int discard_context(int session)
{
	return luo_unpreserve(session, TOKEN_IOMMUFD);
}

static struct sweep retrieve_sweep = { .what = "retrieve a device", .ask = ask_device };
static struct sweep discard_sweep = { .what = "discard a device", .ask = discard_device };
static struct sweep context_sweep = { .what = "discard a context", .ask = discard_context };

/*
 * Pitfall 32: to be short of memory is not for ever, and nothing is lost by it. A device
 * that is closed is made anew, so it is the same one all the time.
 */
static void retrieve_device(struct carried *carried)
{
	int session = luo_retrieve_session(dev, carried->name);

	do {
		CHECK_EQ(close(sweep_on(&retrieve_sweep, session)), 0);
	} while (!retrieve_sweep.clean && !failures);
	CHECK(retrieve_sweep.clean);
	sweep_end(&retrieve_sweep);
	close(session);
}

static void edu_before(void)
{
	carried_before(&edu);
}

/*
 * A page of the memfd is another one by the time the context is retrieved, while the
 * device has the page of before: it loses its access, and nothing else is lost.
 */
static struct carried torn = {
	.name = "torn", .ops = &edu_ops, .iova = 0x1600000, .with_iommufd = true,
};

/* It is given up with its device, which is an ordinary one then. */
static void context_is_lost(struct carried *carried, int session, int error)
{
	CHECK_EQ(luo_unpreserve(session, TOKEN_DEVICE), -EBUSY);
	CHECK_EQ(luo_retrieve(session, TOKEN_IOMMUFD), error);
	CHECK_EQ(luo_retrieve(session, TOKEN_IOMMUFD), error);
	CHECK_EQ(luo_finish(session), -EBUSY);
	CHECK_EQ(sweep_on(&context_sweep, session), 0);
	sweep_end(&context_sweep);
	CHECK_EQ(sweep_on(&discard_sweep, session), 0);
	sweep_end(&discard_sweep);
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	carried_start(carried);
	carried_work(carried, true);
	carried_stop(carried);
}

static void torn_before(void)
{
	carried_before(&torn);
}

static void torn_after(void)
{
	int session = luo_retrieve_session(dev, torn.name), fd;

	CHECK(session >= 0);
	fd = luo_retrieve(session, TOKEN_AREA);
	CHECK(fd >= 0);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, CARRIED_FROM,
			   LUO_PAGE), 0);
	CHECK_EQ(luo_file_fill(fd, CARRIED_FROM, LUO_PAGE, 1), 0);
	context_is_lost(&torn, session, -EBADMSG);
	CHECK(luo_file_is_filled(fd, CARRIED_FROM, LUO_PAGE, 1));
	close(fd);
}

/* A USB controller that runs: the kernel stops those that it finds. */
#define XHCI_VENDOR		0x1b36
#define XHCI_DEVICE		0x000d
#define XHCI_CAPLENGTH		0xff
#define XHCI_COMMAND		0
#define XHCI_RUN		1
#define XHCI_STATUS		4
#define XHCI_HALTED		1

/* They are behind those that tell what it can do. */
static void *xhci_registers(struct vfio_device *device)
{
	char *base = device->bars[0].mem;

	return base + (mmio_read32(base, 0) & XHCI_CAPLENGTH);
}

static void xhci_open(struct vfio_device *device, int fd)
{
	static struct iommu iommu;
	char address[PCI_ADDRESS_SIZE];

	CHECK_EQ(pci_find(XHCI_VENDOR, XHCI_DEVICE, 0, address), 0);
	if (fd < 0) {
		CHECK_EQ(pci_bind(address, "vfio-pci"), 0);
		fd = vfio_cdev_open(address);
	}
	CHECK(fd >= 0);
	CHECK_EQ(vfio_adopt(device, address, fd), 0);
	CHECK_EQ(iommu_open(&iommu), 0);
	CHECK_EQ(vfio_start(device, &iommu), 0);
	CHECK(device->bars[0].mem);
}

static bool xhci_runs(struct vfio_device *device)
{
	void *registers = xhci_registers(device);

	return mmio_read32(registers, XHCI_COMMAND) & XHCI_RUN &&
	       !(mmio_read32(registers, XHCI_STATUS) & XHCI_HALTED);
}

static void xhci_before(void)
{
	struct vfio_device device;

	xhci_open(&device, -1);
	/* It can't be reset when it is closed. */
	mmio_write32(xhci_registers(&device), XHCI_COMMAND, 0);
	CHECK(!xhci_runs(&device));
	mmio_write32(xhci_registers(&device), XHCI_COMMAND, XHCI_RUN);
	CHECK(xhci_runs(&device));
	one_before("xhci", TOKEN_DEVICE, device.fd);
}

static void xhci_after(void)
{
	struct vfio_device device;
	int session, fd = one_after("xhci", TOKEN_DEVICE, &session);

	xhci_open(&device, fd);
	CHECK(xhci_runs(&device));
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	CHECK(xhci_runs(&device));
	vfio_close(&device);
}

static void edu_after(void)
{
	carried_is_kept(&edu);
	retrieve_device(&edu);
	carried_after(&edu);
}

static void e1000e_before(void)
{
	carried_start(&e1000e);
	if (!stage)
		carried_upset_bridge(&e1000e);
	carried_before(&e1000e);
}

/* No other driver gets it by hand either, and it is not lost while it has none. */
static void change_driver(struct carried *carried)
{
	char driver[32] = "";
	int session;

	CHECK_EQ(pci_find(carried->ops->vendor, carried->ops->device, carried->nth,
			  carried->address), 0);
	/* Whether it has none then or the one it had before does not matter. */
	CHECK(pci_bind(carried->address, carried->ops->kernel_driver) < 0);
	pci_driver(carried->address, driver, sizeof(driver));
	CHECK(strcmp(driver, carried->ops->kernel_driver));
	CHECK_EQ(pci_unbind(carried->address), 0);
	session = luo_retrieve_session(dev, carried->name);
	CHECK_EQ(luo_retrieve(session, TOKEN_DEVICE), -EAGAIN);
	close(session);
	CHECK_EQ(pci_bind(carried->address, "vfio-pci"), 0);
}

/* A kernel without vfio-pci: nobody else gets it. */
static void missing_before(void)
{
	carried_start(&e1000e);
	carried_preserve(&e1000e);
}

static void missing_after(void)
{
	char driver[32];

	CHECK_EQ(pci_find(e1000e.ops->vendor, e1000e.ops->device, 0, e1000e.address), 0);
	CHECK_EQ(pci_driver(e1000e.address, driver, sizeof(driver)), -ENOENT);
	CHECK(pci_bind(e1000e.address, e1000e.ops->kernel_driver) < 0);
	CHECK_EQ(pci_driver(e1000e.address, driver, sizeof(driver)), -ENOENT);
	carried_is_quiet(&e1000e);
	CHECK_EQ(luo_retrieve_session(dev, e1000e.name), -EOPNOTSUPP);
}

static void e1000e_after(void)
{
	change_driver(&e1000e);
	carried_after(&e1000e);
}

static void nvme_before(void)
{
	carried_before(&nvme);
}

/* Who has got it back is gone before it is finished, and has bound it or not. */
static void close_early(struct carried *carried, bool bound)
{
	int session = luo_retrieve_session(dev, carried->name);
	struct vfio_device device;
	struct iommu iommu;

	CHECK(session >= 0);
	CHECK_EQ(vfio_adopt(&device, carried->address, luo_retrieve(session, TOKEN_DEVICE)), 0);
	CHECK_EQ(iommu_open(&iommu), 0);
	if (bound)
		CHECK_EQ(vfio_bind(&device, &iommu), 0);
	vfio_close(&device);
	iommu_close(&iommu);
	close(session);
}

/* Closed early it is there again, and was not reset (pitfall 22). */
static void nvme_after(void)
{
	carried_is_kept(&nvme);
	close_early(&nvme, false);
	close_early(&nvme, true);
	carried_is_kept(&nvme);
	carried_retrieve(&nvme);
	carried_bind(&nvme);
	/* What was not handed over would get new numbers, whether or not it is in use. */
	if (!luo_kernel_option("pci=assign-busses"))
		CHECK_EQ(pci_rescan(), 0);
	carried_looks_same(&nvme);
	carried_work(&nvme, true);
	/* A reset of its bus would be one. */
	CHECK_EQ(vfio_hot_reset(&nvme.device), -EBUSY);
	carried_finish(&nvme);
	carried_work(&nvme, true);
	/* It is known that it can be reset, without having been. */
	CHECK(vfio_flags(&nvme.device) & VFIO_DEVICE_FLAGS_RESET);
	CHECK_EQ(vfio_reset(&nvme.device), 0);
	carried_stop(&nvme);
}

/*
 * Of two devices in a group both are carried by sessions of their own, or one of
 * them, or one of them is not wanted any more.
 */
enum { BOTH, ONE, ONE_UNWANTED };

static void group_before(void)
{
	carried_start(&first);
	carried_start(&second);
	carried_work(&first, true);
	carried_work(&second, true);
	CHECK_EQ(pci_group(first.address), pci_group(second.address));
	carried_preserve(&first);
	if (stage % 3 == ONE)
		carried_stop(&second);
	else
		carried_preserve(&second);
}

/* The whole group is nobody else's as long as one of them is not finished. */
static void one_after_the_other(void)
{
	char bridge[PCI_ADDRESS_SIZE];

	carried_is_kept(&first);
	carried_is_kept(&second);
	carried_retrieve(&first);
	carried_retrieve(&second);
	carried_bind(&first);
	carried_looks_same(&first);
	carried_bind(&second);
	carried_looks_same(&second);
	carried_finish(&first);
	CHECK_EQ(pci_write(second.address, "remove", "1"), -EBUSY);
	CHECK_EQ(pci_bridge_above(second.address, bridge), 0);
	CHECK_EQ(pci_write(bridge, "remove", "1"), -EBUSY);
	CHECK_EQ(pci_write(bridge, "reset_subordinate", "1"), -EBUSY);
	carried_work(&second, true);
	carried_finish(&second);
	carried_work(&first, true);
}

/* It is vfio-pci's, because of the other one. */
static void one_alone(void)
{
	char driver[32];

	CHECK_EQ(pci_find(second.ops->vendor, second.ops->device, second.nth, second.address), 0);
	CHECK_EQ(pci_driver(second.address, driver, sizeof(driver)), 0);
	CHECK_EQ(strcmp(driver, "vfio-pci"), 0);
	carried_after(&first);
}

static void one_unwanted(void)
{
	int session, fd;

	carried_is_kept(&second);
	session = luo_retrieve_session(dev, second.name);
	CHECK(session >= 0);
	CHECK_EQ(sweep_on(&discard_sweep, session), 0);
	CHECK_EQ(luo_retrieve(session, TOKEN_DEVICE), -ENOENT);
	fd = luo_retrieve(session, TOKEN_AREA);
	CHECK(fd >= 0);
	end(session, fd);
	carried_after(&first);
	/* It stays with vfio-pci, as an ordinary device. */
	carried_start(&second);
	carried_work(&second, true);
}

static void group_after(void)
{
	/* What the previous kernel has done. */
	switch ((stage - 1) % 3) {
	case BOTH:
		one_after_the_other();
		break;
	case ONE:
		one_alone();
		break;
	case ONE_UNWANTED:
		one_unwanted();
		sweep_end(&discard_sweep);
		break;
	}
	/* By the last of the devices, if not before. */
	sweep_end(&finish_sweep);
}

/*
 * A device that is gone can't be had, so what is handed over is damaged. The
 * first of the shared data are the table of devices, and the first of these is
 * the one that is preserved; its file is the second one of the only session.
 */
#define TABLE		"LUO.preserved-data/0/24/64"
#define DEVICE		TABLE "/0"
#define FILE_RECORD	"LUO.preserved-data/0/16/80/128"

/* One for each hop. */
static const struct {
	const char *what;
	const char *write;
	int error;
} damages[] = {
	{ "another vendor", DEVICE ":8^1", -ENODEV },
	{ "another place", DEVICE ":4^0x80", -ENODEV },
	{ "too many devices", TABLE ":8^0x1000000", -ENODEV },
	{ "unknown flag of the file", FILE_RECORD ":8^0x80000000", -EIO },
	{ "another device's file", FILE_RECORD ":0^0x800000000", -ENODEV },
};

static void gone_before(void)
{
	CHECK(stage < ARRAY_SIZE(damages));
	printf("# %s\n", damages[stage].what);
	carried_start(&nvme);
	carried_work(&nvme, false);
	carried_preserve(&nvme);
	CHECK_EQ(luo_write(DAMAGE_WRITE, damages[stage].write), 0);
}

static void gone_after(void)
{
	int session = luo_retrieve_session(dev, nvme.name), fd;

	CHECK(session >= 0);
	CHECK_EQ(luo_retrieve(session, TOKEN_DEVICE), damages[stage - 1].error);
	CHECK_EQ(luo_retrieve(session, TOKEN_DEVICE), damages[stage - 1].error);
	/* All else is there. */
	fd = luo_retrieve(session, TOKEN_AREA);
	CHECK(fd >= 0);
	CHECK_EQ(area_adopt(&nvme.area, fd, nvme.iova), 0);
	carried_data_are_there(&nvme);
	area_close(&nvme.area);
	CHECK_EQ(luo_finish(session), -EBUSY);
	CHECK_EQ(luo_unpreserve(session, TOKEN_DEVICE), 0);
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	/* What is there is an ordinary device. */
	carried_start(&nvme);
	carried_work(&nvme, true);
	carried_stop(&nvme);
}

/* The context is the third file. Records are behind the 16 bytes that begin their block. */
#define CONTEXT		"LUO.preserved-data/0/16/80/192"
#define IOAS		CONTEXT "/8"
#define PAGES		CONTEXT "/40"
#define AREA		CONTEXT "/56"
#define HWPT		CONTEXT "/72"
#define BOUND		CONTEXT "/88"

/* One for each hop. */
static const struct {
	const char *what;
	const char *write;
	int error;
} context_damages[] = {
	{ "another version of it", CONTEXT ":0^1", -EIO },
	{ "it is elsewhere", "LUO.preserved-data/0/16/80:192^0x800", -EIO },
	{ "more address spaces", CONTEXT ":16^2", -EIO },
	{ "areas that are none", CONTEXT ":56^0x1000000", -EIO },
	{ "a reserved ID", IOAS ":16=0", -EIO },
	{ "another memfd", PAGES ":16^0x40", -EIO },
	{ "other pages of it", PAGES ":24^0x10", -EIO },
	{ "mapped elsewhere", AREA ":16^0x100000000", -EBADMSG },
	{ "less is mapped", AREA ":24=0x10000", -EBADMSG },
	{ "less access", AREA ":48^0x200000000", -EBADMSG },
	{ "no such domain", HWPT ":16^0x40", -EIO },
	{ "another device", BOUND ":24^0x800000000", -EIO },
};

static struct carried lost = {
	.name = "lost", .ops = &edu_ops, .iova = 0x1600000, .with_iommufd = true,
};

static void lost_before(void)
{
	CHECK(stage < ARRAY_SIZE(context_damages));
	printf("# %s\n", context_damages[stage].what);
	carried_before(&lost);
	CHECK_EQ(luo_write(DAMAGE_WRITE, context_damages[stage].write), 0);
}

static void lost_after(void)
{
	int session = luo_retrieve_session(dev, lost.name), fd;

	CHECK(session >= 0);
	fd = luo_retrieve(session, TOKEN_AREA);
	CHECK(fd >= 0);
	context_is_lost(&lost, session, context_damages[stage - 1].error);
	close(fd);
}

const struct scenario scenarios[] = {
	{ "edu_on_the_root_bus", edu_before, edu_after },
	{ "e1000e_behind_a_root_port_pitfall_21", e1000e_before, e1000e_after },
	{ "nvme_behind_a_switch_pitfall_22", nvme_before, nvme_after },
	{ "two_in_a_group", group_before, group_after },
	{ "xhci_goes_on_pitfall_22", xhci_before, xhci_after },
	{ "iommufd_without_devices_pitfall_32", iommufd_before, iommufd_after, .special = 1 },
	{ "iommufd_given_up", iommufd_given_up_before, iommufd_given_up_after, .special = 1 },
	{ "iommufd_broken", iommufd_broken_before, iommufd_broken_after, .special = 1 },
	{ "iommufd_finish_pitfall_32", iommufd_spare_before, iommufd_spare_after, .special = 1 },
	{ "whole_with_its_context", whole_before, whole_after, .special = 1 },
	{ "whole_without_ats", ats_before, ats_after, .special = 1 },
	{ "torn_from_its_memory", torn_before, torn_after, .special = 1 },
	{ "lost_is_a_context", lost_before, lost_after, .special = 1 },
	{ "driver_is_missing", missing_before, missing_after, .special = 1 },
	{ "driver_is_a_module", whole_before, whole_late_after, .special = 1 },
	{ "device_is_gone", gone_before, gone_after, .special = 1 },
	{}
};

void fail_to_freeze(void)
{
	struct carried *all[] = { &edu, &e1000e, &nvme, &first };
	struct kernel_log log;
	unsigned int i;
	int eventfd;

	CHECK_EQ(log_open(&log), 0);
	CHECK_EQ(vfio_irq_enable(&first.device, first.ops->irq_index, 1, &eventfd), 0);
	CHECK_EQ(luo_kexec(), -EBUSY);
	CHECK(log_says(&log, first.address, "live update: "));
	CHECK_EQ(first.ops->interrupt(&first.driver), 0);
	CHECK(vfio_irq_wait(eventfd, VFIO_WAIT_MS) >= 1);
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		CHECK(vfio_config_get(&all[i]->device, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
		carried_work(all[i], all[i] != &first);
	}
	CHECK_EQ(vfio_irq_disable(&first.device, first.ops->irq_index), 0);
	close(eventfd);
	log_close(&log);
}

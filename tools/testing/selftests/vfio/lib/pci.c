// SPDX-License-Identifier: GPL-2.0
/* PCI devices as sysfs shows them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libvfio.h"

#define SYSFS_DEVICES	"/sys/bus/pci/devices"

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int write_attribute(const char *directory, const char *attribute, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, attribute);
	return write_file(path, text);
}

/* One line, with its end. */
int pci_read_text(const char *address, const char *attribute, char *text, size_t size)
{
	char path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/%s", address, attribute);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return -EIO;
	text[len] = '\0';
	return 0;
}

/* A number, decimal or with 0x before it. */
long pci_read(const char *address, const char *attribute)
{
	char text[32];
	int err = pci_read_text(address, attribute, text, sizeof(text));

	return err ? err : strtol(text, NULL, 0);
}

int pci_write(const char *address, const char *attribute, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s", address);
	return write_attribute(path, attribute, text);
}

static int is_wanted(const char *address, uint16_t vendor, uint16_t device)
{
	return address[0] != '.' && pci_read(address, "vendor") == vendor &&
	       pci_read(address, "device") == device;
}

/* The address of the @nth device of a kind, in the order of addresses. */
int pci_find(uint16_t vendor, uint16_t device, int nth, char *address)
{
	struct dirent **entries;
	int n = scandir(SYSFS_DEVICES, &entries, NULL, alphasort), err = -ENODEV, i;

	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		if (err && is_wanted(entries[i]->d_name, vendor, device) && !nth--) {
			snprintf(address, PCI_ADDRESS_SIZE, "%.12s", entries[i]->d_name);
			err = 0;
		}
		free(entries[i]);
	}
	free(entries);
	return err;
}

/* The last part of what a link of the device leads to. */
static int link_name(const char *address, const char *link, char *name, size_t size)
{
	char path[128], target[256];
	ssize_t len;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/%s", address, link);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	snprintf(name, size, "%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	return 0;
}

/* -ENOENT if it has none. */
int pci_driver(const char *address, char *driver, size_t size)
{
	return link_name(address, "driver", driver, size);
}

int pci_group(const char *address)
{
	char name[32];
	int err = link_name(address, "iommu_group", name, sizeof(name));

	return err ? err : atoi(name);
}

int pci_unbind(const char *address)
{
	char driver[32];

	if (pci_driver(address, driver, sizeof(driver)))
		return 0;
	return pci_write(address, "driver/unbind", address);
}

/* Give the device to a driver, of whatever ID. */
int pci_bind(const char *address, const char *driver)
{
	char bound[32];
	int err;

	if (!pci_driver(address, bound, sizeof(bound)) && !strcmp(bound, driver))
		return 0;
	err = pci_write(address, "driver_override", driver);
	if (!err)
		err = pci_unbind(address);
	if (!err)
		err = write_file("/sys/bus/pci/drivers_probe", address);
	/* The kernel does not say if the driver did not want it. */
	if (!err)
		err = pci_driver(address, bound, sizeof(bound));
	if (!err && strcmp(bound, driver))
		err = -ENODEV;
	return err;
}

/* Configuration space as the hardware has it. Returns how much there is. */
int pci_config_raw(const char *address, void *config, size_t size)
{
	char path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/config", address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = pread(fd, config, size, 0);
	if (len < 0)
		len = -errno;
	close(fd);
	return len;
}

/* Write 16 bits to the hardware, whatever it is for. */
int pci_config_poke(const char *address, size_t offset, uint16_t value)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/config", address);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, &value, sizeof(value), offset) != sizeof(value))
		err = -EIO;
	close(fd);
	return err;
}

/* Look for devices that have come. */
int pci_rescan(void)
{
	return write_file("/sys/bus/pci/rescan", "1");
}

/* The bridge that a device is behind, or -ENOENT. */
int pci_bridge_above(const char *address, char *bridge)
{
	char path[128], *real, *at;
	int err = -ENOENT;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s", address);
	real = realpath(path, NULL);
	if (!real)
		return -errno;
	/* .../pci0000:00/0000:00:06.0/0000:02:00.0 */
	at = strrchr(real, '/');
	*at = '\0';
	at = strrchr(real, '/') + 1;
	if (strncmp(at, "pci", 3)) {
		snprintf(bridge, PCI_ADDRESS_SIZE, "%.12s", at);
		err = 0;
	}
	free(real);
	return err;
}

/* Where it is in what was read of configuration space, or -ENOENT. */
int pci_capability(const uint8_t *config, uint8_t id)
{
	uint8_t at = config[PCI_CAPABILITY_LIST];
	int i;

	for (i = 0; i < 48 && at >= PCI_STD_HEADER_SIZEOF; i++) {
		if (config[at] == id)
			return at;
		at = config[at + PCI_CAP_LIST_NEXT];
	}
	return -ENOENT;
}

/* The same for those behind the first 256 bytes. */
int pci_extended_capability(const uint8_t *config, size_t size, uint16_t id)
{
	size_t at = PCI_CONFIG_SIZE;
	uint32_t header;
	int i;

	for (i = 0; i < 480 && at >= PCI_CONFIG_SIZE && at + 4 <= size; i++) {
		memcpy(&header, config + at, sizeof(header));
		if (PCI_EXT_CAP_ID(header) == id)
			return at;
		at = PCI_EXT_CAP_NEXT(header);
	}
	return -ENOENT;
}

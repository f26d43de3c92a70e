// SPDX-License-Identifier: GPL-2.0-only
/*
 * edu NUMBER: what a guest does with QEMU's device for education. The device has to
 * compute a factorial, and to copy some bytes to its own memory and back by DMA.
 */
#include <err.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EDU_DEVICES	"/sys/bus/pci/devices/*"
#define EDU_MODALIAS	"pci:v00001234d000011E8"
#define EDU_SIZE	0x100000
/* It has 4 KiB of memory, not all of which can be used, and sees addresses of 28 bits. */
#define EDU_COPY	2048
#define EDU_BUFFER	0x40000
#define EDU_ADDRESSES	0x10000000ULL

enum {
	EDU_FACTORIAL = 0x08, EDU_STATUS = 0x20, EDU_DMA_SOURCE = 0x80, EDU_DMA_TARGET = 0x88,
	EDU_DMA_COUNT = 0x90, EDU_DMA_COMMAND = 0x98,
};

#define EDU_STATUS_COMPUTING	1
#define EDU_DMA_RUN		1
#define EDU_DMA_TO_MEMORY	2
#define PCI_COMMAND		4
#define PCI_COMMAND_MEMORY	2
#define PCI_COMMAND_MASTER	4
#define PAGE_SIZE		4096
#define PAGEMAP_PRESENT		0x8000000000000000ULL
#define PAGEMAP_FRAME		0x7fffffffffffffULL

#define POLL_US		10000
#define POLLS		3000

static char *base;

static uint32_t read32(unsigned int offset)
{
	return __atomic_load_n((uint32_t *)(base + offset), __ATOMIC_SEQ_CST);
}

static void write32(unsigned int offset, uint32_t value)
{
	__atomic_store_n((uint32_t *)(base + offset), value, __ATOMIC_SEQ_CST);
}

static void write64(unsigned int offset, uint64_t value)
{
	__atomic_store_n((uint64_t *)(base + offset), value, __ATOMIC_SEQ_CST);
}

/* A file of the device. */
static int open_file(const char *device, const char *name, int flags)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", device, name);
	fd = open(path, flags);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static bool is_edu(const char *device)
{
	char alias[64] = "";
	int fd = open_file(device, "modalias", O_RDONLY);
	bool found = read(fd, alias, sizeof(alias) - 1) > 0 &&
		     !strncmp(alias, EDU_MODALIAS, strlen(EDU_MODALIAS));

	close(fd);
	return found;
}

/* The guest may not have seen yet that it was plugged in. */
static char *find_edu(void)
{
	unsigned int polls;
	glob_t found;
	size_t i;

	for (polls = 0; polls < POLLS; polls++) {
		if (glob(EDU_DEVICES, 0, NULL, &found))
			errx(1, EDU_DEVICES);
		for (i = 0; i < found.gl_pathc; i++)
			if (is_edu(found.gl_pathv[i]))
				return found.gl_pathv[i];
		globfree(&found);
		usleep(POLL_US);
	}
	errx(1, "there is no device");
}

static void open_edu(const char *device)
{
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	int fd = open_file(device, "enable", O_WRONLY);

	if (write(fd, "1", 1) != 1)
		err(1, "enable");
	close(fd);
	fd = open_file(device, "config", O_WRONLY);
	if (pwrite(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		err(1, "config");
	close(fd);
	fd = open_file(device, "resource0", O_RDWR);
	base = mmap(NULL, EDU_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		err(1, "resource0");
	close(fd);
}

static void wait_for(unsigned int offset, uint32_t busy)
{
	unsigned int polls;

	for (polls = 0; read32(offset) & busy; polls++) {
		if (polls == POLLS)
			errx(1, "the device does not get ready");
		usleep(POLL_US);
	}
}

static uint64_t address_of(void *page)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (uintptr_t)page / PAGE_SIZE * sizeof(entry)) != sizeof(entry))
		err(1, "pagemap");
	close(fd);
	if (!(entry & PAGEMAP_PRESENT) || (entry & PAGEMAP_FRAME) * PAGE_SIZE >= EDU_ADDRESSES)
		errx(1, "no address for the device");
	return (entry & PAGEMAP_FRAME) * PAGE_SIZE;
}

static void dma(uint64_t from, uint64_t to, uint32_t direction)
{
	write64(EDU_DMA_SOURCE, from);
	write64(EDU_DMA_TARGET, to);
	write64(EDU_DMA_COUNT, EDU_COPY);
	write64(EDU_DMA_COMMAND, EDU_DMA_RUN | direction);
	wait_for(EDU_DMA_COMMAND, EDU_DMA_RUN);
}

static void copy(void)
{
	char *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	uint64_t address;
	char bytes[EDU_COPY];
	int fd = open("/dev/urandom", O_RDONLY);

	if (page == MAP_FAILED || fd < 0 || read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		err(1, "page");
	close(fd);
	address = address_of(page);
	memcpy(page, bytes, sizeof(bytes));
	dma(address, EDU_BUFFER, 0);
	memset(page, 0, sizeof(bytes));
	dma(EDU_BUFFER, address, EDU_DMA_TO_MEMORY);
	if (memcmp(page, bytes, sizeof(bytes)))
		errx(1, "the bytes are not what they were");
	munmap(page, PAGE_SIZE);
}

int main(int argc, char **argv)
{
	unsigned int number = argc == 2 ? atoi(argv[1]) : 0;

	open_edu(find_edu());
	write32(EDU_FACTORIAL, number);
	wait_for(EDU_STATUS, EDU_STATUS_COMPUTING);
	copy();
	printf("%u! is %u, %u bytes there and back by DMA\n", number,
	       read32(EDU_FACTORIAL), EDU_COPY);
	return 0;
}

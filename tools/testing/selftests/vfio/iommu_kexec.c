// SPDX-License-Identifier: GPL-2.0
/*
 * An IOMMU that goes on translating through kexecs.
 *
 *	iommu_kexec STAGE HOPS [OPTION]...
 *
 * As vfio_kexec. What is done is done by the kernel's test device, to an edu. With
 * luo.only=TEXT something else happens in the next kernel:
 *
 *	unclaimed	nobody wants the domain
 *	damaged		in each hop another table is damaged
 *	misled		the same with those of scalable mode, which the unit is in
 *	off		the next kernel is told to turn IOMMUs off
 *	lost		the next kernel refuses all that is handed over
 *	astray		it finds memory, but not what for
 */
#define _GNU_SOURCE
#include <linux/pci_regs.h>
#include <sys/ioctl.h>

#include "../liveupdate/luo_fault.h"
#include "../liveupdate/luo_scenario.h"

#define IOMMU_TEST	"/dev/iommu_liveupdate_test"
#define TEST_COMMAND	_IO('L', 0x20)
#define TOKEN		1
#define PRINTK		"/proc/sys/kernel/printk"
#define EDU_CONFIG	"/sys/bus/pci/devices/0000:00:04.0/config"
#define DAMAGE_WRITE	"/sys/module/kho_damage/parameters/write"

/* As in drivers/iommu/liveupdate_test.c. */
enum {
	TEST_START = 1,
	TEST_DMA,
	TEST_ARRIVED,
	TEST_IS_PRESERVED,
	TEST_CLAIM,
	TEST_RESTORE,
	TEST_FREE,
	TEST_ATTACH,
	TEST_OTHER,
	TEST_MAP,
	TEST_MASTER,
	TEST_SET_MASTER,
	TEST_END,
};

#define SHARED		"LUO.preserved-data/0/24"
/* Of the second FLB. */
#define SER		SHARED "/128"
#define UNIT		SER "/0"
#define DOMAIN		SER "/16"
#define REQUESTER	SER "/32"
#define CONTEXTS	UNIT "/16/0"
#define TABLES		DOMAIN "/8"

struct damage {
	const char *what;
	const char *write;
};

static const struct damage damages[] = {
	{ "another unit", UNIT ":8^0x1000" },
	{ "another root table", UNIT ":16+0x1000" },
	{ "no such type", UNIT ":0^0x2" },
	{ "more tables", DOMAIN ":16+1" },
	{ "more levels", DOMAIN ":24^0x7" },
	{ "another domain", REQUESTER ":0^0x2" },
	{ "another number", REQUESTER ":16^0x100000000" },
	{ "another device", REQUESTER ":16^0x80008" },
	/* An address of a table has bits of flags: what is in there is that much nearer. */
	{ "another number in hardware", CONTEXTS ":0x207^0x400" },
	{ "a table that is none", TABLES ":8=0x10003" },
	{ "memory that is not preserved", TABLES "/0/61:13=0x10003" },
	{ "too many units", SER ":8^0x1000000" },
};

/* Of a table whose address has the bit: -1. The hardware takes no notice of what follows. */
#define FIRST		"0xffffffffffffffff"
#define PASIDS		CONTEXTS "/0x3ff/" FIRST

static const struct damage scalable_damages[] = {
	{ "another number in hardware", PASIDS ":7^0x4" },
	{ "another PASID", PASIDS ":0x3f=0x10081" },
	{ "a unit in legacy mode", UNIT ":0^0x3" },
};

static int number, bad, device;

static bool is(const char *name)
{
	return only && !strcmp(only, name);
}

static int test(int command)
{
	int ret = ioctl(device, TEST_COMMAND, command);

	return ret < 0 ? -errno : ret;
}

/* What the device does is in vain, and that is told: it has to be kept off the console. */
static int test_faulting(int command)
{
	int ret;

	CHECK_EQ(luo_write(PRINTK, "1"), 0);
	ret = test(command);
	usleep(100000);
	CHECK_EQ(luo_write(PRINTK, "5"), 0);
	return ret;
}

static int preserve(int session)
{
	return luo_preserve(session, device, TOKEN);
}

static int restore(int session)
{
	return test(TEST_RESTORE);
}

static int unpreserve(int session)
{
	return luo_unpreserve(session, TOKEN);
}

static int give_back(int session)
{
	return test(TEST_FREE);
}

/* Each allocation fails once; what fails has changed nothing. It is done at the end. */
static void without_memory(const char *what, int (*fn)(int session), int (*undo)(int session),
			   int session)
{
	int nth, err = -ENOMEM;
	bool hit = true;

	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	for (nth = 1; hit && nth < 1000; nth++) {
		luo_fail_nth(nth);
		err = fn(session);
		hit = luo_has_failed();
		CHECK(!err || luo_is_fault(err));
		/* Some can fail without harm. */
		if (hit && !err)
			CHECK_EQ(undo(session), 0);
	}
	printf("# %s: %d points hit\n", what, nth - 2);
	CHECK(luo_log_was_clean());
	CHECK_EQ(err, 0);
	CHECK(!hit && nth > 3);
}

static void result(const char *name)
{
	bad += !!failures;
	printf("%sok %d iommu_%s%s%s_%d\n", failures ? "not " : "", ++number, only ?: "",
	       only ? "_" : "", name, stage);
	fflush(stdout);
	failures = 0;
}

/* Nothing has changed for the device, whatever we do. */
static void take_over(void)
{
	CHECK_EQ(test(TEST_DMA), 0);
	CHECK_EQ(test(TEST_CLAIM), 0);
	CHECK_EQ(test(TEST_DMA), 0);
	without_memory("take over a domain", restore, give_back, -1);
	CHECK_EQ(test(TEST_RESTORE), -ENOENT);
	CHECK_EQ(test(TEST_DMA), 0);
	/* It goes back. */
	CHECK_EQ(test(TEST_FREE), 0);
	CHECK_EQ(test(TEST_DMA), 0);
	CHECK_EQ(test(TEST_RESTORE), 0);
	CHECK_EQ(test(TEST_ATTACH), 0);
	CHECK_EQ(test(TEST_DMA), 0);
	CHECK_EQ(test_faulting(TEST_MAP), 0);
	CHECK_EQ(test(TEST_IS_PRESERVED), 1);
}

static int look(void)
{
	int session = luo_retrieve_session(dev, "iommu");

	CHECK(session >= 0);
	device = luo_retrieve(session, TOKEN);
	CHECK(device >= 0);
	/* Before the kernel had anything to say. */
	CHECK_EQ(test(TEST_ARRIVED), 0);
	return session;
}

static void after(void)
{
	int session = look();

	CHECK_EQ(test(TEST_MASTER), 1);
	CHECK_EQ(test(TEST_IS_PRESERVED), 1);
	take_over();
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	/* Nothing is lost: all tables are somebody's, or free. */
	CHECK_EQ(luo_read_number(UNCLAIMED), 0);
	CHECK_EQ(test(TEST_IS_PRESERVED), 0);
	CHECK_EQ(test(TEST_DMA), 0);
	CHECK_EQ(test_faulting(TEST_OTHER), 0);
	CHECK_EQ(test(TEST_DMA), 0);
	result("after");
}

/* Its translation ends with the session. */
static void after_unclaimed(void)
{
	int session = look();

	CHECK_EQ(test(TEST_DMA), 0);
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	/* Nothing is lost: all tables are somebody's, or free. */
	CHECK_EQ(luo_read_number(UNCLAIMED), 0);
	CHECK_EQ(test(TEST_IS_PRESERVED), 0);
	CHECK_EQ(test(TEST_MASTER), 0);
	CHECK_EQ(test(TEST_SET_MASTER), 0);
	CHECK_EQ(test_faulting(TEST_DMA), -EIO);
	CHECK_EQ(test(TEST_RESTORE), -EINVAL);
	result("after");
}

/* It is blocked, whatever became of it. */
static void after_loss(void)
{
	int session = look();

	CHECK_EQ(test(TEST_IS_PRESERVED), 0);
	CHECK_EQ(test(TEST_MASTER), 0);
	CHECK_EQ(test(TEST_RESTORE), -EINVAL);
	CHECK_EQ(test(TEST_DMA), -EIO);
	/* Nothing would stop it. */
	if (!is("off")) {
		CHECK_EQ(test(TEST_SET_MASTER), 0);
		CHECK_EQ(test_faulting(TEST_DMA), -EIO);
	}
	CHECK_EQ(luo_finish(session), 0);
	close(session);
	CHECK_EQ(test(TEST_END), 0);
	close(device);
	result("after");
}

/* It does nothing to memory that is somebody else's now. */
static void after_refusal(void)
{
	int config = open(EDU_CONFIG, O_RDONLY);
	uint16_t command;

	CHECK(luo_retrieve_session(dev, "iommu") < 0);
	CHECK(config >= 0);
	CHECK_EQ(pread(config, &command, sizeof(command), PCI_COMMAND), sizeof(command));
	CHECK(!(command & PCI_COMMAND_MASTER));
	close(config);
	result("after");
}

static void start(void)
{
	device = open(IOMMU_TEST, O_RDWR | O_CLOEXEC);
	CHECK(device >= 0);
	CHECK_EQ(test(TEST_START), 0);
}

static void damage(const struct damage *damage)
{
	printf("# %s\n", damage->what);
	CHECK_EQ(luo_write(DAMAGE_WRITE, damage->write), 0);
}

static void before(void)
{
	int session = luo_create(dev, "iommu");

	if (!stage || only)
		start();
	CHECK_EQ(test(TEST_DMA), 0);
	without_memory("preserve a domain", preserve, unpreserve, session);
	CHECK_EQ(test(TEST_OTHER), -EBUSY);
	CHECK_EQ(test(TEST_DMA), 0);
	/* As if nothing had been asked for. */
	CHECK_EQ(unpreserve(session), 0);
	CHECK_EQ(test_faulting(TEST_OTHER), 0);
	CHECK_EQ(test(TEST_DMA), 0);
	CHECK_EQ(preserve(session), 0);
	if (is("damaged"))
		damage(&damages[stage]);
	else if (is("misled"))
		damage(&scalable_damages[stage]);
	else if (is("lost"))
		CHECK_EQ(luo_write(DAMAGE_WRITE, "fdt:0^1"), 0);
	else if (is("astray"))
		CHECK_EQ(luo_write(DAMAGE_WRITE, "LUO.preserved-data:0=0"), 0);
	result("before");
}

int main(int argc, char **argv)
{
	int hops;

	if (argc < 3) {
		fprintf(stderr, "usage: iommu_kexec STAGE HOPS [OPTION]...\n");
		return 2;
	}
	stage = atoi(argv[1]);
	hops = atoi(argv[2]);
	only = luo_kernel_option("luo.only=");
	if (only)
		only = strdup(only);
	printf("KTAP version 1\n1..%d\n", !!stage + (stage < hops));
	dev = luo_open();
	if (stage && !only)
		after();
	else if (stage && is("unclaimed"))
		after_unclaimed();
	else if (stage && (is("lost") || is("astray")))
		after_refusal();
	else if (stage)
		after_loss();
	if (stage == hops)
		return !!bad;
	before();
	load_stage("iommu-kexec", hops, argv + 3);
	luo_leaks();
	printf("# jump\n");
	CHECK_EQ(luo_kexec(), 0);
	result("kexec");
	return 1;
}

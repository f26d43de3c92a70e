// SPDX-License-Identifier: GPL-2.0-only
/*
 * How luqemu deals with devices, by a real QEMU that has no guest: of a slot without power
 * it unplugs a device by itself, of one that a guest would have to be asked for it does
 * not. The device is one that every QEMU has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "kselftest_harness.h"

#include "devices.h"

#define QEMU		"qemu-system-x86_64"
#define DRIVER		"edu"
#define START_MS	60000
#define SOON_MS		1000

static const char *property(struct devices *devices, unsigned int i, const char *name)
{
	return qmp_text(devices->all[i].properties, name) ?: "";
}

TEST(taken_from_the_command_line)
{
	char *args[18] = {
		"qemu", "-device", "vfio-pci,host=0000:00:04.0,id=x,addr=4,x-vga,a=b,,c=d",
		"-device", "virtio-rng", "-name", "vfio-pci", "--device",
		"{\"driver\":\"vfio-pci\",\"rombar\":0}", "-device", "driver=vfio-pci,host=1",
		"-device", "vfio-pci-nohotplug,host=2", "-device", "{\"driver\":", "-S",
		"-device", NULL
	};
	static const char * const left[] = {
		"qemu", "-device", "virtio-rng", "-name", "vfio-pci",
		"-device", "vfio-pci-nohotplug,host=2", "-device", "{\"driver\":", "-S", "-device",
	};
	struct devices devices = {};
	unsigned int i;

	ASSERT_EQ(devices_take(&devices, "vfio-pci", args), 0);
	for (i = 0; i < ARRAY_SIZE(left); i++)
		ASSERT_STREQ(left[i], args[i]);
	EXPECT_EQ(args[i], NULL);
	ASSERT_EQ(devices.count, 3);
	EXPECT_STREQ(property(&devices, 0, "driver"), "vfio-pci");
	EXPECT_STREQ(property(&devices, 0, "host"), "0000:00:04.0");
	EXPECT_STREQ(property(&devices, 0, "id"), "x");
	EXPECT_STREQ(property(&devices, 0, "addr"), "4");
	EXPECT_STREQ(property(&devices, 0, "x-vga"), "on");
	EXPECT_STREQ(property(&devices, 0, "a"), "b,c=d");
	EXPECT_STREQ(property(&devices, 1, "rombar"), "0");
	EXPECT_STREQ(devices.all[1].id, "luqemu1");
	EXPECT_STREQ(property(&devices, 2, "host"), "1");
	EXPECT_STREQ(devices.all[2].id, "luqemu2");
	EXPECT_TRUE(devices_are_out(&devices));
	devices_free(&devices);
	EXPECT_FALSE(devices_are_out(&devices));
}

FIXTURE(qemu)
{
	struct devices devices;
	struct qmp *qmp;
	pid_t pid;
};

FIXTURE_VARIANT(qemu)
{
	/* Of the root ports: by ACPI, or by themselves. */
	const char *hotplug;
	bool asks_guest;
};

FIXTURE_VARIANT_ADD(qemu, native)
{
	.hotplug = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
};

FIXTURE_VARIANT_ADD(qemu, acpi)
{
	.hotplug = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=on",
	.asks_guest = true,
};

static int start_qemu(struct qmp *qmp, const char *hotplug, pid_t *pid)
{
	char chardev[64];
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return -errno;
	snprintf(chardev, sizeof(chardev), "socket,id=test,fd=%d", sockets[1]);
	*pid = fork();
	if (!*pid) {
		close(sockets[0]);
		execlp(QEMU, QEMU, "-machine", "q35,accel=tcg", "-m", "64M", "-S", "-nodefaults",
		       "-display", "none", "-chardev", chardev, "-mon",
		       "chardev=test,mode=control", "-global", hotplug, "-device",
		       "pcie-root-port,id=port1,chassis=1", "-device",
		       "pcie-root-port,id=port2,chassis=2", NULL);
		_exit(127);
	}
	close(sockets[1]);
	fcntl(sockets[0], F_SETFD, FD_CLOEXEC);
	return qmp_open(qmp, sockets[0], qmp_deadline(START_MS));
}

FIXTURE_SETUP(qemu)
{
	char *args[5] = {
		"-device", DRIVER ",id=one,bus=port1,dma_mask=0xfffffff,multifunction=off,addr=0",
		"-device", DRIVER ",bus=port2", NULL
	};

	if (system("command -v " QEMU " >/dev/null"))
		SKIP(return, "there is no " QEMU);
	self->qmp = calloc(1, sizeof(*self->qmp));
	ASSERT_NE(self->qmp, NULL);
	ASSERT_EQ(start_qemu(self->qmp, variant->hotplug, &self->pid), 0);
	ASSERT_EQ(devices_take(&self->devices, DRIVER, args), 0);
	self->qmp->event = devices_event;
	self->qmp->event_data = &self->devices;
}

FIXTURE_TEARDOWN(qemu)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
		close(self->qmp->socket);
	}
	devices_free(&self->devices);
	free(self->qmp);
}

/* What is there has a type by QEMU's own account. */
static bool is_there(struct qmp *qmp, const char *id)
{
	struct json_object *arguments = json_object_new_object();
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/machine/peripheral/%s", id);
	json_object_object_add(arguments, "path", json_object_new_string(path));
	qmp->quiet = true;
	ret = qmp_command(qmp, "qom-list", arguments, NULL, qmp_deadline(START_MS));
	qmp->quiet = false;
	json_object_put(arguments);
	return !ret;
}

TEST_F(qemu, out_and_in_again)
{
	struct devices *devices = &self->devices;
	unsigned int i;

	ASSERT_EQ(qmp_can_save(self->qmp, qmp_deadline(START_MS)), 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(devices_plug(devices, self->qmp, qmp_deadline(START_MS)), 0);
		EXPECT_FALSE(devices_are_out(devices));
		EXPECT_TRUE(is_there(self->qmp, "one"));
		EXPECT_TRUE(is_there(self->qmp, "luqemu1"));
		if (variant->asks_guest)
			break;
		ASSERT_EQ(devices_unplug(devices, self->qmp, qmp_deadline(START_MS)), 0);
		EXPECT_TRUE(devices_are_out(devices));
		EXPECT_FALSE(is_there(self->qmp, "one"));
		EXPECT_FALSE(is_there(self->qmp, "luqemu1"));
	}
	if (!variant->asks_guest)
		return;
	/* Again and again, whatever QEMU makes of that. */
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(devices_unplug(devices, self->qmp, qmp_deadline(SOON_MS)), -EBUSY);
		EXPECT_EQ(devices->all[0].state, DEVICE_LEAVING);
		EXPECT_FALSE(devices_are_out(devices));
		EXPECT_TRUE(is_there(self->qmp, "one"));
	}
}

/*
 * Gone when nobody waits for it any more: a reset takes away what the guest was asked to
 * let go of, and what QEMU was too slow for it does then.
 */
TEST_F(qemu, late)
{
	struct devices *devices = &self->devices;
	long deadline = qmp_deadline(START_MS);
	int ret = 0;

	ASSERT_EQ(devices_plug(devices, self->qmp, deadline), 0);
	if (variant->asks_guest) {
		ASSERT_EQ(devices_unplug(devices, self->qmp, qmp_deadline(SOON_MS)), -EBUSY);
		ASSERT_EQ(qmp_command(self->qmp, "system_reset", NULL, NULL, deadline), 0);
	} else {
		kill(self->pid, SIGSTOP);
		ret = devices_unplug(devices, self->qmp, qmp_deadline(SOON_MS));
		ASSERT_EQ(ret, -ETIMEDOUT);
		kill(self->pid, SIGCONT);
		ret = 0;
	}
	EXPECT_EQ(devices->all[0].state, DEVICE_LEAVING);
	while (!ret && devices->all[0].state == DEVICE_LEAVING)
		ret = qmp_listen(self->qmp, deadline);
	ASSERT_EQ(ret, 0);
	EXPECT_TRUE(devices_are_out(devices));
	EXPECT_FALSE(is_there(self->qmp, "one"));
	ASSERT_EQ(devices_plug(devices, self->qmp, deadline), 0);
	EXPECT_TRUE(is_there(self->qmp, "one"));
}

TEST_F(qemu, refused)
{
	struct devices *devices = &self->devices;
	char *args[3] = { "-device", DRIVER ",id=two,bus=pcie.0", NULL };

	ASSERT_EQ(devices_take(devices, DRIVER, args), 0);
	EXPECT_EQ(devices_plug(devices, self->qmp, qmp_deadline(START_MS)), -EIO);
	/* That one only. */
	EXPECT_TRUE(devices_are_out(devices));
	EXPECT_EQ(devices->all[2].state, DEVICE_OUT);
	EXPECT_TRUE(is_there(self->qmp, "one"));
	EXPECT_FALSE(is_there(self->qmp, "two"));
}

/* The answer to a question that was given up is not one to the next. */
TEST_F(qemu, late_answer)
{
	int ret;

	kill(self->pid, SIGSTOP);
	ret = qmp_command(self->qmp, "query-status", NULL, NULL, qmp_deadline(1));
	kill(self->pid, SIGCONT);
	ASSERT_EQ(ret, -ETIMEDOUT);
	EXPECT_FALSE(is_there(self->qmp, "one"));
	EXPECT_EQ(devices_plug(&self->devices, self->qmp, qmp_deadline(START_MS)), 0);
	EXPECT_TRUE(is_there(self->qmp, "one"));
}

TEST_F(qemu, dies)
{
	struct devices *devices = &self->devices;

	ASSERT_EQ(devices_plug(devices, self->qmp, qmp_deadline(START_MS)), 0);
	kill(self->pid, SIGKILL);
	waitpid(self->pid, NULL, 0);
	self->pid = 0;
	EXPECT_EQ(devices_unplug(devices, self->qmp, qmp_deadline(START_MS)), -EPIPE);
	EXPECT_EQ(qmp_drain(self->qmp), -EPIPE);
	close(self->qmp->socket);
}

TEST_HARNESS_MAIN

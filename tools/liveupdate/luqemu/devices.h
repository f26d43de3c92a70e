/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices that QEMU can't save: they are unplugged for the time of an update. */
#ifndef LUQEMU_DEVICES_H
#define LUQEMU_DEVICES_H

#include <stdbool.h>

#include "qmp.h"

enum device_state {
	DEVICE_OUT,	/* to be plugged in */
	DEVICE_IN,
	DEVICE_LEAVING,	/* the guest was asked to let go of it */
	DEVICE_GIVEN_UP,	/* the guest, or its user, has let go of it unasked */
};

/**
 * struct device - a device of the command line
 * @properties: those of device_add
 * @id: its name, in @properties
 * @state: where it is
 * @told: that it can't be plugged in
 */
struct device {
	struct json_object *properties;
	const char *id;
	enum device_state state;
	bool told;
};

struct devices {
	struct device *all;
	unsigned int count;
};

/*
 * All return 0 or -errno, and have said on stderr what is wrong.
 *
 * take: each "-device @driver,..." of @args, which then is not in there any more.
 * plug: all that are out; if one fails it stays out, and the others are tried.
 * unplug: all that are in. -EBUSY: the guest does not let go of one. It may do so later.
 */
int devices_take(struct devices *devices, const char *driver, char **args);
int devices_plug(struct devices *devices, struct qmp *qmp, long deadline);
int devices_unplug(struct devices *devices, struct qmp *qmp, long deadline);
/* Is one to be plugged in? */
bool devices_are_out(const struct devices *devices);
/* For struct qmp. */
void devices_event(void *devices, struct json_object *event);
void devices_free(struct devices *devices);

#endif /* LUQEMU_DEVICES_H */

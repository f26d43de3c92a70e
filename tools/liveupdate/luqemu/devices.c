// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that QEMU can't save. They are taken from its command line, and plugged in while
 * it runs, always: what can't be done after an update can't be done at the start either.
 *
 * Whether the guest lets go of a device is up to the guest. Once asked it can do so at any
 * time, also when nobody waits any more; so what has become of a device is seen only by
 * QEMU's events. Who asked for it to leave plugs it in again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "devices.h"

/* Up to the next comma, as QEMU has it: two of them are one that is meant. To be freed. */
static char *next_word(const char **text)
{
	const char *from = *text;
	char *word = malloc(strlen(from) + 1), *to = word;

	while (word && *from && (*from != ',' || from[1] == ',')) {
		from += *from == ',';
		*to++ = *from++;
	}
	if (word)
		*to = '\0';
	*text = from + (*from == ',');
	return word;
}

static void add_property(struct json_object *properties, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	json_object_object_add(properties, word, json_object_new_string(value ? value : "on"));
}

/* What follows -device. To be put; NULL: there is no memory, or it is no JSON. */
static struct json_object *parse_properties(const char *text)
{
	struct json_object *properties;
	char *word;

	if (*text == '{')
		return json_tokener_parse(text);
	properties = json_object_new_object();
	/* The first one needs no name. */
	if (properties && !memchr(text, '=', strcspn(text, ","))) {
		word = next_word(&text);
		if (word)
			json_object_object_add(properties, "driver", json_object_new_string(word));
		free(word);
	}
	while (properties && *text) {
		word = next_word(&text);
		if (word)
			add_property(properties, word);
		free(word);
	}
	return properties;
}

static int add_device(struct devices *devices, struct json_object *properties)
{
	struct device *all = realloc(devices->all, (devices->count + 1) * sizeof(*all));
	char name[32];

	if (!all)
		return -ENOMEM;
	devices->all = all;
	/* The same one for the same command line. */
	snprintf(name, sizeof(name), "luqemu%u", devices->count);
	if (!qmp_text(properties, "id"))
		json_object_object_add(properties, "id", json_object_new_string(name));
	all[devices->count++] = (struct device) {
		.properties = properties, .id = qmp_text(properties, "id"),
	};
	return 0;
}

static bool is_device_option(const char *arg)
{
	return !strcmp(arg, "-device") || !strcmp(arg, "--device");
}

int devices_take(struct devices *devices, const char *driver, char **args)
{
	struct json_object *properties;
	char **to = args;
	const char *name;
	int ret;

	for (; *args; args++) {
		*to++ = *args;
		if (!is_device_option(*args) || !args[1])
			continue;
		properties = parse_properties(args[1]);
		name = json_object_is_type(properties, json_type_object) ?
		       qmp_text(properties, "driver") : NULL;
		if (!name || strcmp(name, driver)) {
			json_object_put(properties);
			/* QEMU has its own opinion on that. */
			*to++ = *++args;
			continue;
		}
		ret = add_device(devices, properties);
		if (ret) {
			json_object_put(properties);
			return ret;
		}
		to--;
		args++;
	}
	*to = NULL;
	return 0;
}

void devices_free(struct devices *devices)
{
	unsigned int i;

	for (i = 0; i < devices->count; i++)
		json_object_put(devices->all[i].properties);
	free(devices->all);
	*devices = (struct devices) {};
}

bool devices_are_out(const struct devices *devices)
{
	unsigned int i;

	for (i = 0; i < devices->count; i++)
		if (devices->all[i].state == DEVICE_OUT)
			return true;
	return false;
}

/* A text as a value of that type; NULL if it is a text for QEMU, too. */
static struct json_object *typed_value(const char *type, const char *text)
{
	long long number;
	char *end;

	if (!strcmp(type, "bool")) {
		if (!strcmp(text, "on") || !strcmp(text, "yes") || !strcmp(text, "true"))
			return json_object_new_boolean(true);
		if (!strcmp(text, "off") || !strcmp(text, "no") || !strcmp(text, "false"))
			return json_object_new_boolean(false);
	}
	if (!strncmp(type, "int", 3) || !strncmp(type, "uint", 4)) {
		number = strtoll(text, &end, 0);
		if (*text && !*end)
			return json_object_new_int64(number);
	}
	return NULL;
}

static void give_type(struct json_object *properties, struct json_object *description)
{
	const char *name = qmp_text(description, "name"), *type = qmp_text(description, "type");
	struct json_object *value;

	/* "int32" says QEMU of a PCI device's address, but "4" and 4 are two places. */
	if (!name || !type || !strcmp(name, "addr") ||
	    !json_object_object_get_ex(properties, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return;
	value = typed_value(type, json_object_get_string(value));
	if (value)
		json_object_object_add(properties, name, value);
}

/*
 * On the command line all is text; by QMP, from QEMU 9.2 on, a number is a number. What
 * QEMU does not describe stays as it is: QEMU will tell.
 */
static int give_types(struct device *device, struct qmp *qmp, long deadline)
{
	struct json_object *arguments = json_object_new_object(), *list = NULL;
	const char *driver = qmp_text(device->properties, "driver");
	size_t i;
	int ret;

	json_object_object_add(arguments, "typename", json_object_new_string(driver));
	ret = qmp_command(qmp, "device-list-properties", arguments, &list, deadline);
	json_object_put(arguments);
	for (i = 0; !ret && i < json_object_array_length(list); i++)
		give_type(device->properties, json_object_array_get_idx(list, i));
	json_object_put(list);
	return ret;
}

static int plug(struct device *device, struct qmp *qmp, long deadline)
{
	int ret;

	qmp->quiet = device->told;
	ret = give_types(device, qmp, deadline);
	if (!ret)
		ret = qmp_command(qmp, "device_add", device->properties, NULL, deadline);
	qmp->quiet = false;
	/* Late is not never: QEMU will have it, and can be asked to unplug it. */
	if (!ret || ret == -ETIMEDOUT) {
		device->state = DEVICE_IN;
		device->told = false;
	} else if (!device->told) {
		fprintf(stderr, "luqemu: %s is not plugged in\n", device->id);
		device->told = true;
	}
	return ret;
}

int devices_plug(struct devices *devices, struct qmp *qmp, long deadline)
{
	unsigned int i;
	int ret = 0, err;

	for (i = 0; i < devices->count; i++) {
		if (devices->all[i].state != DEVICE_OUT)
			continue;
		err = plug(&devices->all[i], qmp, deadline);
		ret = ret ? ret : err;
	}
	return ret;
}

static struct device *find_state(struct devices *devices, enum device_state state)
{
	unsigned int i;

	for (i = 0; i < devices->count; i++)
		if (devices->all[i].state == state)
			return &devices->all[i];
	return NULL;
}

void devices_event(void *data, struct json_object *event)
{
	struct devices *devices = data;
	const char *name = qmp_text(event, "event"), *id;
	struct json_object *body;
	struct device *device;
	unsigned int i;

	if (!json_object_object_get_ex(event, "data", &body))
		return;
	id = qmp_text(body, "device");
	for (i = 0; id && i < devices->count; i++) {
		device = &devices->all[i];
		if (strcmp(device->id, id))
			continue;
		if (!strcmp(name, "DEVICE_DELETED"))
			device->state = device->state == DEVICE_LEAVING ? DEVICE_OUT :
							DEVICE_GIVEN_UP;
		else if (!strcmp(name, "DEVICE_UNPLUG_GUEST_ERROR") &&
			 device->state == DEVICE_LEAVING)
			device->state = DEVICE_IN;
	}
}

static int ask_to_leave(struct device *device, struct qmp *qmp, long deadline)
{
	struct json_object *arguments = json_object_new_object();
	bool asked = device->state == DEVICE_LEAVING;
	int ret;

	json_object_object_add(arguments, "id", json_object_new_string(device->id));
	device->state = DEVICE_LEAVING;
	/* That it was asked before QEMU takes for an error, but only for a while. */
	qmp->quiet = asked;
	ret = qmp_command(qmp, "device_del", arguments, NULL, deadline);
	qmp->quiet = false;
	json_object_put(arguments);
	if (asked && ret == -EIO)
		return 0;
	if (ret == -EIO && device->state == DEVICE_LEAVING)
		device->state = DEVICE_IN;
	return ret;
}

int devices_unplug(struct devices *devices, struct qmp *qmp, long deadline)
{
	struct device *device;
	unsigned int i;
	int ret;

	for (i = 0; i < devices->count; i++) {
		device = &devices->all[i];
		ret = device->state == DEVICE_IN || device->state == DEVICE_LEAVING ?
		      ask_to_leave(device, qmp, deadline) : 0;
		if (ret)
			return ret;
	}
	while ((device = find_state(devices, DEVICE_LEAVING))) {
		ret = qmp_listen(qmp, deadline);
		if (ret == -ETIMEDOUT)
			break;
		if (ret)
			return ret;
	}
	/* The guest has answered: no. */
	if (!device)
		device = find_state(devices, DEVICE_IN);
	if (!device)
		return 0;
	fprintf(stderr, "luqemu: the guest does not let go of %s\n", device->id);
	return -EBUSY;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of vfio-pci devices across kexecs.
 *
 *	vfio_kexec STAGE HOPS [OPTION]...
 *
 * Stage 0 prepares all scenarios and goes through a kexec into a kernel whose
 * command line says luo.stage=1; there all of them are looked at, and prepared
 * again while there are hops left: a device that came along stays in use. The
 * OPTIONs are for the next kernel's command line. With luo.only=TEXT on the first
 * kernel's only the scenarios with TEXT in their name are taken.
 *
 * The machine has an edu, an e1000e behind a root port, an nvme behind a switch,
 * and two more edu that share an IOMMU group; scenario_running.c has another one.
 * Results are KTAP. A number behind "pitfall" is one of the list of bugs that others
 * had.
 */
#define _GNU_SOURCE
#include "scenarios.h"

/* Results, and how many of them are bad. */
static int number, bad;

static void result(const char *name)
{
	bad += !!failures;
	printf("%sok %d %s_%s_%d\n", failures ? "not " : "", ++number, name,
	       stage ? "hop" : "stage", stage);
	fflush(stdout);
	failures = 0;
}

static const struct scenario * const lists[] = { scenarios, running_scenarios };

static bool is_taken(const struct scenario *scenario)
{
	return only ? !!strstr(scenario->name, only) : !scenario->special;
}

/* The next one of those that are taken; the first one for NULL. */
static const struct scenario *next(const struct scenario *scenario)
{
	static size_t list;

	if (scenario)
		scenario++;
	else
		scenario = lists[list = 0];
	while (!scenario->name || !is_taken(scenario)) {
		if (scenario->name)
			scenario++;
		else if (++list < ARRAY_SIZE(lists))
			scenario = lists[list];
		else
			return NULL;
	}
	return scenario;
}

static void look_at_all(void)
{
	const struct scenario *scenario = NULL;
	int nr = 0;

	while ((scenario = next(scenario)))
		nr++;
	printf("KTAP version 1\n1..%d\n", nr);
	while ((scenario = next(scenario))) {
		scenario->after();
		result(scenario->name);
	}
}

static void prepare_all(void)
{
	const struct scenario *scenario = NULL;

	while ((scenario = next(scenario)))
		scenario->before();
	result("prepare");
}

static void jump_all(void)
{
	const struct scenario *scenario = NULL;

	while ((scenario = next(scenario)))
		if (scenario->jump)
			scenario->jump();
}

static void stay_all(void)
{
	const struct scenario *scenario = NULL;

	while ((scenario = next(scenario)))
		if (scenario->stay)
			scenario->stay();
}

/* Pitfall 7: the last device can't be frozen, all others are, and go on. */
static void fail_first(void)
{
	if (!only) {
		fail_to_freeze();
		result("kexec_fails_first_pitfall_7");
		return;
	}
	jump_all();
	if (!running_fail_to_freeze())
		return;
	stay_all();
	result("kexec_fails_first_pitfall_7");
}

int main(int argc, char **argv)
{
	int hops;

	if (argc < 3) {
		fprintf(stderr, "usage: vfio_kexec STAGE HOPS [OPTION]...\n");
		return 2;
	}
	stage = atoi(argv[1]);
	hops = atoi(argv[2]);
	only = luo_kernel_option("luo.only=");
	if (only)
		only = strdup(only);
	dev = luo_open();
	CHECK(dev >= 0);
	if (dev < 0) {
		result("open");
		return 1;
	}

	if (stage)
		look_at_all();
	if (stage == hops)
		return !!bad;
	failures = 0;
	prepare_all();
	load_stage("vfio-kexec", hops, argv + 3);
	fail_first();
	luo_leaks();
	printf("# jump\n");
	jump_all();
	if (failures)
		result("jump");
	CHECK_EQ(luo_kexec(), 0);
	result("kexec");
	return 1;
}

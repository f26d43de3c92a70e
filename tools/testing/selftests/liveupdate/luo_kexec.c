// SPDX-License-Identifier: GPL-2.0
/*
 * Live update across kexecs.
 *
 *	luo_kexec STAGE HOPS [OPTION]...
 *
 * Stage 0 prepares all scenarios and goes through a kexec into a kernel whose
 * command line says luo.stage=1; there all of them are checked, and prepared
 * again while there are hops left. The OPTIONs are for the next kernel's command
 * line. With luo.only=TEXT on the command line of the first kernel only the
 * scenarios with TEXT in their name are taken; with luo.only=none there is
 * nothing to hand over. With luo.crash the kernel crashes instead; with
 * luo.damage=TABLE:OLD:NEW a table is damaged. As OPTIONs, luo.gone says that
 * there is to be no live update in the new kernel, and luo.refused=ERRNO that
 * no session is to be given out.
 *
 * Results are KTAP. Sessions stay open until the kexec, and so do the processes
 * that have them.
 *
 * A number behind "pitfall" is one of the list of bugs that others had.
 */
#define _GNU_SOURCE
#include "luo_scenario.h"

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

static void append(char *line, size_t size, const char *prefix, const char *text)
{
	size_t len = strlen(line);

	if (text)
		snprintf(line + len, size - len, "%s%s", prefix, text);
}

/* In this order. */
static const struct scenario * const scenarios[] = {
	memfd_scenarios, hugetlb_scenarios, failure_scenarios, observe_scenarios,
	session_scenarios,
	shared_scenarios, hotplug_scenarios, race_scenarios, final_scenarios,
};

/* Calls @fn for those that were selected. Returns how many these are. */
static int call_scenarios(void (*fn)(const struct scenario *scenario))
{
	const struct scenario *scenario;
	unsigned int i;
	int nr = 0;

	for (i = 0; i < ARRAY_SIZE(scenarios); i++) {
		for (scenario = scenarios[i]; scenario->name; scenario++) {
			if (only ? !strstr(scenario->name, only) : scenario->special)
				continue;
			fn(scenario);
			nr++;
		}
	}
	return nr;
}

static void count(const struct scenario *scenario)
{
}

static void prepare(const struct scenario *scenario)
{
	scenario->before();
}

static void look_at(const struct scenario *scenario)
{
	scenario->after();
	result(scenario->name);
}

/* In the new kernel. */
static void look_at_all(void)
{
	int nr = call_scenarios(count);

	printf("KTAP version 1\n1..%d\n", nr ? nr : 1);
	if (call_scenarios(look_at))
		return;
	/* Nothing was handed over. */
	CHECK_EQ(luo_retrieve_session(dev, "memfd"), -ENOENT);
	result("kexec_without_sessions");
}

/* The session of the first scenario was handed over, damaged. */
static void look_at_refusal(const char *error)
{
	int session, fd = luo_memfd_filled(LUO_PAGE, 1);

	printf("KTAP version 1\n1..1\n");
	CHECK_EQ(luo_retrieve_session(dev, "memfd"), -atoi(error));
	CHECK_EQ(luo_retrieve_session(dev, "memfd"), -atoi(error));
	/* Nothing else is wrong with this kernel. */
	session = one_before("memfd", 1, fd);
	CHECK_EQ(luo_unpreserve(session, 1), 0);
	result("refused");
}

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	int hops, i;
	char cmdline[1024];

	if (argc < 3) {
		fprintf(stderr, "usage: luo_kexec STAGE HOPS [OPTION]...\n");
		return 2;
	}
	stage = atoi(argv[1]);
	hops = atoi(argv[2]);
	only = luo_kernel_option("luo.only=");
	if (only)
		only = strdup(only);
	setrlimit(RLIMIT_NOFILE, &limit);
	dev = luo_open();
	if (stage && luo_kernel_option("luo.gone")) {
		printf("KTAP version 1\n1..1\n");
		CHECK_EQ(dev, -ENOENT);
		result("there_is_no_live_update");
		return !!bad;
	}
	CHECK(dev >= 0);
	if (dev < 0) {
		result("open");
		return 1;
	}

	if (stage && luo_kernel_option("luo.refused=")) {
		look_at_refusal(luo_kernel_option("luo.refused="));
		return bad;
	}
	if (stage)
		look_at_all();
	if (stage == hops)
		return !!bad;

	failures = 0;
	snprintf(cmdline, sizeof(cmdline), "%d", 1000 + stage);
	luo_write(TEST_FLB_VALUE, cmdline);
	call_scenarios(prepare);
	result("prepare");

	if (luo_kernel_option("luo.damage="))
		CHECK_EQ(luo_write("/sys/module/kho_damage/parameters/replace",
				   luo_kernel_option("luo.damage=")), 0);
	if (luo_kernel_option("luo.crash")) {
		luo_write("/proc/sys/kernel/sysrq", "1");
		luo_write("/proc/sysrq-trigger", "c");
	}

	snprintf(cmdline, sizeof(cmdline),
		 LUO_CMDLINE " luo.mode=kexec luo.stage=%d luo.hops=%d%s%s",
		 stage + 1, hops, only ? " luo.only=" : "", only ?: "");
	append(cmdline, sizeof(cmdline), " luo.next=", luo_kernel_option("luo.next="));
	for (i = 3; i < argc; i++)
		append(cmdline, sizeof(cmdline), " ", argv[i]);
	CHECK_EQ(luo_kexec_load(cmdline), 0);

	/* Pitfall 7: a kexec that fails after the first file is frozen. */
	if (!only) {
		CHECK_EQ(luo_write(TEST_FAIL, "freeze:5:1"), 0);
		CHECK_EQ(luo_kexec(), -EIO);
		result("kexec_fails_first_pitfall_7");
	}

	luo_leaks();
	printf("# jump\n");
	CHECK_EQ(luo_kexec(), 0);
	result("kexec");
	return 1;
}

// SPDX-License-Identifier: GPL-2.0-only
/* luctl status: how things are. luctl report: what came of the last live update. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "luctl.h"

bool luctl_read(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok = file && fgets(line, size, file);

	if (file)
		fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

static void out_file(const char *key, const char *path)
{
	char line[128];

	if (!luctl_read(path, line, sizeof(line)))
		out_none(key);
	else if (*line && !line[strspn(line, "0123456789")])
		out_number(key, strtoull(line, NULL, 10));
	else
		out_text(key, line);
}

static void out_kernel(void)
{
	struct utsname name;
	char loaded[8];

	uname(&name);
	out_text("release", name.release);
	out_file("previous_release", LU_SYSFS "/previous_release");
	out_file("updates", LU_SYSFS "/number");
	out_file("state", LU_SYSFS "/state");
	if (luctl_read("/sys/kernel/kexec_loaded", loaded, sizeof(loaded)))
		out_bool("kexec_loaded", loaded[0] == '1');
	else
		out_none("kexec_loaded");
}

int cmd_status(struct luctl *luctl, int argc, char **argv)
{
	struct lu_status status;
	int ret, connected;

	if (argc != 1)
		return luctl_wrong_number(argv);
	/* The kernel has something to say also without luod. */
	connected = lu_connect(luctl->socket, &luctl->client);
	ret = connected ? connected : lu_client_status(luctl->client, &status);
	out_begin(luctl->json);
	out_kernel();
	if (ret) {
		out_text("luod", "no answer");
		out_end();
		luctl_fail(ret, "luod does not answer");
		return EXIT_NO_LUOD;
	}
	out_text("luod", status.updating ? "updating" : "running");
	out_number("luod_pid", status.pid);
	out_number("outgoing", status.outgoing);
	out_number("incoming", status.incoming);
	out_number("clients", status.clients);
	out_number("subscribers", status.subscribers);
	out_text("store", status.store < 0 ? "lost" : status.store ? "yes" : "no");
	out_end();
	return EXIT_OK;
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Ticks in a second, measured. */
static double tick_rate(void)
{
	double from = seconds(CLOCK_MONOTONIC_RAW), to;
	uint64_t ticks = __rdtsc();

	do {
		usleep(10 * 1000);
		to = seconds(CLOCK_MONOTONIC_RAW);
	} while (to - from < 0.25);
	return (__rdtsc() - ticks) / (to - from);
}

/* From one moment to another, in milliseconds. */
static void out_span(const char *key, double from, double to)
{
	if (from > 0 && to >= from)
		out_real(key, (to - from) * 1e3);
	else
		out_none(key);
}

struct session_times {
	double rate;
	uint64_t saved;
};

static int report_session(const struct lu_session *session, void *data)
{
	struct session_times *times = data;

	if (session->direction != LU_INCOMING)
		return 0;
	out_row_begin();
	out_text("name", session->name);
	out_number("uid", session->uid);
	out_text("state", session_state(session));
	if (times->saved && session->retrieved > times->saved) {
		out_real("retrieved_after_ms",
			 (session->retrieved - times->saved) / times->rate * 1e3);
	} else {
		out_none("retrieved_after_ms");
	}
	out_row_end();
	return 0;
}

/*
 * All moments in seconds of the TSC. The kernel's clock began at CLOCK_BOOTTIME 0:
 * what was before that is shutting down, the jump, and unpacking the new kernel.
 */
static void report_pause(const struct lu_report *report, double rate)
{
	double now = __rdtsc() / rate, booted = now - seconds(CLOCK_BOOTTIME);
	double prepare = report->prepare / rate, ready = report->ready / rate;
	double saved = report->saved / rate, started = report->started / rate;

	out_number("clients_asked", report->clients);
	out_span("prepare_ms", prepare, ready);
	out_span("pause_ms", saved, started);
	out_span("jump_ms", saved, booted);
	out_span("boot_ms", booted, started);
}

int cmd_report(struct luctl *luctl, int argc, char **argv)
{
	struct session_times times = {};
	struct lu_report report;
	int ret;

	if (argc != 1)
		return luctl_wrong_number(argv);
	ret = luctl_connect(luctl);
	if (ret)
		return ret;
	ret = lu_client_report(luctl->client, &report);
	if (ret)
		return luctl_fail(ret, "report");
	times.rate = tick_rate();
	/* The TSC began anew: a reset has come between. */
	if (report.saved > __rdtsc())
		memset(&report, 0, sizeof(report));
	times.saved = report.saved;
	out_begin(luctl->json);
	out_kernel();
	if (report.saved)
		report_pause(&report, times.rate);
	else
		out_none("pause_ms");
	out_array_begin("sessions");
	ret = lu_client_list(luctl->client, report_session, &times);
	out_array_end();
	out_end();
	return ret ? luctl_fail(ret, "report") : EXIT_OK;
}

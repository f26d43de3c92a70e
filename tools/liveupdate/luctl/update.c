// SPDX-License-Identifier: GPL-2.0-only
/*
 * luctl update: look whether all is ready, load the next kernel, let luod ask its
 * clients, and go. Whatever fails before reboot(2) has jumped leaves all as it was, but
 * for the loaded kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/kexec.h>
#include <linux/reboot.h>

#include "luctl.h"

#define CMDLINE_MAX	4096
/* Where a bzImage says what it is, see Documentation/arch/x86/boot.rst. */
#define SETUP_MAGIC	0x202
#define SETUP_VERSION	0x20e
#define SETUP_SIZE	0x8000

struct plan {
	const char *kernel;
	const char *initrd;
	const char *append;
	const char *types;
	bool reuse;
	bool force;
	bool dry_run;
	unsigned int timeout_ms;
	bool terminal;
	double began;
	char cmdline[CMDLINE_MAX];
	char release[128];
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Long steps say so, on a terminal. */
static void step(const struct plan *plan, const char *what)
{
	if (plan->terminal)
		fprintf(stderr, "luctl: %6.2f s: %s\n", now() - plan->began, what);
}

static int parse(int argc, char **argv, struct plan *plan)
{
	static const struct option options[] = {
		{ "kernel", required_argument, NULL, 'k' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "append", required_argument, NULL, 'a' },
		{ "reuse-cmdline", no_argument, NULL, 'r' },
		{ "types", required_argument, NULL, 'T' },
		{ "timeout", required_argument, NULL, 't' },
		{ "force", no_argument, NULL, 'f' },
		{ "dry-run", no_argument, NULL, 'n' },
		{},
	};
	unsigned long number;
	char *end;
	int option;

	while ((option = getopt_long(argc, argv, "k:i:a:rT:t:fn", options, NULL)) != -1) {
		switch (option) {
		case 'k':
			plan->kernel = optarg;
			break;
		case 'i':
			plan->initrd = optarg;
			break;
		case 'a':
			plan->append = optarg;
			break;
		case 'r':
			plan->reuse = true;
			break;
		case 'T':
			plan->types = optarg;
			break;
		case 'f':
			plan->force = true;
			break;
		case 'n':
			plan->dry_run = true;
			break;
		case 't':
			number = strtoul(optarg, &end, 10);
			if (*end || end == optarg || number > 3600)
				return luctl_fail(0, "%s: bad timeout", optarg), EXIT_USAGE;
			plan->timeout_ms = number * 1000;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind != argc)
		return luctl_fail(0, "%s: what is that?", argv[optind]), EXIT_USAGE;
	if (!plan->kernel && (plan->initrd || plan->append || plan->reuse))
		return luctl_fail(0, "nothing is loaded without --kernel"), EXIT_USAGE;
	return EXIT_OK;
}

/* True, and a line, for what is a reason not to go. */
static bool not_ready(const char *why)
{
	fprintf(stderr, "luctl: not ready: %s\n", why);
	return true;
}

static void add_words(char *cmdline, const char *words)
{
	size_t len = strlen(cmdline);

	snprintf(cmdline + len, CMDLINE_MAX - len, "%s%s", len ? " " : "", words);
}

/* The words of this kernel's, but what its boot loader has added. */
static bool make_cmdline(struct plan *plan)
{
	char line[CMDLINE_MAX] = "", *word, *save = NULL;

	if (plan->reuse) {
		if (!luctl_read("/proc/cmdline", line, sizeof(line)))
			return not_ready("/proc/cmdline can't be read");
		for (word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
			if (strncmp(word, "BOOT_IMAGE=", 11))
				add_words(plan->cmdline, word);
	}
	if (plan->append)
		add_words(plan->cmdline, plan->append);
	if (strlen(plan->cmdline) >= CMDLINE_MAX - 1)
		return not_ready("the command line is too long");
	return false;
}

/* As the kernel reads it: the last one counts, after "--" they are init's. */
static bool is_off(const char *cmdline, const char *option)
{
	char *copy = strdup(cmdline), *word, *save = NULL;
	size_t len = strlen(option);
	bool off = false;

	for (word = copy ? strtok_r(copy, " ", &save) : NULL; word && strcmp(word, "--");
	     word = strtok_r(NULL, " ", &save)) {
		if (strncmp(word, option, len) || word[len] != '=')
			continue;
		word += len + 1;
		off = (*word && strchr("0nNfF", *word)) || !strncasecmp(word, "of", 2);
	}
	free(copy);
	return off;
}

static bool check_kernel(struct plan *plan)
{
	unsigned char *setup = calloc(1, SETUP_SIZE + 1);
	int fd = open(plan->kernel, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 || !setup ? -1 : read(fd, setup, SETUP_SIZE);
	unsigned int at;
	bool bad = true;

	if (fd >= 0)
		close(fd);
	if (got < SETUP_VERSION + 2) {
		not_ready("the kernel can't be read");
	} else if (memcmp(setup + SETUP_MAGIC, "HdrS", 4)) {
		not_ready("the kernel is no bzImage");
	} else {
		at = setup[SETUP_VERSION] + (setup[SETUP_VERSION + 1] << 8) + 0x200;
		if (at < got)
			snprintf(plan->release, sizeof(plan->release), "%.*s",
				 (int)strcspn((char *)setup + at, " "), setup + at);
		bad = false;
	}
	free(setup);
	if (plan->initrd && access(plan->initrd, R_OK))
		bad = not_ready("the initrd can't be read");
	return bad;
}

/* What keeps the next kernel from being loaded, and from taking anything along. */
static bool check_load(struct plan *plan)
{
	char line[16];
	bool bad = false;

	if (!plan->kernel) {
		if (!luctl_read("/sys/kernel/kexec_loaded", line, sizeof(line)) || line[0] != '1')
			return not_ready("no kernel is loaded: --kernel");
		return false;
	}
	if (luctl_read("/proc/sys/kernel/kexec_load_disabled", line, sizeof(line)) &&
	    line[0] != '0')
		bad = not_ready("kernel.kexec_load_disabled is set");
	bad |= check_kernel(plan);
	bad |= make_cmdline(plan);
	if (is_off(plan->cmdline, "kho") || is_off(plan->cmdline, "liveupdate"))
		bad = not_ready("the command line turns live update off");
	return bad;
}

static int name_unfinished(const struct lu_session *session, void *data)
{
	(void)data;
	if (session->direction == LU_INCOMING && !session->finished)
		fprintf(stderr, "luctl: not finished: %s (uid %u)\n", session->name, session->uid);
	return 0;
}

static bool check_state(struct luctl *luctl, const struct plan *plan)
{
	struct lu_status status;
	char state[32];
	bool bad = false;
	int ret;

	if (geteuid())
		bad = not_ready("only root can");
	if (!luctl_read(LU_SYSFS "/state", state, sizeof(state)))
		return not_ready("this kernel has no live update");
	if (!strcmp(state, "frozen"))
		bad = not_ready("a live update is under way");
	ret = lu_client_status(luctl->client, &status);
	if (ret) {
		luctl_fail(ret, "luod");
		return true;
	}
	if (status.updating)
		bad = not_ready("somebody else is about to update");
	if (status.store < 0)
		fprintf(stderr, "luctl: luod has lost its store\n");
	if (status.incoming && !plan->force) {
		lu_client_list(luctl->client, name_unfinished, NULL);
		bad = not_ready("sessions of the previous kernel would be lost (--force)");
	}
	return bad;
}

/* Does the next kernel know what is preserved? Clients may add to it until they are ready. */
static bool check_types(const struct plan *plan)
{
	int unknown = plan->types ? types_check(plan->types) : 0;

	if (unknown < 0)
		luctl_fail(unknown, "what is preserved can't be read");
	return unknown && not_ready("files would be lost");
}

static int load(const struct plan *plan)
{
	unsigned long flags = plan->initrd ? 0 : KEXEC_FILE_NO_INITRAMFS;
	int kernel = open(plan->kernel, O_RDONLY | O_CLOEXEC);
	int initrd = plan->initrd ? open(plan->initrd, O_RDONLY | O_CLOEXEC) : -1;
	int ret = 0;

	if (kernel < 0 || (plan->initrd && initrd < 0) ||
	    syscall(SYS_kexec_file_load, kernel, initrd, strlen(plan->cmdline) + 1, plan->cmdline,
		    flags))
		ret = -errno;
	if (kernel >= 0)
		close(kernel);
	if (initrd >= 0)
		close(initrd);
	return ret;
}

static int prepare(struct luctl *luctl, const struct plan *plan)
{
	struct lu_prepared prepared;
	int ret = lu_client_prepare(luctl->client, plan->timeout_ms, plan->force, &prepared);

	if (prepared.failed)
		fprintf(stderr, "luctl: not ready: %lu of %lu clients, as pid %d of uid %u: %s\n",
			prepared.failed, prepared.failed + prepared.ready, prepared.pid,
			prepared.uid, strerror(prepared.error));
	if (ret) {
		luctl_fail(ret, "the clients are not ready");
		return EXIT_NOT_READY;
	}
	if (check_types(plan))
		return EXIT_NOT_READY;
	/* What the disks are to know must not wait for the next kernel. */
	step(plan, "writing back");
	sync();
	step(plan, "saving");
	ret = lu_client_commit(luctl->client, prepared.update);
	return ret ? luctl_fail(ret, "luod can't save its state") : EXIT_OK;
}

static void tell(const struct luctl *luctl, const struct plan *plan)
{
	out_begin(luctl->json);
	out_bool("ready", true);
	if (plan->kernel) {
		out_text("kernel", plan->kernel);
		out_text("next_release", plan->release);
		out_text("cmdline", plan->cmdline);
	}
	out_bool("dry_run", plan->dry_run);
	out_end();
}

int cmd_update(struct luctl *luctl, int argc, char **argv)
{
	struct plan plan = { .timeout_ms = 30 * 1000, .began = now() };
	bool bad;
	int ret;

	plan.terminal = isatty(STDERR_FILENO);
	ret = parse(argc, argv, &plan);
	if (ret)
		return ret;
	ret = luctl_connect(luctl);
	if (ret)
		return ret;
	/* All reasons at once. */
	step(&plan, "checking");
	bad = check_state(luctl, &plan);
	bad |= check_load(&plan);
	bad |= check_types(&plan);
	if (bad)
		return EXIT_NOT_READY;
	tell(luctl, &plan);
	if (plan.dry_run)
		return EXIT_OK;
	if (plan.kernel) {
		step(&plan, "loading");
		ret = load(&plan);
		if (ret)
			return luctl_fail(ret, "the kernel can't be loaded; the log says why");
	}
	step(&plan, "asking clients");
	ret = prepare(luctl, &plan);
	if (ret)
		return ret;
	reboot(LINUX_REBOOT_CMD_KEXEC);
	/* luod sees us go, and tells its clients to go on. */
	return luctl_fail(-errno, "the kernel has refused the update; its log says why");
}

// SPDX-License-Identifier: GPL-2.0-only
/* luctl: which command, and what its errors mean. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "luctl.h"

static const struct command {
	const char *name;
	int (*run)(struct luctl *luctl, int argc, char **argv);
	const char *help;
} commands[] = {
	{ "status", cmd_status, "status                            the kernel, and luod" },
	{ "sessions", cmd_sessions, "sessions                          sessions you may have" },
	{ "show", cmd_show, "show NAME [--incoming]            the files in a session" },
	{ "create", cmd_create, "create NAME                       a new session; luod keeps it" },
	{ "preserve", cmd_preserve,
	  "preserve NAME TOKEN [--fd N]      a copy of stdin in a memfd, or descriptor N" },
	{ "unpreserve", cmd_unpreserve,
	  "unpreserve NAME TOKEN [--incoming] take a file out, or give it up" },
	{ "retrieve", cmd_retrieve,
	  "retrieve NAME TOKEN [-- COMMAND]  the file on stdout, or as 3 for a command" },
	{ "finish", cmd_finish, "finish NAME                       all of it is back" },
	{ "release", cmd_release, "release NAME                      give a new session up" },
	{ "update", cmd_update,
	  "update [--kernel FILE] [--initrd FILE] [--append TEXT] [--reuse-cmdline]\n"
	  "         [--types TYPE,...|mainline] [--timeout SECONDS] [--force] [--dry-run]" },
	{ "report", cmd_report, "report                            what came back, and how soon" },
};

#define COMMANDS	(sizeof(commands) / sizeof(*commands))

static int print_usage(FILE *file)
{
	size_t i;

	fprintf(file, "usage: luctl [--json] [--socket PATH] COMMAND\n\n");
	for (i = 0; i < COMMANDS; i++)
		fprintf(file, "  %s\n", commands[i].help);
	fprintf(file, "\nExit status: 0 done, 1 failed, 2 wrong arguments, 3 no luod, 4 refused,\n"
		"5 not found, 6 not ready for an update. See luctl(8).\n");
	return file == stderr ? EXIT_USAGE : EXIT_OK;
}

int luctl_fail(int error, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "luctl: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (error)
		fprintf(stderr, ": %s", strerror(-error));
	fputc('\n', stderr);
	switch (-error) {
	case EACCES:
	case EPERM:
		return EXIT_REFUSED;
	case ENOENT:
		return EXIT_NOT_FOUND;
	default:
		return EXIT_FAILED;
	}
}

int luctl_wrong_number(char **argv)
{
	luctl_fail(0, "%s: wrong number of arguments", argv[0]);
	return EXIT_USAGE;
}

int luctl_connect(struct luctl *luctl)
{
	int ret = lu_connect(luctl->socket, &luctl->client);

	if (!ret)
		return EXIT_OK;
	luctl_fail(ret, "luod does not answer");
	return EXIT_NO_LUOD;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct luctl luctl = {};
	int option, ret;
	size_t i;

	while ((option = getopt_long(argc, argv, "+js:h", options, NULL)) != -1) {
		if (option == 'j')
			luctl.json = true;
		else if (option == 's')
			luctl.socket = optarg;
		else
			return print_usage(option == 'h' ? stdout : stderr);
	}
	if (optind == argc)
		return print_usage(stderr);
	argc -= optind;
	argv += optind;
	/* Each command reads its own options. */
	optind = 0;
	for (i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[0], commands[i].name))
			continue;
		ret = commands[i].run(&luctl, argc, argv);
		lu_disconnect(luctl.client);
		/* Who reads a pipe wants to know that it is not all. */
		if (fflush(stdout) || ferror(stdout))
			ret = ret ? ret : EXIT_FAILED;
		return ret;
	}
	return print_usage(stderr);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Commands on luod's sessions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luctl.h"

/* What a command is given with its name. */
struct arguments {
	const char *name;
	uint64_t token;
	bool incoming;
	int fd;
	char **command;
};

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !errno && !*end;
}

/*
 * NAME, TOKEN if it is wanted, and those of the options that are allowed. Connects.
 * Returns what to exit with.
 */
static int start(struct luctl *luctl, int argc, char **argv, bool with_token, const char *allowed,
		 struct arguments *args)
{
	static const struct option options[] = {
		{ "incoming", no_argument, NULL, 'i' },
		{ "fd", required_argument, NULL, 'f' },
		{},
	};
	int option, given;
	uint64_t number;

	*args = (struct arguments) { .fd = -1 };
	while ((option = getopt_long(argc, argv, "if:", options, NULL)) != -1) {
		if (option == '?' || !strchr(allowed, option))
			return luctl_fail(0, "%s: no such option", argv[0]), EXIT_USAGE;
		if (option == 'i') {
			args->incoming = true;
		} else {
			if (!parse_number(optarg, &number) || number > INT32_MAX)
				return luctl_fail(0, "%s: bad descriptor", optarg), EXIT_USAGE;
			args->fd = number;
		}
	}
	given = argc - optind;
	if (given > 1 + with_token && strchr(allowed, 'c'))
		args->command = argv + optind + 1 + with_token;
	if (given < 1 + with_token || (given > 1 + with_token && !args->command))
		return luctl_wrong_number(argv);
	args->name = argv[optind];
	if (with_token && !parse_number(argv[optind + 1], &args->token))
		return luctl_fail(0, "%s: a token is a number", argv[optind + 1]), EXIT_USAGE;
	return luctl_connect(luctl);
}

/* The session, or negative with *ret what to exit with. */
static int get_session(struct luctl *luctl, const struct arguments *args, int *ret)
{
	int fd = args->incoming ? lu_client_retrieve(luctl->client, args->name) :
				  lu_client_get(luctl->client, args->name);

	if (fd < 0)
		*ret = luctl_fail(fd, "session %s", args->name);
	return fd;
}

const char *session_state(const struct lu_session *session)
{
	if (session->direction == LU_OUTGOING)
		return "preserving";
	return session->finished ? "finished" : session->held ? "claimed" : "waiting";
}

static int show_session(const struct lu_session *session, void *data)
{
	(void)data;
	out_row_begin();
	out_text("name", session->name);
	out_text("direction", session->direction == LU_INCOMING ? "incoming" : "outgoing");
	out_number("uid", session->uid);
	out_text("state", session_state(session));
	out_row_end();
	return 0;
}

int cmd_sessions(struct luctl *luctl, int argc, char **argv)
{
	int ret;

	if (argc != 1)
		return luctl_wrong_number(argv);
	ret = luctl_connect(luctl);
	if (ret)
		return ret;
	out_begin(luctl->json);
	out_array_begin("sessions");
	ret = lu_client_list(luctl->client, show_session, NULL);
	out_array_end();
	out_end();
	return ret ? luctl_fail(ret, "sessions") : EXIT_OK;
}

static int show_file(const struct lu_file *file, void *data)
{
	static const char * const states[] = { "preserved", "waiting", "retrieved", "failed" };
	char text[32];

	(void)data;
	out_row_begin();
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)file->token);
	out_text("token", text);
	out_text("type", file->type);
	if (file->size < 0)
		out_none("size");
	else
		out_number("size", file->size);
	out_text("state", states[file->state]);
	if (file->error)
		out_text("error", strerrorname_np(file->error) ?: "?");
	out_row_end();
	return 0;
}

int cmd_show(struct luctl *luctl, int argc, char **argv)
{
	static const char * const states[] = {
		"preserving", "frozen", "waiting", "claimed", "finished",
	};
	struct lu_session_info info;
	struct arguments args;
	int fd, ret;

	ret = start(luctl, argc, argv, false, "i", &args);
	if (ret)
		return ret;
	fd = get_session(luctl, &args, &ret);
	if (fd < 0)
		return ret;
	ret = lu_session_info(fd, &info);
	if (ret)
		return luctl_fail(ret, "session %s", args.name);
	out_begin(luctl->json);
	out_text("session", info.name);
	out_text("direction", info.direction == LU_INCOMING ? "incoming" : "outgoing");
	out_text("state", states[info.state]);
	out_array_begin("files");
	ret = lu_session_files(fd, show_file, NULL);
	out_array_end();
	out_end();
	close(fd);
	return ret ? luctl_fail(ret, "session %s", args.name) : EXIT_OK;
}

/* What there is to say when all went well. */
static int done(const struct luctl *luctl, const struct arguments *args, const char *what)
{
	if (luctl->json) {
		out_begin(true);
		out_text("session", args->name);
		out_text("done", what);
		out_end();
	}
	return EXIT_OK;
}

int cmd_create(struct luctl *luctl, int argc, char **argv)
{
	struct arguments args;
	int fd, ret;

	ret = start(luctl, argc, argv, false, "", &args);
	if (ret)
		return ret;
	fd = lu_client_create(luctl->client, args.name);
	if (fd < 0)
		return luctl_fail(fd, "session %s", args.name);
	close(fd);
	return done(luctl, &args, "create");
}

/* Copy all of one file into another one; 0 or -errno. */
static int copy(int from, int to)
{
	char data[65536];
	ssize_t got, put, at;

	for (;;) {
		got = read(from, data, sizeof(data));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : 0;
		for (at = 0; at < got; at += put) {
			put = write(to, data + at, got - at);
			if (put < 0 && errno != EINTR)
				return -errno;
			put = put < 0 ? 0 : put;
		}
	}
}

static int copy_stdin(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;

	if (fd < 0)
		return -errno;
	ret = copy(STDIN_FILENO, fd);
	if (!ret && lseek(fd, 0, SEEK_SET))
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

int cmd_preserve(struct luctl *luctl, int argc, char **argv)
{
	struct arguments args;
	int session, fd, ret;

	ret = start(luctl, argc, argv, true, "f", &args);
	if (ret)
		return ret;
	session = get_session(luctl, &args, &ret);
	if (session < 0)
		return ret;
	fd = args.fd >= 0 ? args.fd : copy_stdin(args.name);
	if (fd < 0)
		return luctl_fail(fd, "stdin can't be copied");
	ret = lu_preserve_fd(session, fd, args.token);
	if (ret)
		return luctl_fail(ret, "token %s can't be preserved", argv[optind + 1]);
	return done(luctl, &args, "preserve");
}

int cmd_unpreserve(struct luctl *luctl, int argc, char **argv)
{
	struct arguments args;
	int session, ret;

	ret = start(luctl, argc, argv, true, "i", &args);
	if (ret)
		return ret;
	session = get_session(luctl, &args, &ret);
	if (session < 0)
		return ret;
	ret = lu_unpreserve_fd(session, args.token);
	if (ret)
		return luctl_fail(ret, "token %s", argv[optind + 1]);
	return done(luctl, &args, "unpreserve");
}

/* The command has the file as descriptor 3, and nothing else of ours. */
static int run_command(char **command, int fd)
{
	int ret;

	if (fd == 3)
		ret = fcntl(fd, F_SETFD, 0);
	else
		ret = dup2(fd, 3);
	if (ret < 0)
		return luctl_fail(-errno, "%s", command[0]);
	execvp(command[0], command);
	return luctl_fail(-errno, "%s", command[0]);
}

/* From the beginning, wherever its position is, which is not moved. */
static int write_file(int fd)
{
	char path[64];
	struct stat st;
	int again, ret;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESPIPE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return -errno;
	ret = copy(again, STDOUT_FILENO);
	close(again);
	return ret;
}

int cmd_retrieve(struct luctl *luctl, int argc, char **argv)
{
	struct arguments args;
	int session, fd, ret;

	ret = start(luctl, argc, argv, true, "c", &args);
	if (ret)
		return ret;
	args.incoming = true;
	session = get_session(luctl, &args, &ret);
	if (session < 0)
		return ret;
	fd = lu_retrieve_fd(session, args.token);
	if (fd < 0)
		return luctl_fail(fd, "token %s can't be retrieved", argv[optind + 1]);
	if (args.command)
		return run_command(args.command, fd);
	ret = write_file(fd);
	return ret ? luctl_fail(ret, "token %s", argv[optind + 1]) : EXIT_OK;
}

int cmd_finish(struct luctl *luctl, int argc, char **argv)
{
	struct arguments args;
	int ret;

	ret = start(luctl, argc, argv, false, "", &args);
	if (ret)
		return ret;
	ret = lu_client_finish(luctl->client, args.name);
	return ret ? luctl_fail(ret, "session %s", args.name) : done(luctl, &args, "finish");
}

int cmd_release(struct luctl *luctl, int argc, char **argv)
{
	struct arguments args;
	int ret;

	ret = start(luctl, argc, argv, false, "", &args);
	if (ret)
		return ret;
	ret = lu_client_release(luctl->client, args.name);
	return ret ? luctl_fail(ret, "session %s", args.name) : done(luctl, &args, "release");
}

// SPDX-License-Identifier: GPL-2.0-only
/* luod: start, stop, and one event at a time. See luod.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "luod.h"

#define SWEEP_PERIOD	2000
#define DEVICE_PATIENCE	3

/* As sysexits.h and systemd have it. */
#define EXIT_CONFIG	78

int64_t luod_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

uint64_t luod_ticks(void)
{
	return __rdtsc();
}

static int print_usage(FILE *out)
{
	fprintf(out, "usage: luod [--config FILE] [--socket PATH]\n");
	return out == stderr ? 2 : 0;
}

/* Sessions and clients share what there is, and never take it from each other. */
static void limit_descriptors(struct luod *luod)
{
	struct rlimit limit = {}, wanted;
	unsigned long have;

	getrlimit(RLIMIT_NOFILE, &limit);
	have = LUOD_MAX_SESSIONS + LUOD_MAX_CLIENTS + LUOD_OTHER_FDS;
	wanted.rlim_cur = have;
	wanted.rlim_max = limit.rlim_max > have ? limit.rlim_max : have;
	if (setrlimit(RLIMIT_NOFILE, &wanted)) {
		wanted.rlim_cur = limit.rlim_max < have ? limit.rlim_max : have;
		wanted.rlim_max = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &wanted);
		have = wanted.rlim_cur;
	}
	have = have > LUOD_OTHER_FDS ? have - LUOD_OTHER_FDS : 0;
	luod->max_clients = have / 4 < LUOD_MAX_CLIENTS ? have / 4 : LUOD_MAX_CLIENTS;
	luod->max_sessions = have - luod->max_clients;
	if (luod->max_sessions > LUOD_MAX_SESSIONS)
		luod->max_sessions = LUOD_MAX_SESSIONS;
}

/* The one before, or systemd during a reboot, may need a moment to let go of it. */
static int open_device(void)
{
	int i, fd;

	for (i = 0; i < DEVICE_PATIENCE * 10; i++) {
		fd = lu_open();
		if (fd != -EBUSY)
			break;
		usleep(100 * 1000);
	}
	if (fd < 0)
		log_line(LOG_ERROR, "event=start device=%s error=%s", LU_DEVICE, log_errno(fd));
	return fd;
}

static int listen_at(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;
	char *copy = strdup(path);

	if (fd < 0 || !copy)
		ret = -ENOMEM;
	else if (strlen(path) >= sizeof(sun.sun_path))
		ret = -ENAMETOOLONG;
	else
		ret = mkdir(dirname(copy), 0755) && errno != EEXIST ? -errno : 0;
	free(copy);
	if (!ret) {
		memcpy(sun.sun_path, path, strlen(path));
		/* Who has the device is the only one. */
		unlink(path);
		if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) || chmod(path, 0666) ||
		    listen(fd, 128))
			ret = -errno;
	}
	if (!ret)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

/* From systemd's socket unit, or the store, or made here. */
static int open_listener(struct luod *luod, const char *path)
{
	socklen_t len = sizeof(int);
	int listening, type, fd;
	unsigned int i;

	for (i = 0; i < luod->nr_stored; i++) {
		fd = luod->stored[i].fd;
		if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) ||
		    !listening || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
		    type != SOCK_SEQPACKET)
			continue;
		luod->stored[i].fd = -1;
		fcntl(fd, F_SETFL, O_NONBLOCK);
		return fd;
	}
	fd = listen_at(path);
	if (fd < 0)
		log_line(LOG_ERROR, "event=start socket=%s error=%s", path, log_errno(fd));
	else
		store_put(&luod->store, "listen", fd);
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int watch(struct luod *luod, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(luod->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* What nobody has asked for. */
static void close_stored(struct luod *luod)
{
	unsigned int i;

	for (i = 0; i < luod->nr_stored; i++) {
		if (luod->stored[i].fd < 0)
			continue;
		log_line(LOG_WARNING, "event=stray name=%s", luod->stored[i].name);
		store_remove(&luod->store, luod->stored[i].name);
		close(luod->stored[i].fd);
	}
	free(luod->stored);
	luod->stored = NULL;
	luod->nr_stored = 0;
}

static int luod_start(struct luod *luod, const char *path, int signals)
{
	int ret;

	store_open(&luod->store);
	luod->nr_stored = store_take_all(&luod->stored);
	luod->device = open_device();
	if (luod->device < 0)
		return luod->device;
	luod->listener = open_listener(luod, path);
	if (luod->listener < 0)
		return luod->listener;
	ret = state_load(luod);
	if (ret) {
		log_line(LOG_ERROR, "event=start error=%s", log_errno(ret));
		return ret;
	}
	sessions_import(luod);
	close_stored(luod);
	ret = luod->sessions.count || luod->state.memfd >= 0 ? state_save(luod) : 0;
	if (ret)
		log_line(LOG_ERROR, "event=save error=%s", log_errno(ret));
	else
		state_loaded(luod);
	luod->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	luod->epoll = epoll_create1(EPOLL_CLOEXEC);
	ret = watch(luod, luod->listener, &luod->listener);
	return ret ? ret : watch(luod, signals, &luod->epoll);
}

/* How long to sleep, -1 for ever. */
static int timeout(const struct luod *luod)
{
	int64_t left = luod->update.deadline - luod_now();
	unsigned int i;

	if (luod->update.step == UPDATE_PREPARING)
		return left > 0 ? left : 0;
	for (i = 0; i < luod->sessions.count; i++)
		if (luod->sessions.table[i].direction == LU_INCOMING &&
		    luod->sessions.table[i].fd >= 0)
			return SWEEP_PERIOD;
	return -1;
}

/* True if it is time to go. */
static bool take_signal(struct luod *luod, int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo != SIGHUP)
		return true;
	policy_load(luod->config, &luod->policy);
	return false;
}

static void run(struct luod *luod, int signals)
{
	struct epoll_event event;
	int count;

	/* One at a time: what an event does to others is seen by the next wait. */
	for (;;) {
		count = epoll_wait(luod->epoll, &event, 1, timeout(luod));
		if (!count)
			sessions_sweep(luod);
		else if (count < 0)
			continue;
		else if (event.data.ptr == &luod->listener)
			clients_accept(luod);
		else if (event.data.ptr != &luod->epoll)
			client_serve(luod, event.data.ptr);
		else if (take_signal(luod, signals))
			return;
		update_tick(luod);
		clients_close_gone(luod);
	}
}

static void luod_stop(struct luod *luod)
{
	struct client *client;

	store_say(&luod->store, "STOPPING=1");
	log_line(LOG_INFO, "event=stop sessions=%u kept=%s", luod->sessions.count,
		 luod->store.health == STORE_GOOD ? "yes" : "no");
	/* Nobody is told: for those who hold sessions nothing has changed. */
	for (client = luod->clients; client; client = client->next) {
		client->gone = true;
		luod->any_gone = true;
	}
	clients_close_gone(luod);
	free(luod);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct luod *luod = calloc(1, sizeof(*luod));
	const char *path = LU_SOCKET;
	int option, signals;

	if (!luod)
		return 1;
	luod->config = LUOD_CONFIG;
	while ((option = getopt_long(argc, argv, "c:s:h", options, NULL)) != -1) {
		if (option == 'c')
			luod->config = optarg;
		else if (option == 's')
			path = optarg;
		else
			return print_usage(option == 'h' ? stdout : stderr);
	}
	if (optind != argc)
		return print_usage(stderr);
	/* A line at a time, whoever writes to the same place. */
	setvbuf(stderr, NULL, _IOLBF, 0);
	signals = open_signals();
	limit_descriptors(luod);
	if (policy_load(luod->config, &luod->policy))
		return EXIT_CONFIG;
	if (luod_start(luod, path, signals))
		return 1;
	store_say(&luod->store, "READY=1");
	log_line(LOG_INFO, "event=ready sessions=%u store=%d", luod->sessions.count,
		 luod->store.health);
	run(luod, signals);
	luod_stop(luod);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What an operator sees of sessions that are to be handed over.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <ftw.h>
#include <poll.h>

#include "luo_fixture.h"
#include "luo_observe.h"
#include "luo_reboot.h"

#define NR_FILES	500

static char *read_session(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), SYSFS_OUTGOING "/%s", name);
	return luo_read_file(path);
}

static bool is_shown(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), SYSFS_OUTGOING "/%s", name);
	return !access(path, F_OK);
}

TEST_F(luo, state)
{
	int session = luo_create(self->dev, "s"), other = luo_create(self->dev, "t"), fd;

	ASSERT_TRUE(luo_state_is("normal"));
	fd = luo_memfd_filled(LUO_PAGE, 1);
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	EXPECT_TRUE(luo_state_is("preserving"));
	EXPECT_EQ(-EBUSY, luo_preserve(other, fd, 1));
	EXPECT_TRUE(luo_state_is("preserving"));
	EXPECT_EQ(0, luo_unpreserve(session, 1));
	EXPECT_TRUE(luo_state_is("normal"));

	/* As long as any session has a file. */
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	close(fd);
	fd = luo_memfd_filled(LUO_PAGE, 2);
	ASSERT_EQ(0, luo_preserve(other, fd, 1));
	close(fd);
	close(session);
	EXPECT_TRUE(luo_state_is("preserving"));
	close(other);
	EXPECT_TRUE(luo_state_is("normal"));
}

TEST_F(luo, state_is_polled)
{
	int session = luo_create(self->dev, "s"), memfd = luo_memfd_filled(LUO_PAGE, 1), i;
	struct pollfd poller = { .events = POLLPRI };
	char text[32];

	poller.fd = open(SYSFS_LUO "/state", O_RDONLY);
	ASSERT_GE(poller.fd, 0);
	for (i = 0; i < 4; i++) {
		ASSERT_GT(pread(poller.fd, text, sizeof(text), 0), 0);
		EXPECT_EQ(0, poll(&poller, 1, 0));
		EXPECT_EQ(0, i % 2 ? luo_unpreserve(session, 1) :
				     luo_preserve(session, memfd, 1));
		EXPECT_EQ(1, poll(&poller, 1, -1));
		EXPECT_EQ(POLLPRI | POLLERR, poller.revents);
	}
	close(poller.fd);
	close(memfd);
	close(session);
}

/* This kernel was not handed anything. */
TEST_F(luo, cold_boot)
{
	EXPECT_TRUE(luo_file_says(SYSFS_LUO "/number", "0\n"));
	EXPECT_TRUE(luo_file_says(SYSFS_LUO "/previous_release", "\n"));
}

/* All of them are told, also if that takes more than a page. */
TEST_F(luo, many_files)
{
	int session = luo_create(self->dev, "many"), fd, i, lines = 0;
	char *text, *at;

	ASSERT_EQ(0, luo_preserve(session, open(TEST_DEVICE, O_RDWR), NR_FILES));
	for (i = 0; i < NR_FILES; i++) {
		fd = luo_memfd(i * 3, 0);
		ASSERT_EQ(0, luo_preserve(session, fd, i));
		close(fd);
	}
	text = read_session("many");
	ASSERT_NE(NULL, text);
	EXPECT_GT(strlen(text), 4 * LUO_PAGE);
	EXPECT_EQ(text, strstr(text, "session:\tmany\ndirection:\toutgoing\nstate:\tpreserving\n"));
	EXPECT_TRUE(luo_has_line(text, "files:\t%d", NR_FILES + 1));
	for (i = 0; i < NR_FILES; i++)
		EXPECT_TRUE(luo_has_line(text, "file:\t0x%x memfd-v2 %d preserved", i, i * 3));
	EXPECT_TRUE(luo_has_line(text, "file:\t0x%x luo-test-v1 - preserved", NR_FILES));
	for (at = text; (at = strstr(at, "file:\t")); at++)
		lines++;
	EXPECT_EQ(NR_FILES + 1, lines);
	free(text);

	EXPECT_EQ(0, luo_unpreserve(session, 7));
	text = read_session("many");
	EXPECT_TRUE(luo_has_line(text, "files:\t%d", NR_FILES));
	EXPECT_EQ(NULL, strstr(text, "file:\t0x7 "));
	free(text);
	close(session);
	EXPECT_FALSE(is_shown("many"));
}

/* Whoever has the session sees the same in its fdinfo. */
TEST_F(luo, fdinfo)
{
	int session = luo_create(self->dev, "info\n"), fd = luo_memfd(12345, 0);
	char path[64], *info, *text;

	ASSERT_EQ(0, luo_preserve(session, fd, ~0ULL));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session);
	info = luo_read_file(path);
	ASSERT_NE(NULL, info);
	EXPECT_TRUE(luo_has_line(info, "session:\tinfo\\x0a"));
	EXPECT_TRUE(luo_has_line(info, "direction:\toutgoing"));
	EXPECT_TRUE(luo_has_line(info, "file:\t0xffffffffffffffff memfd-v2 12345 preserved"));
	text = read_session("info\\x0a");
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(info, text));
	free(info);
	free(text);
	close(fd);
	close(session);
}

/* Whatever a session is called, it is shown, and not as another one. */
TEST_F(luo, escaped_names)
{
	static const struct { const char *name, *shown; } names[] = {
		{ "vm-7 of Kim", "vm-7 of Kim" },
		{ "a/b", "a\\x2fb" }, { "a\\x2fb", "a\\x5cx2fb" },
		{ ".", "\\x2e" }, { "..", "\\x2e\\x2e" }, { "...", "..." }, { ".a", ".a" },
		{ "\\x2e", "\\x5cx2e" }, { "/", "\\x2f" }, { "\n\t\x1b[2J", "\\x0a\\x09\\x1b[2J" },
		{ "\x7f\x80\xc3\xa4\xff", "\\x7f\\x80\\xc3\\xa4\\xff" },
	};
	char name[64] = {}, shown[4 * 63 + 1] = {}, *text;
	int sessions[ARRAY_SIZE(names) + 1], found = 0;
	struct dirent *entry;
	unsigned int i;
	DIR *dir;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		sessions[i] = luo_create(self->dev, names[i].name);
		ASSERT_GE(sessions[i], 0);
		text = read_session(names[i].shown);
		ASSERT_NE(NULL, text);
		EXPECT_TRUE(luo_has_line(text, "session:\t%s", names[i].shown));
		free(text);
	}
	/* The longest. */
	memset(name, '\xff', 63);
	for (i = 0; i < 63; i++)
		memcpy(shown + 4 * i, "\\xff", 4);
	sessions[ARRAY_SIZE(names)] = luo_create(self->dev, name);
	EXPECT_TRUE(is_shown(shown));

	dir = opendir(SYSFS_OUTGOING);
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir)))
		found += entry->d_type == DT_REG;
	closedir(dir);
	EXPECT_EQ(ARRAY_SIZE(names) + 1, found);
	for (i = 0; i <= ARRAY_SIZE(names); i++)
		close(sessions[i]);
	/* Gone, and free again. */
	EXPECT_FALSE(is_shown(shown));
	sessions[0] = luo_create(self->dev, name);
	EXPECT_TRUE(is_shown(shown));
	close(sessions[0]);
}

/* Open files of sysfs and what they are of go independently. */
TEST_F(luo, session_ends_while_it_is_looked_at)
{
	int session = luo_create(self->dev, "s"), fd;
	char text[64];

	fd = open(SYSFS_OUTGOING "/s", O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(5, pread(fd, text, 5, 0));
	close(session);
	EXPECT_EQ(-1, pread(fd, text, 5, 0));
	EXPECT_EQ(ENODEV, errno);
	session = luo_create(self->dev, "s");
	EXPECT_EQ(-1, pread(fd, text, 5, 0));
	close(fd);
	EXPECT_TRUE(is_shown("s"));
	close(session);
}

TEST_F(luo, nothing_is_written)
{
	static const char * const files[] = {
		SYSFS_LUO "/state", SYSFS_LUO "/number", SYSFS_LUO "/previous_release",
		SYSFS_OUTGOING "/s",
	};
	int session = luo_create(self->dev, "s");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		EXPECT_EQ(-EACCES, luo_write(files[i], "1"));
	EXPECT_EQ(-1, unlink(SYSFS_OUTGOING "/s"));
	EXPECT_EQ(-1, mkdir(SYSFS_OUTGOING "/d", 0700));
	close(session);
}

/* Anybody may know the state, but not which sessions there are. */
static int look_unprivileged(void)
{
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return 1;
	if (access(SYSFS_LUO "/state", R_OK) || access(SYSFS_LUO "/number", R_OK) ||
	    access(SYSFS_LUO "/previous_release", R_OK))
		return 2;
	if (!access(SYSFS_LUO "/sessions", R_OK) || !access(SYSFS_LUO "/sessions", X_OK))
		return 3;
	if (opendir(SYSFS_OUTGOING) || errno != EACCES)
		return 4;
	if (open(SYSFS_OUTGOING "/s", O_RDONLY) >= 0 || errno != EACCES)
		return 5;
	return 0;
}

TEST_F(luo, unprivileged)
{
	int session = luo_create(self->dev, "s"), status = -1;
	struct stat st;

	EXPECT_EQ(0, stat(SYSFS_OUTGOING "/s", &st));
	EXPECT_EQ(S_IFREG | 0400, st.st_mode);
	if (!fork())
		_exit(look_unprivileged());
	wait(&status);
	EXPECT_EQ(0, status);
	close(session);
}

static int nr_scanned;

static int scan(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *address;
	char *text;

	if (type != FTW_F)
		return 0;
	text = luo_read_file(path);
	if (!text)
		return 1;
	/* The head of a fdinfo has flags, in eight octal digits. */
	address = luo_find_address(strstr(text, "session:") ?: text);
	if (address)
		printf("# %s has %.20s\n", path, address);
	free(text);
	nr_scanned++;
	return address ? 1 : 0;
}

/* Neither pointers nor physical addresses, not even for root. */
TEST_F(luo, no_addresses)
{
	int session = luo_create(self->dev, "s"), fd = luo_memfd_filled(4 * LUO_PAGE, 1);
	char path[64];

	EXPECT_NE(NULL, luo_find_address("a 0x1234f000"));
	EXPECT_NE(NULL, luo_find_address("x ffff888001234567\n"));
	EXPECT_NE(NULL, luo_find_address("4294967296"));
	EXPECT_EQ(NULL, luo_find_address("file:\t0x1234 memfd-v2 1048576 preserved\n"));
	ASSERT_EQ(0, luo_preserve(session, fd, 0x1234));
	ASSERT_EQ(0, luo_preserve(session, open(TEST_DEVICE, O_RDWR), 2));
	nr_scanned = 0;
	EXPECT_EQ(0, nftw(SYSFS_LUO, scan, 8, FTW_PHYS));
	EXPECT_EQ(4, nr_scanned);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session);
	EXPECT_EQ(0, scan(path, NULL, FTW_F, NULL));
	close(fd);
	close(session);
}

/* Did it happen, with that result, and did that take time? */
static bool traced(const char *text, const char *event, const char *what)
{
	unsigned long long ns = 0;
	char prefix[64];
	const char *at;

	snprintf(prefix, sizeof(prefix), ": %s: ", event);
	for (at = text; at && (at = strstr(at, prefix)); at++) {
		const char *end = strchrnul(at, '\n'), *ns_at = strstr(at, " ns=");
		const char *found = strstr(at, what);

		if (found && found < end && ns_at && ns_at < end &&
		    sscanf(ns_at, " ns=%llu", &ns) == 1 && ns)
			return true;
	}
	printf("# no %s with '%s' in:\n%s\n", event, what, text ?: "nothing");
	return false;
}

/* What a thread sees while everything is frozen. */
struct watcher {
	pthread_t thread;
	atomic_bool stop;
	bool frozen;
	char *other;
	bool unloaded;
};

static void *watch_freeze(void *arg)
{
	struct watcher *watcher = arg;

	while (!watcher->stop && !watcher->frozen) {
		char *state = luo_read_file(SYSFS_LUO "/state");

		watcher->frozen = state && !strcmp(state, "frozen\n");
		free(state);
	}
	/* So the image was there when the reboot began, and can go. */
	watcher->other = read_session("other");
	watcher->unloaded = !luo_kexec_unload();
	luo_write(TEST_DELAY, "0");
	return NULL;
}

TEST_F(luo, frozen)
{
	int session = luo_create(self->dev, "s"), fd = open(TEST_DEVICE, O_RDWR);
	int other = luo_create(self->dev, "other"), memfd = luo_memfd_filled(LUO_PAGE, 1);
	struct watcher watcher = {};
	char *text;

	ASSERT_EQ(0, access("/next/bzImage", R_OK));
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	ASSERT_EQ(0, luo_preserve(other, memfd, 1));
	ASSERT_EQ(0, luo_kexec_load_kernel(""));
	ASSERT_EQ(0, luo_write(TEST_DELAY, LUO_LONG_DELAY));
	ASSERT_EQ(0, luo_trace_events(true));
	ASSERT_EQ(0, pthread_create(&watcher.thread, NULL, watch_freeze, &watcher));
	EXPECT_EQ(-EINVAL, luo_kexec());
	watcher.stop = true;
	pthread_join(watcher.thread, NULL);
	ASSERT_EQ(0, luo_trace_events(false));
	EXPECT_TRUE(watcher.frozen);
	EXPECT_TRUE(watcher.unloaded);
	EXPECT_TRUE(luo_has_line(watcher.other, "state:\tfrozen"));
	EXPECT_TRUE(luo_has_line(watcher.other, "file:\t0x1 memfd-v2 4096 preserved"));
	free(watcher.other);

	text = luo_read_file(TRACING "/trace");
	EXPECT_TRUE(traced(text, "luo_session_freeze", "session=other ret=0"));
	EXPECT_TRUE(traced(text, "luo_freeze_all", "ret=0"));
	EXPECT_TRUE(traced(text, "luo_session_serialise", "session=s ret=0"));
	EXPECT_TRUE(traced(text, "luo_serialise_all", "ret=0"));
	EXPECT_TRUE(traced(text, "luo_file_unfreeze", "token=0x1 type=luo-test-v1 ret=0"));
	free(text);

	EXPECT_TRUE(luo_state_is("preserving"));
	/* What would have been handed over. */
	EXPECT_EQ(0, access("/sys/kernel/debug/liveupdate/out/sessions", R_OK));
	EXPECT_EQ(0, access("/sys/kernel/debug/liveupdate/out/files/other", R_OK));
	/* A freeze that fails is none. */
	ASSERT_EQ(0, luo_kexec_load_kernel(""));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5"));
	EXPECT_EQ(-EIO, luo_kexec());
	ASSERT_EQ(0, luo_kexec_unload());
	EXPECT_TRUE(luo_state_is("preserving"));
	close(session);
	close(other);
	close(fd);
	close(memfd);
	EXPECT_TRUE(luo_state_is("normal"));
}

static atomic_bool stop;

/* Looks at everything, all the time. */
static void *look_around(void *arg)
{
	long *seen = arg;

	while (!stop) {
		DIR *dir = opendir(SYSFS_OUTGOING);
		struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			char *text = entry->d_type == DT_REG ? read_session(entry->d_name) : NULL;

			/* It may be gone meanwhile; but what is there is whole. */
			if (text && strncmp(text, "session:\t", 9))
				*seen = -1000000;
			*seen += !!text;
			free(text);
		}
		if (dir)
			closedir(dir);
		free(luo_read_file(SYSFS_LUO "/state"));
		usleep(500);
	}
	return NULL;
}

/* Sessions come, go and are frozen under the eyes of four readers. */
TEST_F_TIMEOUT(luo, readers_race, 300)
{
	int i, j, fds[4], sessions[4];
	pthread_t threads[5];
	long seen[4] = {};
	char name[16];

	stop = false;
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, look_around, &seen[i]));
	for (i = 0; i < 30; i++) {
		for (j = 0; j < 4; j++) {
			snprintf(name, sizeof(name), "race %d", j);
			sessions[j] = luo_create(self->dev, name);
			ASSERT_GE(sessions[j], 0);
			fds[j] = luo_memfd_filled(LUO_PAGE, j);
			EXPECT_EQ(0, luo_preserve(sessions[j], fds[j], 1));
		}
		EXPECT_EQ(0, luo_unpreserve(sessions[0], 1));
		if (i % 10 == 0) {
			int fd = open(TEST_DEVICE, O_RDWR);

			/* A freeze, undone; one session is closed meanwhile. */
			ASSERT_EQ(0, luo_preserve(sessions[0], fd, 2));
			ASSERT_EQ(0, luo_kexec_load_kernel(""));
			ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5"));
			EXPECT_EQ(-EIO, luo_kexec());
			close(fd);
		}
		for (j = 0; j < 4; j++) {
			close(sessions[j]);
			close(fds[j]);
		}
	}
	stop = true;
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_GT(seen[i], 0);
	}
	ASSERT_EQ(0, luo_kexec_unload());
	EXPECT_TRUE(luo_state_is("normal"));
}

TEST_F(luo, trace)
{
	int session, fd = open(TEST_DEVICE, O_RDWR), memfd = luo_memfd_filled(LUO_PAGE, 1);
	char *text;

	ASSERT_EQ(0, luo_trace_events(true));
	session = luo_create(self->dev, "tr/ce");
	EXPECT_EQ(-EEXIST, luo_create(self->dev, "tr/ce"));
	ASSERT_EQ(0, luo_preserve(session, memfd, 0x77));
	EXPECT_EQ(0, luo_unpreserve(session, 0x77));
	ASSERT_EQ(0, luo_preserve(session, memfd, 0x78));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "preserve:5"));
	EXPECT_EQ(-EIO, luo_preserve(session, fd, 2));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "flb_preserve:12"));
	EXPECT_EQ(-ENOMEM, luo_preserve(session, fd, 2));
	ASSERT_EQ(0, luo_preserve(session, fd, 2));
	ASSERT_EQ(0, luo_kexec_load_kernel(""));
	ASSERT_EQ(0, luo_write(TEST_FAIL, "freeze:5"));
	EXPECT_EQ(-EIO, luo_kexec());
	ASSERT_EQ(0, luo_kexec_unload());
	close(session);
	ASSERT_EQ(0, luo_trace_events(false));

	text = luo_read_file(TRACING "/trace");
	EXPECT_TRUE(traced(text, "luo_session_create", "session=tr\\x2fce ret=0"));
	EXPECT_TRUE(traced(text, "luo_session_create", "session=tr\\x2fce ret=-17"));
	EXPECT_TRUE(traced(text, "luo_file_preserve",
			   "session=tr\\x2fce token=0x77 type=memfd-v2 ret=0"));
	EXPECT_TRUE(traced(text, "luo_file_preserve",
			   "session=tr\\x2fce token=0x2 type=luo-test-v1 ret=-5"));
	EXPECT_TRUE(traced(text, "luo_file_unpreserve", "token=0x77 type=memfd-v2 ret=0"));
	EXPECT_TRUE(traced(text, "luo_file_freeze", "token=0x78 type=memfd-v2 ret=0"));
	EXPECT_TRUE(traced(text, "luo_file_freeze", "token=0x2 type=luo-test-v1 ret=-5"));
	EXPECT_TRUE(traced(text, "luo_session_freeze", "session=tr\\x2fce ret=-5"));
	EXPECT_TRUE(traced(text, "luo_freeze_all", "ret=-5"));
	EXPECT_TRUE(traced(text, "luo_session_close", "session=tr\\x2fce ret=0"));
	EXPECT_TRUE(traced(text, "luo_flb_preserve", "flb=luo-test-flb-v1 ret=0"));
	EXPECT_TRUE(traced(text, "luo_flb_preserve", "flb=luo-test-flb-v1 ret=-12"));
	EXPECT_TRUE(traced(text, "luo_flb_unpreserve", "flb=luo-test-flb-v1 ret=0"));
	EXPECT_EQ(NULL, strstr(text, "luo_serialise_all"));
	free(text);
	close(fd);
	close(memfd);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * What an operator sees of sessions that were handed over.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <sys/utsname.h>

#include "luo_observe.h"
#include "luo_scenario.h"

static char *read_incoming(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), SYSFS_INCOMING "/%s", name);
	return luo_read_file(path);
}

/* What is told of the whole; other scenarios may have left something. */
static void whole_before(void)
{
	CHECK(luo_read_number(SYSFS_LUO "/number") == stage);
	one_before("whole", 1, luo_memfd_filled(LUO_PAGE, 1));
	if (!stage)
		CHECK(luo_state_is("preserving"));
}

static void whole_after(void)
{
	struct utsname name;
	int session, fd;
	char *text;

	CHECK(luo_read_number(SYSFS_LUO "/number") == stage);
	uname(&name);
	text = luo_read_file(SYSFS_LUO "/previous_release");
	/* Kernels that are tested with each other differ in nothing but options. */
	CHECK(text && luo_has_line(text, "%s", name.release));
	free(text);
	CHECK(luo_state_is("updated"));
	fd = one_after("whole", 1, &session);
	CHECK(luo_state_is("updated"));
	end(session, fd);
	if (only && !strcmp(only, "observe_whole"))
		CHECK(luo_state_is("normal"));
}

static void listing_before(void)
{
	int session = one_before("lis/ting", 0x10, luo_memfd(12345, 0)), fd;

	fd = luo_memfd_filled(3 * LUO_PAGE, 2);
	CHECK_EQ(luo_preserve(session, fd, 0x11), 0);
	fd = open(TEST_DEVICE, O_RDWR);
	CHECK_EQ(luo_preserve(session, fd, 0x12), 0);
}

/* The raw tables: what is at @offset of a file in debugfs. */
static int raw_is(const char *path, off_t offset, const void *want, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char raw[64] = {};
	int is;

	is = pread(fd, raw, size, offset) == (ssize_t)size && !memcmp(raw, want, size);
	close(fd);
	return is;
}

static void raw_after(void)
{
	const char *files = "/sys/kernel/debug/liveupdate/in/files/lis\\x2fting";
	uint64_t token = 0x11, number = stage;
	uint32_t count = stage;
	struct stat st;

	CHECK(raw_is("/sys/kernel/debug/kho/in/subtrees/LUO", 0, "luo-v5\0", 8));
	CHECK(raw_is("/sys/kernel/debug/kho/in/subtrees/LUO", 8, &number, 8));
	/* Behind a version of four bytes and a release of 65. */
	CHECK(raw_is("/sys/kernel/debug/kho/in/subtrees/kexec-metadata", 69, &count, 4));
	CHECK_EQ(stat(files, &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0400);
	CHECK(raw_is(files, 0, "memfd-v2", 9));
	/* Three records of 64 bytes each. */
	CHECK(raw_is(files, 64 + 56, &token, 8));
	CHECK(raw_is(files, 128, "luo-test-v1", 12));
	CHECK(!raw_is(files, 192, "", 1));
	CHECK(!access("/sys/kernel/debug/liveupdate/in/sessions", F_OK));
	/* All files of the test device need it. */
	CHECK(raw_is("/sys/kernel/debug/liveupdate/in/flbs", 0, "luo-test-flb", 12));
}

/* Every state that a file, and the session, can be in. */
static void listing_after(void)
{
	int session, fd, open_node;
	char path[64], *text, *info;

	raw_after();
	text = read_incoming("lis\\x2fting");
	CHECK(text);
	CHECK(luo_has_line(text, "session:\tlis\\x2fting"));
	CHECK(luo_has_line(text, "direction:\tincoming"));
	CHECK(luo_has_line(text, "state:\twaiting"));
	CHECK(luo_has_line(text, "files:\t3"));
	CHECK(luo_has_line(text, "file:\t0x10 memfd-v2 12345 waiting"));
	CHECK(luo_has_line(text, "file:\t0x11 memfd-v2 12288 waiting"));
	CHECK(luo_has_line(text, "file:\t0x12 luo-test-v1 - waiting"));
	CHECK(text && !luo_find_address(text));
	free(text);
	if (access(TEST_DEVICE, F_OK)) {
		/* Of a type that is not known, but shown. */
		CHECK_EQ(luo_retrieve_session(dev, "lis/ting"), -EOPNOTSUPP);
		text = read_incoming("lis\\x2fting");
		CHECK(luo_has_line(text, "state:\twaiting"));
		CHECK(luo_has_line(text, "file:\t0x11 memfd-v2 12288 waiting"));
		CHECK(luo_has_line(text, "file:\t0x12 luo-test-v1 - waiting"));
		free(text);
		return;
	}

	open_node = open(SYSFS_INCOMING "/lis\\x2fting", O_RDONLY | O_CLOEXEC);
	CHECK(open_node >= 0);
	session = luo_retrieve_session(dev, "lis/ting");
	text = read_incoming("lis\\x2fting");
	CHECK(luo_has_line(text, "state:\tclaimed"));
	CHECK(luo_has_line(text, "file:\t0x10 memfd-v2 12345 waiting"));
	free(text);
	/* Another one of that name, in the other direction. */
	fd = luo_create(dev, "lis/ting");
	CHECK(luo_file_says(SYSFS_OUTGOING "/lis\\x2fting",
			    "session:\tlis\\x2fting\ndirection:\toutgoing\n"
			    "state:\tpreserving\nfiles:\t0\n"));
	close(fd);
	CHECK(access(SYSFS_OUTGOING "/lis\\x2fting", F_OK));

	fd = luo_retrieve(session, 0x10);
	CHECK_EQ(ftruncate(fd, 54321), 0);
	CHECK_EQ(luo_write(TEST_FAIL, "retrieve:5"), 0);
	CHECK_EQ(luo_retrieve(session, 0x12), -EIO);
	text = read_incoming("lis\\x2fting");
	CHECK(luo_has_line(text, "file:\t0x10 memfd-v2 54321 retrieved"));
	CHECK(luo_has_line(text, "file:\t0x11 memfd-v2 12288 waiting"));
	CHECK(luo_has_line(text, "file:\t0x12 luo-test-v1 - failed:5"));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session);
	info = luo_read_file(path);
	CHECK(info && text && strstr(info, text));
	free(info);
	free(text);
	close(fd);

	/* Nobody has it, but it remembers. */
	close(session);
	text = read_incoming("lis\\x2fting");
	CHECK(luo_has_line(text, "state:\twaiting"));
	CHECK(luo_has_line(text, "file:\t0x12 luo-test-v1 - failed:5"));
	free(text);
	session = luo_retrieve_session(dev, "lis/ting");
	CHECK_EQ(luo_unpreserve(session, 0x12), 0);
	CHECK_EQ(luo_finish(session), -EBUSY);
	fd = luo_retrieve(session, 0x11);
	CHECK_EQ(luo_finish(session), 0);
	CHECK(access(SYSFS_INCOMING "/lis\\x2fting", F_OK));
	CHECK_EQ(read(open_node, path, 1), -1);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session);
	info = luo_read_file(path);
	CHECK(luo_has_line(info, "state:\tfinished"));
	CHECK(luo_has_line(info, "files:\t0"));
	free(info);
	close(open_node);
	end(session, fd);
}

static void trace_before(void)
{
	int session = one_before("trace", 1, luo_memfd_filled(LUO_PAGE, 3)), fd;

	fd = luo_memfd(0, 0);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
	fd = open(TEST_DEVICE, O_RDWR);
	CHECK_EQ(luo_preserve(session, fd, 3), 0);
}

void check_trace(const char * const *events, unsigned int nr)
{
	char *text = luo_read_file(TRACING "/trace"), *at = text;
	unsigned long long ns;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		char *next = at ? strstr(at, events[i]) : NULL;

		ns = 0;
		check(next && sscanf(next + strlen(events[i]), "%llu", &ns) == 1 && ns,
		      "no '%s' in its place", events[i]);
		at = next ?: at;
	}
	free(text);
}

/* What the kernel did for a file that came back, and how long it took. */
static void trace_after(void)
{
	static const char * const events[] = {
		"luo_session_claim: session=trace ret=0 ns=",
		"luo_file_retrieve: session=trace token=0x1 type=memfd-v2 ret=0 ns=",
		"luo_session_finish: session=trace ret=-16 ns=",
		"luo_file_finish: session=trace token=0x2 type=memfd-v2 ret=0 ns=",
		"luo_file_retrieve: session=trace token=0x3 type=luo-test-v1 ret=0 ns=",
		"luo_file_can_finish: session=trace token=0x3 type=luo-test-v1 ret=0 ns=",
		"luo_file_finish: session=trace token=0x1 type=memfd-v2 ret=0 ns=",
		"luo_file_finish: session=trace token=0x3 type=luo-test-v1 ret=0 ns=",
		"luo_session_finish: session=trace ret=0 ns=",
		"luo_session_close: session=trace ret=0 ns=",
	};
	int session, fd;
	char *text;

	if (luo_kernel_option("trace_event=")) {
		CHECK_EQ(luo_trace_mount(), 0);
		text = luo_read_file(TRACING "/trace");
		/* It takes less than a tick, and the clock has only these at boot. */
		CHECK(text && strstr(text, "luo_load_all: ret=0 ns="));
		free(text);
	}
	if (access(TEST_DEVICE, F_OK)) {
		CHECK_EQ(luo_retrieve_session(dev, "trace"), -EOPNOTSUPP);
		return;
	}
	CHECK_EQ(luo_trace_events(true), 0);
	fd = one_after("trace", 1, &session);
	CHECK_EQ(luo_finish(session), -EBUSY);
	CHECK_EQ(luo_unpreserve(session, 2), 0);
	close(luo_retrieve(session, 3));
	end(session, fd);
	CHECK_EQ(luo_trace_events(false), 0);
	check_trace(events, ARRAY_SIZE(events));
}

#define BOOT_PARAMS	"/sys/kernel/boot_params"

/* Where memory is that was handed over. */
static struct region { uint64_t start, end; } scratch[8];
static uint64_t secrets[16];
static unsigned int nr_scratch, nr_secrets;
/* Of what a user can read: how many files there are, and with boot data of any type. */
static unsigned int nr_scanned, nr_boot_data;

static void add_secret(const char *path, off_t offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(pread(fd, &secrets[nr_secrets], 8, offset) == 8 && secrets[nr_secrets]);
	nr_secrets++;
	close(fd);
}

/* What root can find out. */
static void find_secrets(void)
{
	FILE *file = fopen("/sys/kernel/debug/kho/out/scratch", "re");
	uint64_t size;

	nr_scratch = 0;
	nr_secrets = 0;
	while (file && nr_scratch < ARRAY_SIZE(scratch) &&
	       fscanf(file, "%lx %lx", &scratch[nr_scratch].start, &size) == 2) {
		scratch[nr_scratch].end = scratch[nr_scratch].start + size;
		secrets[nr_secrets++] = scratch[nr_scratch++].start;
	}
	CHECK(file && nr_scratch);
	fclose(file);
	/* Tables of sessions, of shared data, and of a file. */
	add_secret("/sys/kernel/debug/kho/in/subtrees/LUO", 16);
	add_secret("/sys/kernel/debug/kho/in/subtrees/LUO", 24);
	add_secret("/sys/kernel/debug/liveupdate/in/files/secret", 48);
}

static bool is_secret(uint64_t number)
{
	unsigned int i;

	for (i = 0; i < nr_secrets; i++)
		if (number == secrets[i])
			return true;
	return false;
}

/* A page in scratch: in binary data, where there are few numbers by chance. */
static bool is_in_scratch(uint64_t number)
{
	unsigned int i;

	for (i = 0; i < nr_scratch; i++)
		if (!(number % LUO_PAGE) && number >= scratch[i].start &&
		    number < scratch[i].end)
			return true;
	return false;
}

/* Does it tell where something is, as text or raw? 0 if not. */
static uint64_t what_it_tells(const char *path, const char *data, size_t size)
{
	/* Where kexec has put the command line and so on is known anywhere. */
	bool any_page = strcmp(path, BOOT_PARAMS "/data");
	const char *at = data;
	uint64_t number;
	size_t i;

	for (i = 0; i + 8 <= size; i += 4) {
		memcpy(&number, data + i, 8);
		if (is_secret(number) || (any_page && is_in_scratch(number)))
			return number;
	}
	while ((at = luo_find_address(at))) {
		number = strtoull(at, NULL, 16);
		if (is_secret(number))
			return number;
		at += strspn(at, "x0123456789abcdefABCDEF");
	}
	return 0;
}

static int scan_secret(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char *data = NULL;
	uint64_t secret;
	size_t size;

	if (type == FTW_F && st->st_size <= 1 << 20)
		data = luo_read_raw(path, &size);
	if (!data)
		return 0;
	secret = what_it_tells(path, data, size);
	if (secret)
		printf("# %s has 0x%lx\n", path, secret);
	free(data);
	nr_scanned++;
	nr_boot_data += !strncmp(path, BOOT_PARAMS "/setup_data/", 24);
	return !!secret;
}

static int look_for_secrets(void)
{
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return 1;
	if (nftw("/sys/kernel", scan_secret, 16, FTW_PHYS))
		return 2;
	printf("# %u files of /sys/kernel are for anybody, %u of boot data\n", nr_scanned,
	       nr_boot_data);
	fflush(stdout);
	return nr_scanned > 50 && nr_boot_data > 1 ? 0 : 3;
}

static void secret_before(void)
{
	int session = one_before("secret", 1, luo_memfd_filled(LUO_PAGE, 4)), fd;

	/* So that there is a table of shared data. */
	fd = open(TEST_DEVICE, O_RDWR);
	CHECK_EQ(luo_preserve(session, fd, 2), 0);
}

/* Users are told nothing of addresses, neither here nor by what is of other code. */
static void secret_after(void)
{
	const char *path = "/sys/kernel/debug/kho/in/subtrees/LUO";
	int session, fd, status = -1;
	size_t size;
	char *data;
	pid_t pid;

	find_secrets();
	data = luo_read_raw(path, &size);
	CHECK(data && what_it_tells(path, data, size));
	free(data);
	path = "/sys/kernel/debug/kho/out/scratch";
	data = luo_read_raw(path, &size);
	CHECK(data && what_it_tells(path, data, size) == scratch[0].start);
	free(data);

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(look_for_secrets());
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	if (access(TEST_DEVICE, F_OK)) {
		CHECK_EQ(luo_retrieve_session(dev, "secret"), -EOPNOTSUPP);
		return;
	}
	fd = one_after("secret", 1, &session);
	close(luo_retrieve(session, 2));
	end(session, fd);
}

const struct scenario observe_scenarios[] = {
	{ "observe_whole", whole_before, whole_after },
	{ "observe_listing", listing_before, listing_after },
	{ "observe_trace", trace_before, trace_after },
	{ "observe_secret", secret_before, secret_after },
	{}
};

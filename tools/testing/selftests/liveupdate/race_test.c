// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions and files in a race with what else happens to a machine: CPUs and
 * memory that come and go, memory that is short, and reboots that fail. Modules
 * are in luo_module.c.
 *
 * Where it goes wrong it hangs, or the kernel says so; what can be counted is
 * level at the end, and all of it works.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <time.h>

#include "luo_fixture.h"
#include "luo_hotplug.h"
#include "luo_reboot.h"

#define SECONDS		4
#define NR_WORKERS	4
#define CGROUP		"/sys/fs/cgroup"

struct shared {
	int dev;
	/* one session for all */
	int session;
	/* answers that come only if the machine is about to reboot, or short of memory */
	bool may_be_busy;
	bool may_lack_memory;
	atomic_bool stop;
	/* blocks of memory that went, and could not; others that ate memory, and were killed */
	atomic_int gone;
	atomic_int stayed;
	atomic_int killed;
	/* something that should not have happened to them */
	atomic_int errors;
};

struct worker {
	pthread_t thread;
	struct shared *shared;
	int number;
	unsigned long rounds;
	unsigned long works;
	int errors;
};

/* Is this an answer that a worker has to expect? */
static bool expected(struct worker *worker, int err)
{
	if (err >= 0)
		worker->works++;
	return err >= 0 || err == -EEXIST || (worker->shared->may_be_busy && err == -EBUSY) ||
	       (worker->shared->may_lack_memory && err == -ENOMEM);
}

static void expect(struct worker *worker, int err, const char *what)
{
	if (expected(worker, err))
		return;
	fprintf(stderr, "# worker %d: %s: %d\n", worker->number, what, err);
	worker->errors++;
}

#define EXPECTED(_worker, _what)	expect(_worker, _what, #_what)

static bool content_is_lost(struct worker *worker, int fd, uint64_t seed)
{
	void *mem = mmap(NULL, 8 * LUO_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	bool lost;

	if (mem == MAP_FAILED)
		return !worker->shared->may_lack_memory;
	lost = !luo_is_filled(mem, 8 * LUO_PAGE, seed);
	munmap(mem, 8 * LUO_PAGE);
	return lost;
}

/* A session of its own, or of a pair, and a token in that of all. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	struct shared *shared = worker->shared;
	int session, memfd, fd;
	char name[16];

	while (!shared->stop) {
		int round = worker->rounds++;

		memfd = luo_memfd_filled(round % 5 ? 8 * LUO_PAGE : LUO_MB, round);
		EXPECTED(worker, memfd);
		if (memfd < 0)
			continue;
		fd = open(TEST_DEVICE, O_RDWR | O_CLOEXEC);
		snprintf(name, sizeof(name), "w%d", worker->number / 2);
		session = luo_create(shared->dev, name);
		EXPECTED(worker, session);
		if (session >= 0) {
			EXPECTED(worker, luo_preserve(session, memfd, 1));
			if (fd >= 0)
				EXPECTED(worker, luo_preserve(session, fd, 2));
			if (luo_finish(session) != -EINVAL && !shared->may_be_busy)
				worker->errors++;
			if (round % 3)
				luo_unpreserve(session, 1);
			close(session);
		}
		/* Unless somebody else has the token. */
		if (!luo_preserve(shared->session, memfd, round % 3))
			luo_unpreserve(shared->session, round % 3);
		if (content_is_lost(worker, memfd, round)) {
			fprintf(stderr, "# worker %d: content is lost\n", worker->number);
			worker->errors++;
		}
		close(memfd);
		close(fd);
	}
	return NULL;
}

static void start(struct __test_metadata *_metadata, struct shared *shared,
		  struct worker *workers)
{
	int i;

	shared->session = luo_create(shared->dev, "shared");
	ASSERT_GE(shared->session, 0);
	for (i = 0; i < NR_WORKERS; i++) {
		workers[i] = (struct worker){ .shared = shared, .number = i };
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
}

/* All is at rest, and works. */
static void stop(struct __test_metadata *_metadata, struct shared *shared,
		 struct worker *workers)
{
	unsigned long rounds = 0, works = 0;
	int i, fd;

	shared->stop = true;
	for (i = 0; i < NR_WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].errors);
		rounds += workers[i].rounds;
		works += workers[i].works;
	}
	TH_LOG("%lu rounds, %lu calls worked", rounds, works);
	EXPECT_GT(works, 0);
	fd = luo_memfd_filled(LUO_MB, 1);
	EXPECT_EQ(0, luo_preserve(shared->session, fd, 99));
	EXPECT_EQ(-1, ftruncate(fd, 0));
	EXPECT_EQ(0, luo_unpreserve(shared->session, 99));
	EXPECT_EQ(0, ftruncate(fd, 0));
	close(fd);
	close(shared->session);
}

static bool time_is_up(void)
{
	static time_t end;

	if (!end)
		end = time(NULL) + SECONDS;
	return time(NULL) >= end;
}

TEST_F(luo, cpus_come_and_go)
{
	struct shared shared = { .dev = self->dev };
	struct worker workers[NR_WORKERS];
	int rounds = 0;

	if (access(LUO_CPU, W_OK))
		SKIP(return, "no CPU that can go");
	start(_metadata, &shared, workers);
	do {
		ASSERT_EQ(0, luo_write(LUO_CPU, "0"));
		ASSERT_EQ(0, luo_write(LUO_CPU, "1"));
	} while (++rounds < 3 || !time_is_up());
	stop(_metadata, &shared, workers);
	TH_LOG("the CPU went %d times", rounds);
}

/*
 * What is preserved, and where the next kernel is to boot, can't go; nor can a
 * block with a hole, for which the kernel has EINVAL.
 */
TEST_F(luo, preserved_memory_stays_on_line)
{
	/* In more than one block. */
	const off_t spread = 320 * LUO_MB;
	int session = luo_create(self->dev, "s"), fd = luo_memfd(spread, 0), err, stayed = 0;
	bool tried[LUO_MAX_BLOCKS] = {};
	unsigned long size = luo_block_size(), block;
	unsigned long long start, bytes;
	FILE *file;
	off_t at;

	ASSERT_GT(size, 0);
	ASSERT_EQ(0, luo_write(SHMEM_ENABLED, "always"));
	for (at = 0; at < spread; at += 2 * LUO_MB)
		ASSERT_EQ(0, luo_file_fill(fd, at, LUO_PAGE, at));
	ASSERT_EQ(0, luo_write(SHMEM_ENABLED, "never"));
	/* The kernel shows the pages that it can't move. */
	luo_log_hide();
	ASSERT_EQ(0, luo_preserve(session, fd, 1));
	for (at = 0; at < spread; at += 2 * LUO_MB) {
		block = luo_page_frame(fd, at) * LUO_PAGE / size;
		ASSERT_LT(block, LUO_MAX_BLOCKS);
		if (tried[block])
			continue;
		tried[block] = true;
		err = luo_set_online(block, "0", 20);
		EXPECT_TRUE(err == -EBUSY || err == -EINVAL);
		stayed++;
	}
	EXPECT_GT(stayed, 0);
	TH_LOG("%d blocks with preserved memory stayed", stayed);
	for (at = 0; at < spread; at += 2 * LUO_MB)
		EXPECT_EQ(1, luo_file_is_filled(fd, at, LUO_PAGE, at));

	file = fopen("/sys/kernel/debug/kho/out/scratch", "re");
	while (fscanf(file, "%llx %llx", &start, &bytes) == 2) {
		for (block = start / size; block <= (start + bytes - 1) / size; block++) {
			err = luo_set_online(block, "0", 20);
			EXPECT_TRUE(err == -EBUSY || err == -EINVAL);
		}
	}
	fclose(file);
	EXPECT_TRUE(luo_log_was_clean());
	close(session);
	close(fd);
}

/* What has gone comes again, however short memory is. */
static int move_block(struct shared *shared, unsigned long block)
{
	int err = luo_set_online(block, "0", 2);

	if (err) {
		shared->stayed++;
		return luo_block_may_stay(err) ? 0 : err;
	}
	shared->gone++;
	do {
		err = luo_set_online(block, "1", 600);
	} while (err == -ENOMEM);
	return err;
}

/* Those that can go, from the top, where more of it can be moved. */
static void *toggle_memory(void *arg)
{
	unsigned long nr = luo_nr_blocks(), block = nr - 1;
	struct shared *shared = arg;
	int err;

	while (!shared->stop) {
		err = move_block(shared, block);
		if (err) {
			fprintf(stderr, "# block %lu: %d\n", block, err);
			shared->errors++;
		}
		block = block > nr / 2 + 1 ? block - 1 : nr - 1;
	}
	return NULL;
}

static void *toggle_cpu(void *arg)
{
	struct shared *shared = arg;

	while (!shared->stop && !access(LUO_CPU, W_OK)) {
		luo_write(LUO_CPU, "0");
		luo_write(LUO_CPU, "1");
		usleep(10 * 1000);
	}
	return NULL;
}

/* CPUs as well. */
TEST_F(luo, memory_comes_and_goes)
{
	struct shared shared = { .dev = self->dev };
	struct worker workers[NR_WORKERS];
	pthread_t cpu, memory;

	ASSERT_GT(luo_nr_blocks(), 1);
	luo_log_hide();
	start(_metadata, &shared, workers);
	ASSERT_EQ(0, pthread_create(&cpu, NULL, toggle_cpu, &shared));
	ASSERT_EQ(0, pthread_create(&memory, NULL, toggle_memory, &shared));
	while (!time_is_up() || shared.gone < 2)
		usleep(10 * 1000);
	stop(_metadata, &shared, workers);
	pthread_join(cpu, NULL);
	pthread_join(memory, NULL);
	EXPECT_EQ(0, shared.errors);
	EXPECT_TRUE(luo_log_was_clean());
	TH_LOG("blocks of memory went %d times, could not go %d times", shared.gone,
	       shared.stayed);
}

/* Eats all it can get, until it is killed. */
static pid_t start_hog(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	close_range(3, ~0U, 0);
	luo_write("/proc/self/oom_score_adj", "1000");
	for (;;) {
		char *mem = mmap(NULL, LUO_MB, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (mem == MAP_FAILED)
			_exit(0);
	}
}

static void *eat_memory(void *arg)
{
	struct shared *shared = arg;
	int status;
	pid_t hog;

	while (!shared->stop) {
		hog = start_hog();
		if (hog < 0)
			continue;
		waitpid(hog, &status, 0);
		shared->killed += WIFSIGNALED(status);
	}
	return NULL;
}

/* All of us and those who eat have that little. */
static void enter_cgroup(struct __test_metadata *_metadata)
{
	char pid[16];

	ASSERT_EQ(0, luo_write(CGROUP "/cgroup.subtree_control", "+memory"));
	ASSERT_TRUE(!mkdir(CGROUP "/luo", 0700) || errno == EEXIST);
	ASSERT_EQ(0, luo_write(CGROUP "/luo/memory.max", "24M"));
	snprintf(pid, sizeof(pid), "%d", getpid());
	ASSERT_EQ(0, luo_write(CGROUP "/luo/cgroup.procs", pid));
	/* Only those who eat are killed, and the kernel tells at length how. */
	ASSERT_EQ(0, luo_write("/proc/self/oom_score_adj", "-1000"));
}

static void leave_cgroup(struct __test_metadata *_metadata)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	ASSERT_EQ(0, luo_write(CGROUP "/cgroup.procs", pid));
}

TEST_F(luo, memory_is_short)
{
	struct shared shared = { .dev = self->dev, .may_lack_memory = true };
	struct worker workers[NR_WORKERS];
	pthread_t hog;

	enter_cgroup(_metadata);
	luo_log_hide();
	start(_metadata, &shared, workers);
	ASSERT_EQ(0, pthread_create(&hog, NULL, eat_memory, &shared));
	while (shared.killed < 3 || !time_is_up())
		usleep(10 * 1000);
	shared.stop = true;
	pthread_join(hog, NULL);
	stop(_metadata, &shared, workers);
	EXPECT_TRUE(luo_log_was_clean());
	leave_cgroup(_metadata);
	TH_LOG("%d were killed", shared.killed);
}

/* CPUs and memory come and go meanwhile. */
static void fail_to_reboot(struct __test_metadata *_metadata, struct shared *shared, int excuse)
{
	struct worker workers[NR_WORKERS];
	pthread_t cpu, memory;
	unsigned int rounds = 0;

	luo_log_hide();
	start(_metadata, shared, workers);
	ASSERT_EQ(0, pthread_create(&cpu, NULL, toggle_cpu, shared));
	ASSERT_EQ(0, pthread_create(&memory, NULL, toggle_memory, shared));
	do {
		ASSERT_EQ(0, luo_fail_to_reboot_or(shared->dev, rounds, excuse));
	} while (++rounds < 6 || !time_is_up() || !shared->gone);
	shared->stop = true;
	pthread_join(cpu, NULL);
	pthread_join(memory, NULL);
	EXPECT_EQ(0, shared->errors);
	stop(_metadata, shared, workers);
	EXPECT_TRUE(luo_log_was_clean());
	TH_LOG("%u reboots failed, blocks of memory went %d times, could not %d times", rounds,
	       shared->gone, shared->stayed);
}

TEST_F(luo, reboots_fail_meanwhile_pitfall_6_7)
{
	struct shared shared = { .dev = self->dev, .may_be_busy = true };

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	fail_to_reboot(_metadata, &shared, 0);
}

/* The same with memory that is short. */
TEST_F(luo, reboots_fail_without_memory_pitfall_6_7)
{
	struct shared shared = {
		.dev = self->dev, .may_be_busy = true, .may_lack_memory = true,
	};
	pthread_t hog;

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	close(luo_short_kernel());
	enter_cgroup(_metadata);
	ASSERT_EQ(0, pthread_create(&hog, NULL, eat_memory, &shared));
	fail_to_reboot(_metadata, &shared, -ENOMEM);
	pthread_join(hog, NULL);
	leave_cgroup(_metadata);
	TH_LOG("%d were killed", shared.killed);
	EXPECT_GT(shared.killed, 0);
}

TEST_HARNESS_MAIN

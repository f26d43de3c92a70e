// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever can fail does so once, one by one: each allocation, and each copy
 * from and to user memory, of each thing that can be asked for without a
 * successful kexec. After each failure all is as before, and the same works.
 * Each step ends with a pass in which nothing failed.
 *
 * What needs a kexec is in scenario_failure.c.
 */
#define _GNU_SOURCE
#include "luo_fixture.h"
#include "luo_hugetlb.h"
#include "luo_reboot.h"

#define MAX_POINTS	2000

/* Of the whole machine, or of this process. */
struct level {
	long preserved;
	long fds;
};

static struct level level(void)
{
	return (struct level){ luo_read_number(PRESERVED_PAGES), luo_count_fds() };
}

/* What a step works on. */
struct subject {
	int dev;
	int session;
	int other;
	int fd;
	/* it was said before */
	bool quiet;
};

/* Something that is asked for: a descriptor or 0, or -errno. */
struct step {
	const char *name;
	int (*ask)(struct subject *s);
	/* undo what @ask has done, its answer was @result; must not fail */
	int (*undo)(struct subject *s, int result);
	/* what is wrong after a failure, NULL for nothing */
	const char *(*look)(struct subject *s);
	/* the answer without a failure, 0 for any that is not negative */
	int answer;
	/* most of what can fail is not ours: behind the first points, only some */
	bool sparse;
};

/* Without a failure it works, and leaves nothing behind. */
static const char *try_again(const struct step *step, struct subject *s)
{
	int ret = step->ask(s);

	if (step->answer ? ret != step->answer : ret < 0)
		return "the same does not work any more";
	if (step->undo && step->undo(s, ret))
		return "it can't be undone";
	return NULL;
}

/* How many points were hit, or -1 after it was said what is wrong. */
static int sweep(const struct step *step, struct subject *s)
{
	struct level before, now;
	int nth, ret, hits = 0, failed = 0;
	const char *wrong = NULL;
	bool hit = true;

	for (nth = 1; hit && !wrong && nth < MAX_POINTS; nth += step->sparse ? 1 + nth / 32 : 1) {
		before = level();
		luo_fail_nth(nth);
		ret = step->ask(s);
		hit = luo_has_failed();
		hits += hit;

		if (ret >= 0 || ret == step->answer) {
			if (step->answer && ret != step->answer)
				wrong = "it gave another answer";
			else if (step->undo && step->undo(s, ret))
				wrong = "it can't be undone";
		} else {
			failed++;
			now = level();
			if (!hit || !luo_is_fault(ret))
				wrong = "it failed for another reason";
			else if (now.preserved != before.preserved)
				wrong = "the number of preserved pages has changed";
			else if (now.fds != before.fds)
				wrong = "the number of descriptors has changed";
			else if (step->look)
				wrong = step->look(s);
			if (!wrong)
				wrong = try_again(step, s);
		}
		now = level();
		if (!wrong && (now.preserved != before.preserved || now.fds != before.fds))
			wrong = "something is left";
		if (wrong)
			fprintf(stderr, "# %s, point %d (%d): %s\n", step->name, nth, ret, wrong);
	}
	if (hit && !wrong) {
		fprintf(stderr, "# %s: it has no end\n", step->name);
		return -1;
	}
	if (!s->quiet)
		printf("# %s: %d points hit, %d of them made it fail\n", step->name, hits, failed);
	return wrong ? -1 : hits;
}

static int undo_close(struct subject *s, int result)
{
	return close(result);
}

static int ask_open(struct subject *s)
{
	return luo_open();
}

static int ask_create(struct subject *s)
{
	return luo_create(s->dev, "new");
}

static int ask_no_session(struct subject *s)
{
	return luo_retrieve_session(s->dev, "none");
}

static int ask_preserve(struct subject *s)
{
	return luo_preserve(s->session, s->fd, 1);
}

static int undo_preserve(struct subject *s, int result)
{
	int err;

	/* This must not need memory. */
	luo_fail_nth(2);
	err = luo_unpreserve(s->session, 1);
	luo_has_failed();
	return err;
}

/* By how much a file may become longer. */
static off_t page_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_blksize;
}

/* Nobody else is kept from it. */
static const char *look_at_file(struct subject *s)
{
	off_t size = luo_size(s->fd), longer = size + page_size(s->fd);

	if (luo_unpreserve(s->session, 1) != -ENOENT)
		return "the token is in use";
	if (luo_preserve(s->other, s->fd, 1) || luo_unpreserve(s->other, 1))
		return "the file can't be preserved elsewhere";
	if (size > 0 && (ftruncate(s->fd, longer) || ftruncate(s->fd, size)))
		return "its size can't be changed";
	return NULL;
}

static int ask_unpreserve(struct subject *s)
{
	return luo_unpreserve(s->session, 1);
}

static int undo_unpreserve(struct subject *s, int result)
{
	return luo_preserve(s->session, s->fd, 1);
}

static const char *look_still_there(struct subject *s)
{
	return luo_preserve(s->session, s->fd, 2) == -EBUSY ? NULL : "it is not preserved";
}

static int ask_close(struct subject *s)
{
	return close(s->session);
}

static int undo_close_session(struct subject *s, int result)
{
	s->session = luo_create(s->dev, "s");
	return luo_preserve(s->session, s->fd, 1);
}

static int ask_retrieve(struct subject *s)
{
	return luo_retrieve(s->session, 1);
}

static int ask_finish(struct subject *s)
{
	return luo_finish(s->session);
}

static int ask_name(struct subject *s)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };

	return luo_ioctl(s->session, LIVEUPDATE_SESSION_GET_NAME, &arg);
}

static int ask_load(struct subject *s)
{
	return luo_kexec_load_fd(s->fd, "kho=on liveupdate=on");
}

static int undo_load(struct subject *s, int result)
{
	return luo_kexec_unload();
}

/* The ioctls that don't depend on what kind of file it is. */
TEST_F(luo, ioctls)
{
	static const struct step steps[] = {
		{ "create a session", ask_create, undo_close },
		{ "retrieve no session", ask_no_session, .answer = -ENOENT },
		{ "get a name", ask_name },
		{ "retrieve from an outgoing session", ask_retrieve, .answer = -EINVAL },
		{ "finish an outgoing session", ask_finish, .answer = -EINVAL },
	};
	static const struct step open_device = { "open the device", ask_open, undo_close };
	struct subject s = { self->dev, luo_create(self->dev, "s") };
	unsigned int i;

	ASSERT_EQ(0, luo_fail_setup());
	luo_log_hide();
	ASSERT_GE(s.session, 0);
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		EXPECT_GT(sweep(&steps[i], &s), 0);
	close(s.session);
	close(self->dev);
	EXPECT_GT(sweep(&open_device, &s), 0);
	self->dev = luo_open();
	EXPECT_TRUE(luo_log_was_clean());
}

static int file_empty(void)
{
	return luo_memfd(0, MFD_ALLOW_SEALING);
}

static int file_small(void)
{
	return luo_memfd_filled(3 * LUO_PAGE, 1);
}

static int file_huge(void)
{
	int fd;

	luo_write(SHMEM_ENABLED, "always");
	fd = luo_memfd_filled(4 * LUO_MB, 2);
	luo_write(SHMEM_ENABLED, "never");
	return fd;
}

static int file_sparse(void)
{
	int fd = luo_memfd(1UL << 40, MFD_ALLOW_SEALING);

	luo_file_fill(fd, 1UL << 30, LUO_MB, 3);
	luo_file_fill(fd, 1UL << 36, LUO_PAGE, 4);
	return fd;
}

static int file_fallocated(void)
{
	int fd = luo_memfd(16 * LUO_PAGE, MFD_ALLOW_SEALING);

	return fallocate(fd, 0, 0, 16 * LUO_PAGE) ? -errno : fd;
}

static int file_of_device(void)
{
	return open(TEST_DEVICE, O_RDWR | O_CLOEXEC);
}

/* Write to the first bytes of a page of a pool, or look at them. */
static bool pool_page(int fd, int page, uint64_t seed, bool write)
{
	char *mem = mmap(NULL, LUO_2MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page * LUO_2MB);
	bool filled;

	if (mem == MAP_FAILED)
		return false;
	if (write)
		luo_fill(mem, LUO_PAGE, seed);
	filled = luo_is_filled(mem, LUO_PAGE, seed);
	munmap(mem, LUO_2MB);
	return filled;
}

/* A memfd with that many pages, all of them reserved and none of them there. */
static int pool_memfd(int pages)
{
	int fd = luo_memfd(pages * LUO_2MB, LUO_MFD_2MB);
	void *mem = MAP_FAILED;

	if (!luo_pool_set(LUO_2MB, "nr_hugepages", pages))
		mem = mmap(NULL, pages * LUO_2MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -ENOMEM;
	munmap(mem, pages * LUO_2MB);
	return fd;
}

static int file_of_pool(void)
{
	int fd = pool_memfd(4);

	return pool_page(fd, 0, 1, true) && pool_page(fd, 2, 2, true) ? fd : -EFAULT;
}

/* All that were in files are free. */
static void drop_pool(struct __test_metadata *_metadata)
{
	struct luo_pool pool;

	EXPECT_EQ(0, luo_pool_set(LUO_2MB, "nr_hugepages", 0));
	EXPECT_TRUE(luo_pool_read(LUO_2MB, &pool));
	EXPECT_EQ(0, pool.total);
	EXPECT_EQ(0, pool.reserved);
}

static const struct kind {
	const char *name;
	int (*make)(void);
} kinds[] = {
	{ "empty memfd", file_empty },
	{ "memfd", file_small },
	{ "memfd in huge pages", file_huge },
	{ "sparse memfd", file_sparse },
	{ "memfd from fallocate", file_fallocated },
	{ "memfd in pages of a pool", file_of_pool },
	{ "test device", file_of_device },
};

/* Sum of what all these hit, or -1. */
static int sweep_kind(const struct kind *kind, struct subject *s)
{
	struct step steps[] = {
		{ "preserve", ask_preserve, undo_preserve, look_at_file },
		{ "unpreserve", ask_unpreserve, undo_unpreserve, look_still_there },
		{ "close", ask_close, undo_close_session },
	};
	int sum = 0, hit;
	unsigned int i;
	char name[64];

	s->fd = kind->make();
	s->session = luo_create(s->dev, "s");
	for (i = 0; i < ARRAY_SIZE(steps) && sum >= 0; i++) {
		snprintf(name, sizeof(name), "%s: %s", kind->name, steps[i].name);
		steps[i].name = name;
		hit = sweep(&steps[i], s);
		sum = hit < 0 ? -1 : sum + hit;
		/* The following start with the file preserved. */
		if (!i && luo_preserve(s->session, s->fd, 1))
			sum = -1;
	}
	close(s->session);
	close(s->fd);
	return sum;
}

TEST_F(luo, files_pitfall_32)
{
	struct subject s = { self->dev };
	int sum = 0, hit;
	unsigned int i;

	ASSERT_EQ(0, luo_fail_setup());
	luo_log_hide();
	s.other = luo_create(self->dev, "other");
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		hit = sweep_kind(&kinds[i], &s);
		EXPECT_GT(hit, 3);
		sum += hit;
	}
	EXPECT_TRUE(luo_log_was_clean());
	TH_LOG("%d points hit", sum);
	close(s.other);
	drop_pool(_metadata);
}

/* Stacks of those who allocate, in pools of four pages. */
static long stack_pages(void)
{
	FILE *file = fopen("/sys/kernel/debug/stackdepot/stats", "re");
	long pools = 0;

	if (file && fscanf(file, "pools: %ld", &pools) != 1)
		pools = 0;
	if (file)
		fclose(file);
	return 4 * pools;
}

/* Of the test kernels, those with KASAN. */
static bool looks_closely(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

/* KASAN's shadow of vmalloc areas that are freed, but not given back yet. */
static long shadow_pages(void)
{
	FILE *file = looks_closely() ? fopen("/proc/vmallocinfo", "re") : NULL;
	long size, sum = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, "unpurged") && sscanf(line, "%*s %ld", &size) == 1)
			sum += size;
	if (file)
		fclose(file);
	return sum / 8 / (long)LUO_PAGE;
}

/* What a kernel that looks closely keeps for itself. */
static long kept_pages(void)
{
	return luo_meminfo("Slab") * 1024 / (long)LUO_PAGE + stack_pages() + shadow_pages();
}

/*
 * What is lost at one of the points would be lost each time. Where kmemleak is, it
 * looks at the slabs, and KASAN keeps what was freed there.
 */
TEST_F(luo, nothing_leaks)
{
	struct subject s = { self->dev, .quiet = true };
	int round, points = 0, hit;
	const int rounds = 8;
	long lost = 0, kept = 0;
	unsigned int i;

	ASSERT_EQ(0, luo_fail_setup());
	luo_log_hide();
	s.other = luo_create(self->dev, "other");
	for (round = 0; round <= rounds; round++) {
		/* The first round fills what is kept for the next one. */
		if (round == 1) {
			lost = luo_free_pages();
			kept = kept_pages();
		}
		for (i = 0; i < ARRAY_SIZE(kinds); i++) {
			hit = sweep_kind(&kinds[i], &s);
			ASSERT_GT(hit, 0);
			points += round ? hit : 0;
		}
	}
	EXPECT_TRUE(luo_log_was_clean());
	close(s.other);
	lost -= luo_free_pages();
	kept = kept_pages() - kept;
	TH_LOG("%d points hit, %ld pages less are free, %ld more are kept", points, lost,
	       kept);
	/* A page for each of them would be that many. */
	EXPECT_LT(lost - kept, points / 8);
	if (!looks_closely())
		EXPECT_LT(lost, points / 8);
	drop_pool(_metadata);
}

TEST_F(luo, kexec_file_load)
{
	static const struct step step = {
		"load a kexec image", ask_load, undo_load, .sparse = true,
	};
	struct subject s = { .fd = luo_short_kernel() };

	if (s.fd < 0)
		SKIP(return, "no kernel to load in /next");
	ASSERT_EQ(0, luo_fail_setup());
	luo_log_hide();
	EXPECT_GT(sweep(&step, &s), 3);
	EXPECT_TRUE(luo_log_was_clean());
	close(s.fd);
}

/* Of which one more is filled at each try, so that tables have to be made anew. */
#define HOLES	127

/* What is to be frozen: memfds with holes, one of a pool, and an anchor in each session. */
struct frozen {
	int sessions[3];
	int anchors[3];
	int memfd;
	int pool;
	int filled;
};

static void frozen_open(struct __test_metadata *_metadata, struct frozen *f, int dev)
{
	char name[8];
	int i;

	f->memfd = luo_memfd((HOLES + 1) * LUO_PAGE, 0);
	f->pool = pool_memfd(HOLES + 1);
	f->filled = 0;
	ASSERT_EQ(0, luo_file_fill(f->memfd, 0, LUO_PAGE, 0));
	ASSERT_TRUE(pool_page(f->pool, 0, 0, true));
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		f->sessions[i] = luo_create(dev, name);
		f->anchors[i] = open(TEST_DEVICE, O_RDWR | O_CLOEXEC);
		ASSERT_EQ(0, luo_preserve(f->sessions[i], f->anchors[i], 2));
	}
	ASSERT_EQ(0, luo_preserve(f->sessions[1], f->memfd, 1));
	ASSERT_EQ(0, luo_preserve(f->sessions[1], f->pool, 3));
}

/* All of them are ordinary files again. */
static void frozen_close(struct __test_metadata *_metadata, struct frozen *f)
{
	int i;

	for (i = 0; i <= f->filled; i++) {
		EXPECT_EQ(1, luo_file_is_filled(f->memfd, i * LUO_PAGE, LUO_PAGE, i));
		EXPECT_TRUE(pool_page(f->pool, i, i, false));
	}
	for (i = 0; i < 3; i++) {
		close(f->anchors[i]);
		close(f->sessions[i]);
	}
	EXPECT_EQ(0, ftruncate(f->memfd, 0));
	EXPECT_EQ(0, ftruncate(f->pool, 0));
	close(f->memfd);
	close(f->pool);
	drop_pool(_metadata);
}

/* Every hole has its page, or the promise of one. */
static void pool_is_level(struct __test_metadata *_metadata, struct frozen *f)
{
	struct luo_pool pool;

	EXPECT_TRUE(luo_pool_read(LUO_2MB, &pool));
	EXPECT_EQ(HOLES + 1, pool.total);
	EXPECT_EQ(HOLES - f->filled, pool.free);
	EXPECT_EQ(HOLES - f->filled, pool.reserved);
}

/* Everything between reboot(2) and the jump, for which the image is away. */
TEST_F(luo, freeze_pitfall_7)
{
	int nth, error, frozen, failed = 0;
	bool injected = true;
	struct level before;
	uint64_t number = 1;
	struct frozen f;

	if (access("/next/bzImage", R_OK))
		SKIP(return, "no kernel to load in /next");
	ASSERT_EQ(0, luo_fail_setup());
	frozen_open(_metadata, &f, self->dev);
	luo_log_hide();
	for (nth = 1; injected && f.filled < HOLES; nth++) {
		f.filled++;
		EXPECT_EQ(0, luo_file_fill(f.memfd, f.filled * LUO_PAGE, LUO_PAGE, f.filled));
		EXPECT_TRUE(pool_page(f.pool, f.filled, f.filled, true));
		before = level();
		frozen = luo_test_calls("freeze") - luo_test_calls("unfreeze");
		ASSERT_EQ(0, luo_late_failure(0, nth, &error, &injected));
		failed += error != -EINVAL;
		EXPECT_TRUE(error == -EINVAL || (injected && error == -ENOMEM));
		EXPECT_EQ(frozen, luo_test_calls("freeze") - luo_test_calls("unfreeze"));
		EXPECT_EQ(before.fds, level().fds);
		/* What is in a hole since then may have been taken in. */
		EXPECT_GE(level().preserved, before.preserved);
		EXPECT_LE(level().preserved,
			  before.preserved + f.filled * (long)(1 + LUO_2MB / LUO_PAGE));
		pool_is_level(_metadata, &f);
		EXPECT_EQ(8, write(f.anchors[0], &number, sizeof(number)));
		EXPECT_EQ(0, luo_unpreserve(f.sessions[0], 2));
		EXPECT_EQ(0, luo_preserve(f.sessions[0], f.anchors[0], 2));
		EXPECT_EQ(-1, ftruncate(f.memfd, 0));
		EXPECT_EQ(-1, ftruncate(f.pool, 0));
	}
	EXPECT_TRUE(luo_log_was_clean());
	EXPECT_GT(failed, 3);
	EXPECT_FALSE(injected);
	TH_LOG("freeze: %d points hit, %d of them made it fail", nth - 2, failed);
	frozen_close(_metadata, &f);
}

TEST_HARNESS_MAIN

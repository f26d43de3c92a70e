// SPDX-License-Identifier: GPL-2.0
/* Sessions for what can be done to one only once. */
#define _GNU_SOURCE
#include "luo_fault.h"
#include "luo_spare.h"

/* The session that is tried, and its first file. */
struct one {
	char name[64];
	int number;
	int session;
	int fd;
};

static void set_number(struct one *one, const struct spare *spare, int number)
{
	*one = (struct one){ .number = number, .session = -1, .fd = -1 };
	snprintf(one->name, sizeof(one->name), "%s %d", spare->name, number);
}

void spare_before(const struct spare *spare)
{
	struct one one;
	int i;

	for (i = 1; i <= spare->nr; i++) {
		set_number(&one, spare, i);
		one.session = luo_create(dev, one.name);
		CHECK(one.session >= 0);
		spare->fill(one.session, i);
	}
}

static int claim(struct one *one)
{
	one->session = luo_retrieve_session(dev, one->name);
	return one->session < 0 ? one->session : 0;
}

static int retrieve(struct one *one)
{
	one->fd = luo_retrieve(one->session, SPARE_TOKEN(0));
	return one->fd < 0 ? one->fd : 0;
}

static int finish(struct one *one)
{
	return luo_finish(one->session);
}

static int close_session(struct one *one)
{
	return close(one->session);
}

static int discard(struct one *one)
{
	return luo_unpreserve(one->session, SPARE_TOKEN(0));
}

static const struct {
	const char *what;
	int (*ask)(struct one *one);
} steps[] = {
	[SPARE_CLAIM] = { "retrieve", claim },
	[SPARE_RETRIEVE] = { "retrieve a file of", retrieve },
	[SPARE_FINISH] = { "finish", finish },
	[SPARE_CLOSE] = { "close", close_session },
	[SPARE_DISCARD] = { "discard a file of", discard },
};

static void prepare(const struct spare *spare, enum spare_step step, struct one *one)
{
	int i;

	if (step > SPARE_CLAIM)
		CHECK_EQ(claim(one), 0);
	if (step != SPARE_FINISH && step != SPARE_CLOSE)
		return;
	CHECK_EQ(retrieve(one), 0);
	for (i = 1; i < spare->nr_files; i++)
		CHECK_EQ(close(luo_retrieve(one->session, SPARE_TOKEN(i))), 0);
}

/* Returns whether it has come to a failure. */
static bool try(enum spare_step step, struct one *one, int nth)
{
	long unclaimed = luo_read_number(UNCLAIMED), fds = luo_count_fds();
	bool hit;
	int err;

	luo_fail_nth(nth);
	err = steps[step].ask(one);
	hit = luo_has_failed();
	if (!err)
		return hit;
	CHECK(hit && luo_is_fault(err));
	CHECK_EQ(luo_count_fds(), fds);
	/* A file that was taken in part is so still, but not lost. */
	CHECK(luo_read_number(UNCLAIMED) <= unclaimed);
	CHECK_EQ(steps[step].ask(one), 0);
	return hit;
}

/* All that is left to do, with nothing that fails. */
static void complete(const struct spare *spare, enum spare_step step, struct one *one)
{
	int i;

	if (step == SPARE_CLAIM)
		CHECK_EQ(retrieve(one), 0);
	for (i = 1; i < spare->nr_files && step != SPARE_FINISH && step != SPARE_CLOSE; i++) {
		if (step == SPARE_DISCARD)
			CHECK_EQ(luo_unpreserve(one->session, SPARE_TOKEN(i)), 0);
		else
			CHECK_EQ(close(luo_retrieve(one->session, SPARE_TOKEN(i))), 0);
	}
	if (step != SPARE_CLOSE) {
		CHECK_EQ(luo_finish(one->session), 0);
		CHECK_EQ(close(one->session), 0);
	}
	CHECK_EQ(luo_retrieve_session(dev, one->name), -ENOENT);
	if (step != SPARE_DISCARD)
		CHECK(spare->is_whole(one->fd, one->number));
	close(one->fd);
}

void spare_sweep(struct spare *spare, enum spare_step step)
{
	long unclaimed;
	bool hit = true;
	struct one one;
	int nth;

	/* Opens what has to be open, before anything is counted. */
	luo_fail_nth(0);
	for (nth = 1; hit && spare->used < spare->nr; nth++) {
		unclaimed = luo_read_number(UNCLAIMED);
		set_number(&one, spare, ++spare->used);
		prepare(spare, step, &one);
		hit = try(step, &one, nth);
		complete(spare, step, &one);
		/* All of its memory is ordinary again, and what told of it. */
		CHECK(unclaimed - luo_read_number(UNCLAIMED) >= spare->pages);
	}
	printf("# %s %s: %d points hit\n", steps[step].what, spare->name, nth - 2);
	/* The last pass was one without a failure. To close asks for nothing. */
	CHECK(!hit && (nth > 2 || step == SPARE_CLOSE));
}

void spare_end(struct spare *spare)
{
	struct one one;

	while (spare->used < spare->nr) {
		set_number(&one, spare, ++spare->used);
		CHECK_EQ(claim(&one), 0);
		complete(spare, SPARE_CLAIM, &one);
	}
}

void spare_sweep_ends(struct spare *spare)
{
	spare_sweep(spare, SPARE_FINISH);
	spare_sweep(spare, SPARE_CLOSE);
	spare_sweep(spare, SPARE_DISCARD);
	CHECK(luo_log_was_clean());
	luo_watch_races("on");
	spare_end(spare);
}

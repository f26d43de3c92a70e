// SPDX-License-Identifier: GPL-2.0
/*
 * By many threads at the same time.
 */
#define _GNU_SOURCE
#include "luo_fixture.h"

struct worker {
	pthread_t thread;
	int dev;
	int number;
	int errors;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	int i, fd, session;
	char name[32];

	for (i = 0; i < 200; i++) {
		/* Names are shared by pairs of threads. */
		snprintf(name, sizeof(name), "w%d", worker->number / 2);
		session = luo_create(worker->dev, name);
		if (session == -EEXIST)
			continue;
		fd = luo_memfd_filled(4 * LUO_PAGE, i);
		worker->errors += session < 0;
		worker->errors += !!luo_preserve(session, fd, 1);
		worker->errors += luo_preserve(session, fd, 2) != -EBUSY;
		if (i & 1)
			worker->errors += !!luo_unpreserve(session, 1);
		close(session);
		worker->errors += !luo_file_is_filled(fd, 0, 4 * LUO_PAGE, i);
		worker->errors += !!ftruncate(fd, 0);
		close(fd);
	}
	return NULL;
}

TEST_F(luo, sixteen_threads)
{
	struct worker workers[16] = {};
	int i;

	for (i = 0; i < 16; i++) {
		workers[i].dev = self->dev;
		workers[i].number = i;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (i = 0; i < 16; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].errors);
	}
}

/* One session for all: of those who want a token, one gets it. */
static void *fight(void *arg)
{
	struct worker *worker = arg;
	int i, fd, err;

	for (i = 0; i < 300; i++) {
		fd = luo_memfd_filled(LUO_PAGE, i);
		err = luo_preserve(worker->dev, fd, i % 7);
		worker->errors += err && err != -EEXIST;
		if (!err && i % 3)
			worker->errors += !!luo_unpreserve(worker->dev, i % 7);
		else if (!(i % 5))
			luo_unpreserve(worker->dev, i % 7);
		close(fd);
	}
	return NULL;
}

TEST_F(luo, sixteen_threads_in_a_session)
{
	int session = luo_create(self->dev, "s"), i;
	struct worker workers[16] = {};

	for (i = 0; i < 16; i++) {
		workers[i].dev = session;
		workers[i].number = i;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, fight, &workers[i]));
	}
	for (i = 0; i < 16; i++)
		pthread_join(workers[i].thread, NULL);
	close(session);
	EXPECT_EQ(self->preserved, luo_read_number(PRESERVED_PAGES));
}

/* Fills holes as fast as it can. */
static void *fill(void *arg)
{
	struct worker *worker = arg;
	int i;

	for (i = 0; i < 4096; i++)
		worker->errors += !!luo_file_fill(worker->dev, i * LUO_PAGE, LUO_PAGE, i);
	return NULL;
}

TEST_F(luo, holes_are_filled_meanwhile)
{
	int session = luo_create(self->dev, "s"), i, err, done = 0;
	struct worker worker = { .dev = luo_memfd(4096 * LUO_PAGE, 0) };

	ASSERT_EQ(0, pthread_create(&worker.thread, NULL, fill, &worker));
	while (luo_blocks(worker.dev) < 4096 * (long)LUO_PAGE / 512 || !done) {
		err = luo_preserve(session, worker.dev, 1);
		if (err) {
			EXPECT_EQ(-EBUSY, err);
		} else {
			done++;
			EXPECT_EQ(0, luo_unpreserve(session, 1));
		}
	}
	pthread_join(worker.thread, NULL);
	EXPECT_EQ(0, worker.errors);
	for (i = 0; i < 4096; i++)
		ASSERT_EQ(1, luo_file_is_filled(worker.dev, i * LUO_PAGE, LUO_PAGE, i));
	close(worker.dev);
	close(session);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * A handler in a module, through a kexec. Pitfall 9: the module must not go
 * away while files of its kind are preserved, or wait to be retrieved.
 *
 *	luo_module STAGE
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "luo_reboot.h"

#define MODULE	"/bin/luo_test_handler.ko"
#define INSMOD	"insmod " MODULE
#define RMMOD	"rmmod luo_test_handler 2>/dev/null"
#define NUMBER	4711

static int number;

static void result(int good, const char *what)
{
	printf("%sok %d module_pitfall_9_%s\n", good ? "" : "not ", ++number, what);
	fflush(stdout);
}

static int luo_test_open(void)
{
	return open("/dev/liveupdate_test", O_RDWR | O_CLOEXEC);
}

static atomic_bool stop;

struct worker {
	pthread_t thread;
	int session;
	int number;
	unsigned long preserved;
};

/* The device is there or not. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	int fd;

	while (!stop) {
		fd = luo_test_open();
		if (!luo_preserve(worker->session, fd, worker->number)) {
			worker->preserved++;
			luo_unpreserve(worker->session, worker->number);
		}
		close(fd);
		/* So that the module is free now and then. */
		usleep(worker->preserved % 8 * 500);
	}
	return NULL;
}

struct rebooter {
	pthread_t thread;
	int dev;
	/* reboots that failed as they should, or not; one needs a file of the device */
	atomic_uint failed, wrong, unable;
};

static void *try_to_reboot(void *arg)
{
	struct rebooter *rebooter = arg;
	unsigned int how = 0;
	int fd;

	while (!stop) {
		fd = luo_test_open();
		if (fd < 0)
			rebooter->unable++;
		else if (luo_fail_to_reboot(rebooter->dev, how++))
			rebooter->wrong++;
		else
			rebooter->failed++;
		close(fd);
		/* Nobody gets at the module if it is always frozen. */
		usleep(20 * 1000);
	}
	return NULL;
}

/* Files are preserved, and reboots fail, while the module comes and goes. */
static void race(int dev)
{
	int session = luo_create(dev, "race"), i, gone = 0, stayed = 0, errors = 0;
	struct rebooter rebooter = { .dev = dev };
	time_t end = time(NULL) + 4;
	struct worker workers[2];

	for (i = 0; i < 2; i++) {
		workers[i] = (struct worker){ .session = session, .number = i };
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errors++;
	}
	if (pthread_create(&rebooter.thread, NULL, try_to_reboot, &rebooter))
		errors++;
	while (time(NULL) < end || !gone || rebooter.failed < 6) {
		int fd;

		if (syscall(SYS_delete_module, "luo_test_handler", O_NONBLOCK)) {
			errors += errno != EAGAIN && errno != EBUSY;
			stayed++;
			continue;
		}
		gone++;
		fd = open(MODULE, O_RDONLY | O_CLOEXEC);
		errors += !!syscall(SYS_finit_module, fd, "", 0);
		close(fd);
	}
	stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_join(rebooter.thread, NULL);
	printf("# it went %d times, stayed %d times; %lu and %lu files preserved\n", gone, stayed,
	       workers[0].preserved, workers[1].preserved);
	printf("# %u reboots failed, %u could not be tried\n", rebooter.failed, rebooter.unable);
	close(session);
	result(!errors && workers[0].preserved && workers[1].preserved && !rebooter.wrong,
	       "comes_and_goes");
}

static void before(int dev)
{
	int session = luo_create(dev, "module"), fd;
	uint64_t value = NUMBER;

	result(!system(INSMOD), "is_loaded");
	fd = luo_test_open();
	result(!luo_preserve(session, fd, 1), "file_is_preserved");
	close(fd);
	result(system(RMMOD), "is_held_by_a_preserved_file");
	luo_unpreserve(session, 1);
	result(!system(RMMOD), "is_free_again");

	result(!system(INSMOD), "is_loaded_again");
	race(dev);
	fd = luo_test_open();
	result(write(fd, &value, sizeof(value)) == sizeof(value) &&
	       !luo_preserve(session, fd, 1), "file_is_preserved_again");
	close(fd);
	if (luo_kexec_load(LUO_CMDLINE " kho=on luo.mode=module luo.stage=1"))
		return;
	luo_leaks();
	luo_kexec();
	result(0, "kexec");
}

static void after(int dev)
{
	int session, fd;
	uint64_t value = 0;

	printf("KTAP version 1\n1..7\n");
	number = 0;
	result(luo_retrieve_session(dev, "module") == -EOPNOTSUPP, "is_missing");
	result(!system(INSMOD), "comes_late");
	session = luo_retrieve_session(dev, "module");
	result(session >= 0, "lets_the_session_be_retrieved");
	result(system(RMMOD), "is_held_by_a_file_that_waits");
	fd = luo_retrieve(session, 1);
	result(read(fd, &value, sizeof(value)) == sizeof(value) && value == NUMBER,
	       "file_is_retrieved");
	close(fd);
	result(system(RMMOD), "is_held_until_finish");
	luo_finish(session);
	close(session);
	result(!system(RMMOD), "is_free_at_last");
}

int main(int argc, char **argv)
{
	int dev = luo_open();

	if (argc != 2 || dev < 0)
		return 2;
	if (atoi(argv[1]))
		after(dev);
	else
		before(dev);
	return 0;
}

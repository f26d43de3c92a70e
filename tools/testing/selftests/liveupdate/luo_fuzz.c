// SPDX-License-Identifier: GPL-2.0
/*
 * Ask live update for anything, in any order, from many threads, while reboots
 * fail. Nothing is expected of an answer; the kernel has to stay sane, and at the
 * end nothing may be left.
 *
 *	luo_fuzz STAGE SECONDS SEED
 *
 * Stage 0 hands sessions over to stage 1, so that there are some to be retrieved.
 * The seed says what each thread does; who comes first is up to the machine.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "luo_reboot.h"

#define PRESERVED	"/sys/kernel/debug/kho/out/preserved_pages"
#define UNCLAIMED	"/sys/kernel/debug/kho/in/unclaimed_pages"

#define NR_THREADS	8
#define NR_SESSIONS	16
#define NR_SLOTS	48
#define NR_INCOMING	100
#define NR_NAMES	12
#define NR_TOKENS	8

static int dev;
static atomic_bool stop;

/* Descriptors for everybody, those of sessions first. One is in no slot twice. */
static atomic_int slots[NR_SLOTS];

/* What is asked for; how often, and how often it worked. */
enum call {
	CREATE, RETRIEVE_SESSION, PRESERVE, UNPRESERVE, RETRIEVE, FINISH, GET_NAME, NR_CALLS
};

static const struct {
	unsigned long cmd;
	const char *name;
	size_t size;
} calls[NR_CALLS] = {
	{ LIVEUPDATE_IOCTL_CREATE_SESSION, "create",
	  sizeof(struct liveupdate_ioctl_create_session) },
	{ LIVEUPDATE_IOCTL_RETRIEVE_SESSION, "retrieve_session",
	  sizeof(struct liveupdate_ioctl_retrieve_session) },
	{ LIVEUPDATE_SESSION_PRESERVE_FD, "preserve",
	  sizeof(struct liveupdate_session_preserve_fd) },
	{ LIVEUPDATE_SESSION_UNPRESERVE_FD, "unpreserve",
	  sizeof(struct liveupdate_session_unpreserve_fd) },
	{ LIVEUPDATE_SESSION_RETRIEVE_FD, "retrieve",
	  sizeof(struct liveupdate_session_retrieve_fd) },
	{ LIVEUPDATE_SESSION_FINISH, "finish", sizeof(struct liveupdate_session_finish) },
	{ LIVEUPDATE_SESSION_GET_NAME, "get_name", sizeof(struct liveupdate_session_get_name) },
};

static atomic_ulong asked[NR_CALLS], worked[NR_CALLS], reboots;

struct fuzzer {
	pthread_t thread;
	uint64_t state;
	/* a page, and one behind it that is not there */
	unsigned char *edge;
};

static uint64_t rnd(struct fuzzer *f)
{
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return f->state * 0x2545f4914f6cdd1dULL;
}

static unsigned int below(struct fuzzer *f, unsigned int limit)
{
	return (rnd(f) >> 33) % limit;
}

/* Somebody may be closing it right now, or it is something else: that is the idea. */
static int any_fd(struct fuzzer *f, bool session)
{
	switch (below(f, 24)) {
	case 0:
		return dev;
	case 1:
		/* Not what is said here. */
		return 3 + below(f, 61);
	case 2:
		return (int)rnd(f);
	case 3:
		session = !session;
	}
	return slots[session ? below(f, NR_SESSIONS) :
			       NR_SESSIONS + below(f, NR_SLOTS - NR_SESSIONS)];
}

/* A descriptor of our own, with which another one goes. */
static void put_fd(struct fuzzer *f, int fd, bool session)
{
	int slot = session ? below(f, NR_SESSIONS) : NR_SESSIONS + below(f, NR_SLOTS - NR_SESSIONS);

	if (fd < 0)
		return;
	fd = atomic_exchange(&slots[slot], fd);
	if (fd >= 0)
		close(fd);
}

/* Mostly one of few. */
static uint64_t any_token(struct fuzzer *f)
{
	return below(f, 16) ? below(f, NR_TOKENS) : rnd(f);
}

static void any_name(struct fuzzer *f, uint8_t *name)
{
	char text[LIVEUPDATE_SESSION_NAME_LENGTH] = "";
	unsigned int i;

	switch (below(f, 8)) {
	case 0:
		for (i = 0; i < LIVEUPDATE_SESSION_NAME_LENGTH; i++)
			name[i] = rnd(f);
		return;
	case 1:
	case 2:
	case 3:
		snprintf(text, sizeof(text), "in-%u", below(f, NR_INCOMING));
		break;
	default:
		snprintf(text, sizeof(text), "name-%u", below(f, NR_NAMES));
	}
	memcpy(name, text, sizeof(text));
}

static off_t any_size(struct fuzzer *f)
{
	switch (below(f, 8)) {
	case 0:
		return 0;
	case 1:
		return below(f, 64 * LUO_PAGE);
	case 2:
		return 1UL << (12 + below(f, 50));
	case 3:
		return 2 * LUO_MB;
	default:
		return (1 + below(f, 16)) * LUO_PAGE;
	}
}

/* It makes sense. */
static int ask_well(struct fuzzer *f, enum call which, int fd)
{
	union {
		uint32_t size;
		struct liveupdate_ioctl_create_session create;
		struct liveupdate_ioctl_retrieve_session claim;
		struct liveupdate_session_preserve_fd preserve;
		struct liveupdate_session_unpreserve_fd unpreserve;
		struct liveupdate_session_retrieve_fd retrieve;
		char page[512];
	} arg = { .size = calls[which].size };
	int err;

	if (which == CREATE || which == RETRIEVE_SESSION) {
		any_name(f, arg.create.name);
		if (below(f, 8))
			fd = dev;
	} else if (which == PRESERVE) {
		arg.preserve.fd = any_fd(f, false);
		arg.preserve.token = any_token(f);
	} else if (which == UNPRESERVE) {
		arg.unpreserve.token = any_token(f);
	} else if (which == RETRIEVE) {
		arg.retrieve.token = any_token(f);
	}
	if (!below(f, 16))
		arg.size += 8 * below(f, 8);
	err = luo_ioctl(fd, calls[which].cmd, &arg);
	asked[which]++;
	if (err)
		return err;
	worked[which]++;
	if (which == CREATE || which == RETRIEVE_SESSION)
		put_fd(f, arg.create.fd, true);
	else if (which == RETRIEVE)
		put_fd(f, arg.retrieve.fd, false);
	return 0;
}

/* It makes little or no sense. */
static void ask_badly(struct fuzzer *f, int fd)
{
	unsigned long cmd = calls[below(f, NR_CALLS)].cmd;
	unsigned char *arg;
	unsigned int i, len = 4 + below(f, 128);
	uint32_t size;

	switch (below(f, 6)) {
	case 0:
		cmd = _IO(LIVEUPDATE_IOCTL_TYPE, below(f, 256));
		break;
	case 1:
		cmd = rnd(f);
		break;
	}
	switch (below(f, 8)) {
	case 0:
		arg = NULL;
		break;
	case 1:
		/* of the kernel's */
		arg = (unsigned char *)(0xffff888000000000UL + below(f, 1U << 30));
		break;
	case 2:
		arg = (unsigned char *)rnd(f);
		break;
	default:
		/* Not all of it is there, or just all of it. */
		arg = f->edge + LUO_PAGE - len;
		for (i = 4; i < len; i++)
			arg[i] = below(f, 3) ? 0 : rnd(f);
		size = below(f, 4) ? 8 * below(f, 20) : rnd(f);
		memcpy(arg, &size, sizeof(size));
		/* Can be read, but not be written to. */
		if (!below(f, 8)) {
			mprotect(f->edge, LUO_PAGE, PROT_READ);
			luo_ioctl(fd, cmd, arg);
			mprotect(f->edge, LUO_PAGE, PROT_READ | PROT_WRITE);
			return;
		}
	}
	/* What answers a descriptor may do so: it is lost, but for who closes by chance. */
	if (!luo_ioctl(fd, cmd, arg) && len >= 8 && arg == f->edge + LUO_PAGE - len &&
	    (cmd == LIVEUPDATE_IOCTL_CREATE_SESSION || cmd == LIVEUPDATE_IOCTL_RETRIEVE_SESSION ||
	     cmd == LIVEUPDATE_SESSION_RETRIEVE_FD)) {
		int answer;

		memcpy(&answer, arg + 4, sizeof(answer));
		put_fd(f, answer, cmd != LIVEUPDATE_SESSION_RETRIEVE_FD);
	}
}

static void change_file(struct fuzzer *f, int fd)
{
	uint64_t value = rnd(f);
	off_t at = any_size(f);
	char *mem;

	switch (below(f, 9)) {
	case 0:
		if (ftruncate(fd, any_size(f)))
			return;
		break;
	case 1:
		fallocate(fd, 0, at % (8 * LUO_MB), (1 + below(f, 16)) * LUO_PAGE);
		break;
	case 2:
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
			  (1 + below(f, 16)) * LUO_PAGE);
		break;
	case 3:
		if (below(f, 4))
			break;
		fcntl(fd, F_ADD_SEALS, (int)(1 << below(f, 6)));
		break;
	case 4:
		mem = mmap(NULL, 16 * LUO_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (mem == MAP_FAILED)
			break;
		/* Fails where touching would be a signal. */
		madvise(mem, 16 * LUO_PAGE, MADV_POPULATE_WRITE);
		munmap(mem, 16 * LUO_PAGE);
		break;
	case 5:
		if (read(fd, &value, sizeof(value)) < 0)
			break;
		break;
	case 6:
		lseek(fd, at, SEEK_SET);
		break;
	default:
		/* Not so far that a file grows beyond what the machine has. */
		if (pwrite(fd, &value, sizeof(value), at) < 0 &&
		    write(fd, &value, sizeof(value)) < 0)
			break;
	}
}

static void make_file(struct fuzzer *f)
{
	int fds[2];

	switch (below(f, 16)) {
	case 0:
	case 1:
	case 2:
		put_fd(f, open(TEST_DEVICE, O_RDWR | O_CLOEXEC), false);
		break;
	case 3:
		put_fd(f, open("/dev/null", O_RDONLY | O_CLOEXEC), false);
		break;
	case 4:
		if (!pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
			put_fd(f, fds[0], false);
			put_fd(f, fds[1], false);
		}
		break;
	case 5:
		put_fd(f, luo_open(), false);
		break;
	case 6:
		put_fd(f, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), false);
		break;
	default:
		put_fd(f, luo_memfd(any_size(f), below(f, 2) ? MFD_ALLOW_SEALING : 0), false);
	}
}

static void use_fd(struct fuzzer *f)
{
	bool session = below(f, 2);
	int fd = any_fd(f, session);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	pid_t pid;

	switch (below(f, 8)) {
	case 0:
		if (fd != dev && fd > 2)
			put_fd(f, fcntl(fd, F_DUPFD_CLOEXEC, 3), session);
		break;
	case 1:
		poll(&poll_fd, 1, 0);
		break;
	case 2:
		if (below(f, 16))
			break;
		/* Whatever is open stays so for a while. */
		pid = fork();
		if (!pid) {
			ask_badly(f, fd);
			usleep(below(f, 10000));
			_exit(0);
		}
		break;
	default:
		/* Close; the slot is empty. */
		fd = atomic_exchange(&slots[below(f, NR_SLOTS)], -1);
		if (fd >= 0)
			close(fd);
	}
}

static void *fuzz(void *arg)
{
	struct fuzzer *f = arg;

	while (!stop) {
		switch (below(f, 8)) {
		case 0:
			make_file(f);
			break;
		case 1:
			use_fd(f);
			break;
		case 2:
			change_file(f, any_fd(f, false));
			break;
		case 3:
			ask_badly(f, any_fd(f, true));
			break;
		default:
			ask_well(f, below(f, NR_CALLS), any_fd(f, true));
		}
	}
	return NULL;
}

static void *reboot_often(void *arg)
{
	int *errors = arg;

	while (!stop) {
		*errors += luo_fail_to_reboot(dev, reboots++);
		usleep(50 * 1000);
	}
	return NULL;
}

static int number, bad;

static void result(int good, const char *what)
{
	bad |= !good;
	printf("%sok %d fuzz_%s\n", good ? "" : "not ", ++number, what);
	fflush(stdout);
}

static int prepare(const char *seconds, const char *seed)
{
	char name[16], cmdline[256];
	int i, session, fd;

	for (i = 0; i < NR_INCOMING; i++) {
		snprintf(name, sizeof(name), "in-%d", i);
		session = luo_create(dev, name);
		fd = luo_memfd_filled((i % 20) * LUO_PAGE, i);
		if (luo_preserve(session, fd, 0))
			return 1;
		close(fd);
		fd = open(TEST_DEVICE, O_RDWR | O_CLOEXEC);
		if (luo_preserve(session, fd, 1))
			return 1;
		close(fd);
		if (i % 3)
			continue;
		fd = luo_memfd(1UL << 40, 0);
		luo_file_fill(fd, i * LUO_MB, LUO_MB / 2, i);
		if (luo_preserve(session, fd, 2))
			return 1;
		close(fd);
	}
	snprintf(cmdline, sizeof(cmdline), LUO_CMDLINE " luo.mode=fuzz luo.stage=1 luo.fuzz=%s,%s",
		 seconds, seed);
	if (luo_kexec_load(cmdline))
		return 1;
	luo_leaks();
	luo_kexec();
	return 1;
}

/* What the fuzzers have left of the sessions of the previous kernel. */
static int finish_incoming(void)
{
	int i, token, session, fd, left = 0, errors = 0;
	char name[16];

	for (i = 0; i < NR_INCOMING; i++) {
		snprintf(name, sizeof(name), "in-%d", i);
		session = luo_retrieve_session(dev, name);
		if (session == -ENOENT)
			continue;
		left++;
		for (token = 0; token < 3; token++) {
			fd = luo_retrieve(session, token);
			if (fd >= 0)
				close(fd);
			else if (fd != -ENOENT)
				errors++;
		}
		errors += !!luo_finish(session);
		close(session);
	}
	printf("# %d sessions were left\n", left);
	return errors;
}

/* Nothing is left, and all of it works. */
static void look_back(long preserved)
{
	int i, fd, session, slot;

	for (slot = 0; slot < NR_SLOTS; slot++)
		if (slots[slot] >= 0)
			close(slots[slot]);
	for (i = 3; i < 1024; i++)
		if (i != dev)
			close(i);
	while (wait(NULL) > 0)
		;
	for (i = 0; i < NR_CALLS; i++)
		printf("# %s: asked for %lu times, worked %lu times\n", calls[i].name,
		       (unsigned long)asked[i], (unsigned long)worked[i]);
	printf("# %lu reboots failed\n", (unsigned long)reboots);
	for (i = 0; i < NR_CALLS; i++)
		if (!worked[i])
			printf("# %s never worked\n", calls[i].name);
	result(worked[CREATE] && worked[RETRIEVE_SESSION] && worked[PRESERVE] &&
	       worked[UNPRESERVE] && worked[RETRIEVE] && worked[FINISH] && worked[GET_NAME],
	       "each_call_has_worked_now_and_then");
	result(!finish_incoming(), "sessions_of_the_previous_kernel_are_whole");
	if (luo_read_number(PRESERVED) != preserved)
		printf("# %ld pages are preserved, not %ld\n", luo_read_number(PRESERVED),
		       preserved);
	result(luo_read_number(PRESERVED) == preserved, "nothing_is_preserved");
	result(!luo_read_number(UNCLAIMED), "nothing_is_unclaimed");
	session = luo_create(dev, "name-0");
	fd = luo_memfd_filled(LUO_MB, 1);
	result(!luo_preserve(session, fd, 1) && ftruncate(fd, 0) &&
	       !luo_unpreserve(session, 1) && !ftruncate(fd, 0), "it_still_works");
}

int main(int argc, char **argv)
{
	struct fuzzer fuzzers[NR_THREADS] = {};
	struct rlimit limit = { .rlim_cur = 1024, .rlim_max = 1024 };
	int i, errors = 0;
	pthread_t reboot;
	long preserved;
	uint64_t seed;

	if (argc != 4)
		return 2;
	setrlimit(RLIMIT_NOFILE, &limit);
	/* There are pipes among the files. */
	signal(SIGPIPE, SIG_IGN);
	dev = luo_open();
	if (dev < 0)
		return 1;
	if (!atoi(argv[1]))
		return prepare(argv[2], argv[3]);

	seed = strtoull(argv[3], NULL, 0);
	printf("KTAP version 1\n1..6\n# %s seconds, seed %llu\n", argv[2],
	       (unsigned long long)seed);
	fflush(stdout);
	preserved = luo_read_number(PRESERVED);
	/* Made before anybody can get hold of it while it is written. */
	close(luo_short_kernel());
	for (i = 0; i < NR_SLOTS; i++)
		slots[i] = -1;
	for (i = 0; i < NR_THREADS; i++) {
		fuzzers[i].state = luo_word(seed, i) | 1;
		fuzzers[i].edge = mmap(NULL, 2 * LUO_PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(fuzzers[i].edge + LUO_PAGE, LUO_PAGE);
		if (pthread_create(&fuzzers[i].thread, NULL, fuzz, &fuzzers[i]))
			return 1;
	}
	if (pthread_create(&reboot, NULL, reboot_often, &errors))
		return 1;
	for (i = atoi(argv[2]); i > 0; i -= 10) {
		sleep(i < 10 ? i : 10);
		/* Who looks at the console sees that it is alive. */
		printf("# %d seconds left, %lu files preserved so far\n", i > 10 ? i - 10 : 0,
		       (unsigned long)worked[PRESERVE]);
		fflush(stdout);
	}
	stop = true;
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(fuzzers[i].thread, NULL);
	pthread_join(reboot, NULL);
	result(!errors, "reboots_fail");
	look_back(preserved);
	return bad;
}

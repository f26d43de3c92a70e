// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile handover in each kexec.
 *
 *	luo_hostile STAGE PART OF
 *
 * Of the damages those are taken whose number modulo OF is PART; all of them with
 * luo.all on the command line, otherwise not what is much alike. Stage 0 makes a
 * few sessions, orders the first damage and goes through a kexec into a kernel
 * whose command line says luo.stage=1. There it is looked at what is lost, what
 * is back and what the log says, and the next damage is prepared.
 *
 * Whatever was damaged: it can't be got, now or later; its memory stays where
 * it is, so that nobody else gets it; all else comes back, byte for byte, and
 * can be finished; the kernel says what it has refused; and a new session works.
 * What ramoops has in a region of reserve_mem= counts, too.
 *
 * Results are KTAP.
 */
#define _GNU_SOURCE
#include <sys/klog.h>
#include <sys/mount.h>

#include "luo_hostile.h"
#include "luo_hugetlb.h"
#include "luo_observe.h"
#include "luo_scenario.h"

#define DAMAGE_WRITE	"/sys/module/kho_damage/parameters/write"
#define OUT_SCRATCH	"/sys/kernel/debug/kho/out/scratch"

#define VICTIM_PAGES	300
#define NR_MANY		60
#define MAX_NOTES	512

/* The victim's third file: a huge page, a hole that is reserved, a huge page. */
#define HUGE_PAGES	3
#define HUGE_USED	(2 * LUO_2MB / LUO_PAGE)

#define PMSG		"/dev/pmsg0"
#define PMSG_OLD	"/sys/fs/pstore/pmsg-ramoops-0"
#define REGION_TEXT	"kept"
#define REGION_BACK	"are those of the previous kernel"
#define REGION_CMDLINE	" reserve_mem=128K:4096:oops ramoops.mem_name=oops ramoops.pmsg_size=65536"

/* What the next kernel has to know; handed over in a session of its own. */
struct notes {
	uint64_t nr;
	uint64_t pfns[MAX_NOTES];	/* of the victim's first file, then of the third */
};

/* The first @nr pages of a mapping. */
static void note_pages(struct notes *notes, int fd, off_t offset, size_t size, size_t nr)
{
	char *mem = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset);
	int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;
	size_t i;

	CHECK(mem != MAP_FAILED);
	for (i = 0; mem != MAP_FAILED && i < nr; i++) {
		__atomic_load_n(mem + i * LUO_PAGE, __ATOMIC_RELAXED);
		if (pread(map, &entry, 8, ((uintptr_t)mem / LUO_PAGE + i) * 8) == 8)
			notes->pfns[notes->nr++] = entry & ((1ULL << 55) - 1);
	}
	munmap(mem, size);
	close(map);
}

/* What can't be read is like a page that is not there, which is in use. */
static uint64_t kpage(const char *file, uint64_t pfn)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	uint64_t value;

	if (pread(fd, &value, sizeof(value), pfn * sizeof(value)) != sizeof(value))
		value = 1ULL << KPF_NOPAGE;
	close(fd);
	return value;
}

#ifndef KPF_RESERVED
#define KPF_RESERVED	32	/* not for user space */
#endif

static int has_flag(uint64_t flags, int bit)
{
	return flags >> bit & 1;
}

/*
 * Nobody else has got the victim's pages, and nobody will: they are reserved,
 * or in a file that nobody can reach.
 */
static void pages_are_kept(const struct notes *notes, uint64_t first, uint64_t end)
{
	unsigned int bad = 0;
	uint64_t i, flags;

	CHECK_EQ(notes->nr, VICTIM_PAGES + 2);
	for (i = first; i < end && i < MAX_NOTES; i++) {
		flags = kpage("/proc/kpageflags", notes->pfns[i]);
		bad += !has_flag(flags, KPF_RESERVED) &&
		       (has_flag(flags, KPF_BUDDY) || has_flag(flags, KPF_NOPAGE) ||
			kpage("/proc/kpagecount", notes->pfns[i]));
	}
	CHECK_EQ(bad, 0);
}

static void prepare_session(const char *name, size_t pages, uint64_t seed)
{
	one_before(name, 1, luo_memfd_filled(pages * LUO_PAGE, seed));
}

static int hugetlb_memfd(void)
{
	int fd = luo_memfd(HUGE_PAGES * LUO_2MB, LUO_MFD_2MB);
	char *mem;

	CHECK_EQ(luo_pool_set(LUO_2MB, "nr_hugepages", 2), 0);
	mem = mmap(NULL, HUGE_PAGES * LUO_2MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	if (mem == MAP_FAILED)
		return fd;
	luo_fill(mem, LUO_2MB, 6);
	luo_fill(mem + 2 * LUO_2MB, LUO_2MB, 7);
	munmap(mem, HUGE_PAGES * LUO_2MB);
	return fd;
}

static void prepare_victim(struct notes *notes)
{
	int fd = luo_memfd_filled(VICTIM_PAGES * LUO_PAGE, 1), huge = hugetlb_memfd();
	int victim = one_before("victim", 1, fd);

	CHECK_EQ(luo_preserve(victim, luo_memfd_filled(4 * LUO_PAGE, 2), 2), 0);
	CHECK_EQ(luo_preserve(victim, huge, 3), 0);
	/* Preserving may have moved them. */
	note_pages(notes, fd, 0, VICTIM_PAGES * LUO_PAGE, VICTIM_PAGES);
	note_pages(notes, huge, 0, LUO_2MB, 1);
	note_pages(notes, huge, 2 * LUO_2MB, LUO_2MB, 1);
	CHECK_EQ(notes->nr, VICTIM_PAGES + 2);
}

static void prepare_sessions(const struct damage *damage, struct notes *notes)
{
	char name[16];
	int fd, i;

	prepare_victim(notes);

	prepare_session("spare", 16, 3);
	prepare_session("good", 64, 4);
	one_before("huge", 1, thp_memfd(2 * MB, 5));

	fd = luo_memfd(sizeof(*notes), 0);
	CHECK_EQ(write(fd, notes, sizeof(*notes)), sizeof(*notes));
	one_before("notes", 1, fd);

	for (i = 0; damage->many && i < NR_MANY; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		CHECK(luo_create(dev, name) >= 0);
	}
}

/* Refused now is refused later. */
static void refused(const char *name, int error)
{
	CHECK_EQ(luo_retrieve_session(dev, name), error);
	CHECK_EQ(luo_retrieve_session(dev, name), error);
}

static void comes_back(const char *name, size_t pages, uint64_t seed)
{
	int session, fd = one_after(name, 1, &session);

	CHECK_EQ(luo_size(fd), pages * LUO_PAGE);
	CHECK(luo_file_is_filled(fd, 0, pages * LUO_PAGE, seed));
	end(session, fd);
}

static int log_says(const char *text)
{
	int size = klogctl(10, NULL, 0), says;
	char *log = calloc(1, size + 1);

	klogctl(3, log, size);
	says = !!strstr(log, text);
	free(log);
	return says;
}

/* Of a file that is damaged there is nothing; of the others, all. */
static void file_comes_back(int session, int token)
{
	int fd = luo_retrieve(session, token);

	if (token == 3) {
		CHECK_EQ(luo_size(fd), HUGE_PAGES * LUO_2MB);
		CHECK_EQ(luo_blocks(fd), 2 * LUO_2MB / 512);
		CHECK_EQ(luo_pool_number(LUO_2MB, -1, "resv_hugepages"), 1);
		CHECK(luo_file_is_filled(fd, 0, LUO_2MB, 6));
		CHECK(luo_file_is_filled(fd, 2 * LUO_2MB, LUO_2MB, 7));
	} else {
		CHECK(luo_file_is_filled(fd, 0, (token == 1 ? VICTIM_PAGES : 4) * LUO_PAGE, token));
	}
	close(fd);
}

static void victim_comes_back(int damaged)
{
	int session = luo_retrieve_session(dev, "victim"), token;

	CHECK(session >= 0);
	for (token = 1; token <= 3; token++) {
		if (token != damaged) {
			file_comes_back(session, token);
			continue;
		}
		CHECK_EQ(luo_retrieve(session, token), -EIO);
		CHECK_EQ(luo_retrieve(session, token), -EIO);
	}
	if (damaged) {
		CHECK_EQ(luo_finish(session), -EBUSY);
		CHECK_EQ(luo_unpreserve(session, damaged), 0);
		CHECK_EQ(luo_retrieve(session, damaged), -ENOENT);
	}
	end(session, -1);
	CHECK_EQ(luo_retrieve_session(dev, "victim") < 0, 1);
	/* What was reserved is not any more; what was used is free, if it can be believed. */
	CHECK_EQ(luo_pool_number(LUO_2MB, -1, "resv_hugepages"), 0);
	CHECK_EQ(luo_pool_number(LUO_2MB, -1, "free_hugepages"), damaged == 3 ? 0 : 2);
}

/* What was written by the kernel before is there, or was said to be lost. */
static void look_at_region(const struct damage *damage)
{
	int lost = damage->cost == HANDOVER || damage->cost == REGION;
	char *text;

	CHECK_EQ(log_says(REGION_BACK), !lost);
	if (lost)
		return;
	text = luo_read_file(PMSG_OLD);
	CHECK(text && !strcmp(text, REGION_TEXT));
	free(text);
}

static void many_come_back(int lost)
{
	char name[16];
	int i;

	for (i = 0; i < NR_MANY; i++) {
		/* The first block has five others. */
		snprintf(name, sizeof(name), "many-%d", i);
		if (lost && i >= 51 - 5)
			refused(name, -EIO);
		else
			end(luo_retrieve_session(dev, name), -1);
	}
}

/* All but the victim, and the one that went with it. */
static void others_come_back(const struct damage *damage, struct notes *notes)
{
	int session, fd;

	if (damage->cost != NAME && damage->cost != TWO_SESSIONS)
		comes_back("spare", 16, 3);
	comes_back("good", 64, 4);
	comes_back("huge", 2 * MB / LUO_PAGE, 5);
	fd = one_after("notes", 1, &session);
	CHECK_EQ(pread(fd, notes, sizeof(*notes), 0), sizeof(*notes));
	end(session, fd);
	if (damage->many)
		many_come_back(damage->cost == LATE_SESSIONS);
}

static void look_at_victim(const struct damage *damage)
{
	switch (damage->cost) {
	case NOTHING:
	case REGION:
	case LATE_SESSIONS:
		victim_comes_back(0);
		break;
	case FILE_1:
		victim_comes_back(1);
		break;
	case FILE_3:
		victim_comes_back(3);
		break;
	case TYPE:
		refused("victim", -EOPNOTSUPP);
		break;
	case TWO_SESSIONS:
		refused("spare", -EIO);
		refused("victim", -EIO);
		break;
	case NAME:
		refused("spare", -EIO);
		refused("victim", -ENOENT);
		break;
	default:
		/* Also without a name: who knows what it was called. */
		refused("victim", -EIO);
	}
}

static void all_refused(int error)
{
	static const char * const names[] = { "victim", "spare", "good", "huge", "notes" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		refused(names[i], error);
}

/* What is done in vain to get what was refused leaves the kernel as it was. */
static void new_session_works(void)
{
	int session = one_before("victim", 1, luo_memfd_filled(LUO_PAGE, 9));

	CHECK_EQ(luo_unpreserve(session, 1), 0);
	close(session);
}

/* The pages of all sessions, less tables. */
#define ALL_PAGES	(VICTIM_PAGES + 4 + HUGE_USED + 16 + 64 + 512)

/* Some of the sessions are there. */
static void look_at_sessions(const struct damage *damage)
{
	struct notes notes = {};

	look_at_victim(damage);
	others_come_back(damage, &notes);
	if (damage->cost == NOTHING || damage->cost == REGION || damage->cost == LATE_SESSIONS)
		return;
	if (damage->cost != FILE_3)
		pages_are_kept(&notes, 0, VICTIM_PAGES);
	if (damage->cost != FILE_1)
		pages_are_kept(&notes, VICTIM_PAGES, notes.nr);
	/* Nor is it there when the others have been given back. */
	if (damage->cost == FILE_1 || damage->cost == FILE_3) {
		refused("victim", -ENOENT);
		return;
	}
	CHECK(luo_read_number(UNCLAIMED) >= VICTIM_PAGES + 4 + (long)HUGE_USED);
	look_at_victim(damage);
}

static void look_at(const struct damage *damage)
{
	switch (damage->cost) {
	case HANDOVER:
		all_refused(-ENOENT);
		CHECK_EQ(access(UNCLAIMED, F_OK), -1);
		break;
	case SESSIONS_LOST:
		all_refused(-EIO);
		CHECK(luo_read_number(UNCLAIMED) >= (long)ALL_PAGES);
		break;
	case SESSIONS_ALIEN:
		all_refused(-EOPNOTSUPP);
		CHECK(luo_read_number(UNCLAIMED) >= (long)ALL_PAGES);
		break;
	default:
		look_at_sessions(damage);
	}
	look_at_region(damage);
	new_session_works();
	CHECK(log_says(damage->log));
}

/* The text of @from with the place and the flip of a bit in place of @mark. */
static void insert_bit(char *order, size_t size, const char *mark, uint64_t bit)
{
	char *at = strstr(order, mark), rest[256];

	if (!at)
		return;
	snprintf(rest, sizeof(rest), "%s", at + strlen(mark));
	snprintf(at, size - (at - order), "%llu^0x%llx%s",
		 (unsigned long long)bit / 64 * 8, 1ULL << bit % 64, rest);
}

static void order_damage(const struct damage *damage, const struct notes *notes)
{
	FILE *file = fopen(OUT_SCRATCH, "re");
	unsigned long long scratch = 0;
	char order[1024];

	CHECK(file && fscanf(file, "%llx", &scratch) == 1);
	if (file)
		fclose(file);
	snprintf(order, sizeof(order), "%s", damage->order);
	/* Blocks of 2 MiB. */
	insert_bit(order, sizeof(order), "@S", scratch >> 21);
	insert_bit(order, sizeof(order), "@V", notes->pfns[0] >> 9);
	CHECK_EQ(luo_write(DAMAGE_WRITE, order), 0);
}

static void result(const char *name)
{
	printf("%sok 1 hostile_%s\n", failures ? "not " : "", name);
	fflush(stdout);
}

/* The variants of @damage, if it is not one alone; counts @number down. */
static int find_variant(const struct damage *damage, int *number, int all,
			struct damage *found)
{
	static char name[2][64], order[2][128];
	const struct variant *variant;
	static int i;

	for (variant = variants; variant->name; variant++) {
		if (!(variant->kinds & damage->variants) || (variant->more && !all) ||
		    (*number)--)
			continue;
		/* One is looked at while the next one is prepared. */
		i = !i;
		snprintf(name[i], sizeof(name[i]), "%s_%s", damage->name, variant->name);
		snprintf(order[i], sizeof(order[i]), "%s%s", damage->order, variant->order);
		*found = *damage;
		found->name = name[i];
		found->order = order[i];
		return 1;
	}
	return 0;
}

/* Its name is NULL if there are no more. */
static struct damage find_damage(int number, int all)
{
	const struct damage *damage;
	struct damage found;

	for (damage = damages; damage->name; damage++) {
		if (damage->more && !all)
			continue;
		if (damage->variants) {
			if (find_variant(damage, &number, all, &found))
				return found;
		} else if (!number--) {
			break;
		}
	}
	return *damage;
}

int main(int argc, char **argv)
{
	struct notes notes = {};
	struct damage next;
	char cmdline[512];
	int part, of, all;

	if (argc < 4) {
		fprintf(stderr, "usage: luo_hostile STAGE PART OF\n");
		return 2;
	}
	stage = atoi(argv[1]);
	part = atoi(argv[2]);
	of = atoi(argv[3]);
	all = !!luo_kernel_option("luo.all");
	dev = luo_open();
	CHECK(dev >= 0);
	CHECK_EQ(mount("none", "/sys/fs/pstore", "pstore", 0, NULL), 0);
	/* For what is reserved. */
	CHECK_EQ(luo_pool_set(LUO_2MB, "nr_overcommit_hugepages", HUGE_PAGES), 0);

	printf("KTAP version 1\n1..1\n");
	if (stage) {
		struct damage damage = find_damage((stage - 1) * of + part, all);

		look_at(&damage);
		result(damage.name);
	}
	next = find_damage(stage * of + part, all);
	if (!next.name)
		return !!failures;

	failures = 0;
	prepare_sessions(&next, &notes);
	CHECK_EQ(luo_write(PMSG, REGION_TEXT), 0);
	order_damage(&next, &notes);
	snprintf(cmdline, sizeof(cmdline), LUO_CMDLINE REGION_CMDLINE
		 " luo.mode=hostile luo.stage=%d luo.part=%d luo.of=%d%s", stage + 1, part, of,
		 all ? " luo.all" : "");
	CHECK_EQ(luo_kexec_load(cmdline), 0);
	if (!stage || failures)
		result("prepared");
	if (!failures)
		luo_kexec();
	result("jump");
	return 1;
}

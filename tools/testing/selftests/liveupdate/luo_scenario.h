/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scenarios of luo_kexec have in common. A number behind "pitfall" is
 * one of the list of bugs that others had.
 */
#ifndef LUO_SCENARIO_H
#define LUO_SCENARIO_H

#include <sys/resource.h>
#include <sys/wait.h>

#include "luo_util.h"

#define MB		LUO_MB
#define UNCLAIMED	"/sys/kernel/debug/kho/in/unclaimed_pages"

/* Prepared in one kernel, looked at in the next one. */
struct scenario {
	const char *name;
	void (*before)(void);
	void (*after)(void);
	/* not for any machine: taken only if it is asked for by name */
	int special;
	/* what is the last thing before the kexec, and what follows if that fails; or NULL */
	void (*jump)(void);
	void (*stay)(void);
};

/* Each ends with an entry without a name. */
extern const struct scenario memfd_scenarios[];
extern const struct scenario hugetlb_scenarios[];
extern const struct scenario failure_scenarios[];
extern const struct scenario observe_scenarios[];
extern const struct scenario session_scenarios[];
extern const struct scenario shared_scenarios[];
extern const struct scenario hotplug_scenarios[];
extern const struct scenario race_scenarios[];
extern const struct scenario final_scenarios[];

/* The number of kexecs that it took to get here. */
extern int stage;
extern int dev;
/* What did not hold in the scenario that runs. */
extern int failures;
/* Only some of the scenarios are taken. */
extern const char *only;

/* Says what did not hold; the scenario goes on. */
void check(int ok, const char *fmt, ...);

#define CHECK(_cond) \
	check(!!(_cond), "%s:%d: %s", __FILE_NAME__, __LINE__, #_cond)
#define CHECK_EQ(_a, _b)	do {					\
	long _va = (_a), _vb = (_b);					\
	check(_va == _vb, "%s:%d: %s is %ld, not %ld", __FILE_NAME__,	\
	      __LINE__, #_a, _va, _vb);					\
} while (0)

int one_before(const char *name, uint64_t token, int fd);
int one_after(const char *name, uint64_t token, int *session);
void end(int session, int fd);
/* The kernel that is to go on from here, with more options. */
void load_stage(const char *mode, int hops, char **options);
int thp_memfd(size_t size, uint64_t seed);
/* Are they in the trace, in this order? Each ends with "ns=". */
void check_trace(const char * const *events, unsigned int nr);

#endif /* LUO_SCENARIO_H */

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KHO_MUTATOR_H
#define _KHO_MUTATOR_H

#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/types.h>

/* Of each table, in a test. */
#define KHO_NR_MUTATIONS	100000

#define KHO_MUTATOR_TABLES	8
#define KHO_MUTATOR_VALUES	24
#define KHO_MUTATOR_PAGES	8

/**
 * struct kho_mutator - damages tables at random, the same way in each run
 * @rnd: where chance comes from
 * @tables: what is damaged
 * @nr_tables: how many there are
 * @values: what a damaged field likes to be
 * @nr_values: how many there are
 */
struct kho_mutator {
	struct rnd_state rnd;
	struct kho_mutator_table {
		void *mem;
		void *saved;
		size_t size;
		size_t record;
	} tables[KHO_MUTATOR_TABLES];
	unsigned int nr_tables;
	u64 values[KHO_MUTATOR_VALUES];
	unsigned int nr_values;
};

/*
 * Feed tables to what reads them. Returns 1 if they are accepted, 0 if they are
 * refused, and a negative number if that was wrong.
 */
typedef int (*kho_mutator_fn)(void *arg);

struct kho_mutator *kho_mutator_create(struct kunit *test, u64 seed);
void kho_mutator_table(struct kunit *test, struct kho_mutator *mutator,
		       void *mem, size_t size, size_t record);
void kho_mutator_value(struct kho_mutator *mutator, u64 value);
void kho_mutator_run(struct kunit *test, struct kho_mutator *mutator,
		     kho_mutator_fn fn, void *arg);

/* Pages that stand for all that the previous kernel has preserved, one by one. */
void *kho_mutator_preserve(struct kunit *test);
bool kho_mutator_is_preserved(u64 phys, u64 size);

#endif /* _KHO_MUTATOR_H */

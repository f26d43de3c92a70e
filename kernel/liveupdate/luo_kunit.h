/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_KUNIT_H
#define _LUO_KUNIT_H

#include <kunit/test.h>
#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/types.h>

struct file;
struct kho_block_reader;

#define LUO_KUNIT_NR_OBJS	8
#define LUO_KUNIT_NR_EVENTS	32
#define LUO_KUNIT_NR_RECORDS	16
#define LUO_KUNIT_COMPATIBLE	"luo-kunit-v1"

enum luo_kunit_op {
	LUO_KUNIT_PRESERVE,
	LUO_KUNIT_UNPRESERVE,
	LUO_KUNIT_FREEZE,
	LUO_KUNIT_UNFREEZE,
	LUO_KUNIT_RETRIEVE,
	LUO_KUNIT_CAN_FINISH,
	LUO_KUNIT_FINISH,
	LUO_KUNIT_DISCARD,	/* finish() without a file */
};

/**
 * struct luo_kunit - the fake handler's memory; there is one
 * @fail_op: operation that fails once
 * @fail_skip: calls of it that still work
 * @fail_error: error with which it fails, 0 for none
 * @events: what was called, each an operation and the object
 * @nr_events: how many
 * @records: tables of the previous kernel: records, each table ended by NULL
 * @nr_records: how many
 * @next_record: the next one to be read
 * @loop: the tables have no end
 * @needs: by object, the token of the file that it needs when it is retrieved,
 *	0 for none
 */
struct luo_kunit {
	enum luo_kunit_op fail_op;
	unsigned int fail_skip;
	int fail_error;
	unsigned int events[LUO_KUNIT_NR_EVENTS];
	unsigned int nr_events;
	void *records[LUO_KUNIT_NR_RECORDS];
	unsigned int nr_records;
	unsigned int next_record;
	bool loop;
	u64 needs[LUO_KUNIT_NR_OBJS];
};

extern struct luo_kunit luo_kunit;
extern struct liveupdate_file_handler luo_kunit_handler;

#define LUO_KUNIT_EVENT(op, id)	((op) << 8 | (id))

/* Run an expression under the lock of a file set. */
#define LUO_KUNIT_LOCKED(set, expression)				\
({									\
	struct luo_file_set *_set = (set);				\
									\
	mutex_lock(&_set->lock);					\
	typeof(expression) _result = expression;			\
	mutex_unlock(&_set->lock);					\
	_result;							\
})

/* Which operations were called, on which objects, since the last time. */
#define LUO_KUNIT_EXPECT_EVENTS(test, ...)				\
do {									\
	const unsigned int _events[] = { __VA_ARGS__ };			\
	struct kunit *_test = (test);					\
									\
	KUNIT_EXPECT_EQ(_test, luo_kunit.nr_events,			\
			(unsigned int)ARRAY_SIZE(_events));		\
	KUNIT_EXPECT_MEMEQ(_test, luo_kunit.events, _events,		\
			   sizeof(_events));				\
	luo_kunit_forget_events();					\
} while (0)

int luo_kunit_init(struct kunit *test);
void luo_kunit_exit(struct kunit *test);
void luo_kunit_set_renewable(bool renewable);
void luo_kunit_fail(enum luo_kunit_op op, unsigned int skip, int error);
void luo_kunit_forget_events(void);
void luo_kunit_add_record(void *record);
struct file *luo_kunit_file(struct kunit *test, unsigned int id);

#endif /* _LUO_KUNIT_H */

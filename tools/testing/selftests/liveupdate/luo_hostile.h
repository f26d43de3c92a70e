/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LUO_HOSTILE_H
#define LUO_HOSTILE_H

/* What a damage is to cost in the kernel that meets it. */
enum cost {
	NOTHING,	/* all comes back */
	REGION,		/* the region of reserve_mem= */
	FILE_1,		/* one file of the victim's three */
	FILE_3,		/* the one in huge pages */
	SESSION,	/* the victim: -EIO */
	TYPE,		/* the victim: -EOPNOTSUPP */
	NAME,		/* the victim's name, and the session that has it now */
	TWO_SESSIONS,	/* the victim and another one claim the same */
	LATE_SESSIONS,	/* those in the second block */
	SESSIONS_LOST,	/* all of them: -EIO */
	SESSIONS_ALIEN,	/* all of them: -EOPNOTSUPP */
	HANDOVER,	/* there is none */
};

/* What can be done to an address where it is believed to be something. */
enum variants {
	ADDRESS = 1,	/* something preserved */
	NODE = 2,	/* a node of the map */
};

/**
 * struct damage - something that a hostile kernel may have handed over
 * @name: as it is reported
 * @order: for kho_damage.write; "@S" and "@V" become the place, and the flip, of
 *	the bit of the map for 2 MiB of scratch, and around the victim's pages
 * @log: what the kernel that meets it says
 * @cost: what is lost
 * @many: there are more sessions than fit in one block
 * @more: much like another one, taken only if all are wanted
 * @variants: more than one: @order names a place only, what is done to it is in
 *	the variants of that kind
 */
struct damage {
	const char *name;
	const char *order;
	const char *log;
	enum cost cost;
	int many;
	int more;
	enum variants variants;
};

/**
 * struct variant - one thing that is done to an address
 * @name: follows that of the damage
 * @order: follows the place
 * @kinds: the variants that it is one of
 * @more: taken only if all are wanted
 */
struct variant {
	const char *name;
	const char *order;
	int kinds;
	int more;
};

/* Both end with an entry without a name. */
extern const struct damage damages[];
extern const struct variant variants[];

#endif /* LUO_HOSTILE_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * luod: the one process that has /dev/liveupdate open.
 *
 *	main.c		start, stop, the loop
 *	clients.c	connections: who may have how many, what they ask
 *	sessions.c	the table of sessions, and who owns them
 *	state.c		the table in a memfd, which survives luod and the kernel
 *	store.c		descriptors that survive luod: systemd's store, or luod-keeper's
 *	update.c	an update: clients are asked, state is saved
 *	policy.c	luod.conf
 *	log.c		key=value
 *
 * One process, no threads, and it waits for nobody but for whoever keeps its descriptors.
 * Memory per client is fixed, and so is their number: who does not read is dropped.
 *
 * Invariants:
 *  - a session is published to a client last: by then its owner is in the saved state,
 *    and its descriptor in the store;
 *  - a session that is in the store and not in the state was not published to anybody;
 *  - a client gets only a session that it owns, root any.
 */
#ifndef LUOD_H
#define LUOD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "liveupdate.h"
#include "proto.h"

#define LUOD_CONFIG		"/etc/luod.conf"
/* luod's own session, which nobody else gets. */
#define LUOD_SESSION		"luod"

#define LUOD_MAX_SESSIONS	4096
#define LUOD_MAX_CLIENTS	1024
/* Of all clients, those that only root gets. */
#define LUOD_ROOT_CLIENTS	16
#define LUOD_USER_CLIENTS	64
#define LUOD_MAX_RULES		256
#define LUOD_MAX_GROUPS		256
/* Descriptors for all else. */
#define LUOD_OTHER_FDS		64

struct luod;

/* policy.c */
enum policy_subject { POLICY_USER, POLICY_GROUP, POLICY_ANY };

struct policy_rule {
	enum policy_subject subject;
	uint32_t id;
	char pattern[LU_NAME_SIZE];
	unsigned int max;
};

struct policy {
	unsigned int count;
	struct policy_rule rules[LUOD_MAX_RULES];
};

/* Who is at the other end of a connection. */
struct peer {
	pid_t pid;
	uid_t uid;
	unsigned int ngroups;
	gid_t groups[LUOD_MAX_GROUPS];
};

int policy_parse(const char *text, struct policy *policy, unsigned int *line);
int policy_load(const char *path, struct policy *policy);
/* How many sessions the peer may have if one of them is @name; 0 is: not this one. */
unsigned int policy_allows(const struct policy *policy, const struct peer *peer, const char *name);

/* sessions.c */
struct session {
	uint64_t id;
	uint64_t retrieved;
	enum lu_direction direction;
	uid_t uid;
	bool finished;
	/* -1: incoming, and nobody has asked for it, or finished */
	int fd;
	char name[LU_NAME_SIZE];
};

/* Sorted by id. */
struct sessions {
	unsigned int count;
	uint64_t next_id;
	struct session table[LUOD_MAX_SESSIONS];
};

struct session *sessions_find(struct sessions *sessions, enum lu_direction direction,
			      const char *name);
struct session *sessions_after(struct sessions *sessions, uint64_t id);
struct session *sessions_add(struct sessions *sessions, enum lu_direction direction,
			     const char *name, uid_t uid);
void sessions_remove(struct sessions *sessions, struct session *session);
unsigned int sessions_count(const struct sessions *sessions, enum lu_direction direction);
bool sessions_has_owner(const struct sessions *sessions, uid_t uid);

void sessions_import(struct luod *luod);
void sessions_sweep(struct luod *luod);
int session_create(struct luod *luod, const struct peer *peer, const char *name);
int session_get(struct luod *luod, const struct peer *peer, const char *name);
int session_retrieve(struct luod *luod, const struct peer *peer, const char *name);
int session_release(struct luod *luod, const struct peer *peer, const char *name);
int session_finish(struct luod *luod, const struct peer *peer, const char *name);

/* state.c */
/* Ticks of the TSC, see struct lu_report. */
struct state_times {
	uint64_t prepare;
	uint64_t ready;
	uint64_t saved;
	uint64_t clients;
};

struct state {
	/* luod's outgoing session, -1 while there is nothing to hand over. */
	int session;
	/* The one of the previous kernel, until all of it is taken over; or -1. */
	int incoming;
	int memfd;
	uint64_t generation;
	char boot[37];
	/* Of the update that is being made, for the next kernel. */
	struct state_times next;
	/* Of the one that has led to this kernel, and when luod was there again. */
	struct state_times last;
	uint64_t started;
};

int state_parse(const void *data, size_t size, struct sessions *sessions, struct state *state);
void *state_write(const struct sessions *sessions, const struct state *state, size_t *size);
int state_load(struct luod *luod);
int state_save(struct luod *luod);
void state_loaded(struct luod *luod);

/* store.c */
enum store_health { STORE_NONE, STORE_GOOD, STORE_LOST };

struct store {
	enum store_health health;
};

/* A descriptor that the store has given back; taken ones are -1. */
struct stored {
	int fd;
	char name[64];
};

void store_open(struct store *store);
void store_put(struct store *store, const char *name, int fd);
void store_remove(struct store *store, const char *name);
void store_say(struct store *store, const char *text);
unsigned int store_take_all(struct stored **stored);
void store_session_name(char name[32], uint64_t id);

/* clients.c */
struct client {
	struct client *next;
	int socket;
	bool subscribed;
	/* It was asked to get ready, and has not answered. */
	bool asked;
	/* To be closed at the end of the turn; only then it leaves the list. */
	bool gone;
	struct peer peer;
};

void clients_accept(struct luod *luod);
void client_serve(struct luod *luod, struct client *client);
int client_send(struct luod *luod, struct client *client, const struct luod_msg *msg, int fd);
void client_drop(struct luod *luod, struct client *client, const char *why);
void clients_close_gone(struct luod *luod);

/* update.c */
enum update_step { UPDATE_NONE, UPDATE_PREPARING, UPDATE_READY, UPDATE_COMMITTED };

struct update {
	enum update_step step;
	bool force;
	uint64_t id;
	uint64_t ready;
	uint64_t failed;
	/* Who wants it, and what for. */
	struct client *owner;
	uint32_t serial;
	int64_t deadline;
	/* One that was not ready. */
	uint64_t pid;
	uint64_t uid;
	uint64_t error;
};

/* No answer yet. */
#define UPDATE_LATER	1

int update_prepare(struct luod *luod, struct client *client, const struct luod_msg *msg);
int update_commit(struct luod *luod, struct client *client, uint64_t id);
int update_subscribe(struct luod *luod, struct client *client);
int update_ready(struct luod *luod, struct client *client, uint64_t id, uint64_t error);
void update_client_gone(struct luod *luod, struct client *client);
void update_tick(struct luod *luod);

/* All of it. */
struct luod {
	const char *config;
	int device;
	int listener;
	int epoll;
	/* Given up for a moment to refuse a client when there are no descriptors. */
	int spare;
	unsigned int max_clients;
	unsigned int max_sessions;
	unsigned int nr_clients;
	unsigned int nr_subscribers;
	struct client *clients;
	bool any_gone;
	struct stored *stored;
	unsigned int nr_stored;
	struct policy policy;
	struct sessions sessions;
	struct state state;
	struct store store;
	struct update update;
};

int64_t luod_now(void);
uint64_t luod_ticks(void);

/* log.c */
enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_INFO = 6 };

/* What clients cause is limited. */
bool log_may_tell(void);
void log_line(enum log_level level, const char *format, ...);
/* A name for an errno, as ENOENT. */
const char *log_errno(int error);

/*
 * A place to die at, for the tests: with LUOD_CRASH_POINTS, if the file named by that
 * variable of the environment holds @name.
 */
#ifdef LUOD_CRASH_POINTS
void crash_point(const char *name);
#else
static inline void crash_point(const char *name)
{
	(void)name;
}
#endif

#endif /* LUOD_H */

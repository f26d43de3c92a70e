// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of sessions: whose they are, and luod's descriptors of them.
 *
 * Invariants:
 *  - the table is sorted by id; an id is never used twice, not even after a restart;
 *  - names are unique in each direction, but for incoming ones that are finished;
 *  - an outgoing session has a descriptor. An incoming one has it from the first time
 *    that somebody asks for it until it is finished.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luod.h"

struct session *sessions_find(struct sessions *sessions, enum lu_direction direction,
			      const char *name)
{
	struct session *session;
	unsigned int i;

	for (i = 0; i < sessions->count; i++) {
		session = &sessions->table[i];
		if (session->direction == direction && !session->finished &&
		    !strcmp(session->name, name))
			return session;
	}
	return NULL;
}

/* sessions_after - the first one with a greater id, or NULL */
struct session *sessions_after(struct sessions *sessions, uint64_t id)
{
	unsigned int low = 0, high = sessions->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (sessions->table[middle].id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sessions->count ? &sessions->table[low] : NULL;
}

/* sessions_add - a session without a descriptor, or NULL if there is no room */
struct session *sessions_add(struct sessions *sessions, enum lu_direction direction,
			     const char *name, uid_t uid)
{
	struct session *session;
	unsigned int i;

	/* Those that are only of interest for the report make room. */
	for (i = 0; i < sessions->count && sessions->count == LUOD_MAX_SESSIONS; i++)
		if (sessions->table[i].finished)
			sessions_remove(sessions, &sessions->table[i]);
	if (sessions->count == LUOD_MAX_SESSIONS)
		return NULL;
	session = &sessions->table[sessions->count++];
	memset(session, 0, sizeof(*session));
	session->id = ++sessions->next_id;
	session->direction = direction;
	session->uid = uid;
	session->fd = -1;
	snprintf(session->name, sizeof(session->name), "%s", name);
	return session;
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
	unsigned int behind = sessions->table + sessions->count - session - 1;

	if (session->fd >= 0)
		close(session->fd);
	memmove(session, session + 1, behind * sizeof(*session));
	sessions->count--;
}

unsigned int sessions_count(const struct sessions *sessions, enum lu_direction direction)
{
	unsigned int count = 0, i;

	for (i = 0; i < sessions->count; i++)
		count += sessions->table[i].direction == direction && !sessions->table[i].finished;
	return count;
}

bool sessions_has_owner(const struct sessions *sessions, uid_t uid)
{
	unsigned int i;

	for (i = 0; i < sessions->count; i++)
		if (sessions->table[i].uid == uid && !sessions->table[i].finished)
			return true;
	return false;
}

static unsigned int sessions_of(const struct sessions *sessions, uid_t uid)
{
	unsigned int count = 0, i;

	for (i = 0; i < sessions->count; i++)
		count += sessions->table[i].uid == uid &&
			 sessions->table[i].direction == LU_OUTGOING;
	return count;
}

static unsigned int sessions_held(const struct sessions *sessions)
{
	unsigned int count = 0, i;

	for (i = 0; i < sessions->count; i++)
		count += sessions->table[i].fd >= 0;
	return count;
}

static void session_store(struct luod *luod, struct session *session)
{
	char name[32];

	store_session_name(name, session->id);
	store_put(&luod->store, name, session->fd);
}

static void session_unstore(struct luod *luod, struct session *session)
{
	char name[32];

	store_session_name(name, session->id);
	store_remove(&luod->store, name);
}

/* What cannot be saved now will be with the next change; nobody loses by it. */
static void session_save(struct luod *luod)
{
	int ret = state_save(luod);

	if (ret)
		log_line(LOG_ERROR, "event=save error=%s", log_errno(ret));
}

static void session_told(const char *event, const struct peer *peer, const char *name, int ret)
{
	if (log_may_tell())
		log_line(ret < 0 ? LOG_WARNING : LOG_INFO,
			 "event=%s session=%s uid=%u pid=%d result=%s", event, name, peer->uid,
			 peer->pid, ret < 0 ? log_errno(ret) : "ok");
}

static bool session_is_his(const struct session *session, const struct peer *peer)
{
	return !peer->uid || session->uid == peer->uid;
}

static int session_may_create(struct luod *luod, const struct peer *peer, const char *name)
{
	unsigned int max = policy_allows(&luod->policy, peer, name);
	struct session *namesake;

	if (!max)
		return -EACCES;
	if (luod->update.step >= UPDATE_READY)
		return -EBUSY;
	if (sessions_find(&luod->sessions, LU_OUTGOING, name))
		return -EEXIST;
	/* Who has had the name before this kernel will want it again. */
	namesake = sessions_find(&luod->sessions, LU_INCOMING, name);
	if (namesake && !session_is_his(namesake, peer))
		return -EACCES;
	if (sessions_of(&luod->sessions, peer->uid) >= max)
		return -EDQUOT;
	return sessions_held(&luod->sessions) < luod->max_sessions ? 0 : -ENOSPC;
}

static int session_do_create(struct luod *luod, const struct peer *peer, const char *name)
{
	struct session *session;
	uint64_t id;
	int fd, ret;

	ret = session_may_create(luod, peer, name);
	if (ret)
		return ret;
	fd = lu_create_session(luod->device, name);
	if (fd < 0)
		return fd;
	session = sessions_add(&luod->sessions, LU_OUTGOING, name, peer->uid);
	if (!session) {
		close(fd);
		return -ENOSPC;
	}
	session->fd = fd;
	id = session->id;
	crash_point("created");
	ret = state_save(luod);
	if (ret) {
		sessions_remove(&luod->sessions, sessions_after(&luod->sessions, id - 1));
		return ret;
	}
	crash_point("saved");
	session_store(luod, session);
	crash_point("stored");
	return fd;
}

int session_create(struct luod *luod, const struct peer *peer, const char *name)
{
	int ret = session_do_create(luod, peer, name);

	session_told("create", peer, name, ret);
	return ret;
}

static int session_do_get(struct luod *luod, const struct peer *peer, const char *name)
{
	struct session *session = sessions_find(&luod->sessions, LU_OUTGOING, name);

	if (!session || !strcmp(name, LUOD_SESSION))
		return -ENOENT;
	return session_is_his(session, peer) ? session->fd : -EACCES;
}

int session_get(struct luod *luod, const struct peer *peer, const char *name)
{
	int ret = session_do_get(luod, peer, name);

	session_told("get", peer, name, ret);
	return ret;
}

static int session_do_release(struct luod *luod, const struct peer *peer, const char *name)
{
	struct session *session = sessions_find(&luod->sessions, LU_OUTGOING, name);
	struct session removed;

	if (!session)
		return -ENOENT;
	if (!session_is_his(session, peer))
		return -EACCES;
	if (luod->update.step >= UPDATE_READY)
		return -EBUSY;
	removed = *session;
	session->fd = -1;
	sessions_remove(&luod->sessions, session);
	session_save(luod);
	crash_point("released");
	session_unstore(luod, &removed);
	close(removed.fd);
	return 0;
}

int session_release(struct luod *luod, const struct peer *peer, const char *name)
{
	int ret = session_do_release(luod, peer, name);

	session_told("release", peer, name, ret);
	return ret;
}

/* It is over: only the report has a use for it. */
static void session_end(struct luod *luod, struct session *session)
{
	session_unstore(luod, session);
	if (session->fd >= 0)
		close(session->fd);
	session->fd = -1;
	session->finished = true;
}

/* sessions_sweep - see which sessions their owners have finished */
void sessions_sweep(struct luod *luod)
{
	struct lu_session_info info;
	struct session *session;
	bool any = false;
	unsigned int i;

	for (i = 0; i < luod->sessions.count; i++) {
		session = &luod->sessions.table[i];
		if (session->direction != LU_INCOMING || session->fd < 0 ||
		    lu_session_info(session->fd, &info) || info.state != LU_FINISHED)
			continue;
		log_line(LOG_INFO, "event=finished session=%s uid=%u", session->name, session->uid);
		session_end(luod, session);
		any = true;
	}
	if (any)
		session_save(luod);
}

static int session_claim(struct luod *luod, struct session *session)
{
	int fd;

	if (session->fd >= 0)
		return session->fd;
	if (sessions_held(&luod->sessions) >= luod->max_sessions)
		return -ENOSPC;
	fd = lu_retrieve_session(luod->device, session->name);
	if (fd < 0)
		return fd;
	session->fd = fd;
	if (!session->retrieved)
		session->retrieved = luod_ticks();
	crash_point("claimed");
	session_store(luod, session);
	session_save(luod);
	crash_point("claim-saved");
	return fd;
}

static int session_find_incoming(struct luod *luod, const struct peer *peer, const char *name,
				 struct session **session)
{
	if (!strcmp(name, LUOD_SESSION))
		return -ENOENT;
	*session = sessions_find(&luod->sessions, LU_INCOMING, name);
	if (!*session)
		return -ENOENT;
	return session_is_his(*session, peer) ? 0 : -EACCES;
}

static int session_do_retrieve(struct luod *luod, const struct peer *peer, const char *name)
{
	struct session *session;
	int ret;

	sessions_sweep(luod);
	ret = session_find_incoming(luod, peer, name, &session);
	return ret ? ret : session_claim(luod, session);
}

int session_retrieve(struct luod *luod, const struct peer *peer, const char *name)
{
	int ret = session_do_retrieve(luod, peer, name);

	session_told("retrieve", peer, name, ret);
	return ret;
}

static int session_do_finish(struct luod *luod, const struct peer *peer, const char *name)
{
	struct session *session;
	int ret;

	ret = session_find_incoming(luod, peer, name, &session);
	if (ret)
		return ret;
	ret = session_claim(luod, session);
	if (ret < 0)
		return ret;
	ret = lu_finish(session->fd);
	if (ret)
		return ret;
	crash_point("finished");
	session_end(luod, session);
	session_save(luod);
	return 0;
}

int session_finish(struct luod *luod, const struct peer *peer, const char *name)
{
	int ret = session_do_finish(luod, peer, name);

	session_told("finish", peer, name, ret);
	return ret;
}

/* A descriptor from the store finds its place, or was published to nobody. */
static void sessions_import_stored(struct luod *luod, struct stored *stored)
{
	struct lu_session_info info;
	struct session *session = NULL;

	if (stored->fd < 0 || !lu_is_session(stored->fd))
		return;
	if (!lu_session_info(stored->fd, &info))
		session = sessions_find(&luod->sessions, info.direction, info.name);
	if (session && session->fd < 0 && info.state != LU_FINISHED) {
		session->fd = stored->fd;
	} else {
		log_line(LOG_WARNING, "event=stray name=%s session=%s", stored->name, info.name);
		store_remove(&luod->store, stored->name);
		close(stored->fd);
	}
	stored->fd = -1;
}

/* Those that the kernel has, and luod does not know, are root's. */
static void sessions_import_kernel(struct luod *luod, bool *seen)
{
	DIR *dir = opendir(LU_SYSFS "/sessions/incoming");
	char name[LU_NAME_SIZE] = {};
	struct dirent *entry;

	*seen = dir;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(name))
			continue;
		memset(name, 0, sizeof(name));
		memcpy(name, entry->d_name, strlen(entry->d_name));
		/* A "\" escapes what is no name for us; a "/" is escaped, too. */
		if (strchr(name, '\\') || !luod_name_is_valid(name) || !strcmp(name, LUOD_SESSION))
			continue;
		if (sessions_find(&luod->sessions, LU_INCOMING, name))
			continue;
		log_line(LOG_WARNING, "event=unknown session=%s uid=0", name);
		if (!sessions_add(&luod->sessions, LU_INCOMING, name, 0))
			break;
	}
	if (dir)
		closedir(dir);
}

static bool session_is_in_kernel(const struct session *session)
{
	char path[sizeof(LU_SYSFS "/sessions/incoming/") + LU_NAME_SIZE];

	/* Not as it is in sysfs: assume the best. */
	if (strpbrk(session->name, "/\\") || session->name[0] == '.')
		return true;
	snprintf(path, sizeof(path), LU_SYSFS "/sessions/incoming/%s", session->name);
	return !access(path, F_OK);
}

/* sessions_import - after the state was loaded: what is really there? */
void sessions_import(struct luod *luod)
{
	struct session *session;
	bool seen;
	unsigned int i;

	for (i = 0; i < luod->nr_stored; i++)
		sessions_import_stored(luod, &luod->stored[i]);
	sessions_import_kernel(luod, &seen);
	for (i = luod->sessions.count; i-- > 0; ) {
		session = &luod->sessions.table[i];
		if (session->fd >= 0 || session->finished)
			continue;
		if (session->direction == LU_OUTGOING) {
			log_line(LOG_WARNING, "event=lost session=%s uid=%u", session->name,
				 session->uid);
			sessions_remove(&luod->sessions, session);
		} else if (seen && !session_is_in_kernel(session)) {
			session->finished = true;
		}
	}
}

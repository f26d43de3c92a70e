// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of sessions in a sealed memfd. Each change makes a new one: it is preserved
 * in luod's own session and put into the store before the old one is dropped. So there
 * is a whole one at any moment, and the one with the highest generation counts.
 *
 * It is read again by luod after a restart (from the store) and after a live update
 * (from the session, or from the store of a systemd that has kept it); the boot id
 * tells which. What is in it is not believed before it was checked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "luod.h"

#define STATE_MAGIC	0x31415453444f554cULL	/* "LUODSTA1" */
#define STATE_VERSION	1
#define STATE_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum state_flag { STATE_INCOMING = 1, STATE_FINISHED = 2 };

struct state_header {
	uint64_t magic;
	uint32_t version;
	uint32_t record_size;
	uint32_t count;
	/* Of all of it, with this field zero. */
	uint32_t crc;
	uint64_t generation;
	uint64_t next_id;
	char boot[37];
	char zero[3];
	struct state_times next;
	struct state_times last;
	uint64_t started;
};

struct state_record {
	uint64_t id;
	uint64_t retrieved;
	uint32_t uid;
	uint32_t flags;
	char name[LU_NAME_SIZE];
};

static_assert(sizeof(struct state_header) == 152, "what another luod has saved");
static_assert(sizeof(struct state_record) == 88, "what another luod has saved");

static int state_parse_record(const struct state_record *record, struct sessions *sessions)
{
	enum lu_direction direction = record->flags & STATE_INCOMING ? LU_INCOMING : LU_OUTGOING;
	bool finished = record->flags & STATE_FINISHED;
	struct session *session;

	if (record->flags & ~(STATE_INCOMING | STATE_FINISHED) ||
	    (finished && direction == LU_OUTGOING) || !luod_name_is_valid(record->name) ||
	    record->id <= sessions->next_id || record->id == UINT64_MAX ||
	    (!finished && sessions_find(sessions, direction, record->name)))
		return -EINVAL;
	sessions->next_id = record->id - 1;
	session = sessions_add(sessions, direction, record->name, record->uid);
	if (!session)
		return -EINVAL;
	session->retrieved = record->retrieved;
	session->finished = finished;
	return 0;
}

/*
 * state_parse - read a saved state
 *
 * Looks at nothing but @data. Return: 0, or -EINVAL with the results undefined.
 */
int state_parse(const void *data, size_t size, struct sessions *sessions, struct state *state)
{
	struct state_header header;
	struct state_record record;
	uint32_t i, crc;
	void *copy;

	sessions->count = 0;
	sessions->next_id = 0;
	if (size < sizeof(header))
		return -EINVAL;
	memcpy(&header, data, sizeof(header));
	if (header.magic != STATE_MAGIC || header.version != STATE_VERSION ||
	    header.record_size != sizeof(record) || header.count > LUOD_MAX_SESSIONS ||
	    size != sizeof(header) + header.count * sizeof(record) ||
	    strnlen(header.boot, sizeof(header.boot)) != sizeof(state->boot) - 1 ||
	    header.zero[0] || header.zero[1] || header.zero[2])
		return -EINVAL;
	copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	((struct state_header *)copy)->crc = 0;
	crc = crc32(0, copy, size);
	free(copy);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	/* A fuzzer would never guess it. */
	crc = header.crc;
#endif
	if (crc != header.crc)
		return -EINVAL;
	for (i = 0; i < header.count; i++) {
		memcpy(&record, (const char *)data + sizeof(header) + i * sizeof(record),
		       sizeof(record));
		if (state_parse_record(&record, sessions))
			return -EINVAL;
	}
	if (header.next_id < sessions->next_id || header.next_id > UINT64_MAX / 2 ||
	    header.generation > UINT64_MAX / 2)
		return -EINVAL;
	sessions->next_id = header.next_id;
	state->generation = header.generation;
	memcpy(state->boot, header.boot, sizeof(state->boot));
	state->next = header.next;
	state->last = header.last;
	state->started = header.started;
	return 0;
}

/* state_write - the opposite: to be freed, or NULL */
void *state_write(const struct sessions *sessions, const struct state *state, size_t *size)
{
	struct state_header *header;
	struct state_record *record;
	unsigned int i;

	*size = sizeof(*header) + sessions->count * sizeof(*record);
	header = calloc(1, *size);
	if (!header)
		return NULL;
	header->magic = STATE_MAGIC;
	header->version = STATE_VERSION;
	header->record_size = sizeof(*record);
	header->count = sessions->count;
	header->generation = state->generation;
	header->next_id = sessions->next_id;
	memcpy(header->boot, state->boot, sizeof(state->boot));
	header->next = state->next;
	header->last = state->last;
	header->started = state->started;
	record = (struct state_record *)(header + 1);
	for (i = 0; i < sessions->count; i++, record++) {
		const struct session *session = &sessions->table[i];

		record->id = session->id;
		record->retrieved = session->retrieved;
		record->uid = session->uid;
		if (session->direction == LU_INCOMING)
			record->flags |= STATE_INCOMING;
		if (session->finished)
			record->flags |= STATE_FINISHED;
		memcpy(record->name, session->name, sizeof(record->name));
	}
	header->crc = crc32(0, (const Bytef *)header, *size);
	return header;
}

static int state_memfd(const void *data, size_t size)
{
	int fd = memfd_create("luod-state", MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;
	ssize_t put;

	if (fd < 0)
		return -errno;
	put = write(fd, data, size);
	if (put == (ssize_t)size && !fcntl(fd, F_ADD_SEALS, STATE_SEALS))
		return fd;
	ret = put >= 0 && put != (ssize_t)size ? -ENOSPC : -errno;
	close(fd);
	return ret;
}

static void state_name(char name[32], uint64_t generation)
{
	snprintf(name, 32, "state-%llu", (unsigned long long)generation);
}

/* While there is nothing to hand over the kernel shall not think there is. */
static int state_open_session(struct luod *luod)
{
	struct state *state = &luod->state;
	bool wanted = sessions_count(&luod->sessions, LU_OUTGOING) ||
		      luod->update.step == UPDATE_COMMITTED;
	bool there = state->session >= 0;
	int fd;

	if (wanted == there)
		return 0;
	if (!wanted) {
		store_remove(&luod->store, "state-session");
		close(state->session);
		state->session = -1;
		return 0;
	}
	fd = lu_create_session(luod->device, LUOD_SESSION);
	if (fd < 0)
		return fd;
	store_put(&luod->store, "state-session", fd);
	state->session = fd;
	return 0;
}

static void state_drop(struct luod *luod, int memfd, uint64_t generation)
{
	char name[32];

	if (luod->state.session >= 0)
		lu_unpreserve_fd(luod->state.session, generation);
	state_name(name, generation);
	store_remove(&luod->store, name);
	if (memfd >= 0)
		close(memfd);
}

/*
 * state_save - save the table as it is
 *
 * Return: 0, or an error, and then what was saved before is still there.
 */
int state_save(struct luod *luod)
{
	struct state *state = &luod->state;
	uint64_t old_generation = state->generation;
	int old = state->memfd, fd, ret;
	char name[32];
	size_t size;
	void *data;

	ret = state_open_session(luod);
	if (ret)
		return ret;
	state->generation++;
	data = state_write(&luod->sessions, state, &size);
	fd = data ? state_memfd(data, size) : -ENOMEM;
	free(data);
	ret = fd;
	if (fd >= 0 && state->session >= 0)
		ret = lu_preserve_fd(state->session, fd, state->generation);
	if (ret < 0) {
		if (fd >= 0)
			close(fd);
		return ret;
	}
	crash_point("preserved");
	state_name(name, state->generation);
	store_put(&luod->store, name, fd);
	crash_point("two-states");
	state->memfd = fd;
	state_drop(luod, old, old_generation);
	return 0;
}

/* The best of what was found so far. */
struct state_found {
	struct sessions *sessions;
	struct sessions *spare;
	struct state state;
	bool any;
	bool same_boot;
};

/* state_consider - keep it if it is better; the descriptor stays the caller's */
static bool state_consider(struct luod *luod, struct state_found *found, int fd, const char *from)
{
	size_t most = sizeof(struct state_header) +
		      LUOD_MAX_SESSIONS * sizeof(struct state_record);
	struct state state = found->state;
	struct sessions *swap;
	bool same_boot;
	struct stat st;
	void *data = NULL;
	int ret = 0;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (size_t)st.st_size > most)
		ret = -EINVAL;
	else
		data = malloc(st.st_size + 1);
	if (!ret && !data)
		ret = -ENOMEM;
	if (!ret && pread(fd, data, st.st_size, 0) != st.st_size)
		ret = -EIO;
	if (!ret)
		ret = state_parse(data, st.st_size, found->spare, &state);
	free(data);
	if (ret) {
		log_line(LOG_ERROR, "event=state from=%s error=%s", from, log_errno(ret));
		return false;
	}
	same_boot = !strcmp(state.boot, luod->state.boot);
	if (found->any && (found->same_boot > same_boot ||
			   (found->same_boot == same_boot &&
			    found->state.generation > state.generation)))
		return false;
	swap = found->sessions;
	found->sessions = found->spare;
	found->spare = swap;
	found->state = state;
	found->any = true;
	found->same_boot = same_boot;
	return true;
}

/* From the store. All but the best are given up. */
static void state_load_stored(struct luod *luod, struct state_found *found)
{
	unsigned int i, best = UINT32_MAX;
	struct lu_session_info info;
	struct stored *stored;

	for (i = 0; i < luod->nr_stored; i++) {
		stored = &luod->stored[i];
		if (stored->fd < 0 || strncmp(stored->name, "state-", 6))
			continue;
		if (!lu_is_session(stored->fd)) {
			if (state_consider(luod, found, stored->fd, "store"))
				best = i;
			continue;
		}
		if (lu_session_info(stored->fd, &info) || strcmp(info.name, LUOD_SESSION) ||
		    info.state == LU_FINISHED) {
			store_remove(&luod->store, stored->name);
			close(stored->fd);
		} else if (info.direction == LU_OUTGOING) {
			luod->state.session = stored->fd;
		} else {
			luod->state.incoming = stored->fd;
			/* One that lives through kexecs has it by its old name. */
			if (strcmp(stored->name, "state-incoming")) {
				store_put(&luod->store, "state-incoming", stored->fd);
				store_remove(&luod->store, stored->name);
			}
		}
		stored->fd = -1;
	}
	for (i = 0; i < luod->nr_stored; i++) {
		stored = &luod->stored[i];
		if (stored->fd < 0 || strncmp(stored->name, "state-", 6))
			continue;
		if (i == best) {
			luod->state.memfd = stored->fd;
		} else {
			store_remove(&luod->store, stored->name);
			close(stored->fd);
		}
		stored->fd = -1;
	}
}

struct state_walk {
	struct luod *luod;
	struct state_found *found;
	uint64_t keep;
};

static int state_load_file(const struct lu_file *file, void *data)
{
	struct state_walk *walk = data;
	int session = walk->luod->state.incoming;
	int fd = lu_retrieve_fd(session, file->token);

	if (fd < 0) {
		log_line(LOG_ERROR, "event=state from=kernel token=%llu error=%s",
			 (unsigned long long)file->token, log_errno(fd));
		/* What can be tried again is not given up. */
		if (fd != -ENOMEM && fd != -EINTR && fd != -EAGAIN)
			lu_unpreserve_fd(session, file->token);
		return 0;
	}
	state_consider(walk->luod, walk->found, fd, "kernel");
	close(fd);
	return 0;
}

/* From the previous kernel. */
static void state_load_incoming(struct luod *luod, struct state_found *found)
{
	struct state_walk walk = { .luod = luod, .found = found };
	int fd = luod->state.incoming;

	if (fd < 0) {
		fd = lu_retrieve_session(luod->device, LUOD_SESSION);
		if (fd == -ENOENT)
			return;
		if (fd < 0) {
			log_line(LOG_ERROR, "event=state from=kernel error=%s", log_errno(fd));
			return;
		}
		/* Once its files are retrieved, closing it would be its end. */
		store_put(&luod->store, "state-incoming", fd);
		luod->state.incoming = fd;
	}
	lu_session_files(fd, state_load_file, &walk);
}

/* A crash in the midst of saving leaves two. */
static int state_drop_other(const struct lu_file *file, void *data)
{
	struct state_walk *walk = data;

	if (file->token != walk->keep)
		lu_unpreserve_fd(walk->luod->state.session, file->token);
	return 0;
}

/* After a live update what was to be handed over has been. */
static void state_turn(struct state_found *found)
{
	struct sessions *sessions = found->sessions;
	unsigned int i;

	for (i = sessions->count; i-- > 0; ) {
		struct session *session = &sessions->table[i];

		if (session->direction == LU_INCOMING)
			sessions_remove(sessions, session);
		else
			session->direction = LU_INCOMING;
	}
	found->state.last = found->state.next;
	found->state.started = luod_ticks();
}

static int state_boot_id(char boot[37])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	int ret = -EIO;

	if (!file)
		return -errno;
	if (fscanf(file, "%36s", boot) == 1 && strlen(boot) == 36)
		ret = 0;
	fclose(file);
	return ret;
}

/*
 * state_load - find out what was before
 *
 * Nothing, or nothing that can be read, is no error: sessions of the previous kernel
 * are then root's.
 */
int state_load(struct luod *luod)
{
	struct state_found found = {};
	struct state *state = &luod->state;
	int ret = state_boot_id(state->boot);

	state->session = -1;
	state->incoming = -1;
	state->memfd = -1;
	if (ret)
		return ret;
	found.sessions = calloc(1, sizeof(*found.sessions));
	found.spare = calloc(1, sizeof(*found.spare));
	if (!found.sessions || !found.spare) {
		ret = -ENOMEM;
		goto out;
	}
	state_load_stored(luod, &found);
	state_load_incoming(luod, &found);
	if (found.any) {
		if (!found.same_boot)
			state_turn(&found);
		/* An update does not outlive the luod that was asked for it. */
		memset(&found.state.next, 0, sizeof(found.state.next));
		luod->sessions = *found.sessions;
		state->generation = found.state.generation;
		state->next = found.state.next;
		state->last = found.state.last;
		state->started = found.state.started;
		log_line(LOG_INFO, "event=state restart=%s sessions=%u",
			 found.same_boot ? "yes" : "no", luod->sessions.count);
	}
	if (state->session >= 0) {
		struct state_walk walk = { .luod = luod, .keep = state->generation };

		lu_session_files(state->session, state_drop_other, &walk);
	}
out:
	free(found.sessions);
	free(found.spare);
	return ret;
}

/* state_loaded - all of it is saved anew: the previous kernel's is not needed */
void state_loaded(struct luod *luod)
{
	int ret;

	crash_point("taken-over");
	if (luod->state.incoming < 0)
		return;
	ret = lu_finish(luod->state.incoming);
	if (ret)
		log_line(LOG_WARNING, "event=state from=kernel finish=%s", log_errno(ret));
	close(luod->state.incoming);
	luod->state.incoming = -1;
	store_remove(&luod->store, "state-incoming");
}

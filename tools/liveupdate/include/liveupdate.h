/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libliveupdate: live update for programs. See liveupdate(3).
 *
 * Descriptors and numbers are returned as they are, errors as -errno. Nothing in
 * here prints, ends the process, starts a thread or touches signals. Descriptors
 * that are returned are close-on-exec and the caller's to close. A struct
 * lu_client belongs to one thread at a time; all else can be called from any.
 */
#ifndef LIVEUPDATE_H
#define LIVEUPDATE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Size of a session's name, its NUL included. */
#define LU_NAME_SIZE		64
#define LU_DEVICE		"/dev/liveupdate"
#define LU_SYSFS		"/sys/kernel/liveupdate"
#define LU_SOCKET		"/run/luod/socket"

enum lu_direction {
	LU_OUTGOING,	/* will be handed over to the next kernel */
	LU_INCOMING,	/* was handed over by the previous one */
};

enum lu_session_state {
	LU_PRESERVING,	/* outgoing */
	LU_FROZEN,	/* outgoing, and the reboot has begun */
	LU_WAITING,	/* incoming, nobody has it */
	LU_CLAIMED,	/* incoming, somebody has it */
	LU_FINISHED,	/* incoming, and over */
};

enum lu_file_state {
	LU_FILE_PRESERVED,
	LU_FILE_WAITING,
	LU_FILE_RETRIEVED,
	LU_FILE_FAILED,
};

/**
 * struct lu_file - a file of a session
 * @token: its name in the session
 * @size: bytes, or -1 if it has no size
 * @state: how far it is
 * @error: errno for which it can't be retrieved, with %LU_FILE_FAILED
 * @type: the kernel's name of its handler, as "memfd-v2"
 */
struct lu_file {
	uint64_t token;
	int64_t size;
	enum lu_file_state state;
	int error;
	char type[128];
};

/* Called for each file; anything but 0 ends the walk and is what it returns. */
typedef int (*lu_file_fn)(const struct lu_file *file, void *data);

/**
 * struct lu_session_info - what the kernel says of a session
 * @name: its name
 * @direction: where it goes
 * @state: how far it is
 * @files: how many files it has
 */
struct lu_session_info {
	char name[LU_NAME_SIZE];
	enum lu_direction direction;
	enum lu_session_state state;
	unsigned long files;
};

/* The device: for those who are luod. -EBUSY: somebody has it. */
int lu_open(void);
int lu_create_session(int device, const char *name);
int lu_retrieve_session(int device, const char *name);

/* A session: see Documentation/userspace-api/liveupdate.rst for the errors. */
int lu_preserve_fd(int session, int fd, uint64_t token);
int lu_unpreserve_fd(int session, uint64_t token);
int lu_retrieve_fd(int session, uint64_t token);
int lu_finish(int session);
int lu_session_name(int session, char name[LU_NAME_SIZE]);
/* 1 if the descriptor is a session, otherwise 0. */
int lu_is_session(int fd);
int lu_session_info(int session, struct lu_session_info *info);
int lu_session_files(int session, lu_file_fn fn, void *data);

/* A connection to luod. */
struct lu_client;

/**
 * struct lu_session - a session as luod knows it
 * @name: its name
 * @direction: where it goes
 * @uid: its owner
 * @held: luod has a descriptor of it; an incoming one without was not asked for
 * @finished: it is over, and listed for the sake of the report
 * @retrieved: when it was first asked for after the live update, in ticks of
 *	the TSC, or 0
 */
struct lu_session {
	char name[LU_NAME_SIZE];
	enum lu_direction direction;
	uid_t uid;
	int held;
	int finished;
	uint64_t retrieved;
};

typedef int (*lu_session_fn)(const struct lu_session *session, void *data);

/**
 * struct lu_status - how luod is
 * @pid: its process
 * @outgoing: sessions to be handed over
 * @incoming: sessions handed over that are not finished
 * @clients: connections, this one included
 * @subscribers: those that are asked before an update
 * @store: descriptors survive a crash of luod: 1 yes, 0 no, -1 not any more
 * @updating: an update is being prepared
 */
struct lu_status {
	pid_t pid;
	unsigned long outgoing;
	unsigned long incoming;
	unsigned long clients;
	unsigned long subscribers;
	int store;
	int updating;
};

/**
 * struct lu_report - when things happened in the last live update
 * @prepare: clients were asked to get ready
 * @ready: all were
 * @saved: luod had saved its state, the last thing before reboot(2)
 * @started: luod was there again
 * @clients: how many clients were asked
 *
 * Ticks of the TSC, which runs on across a kexec; 0 is not known. All are 0 if
 * there was no live update that luod was asked for.
 */
struct lu_report {
	uint64_t prepare;
	uint64_t ready;
	uint64_t saved;
	uint64_t started;
	unsigned long clients;
};

enum lu_event_type {
	LU_EVENT_PREPARE = 1,	/* stop, save and preserve; then lu_client_ready() */
	LU_EVENT_RESUME,	/* the update does not take place: go on */
};

/**
 * struct lu_event - what luod tells a subscriber
 * @type: what
 * @update: which update
 * @timeout_ms: how long luod waits for lu_client_ready()
 * @error: errno for which the update does not take place
 */
struct lu_event {
	enum lu_event_type type;
	uint64_t update;
	unsigned int timeout_ms;
	int error;
};

/**
 * struct lu_prepared - what came of lu_client_prepare()
 * @update: which update, for lu_client_commit()
 * @ready: clients that are ready
 * @failed: clients that are not
 * @pid: one that is not
 * @uid: its user
 * @error: what it said, ETIMEDOUT if nothing, EPIPE if it has gone
 */
struct lu_prepared {
	uint64_t update;
	unsigned long ready;
	unsigned long failed;
	pid_t pid;
	uid_t uid;
	int error;
};

/* lu_connect - connect to luod at @path, NULL for LIVEUPDATE_SOCKET of the
 * environment or LU_SOCKET. -ECONNREFUSED, -ENOENT: it is not there.
 */
int lu_connect(const char *path, struct lu_client **client);
void lu_disconnect(struct lu_client *client);
/* When a call has said -ECONNRESET or -EPIPE: luod was started again, or is about to be, and
 * then it fails, to be tried again. There is no update then; who was subscribed is again.
 */
int lu_client_reconnect(struct lu_client *client);
/* The socket, to be polled for events (POLLIN) once lu_client_event() has none. */
int lu_client_fd(const struct lu_client *client);
/* How long to wait for answers; 10000 at first. Then it is -ETIMEDOUT. */
void lu_client_set_timeout(struct lu_client *client, int milliseconds);

/*
 * These return a descriptor of a session. luod keeps one, too: the session stays
 * when its owner dies, who can ask for it again.
 *
 * create: a new outgoing session. -EEXIST: there is one of that name; -EACCES:
 *	not allowed; -EDQUOT: too many.
 * get: an outgoing session that was created before. -ENOENT
 * retrieve: an incoming session. -ENOENT
 */
int lu_client_create(struct lu_client *client, const char *name);
int lu_client_get(struct lu_client *client, const char *name);
int lu_client_retrieve(struct lu_client *client, const char *name);
/* release: luod gives up an outgoing session; it ends when all others do. */
int lu_client_release(struct lu_client *client, const char *name);
/* finish: as lu_finish(), by name. -EBUSY: a file is not whole. */
int lu_client_finish(struct lu_client *client, const char *name);

/* Each session that this user may have. */
int lu_client_list(struct lu_client *client, lu_session_fn fn, void *data);
int lu_client_status(struct lu_client *client, struct lu_status *status);
int lu_client_report(struct lu_client *client, struct lu_report *report);

/*
 * To be asked before an update: subscribe, poll, and take events. A subscriber has to
 * have a session (-EPERM). event: 1 and an event, or 0 if there is none now; one that
 * came with the answer to another call is not seen by poll(2).
 * ready: @error is 0, or the errno for which it can't be.
 */
int lu_client_subscribe(struct lu_client *client);
int lu_client_event(struct lu_client *client, struct lu_event *event);
int lu_client_ready(struct lu_client *client, uint64_t update, int error);

/*
 * Root only. prepare asks all subscribers, and waits: -ECANCELED if one can't or is
 * gone, -ETIMEDOUT; with @force these are only counted. commit saves luod's state;
 * then is the time for reboot(2). Closing the connection takes all of it back.
 */
int lu_client_prepare(struct lu_client *client, unsigned int timeout_ms, int force,
		      struct lu_prepared *prepared);
int lu_client_commit(struct lu_client *client, uint64_t update);

#ifdef __cplusplus
}
#endif

#endif /* LIVEUPDATE_H */

/*
 * requests: what the hooks on sockets tell, put together to requests.
 *
 * Each descriptor below REQUESTS_FDS has a kind: unknown until it is first
 * used, a connection that the server serves, or anything else.  Anything else
 * costs its reads and writes one byte's look; what a connection carries goes
 * to the tracker of profiler/http, and what that finds goes on record.
 *
 * A thread has a context: the request whose bytes it read last, until it
 * waits for events, reads for another one or closes the connection.  What it
 * allocates meanwhile is charged to that request's route.  That is exact for
 * servers which give a request a thread, and for handlers that run from read
 * to write without a wait; else it is an estimate.
 */
#ifndef STRANDLINE_PRELOAD_REQUESTS_H
#define STRANDLINE_PRELOAD_REQUESTS_H

#include <sys/uio.h>

#include "preload/internal.h"

#define REQUESTS_FDS 65536u

enum requests_kind {
	REQUESTS_UNKNOWN = 0,
	REQUESTS_OTHER,	     /* not a connection, or not ours to follow */
	REQUESTS_CONNECTION, /* taken by accept, or seen to be asked */
	REQUESTS_SEALED,     /* one that carries TLS: see requests_tls_read() */
	REQUESTS_AMID, /* a stream that may have been there before us, amid
			* an answer: followed from its next request on */
};

struct requests_fd {
	uint64_t last;	/* ticks of the last read, write or accept */
	uint16_t route; /* of its latest request */
	uint8_t kind;	/* enum requests_kind */
	uint8_t fresh;	/* nothing was read yet */
	uint32_t looks; /* REQUESTS_AMID: reads that began no request */
};

/* Written before there are threads, except for the entries of fds. */
struct requests {
	struct requests_fd *fds; /* NULL: requests are not followed */
	struct track *track;
	struct routes *routes;
	uint32_t plain; /* TLS objects that were followed */
};
extern struct requests requests;

/* @templates: lines, see http/route.h; NULL: none. */
void requests_start(const char *templates);
void requests_fork_child(void);
void requests_account(void); /* counts that only the tracker knows */

static inline struct requests_fd *requests_fd(int fd)
{
	if (unlikely(!requests.fds) || (unsigned)fd >= REQUESTS_FDS)
		return NULL;
	return &requests.fds[fd];
}

static inline enum requests_kind requests_kind(int fd)
{
	const struct requests_fd *e = requests_fd(fd);

	return e ? (enum requests_kind)__atomic_load_n(&e->kind,
						       __ATOMIC_RELAXED)
		 : REQUESTS_OTHER;
}

/* Could a read of @fd be a request's? */
static inline bool requests_may_read(int fd)
{
	return requests_kind(fd) != REQUESTS_OTHER;
}

/*
 * Is a write to @fd an answer's?  Who writes first is a client, or writes to
 * no connection at all; or answers what was asked before we came.
 */
static inline bool requests_may_write(int fd)
{
	struct requests_fd *e = requests_fd(fd);

	if (!e)
		return false;
	if (unlikely(e->kind == REQUESTS_UNKNOWN) && !shim.late)
		e->kind = REQUESTS_OTHER;
	return e->kind == REQUESTS_CONNECTION;
}

/* After a read that began at @since ticks and got @total bytes. */
void requests_read(int fd, const struct iovec *at, size_t count, size_t total,
		   uint64_t since);
/* After a write; @at NULL: bytes that never were in our memory (sendfile). */
void requests_written(int fd, const struct iovec *at, size_t count,
		      size_t total, uint64_t since);
void requests_accepted(int fd);
void requests_shut(int fd); /* before the writing side is closed */

/*
 * The same of the plaintext of a TLS object, which is a connection of its own:
 * it need not know a descriptor.  Only one that serves.
 */
void requests_tls_read(const void *object, const void *at, size_t size,
		       uint64_t since);
void requests_tls_written(const void *object, const void *at, size_t size,
			  uint64_t since);
void requests_tls_closing(const void *object);

void requests_forget(int fd);
/* Before @fd is closed, or becomes another one's duplicate. */
static inline void requests_closing(int fd)
{
	const struct requests_fd *e = requests_fd(fd);

	if (e && e->kind != REQUESTS_UNKNOWN)
		requests_forget(fd);
}

/*
 * From here on this thread works for a request of (@method, @path), whatever
 * it reads or waits for: a server says so that has many requests at a time on
 * one thread.  What to hand to requests_unpin().
 */
uint32_t requests_pin(const char *method, const char *path, size_t len);
void requests_unpin(uint32_t before);

enum requests_waiting {			 /* for what a thread waits */
			REQUESTS_LOOP,	 /* whatever comes next */
			REQUESTS_OWN,	 /* the client of its request */
			REQUESTS_OTHERS, /* what its request needs */
};

/* Keys of the tracker are a descriptor's, or a TLS object's; never 0. */
#define REQUESTS_KEY_FD	 (1ULL << 32)
#define REQUESTS_KEY_TLS (1ULL << 63)

/* This thread is at a request of @fd's. */
static inline bool requests_is_at(int fd)
{
	const struct request_context *c = &self.context;

	if (!c->open)
		return false;
	if (c->key & REQUESTS_KEY_TLS)
		return c->sealed_fd == fd;
	return c->key == (REQUESTS_KEY_FD | (uint64_t)(unsigned)fd);
}

/* A connection that is served. */
static inline bool requests_is_served(int fd)
{
	enum requests_kind kind = requests_kind(fd);

	return kind == REQUESTS_CONNECTION || kind == REQUESTS_SEALED;
}

/* Before and after a wait for events; @epoll: on that descriptor, or -1. */
uint64_t requests_wait(enum requests_waiting waits);
void requests_ready(enum requests_waiting waits, int epoll, uint64_t since);

#endif

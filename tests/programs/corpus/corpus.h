/*
 * corpus: small servers whose memory is known, to hold the verdict to.
 *
 * A case is one file of clean/ or faulty/, linked to one HTTP server (main.c,
 * serve.c) that calls it.  The server itself allocates nothing once it
 * listens, so all that moves is the case's.  Each head says the truth, in
 * lines that tests/e2e/corpus.py reads:
 *
 *	class: clean, leak, growth, retention, mappings, threads or fds
 *	also: a second class that may be found besides, of the same function
 *	function: the one to be named; with `|` where two would be right
 *	bytes: kept for each request, or `N of /path` for each of that path's;
 *	    absent where it is not about bytes
 *	things: threads or descriptors kept for each request
 *	load: what is put on it (2,000 requests a second of /work by 8
 *	    connections where the line is absent), see corpus.py
 *	fools: or hides: what is hard about it
 *	argued: what could be said against the class, and why it stands
 *
 * A line goes on where the next ones are indented deeper.
 */
#ifndef CORPUS_H
#define CORPUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Its own frame, in its own place, under its own name. */
#if defined(__has_attribute) && __has_attribute(noipa)
#define NOINLINE __attribute__((noipa))
#else
#define NOINLINE __attribute__((noinline))
#endif
/* The compiler may not drop a block that nobody looks at; after a call, it
 * may not turn the call into a jump. */
#define USE(p) __asm__ volatile("" : : "r"(p) : "memory")

struct request {
	const char *path;
	uint64_t number; /* from 0, of this process */
	unsigned worker; /* who serves it */
	int status;	 /* to answer with; 200 */
};

/* How long this run will be.  A case that fills or fails at a certain share
 * of the run asks here, so that its truth holds for short runs too. */
struct plan {
	uint64_t requests; /* of this process */
	double seconds;
};
extern struct plan plan;

/* How the server works; a case may define one of its own. */
struct shape {
	unsigned workers;   /* threads that serve: connections at a time */
	unsigned processes; /* forked to serve; 0: this one does */
};
extern const struct shape shape;

void case_start(void);			   /* before the first request */
void case_request(struct request *r);	   /* in one of the workers */
void case_idle(void);			   /* each 100 ms, main thread */
void case_opened(unsigned worker, int fd); /* a connection came */
void case_closed(unsigned worker);	   /* and went */

double seconds_since_start(void);
/* A number from another, all bits of it. */
uint64_t scramble(uint64_t x);
/* What a case that cannot go on says; does not return. */
void give_up(const char *what) __attribute__((noreturn));
/* Blocks of no interest are written to, as a server would. */
void fill(void *p, size_t size);

#ifdef __cplusplus
}
#endif

#endif

/*
 * probing: probes in the kernel on the processes of a recording, and what
 * they see written into it.
 *
 * Single-threaded but for its keeper's thread.
 */
#ifndef STRANDLINE_CMD_PROBING_H
#define STRANDLINE_CMD_PROBING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct probes;
struct probing;
struct writer;

struct probing_options { /* outlive the probing */
	const char *dir; /* the recording */
	uint64_t max_bytes;
	const char *cgroup; /* all that is started in it, too; NULL: none */
	bool follow;	    /* what the processes start, too */
	bool lazy;	    /* only what has requests or calls gets a file */
	bool own_pids;	    /* as a recorder in the process numbers itself */
	bool http;
	const char *const *routes;
	size_t route_count;
	const char *const *handlers;
	size_t handler_count;
	uint64_t hertz;		  /* looks at each CPU a second; 0: none */
	bool faults;		  /* who makes the resident size grow */
	bool offcpu;		  /* what threads wait for */
	bool heap;		  /* blocks of the allocator; dear */
	uint64_t heap_mean_bytes; /* between samples; 0: by itself */
	double heap_budget_pct;	  /* of one CPU */
};

/* Load the programs.  They see nothing yet. */
int probing_open(struct probing **out, const struct probing_options *options,
		 struct err *err);
void probing_close(struct probing *p); /* NULL is fine */
/* For more probes, before probing_attach(). */
struct probes *probing_probes(const struct probing *p);

/* It is looked at. */
bool probing_has(const struct probing *p, pid_t pid);
/* Look at process @pid, and, unless that is lazy, give it a file now. */
int probing_add(struct probing *p, pid_t pid, struct err *err);
/* Begin; and look at what those have started before, where it follows. */
int probing_attach(struct probing *p, struct err *err);

int probing_fd(const struct probing *p); /* readable: there is work */
void probing_work(struct probing *p);
/* Nothing more is wanted: wait a moment for what has as good as ended. */
void probing_settle(struct probing *p);
/* Write what came since the last one, about once a second; 0 or -errno. */
int probing_flush(struct probing *p, struct writer *w, uint64_t at_ns);

#endif

/*
 * probe: programs in the kernel that look at the processes of one session.
 *
 * A session (struct probes) owns the set of processes that are looked at
 * (bpf/targets.h) and any number of probes, each one BPF object and its user
 * half.  Links and maps are file descriptors and nothing is pinned, so all of
 * it is gone with this process, however that ends.
 *
 * One thread: drain and close from where it was opened.
 */
#ifndef STRANDLINE_PROBE_PROBE_H
#define STRANDLINE_PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/probe/ring.h"

struct bpf_map;
struct bpf_object;
struct err;
struct probe;
struct probes;

struct probe_counter {
	const char *probe, *reason; /* constant */
	uint64_t count;		    /* so far */
	bool did;		    /* counts what it did, not what was lost */
	bool ns; /* ...and is time taken from the targets, in ns */
};

/* The counter of what a probe adds to every system call of the host, in ns. */
#define PROBE_NS_SYSCALL "ns_syscall"

/* What a probe is.  @self is what its open made. */
struct probe_class {
	const char *name;
	/* Load; the maps of @set are in place after probes_share(). */
	int (*open)(void **self, struct probes *set, const void *options,
		    struct err *err);
	int (*attach)(void *self, struct err *err);
	/* Take what has come; never waits. */
	int (*drain)(void *self);
	/* Has something begun whose end may be about to come?  Or NULL. */
	bool (*unfinished)(void *self);
	int (*fd)(void *self); /* readable when there is something; or -1 */
	/* The n-th counter; false past the last. */
	bool (*counter)(void *self, size_t n, struct probe_counter *into);
	void (*close)(void *self); /* NULL is fine */
};

struct capture;
struct procs_event; /* bpf/procs.h */

struct probes_options {
	const char *cgroup;    /* directory of a cgroup; NULL: none */
	uint32_t cgroup_level; /* how deep it lies below the root */
	bool follow;	       /* what the targets fork too */
	/* A target began, became another program or ended; or NULL. */
	void (*process)(void *context, const struct procs_event *event);
	void *context;
	struct capture *capture; /* where what is seen goes; or NULL */
};

/*
 * Begin a session.  -ENOTSUP where this build or kernel has no BPF, -EPERM
 * without the right; each with the way out.
 */
int probes_open(struct probes **out, const struct probes_options *options,
		struct err *err);
void probes_close(struct probes *set); /* NULL is fine */

/* 0 or -errno: can programs be loaded here?  The sentence says what lacks. */
int probes_possible(struct err *err);

/* Look at process @pid (of our pid namespace) too. */
int probes_target(struct probes *set, pid_t pid, uint64_t start_ns,
		  struct err *err);
bool probes_is_target(const struct probes *set, pid_t pid);

/* Add a probe.  It sees nothing before probes_attach(). */
int probes_add(struct probes *set, const struct probe_class *class,
	       const void *options, struct err *err);
int probes_attach(struct probes *set, struct err *err);
/* Wait until something came, @timeout_ms at most, and take it. */
int probes_drain(struct probes *set, int timeout_ms);
/*
 * Take what is still to come of what has begun, for @most_ms at most: clients
 * have the last byte of an answer before the call that sent it returns.
 */
void probes_settle(struct probes *set, int most_ms);
/* The n-th counter of all probes; false past the last. */
bool probes_counter(const struct probes *set, size_t n,
		    struct probe_counter *into);
/* Readable when there is something to drain. */
int probes_fd(const struct probes *set);

/* For probes: where what they see goes; or NULL. */
struct capture *probes_capture(const struct probes *set);
/* For probes: use the session's maps in @object, before it is loaded. */
int probes_share(const struct probes *set, struct bpf_object *object,
		 struct err *err);
/* For probes: the sum over all CPUs of counter @which of a `counters` map. */
uint64_t probes_count(const struct bpf_map *counters, uint32_t which);
/* For probes: ring_open() of a map that is loaded. */
int probes_ring(struct ring **out, const struct bpf_map *map, ring_sink *sink,
		void *context);

#endif

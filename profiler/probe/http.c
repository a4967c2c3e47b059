/*
 * http: see http.h.
 *
 * Departure.  A small write to a client that waits for it on the same core
 * returns when that client has had its turn; so of one that cannot have
 * waited for room not its return is taken, but the time that it takes to hand
 * bytes over.
 */
#include "profiler/probe/http.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bpf/http.h"
#include "bpf/http.skel.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/probe/price.h"
#include "profiler/probe/probe.h"
#include "profiler/probe/tls.h"

/* Half of what the kernel side may know: most are idle or closed. */
#define CONNECTIONS    (SEGMENT_CONNECTIONS_MOST / 2)
#define SLEPT_NS       20000u /* a write that took as long was preempted */
#define SMALL_WRITE    65536u /* not above it: handed over at once */
#define TID_BITS       22     /* PID_MAX_LIMIT */
#define SWEEP_NS       1000000000ULL
#define LOOK_NS	       2000000000ULL /* for libraries that were mapped */
#define LOOK_SOON      100000000ULL  /* while a server starts, if it grows */
#define SOON	       100	     /* looks */
#define ANSWER_IDLE_NS 2000000000ULL

enum own_counter { /* behind those of the program and of the tracker */
		   OWN_SHORT_EVENTS,
		   OWN_PLAIN, /* connections of a TLS library's plaintext */
		   OWN_TAX,
		   OWN_NCOUNTERS,
};

struct http_probe {
	struct http_bpf *bpf;
	struct ring *ring;
	struct http_probe_options options;
	struct routes *routes;
	void *memory; /* of the tracker */
	size_t memory_size;
	struct track *track;
	const struct segment *now; /* being fed */
	struct tls *tls;
	struct hash *readers; /* connection -> who read its last request */
	uint64_t tax_ns;      /* on every system call of the host */
	struct hash
		*sizes; /* process -> of its mappings, when last looked at */
	uint64_t swept_ns, looked_ns, glanced_ns, glances;
	uint64_t own[OWN_NCOUNTERS];
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* A thread and how long it was on a CPU: 22 bits, and as many us as fit. */
static uint64_t reader_of(const struct segment *e)
{
	return e->cpu_ns / 1000 << TID_BITS | e->tid;
}

static bool cpu_since(const struct http_probe *p, uint64_t reader,
		      uint64_t *cpu_ns)
{
	uint64_t us = reader >> TID_BITS;

	if (!p->now || p->now->kind != SEGMENT_WRITE ||
	    p->now->tid != (reader & ((1u << TID_BITS) - 1)) ||
	    p->now->cpu_ns / 1000 < us)
		return false;
	*cpu_ns = p->now->cpu_ns - us * 1000;
	return true;
}

/* Requests that are read before the last was answered are nobody's alone. */
static void note_reader(struct http_probe *p, const struct track_event *event,
			struct http_seen *seen)
{
	uint64_t key = event->request->key, reader;

	if (event->type == TRACK_HANDLED && p->now &&
	    p->now->kind == SEGMENT_READ)
		(void)hash_set(p->readers, key, reader_of(p->now));
	if (event->type != TRACK_ENDED ||
	    !hash_remove(p->readers, key, &reader))
		return;
	seen->cpu_known = cpu_since(p, reader, &seen->cpu_ns);
	seen->reader = (pid_t)(reader & ((1u << TID_BITS) - 1));
}

static void on_request(void *context, const struct track_event *event)
{
	struct http_probe *p = context;
	struct http_seen seen = {
		.event = event,
		.routes = p->routes,
		.pid = p->now ? (pid_t)p->now->pid : 0,
		.tid = p->now ? (pid_t)p->now->tid : 0,
	};

	note_reader(p, event, &seen);

	p->options.seen(p->options.context, &seen);
}

/* See "Departure" above. */
static uint64_t moment(const struct segment *e)
{
	if (e->kind == SEGMENT_READ || e->flags & SEGMENT_WAITS ||
	    e->total > SMALL_WRITE || e->at_ns - e->since_ns < SLEPT_NS)
		return e->at_ns;
	return e->since_ns + SLEPT_NS;
}

/* The program need not tell any more of what is not HTTP/1. */
static void ignore(struct http_probe *p, uint64_t key)
{
	int map = bpf_map__fd(p->bpf->maps.connections);
	struct segment_connection c;

	if (bpf_map_lookup_elem(map, &key, &c) < 0)
		return;
	c.ignored = 1;
	bpf_map_update_elem(map, &key, &c, BPF_EXIST);
}

static bool feed(struct http_probe *p, uint64_t key, struct track_feed *f,
		 const void *bytes, size_t seen, uint64_t total)
{
	f->bytes = seen ? bytes : NULL;
	f->seen = seen;
	f->total = total;
	return total ? track_feed(p->track, key, f) : false;
}

/* The buffers of one call, in order; what nobody looked at, by its length. */
static bool feed_pieces(struct http_probe *p, const struct segment *e,
			size_t room)
{
	struct track_feed f = {
		.way = e->kind == SEGMENT_READ ? TRACK_IN : TRACK_OUT,
		.at = moment(e),
		.arrived = e->arrived_ns < e->at_ns ? e->arrived_ns : 0,
	};
	uint64_t left = e->total;
	size_t used = 0;
	bool taken = feed(p, e->connection, &f, NULL, 0, e->missed);

	for (unsigned i = 0; i < e->pieces && i < SEGMENT_PIECES && left; i++) {
		const struct segment_piece *piece = &e->piece[i];
		size_t seen = piece->seen, tail = piece->tail;

		if (piece->total > left || seen + tail > piece->total ||
		    used + seen + tail > room)
			break;
		if (e->flags & SEGMENT_UNREAD)
			seen = tail = 0;
		taken |= feed(p, e->connection, &f, e->bytes + used, seen,
			      piece->total - tail);
		taken |= feed(p, e->connection, &f, e->bytes + used + seen,
			      tail, tail);
		used += (size_t)piece->seen + piece->tail;
		left -= piece->total;
	}
	return feed(p, e->connection, &f, NULL, 0, left) || taken;
}

static void tell_connection(const struct http_probe *p, const struct segment *e,
			    bool foreign)
{
	if (p->options.connected)
		p->options.connected(p->options.context, (pid_t)e->pid,
				     foreign);
}

static void transfer(struct http_probe *p, const struct segment *e, size_t room)
{
	uint64_t tls;

	if (e->flags & SEGMENT_OPENS) {
		/* Whoever had this address before is gone. */
		if (track_knows(p->track, e->connection))
			track_close(p->track, e->connection, e->since_ns);
		if (e->flags & SEGMENT_TLS)
			p->own[OWN_PLAIN]++;
		else
			tell_connection(p, e, false);
		if (e->flags & SEGMENT_JOINED)
			track_follow(p->track, e->connection);
		else
			track_open(p->track, e->connection);
	}
	/* Else the table is full, or it was told before we ignored it. */
	if (!track_knows(p->track, e->connection))
		return;
	tls = track_counted(p->track, TRACK_TLS);
	if (feed_pieces(p, e, room) || !track_left(p->track, e->connection))
		return;
	track_close(p->track, e->connection, e->at_ns);
	ignore(p, e->connection);
	/* What it carries is seen where it is encrypted. */
	if (tls == track_counted(p->track, TRACK_TLS) || !tls_libraries(p->tls))
		tell_connection(p, e, true);
}

static int on_event(void *context, void *bytes, size_t size)
{
	struct http_probe *p = context;
	const struct segment *e = bytes;

	if (size < sizeof(*e)) {
		p->own[OWN_SHORT_EVENTS]++;
		return 0;
	}
	p->now = e;
	if (e->kind == SEGMENT_CLOSE)
		track_close(p->track, e->connection, e->at_ns);
	else
		transfer(p, e, size - sizeof(*e));
	p->now = NULL;
	return 0;
}

static void http_close(void *self)
{
	struct http_probe *p = self;

	if (!p)
		return;
	tls_free(p->tls);
	hash_free(p->readers);
	hash_free(p->sizes);
	ring_close(p->ring);
	http_bpf__destroy(p->bpf);
	if (p->memory)
		munmap(p->memory, p->memory_size);
	free(p->routes);
	free(p);
}

static int make_tracker(struct http_probe *p, struct err *err)
{
	void *routes = calloc(1, routes_size());

	p->memory_size = track_size(CONNECTIONS);
	p->memory = mmap(NULL, p->memory_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!routes || p->memory == MAP_FAILED) {
		free(routes);
		p->memory = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	p->routes = routes_init(routes);
	for (size_t i = 0; i < p->options.template_count; i++)
		routes_add_template(p->routes, p->options.templates[i]);
	p->track = track_init(p->memory, CONNECTIONS, p->routes, on_request, p);
	return 0;
}

static int load(struct http_probe *p, struct probes *set, struct err *err)
{
	int rc;

	p->bpf = http_bpf__open();
	if (!p->bpf)
		return err_errno(err, "cannot read the program http");
	rc = probes_share(set, p->bpf->obj, err);
	if (rc < 0)
		return rc;
	tls_prepare(p->bpf);
	p->tls = tls_new(p->bpf, p->options.note, p->options.context);
	if (!p->tls)
		return err_set(err, -ENOMEM, "out of memory");
	rc = http_bpf__load(p->bpf);
	if (rc == 0)
		rc = probes_ring(&p->ring, p->bpf->maps.ring, on_event, p);
	if (rc < 0)
		err_set(err, rc, "cannot load the program http: %s",
			strerror(-rc));
	return rc;
}

static int http_open(void **self, struct probes *set, const void *options,
		     struct err *err)
{
	struct http_probe *p = calloc(1, sizeof(*p));
	int rc;

	*self = NULL;
	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->options = *(const struct http_probe_options *)options;
	p->readers = hash_new();
	p->sizes = hash_new();
	rc = p->readers && p->sizes ? make_tracker(p, err)
				    : err_set(err, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = load(p, set, err);
	if (rc < 0)
		http_close(p);
	else
		*self = p;
	return rc;
}

/* Its mappings take more or less than when they were last looked at. */
static bool mappings_changed(struct http_probe *p, uint32_t pid)
{
	char path[32];
	unsigned long pages = 0;
	uint64_t *known = hash_find(p->sizes, pid);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/statm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	fclose(f);
	if (known && *known == pages)
		return false;
	hash_set(p->sizes, pid, pages); /* without memory: looked at again */
	return true;
}

/* Reading all mappings of a server takes a millisecond. */
static void look_for_tls(struct http_probe *p, bool at_all)
{
	int map = bpf_map__fd(p->bpf->maps.targets);
	uint32_t pid, *last = NULL;

	while (bpf_map_get_next_key(map, last, &pid) == 0) {
		if (mappings_changed(p, pid) || at_all)
			tls_look(p->tls, (pid_t)pid);
		last = &pid;
	}
	p->glances += last != NULL;
	p->glanced_ns = now_ns();
	if (at_all)
		p->looked_ns = p->glanced_ns;
}

static int http_attach(void *self, struct err *err)
{
	struct http_probe *p = self;
	double before = price_syscall_ns(), tax;
	int rc = http_bpf__attach(p->bpf);

	if (rc < 0)
		return err_set(err, rc, "cannot follow requests: %s",
			       strerror(-rc));
	tax = price_syscall_ns() - before;
	p->tax_ns = tax > 0 ? (uint64_t)(tax + 0.5) : 0;
	look_for_tls(p, true);
	return 0;
}

static int http_drain(void *self)
{
	struct http_probe *p = self;
	int rc = ring_consume(p->ring);
	uint64_t now = now_ns();

	if (now - p->swept_ns >= SWEEP_NS) {
		p->swept_ns = now;
		track_sweep(p->track, now, ANSWER_IDLE_NS);
	}
	if (now - p->looked_ns >= LOOK_NS)
		look_for_tls(p, true);
	else if (p->glances < SOON && now - p->glanced_ns >= LOOK_SOON)
		look_for_tls(p, false);
	return rc < 0 ? rc : 0;
}

static bool http_unfinished(void *self)
{
	return track_awaits(((struct http_probe *)self)->track);
}

static int http_fd(void *self)
{
	return ring_fd(((struct http_probe *)self)->ring);
}

static const char *const told[SEGMENT_NCOUNTERS] = {
	[SEGMENT_SENT] = "sent",
	[SEGMENT_RING_FULL] = "ring_full",
	[SEGMENT_CONNECTIONS_FULL] = "too_many_connections",
	[SEGMENT_NO_STORAGE] = "no_thread_storage",
	[SEGMENT_BYTES_UNREAD] = "bytes_unread",
	[SEGMENT_IO_URING] = "io_uring",
	[SEGMENT_RUNS] = "runs",
	[SEGMENT_NS] = "ns_spent",
};

static const char *const tracked[TRACK_NCOUNTS] = {
	[TRACK_REQUESTS] = "requests",
	[TRACK_CONNECTIONS] = "connections",
	[TRACK_NOT_HTTP] = "not_http",
	[TRACK_TLS] = "tls_unseen",
	[TRACK_HTTP2] = "http2",
	[TRACK_CLIENT] = "as_client",
	[TRACK_UPGRADES] = "upgraded",
	[TRACK_FRAMING_LOST] = "framing_lost",
	[TRACK_BUSY] = "busy",
	[TRACK_TABLE_FULL] = "table_full",
	[TRACK_PIPELINE_FULL] = "pipeline_full",
};

static const char *const own[OWN_NCOUNTERS] = {
	[OWN_SHORT_EVENTS] = "short_events",
	[OWN_PLAIN] = "tls_seen",
	[OWN_TAX] = PROBE_NS_SYSCALL,
};

/* What it did, and connections that carry nothing to be lost. */
static bool is_deed(enum track_count which)
{
	return which == TRACK_REQUESTS || which == TRACK_CONNECTIONS ||
	       which == TRACK_UPGRADES || which == TRACK_CLIENT ||
	       which == TRACK_NOT_HTTP;
}

static bool http_counter(void *self, size_t n, struct probe_counter *into)
{
	struct http_probe *p = self;

	*into = (struct probe_counter) { .probe = "http" };
	if (n < SEGMENT_NCOUNTERS) {
		into->did = n == SEGMENT_SENT || n >= SEGMENT_RUNS;
		into->reason = told[n];
		into->count = probes_count(p->bpf->maps.counters, (uint32_t)n);
		into->ns = n == SEGMENT_NS;
		if (into->ns) /* of one run in so many */
			into->count *= SEGMENT_TIMED;
		return true;
	}
	n -= SEGMENT_NCOUNTERS;
	if (n < TRACK_NCOUNTS) {
		into->did = is_deed((enum track_count)n);
		into->reason = tracked[n];
		into->count = track_counted(p->track, (enum track_count)n);
		if (n == TRACK_TLS)
			into->count -= into->count < p->own[OWN_PLAIN]
					       ? into->count
					       : p->own[OWN_PLAIN];
		return true;
	}
	n -= TRACK_NCOUNTS;
	if (n >= OWN_NCOUNTERS)
		return false;
	into->did = n != OWN_SHORT_EVENTS;
	into->reason = own[n];
	into->count = n == OWN_TAX ? p->tax_ns : p->own[n];
	return true;
}

const struct probe_class probe_http = {
	.name = "http",
	.open = http_open,
	.attach = http_attach,
	.drain = http_drain,
	.unfinished = http_unfinished,
	.fd = http_fd,
	.counter = http_counter,
	.close = http_close,
};

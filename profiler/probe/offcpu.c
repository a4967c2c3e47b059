/*
 * offcpu: what threads wait for.
 *
 * About once a second the kernel's sums are read, and what each grew by is
 * weighed.  To them comes what threads wait for just then, so that a wait of
 * an hour is seen while it lasts; when it ends the sum takes its place.
 */
#include "profiler/probe/offcpu.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/offcpu.h"
#include "bpf/offcpu.skel.h"
#include "bpf/stack.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/lately.h"
#include "profiler/probe/probe.h"

#define READ_NS 900000000ULL

struct place {
	struct offcpu_place key;
	uint64_t ns, count; /* of waits that ended and of those that */
	uint64_t seen_ns, seen_count; /* last; and what of it was weighed */
};

struct offcpu {
	struct offcpu_bpf *bpf;
	struct ring *ring, *waits;
	struct capture *capture;
	struct hash *nodes;	/* stack's id -> node */
	struct hash *positions; /* place, mixed -> index */
	VEC(struct place) places;
	uint64_t read_ns;
	uint64_t no_memory;
};

_Static_assert((int)OFFCPU_OTHER == (int)BLOCKED_OTHER &&
		       (int)OFFCPU_FILE == (int)BLOCKED_FILE,
	       "reasons are handed on as they are");

static int on_stack(void *context, void *bytes, size_t size)
{
	struct offcpu *o = context;
	const struct stack_sample *sample = bytes;
	uint32_t node;

	if (!o->capture)
		return 0;
	node = capture_stack(o->capture, sample, size);
	if (node && hash_set(o->nodes, sample->head.id, node) < 0)
		o->no_memory++;
	return 0;
}

/* Its stack came before it: the rings are read in that order. */
static int on_wait(void *context, void *bytes, size_t size)
{
	struct offcpu *o = context;
	const struct offcpu_wait *wait = bytes;
	const uint64_t *stack;

	if (size < sizeof(*wait))
		return 0;
	stack = hash_find(o->nodes, wait->place.stack);
	capture_moment(o->capture,
		       &(struct lately_moment) {
			       .from_ns = wait->from_ns,
			       .until_ns = wait->until_ns,
			       .ns = wait->ns,
			       .pid = (pid_t)wait->place.pid,
			       .tid = (pid_t)wait->tid,
			       .node = capture_blocked(
				       o->capture, (pid_t)wait->place.pid,
				       stack ? (uint32_t)*stack : 0,
				       (enum wire_blocked)wait->place.why),
			       .kind = WEIGHT_OFFCPU,
			       .why = (uint8_t)wait->place.why,
		       });
	return 0;
}

static struct place *place_of(struct offcpu *o, const struct offcpu_place *key)
{
	uint64_t mixed = hash_mix(hash_mix(key->stack ^ key->pid) ^ key->why);
	const uint64_t *position = hash_find(o->positions, mixed);
	struct place *place;

	if (position)
		return &o->places.at[*position];
	place = vec_push(&o->places);
	if (!place || hash_set(o->positions, mixed, o->places.count - 1) < 0) {
		o->places.count -= place != NULL;
		o->no_memory++;
		return NULL;
	}
	place->key = *key;
	return place;
}

static void read_sums(struct offcpu *o)
{
	int fd = bpf_map__fd(o->bpf->maps.sums);
	struct offcpu_place key, *before = NULL;
	struct offcpu_sum sum;
	struct place *known;

	vec_foreach (&o->places, known)
		known->ns = known->count = 0;
	while (bpf_map_get_next_key(fd, before, &key) == 0) {
		struct place *place = place_of(o, &key);

		before = &key;
		if (!place || bpf_map_lookup_elem(fd, &key, &sum) < 0)
			continue;
		place->ns = sum.ns;
		place->count = sum.count;
	}
}

/* A wait that began before the one that the kernel has added up already is
 * over: at most one of both is read. */
static void read_waiting(struct offcpu *o, uint64_t now)
{
	int fd = bpf_map__fd(o->bpf->maps.waiting);
	uint32_t tid, *before = NULL;
	struct offcpu_thread thread;

	while (bpf_map_get_next_key(fd, before, &tid) == 0) {
		struct place *place;

		before = &tid;
		if (bpf_map_lookup_elem(fd, &tid, &thread) < 0 ||
		    !thread.since_ns || thread.since_ns >= now)
			continue;
		place = place_of(o, &thread.place);
		if (place)
			place->ns += now - thread.since_ns;
	}
}

/* What came since the last time; it can be less, by a race with a wait that
 * ended between two readings. */
static void weigh(struct offcpu *o)
{
	struct place *place;

	vec_foreach (&o->places, place) {
		const uint64_t *stack = hash_find(o->nodes, place->key.stack);
		uint32_t node;

		if (place->ns == place->seen_ns &&
		    place->count == place->seen_count)
			continue;
		node = capture_blocked(o->capture, (pid_t)place->key.pid,
				       stack ? (uint32_t)*stack : 0,
				       (enum wire_blocked)place->key.why);
		capture_weigh(o->capture, (pid_t)place->key.pid, node,
			      WEIGHT_OFFCPU,
			      (int64_t)(place->count - place->seen_count),
			      (int64_t)(place->ns - place->seen_ns));
		place->seen_ns = place->ns;
		place->seen_count = place->count;
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static int offcpu_drain(void *self)
{
	struct offcpu *o = self;
	uint64_t now = now_ns();
	int rc = ring_consume(o->ring);

	if (rc >= 0)
		rc = ring_consume(o->waits);

	if (now - o->read_ns >= READ_NS && o->capture) {
		o->read_ns = now;
		read_sums(o);
		read_waiting(o, now);
		weigh(o);
	}
	return rc < 0 ? rc : 0;
}

static void offcpu_close(void *self)
{
	struct offcpu *o = self;

	if (!o)
		return;
	ring_close(o->ring);
	ring_close(o->waits);
	offcpu_bpf__destroy(o->bpf);
	hash_free(o->nodes);
	hash_free(o->positions);
	vec_free(&o->places);
	free(o);
}

static int load(struct offcpu *o, struct probes *set, struct err *err)
{
	int rc;

	o->bpf = offcpu_bpf__open();
	if (!o->bpf)
		return err_errno(err, "cannot read the program offcpu");
	rc = probes_share(set, o->bpf->obj, err);
	if (rc < 0)
		return rc;
	o->bpf->rodata->tells_waits =
		o->capture && capture_follows_requests(o->capture);
	rc = offcpu_bpf__load(o->bpf);
	if (rc == 0)
		rc = probes_ring(&o->ring, o->bpf->maps.ring, on_stack, o);
	if (rc == 0)
		rc = probes_ring(&o->waits, o->bpf->maps.waits, on_wait, o);
	if (rc < 0)
		err_set(err, rc, "cannot load the program offcpu: %s",
			strerror(-rc));
	return rc;
}

static int offcpu_open(void **self, struct probes *set, const void *options,
		       struct err *err)
{
	struct offcpu *o = calloc(1, sizeof(*o));
	int rc;

	(void)options;
	*self = NULL;
	if (o) {
		o->nodes = hash_new();
		o->positions = hash_new();
	}
	if (!o || !o->nodes || !o->positions) {
		offcpu_close(o);
		return err_set(err, -ENOMEM, "out of memory");
	}
	o->capture = probes_capture(set);
	o->read_ns = now_ns();
	rc = load(o, set, err);
	if (rc < 0)
		offcpu_close(o);
	else
		*self = o;
	return rc;
}

static int offcpu_attach(void *self, struct err *err)
{
	int rc = offcpu_bpf__attach(((struct offcpu *)self)->bpf);

	if (rc < 0)
		err_set(err, rc, "cannot watch threads that wait: %s",
			strerror(-rc));
	return rc;
}

static int offcpu_fd(void *self)
{
	(void)self;
	return -1; /* its stacks can wait for the second's end */
}

static bool offcpu_counter(void *self, size_t n, struct probe_counter *into)
{
	static const struct probe_counter kinds[OFFCPU_NCOUNTERS + 1] = {
		[OFFCPU_STACKS] = { .reason = "stacks", .did = true },
		[OFFCPU_NS] = { .reason = "ns", .did = true, .ns = true },
		[OFFCPU_SWITCHES] = { .reason = "switches", .did = true },
		[OFFCPU_RING_FULL] = { .reason = "ring_full" },
		[OFFCPU_THREADS_FULL] = { .reason = "too_many_threads" },
		[OFFCPU_PLACES_FULL] = { .reason = "too_many_places" },
		[OFFCPU_CUT] = { .reason = "stack_truncated" },
		[OFFCPU_BROKEN] = { .reason = "stack_broken" },
		[OFFCPU_WAITS] = { .reason = "waits", .did = true },
		[OFFCPU_WAITS_FULL] = { .reason = "waits_full" },
		[OFFCPU_NCOUNTERS] = { .reason = "no_memory" },
	};
	const struct offcpu *o = self;

	if (n > OFFCPU_NCOUNTERS)
		return false;
	*into = kinds[n];
	into->probe = "offcpu";
	into->count =
		n == OFFCPU_NCOUNTERS
			? o->no_memory
			: probes_count(o->bpf->maps.counters, (uint32_t)n);
	return true;
}

const struct probe_class probe_offcpu = {
	.name = "offcpu",
	.open = offcpu_open,
	.attach = offcpu_attach,
	.drain = offcpu_drain,
	.fd = offcpu_fd,
	.counter = offcpu_counter,
	.close = offcpu_close,
};

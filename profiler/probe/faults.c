/*
 * faults: who makes the resident size grow.
 *
 * A step of pages weighs on the stack that made it until its address is given
 * back, so that the weights are what is still held of what was taken.
 */
#include "profiler/probe/faults.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/faults.h"
#include "bpf/faults.skel.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/probe.h"
#include "profiler/probe/taken.h"

struct faults {
	struct faults_bpf *bpf;
	struct ring *ring;
	struct capture *capture;
	struct hash *places; /* pid -> index */
	VEC(struct taken *) processes;
	int64_t page_bytes;
	uint64_t no_memory; /* charges that can never be taken back */
};

static struct taken *pages_of(struct faults *f, pid_t pid)
{
	const uint64_t *place = hash_find(f->places, (uint64_t)pid);
	struct taken **slot;

	if (place)
		return f->processes.at[*place];
	slot = vec_push(&f->processes);
	if (!slot)
		return NULL;
	*slot = taken_new();
	if (*slot &&
	    hash_set(f->places, (uint64_t)pid, f->processes.count - 1) == 0)
		return *slot;
	taken_free(*slot);
	f->processes.count--;
	return NULL;
}

static void on_taken(struct faults *f, const struct faults_taken *taken,
		     size_t size)
{
	pid_t pid = taken->sample.head.pid;
	struct taken_charge charge = {
		.address = taken->address,
		.pages = taken->pages,
	};
	struct taken *pages;

	charge.node = capture_stack(f->capture, &taken->sample, size);
	if (!charge.node)
		return;
	capture_weigh(f->capture, pid, charge.node, WEIGHT_RSS, 1,
		      charge.pages * f->page_bytes);
	pages = pages_of(f, pid);
	if (!pages || taken_add(pages, &charge) < 0)
		f->no_memory++;
}

struct giving {
	struct faults *faults;
	pid_t pid;
};

static void take_back(void *context, const struct taken_charge *charge)
{
	const struct giving *g = context;

	capture_weigh(g->faults->capture, g->pid, charge->node, WEIGHT_RSS, 0,
		      -(charge->pages * g->faults->page_bytes));
}

static void on_given(struct faults *f, const struct faults_given *given)
{
	struct giving giving = { f, given->pid };
	struct taken *pages = pages_of(f, given->pid);

	if (!pages)
		f->no_memory++;
	else if (given->what == FAULTS_MOVED)
		taken_move(pages, given->start, given->end, given->to);
	else
		taken_remove(pages, given->start, given->end, take_back,
			     &giving);
}

static int on_event(void *context, void *bytes, size_t size)
{
	struct faults *f = context;
	const struct faults_taken *taken = bytes;
	size_t head = offsetof(struct faults_taken, sample);

	if (!f->capture || size < sizeof(taken->what))
		return 0;
	if (taken->what == FAULTS_TAKEN && size > head)
		on_taken(f, taken, size - head);
	else if (size >= sizeof(struct faults_given))
		on_given(f, bytes);
	return 0;
}

static void faults_close(void *self)
{
	struct faults *f = self;
	struct taken **pages;

	if (!f)
		return;
	ring_close(f->ring);
	faults_bpf__destroy(f->bpf);
	vec_foreach (&f->processes, pages)
		taken_free(*pages);
	vec_free(&f->processes);
	hash_free(f->places);
	free(f);
}

static int load(struct faults *f, struct probes *set, struct err *err)
{
	int rc;

	f->bpf = faults_bpf__open();
	if (!f->bpf)
		return err_errno(err, "cannot read the program faults");
	rc = probes_share(set, f->bpf->obj, err);
	if (rc < 0)
		return rc;
	rc = faults_bpf__load(f->bpf);
	if (rc == 0)
		rc = probes_ring(&f->ring, f->bpf->maps.ring, on_event, f);
	if (rc < 0)
		err_set(err, rc, "cannot load the program faults: %s",
			strerror(-rc));
	return rc;
}

static int faults_open(void **self, struct probes *set, const void *options,
		       struct err *err)
{
	struct faults *f = calloc(1, sizeof(*f));
	int rc;

	(void)options;
	*self = NULL;
	if (f)
		f->places = hash_new();
	if (!f || !f->places) {
		faults_close(f);
		return err_set(err, -ENOMEM, "out of memory");
	}
	f->capture = probes_capture(set);
	f->page_bytes = sysconf(_SC_PAGESIZE);
	rc = load(f, set, err);
	if (rc < 0)
		faults_close(f);
	else
		*self = f;
	return rc;
}

static int faults_attach(void *self, struct err *err)
{
	int rc = faults_bpf__attach(((struct faults *)self)->bpf);

	if (rc < 0)
		err_set(err, rc, "cannot watch page faults: %s", strerror(-rc));
	return rc;
}

static int faults_drain(void *self)
{
	int rc = ring_consume(((struct faults *)self)->ring);

	return rc < 0 ? rc : 0;
}

static int faults_fd(void *self)
{
	return ring_fd(((struct faults *)self)->ring);
}

static bool faults_counter(void *self, size_t n, struct probe_counter *into)
{
	static const struct probe_counter kinds[FAULTS_NCOUNTERS + 1] = {
		[FAULTS_SENT] = { .reason = "sent", .did = true },
		[FAULTS_NS] = { .reason = "ns", .did = true, .ns = true },
		[FAULTS_STACKS] = { .reason = "stacks", .did = true },
		[FAULTS_RING_FULL] = { .reason = "ring_full" },
		[FAULTS_PAGES_LOST] = { .reason = "pages_lost" },
		[FAULTS_GIVEN_LOST] = { .reason = "releases_lost" },
		[FAULTS_CUT] = { .reason = "stack_truncated" },
		[FAULTS_BROKEN] = { .reason = "stack_broken" },
		[FAULTS_NO_STORAGE] = { .reason = "no_thread_state" },
		[FAULTS_NCOUNTERS] = { .reason = "no_memory" },
	};
	const struct faults *f = self;

	if (n > FAULTS_NCOUNTERS)
		return false;
	*into = kinds[n];
	into->probe = "faults";
	into->count =
		n == FAULTS_NCOUNTERS
			? f->no_memory
			: probes_count(f->bpf->maps.counters, (uint32_t)n);
	return true;
}

const struct probe_class probe_faults = {
	.name = "faults",
	.open = faults_open,
	.attach = faults_attach,
	.drain = faults_drain,
	.fd = faults_fd,
	.counter = faults_counter,
	.close = faults_close,
};

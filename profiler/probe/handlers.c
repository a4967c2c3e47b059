/*
 * handlers: see handlers.h.
 */
#include "profiler/probe/handlers.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bpf/handlers.h"
#include "bpf/handlers.skel.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/units.h"
#include "profiler/base/vec.h"
#include "profiler/probe/modules.h"
#include "profiler/probe/place.h"
#include "profiler/probe/price.h"
#include "profiler/probe/probe.h"
#include "profiler/probe/uprobe.h"
#include "profiler/sym/function.h"

/* For what was mapped since: often while a server starts. */
#define LOOK_NS	    2000000000ULL
#define LOOK_SOON   100000000ULL
#define SOON	    100 /* looks */
#define MOST_EXITS  64	/* of one function */
#define MOST_SHARED 16	/* functions of one name */

struct handlers {
	struct handlers_bpf *bpf;
	struct ring *ring;
	struct handlers_options options;
	struct hash *looked_at; /* files */
	VEC(int) links;
	struct price price;
	uint64_t looked_ns, looks;
	bool found[HANDLERS_MOST];
	bool said_missing;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void note(const struct handlers *h,
						       const char *format, ...)
{
	char sentence[PATH_MAX + 400];
	va_list args;

	if (!h->options.note)
		return;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	h->options.note(h->options.context, sentence);
}

static int on_call(void *context, void *bytes, size_t size)
{
	const struct handlers *h = context;
	const struct handler_call *call = bytes;

	if (size < sizeof(*call) || call->handler >= h->options.count)
		return 0;
	h->options.seen(h->options.context,
			&(struct handler_seen) { .handler = call->handler,
						 .pid = (pid_t)call->pid,
						 .tid = (pid_t)call->tid,
						 .began_ns = call->began_ns,
						 .ended_ns = call->ended_ns });
	return 0;
}

static int attach(struct handlers *h, struct bpf_program *program,
		  const struct uprobe_place *place)
{
	int fd = uprobe_attach(program, place), *slot;

	if (fd < 0)
		return fd;
	slot = vec_push(&h->links);
	if (!slot) {
		close(fd);
		return -ENOMEM;
	}
	*slot = fd;
	return 0;
}

static double price_of(const struct handlers *h, const struct place *at)
{
	return at->stepped ? h->price.stepped_ns : h->price.cheap_ns;
}

/* Exits first: a call that is told to begin must be told to end. */
static int watch(struct handlers *h, const char *path, const struct function *f,
		 size_t handler, double *price_ns)
{
	struct place entry, exits[MOST_EXITS];
	struct uprobe_place place = { .path = path, .cookie = handler };
	size_t count;
	int rc = 0;

	if (f->size > f->code_size)
		return -E2BIG;
	count = place_exits(f->code, f->code_size, exits, MOST_EXITS);
	if (!count || count > MOST_EXITS ||
	    !place_entry(f->code, f->code_size, &entry))
		return -ENOEXEC;
	for (size_t i = 0; i < count && rc == 0; i++) {
		*price_ns = fmax(*price_ns, price_of(h, &exits[i]));
		place.offset = f->offset + exits[i].offset;
		rc = attach(h, h->bpf->progs.handler_ends, &place);
	}
	*price_ns += price_of(h, &entry);
	place.offset = f->offset + entry.offset;
	return rc < 0 ? rc : attach(h, h->bpf->progs.handler_begins, &place);
}

static const char *reason(int rc)
{
	switch (rc) {
	case -E2BIG:
		return "it is too large";
	case -ENOEXEC:
		return "its exits are not found in its code";
	default:
		return strerror(-rc);
	}
}

static void watch_and_say(struct handlers *h, const struct module *m,
			  const struct function *f, size_t handler)
{
	char price[UNITS_TEXT_MAX];
	double price_ns = 0;
	int rc = watch(h, m->path, f, handler, &price_ns);

	if (rc < 0) {
		note(h,
		     "handler %s (%s) cannot be timed: %s; name a function "
		     "that it calls, or that calls it",
		     f->name, m->name, reason(rc));
		return;
	}
	h->found[handler] = true;
	note(h, "handler %s (%s) is timed, at a price of about %s a call",
	     f->name, m->name, units_format_duration(price, price_ns));
}

/* "libindex.so:search", but not "ns::search". */
static const char *split(const char *name, const struct module *m, bool *here)
{
	const char *colon = strchr(name, ':');
	char part[PATH_MAX];

	*here = true;
	if (!colon || colon[1] == ':' || colon == name)
		return name;
	snprintf(part, sizeof(part), "%.*s", (int)(colon - name), name);
	*here = strstr(m->name, part) != NULL;
	return colon + 1;
}

static void look_at(void *context, const struct module *m)
{
	struct function found[MOST_SHARED];
	struct handlers *h = context;

	if (hash_find(h->looked_at, m->id) ||
	    hash_set(h->looked_at, m->id, 1) < 0)
		return;
	for (size_t i = 0; i < h->options.count; i++) {
		bool here;
		const char *name = split(h->options.names[i], m, &here);
		int count = here ? function_find(m->path, name, found,
						 MOST_SHARED, NULL)
				 : 0;

		for (int k = 0; k < count; k++) {
			watch_and_say(h, m, &found[k], i);
			function_fini(&found[k]);
		}
	}
}

static void look(struct handlers *h)
{
	int map = bpf_map__fd(h->bpf->maps.targets);
	uint32_t pid, *last = NULL;

	while (bpf_map_get_next_key(map, last, &pid) == 0) {
		modules_each((pid_t)pid, look_at, h);
		last = &pid;
	}
	h->looked_ns = now_ns();
	h->looks += last != NULL;
}

static void handlers_close(void *self)
{
	struct handlers *h = self;
	int *link;

	if (!h)
		return;
	vec_foreach (&h->links, link)
		close(*link);
	vec_free(&h->links);
	hash_free(h->looked_at);
	ring_close(h->ring);
	handlers_bpf__destroy(h->bpf);
	free(h);
}

static int load(struct handlers *h, struct probes *set, struct err *err)
{
	int rc;

	h->bpf = handlers_bpf__open();
	if (!h->bpf)
		return err_errno(err, "cannot read the program handlers");
	rc = probes_share(set, h->bpf->obj, err);
	if (rc < 0)
		return rc;
	uprobe_prepare(h->bpf->progs.handler_begins);
	uprobe_prepare(h->bpf->progs.handler_ends);
	rc = handlers_bpf__load(h->bpf);
	if (rc == 0)
		rc = probes_ring(&h->ring, h->bpf->maps.ring, on_call, h);
	return rc < 0 ? err_set(err, rc, "cannot load the program handlers: %s",
				strerror(-rc))
		      : 0;
}

static int handlers_open(void **self, struct probes *set, const void *options,
			 struct err *err)
{
	struct handlers *h = calloc(1, sizeof(*h));
	int rc;

	*self = NULL;
	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->options = *(const struct handlers_options *)options;
	h->looked_at = hash_new();
	if (!h->looked_at)
		rc = err_set(err, -ENOMEM, "out of memory");
	else if (h->options.count > HANDLERS_MOST)
		rc = err_set(err, -EINVAL, "more than %d handlers",
			     HANDLERS_MOST);
	else
		rc = load(h, set, err);
	if (rc < 0)
		handlers_close(h);
	else
		*self = h;
	return rc;
}

static void say_one_missing(const struct handlers *h, const char *name)
{
	note(h,
	     "handler %s: no function of that name is mapped by the server "
	     "(yet); it may be inlined into its callers, which can be named "
	     "in its place, or its file be stripped of names; a span of "
	     "strandline.h in the source works in either case",
	     name);
}

static void say_missing(struct handlers *h)
{
	if (h->said_missing || !h->looks)
		return;
	h->said_missing = true;
	for (size_t i = 0; i < h->options.count; i++)
		if (!h->found[i])
			say_one_missing(h, h->options.names[i]);
}

static int handlers_attach(void *self, struct err *err)
{
	struct handlers *h = self;

	(void)err;
	price_measure(h->bpf->progs.handler_ends, &h->price);
	look(h);
	say_missing(h);
	return 0;
}

static int handlers_drain(void *self)
{
	struct handlers *h = self;
	int rc = ring_consume(h->ring);

	if (now_ns() - h->looked_ns >= (h->looks < SOON ? LOOK_SOON : LOOK_NS))
		look(h);
	if (h->looks >= SOON)
		say_missing(h);
	return rc < 0 ? rc : 0;
}

static uint64_t counted(const struct handlers *h, enum handlers_counter which)
{
	return probes_count(h->bpf->maps.counters, which);
}

/* A call that was left in another way looks so until the next one. */
static bool handlers_unfinished(void *self)
{
	const struct handlers *h = self;

	return counted(h, HANDLERS_BEGUN) >
	       counted(h, HANDLERS_SENT) + counted(h, HANDLERS_LEFT) +
		       counted(h, HANDLERS_RING_FULL);
}

static int handlers_fd(void *self)
{
	return ring_fd(((struct handlers *)self)->ring);
}

/*
 * Runs that the kernel has left out: a probe is not run where another one is
 * on that CPU, which was taken from it meanwhile.
 */
static uint64_t missed(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
		return 0;
	return info.recursion_misses;
}

static bool handlers_counter(void *self, size_t n, struct probe_counter *into)
{
	static const char *const reasons[HANDLERS_NCOUNTERS] = {
		[HANDLERS_BEGUN] = "begun",
		[HANDLERS_SENT] = "sent",
		[HANDLERS_RING_FULL] = "ring_full",
		[HANDLERS_TOO_DEEP] = "too_deep",
		[HANDLERS_LEFT] = "left_open",
		[HANDLERS_NO_STORAGE] = "no_thread_storage",
	};
	const struct handlers *h = self;

	if (n == HANDLERS_NCOUNTERS) {
		*into = (struct probe_counter) {
			.probe = "handlers",
			.reason = "missed",
			.count = missed(h->bpf->progs.handler_begins) +
				 missed(h->bpf->progs.handler_ends),
		};
		return true;
	}
	if (n > HANDLERS_NCOUNTERS)
		return false;
	*into = (struct probe_counter) {
		.probe = "handlers",
		.reason = reasons[n],
		.count = counted(h, (enum handlers_counter)n),
		.did = n == HANDLERS_BEGUN || n == HANDLERS_SENT,
	};
	return true;
}

const struct probe_class probe_handlers = {
	.name = "handlers",
	.open = handlers_open,
	.attach = handlers_attach,
	.drain = handlers_drain,
	.unfinished = handlers_unfinished,
	.fd = handlers_fd,
	.counter = handlers_counter,
	.close = handlers_close,
};

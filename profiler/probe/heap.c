/*
 * heap: see heap.h.
 */
#include "profiler/probe/heap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bpf/heap.h"
#include "bpf/heap.skel.h"
#include "profiler/base/err.h"
#include "profiler/base/units.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/heap_watch.h"
#include "profiler/probe/pace.h"
#include "profiler/probe/price.h"
#include "profiler/probe/probe.h"
#include "profiler/probe/uprobe.h"
#include "profiler/trace/probefile.h"

#define NS_PER_SECOND 1000000000ULL
#define TICK_NS	      50000000
#define PACE_NS	      200000000ULL
#define LOOK_NS	      250000000ULL
#define DEEP_NS	      5000000000ULL
#define MEAN_FIRST    (64u << 10)
#define MEAN_FULL     (1u << 30) /* where all too many blocks live */

static const struct pace pace = {
	.wanted = 500,
	.least = 16u << 10,
	.most = 4u << 20,
};

struct heap {
	struct heap_bpf *bpf;
	struct ring *ring;
	struct capture *capture;
	struct heap_options options;
	struct heap_watch *watch; /* NULL: switched off */
	bool session;
	double hit_ns, stepped_ns, return_ns; /* what each costs */
	struct budget budget;
	uint64_t began_ns, ticked_ns, paced_ns, looked_ns, deep_ns;
	double spent_ns;	/* of the targets, until ticked_ns */
	uint64_t samples, late; /* of counters, as they were last read */
	int epoll, timer;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void note(const struct heap *h,
						       const char *format, ...)
{
	char sentence[400];
	va_list args;

	if (!h->options.note)
		return;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	h->options.note(h->options.context, sentence);
}

static uint64_t counted(const struct heap *h, enum heap_counter which)
{
	return probes_count(h->bpf->maps.counters, which);
}

static double spent(const struct heap *h)
{
	return (double)counted(h, HEAP_HITS) * h->hit_ns +
	       (double)counted(h, HEAP_STEPPED) * h->stepped_ns +
	       (double)counted(h, HEAP_RETURNS) * h->return_ns +
	       (double)counted(h, HEAP_NS);
}

static void on_born(const struct heap *h, const struct heap_born *born,
		    size_t size)
{
	size_t head = offsetof(struct heap_born, sample);
	struct probefile_block block = {
		.at = born->at_ns,
		.address = born->address,
		.size = born->size,
		.mean = born->mean,
		.tid = born->sample.head.tid,
		.api = born->api,
	};
	struct probefile *f;

	if (size < head + sizeof(born->sample.head))
		return;
	block.node = capture_stack(h->capture, &born->sample, size - head);
	f = capture_file(h->capture, born->sample.head.pid);
	if (f)
		(void)probefile_alloc(f, &block);
}

static void on_died(const struct heap *h, const struct heap_died *died)
{
	struct probefile *f = capture_file(h->capture, died->pid);
	const struct probefile_block block = {
		.at = died->at_ns,
		.address = died->address,
		.tid = died->tid,
	};

	if (f)
		(void)probefile_release(f,
					died->what == HEAP_KEPT ? RECORD_UNFREE
								: RECORD_FREE,
					&block);
}

static int on_event(void *context, void *bytes, size_t size)
{
	const struct heap *h = context;
	uint32_t what = 0;

	if (!h->capture || size < sizeof(struct heap_died))
		return 0;
	memcpy(&what, bytes, sizeof(what));
	if (what == HEAP_BORN)
		on_born(h, bytes, size);
	else
		on_died(h, bytes);
	return 0;
}

/*
 * Of a process that has ended, or of what it was before an exec; or a death
 * that could not be told of.  Of nobody's life is anything known once it is
 * switched off.
 */
static bool is_over(const struct heap *h, const struct heap_key *key,
		    const struct heap_block *block)
{
	uint32_t image;

	return block->died || !h->watch ||
	       !heap_watch_image(h->watch, key->pid, &image) ||
	       block->image != image;
}

/* Blocks of who has ended are told of to no file. */
static void sweep(struct heap *h)
{
	int map = bpf_map__fd(h->bpf->maps.live);
	struct heap_key key, next, *last = NULL;
	struct heap_block block;
	bool more;

	more = bpf_map_get_next_key(map, last, &next) == 0;
	while (more) {
		key = next;
		last = &key;
		more = bpf_map_get_next_key(map, last, &next) == 0;
		if (bpf_map_lookup_elem(map, &key, &block) < 0 ||
		    !is_over(h, &key, &block))
			continue;
		bpf_map_delete_elem(map, &key);
		on_died(h, &(struct heap_died) {
				   .what = HEAP_DIED,
				   .pid = (int32_t)key.pid,
				   .tid = (int32_t)key.pid,
				   .at_ns = now_ns(),
				   .address = key.address,
			   });
	}
}

static void heap_close(void *self)
{
	struct heap *h = self;

	if (!h)
		return;
	heap_watch_free(h->watch);
	ring_close(h->ring);
	heap_bpf__destroy(h->bpf);
	if (h->epoll >= 0)
		close(h->epoll);
	if (h->timer >= 0)
		close(h->timer);
	free(h);
}

/* The logarithms that the program draws by. */
static void set_constants(struct heap *h)
{
	for (int i = 0; i <= HEAP_LOG_STEPS; i++)
		h->bpf->rodata->log_table[i] = (uint32_t)lround(
			log2(1 + (double)i / HEAP_LOG_STEPS) * 0x1p24);
	h->bpf->rodata->constant_bytes = PROBEFILE_CONSTANT;
	h->bpf->bss->mean_bytes =
		h->options.mean_bytes ? h->options.mean_bytes : MEAN_FIRST;
}

/* Of the two ways to catch returns only one is loaded. */
static void choose_programs(struct heap *h)
{
	h->session = uprobe_prepare_session(h->bpf->progs.heap_session);
	uprobe_prepare(h->bpf->progs.heap_call);
	uprobe_prepare(h->bpf->progs.heap_return);
	uprobe_prepare(h->bpf->progs.heap_release);
	bpf_program__set_autoload(h->bpf->progs.heap_session, h->session);
	bpf_program__set_autoload(h->bpf->progs.heap_call, !h->session);
	bpf_program__set_autoload(h->bpf->progs.heap_return, !h->session);
}

static int load(struct heap *h, struct probes *set, struct err *err)
{
	int rc;

	h->bpf = heap_bpf__open();
	if (!h->bpf)
		return err_errno(err, "cannot read the program heap");
	rc = probes_share(set, h->bpf->obj, err);
	if (rc < 0)
		return rc;
	set_constants(h);
	choose_programs(h);
	rc = heap_bpf__load(h->bpf);
	if (rc == 0) {
		rc = probes_ring(&h->ring, h->bpf->maps.ring, on_event, h);
		h->watch = heap_watch_new(h->bpf, h->session);
		if (rc == 0 && !h->watch)
			rc = -ENOMEM;
	}
	return rc < 0 ? err_set(err, rc, "cannot load the program heap: %s",
				strerror(-rc))
		      : 0;
}

/* A clock, too: what it costs must be looked at whatever comes. */
static int open_fds(struct heap *h, struct err *err)
{
	const struct itimerspec every = {
		.it_interval = { .tv_nsec = TICK_NS },
		.it_value = { .tv_nsec = TICK_NS },
	};
	struct epoll_event event = { .events = EPOLLIN };

	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	h->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (h->epoll < 0 || h->timer < 0 ||
	    timerfd_settime(h->timer, 0, &every, NULL) < 0 ||
	    epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->timer, &event) < 0 ||
	    epoll_ctl(h->epoll, EPOLL_CTL_ADD, ring_fd(h->ring), &event) < 0)
		return err_errno(err, "cannot wait for the probe heap");
	return 0;
}

static int heap_open(void **self, struct probes *set, const void *options,
		     struct err *err)
{
	struct heap *h = calloc(1, sizeof(*h));
	int rc;

	*self = NULL;
	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->epoll = h->timer = -1;
	h->options = *(const struct heap_options *)options;
	h->capture = probes_capture(set);
	h->budget = (struct budget) {
		.share = h->options.budget_pct / 100,
		.at_once_ns = 2 * h->options.budget_pct / 100 * NS_PER_SECOND,
	};
	rc = load(h, set, err);
	if (rc == 0)
		rc = open_fds(h, err);
	if (rc < 0)
		heap_close(h);
	else
		*self = h;
	return rc;
}

static void measure(struct heap *h)
{
	const uint64_t cookie =
		HEAP_COOKIE(HEAP_ALLOC, 0, 0) | HEAP_COOKIE_TRIAL;
	struct bpf_program *at_call = h->session ? h->bpf->progs.heap_session
						 : h->bpf->progs.heap_call;
	struct bpf_program *at_return = h->session ? h->bpf->progs.heap_release
						   : h->bpf->progs.heap_return;

	h->hit_ns =
		price_hit_ns(at_call, &(struct price_of) { .cookie = cookie });
	h->stepped_ns =
		price_hit_ns(at_call, &(struct price_of) { .cookie = cookie,
							   .stepped = true });
	h->return_ns = price_hit_ns(at_return,
				    &(struct price_of) { .cookie = cookie,
							 .at_return = true });
}

static void say_price(const struct heap *h)
{
	char hit[UNITS_TEXT_MAX], stepped[UNITS_TEXT_MAX];

	units_format_duration(hit, h->hit_ns + (h->session ? 0 : h->return_ns));
	units_format_duration(stepped, h->stepped_ns);
	note(h,
	     "heap: each malloc and each free takes the server about %s "
	     "more (%s where its code begins unluckily); past %g %% of a CPU "
	     "it switches itself off (--heap-budget)",
	     hit, stepped, h->options.budget_pct);
}

static void say_done(const struct heap *h)
{
	const struct heap_watched *done = heap_watch_done(h->watch);

	if (!done->functions)
		note(h,
		     "heap: the server maps no allocator that can be "
		     "watched (yet)%s%s",
		     done->refused ? ": " : "",
		     done->refused ? strerror(-done->refused) : "");
	else
		note(h,
		     "heap: %zu functions that allocate or release are watched "
		     "(%s), %zu of them at the higher price",
		     done->functions, done->names, done->stepped);
}

static int heap_attach(void *self, struct err *err)
{
	struct heap *h = self;

	(void)err;
	measure(h);
	say_price(h);
	h->spent_ns = spent(h); /* by the trial */
	h->began_ns = h->ticked_ns = h->paced_ns = now_ns();
	h->looked_ns = h->deep_ns = h->began_ns;
	(void)heap_watch_look(h->watch, bpf_map__fd(h->bpf->maps.targets),
			      false);
	say_done(h);
	return 0;
}

static void switch_off(struct heap *h, double share, uint64_t now)
{
	char why[200], after[UNITS_TEXT_MAX];

	heap_watch_free(h->watch);
	h->watch = NULL;
	(void)ring_consume(h->ring);
	sweep(h);
	snprintf(why, sizeof(why),
		 "the heap was watched for %s only, then the probe switched "
		 "itself off: it took %.0f %% of a CPU, and no more than %g %% "
		 "were allowed (--heap-budget)",
		 units_format_duration(after, (double)(now - h->began_ns)),
		 share * 100, h->options.budget_pct);
	note(h, "heap: switched off: %s", why);
	if (h->options.off)
		h->options.off(h->options.context, now, why);
}

static void look(struct heap *h, uint64_t now)
{
	bool deep = now - h->deep_ns >= DEEP_NS, changed;
	uint64_t late = counted(h, HEAP_LATE);

	changed = heap_watch_look(h->watch, bpf_map__fd(h->bpf->maps.targets),
				  deep);
	if (changed || late != h->late)
		sweep(h);
	h->late = late;
	h->looked_ns = now;
	if (deep)
		h->deep_ns = now;
}

/* Also where too many blocks live to be kept all. */
static void set_mean(struct heap *h, uint64_t now)
{
	uint64_t samples = counted(h, HEAP_SENT);
	uint64_t live = samples - counted(h, HEAP_ENDED);
	uint64_t mean = h->bpf->bss->mean_bytes;

	if (!h->options.mean_bytes)
		mean = pace_mean(&pace, mean, samples - h->samples,
				 now - h->paced_ns);
	if (live > HEAP_LIVE_MOST / 4 * 3 && mean < MEAN_FULL)
		mean *= 2;
	h->bpf->bss->mean_bytes = mean;
	h->samples = samples;
	h->paced_ns = now;
}

static void tick(struct heap *h)
{
	uint64_t now = now_ns();
	double all = spent(h), more = all - h->spent_ns;
	double passed = (double)(now - h->ticked_ns);

	h->spent_ns = all;
	h->ticked_ns = now;
	if (passed > 0 && !budget_spend(&h->budget, more, passed)) {
		switch_off(h, more / passed, now);
		return;
	}
	if (now - h->paced_ns >= PACE_NS)
		set_mean(h, now);
	if (now - h->looked_ns >= LOOK_NS)
		look(h, now);
}

static int heap_drain(void *self)
{
	struct heap *h = self;
	uint64_t turns;
	int rc = ring_consume(h->ring);

	if (read(h->timer, &turns, sizeof(turns)) == (ssize_t)sizeof(turns) &&
	    h->watch)
		tick(h);
	return rc < 0 ? rc : 0;
}

static int heap_fd(void *self)
{
	return ((struct heap *)self)->epoll;
}

static bool heap_counter(void *self, size_t n, struct probe_counter *into)
{
	static const struct probe_counter kinds[HEAP_NCOUNTERS + 1] = {
		[HEAP_SENT] = { .reason = "sent", .did = true },
		[HEAP_HITS] = { .reason = "hits", .did = true },
		[HEAP_STEPPED] = { .reason = "stepped", .did = true },
		[HEAP_RETURNS] = { .reason = "returns", .did = true },
		[HEAP_NS] = { .reason = "ns_of_stacks", .did = true },
		[HEAP_ENDED] = { .reason = "ended", .did = true },
		[HEAP_RING_FULL] = { .reason = "ring_full" },
		[HEAP_LIVE_FULL] = { .reason = "too_many_live" },
		[HEAP_LATE] = { .reason = "told_late", .did = true },
		[HEAP_MISSED] = { .reason = "missed" },
		[HEAP_CUT] = { .reason = "stack_truncated" },
		[HEAP_BROKEN] = { .reason = "stack_broken" },
		[HEAP_NO_STORAGE] = { .reason = "no_thread_state" },
		[HEAP_NCOUNTERS] = { .reason = "ns", .did = true, .ns = true },
	};
	const struct heap *h = self;

	if (n > HEAP_NCOUNTERS)
		return false;
	*into = kinds[n];
	into->probe = "heap";
	into->count = n == HEAP_NCOUNTERS ? (uint64_t)spent(h)
					  : counted(h, (enum heap_counter)n);
	return true;
}

const struct probe_class probe_heap = {
	.name = "heap",
	.open = heap_open,
	.attach = heap_attach,
	.drain = heap_drain,
	.fd = heap_fd,
	.counter = heap_counter,
	.close = heap_close,
};

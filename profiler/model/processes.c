/*
 * processes: who took part, and which of them is the server.
 *
 * The server is, among the processes that lived for at least half as long as
 * the longest-lived one, that which answered most requests: the master of
 * nginx or gunicorn, which may well hold more, answers none.  Where nobody
 * did, it is the one with most live memory at its peak, then the one with the
 * highest RSS.  (A wrapper that has exec'ed is the same process.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/build.h"

static const char *const allocator_names[] = {
	[SLAB_ALLOCATOR_UNKNOWN] = "unknown",
	[SLAB_ALLOCATOR_GLIBC] = "glibc",
	[SLAB_ALLOCATOR_JEMALLOC] = "jemalloc",
	[SLAB_ALLOCATOR_TCMALLOC] = "tcmalloc",
	[SLAB_ALLOCATOR_MIMALLOC] = "mimalloc",
	[SLAB_ALLOCATOR_OTHER] = "its own",
};

/* argv as the shim keeps it: words that end with NUL, cut to fit. */
static void join_command(char *to, const char *from, size_t size)
{
	size_t len = size;

	while (len && !from[len - 1])
		len--;
	memcpy(to, from, len);
	to[len] = 0;
	for (size_t i = 0; i < len; i++)
		if (!to[i])
			to[i] = ' ';
}

static double ended_at(const struct trace_view *v, const struct trace_image *im,
		       int *wait_status)
{
	uint64_t at = im->header.ended_monotonic_ns;

	*wait_status = -1;
	for (size_t i = 0; i < v->process_count; i++) {
		const struct trace_process *p = &v->processes[i];

		if (p->pid != im->header.pid || !p->ended)
			continue;
		*wait_status = p->wait_status;
		if (!at)
			at = p->at_ns;
	}
	return at ? build_seconds(v, at) : -1;
}

static int fill_process(struct model *m, const struct trace_view *v,
			const struct trace_image *im, struct model_process *p)
{
	const struct slab_file *h = &im->header;
	uint32_t allocator = h->allocator.allocator;
	char command[sizeof(h->command) + 1];

	if (allocator > SLAB_ALLOCATOR_OTHER)
		allocator = SLAB_ALLOCATOR_UNKNOWN;
	join_command(command, h->command, sizeof(h->command));
	*p = (struct model_process) {
		.pid = h->pid,
		.ppid = h->ppid,
		.image = h->image,
		.exe = model_string(m, h->exe),
		.command = model_string(m, command),
		.began = build_seconds(v, h->start_monotonic_ns),
		.allocations = im->result.allocations,
		.releases = im->result.releases,
		.allocator = model_string(m, allocator_names[allocator]),
	};
	p->ended = ended_at(v, im, &p->wait_status);
	return p->exe && p->command && p->allocator ? 0 : -ENOMEM;
}

static double peak_rss(const struct trace_view *v, int32_t pid)
{
	uint64_t peak = 0;

	for (size_t i = 0; i < v->ledger_count; i++)
		if (v->ledger[i].pid == pid && v->ledger[i].rss > peak &&
		    v->ledger[i].rss != WIRE_UNSEEN)
			peak = v->ledger[i].rss;
	return (double)peak;
}

static double lifetime(const struct model *m, const struct model_process *p)
{
	return (p->ended < 0 ? m->duration : p->ended) - p->began;
}

/* What probes saw of a process that recorded itself too. */
static bool is_second(const struct trace_view *v, size_t image)
{
	if (!v->images[image].probed)
		return false;
	for (size_t i = 0; i < v->image_count; i++)
		if (i != image && !v->images[i].probed &&
		    v->images[i].header.pid == v->images[image].header.pid)
			return true;
	return false;
}

/* By what a process is taken for the server, the first difference counts. */
struct rank {
	uint64_t requests;
	double live, rss;
	uint64_t allocations;
};

static struct rank rank_of(const struct trace_view *v, int32_t pid)
{
	struct rank r = { .rss = peak_rss(v, pid) };

	for (size_t i = 0; i < v->image_count; i++) {
		const struct fold_result *of = &v->images[i].result;

		if (v->images[i].header.pid != pid)
			continue;
		for (size_t k = 0; k < of->route_count; k++)
			r.requests += of->routes[k].count;
		if (of->peak.bytes > r.live)
			r.live = of->peak.bytes;
		r.allocations += of->allocations;
	}
	return r;
}

static int compare(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_ranks(const struct rank *a, const struct rank *b)
{
	int by = compare((double)a->requests, (double)b->requests);

	if (!by)
		by = compare(a->live, b->live);
	if (!by)
		by = compare(a->rss, b->rss);
	return by ? by
		  : compare((double)a->allocations, (double)b->allocations);
}

static uint32_t choose_main(const struct model *m, const struct trace_view *v)
{
	struct rank best = { .requests = 0 };
	uint32_t main = MODEL_NONE;
	double longest = 0;

	for (uint32_t i = 0; i < m->process_count; i++)
		if (lifetime(m, &m->processes[i]) > longest)
			longest = lifetime(m, &m->processes[i]);
	for (uint32_t i = 0; i < m->process_count; i++) {
		const struct model_process *p = &m->processes[i];
		struct rank rank = rank_of(v, p->pid);

		if (lifetime(m, p) < longest / 2 || is_second(v, i))
			continue;
		/* a later image of one pid is what became of it */
		if (main == MODEL_NONE || compare_ranks(&rank, &best) > 0 ||
		    p->pid == m->processes[main].pid) {
			best = rank;
			main = i;
		}
	}
	return main;
}

int build_processes(struct model *m, const struct trace_view *v)
{
	int rc = 0;

	m->processes = calloc(v->image_count + 1, sizeof(*m->processes));
	if (!m->processes)
		return -ENOMEM;
	for (size_t i = 0; i < v->image_count && rc == 0; i++)
		rc = fill_process(m, v, &v->images[i], &m->processes[i]);
	m->process_count = (uint32_t)v->image_count;
	m->main_process = choose_main(m, v);
	if (m->main_process != MODEL_NONE)
		m->processes[m->main_process].is_main = true;
	return rc;
}

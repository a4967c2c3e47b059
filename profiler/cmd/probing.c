/*
 * probing: see probing.h.
 */
#include "profiler/cmd/probing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/procs.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/cmd/terminal.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/cpu.h"
#include "profiler/probe/faults.h"
#include "profiler/probe/handlers.h"
#include "profiler/probe/heap.h"
#include "profiler/probe/http.h"
#include "profiler/probe/offcpu.h"
#include "profiler/probe/probe.h"
#include "profiler/probe/requests.h"
#include "profiler/proc/family.h"
#include "profiler/proc/members.h"
#include "profiler/trace/writer.h"

/* A thread that was preempted goes on within; a stream may not end at all. */
#define SETTLE_MS 250

struct probing {
	struct probing_options options;
	struct probes *probes;
	struct capture *capture;
	bool taxed;
	uint64_t heap_off_ns; /* 0: it is not */
	char *heap_off;	      /* why; NULL: that is written */
	VEC(pid_t) first;     /* those that were added by their number */
};

/* A child that is gone before we look has nothing left to look at. */
static void on_process(void *context, const struct procs_event *event)
{
	struct probing *p = context;
	struct err why = ERR_INIT;

	switch (event->what) {
	case PROCS_EXIT:
		capture_ended(p->capture, event->pid, event->at_ns);
		break;
	case PROCS_EXEC: /* which can be how it came into our cgroup */
		if (!p->options.lazy)
			(void)capture_add(p->capture, event->pid, &why);
		capture_refresh(p->capture, event->pid);
		break;
	default:
		if (!p->options.lazy)
			(void)capture_add(p->capture, event->pid, &why);
	}
}

static void on_note(void *context, const char *sentence)
{
	(void)context;
	terminal_note("%s", sentence);
}

static void on_call(void *context, const struct handler_seen *call)
{
	const struct probing *p = context;

	requests_called(p->capture, call, p->options.handlers[call->handler]);
}

/* Without them the rest is worth having. */
static void open_requests(struct probing *p)
{
	const struct http_probe_options options = {
		.templates = p->options.routes,
		.template_count = p->options.route_count,
		.seen = requests_seen,
		.connected = requests_connected,
		.note = on_note,
		.context = p->capture,
	};
	struct err why = ERR_INIT;

	if (!p->options.http)
		return;
	if (probes_add(p->probes, &probe_http, &options, &why) < 0)
		terminal_note("requests are not followed: %s", why.text);
	else
		(void)capture_follow_requests(p->capture);
}

static int open_handlers(struct probing *p, struct err *err)
{
	const struct handlers_options options = {
		.names = p->options.handlers,
		.count = p->options.handler_count,
		.seen = on_call,
		.note = on_note,
		.context = p,
	};

	return options.count
		       ? probes_add(p->probes, &probe_handlers, &options, err)
		       : 0;
}

static void on_heap_off(void *context, uint64_t at_ns, const char *why)
{
	struct probing *p = context;

	p->heap_off_ns = at_ns;
	p->heap_off = strdup(why);
}

static int open_heap(struct probing *p, struct err *err)
{
	const struct heap_options options = {
		.mean_bytes = p->options.heap_mean_bytes,
		.budget_pct = p->options.heap_budget_pct,
		.note = on_note,
		.off = on_heap_off,
		.context = p,
	};

	return p->options.heap
		       ? probes_add(p->probes, &probe_heap, &options, err)
		       : 0;
}

/* What says where time and memory go, by stacks. */
static int open_stacks(struct probing *p, struct err *err)
{
	const struct probe_cpu_options cpu = { .hertz = p->options.hertz };
	int rc = 0;

	if (cpu.hertz)
		rc = probes_add(p->probes, &probe_cpu, &cpu, err);
	if (rc == 0 && p->options.faults)
		rc = probes_add(p->probes, &probe_faults, NULL, err);
	if (rc == 0 && p->options.offcpu)
		rc = probes_add(p->probes, &probe_offcpu, NULL, err);
	return rc;
}

int probing_open(struct probing **out, const struct probing_options *options,
		 struct err *err)
{
	const struct capture_options capturing = {
		.dir = options->dir,
		.max_bytes = options->max_bytes,
		.own_pids = options->own_pids,
	};
	struct probing *p = calloc(1, sizeof(*p));
	int level = options->cgroup ? members_level(options->cgroup) : -1;
	struct probes_options session = {
		/* Those of version 1 the programs cannot tell apart. */
		.cgroup = level >= 0 ? options->cgroup : NULL,
		.cgroup_level = level >= 0 ? (uint32_t)level : 0,
		.follow = options->follow,
		.process = on_process,
		.context = p,
	};
	int rc;

	*out = NULL;
	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->options = *options;
	rc = capture_open(&p->capture, &capturing, err);
	session.capture = p->capture;
	if (rc == 0)
		rc = probes_open(&p->probes, &session, err);
	if (rc == 0) {
		open_requests(p);
		rc = open_handlers(p, err);
	}
	if (rc == 0)
		rc = open_heap(p, err);
	if (rc == 0)
		rc = open_stacks(p, err);
	if (rc < 0)
		probing_close(p);
	else
		*out = p;
	return rc;
}

void probing_close(struct probing *p)
{
	if (!p)
		return;
	probes_close(p->probes);
	capture_close(p->capture);
	vec_free(&p->first);
	free(p->heap_off);
	free(p);
}

struct probes *probing_probes(const struct probing *p)
{
	return p->probes;
}

/*
 * To read its code can take longer than it takes a server to answer: what it
 * does meanwhile waits in the rings.
 */
static int look_at(struct probing *p, pid_t pid, struct err *err)
{
	int rc = probes_target(p->probes, pid, 0, err);

	return rc == 0 && !p->options.lazy ? capture_add(p->capture, pid, err)
					   : rc;
}

bool probing_has(const struct probing *p, pid_t pid)
{
	return probes_is_target(p->probes, pid);
}

int probing_add(struct probing *p, pid_t pid, struct err *err)
{
	pid_t *slot = vec_push(&p->first);

	if (!slot)
		return err_set(err, -ENOMEM, "out of memory");
	*slot = pid;
	return look_at(p, pid, err);
}

/* It may have ended since it was seen. */
static void add_relative(void *context, pid_t pid)
{
	struct probing *p = context;
	struct err why = ERR_INIT;

	if (!probes_is_target(p->probes, pid))
		(void)look_at(p, pid, &why);
}

/* What they start from here on, the kernel says. */
int probing_attach(struct probing *p, struct err *err)
{
	int rc = probes_attach(p->probes, err);
	const pid_t *pid;

	if (rc == 0 && p->options.follow)
		vec_foreach (&p->first, pid)
			family_each(*pid, add_relative, p);
	return rc;
}

int probing_fd(const struct probing *p)
{
	return probes_fd(p->probes);
}

void probing_work(struct probing *p)
{
	(void)probes_drain(p->probes, 0);
}

void probing_settle(struct probing *p)
{
	probes_settle(p->probes, SETTLE_MS);
}

/* What it adds to every system call of the host; once. */
static int write_tax(struct probing *p, struct writer *w, uint64_t at_ns,
		     uint64_t ns)
{
	char text[24];

	if (p->taxed)
		return 0;
	p->taxed = true;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)ns);
	return writer_option(w, at_ns, PROBE_NS_SYSCALL, text);
}

/* Each reason for which something is missing, zeros included. */
static int write_losses(struct probing *p, struct writer *w, uint64_t at_ns)
{
	struct probe_counter counter;
	uint64_t spent_ns = 0;
	const char *name;
	int rc = 0;

	for (int loss = 0; loss < CAPTURE_NLOSSES && rc == 0; loss++) {
		uint64_t count = capture_lost(p->capture,
					      (enum capture_loss)loss, &name);

		rc = writer_counter(w, at_ns, "probes", name, count);
	}
	for (size_t n = 0; probes_counter(p->probes, n, &counter); n++) {
		if (counter.ns)
			spent_ns += counter.count;
		if (rc == 0 && !strcmp(counter.reason, PROBE_NS_SYSCALL))
			rc = write_tax(p, w, at_ns, counter.count);
		if (rc < 0 || counter.did)
			continue;
		rc = writer_counter(w, at_ns, counter.probe, counter.reason,
				    counter.count);
	}
	capture_spent(p->capture, spent_ns);
	return rc;
}

/* That blocks are not known from a time on. */
static int write_heap_off(struct probing *p, struct writer *w)
{
	int rc;

	if (!p->heap_off)
		return 0;
	rc = writer_option(w, p->heap_off_ns, "heap_off", p->heap_off);
	free(p->heap_off);
	p->heap_off = NULL;
	return rc;
}

int probing_flush(struct probing *p, struct writer *w, uint64_t at_ns)
{
	int rc = write_losses(p, w, at_ns);

	if (rc == 0)
		rc = write_heap_off(p, w);
	return rc == 0 ? capture_flush(p->capture, at_ns) : rc;
}

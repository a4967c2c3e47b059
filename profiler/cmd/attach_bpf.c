/*
 * attach_bpf: into a running server by programs in the kernel.
 *
 * Nothing is changed in the target.  All there is of us in the kernel are
 * file descriptors, so it is gone with this process, however that ends.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/cmd/attach.h"
#include "profiler/cmd/keeper.h"
#include "profiler/cmd/probing.h"
#include "profiler/cmd/targets.h"
#include "profiler/cmd/terminal.h"
#include "profiler/probe/caps.h"
#include "profiler/probe/probe.h"
#include "profiler/proc/members.h"
#include "profiler/trace/writer.h"

#define NS_PER_SECOND 1000000000ULL
#define FLUSH_NS      NS_PER_SECOND
#define NEVER	      UINT64_MAX

struct session {
	const struct attach_options *opt;
	struct targets *targets;
	struct probing *probing;
	struct writer *writer;
	struct keeper *keeper; /* NULL: none */
	int signals;	       /* signalfd */
	uint64_t flush_ns, stop_ns;
	bool any_member; /* of the cgroup */
	bool write_failed, over;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static int possible(const struct attach_options *opt, struct err *err)
{
	int rc = opt->cgroup ? members_check(opt->cgroup, err) : 0;

	return rc == 0 ? probes_possible(err) : rc;
}

/* Before anything of ours is in the way, so that a mistake costs nothing. */
static int open_probes(struct session *s, struct err *err)
{
	const struct probing_options options = {
		.dir = s->opt->dir,
		.max_bytes = s->opt->max_bytes,
		.cgroup = s->opt->cgroup,
		.follow = s->opt->follow,
		.http = s->opt->http,
		.routes = s->opt->routes,
		.route_count = s->opt->route_count,
		.handlers = s->opt->handlers,
		.handler_count = s->opt->handler_count,
		.hertz = s->opt->hertz,
		.faults = true,
		.heap = s->opt->heap,
		.heap_mean_bytes = s->opt->mean_bytes,
		.heap_budget_pct = s->opt->heap_cpu_pct,
		.offcpu = true,
	};

	return probing_open(&s->probing, &options, err);
}

static int open_signals(struct session *s, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? err_errno(err, "cannot watch signals") : 0;
}

static int open_session(struct session *s, struct err *err)
{
	const struct targets_options options = {
		.dir = s->opt->dir,
		.interval_ns = s->opt->interval_ns,
		.follow = s->opt->follow,
		.outside = true,
	};
	int rc = open_signals(s, err);

	if (rc == 0)
		rc = open_probes(s, err);
	if (rc == 0)
		rc = targets_open(&s->targets, &options, err);
	if (rc == 0)
		rc = writer_open(&s->writer, s->opt->dir, err);
	if (rc == 0)
		rc = caps_keep_ours(err);
	if (rc == 0)
		rc = keeper_start(&s->keeper, s->opt->dir, err);
	return rc;
}

/* One of the cgroup; it may be gone by now. */
static void add_member(void *context, pid_t pid)
{
	struct session *s = context;
	struct err why = ERR_INIT;

	if (!probing_has(s->probing, pid) &&
	    probing_add(s->probing, pid, &why) < 0)
		return;
	targets_join(s->targets, pid); /* if it is not there yet */
	s->any_member = true;
}

static int join_cgroup(struct session *s, struct err *err)
{
	ssize_t rc = members_each(s->opt->cgroup, add_member, s);

	if (rc < 0)
		return err_set(err, (int)rc, "cannot read the cgroup %s: %s",
			       s->opt->cgroup, strerror((int)-rc));
	if (!s->any_member)
		return err_set(err, -ESRCH,
			       "the cgroup %s holds no process that can be "
			       "looked at",
			       s->opt->cgroup);
	return probing_attach(s->probing, err);
}

/* The process, once it is certain that its number is still its own. */
static int join_process(struct session *s, const struct admitted *p,
			struct err *err)
{
	int rc = probing_add(s->probing, p->pid, err);

	if (rc == 0)
		rc = probing_attach(s->probing, err);
	if (rc == 0 && !admitted_lives(p))
		rc = err_set(err, -ESRCH,
			     "process %d ended while it was attached to",
			     (int)p->pid);
	if (rc == 0)
		targets_add(s->targets, p->pid);
	return rc;
}

static int join(struct session *s, struct err *err)
{
	return s->opt->process ? join_process(s, s->opt->process, err)
			       : join_cgroup(s, err);
}

static void flush(struct session *s, uint64_t at_ns)
{
	int rc = probing_flush(s->probing, s->writer, at_ns);

	if (rc < 0 && !s->write_failed) {
		s->write_failed = true;
		terminal_note("%s: the recording has gaps, as it cannot be "
			      "written: %s",
			      s->opt->dir, strerror(-rc));
	}
}

static void take_signals(struct session *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		s->over = true;
}

static int wait_ms(const struct session *s, uint64_t now)
{
	uint64_t until = s->flush_ns < s->stop_ns ? s->flush_ns : s->stop_ns;

	return until <= now ? 0 : (int)((until - now) / 1000000 + 1);
}

static void step(struct session *s)
{
	struct pollfd fds[3 + TARGETS_FDS] = {
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = s->opt->process ? s->opt->process->pidfd : -1,
		  .events = POLLIN },
		{ .fd = probing_fd(s->probing), .events = POLLIN },
	};
	uint64_t now;

	targets_fds(s->targets, fds + 3);
	(void)poll(fds, sizeof(fds) / sizeof(fds[0]), wait_ms(s, now_ns()));
	probing_work(s->probing);
	targets_work(s->targets);
	take_signals(s);
	now = now_ns();
	if (fds[1].revents || now >= s->stop_ns)
		s->over = true;
	if (now < s->flush_ns && !s->over)
		return;
	/* Who was moved into it, and began nowhere that we saw. */
	if (s->opt->cgroup && members_each(s->opt->cgroup, add_member, s) < 0)
		s->over = true; /* it was removed */
	if (s->over)
		probing_settle(s->probing);
	flush(s, now);
	s->flush_ns = now + FLUSH_NS;
}

static void close_session(struct session *s)
{
	keeper_stop(s->keeper);
	probing_close(s->probing);
	targets_close(s->targets);
	writer_close(s->writer);
	if (s->signals >= 0)
		close(s->signals);
}

static int record(const struct attach_options *opt, struct err *err)
{
	struct session s = { .opt = opt, .signals = -1, .stop_ns = NEVER };
	int rc = open_session(&s, err);

	if (rc == 0)
		rc = join(&s, err);
	if (rc < 0)
		goto close;
	if (!opt->quiet && opt->process)
		terminal_note("attached to process %d, %s; Ctrl-C leaves it",
			      (int)opt->process->pid, opt->process->exe);
	else if (!opt->quiet)
		terminal_note("attached to the processes of %s; Ctrl-C leaves "
			      "them",
			      opt->cgroup);
	s.flush_ns = now_ns() + FLUSH_NS;
	if (opt->duration_ns)
		s.stop_ns = now_ns() + opt->duration_ns;
	while (!s.over)
		step(&s);
	targets_read_all(s.targets);
close:
	close_session(&s);
	return rc;
}

static int rehearse(const struct attach_options *opt, struct err *err)
{
	int rc = probes_possible(err);

	if (rc < 0)
		return rc;
	printf("Would load programs into the kernel (BPF) that watch ");
	if (opt->process)
		printf("process %d, %s; nothing is changed in it.\n",
		       (int)opt->process->pid, opt->process->exe);
	else
		printf("the processes of %s; nothing is changed in them.\n",
		       opt->cgroup);
	return 0;
}

const struct attach_way attach_bpf = {
	.name = "bpf",
	.summary = "programs in the kernel; nothing is changed in the server",
	.possible = possible,
	.rehearse = rehearse,
	.record = record,
};

/*
 * session: one run of a server, from its start to its end.
 */
#include "profiler/cmd/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/cmd/keeper.h"
#include "profiler/cmd/probing.h"
#include "profiler/cmd/reach.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/targets.h"
#include "profiler/cmd/terminal.h"
#include "profiler/cmd/watch.h"
#include "profiler/trace/quota.h"
#include "profiler/trace/writer.h"

#define NS_PER_SECOND 1000000000ULL
/* A server gets this long to end after SIGTERM; then it is killed. */
#define GRACE_NS (10 * NS_PER_SECOND)
/* A daemon's first file can come just after its parent's end. */
#define SETTLE_NS NS_PER_SECOND
#define NEVER	  UINT64_MAX
#define MOST_PIDS 256
#define FIRST_FDS 3
#define FLUSH_NS  NS_PER_SECOND
/* A function is to be timed soon after its file was mapped. */
#define PROBES_NS (NS_PER_SECOND / 10)

enum phase { RUNNING, STOPPING, KILLED };

struct session {
	const char *dir;
	struct targets *targets;
	struct reach *reach;	 /* NULL: no scans */
	struct watch *watch;	 /* NULL: none */
	struct probing *probing; /* NULL: none */
	struct writer *writer;	 /* of what that counts; NULL: none */
	uint64_t flush_ns;	 /* of probing; NEVER */
	bool fail_fast;		 /* stop at what the watch sees */
	int signals;		 /* signalfd */
	sigset_t mask;		 /* as it was */
	pid_t main;
	bool main_ended;
	int main_status;
	uint64_t main_ended_ns;
	bool detached; /* ...well and of its own: what is left is the server */
	bool heir_ended; /* a recording process that outlived the main one */
	int heir_status;
	bool failed_fast;
	bool asked_to_stop; /* by a signal that was passed on */
	enum phase phase;
	uint64_t stop_ns; /* when the next phase begins; NEVER */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static int open_signals(struct session *s, struct err *err)
{
	static const int taken[] = { SIGCHLD, SIGINT,  SIGTERM, SIGHUP,
				     SIGQUIT, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, &s->mask);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? err_errno(err, "cannot watch signals") : 0;
}

static void close_signals(struct session *s)
{
	if (s->signals >= 0)
		close(s->signals);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

/* To those that go on recording after the command's end. */
static void signal_heirs(struct session *s, int sig, bool same_group_too)
{
	pid_t pids[MOST_PIDS];
	size_t count = targets_recording(s->targets, pids, MOST_PIDS);

	for (size_t i = 0; i < count && i < MOST_PIDS; i++)
		if (same_group_too || getpgid(pids[i]) != getpgrp())
			kill(pids[i], sig);
}

static bool asks_to_stop(int sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGHUP ||
	       sig == SIGQUIT;
}

/*
 * The terminal signals its whole foreground group, the command included; what
 * came from a process came to us alone.
 */
static void pass_on(struct session *s, const struct signalfd_siginfo *si)
{
	bool from_terminal = si->ssi_code > 0;
	int sig = (int)si->ssi_signo;

	if (asks_to_stop(sig)) {
		s->asked_to_stop = true;
		reach_last(s->reach);
		targets_read_all(s->targets);
	}
	if (s->main_ended)
		signal_heirs(s, sig, !from_terminal);
	else if (!from_terminal)
		kill(s->main, sig);
}

static void reap(struct session *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		targets_reaped(s->targets, pid, status);
		if (pid == s->main) {
			s->main_ended = true;
			s->main_status = status;
			s->main_ended_ns = now_ns();
			s->detached = WIFEXITED(status) &&
				      WEXITSTATUS(status) == 0 &&
				      !s->asked_to_stop;
		} else if (s->main_ended &&
			   (s->asked_to_stop ||
			    now_ns() - s->main_ended_ns > SETTLE_NS / 2) &&
			   targets_records(s->targets, pid)) {
			/* One that ends beside it is a child, no daemon. */
			s->heir_ended = true;
			s->heir_status = status;
		}
	}
}

static void take_signals(struct session *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo != SIGCHLD)
			pass_on(s, &si);
	reap(s);
}

static void stop_server(struct session *s, int sig)
{
	if (s->main_ended)
		signal_heirs(s, sig, true);
	else
		kill(s->main, sig);
}

/* The duration is over, or the grace after it. */
static void next_phase(struct session *s, uint64_t now)
{
	if (s->phase == RUNNING) {
		reach_last(s->reach);
		targets_read_all(s->targets);
		stop_server(s, SIGTERM);
		s->phase = STOPPING;
		s->stop_ns = now + GRACE_NS;
	} else {
		if (!s->main_ended)
			terminal_note("the server did not end within %llu s "
				      "of SIGTERM; it is killed",
				      GRACE_NS / NS_PER_SECOND);
		stop_server(s, SIGKILL);
		s->phase = KILLED;
		s->stop_ns = NEVER;
	}
}

/*
 * When the wait for what is left after the command's end is over.  0: now.
 */
static uint64_t leave_ns(struct session *s)
{
	if (targets_recording(s->targets, NULL, 0) > 0)
		return s->detached ? NEVER : s->main_ended_ns + GRACE_NS;
	if (waitid(P_ALL, 0, &(siginfo_t) { 0 }, WEXITED | WNOHANG | WNOWAIT) <
		    0 &&
	    errno == ECHILD)
		return 0;
	return s->main_ended_ns + SETTLE_NS;
}

static void note_left_behind(struct session *s)
{
	pid_t pid;
	size_t count = targets_recording(s->targets, &pid, 1);

	if (count > 0)
		terminal_note("%zu process%s of the server still live and "
			      "record, process %d among them; the ledger ends "
			      "here",
			      count, count == 1 ? "" : "es", (int)pid);
}

static int wait_ms(uint64_t now, uint64_t until)
{
	uint64_t ms;

	if (until == NEVER)
		return -1;
	if (until <= now)
		return 0;
	ms = (until - now) / 1000000 + 1;
	return ms > 3600000 ? 3600000 : (int)ms;
}

static void close_probes(struct session *s)
{
	if (s->probing && s->writer) {
		probing_work(s->probing);
		(void)probing_flush(s->probing, s->writer, now_ns());
	}
	probing_close(s->probing);
	writer_close(s->writer);
}

/*
 * Before the server begins, so that its first request is seen; the process to
 * look at is told when there is one.
 */
static int open_probes(struct session *s, const struct session_options *opt,
		       struct err *err)
{
	struct err why = ERR_INIT;
	int rc;

	if (!opt->probing)
		return 0;
	rc = probing_open(&s->probing, opt->probing, &why);
	if (rc == 0)
		rc = writer_open(&s->writer, opt->dir, &why);
	if (rc == 0)
		rc = probing_attach(s->probing, &why);
	if (rc == 0) {
		s->flush_ns = now_ns() + FLUSH_NS;
		return 0;
	}
	probing_close(s->probing);
	s->probing = NULL;
	if (opt->probing_optional)
		return 0;
	return err_set(err, rc, "%s%s", why.text,
		       rc == -EPERM && opt->probing->http
			       ? "; or --http-by shim, which needs neither"
			       : "");
}

static void work_on_probes(struct session *s)
{
	uint64_t now;

	if (!s->probing)
		return;
	probing_work(s->probing);
	now = now_ns();
	if (now < s->flush_ns)
		return;
	(void)probing_flush(s->probing, s->writer, now);
	s->flush_ns = now + FLUSH_NS;
}

/* False when the session is over. */
static bool step(struct session *s)
{
	struct pollfd fds[FIRST_FDS + TARGETS_FDS + REACH_FDS] = {
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = s->fail_fast ? watch_fd(s->watch) : -1,
		  .events = POLLIN },
		{ .fd = s->probing ? probing_fd(s->probing) : -1,
		  .events = POLLIN },
	};
	uint64_t now = now_ns(), until = s->stop_ns;
	uint64_t scan = reach_next_ns(s->reach);

	until = scan < until ? scan : until;
	if (s->probing && until > now + PROBES_NS)
		until = now + PROBES_NS;
	if (s->main_ended) {
		uint64_t leave = leave_ns(s);

		if (leave <= now)
			return false;
		until = leave < until ? leave : until;
	}
	targets_fds(s->targets, fds + FIRST_FDS);
	reach_fds(s->reach, fds + FIRST_FDS + TARGETS_FDS);
	if (poll(fds, sizeof(fds) / sizeof(fds[0]), wait_ms(now, until)) < 0 &&
	    errno != EINTR)
		return false;
	targets_work(s->targets);
	reach_work(s->reach);
	work_on_probes(s);
	take_signals(s);
	now = now_ns();
	if (s->fail_fast && watch_saw_leak(s->watch)) {
		s->fail_fast = false; /* once */
		s->failed_fast = true;
		if (s->phase == RUNNING)
			s->stop_ns = now;
	}
	if (now >= s->stop_ns)
		next_phase(s, now);
	return true;
}

/* A command that ended while its time was up took its heirs' signal along. */
static void loop(struct session *s)
{
	bool was_main = true;

	while (step(s)) {
		if (was_main && s->main_ended && s->phase == STOPPING)
			signal_heirs(s, SIGTERM, true);
		was_main = !s->main_ended;
	}
	note_left_behind(s);
}

static void conclude(const struct session *s, struct session_result *result)
{
	const char *unrecorded = targets_unrecorded(s->targets);

	*result = (struct session_result) {
		.pid = s->main,
		.wait_status = s->detached && s->heir_ended ? s->heir_status
							    : s->main_status,
		.files = targets_files(s->targets),
		.failed_fast = s->failed_fast,
	};
	if (unrecorded)
		snprintf(result->unrecorded, sizeof(result->unrecorded), "%s",
			 unrecorded);
}

/* Without one the run is as good, but for what is said on the way. */
static void start_watch(struct session *s, const struct session_options *opt)
{
	const struct watch_options options = {
		.dir = opt->dir,
		.interval_ns = opt->verdict_ns,
		.quiet = opt->quiet,
	};
	struct err why = ERR_INIT;

	if (!opt->verdict_ns)
		return;
	if (watch_start(&s->watch, &options, &why) < 0)
		terminal_note("%s", why.text);
	s->fail_fast = opt->fail_fast && s->watch;
}

static void on_records(void *ctx, pid_t pid, uint32_t image)
{
	struct session *s = ctx;
	char path[PATH_MAX];

	recording_file(s->dir, pid, image, path);
	reach_add(s->reach, pid, path);
}

int session_run(struct session_options *opt, struct session_result *result,
		struct err *err)
{
	struct session s = {
		.dir = opt->dir,
		.signals = -1,
		.stop_ns = NEVER,
		.flush_ns = NEVER,
	};
	const struct targets_options options = {
		.dir = opt->dir,
		.interval_ns = opt->interval_ns,
		.follow = opt->launch.follow,
		.records = on_records,
		.ctx = &s,
	};
	struct err why = ERR_INIT;
	struct keeper *keeper;
	extern char **environ;
	int rc;

	rc = targets_open(&s.targets, &options, err);
	if (rc < 0)
		return rc;
	rc = open_signals(&s, err);
	if (rc < 0)
		goto close_signals;
	/* Without one each process has the cap for itself. */
	if (quota_create(opt->dir, opt->launch.max_bytes, &why) < 0)
		terminal_note("%s", why.text);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	opt->launch.mask = &s.mask;
	rc = open_probes(&s, opt, err);
	if (rc == 0)
		rc = launch_start(&opt->launch, environ, &s.main, err);
	if (rc < 0)
		goto close_signals;
	if (s.probing && probing_add(s.probing, s.main, &why) < 0)
		terminal_note("%s", why.text);
	if (opt->duration_ns)
		s.stop_ns = now_ns() + opt->duration_ns;
	targets_add(s.targets, s.main);
	/* After the fork, so that the command is born of one thread. */
	if (keeper_start(&keeper, opt->dir, &why) < 0)
		terminal_note("%s", why.text); /* it records up to its cap */
	start_watch(&s, opt);
	if (opt->reach && reach_start(&s.reach, opt->dir, keeper, &why) < 0)
		terminal_note("%s", why.text);
	loop(&s);
	reach_stop(s.reach);
	watch_stop(s.watch);
	keeper_stop(keeper);
	conclude(&s, result);
close_signals:
	close_probes(&s);
	close_signals(&s);
	targets_close(s.targets);
	return rc;
}

/*
 * attach_inject: into a running server by sending the recorder in.
 *
 * What is recorded is what `strandline run` records, from now on; what the
 * server allocated before is not known, and neither are its releases.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/idle.h"
#include "profiler/attach/inject.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/cmd/attach.h"
#include "profiler/cmd/guard.h"
#include "profiler/cmd/keeper.h"
#include "profiler/cmd/reach.h"
#include "profiler/cmd/recorder.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/scan.h"
#include "profiler/cmd/targets.h"
#include "profiler/cmd/terminal.h"
#include "profiler/trace/quota.h"
#include "profiler/trace/writer.h"
#include "profiler/wire/slab.h"

#define NS_PER_SECOND 1000000000ULL
#define NEVER	      UINT64_MAX
#define TICK_MS	      500
#define TRIES	      20
#define PAUSE_NS      100000000L
#define MOST_PIDS     256
#define GLANCES	      3			  /* where the keeper was faster */
#define HOLD_NS	      (4 * NS_PER_SECOND) /* the shim waits five for it */
#define IDLE_NS	      (2 * NS_PER_SECOND) /* for one that waits to look */

struct recorder_file { /* of a process that records */
	pid_t pid;
	char path[PATH_MAX];
};

struct session {
	const struct attach_options *opt;
	struct buf image;
	struct guard *guard;
	struct targets *targets;
	struct keeper *keeper; /* NULL: none */
	struct reach *reach;   /* NULL: no scans */
	struct writer *writer;
	VEC(struct recorder_file) files;
	uint64_t pause_ns, still_ns; /* the longest: of a thread, of all */
	int signals;		     /* signalfd */
	const struct slab_file *file;
	char path[PATH_MAX]; /* of it */
	struct guarded {
		pid_t pid;
		int pidfd;
	} guarded[MOST_PIDS];
	size_t guarded_count;
	uint64_t stop_ns;
	bool over;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static int check(const struct attach_options *opt, struct inject_plan *plan,
		 struct err *err)
{
	struct buf image = BUF_INIT;
	int rc;

	if (!opt->process)
		return err_set(err, -ENOTSUP,
			       "the recorder is sent to one process at a time: "
			       "name its PID, or use --with bpf for a cgroup");
	rc = recorder_read(&image, err);
	if (rc == 0)
		rc = inject_check(opt->process->pid, opt->process->pidfd,
				  &image, plan, err);
	buf_free(&image);
	return rc;
}

static int possible(const struct attach_options *opt, struct err *err)
{
	struct inject_plan plan;

	return check(opt, &plan, err);
}

static void tell_room(const struct inject_plan *plan)
{
	if (plan->recorder)
		return;
	if (plan->tls_unused)
		printf("Of static TLS it needs %llu bytes, and %llu are "
		       "unused.\n",
		       (unsigned long long)plan->tls_size,
		       (unsigned long long)plan->tls_unused);
	else
		printf("Of static TLS it needs %llu bytes; what is unused "
		       "cannot be told with %s. Should it not do, the loader "
		       "refuses, and nothing is changed.\n",
		       (unsigned long long)plan->tls_size, plan->libc);
}

static int rehearse(const struct attach_options *opt, struct err *err)
{
	struct inject_plan plan;
	int rc = check(opt, &plan, err);

	if (rc < 0)
		return rc;
	printf("Would borrow %s of process %d, %s",
	       plan.tid ? "a thread" : "whichever thread is safe",
	       (int)opt->process->pid, opt->process->exe);
	if (plan.tid)
		printf(" (%d, which waits in %s)", (int)plan.tid, plan.call);
	printf(", by code put into unused bytes of %s, and have ", plan.gap_in);
	if (plan.recorder)
		printf("the recorder that is there already begin again");
	else
		printf("it %s the recorder by dlopen of %s from a memfd",
		       plan.own_thread ? "start a thread that loads" : "load",
		       plan.libc);
	printf(".\nThe other threads run on.\n");
	tell_room(&plan);
	return 0;
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

/* Files are named by the number that a process has for itself. */
static void on_records(void *ctx, pid_t own_pid, uint32_t image)
{
	struct session *s = ctx;
	const struct admitted *p = s->opt->process;
	struct recorder_file *f = vec_push(&s->files);

	if (!f)
		return;
	f->pid = own_pid == p->own_pid ? p->pid : own_pid;
	recording_file(s->opt->dir, own_pid, image, f->path);
	reach_add(s->reach, f->pid, f->path);
}

/* The guard first, while there is one thread. */
static int open_session(struct session *s, struct err *err)
{
	const struct targets_options options = {
		.dir = s->opt->dir,
		.interval_ns = s->opt->interval_ns,
		.follow = s->opt->follow,
		.records = on_records,
		.ctx = s,
	};
	int rc = recorder_read(&s->image, err);

	if (rc == 0)
		rc = guard_start(&s->guard, &s->image, err);
	if (rc == 0)
		rc = open_signals(s, err);
	if (rc == 0)
		rc = targets_open(&s->targets, &options, err);
	if (rc == 0)
		rc = quota_create(s->opt->dir, s->opt->max_bytes, err);
	if (rc == 0)
		rc = writer_open(&s->writer, s->opt->dir, err);
	return rc;
}

/* Where the server sees another root, its children have no files of theirs. */
static bool shares_directory(const struct session *s)
{
	char theirs[PATH_MAX + 64];
	struct stat a, b;

	snprintf(theirs, sizeof(theirs), "/proc/%d/root%s",
		 (int)s->opt->process->pid, s->opt->absolute);
	return stat(theirs, &a) == 0 && stat(s->opt->absolute, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int open_file(struct session *s, int *fd, struct err *err)
{
	recording_file(s->opt->absolute, s->opt->process->own_pid, 0, s->path);
	*fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return *fd < 0 ? err_errno(err, "cannot create %s", s->path) : 0;
}

static int open_quota(const struct session *s, int *fd, struct err *err)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/" QUOTA_FILE, s->opt->absolute);
	*fd = open(path, O_RDWR | O_CLOEXEC);
	return *fd < 0 ? err_errno(err, "cannot open %s", path) : 0;
}

static void tell_joined(const struct session *s, const struct inject_result *r)
{
	char all[128] = "";

	if (s->opt->quiet)
		return;
	if (r->codes)
		snprintf(all, sizeof(all),
			 ", all of them for %llu us, to change the entries of "
			 "%u functions of its own allocator",
			 (unsigned long long)r->still_ns / 1000, r->codes);
	terminal_note("attached to process %d, %s; one thread stood still for "
		      "%llu us%s; Ctrl-C leaves it",
		      (int)s->opt->process->pid, s->opt->process->exe,
		      (unsigned long long)r->pause_ns / 1000, all);
	if (r->refused)
		terminal_note("%u calls could not be led to the recorder, as "
			      "their memory is sealed; what goes by way of "
			      "them is not seen",
			      r->refused);
}

static void note_pause(struct session *s, const struct inject_result *r)
{
	if (r->pause_ns > s->pause_ns)
		s->pause_ns = r->pause_ns;
	if (r->still_ns > s->still_ns)
		s->still_ns = r->still_ns;
}

static void write_pause(struct session *s, const char *name, uint64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)ns);
	if (ns)
		(void)writer_option(s->writer, now_ns(), name, text);
}

static bool has_ended(const struct guarded *g)
{
	struct pollfd p = { .fd = g->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static void guard_process(struct session *s, pid_t pid)
{
	struct guarded *g = s->guarded, *end = g + s->guarded_count;
	int pidfd;

	while (g < end && g->pid != pid)
		g++;
	if (g == s->guarded + MOST_PIDS || (g < end && !has_ended(g)))
		return;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return;
	if (g < end)
		close(g->pidfd); /* the number is another's now */
	else
		s->guarded_count++;
	*g = (struct guarded) { pid, pidfd };
	guard_watch(s->guard, pid);
}

static struct inject_settings settings_of(const struct session *s)
{
	const struct attach_options *o = s->opt;

	return (struct inject_settings) {
		.dir = shares_directory(s) ? o->absolute : "",
		.file = s->path,
		.process = o->process->pidfd,
		.exact = o->exact,
		.follow = o->follow,
		.http = o->http,
		.patch = true,
		.python = o->python,
		.python_objects = o->python && !o->exact,
		.mean_bytes = o->mean_bytes,
		.max_bytes = o->max_bytes,
		.routes = o->routes,
		.route_count = o->route_count,
	};
}

static int send_in(struct session *s, int slabs, int quota, struct err *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct inject_settings settings = settings_of(s);
	struct inject_result result;
	int rc = -EBUSY;

	settings.slabs = slabs;
	settings.quota = quota;
	guard_process(s, s->opt->process->pid);
	for (int i = 0; i < TRIES && rc == -EBUSY && !s->over; i++) {
		if (i)
			nanosleep(&pause, NULL);
		*err = (struct err)ERR_INIT;
		rc = inject_attach(s->opt->process->pid, &s->image, &settings,
				   &result, err);
	}
	if (rc == 0) {
		note_pause(s, &result);
		tell_joined(s, &result);
	}
	return rc;
}

static void map_file(struct session *s, int slabs)
{
	void *at = mmap(NULL, SLAB_FILE_HEADER_SIZE, PROT_READ, MAP_SHARED,
			slabs, 0);

	s->file = at == MAP_FAILED ? NULL : at;
}

static int join(struct session *s, struct err *err)
{
	int slabs, quota, rc = open_file(s, &slabs, err);

	if (rc < 0)
		return rc;
	rc = open_quota(s, &quota, err);
	if (rc < 0)
		goto close_slabs;
	rc = send_in(s, slabs, quota, err);
	close(quota);
	if (rc < 0)
		unlink(s->path);
	else
		map_file(s, slabs);
close_slabs:
	close(slabs);
	return rc;
}

/* One that was preloaded makes its file itself, sooner or later. */
static void look_for_file(struct session *s)
{
	struct stat sb;
	int fd;

	if (s->file)
		return;
	fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &sb) == 0 && sb.st_size >= SLAB_FILE_HEADER_SIZE)
		map_file(s, fd);
	close(fd);
}

static int switch_on(struct session *s, struct err *err)
{
	const struct inject_settings settings = settings_of(s);
	int rc;

	recording_file(s->opt->absolute, s->opt->process->own_pid, 0, s->path);
	guard_process(s, s->opt->process->pid);
	rc = idle_attach(s->opt->process->pid, &settings, IDLE_NS, err);
	if (rc < 0 && rc != -ETIMEDOUT)
		return rc;
	if (rc < 0)
		terminal_note("process %d allocates nothing now; it is "
			      "recorded from when it does",
			      (int)s->opt->process->pid);
	else if (!s->opt->quiet)
		terminal_note("attached to process %d, %s, which had waited; "
			      "Ctrl-C leaves it",
			      (int)s->opt->process->pid, s->opt->process->exe);
	look_for_file(s);
	return 0;
}

/* Children record because their parent does. */
static void guard_children(struct session *s)
{
	pid_t pids[MOST_PIDS];
	size_t count = targets_recording(s->targets, pids, MOST_PIDS);

	for (size_t i = 0; i < count && i < MOST_PIDS; i++)
		guard_process(s, pids[i]);
}

static void take_signals(struct session *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		s->over = true;
}

/* Another strandline has detached it, or the recorder itself has. */
static bool was_detached(const struct session *s)
{
	return s->file &&
	       __atomic_load_n(&s->file->ended_monotonic_ns, __ATOMIC_ACQUIRE);
}

static void step(struct session *s)
{
	struct pollfd fds[2 + TARGETS_FDS + REACH_FDS] = {
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = s->opt->process->pidfd, .events = POLLIN },
	};
	uint64_t now = now_ns(), until = s->stop_ns;
	uint64_t scan = reach_next_ns(s->reach);
	int ms = TICK_MS;

	until = scan < until ? scan : until;
	if (until <= now)
		ms = 0;
	else if (until - now < (uint64_t)TICK_MS * 1000000)
		ms = (int)((until - now) / 1000000 + 1);
	targets_fds(s->targets, fds + 2);
	reach_fds(s->reach, fds + 2 + TARGETS_FDS);
	(void)poll(fds, sizeof(fds) / sizeof(fds[0]), ms);
	targets_work(s->targets);
	reach_work(s->reach);
	look_for_file(s);
	guard_children(s);
	take_signals(s);
	if (fds[1].revents || now_ns() >= s->stop_ns || was_detached(s))
		s->over = true;
}

static void leave_one(struct session *s, const struct guarded *g)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct inject_result result;
	struct err err = ERR_INIT;
	int rc = -EBUSY;

	for (int i = 0; i < TRIES && rc == -EBUSY && !has_ended(g); i++) {
		if (i)
			nanosleep(&pause, NULL);
		err = (struct err)ERR_INIT;
		rc = inject_detach(g->pid, g->pidfd, &s->image, &result, &err);
	}
	if (rc == 0)
		note_pause(s, &result);
	if (rc < 0 && rc != -ESRCH && !has_ended(g))
		terminal_note("%s", err.text);
}

/* What it is in Python, of those that live and record still. */
static void glance(struct session *s, const struct recorder_file *f)
{
	struct err ignored = ERR_INIT;
	struct scan *scan;

	if (scan_open(&scan, f->pid, f->path, &ignored) < 0)
		return;
	for (int i = 0; i < GLANCES; i++) {
		int rc;

		keeper_hold(s->keeper, now_ns() + HOLD_NS);
		rc = scan_glance(scan, s->writer, &ignored);
		keeper_hold(s->keeper, 0);
		if (rc != -EAGAIN)
			break;
	}
	scan_close(scan);
}

/* While what it recorded is still there as it says. */
static void look_back(struct session *s)
{
	const struct recorder_file *f;

	targets_read_all(s->targets);
	reach_last(s->reach);
	reach_stop(s->reach);
	s->reach = NULL;
	if (!s->opt->reach && s->opt->python)
		vec_foreach (&s->files, f)
			glance(s, f);
}

static void leave(struct session *s)
{
	for (size_t i = 0; i < s->guarded_count; i++)
		leave_one(s, &s->guarded[i]);
	write_pause(s, "pause_ns", s->pause_ns);
	write_pause(s, "still_ns", s->still_ns);
}

static void close_session(struct session *s)
{
	guard_stop(s->guard);
	for (size_t i = 0; i < s->guarded_count; i++)
		close(s->guarded[i].pidfd);
	reach_stop(s->reach);
	keeper_stop(s->keeper);
	targets_close(s->targets);
	writer_close(s->writer);
	vec_free(&s->files);
	if (s->file)
		munmap((void *)s->file, SLAB_FILE_HEADER_SIZE);
	if (s->signals >= 0)
		close(s->signals);
	buf_free(&s->image);
}

static int record_by(int (*way_in)(struct session *, struct err *),
		     const struct attach_options *opt, struct err *err)
{
	struct session s = { .opt = opt, .signals = -1, .stop_ns = NEVER };
	struct err why = ERR_INIT;
	int rc = open_session(&s, err);

	if (rc == 0)
		rc = way_in(&s, err);
	if (rc < 0)
		goto close;
	if (keeper_start(&s.keeper, opt->dir, &why) < 0)
		terminal_note("%s", why.text); /* it records up to its cap */
	if (opt->reach && reach_start(&s.reach, opt->dir, s.keeper, &why) < 0)
		terminal_note("%s", why.text);
	targets_add(s.targets, opt->process->pid);
	if (opt->duration_ns)
		s.stop_ns = now_ns() + opt->duration_ns;
	while (!s.over)
		step(&s);
	look_back(&s);
	leave(&s);
close:
	close_session(&s);
	return rc;
}

static int record(const struct attach_options *opt, struct err *err)
{
	return record_by(join, opt, err);
}

static int idle_possible(const struct attach_options *opt, struct err *err)
{
	struct buf image = BUF_INIT;
	int rc;

	if (!opt->process)
		return err_set(err, -ENOTSUP, "a cgroup is attached to by bpf");
	rc = idle_check(opt->process->pid, opt->process->pidfd, err);
	if (rc == 0)
		rc = recorder_read(&image, err);
	if (rc == 0)
		rc = inject_same_build(opt->process->pid, &image, err);
	buf_free(&image);
	return rc;
}

static int idle_rehearse(const struct attach_options *opt, struct err *err)
{
	int rc = idle_possible(opt, err);

	if (rc == 0)
		printf("Would switch the recorder on that waits in process "
		       "%d, %s; nothing is stopped.\n",
		       (int)opt->process->pid, opt->process->exe);
	return rc;
}

static int idle_record(const struct attach_options *opt, struct err *err)
{
	return record_by(switch_on, opt, err);
}

const struct attach_way attach_idle = {
	.name = "idle",
	.summary = "the recorder that was preloaded and waits",
	.possible = idle_possible,
	.rehearse = idle_rehearse,
	.record = idle_record,
};

const struct attach_way attach_inject = {
	.name = "inject",
	.summary = "the recorder, sent into the server",
	.possible = possible,
	.rehearse = rehearse,
	.record = record,
};

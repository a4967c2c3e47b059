#include "profiler/cmd/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/room.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/cmd/keeper.h"
#include "profiler/cmd/rota.h"
#include "profiler/cmd/scan.h"
#include "profiler/cmd/terminal.h"
#include "profiler/cmd/worker.h"
#include "profiler/trace/writer.h"
#include "profiler/wire/slab.h"

#define SECOND	 1000000000ULL
#define EVERY_NS (60 * SECOND) /* where it cannot be scanned */
#define SHARE	 20 /* one part in so many of the time has a snapshot at most */
#define HOLD_NS	 (4 * SECOND) /* the shim waits five for its keeper */
#define LAST_NS	 SECOND	      /* for the last snapshots of all processes */
#define RETRY_NS (SECOND / 4)
#define RETRIES	 8

struct target {
	pid_t pid;
	char *path;
	struct scan *scan;	/* from its first on */
	struct slab_file *file; /* its header, mapped; as `scan` */
	struct rota rota;
	uint64_t next_ns;   /* to look at the rota, at least */
	uint64_t search_ns; /* CPU time that the last one took; 0: none yet */
	uint64_t last_ns;   /* of the last snapshot */
	uint64_t asked_ns;  /* when it was asked to end; 0: not yet */
	unsigned scans, failures;
	unsigned jobs; /* in hand */
	bool gone, told;
};

enum job_kind { JOB_PREPARE, JOB_LOOK };

struct job {
	struct worker_job base;
	enum job_kind kind;
	struct keeper *keeper;
	size_t target; /* index */
	struct scan *scan;
	struct shot shot;
	uint32_t flags; /* enum wire_reach_flag */
	struct scan_result result;
	uint64_t took_ns, cpu_ns;
	int rc;
	struct err err;
};

struct reach {
	struct writer *writer;
	struct keeper *keeper;
	struct worker *worker;
	int notify; /* inotify: a process touches its file before it exits */
	unsigned jobs;
	VEC(struct target) targets;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int reach_start(struct reach **out, const char *dir, struct keeper *keeper,
		struct err *err)
{
	struct reach *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->keeper = keeper;
	r->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->notify >= 0)
		inotify_add_watch(r->notify, dir, IN_ATTRIB);
	rc = writer_open(&r->writer, dir, err);
	if (rc < 0)
		goto stop;
	rc = worker_start(&r->worker);
	if (rc < 0) {
		err_set(err, rc, "cannot start a thread for scans: %s",
			strerror(-rc));
		goto stop;
	}
	*out = r;
	return 0;

stop:
	reach_stop(r);
	return rc;
}

void reach_add(struct reach *r, pid_t pid, const char *path)
{
	struct target *t;

	if (!r)
		return;
	vec_foreach (&r->targets, t)
		if (t->pid == pid)
			t->gone = true; /* it runs another program now */
	t = vec_push(&r->targets);
	if (!t)
		return; /* it is not scanned */
	*t = (struct target) {
		.pid = pid,
		.path = strdup(path),
		.rota = { .began_ns = now_ns() },
	};
	t->next_ns = rota_next_ns(&t->rota, 0);
	t->gone = !t->path;
}

static void map_header(struct target *t)
{
	int fd = open(t->path, O_RDWR | O_CLOEXEC);
	void *at = MAP_FAILED;

	if (fd >= 0)
		at = mmap(NULL, SLAB_FILE_HEADER_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		t->file = at;
	if (fd >= 0)
		close(fd);
}

static void target_fini(struct target *t)
{
	if (t->file) {
		__atomic_store_n(&t->file->entry.scans, 0, __ATOMIC_RELEASE);
		munmap(t->file, SLAB_FILE_HEADER_SIZE);
	}
	scan_close(t->scan);
	free(t->path);
}

/* A process that cannot be scanned is told of once. */
static void give_up(struct target *t, const struct err *err, uint64_t now)
{
	bool later = err->code == -EBUSY || err->code == -EAGAIN;

	if (err->code == -ESRCH) {
		t->gone = true;
		return;
	}
	if (later && ++t->failures <= RETRIES) {
		t->next_ns = now + RETRY_NS;
		return;
	}
	t->failures = 0;
	t->next_ns = now + EVERY_NS;
	if (t->told)
		return;
	t->told = true;
	terminal_note("no search for unreachable blocks: %s", err->text);
}

static void run_job(struct worker_job *base)
{
	struct job *j = (struct job *)base;
	uint64_t since = now_ns(), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	if (j->kind == JOB_PREPARE) {
		j->rc = scan_prepare(j->scan, &j->err);
	} else {
		j->rc = scan_read(j->scan, &j->shot, &j->err);
		keeper_hold(j->keeper, 0);
		if (j->rc == 0)
			j->rc = scan_look(j->scan, &j->shot, &j->result,
					  &j->err);
	}
	j->took_ns = now_ns() - since;
	j->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
}

static void give_job(struct reach *r, struct job *j, size_t target,
		     enum job_kind kind)
{
	j->base.run = run_job;
	j->kind = kind;
	j->keeper = r->keeper;
	j->target = target;
	j->scan = r->targets.at[target].scan;
	r->targets.at[target].jobs++;
	r->jobs++;
	worker_give(r->worker, &j->base);
}

static bool has_ended(const struct target *t)
{
	return t->file &&
	       __atomic_load_n(&t->file->ended_monotonic_ns, __ATOMIC_RELAXED);
}

/* Its first scan is due: find it. */
static int open_target(struct target *t, struct err *err)
{
	int rc = scan_open(&t->scan, t->pid, t->path, err);

	if (rc < 0)
		return rc;
	map_header(t);
	if (t->file) /* from here on it waits for us at its exit */
		__atomic_store_n(&t->file->entry.scans, 1, __ATOMIC_RELEASE);
	return 0;
}

/* In time of a CPU. */
static uint64_t price_of(const struct target *t)
{
	uint64_t held = room_anonymous(t->pid);

	return rota_price(held,
			  t->search_ns ? t->search_ns : rota_search_ns(held));
}

static void begin(struct reach *r, size_t i, uint64_t now)
{
	struct target *t = &r->targets.at[i];
	struct err err = ERR_INIT;
	uint64_t due;
	struct job *j;

	t->next_ns = now + EVERY_NS;
	if ((!t->scan && open_target(t, &err) < 0)) {
		give_up(t, &err, now);
		return;
	}
	if (has_ended(t)) {
		t->gone = true;
		return;
	}
	due = rota_next_ns(&t->rota, price_of(t));
	if (due > now) {
		t->next_ns = due;
		return;
	}
	j = calloc(1, sizeof(*j));
	if (j)
		give_job(r, j, i, JOB_PREPARE);
}

/* Take a snapshot, in @j, and have it looked through. */
static void take(struct reach *r, struct job *j, size_t i, uint32_t flags)
{
	struct target *t = &r->targets.at[i];
	struct err err = ERR_INIT;

	keeper_hold(r->keeper, now_ns() + HOLD_NS);
	if (scan_take(t->scan, &j->shot, &err) < 0) {
		keeper_hold(r->keeper, 0);
		give_up(t, &err, now_ns());
		free(j);
		return;
	}
	t->last_ns = j->shot.snapshot.at_ns;
	j->flags = flags;
	give_job(r, j, i, JOB_LOOK);
}

static void plan_next(struct target *t, const struct job *j, uint64_t now)
{
	uint64_t pause = now + j->took_ns * SHARE;

	t->failures = 0;
	t->search_ns = j->cpu_ns;
	rota_made(&t->rota, t->last_ns, price_of(t));
	t->next_ns = rota_next_ns(&t->rota, 0);
	if (t->next_ns < pause)
		t->next_ns = pause;
}

static void finish_look(struct reach *r, struct job *j)
{
	struct target *t = &r->targets.at[j->target];
	uint64_t now = now_ns();

	shot_release(&j->shot);
	if (j->rc < 0) {
		give_up(t, &j->err, now);
	} else {
		j->result.summary.flags |= j->flags;
		(void)scan_write(&j->result, r->writer);
		plan_next(t, j, now);
	}
	scan_result_fini(&j->result);
	free(j);
}

static void finish_prepare(struct reach *r, struct job *j)
{
	struct target *t = &r->targets.at[j->target];
	int rc = j->rc;

	j->rc = 0;
	if (rc < 0)
		give_up(t, &j->err, now_ns());
	if (rc < 0 || t->gone || has_ended(t))
		free(j);
	else
		take(r, j, j->target, 0);
}

static void take_done(struct reach *r)
{
	struct job *j;

	while ((j = (struct job *)worker_take(r->worker))) {
		r->jobs--;
		r->targets.at[j->target].jobs--;
		if (j->kind == JOB_PREPARE)
			finish_prepare(r, j);
		else
			finish_look(r, j);
	}
}

static void take_last(struct reach *r, size_t i, uint32_t flags)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j)
		take(r, j, i, flags);
}

/* Processes that wait for us before they exit. */
static void see_leaving(struct reach *r)
{
	for (size_t i = 0; i < r->targets.count; i++) {
		struct target *t = &r->targets.at[i];
		uint64_t leaving;

		if (!t->file || t->gone)
			continue;
		leaving = __atomic_load_n(&t->file->entry.leaving_ns,
					  __ATOMIC_ACQUIRE);
		if (leaving <= t->file->entry.leave)
			continue;
		/* What it tears down on being asked to end tells nothing. */
		if (leaving > t->last_ns + SECOND &&
		    (!t->asked_ns || leaving > t->asked_ns + EVERY_NS))
			take_last(r, i, REACH_LEAVING);
		__atomic_store_n(&t->file->entry.leave, leaving,
				 __ATOMIC_RELEASE);
		t->gone = true;
	}
}

static void take_notices(struct reach *r)
{
	_Alignas(struct inotify_event) char events[4096];
	bool some = false;

	while (r->notify >= 0 && read(r->notify, events, sizeof(events)) > 0)
		some = true;
	if (some)
		see_leaving(r);
}

static bool is_due(const struct target *t, uint64_t now)
{
	return !t->gone && !t->jobs && t->next_ns <= now;
}

void reach_work(struct reach *r)
{
	uint64_t now;

	if (!r)
		return;
	take_notices(r);
	take_done(r);
	now = now_ns();
	for (size_t i = 0; i < r->targets.count && !r->jobs; i++)
		if (is_due(&r->targets.at[i], now))
			begin(r, i, now);
}

void reach_last(struct reach *r)
{
	uint64_t now = now_ns();

	if (!r)
		return;
	for (size_t i = 0; i < r->targets.count; i++) {
		struct target *t = &r->targets.at[i];

		if (t->gone || !t->scan || has_ended(t))
			continue;
		if (now_ns() - now < LAST_NS)
			take_last(r, i, REACH_LEAVING);
		t->asked_ns = now;
		t->next_ns = now + EVERY_NS;
	}
}

uint64_t reach_next_ns(const struct reach *r)
{
	uint64_t next = REACH_NEVER;
	const struct target *t;

	if (!r || r->jobs)
		return REACH_NEVER; /* a descriptor will tell */
	vec_foreach (&r->targets, t)
		if (!t->gone && t->next_ns < next)
			next = t->next_ns;
	return next;
}

void reach_fds(const struct reach *r, struct pollfd fds[REACH_FDS])
{
	fds[0] = (struct pollfd) { .fd = r ? worker_fd(r->worker) : -1,
				   .events = POLLIN };
	fds[1] = (struct pollfd) { .fd = r ? r->notify : -1, .events = POLLIN };
}

void reach_stop(struct reach *r)
{
	struct target *t;

	if (!r)
		return;
	vec_foreach (&r->targets, t)
		t->gone = true;
	while (r->jobs) {
		struct pollfd done = { .fd = worker_fd(r->worker),
				       .events = POLLIN };

		if (poll(&done, 1, -1) < 0 && errno != EINTR)
			break;
		take_done(r);
	}
	worker_stop(r->worker);
	vec_foreach (&r->targets, t)
		target_fini(t);
	vec_free(&r->targets);
	writer_close(r->writer);
	if (r->notify >= 0)
		close(r->notify);
	free(r);
}

#include "profiler/cmd/top_source.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/err.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/ticker.h"
#include "profiler/model/build.h"

#define NS_PER_SECOND 1000000000ULL
#define INTERVAL_NS   NS_PER_SECOND
#define PATIENCE      10 /* times what a reading took */

struct top_source {
	struct top_process *process; /* NULL: a recording */
	struct ticker *ticker;
	pid_t pid; /* that is recorded; 0: not known */
	int fd;
	pthread_mutex_t lock;	/* guards these: */
	char dir[PATH_MAX];	/* "": none, read the process */
	struct top_reading new; /* not taken yet; model NULL: none */
	/* the thread's alone */
	bool lowered, over;
	uint64_t next_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

void top_reading_free(struct top_reading *r)
{
	verdict_free(r->verdict);
	model_free(r->model);
	*r = (struct top_reading) { .model = NULL };
}

/* One of its processes is still there, and the program it was. */
static bool is_alive(const struct model *m)
{
	for (uint32_t i = 0; i < m->process_count; i++) {
		const struct model_process *p = &m->processes[i];
		char path[64], exe[PATH_MAX];
		ssize_t n;

		if (p->ended >= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
		n = readlink(path, exe, sizeof(exe) - 1);
		if (n < 0 && errno == EACCES) /* somebody else's */
			return true;
		exe[n < 0 ? 0 : n] = '\0';
		/* A deploy may have replaced the file meanwhile. */
		if (strstr(exe, p->exe) == exe && p->exe[0])
			return true;
	}
	return false;
}

/* What it calls itself may be another number than the one out here. */
static bool exists(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static int read_recording(const char *dir, pid_t pid, struct top_reading *r,
			  struct err *err)
{
	int rc = model_load_naming(&r->model, dir, err);

	if (rc < 0)
		return rc;
	rc = verdict_of(&r->verdict, r->model, err);
	if (rc < 0) {
		top_reading_free(r);
		return rc;
	}
	r->live = !recording_ended(dir) && (exists(pid) || is_alive(r->model));
	return 0;
}

static int read_any(struct top_source *s, struct top_reading *r,
		    struct err *err)
{
	char dir[PATH_MAX];
	int rc;

	*r = (struct top_reading) { .model = NULL };
	pthread_mutex_lock(&s->lock);
	snprintf(dir, sizeof(dir), "%s", s->dir);
	pthread_mutex_unlock(&s->lock);
	if (dir[0]) {
		rc = read_recording(dir, s->pid, r, err);
		if (rc == 0 || !s->process)
			return rc;
		/* Nothing was recorded yet: a server that idles does not
		 * allocate. */
		snprintf(r->problem, sizeof(r->problem), "%s", err->text);
		*err = (struct err)ERR_INIT;
	}
	rc = top_process_read(s->process, &r->model, err);
	r->live = rc == 0;
	return rc;
}

static void hand_over(struct top_source *s, struct top_reading *r)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	if (r->model || !s->new.model) {
		top_reading_free(&s->new);
		s->new = *r;
	} else {
		snprintf(s->new.problem, sizeof(s->new.problem), "%s",
			 r->problem);
	}
	pthread_mutex_unlock(&s->lock);
	if (write(s->fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

static void tick(void *ctx)
{
	struct top_source *s = ctx;
	struct err why = ERR_INIT;
	struct top_reading r;
	uint64_t began = now_ns();

	/* Only of this thread: a nice value is per thread on Linux. */
	if (!s->lowered)
		setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
	s->lowered = true;
	if (s->over || began < s->next_ns)
		return;
	if (read_any(s, &r, &why) < 0)
		snprintf(r.problem, sizeof(r.problem), "%s", why.text);
	else if (!r.live)
		s->over = s->dir[0] != '\0';
	s->next_ns = began + PATIENCE * (now_ns() - began);
	hand_over(s, &r);
}

static int open_first(struct top_source *s, const char *dir, pid_t pid,
		      struct err *err)
{
	struct top_reading r;
	int rc = 0;

	s->pid = pid;
	if (dir)
		snprintf(s->dir, sizeof(s->dir), "%s", dir);
	else
		rc = top_process_open(&s->process, pid, err);
	if (rc == 0)
		rc = read_any(s, &r, err);
	if (rc < 0)
		return rc;
	s->over = dir && !r.live;
	hand_over(s, &r);
	return 0;
}

int top_source_open(struct top_source **out, const char *dir, pid_t pid,
		    struct err *err)
{
	struct top_source *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&s->lock, NULL);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd < 0) {
		rc = err_errno(err, "cannot wait for readings");
		goto close_source;
	}
	rc = open_first(s, dir, pid, err);
	if (rc < 0)
		goto close_source;
	rc = ticker_start(&s->ticker, INTERVAL_NS, tick, s);
	if (rc < 0) {
		err_set(err, rc, "cannot start a thread: %s", strerror(-rc));
		goto close_source;
	}
	*out = s;
	return 0;

close_source:
	top_source_close(s);
	return rc;
}

void top_source_follow(struct top_source *s, const char *dir)
{
	pthread_mutex_lock(&s->lock);
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	pthread_mutex_unlock(&s->lock);
}

int top_source_fd(const struct top_source *s)
{
	return s->fd;
}

bool top_source_take(struct top_source *s, struct top_reading *r)
{
	uint64_t count;

	if (read(s->fd, &count, sizeof(count)) < 0)
		return false;
	pthread_mutex_lock(&s->lock);
	*r = s->new;
	s->new = (struct top_reading) { .model = NULL };
	pthread_mutex_unlock(&s->lock);
	return true;
}

void top_source_close(struct top_source *s)
{
	if (!s)
		return;
	ticker_stop(s->ticker);
	top_reading_free(&s->new);
	top_process_close(s->process);
	if (s->fd >= 0)
		close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/*
 * sampler: reads the usage of a set of processes at an interval.
 */
#include "profiler/proc/sampler.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/proc/procfs.h"

#define NS_PER_SECOND	  1000000000ULL
#define PARTS_INTERVAL_NS (10 * NS_PER_SECOND)
#define PARTS_SHARE	  100 /* a hundredth of the time at most */
#define THREADS_CHEAP	  64  /* 5 us a thread to ask for its children */
#define RSS_MOVED	  20  /* parts: a twentieth */

struct member {
	struct usage_source *source;
	char *exe;
	uint64_t parts_ns;  /* when they were read last; 0: never */
	uint64_t parts_rss; /* and what the resident size was then */
	uint64_t threads;
	bool ended;
};

struct sampler {
	int timer;
	char *root;
	bool children;
	struct sampler_events events;
	VEC(struct member) members;
	uint64_t parts_free_ns; /* no parts before: the share is used up */
	size_t parts_turn;	/* who is asked first, for fairness */
	uint64_t ticks;
	struct buf text;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static int start_timer(struct sampler *s, uint64_t interval_ns)
{
	struct timespec every = {
		.tv_sec = (time_t)(interval_ns / NS_PER_SECOND),
		.tv_nsec = (long)(interval_ns % NS_PER_SECOND),
	};
	struct itimerspec timer = { every, every };

	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->timer < 0)
		return -errno;
	return timerfd_settime(s->timer, 0, &timer, NULL) < 0 ? -errno : 0;
}

int sampler_open(struct sampler **out, const struct sampler_options *opt,
		 struct err *err)
{
	struct sampler *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->timer = -1;
	s->children = opt->children;
	s->events = opt->events;
	s->root = strdup(opt->root ? opt->root : "/proc");
	rc = s->root ? start_timer(s, opt->interval_ns) : -ENOMEM;
	if (rc < 0) {
		sampler_close(s);
		return err_set(err, rc, "cannot start the sampling timer: %s",
			       strerror(-rc));
	}
	*out = s;
	return 0;
}

static void member_fini(struct member *m)
{
	usage_close(m->source);
	free(m->exe);
}

void sampler_close(struct sampler *s)
{
	struct member *m;

	if (!s)
		return;
	vec_foreach (&s->members, m)
		member_fini(m);
	vec_free(&s->members);
	buf_free(&s->text);
	free(s->root);
	if (s->timer >= 0)
		close(s->timer);
	free(s);
}

int sampler_fd(const struct sampler *s)
{
	return s->timer;
}

size_t sampler_count(const struct sampler *s)
{
	return s->members.count;
}

pid_t sampler_pid(const struct sampler *s, size_t i)
{
	return usage_pid(s->members.at[i].source);
}

static size_t find(const struct sampler *s, pid_t pid)
{
	size_t i = 0;

	while (i < s->members.count && sampler_pid(s, i) != pid)
		i++;
	return i;
}

bool sampler_has(const struct sampler *s, pid_t pid)
{
	return find(s, pid) < s->members.count;
}

static void remove_at(struct sampler *s, size_t i)
{
	member_fini(&s->members.at[i]);
	s->members.count--;
	memmove(&s->members.at[i], &s->members.at[i + 1],
		(s->members.count - i) * sizeof(*s->members.at));
}

bool sampler_remove(struct sampler *s, pid_t pid)
{
	size_t i = find(s, pid);

	if (i == s->members.count)
		return false;
	remove_at(s, i);
	return true;
}

/* Point @words at the NUL-terminated words of @text. */
static void split_words(const struct buf *text, const char **words, size_t max)
{
	size_t count = 0;

	for (size_t at = 0; at < text->len && count + 1 < max;
	     at += strlen(text->bytes + at) + 1)
		words[count++] = text->bytes + at;
	words[count] = NULL;
}

/*
 * The program of a process; of one that gained rights by its file only the
 * name is for all to see.  False: it has ended.
 */
static bool read_exe(struct sampler *s, int dir, char exe[PATH_MAX])
{
	ssize_t rc = procfs_link(dir, "exe", exe, PATH_MAX);

	exe[rc < 0 ? 0 : rc] = '\0';
	if (rc != -EACCES || procfs_read(dir, "comm", &s->text) < 0)
		return rc >= 0 || rc == -EACCES;
	snprintf(exe, PATH_MAX, "[%.*s]", (int)strcspn(s->text.bytes, "\n"),
		 s->text.bytes);
	return true;
}

/* The last of "NSpid: 4711 1" (Linux 4.1): the innermost. */
static pid_t read_own_pid(struct sampler *s, int dir, pid_t pid)
{
	const char *line, *end;
	pid_t own = pid;

	if (procfs_read(dir, "status", &s->text) < 0)
		return pid;
	line = strstr(s->text.bytes, "\nNSpid:");
	if (!line)
		return pid;
	line += strlen("\nNSpid:");
	for (end = line + strcspn(line, "\n"); line < end;) {
		char *after;
		long n = strtol(line, &after, 10);

		if (after == line || after > end)
			break;
		own = (pid_t)n;
		line = after;
	}
	return own;
}

/* A new member, or one whose program is not what it was: tell. */
static void announce(struct sampler *s, struct member *m)
{
	int dir = usage_dir(m->source);
	pid_t pid = usage_pid(m->source), own_pid;
	const char *words[64];
	struct procfs_stat stat;
	char exe[PATH_MAX];

	if ((!read_exe(s, dir, exe) && m->exe) ||
	    (m->exe && strcmp(exe, m->exe) == 0))
		return;
	if (procfs_stat(dir, &stat) < 0)
		return; /* ended: the next reading will see it */
	free(m->exe);
	m->exe = strdup(exe);
	own_pid = read_own_pid(s, dir, pid);
	if (!s->events.began || procfs_read(dir, "cmdline", &s->text) < 0)
		return;
	split_words(&s->text, words, sizeof(words) / sizeof(words[0]));
	s->events.began(s->events.ctx,
			&(struct sampler_process) { pid, stat.ppid, own_pid,
						    exe, words });
}

static bool parts_due(const struct member *m, const struct usage *u)
{
	uint64_t moved;

	if (!m->parts_ns || u->at_ns - m->parts_ns >= PARTS_INTERVAL_NS)
		return true;
	moved = u->rss > m->parts_rss ? u->rss - m->parts_rss
				      : m->parts_rss - u->rss;
	return moved > m->parts_rss / RSS_MOVED;
}

static void read_parts(struct sampler *s, struct member *m, struct usage *u)
{
	uint64_t began = now_ns(), ended;

	if (usage_read_parts(m->source, u) == 0)
		m->parts_rss = u->rss;
	ended = now_ns();
	m->parts_ns = ended; /* refused: not asked again at once */
	s->parts_free_ns = ended + (ended - began) * PARTS_SHARE;
}

/* False when the process has ended. */
static bool read_member(struct sampler *s, struct member *m, bool parts)
{
	struct usage u;
	int rc;

	rc = usage_read(m->source, &u);
	if (rc == -ESRCH)
		return false;
	if (rc < 0)
		return true;
	announce(s, m);
	m->threads = u.threads;
	if (parts || (u.at_ns >= s->parts_free_ns && parts_due(m, &u)))
		read_parts(s, m, &u);
	if (s->events.reading)
		s->events.reading(s->events.ctx, &u);
	return true;
}

int sampler_add(struct sampler *s, pid_t pid)
{
	struct usage_source *source;
	struct member *m;
	int rc;

	if (sampler_has(s, pid))
		return 0;
	rc = usage_open(&source, s->root, pid, NULL);
	if (rc < 0)
		return rc;
	m = vec_push(&s->members);
	if (!m) {
		usage_close(source);
		return -ENOMEM;
	}
	m->source = source;
	if (read_member(s, m, false))
		return 0;
	remove_at(s, s->members.count - 1);
	return -ESRCH;
}

struct brood {
	struct sampler *sampler;
	int dir;
};

/*
 * Stopped by a tracer: a snapshot that a scan has forked, which lives for a
 * second or two and holds what its parent holds.  Others can join later.
 */
static bool stands_still(const struct sampler *s, pid_t pid)
{
	int dir = procfs_open(s->root, pid);
	struct procfs_stat stat;
	bool traced;

	if (dir < 0)
		return false;
	traced = procfs_stat(dir, &stat) == 0 && stat.state == 't';
	close(dir);
	return traced;
}

static void add_children_of_thread(void *ctx, uint64_t tid)
{
	struct brood *b = ctx;
	struct buf text = BUF_INIT;
	char name[64];

	snprintf(name, sizeof(name), "task/%llu/children",
		 (unsigned long long)tid);
	if (procfs_read(b->dir, name, &text) == 0) {
		char *at = text.bytes, *end;
		long pid;

		while ((pid = strtol(at, &end, 10)) > 0 && end > at) {
			if (!stands_still(b->sampler, (pid_t)pid))
				(void)sampler_add(b->sampler, (pid_t)pid);
			at = end;
		}
	}
	buf_free(&text);
}

/* Those that join are asked for theirs in turn: they are at the end. */
static void add_children(struct sampler *s)
{
	for (size_t i = 0; i < s->members.count; i++) {
		struct brood b = { s, usage_dir(s->members.at[i].source) };

		(void)procfs_numbers(b.dir, "task", add_children_of_thread, &b);
	}
}

static void part_with_ended(struct sampler *s)
{
	for (size_t i = s->members.count; i-- > 0;) {
		pid_t pid = sampler_pid(s, i);

		if (!s->members.at[i].ended)
			continue;
		remove_at(s, i);
		if (s->events.ended)
			s->events.ended(s->events.ctx, pid);
	}
}

void sampler_drop_ended(struct sampler *s)
{
	struct member *m;
	struct usage u;

	vec_foreach (&s->members, m)
		m->ended = usage_read(m->source, &u) == -ESRCH;
	part_with_ended(s);
}

static void read_everybody(struct sampler *s, bool parts)
{
	size_t first = s->parts_turn++;
	size_t count = s->members.count;

	for (size_t n = 0; n < count; n++) {
		struct member *m = &s->members.at[(first + n) % count];

		m->ended = !read_member(s, m, parts);
	}
	part_with_ended(s);
}

void sampler_tick(struct sampler *s)
{
	uint64_t times;

	if (read(s->timer, &times, sizeof(times)) < 0)
		return; /* not due after all */
	read_everybody(s, false);
	if (s->children)
		add_children(s);
	s->ticks++;
}

void sampler_read_all(struct sampler *s)
{
	read_everybody(s, true);
}

/*
 * stacks: where the threads of a process have their stacks.
 */
#include "profiler/proc/stacks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/proc/procfs.h"

void stacks_fini(struct stacks *s)
{
	vec_free(&s->threads);
	vec_free(&s->pointers);
}

/*
 * "running", or "-1 SP PC" when stopped outside a system call, or
 * "NR ARG1 .. ARG6 SP PC" inside one: the last word but one.
 */
uint64_t stacks_parse_syscall(const char *text)
{
	const char *words[2] = { NULL, NULL }; /* the last two */
	char *end;
	uint64_t sp;

	for (const char *at = text; *at;) {
		at += strspn(at, " \n");
		if (!*at)
			break;
		words[0] = words[1];
		words[1] = at;
		at += strcspn(at, " \n");
	}
	if (!words[0] || strncmp(words[0], "0x", 2) != 0)
		return 0;
	sp = strtoull(words[0], &end, 16);
	return *end == ' ' ? sp : 0;
}

static struct stacks_thread *find(struct stacks *s, pid_t tid)
{
	size_t low = 0, high = s->threads.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->threads.at[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < s->threads.count && s->threads.at[low].tid == tid)
		return &s->threads.at[low];
	return NULL;
}

static int by_tid(const void *a, const void *b)
{
	const struct stacks_thread *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Threads met in this refresh that were not known before. */
struct newcomers {
	struct stacks *stacks;
	VEC(pid_t) tids;
};

static void meet(void *ctx, uint64_t tid)
{
	struct newcomers *n = ctx;
	struct stacks_thread *known = find(n->stacks, (pid_t)tid);
	pid_t *new;

	if (known) {
		known->seen = true;
		return;
	}
	new = vec_push(&n->tids);
	if (new) /* else its stack counts as anonymous */
		*new = (pid_t)tid;
}

static void drop_the_dead(struct stacks *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->threads.count; i++)
		if (s->threads.at[i].seen)
			s->threads.at[kept++] = s->threads.at[i];
	s->threads.count = kept;
}

static int list_threads(struct stacks *s, int dir)
{
	struct newcomers n = { s, VEC_INIT };
	struct stacks_thread *t;
	ssize_t count;

	vec_foreach (&s->threads, t)
		t->seen = false;
	count = procfs_numbers(dir, "task", meet, &n);
	drop_the_dead(s);
	for (size_t i = 0; i < n.tids.count; i++) {
		t = vec_push(&s->threads);
		if (!t)
			break;
		t->tid = n.tids.at[i];
	}
	vec_free(&n.tids);
	if (s->threads.count > 0)
		qsort(s->threads.at, s->threads.count, sizeof(*s->threads.at),
		      by_tid);
	return count < 0 ? (int)count : 0;
}

int stacks_refresh(struct stacks *s, int dir)
{
	struct buf text = BUF_INIT;
	struct stacks_thread *t;
	int rc;

	rc = list_threads(s, dir);
	if (rc < 0)
		return rc;
	s->pointers.count = 0;
	vec_foreach (&s->threads, t) {
		char name[64];
		uint64_t sp = 0, *slot;

		snprintf(name, sizeof(name), "task/%d/syscall", (int)t->tid);
		rc = procfs_read(dir, name, &text);
		if (rc == -EPERM || rc == -EACCES)
			break; /* the others refuse just so */
		if (rc == 0)
			sp = stacks_parse_syscall(text.bytes);
		if (sp)
			t->sp = sp;
		slot = t->sp ? vec_push(&s->pointers) : NULL;
		if (slot)
			*slot = t->sp;
	}
	buf_free(&text);
	if (s->pointers.count > 0)
		qsort(s->pointers.at, s->pointers.count,
		      sizeof(*s->pointers.at), by_value);
	return rc == -EPERM || rc == -EACCES ? rc : 0;
}

bool stacks_touch(const struct stacks *s, uint64_t start, uint64_t end)
{
	size_t low = 0, high = s->pointers.count;

	while (low < high) { /* the first pointer at or past start */
		size_t middle = low + (high - low) / 2;

		if (s->pointers.at[middle] < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->pointers.count && s->pointers.at[low] < end;
}

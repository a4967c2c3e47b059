#include "profiler/trace/threads.h"

#include <errno.h>

#include "profiler/base/hash.h"

int threads_init(struct threads *t)
{
	*t = (struct threads) { .by_tid = hash_new() };
	return t->by_tid ? 0 : -ENOMEM;
}

void threads_fini(struct threads *t)
{
	vec_free(&t->at);
	hash_free(t->by_tid);
	t->by_tid = NULL;
}

uint32_t threads_find(const struct threads *t, int32_t tid)
{
	const uint64_t *found = hash_find(t->by_tid, (uint32_t)tid);

	return found ? (uint32_t)*found : THREAD_NONE;
}

static void add(struct fold_sum *to, const struct fold_sum *from)
{
	to->bytes += from->bytes;
	to->bytes_variance += from->bytes_variance;
	to->count += from->count;
	to->count_variance += from->count_variance;
}

/* An entry for a new thread: the eldest ended one's, when there are many. */
static struct thread *take_entry(struct threads *t)
{
	if (t->at.count < THREADS_MAX)
		return vec_push(&t->at);
	for (size_t i = 0; i < t->at.count; i++) {
		size_t at = (t->oldest + i) % t->at.count;
		struct thread *old = &t->at.at[at];

		if (!old->ended)
			continue;
		if (threads_find(t, old->tid) == at)
			hash_remove(t->by_tid, (uint32_t)old->tid, NULL);
		add(&t->forgotten_allocated, &old->allocated);
		t->forgotten++;
		t->oldest = at + 1;
		memset(old, 0, sizeof(*old));
		return old;
	}
	return vec_push(&t->at); /* all alive */
}

uint32_t threads_get(struct threads *t, int32_t tid, uint64_t ticks,
		     uint64_t grace)
{
	uint32_t found = threads_find(t, tid);
	struct thread *thread;

	if (found != THREAD_NONE) {
		thread = &t->at.at[found];
		if (!thread->ended)
			return found;
		if ((int64_t)(ticks - thread->ended) < (int64_t)grace) {
			thread->ended = 0;
			return found;
		}
	}
	thread = take_entry(t);
	if (!thread)
		return THREAD_NONE;
	found = (uint32_t)(thread - t->at.at);
	if (hash_set(t->by_tid, (uint32_t)tid, found) < 0)
		return THREAD_NONE;
	thread->tid = tid;
	thread->began = ticks;
	return found;
}

int threads_index(struct threads *t)
{
	for (size_t i = 0; i < t->at.count; i++)
		if (hash_set(t->by_tid, (uint32_t)t->at.at[i].tid, i) < 0)
			return -ENOMEM;
	return 0;
}

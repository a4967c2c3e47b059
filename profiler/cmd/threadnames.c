#include "profiler/cmd/threadnames.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "profiler/base/hash.h"
#include "profiler/proc/remote.h"
#include "profiler/sym/pythreads.h"
#include "profiler/trace/reader.h"
#include "profiler/trace/writer.h"
#include "profiler/wire/slab.h"

struct threadnames {
	struct hash *told; /* pid << 32 | tid -> what its name sums up to */
};

struct look {
	struct threadnames *names;
	struct writer *writer;
	pid_t own;
	uint64_t at_ns;
	int rc;
};

struct threadnames *threadnames_new(void)
{
	struct threadnames *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->told = hash_new();
	if (t->told)
		return t;
	free(t);
	return NULL;
}

void threadnames_free(struct threadnames *t)
{
	if (!t)
		return;
	hash_free(t->told);
	free(t);
}

static uint64_t sum_of(const char *name)
{
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (; *name; name++)
		sum = (sum ^ (uint8_t)*name) * 0x100000001b3ULL;
	return sum;
}

static void take_name(void *context, uint64_t ident, int32_t tid,
		      const char *name)
{
	struct look *l = context;
	const struct trace_thread thread = {
		.pid = l->own,
		.tid = tid,
		.at_ns = l->at_ns,
		.name = name,
	};
	uint64_t key = (uint64_t)l->own << 32 | (uint32_t)tid;
	const uint64_t *told = hash_find(l->names->told, key);
	uint64_t sum = sum_of(name);

	(void)ident;
	if (!tid || l->rc < 0 || (told && *told == sum))
		return;
	l->rc = hash_set(l->names->told, key, sum);
	if (l->rc >= 0)
		l->rc = writer_thread(l->writer, &thread);
}

int threadnames_look(struct threadnames *t, struct writer *w, pid_t pid,
		     pid_t own, const struct slab_python *python)
{
	const struct remote there = remote_process(pid);
	struct look l = { .names = t, .writer = w, .own = own };
	struct timespec now;
	int rc;

	if (!python->modules)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	l.at_ns = (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
	rc = pythreads_names(&there, python->version, python->modules,
			     take_name, &l);
	return l.rc < 0 ? l.rc : rc;
}

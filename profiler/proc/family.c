/*
 * family: see family.h.
 */
#include "profiler/proc/family.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/proc/procfs.h"

#define DEEPEST 64 /* a number used again could lead in circles */

struct visit {
	void (*each)(void *context, pid_t pid);
	void *context;
	int dir;
	int depth;
};

static void visit(const struct visit *parent, pid_t pid);

static void visit_children_of_thread(void *context, uint64_t tid)
{
	const struct visit *v = context;
	struct buf text = BUF_INIT;
	char name[48], *at, *end;

	snprintf(name, sizeof(name), "task/%llu/children",
		 (unsigned long long)tid);
	if (procfs_read(v->dir, name, &text) == 0) {
		for (at = text.bytes; at; at = end) {
			long pid = strtol(at, &end, 10);

			if (end == at)
				break;
			v->each(v->context, (pid_t)pid);
			visit(v, (pid_t)pid);
		}
	}
	buf_free(&text);
}

static void visit(const struct visit *parent, pid_t pid)
{
	struct visit v = *parent;

	v.depth++;
	if (v.depth > DEEPEST)
		return;
	v.dir = procfs_open("/proc", pid);
	if (v.dir < 0)
		return;
	(void)procfs_numbers(v.dir, "task", visit_children_of_thread, &v);
	close(v.dir);
}

void family_each(pid_t pid, void (*each)(void *context, pid_t pid),
		 void *context)
{
	const struct visit top = { .each = each, .context = context };

	visit(&top, pid);
}

/*
 * ledger: one line of the recording's ledger.
 */
#include "profiler/cmd/ledger.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profiler/cmd/recording.h"
#include "profiler/proc/usage.h"
#include "profiler/wire/record.h"

_Static_assert(USAGE_UNSEEN == WIRE_UNSEEN, "copied as it is");

/* What this process holds and has used. */
static void put_profiler(struct wire_ledger *line)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	struct timespec cpu;
	unsigned long pages;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
		line->profiler_cpu_ns = (uint64_t)cpu.tv_sec * 1000000000ULL +
					(uint64_t)cpu.tv_nsec;
	if (!statm)
		return;
	if (fscanf(statm, "%*u %lu", &pages) == 1)
		line->profiler_rss = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	fclose(statm);
}

static void put_shim(struct wire_ledger *line,
		     const struct recording_page *page)
{
	const struct slab_allocator_stats *a = &page->allocator;

	line->self = page->stats.self_bytes;
	if (page->python.arenas) {
		line->python_arenas = page->python.arena_bytes;
		line->python_used = page->python.arena_used;
	}
	if (a->at_ns == 0 || (a->allocator != SLAB_ALLOCATOR_JEMALLOC &&
			      a->allocator != SLAB_ALLOCATOR_TCMALLOC))
		return; /* not asked yet, or it has nothing cheap to say */
	line->allocator_allocated = a->allocated;
	line->allocator_active = a->active;
	line->allocator_resident = a->resident;
	line->allocator_retained = a->retained;
	line->allocator_metadata = a->metadata;
}

void ledger_line(struct wire_ledger *line, const struct usage *u,
		 const struct recording_page *page)
{
	memset(line, 0xff, sizeof(*line)); /* WIRE_UNSEEN in every field */
	line->head = (struct wire_head) { .type = WIRE_LEDGER,
					  .size = sizeof(*line) };
	line->pid = u->pid;
	line->threads = (uint32_t)u->threads;
	line->at_ns = u->at_ns;
	line->rss = u->rss;
	line->vms = u->vms;
	line->fds = u->fds;
	line->max_fds = u->max_fds;
	line->minor_faults = u->minor_faults;
	line->major_faults = u->major_faults;
	line->cpu_user_ns = u->cpu_user_ns;
	line->cpu_system_ns = u->cpu_system_ns;
	line->context_switches = u->context_switches;
	line->heap = u->heap;
	line->anonymous = u->anonymous;
	line->file = u->file;
	line->stacks = u->stacks;
	line->slabs = u->slabs;
	line->swap = u->swap;
	line->pss = u->pss;
	line->rings = u->rings;
	line->cgroup_usage = u->cgroup_usage;
	line->cgroup_limit = u->cgroup_limit;
	if (page)
		put_shim(line, page);
	put_profiler(line);
}

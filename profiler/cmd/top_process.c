/*
 * top_process: a process that nothing records, as a model of its ledger.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/cmd/top_source.h"
#include "profiler/model/model.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/usage.h"

#define NS_PER_SECOND 1e9
#define PARTS_EVERY   10   /* readings; smaps is dear, see usage.h */
#define READINGS_MOST 3600 /* then the older half goes */
#define COMMAND_MOST  1024

struct top_process {
	pid_t pid;
	struct usage_source *usage;
	struct usage parts; /* as read last */
	uint64_t began_ns;
	unsigned readings;
	VEC(struct model_ledger_point) points;
	char exe[PATH_MAX], command[COMMAND_MOST];
};

static void read_names(struct top_process *p)
{
	struct buf text = BUF_INIT;
	int dir = usage_dir(p->usage);

	if (procfs_link(dir, "exe", p->exe, sizeof(p->exe)) < 0)
		p->exe[0] = '\0';
	if (procfs_read(dir, "cmdline", &text) == 0 && text.len) {
		for (size_t i = 0; i + 1 < text.len; i++)
			if (!text.bytes[i])
				text.bytes[i] = ' ';
		snprintf(p->command, sizeof(p->command), "%s", text.bytes);
	}
	buf_free(&text);
}

int top_process_open(struct top_process **out, pid_t pid, struct err *err)
{
	struct top_process *p = calloc(1, sizeof(*p));
	int rc;

	*out = NULL;
	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->pid = pid;
	rc = usage_open(&p->usage, "/proc", pid, err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	read_names(p);
	*out = p;
	return 0;
}

void top_process_close(struct top_process *p)
{
	if (!p)
		return;
	usage_close(p->usage);
	vec_free(&p->points);
	free(p);
}

static void add_point(struct top_process *p, const struct usage *u)
{
	struct model_ledger_point *point = vec_push(&p->points);
	const struct usage *parts = &p->parts;

	if (!point)
		return;
	memset(point, 0xff, sizeof(*point)); /* not read */
	point->t = (double)(u->at_ns - p->began_ns) / NS_PER_SECOND;
	point->pid = p->pid;
	point->rss = u->rss;
	point->vms = u->vms;
	point->swap = u->swap;
	point->threads = u->threads;
	point->fds = u->fds;
	point->minor_faults = u->minor_faults;
	point->major_faults = u->major_faults;
	point->context_switches = u->context_switches;
	point->cpu_user_ns = u->cpu_user_ns;
	point->cpu_system_ns = u->cpu_system_ns;
	point->heap = parts->heap;
	point->anonymous = parts->anonymous;
	point->file = parts->file;
	point->stacks = parts->stacks;
	point->slabs = parts->slabs;
	point->pss = parts->pss;
	point->cgroup_usage = u->cgroup_usage;
	point->cgroup_limit = u->cgroup_limit;
	if (p->points.count < READINGS_MOST)
		return;
	p->points.count /= 2;
	memmove(p->points.at, p->points.at + p->points.count,
		p->points.count * sizeof(*point));
}

static int read_usage(struct top_process *p, struct err *err)
{
	struct usage u;
	int rc = usage_read(p->usage, &u);

	if (rc < 0)
		return err_set(err, rc, "process %d has ended", (int)p->pid);
	if (!p->readings)
		p->began_ns = u.at_ns;
	if (p->readings++ % PARTS_EVERY == 0) {
		struct usage parts = u;

		if (usage_read_parts(p->usage, &parts) == 0 || p->readings == 1)
			p->parts = parts;
	}
	add_point(p, &u);
	return 0;
}

/* By the first and the last reading: there is nothing to tell noise by. */
static void fill_trend(struct model *m)
{
	const struct model_ledger_point *first = &m->ledger[0];
	const struct model_ledger_point *last = &m->ledger[m->ledger_count - 1];
	struct model_trend *trend = &m->rss_trend;
	double seconds = last->t - first->t;

	trend->baseline = (double)first->rss;
	trend->final = (double)last->rss;
	for (uint32_t i = 0; i < m->ledger_count; i++)
		if ((double)m->ledger[i].rss > trend->peak)
			trend->peak = (double)m->ledger[i].rss;
	if (seconds > 0)
		trend->growth_per_second =
			(trend->final - trend->baseline) / seconds;
}

static int fill(struct top_process *p, struct model *m)
{
	size_t size = p->points.count * sizeof(*m->ledger);

	m->ledger = malloc(size + 1);
	m->processes = calloc(1, sizeof(*m->processes));
	m->command = model_string(m, p->command[0] ? p->command : p->exe);
	if (!m->ledger || !m->processes || !m->command || !p->points.count)
		return -ENOMEM;
	memcpy(m->ledger, p->points.at, size);
	m->ledger_count = (uint32_t)p->points.count;
	m->duration = m->ledger[m->ledger_count - 1].t;
	m->processes[0] = (struct model_process) {
		.pid = p->pid,
		.exe = model_string(m, p->exe),
		.command = m->command,
		.ended = -1,
		.wait_status = -1,
		.is_main = true,
	};
	m->process_count = 1;
	m->main_process = 0;
	fill_trend(m);
	return m->processes[0].exe ? 0 : -ENOMEM;
}

int top_process_read(struct top_process *p, struct model **out, struct err *err)
{
	struct model *m;
	int rc = read_usage(p, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	m = model_new();
	if (!m || fill(p, m) < 0) {
		model_free(m);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*out = m;
	return 0;
}

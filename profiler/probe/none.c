/*
 * none: what stands in for the probes in a build without BPF: nothing can be
 * opened, so that nobody comes to what would need it.
 */
#include <errno.h>

#include "profiler/base/err.h"
#include "profiler/probe/cpu.h"
#include "profiler/probe/faults.h"
#include "profiler/probe/handlers.h"
#include "profiler/probe/heap.h"
#include "profiler/probe/http.h"
#include "profiler/probe/offcpu.h"
#include "profiler/probe/probe.h"
#include "profiler/probe/tables.h"
#include "profiler/probe/trial.h"

/* Nothing of these is ever opened. */
const struct probe_class probe_cpu = { .name = "cpu" };
const struct probe_class probe_faults = { .name = "faults" };
const struct probe_class probe_handlers = { .name = "handlers" };
const struct probe_class probe_heap = { .name = "heap" };
const struct probe_class probe_http = { .name = "http" };
const struct probe_class probe_offcpu = { .name = "offcpu" };

static int missing(struct err *err)
{
	return err_set(err, -ENOTSUP,
		       "this strandline was built without BPF; build it where "
		       "clang, bpftool and libbpf-dev are installed "
		       "(scripts/setup.sh)");
}

int probes_possible(struct err *err)
{
	return missing(err);
}

int probes_open(struct probes **out, const struct probes_options *options,
		struct err *err)
{
	(void)options;
	*out = NULL;
	return missing(err);
}

void probes_close(struct probes *set)
{
	(void)set;
}

int probes_target(struct probes *set, pid_t pid, uint64_t start_ns,
		  struct err *err)
{
	(void)set;
	(void)pid;
	(void)start_ns;
	return missing(err);
}

bool probes_is_target(const struct probes *set, pid_t pid)
{
	(void)set;
	(void)pid;
	return false;
}

int probes_add(struct probes *set, const struct probe_class *class,
	       const void *options, struct err *err)
{
	(void)set;
	(void)class;
	(void)options;
	return missing(err);
}

int probes_attach(struct probes *set, struct err *err)
{
	(void)set;
	return missing(err);
}

int probes_drain(struct probes *set, int timeout_ms)
{
	(void)set;
	(void)timeout_ms;
	return -ENOTSUP;
}

void probes_settle(struct probes *set, int most_ms)
{
	(void)set;
	(void)most_ms;
}

bool probes_counter(const struct probes *set, size_t n,
		    struct probe_counter *into)
{
	(void)set;
	(void)n;
	(void)into;
	return false;
}

int probes_fd(const struct probes *set)
{
	(void)set;
	return -1;
}

bool trial_run(size_t n, struct trial *out)
{
	(void)n;
	(void)out;
	return false;
}

bool tables_update(struct tables *t, pid_t pid, struct tables_space *space)
{
	(void)t;
	(void)pid;
	(void)space;
	return false;
}

void tables_forget(struct tables *t, pid_t pid, struct tables_space *space)
{
	(void)t;
	(void)pid;
	(void)space;
}

const struct tables_module *tables_module(const struct tables *t, uint32_t id)
{
	(void)t;
	(void)id;
	return NULL;
}

const struct tables_range *tables_find(const struct tables_space *space,
				       uint64_t address)
{
	(void)space;
	(void)address;
	return NULL;
}

uint64_t tables_copied(const struct tables *t, uint64_t *not_copied)
{
	(void)t;
	*not_copied = 0;
	return 0;
}

int tables_python(struct tables *t, pid_t pid,
		  const struct stack_python *python)
{
	(void)t;
	(void)pid;
	(void)python;
	return -ENOTSUP;
}

#include "profiler/probe/trial.h"

#include <bpf/libbpf.h>
#include <stdarg.h>

static const struct kind {
	const char *name, *use;
	bool is_map;
	int type;
} kinds[] = {
	{ "at tracepoints", "requests and what is off the CPUs", false,
	  BPF_PROG_TYPE_TRACEPOINT },
	{ "at raw tracepoints", "processes that come and go", false,
	  BPF_PROG_TYPE_RAW_TRACEPOINT },
	{ "at probed functions", "handlers, TLS and the heap", false,
	  BPF_PROG_TYPE_KPROBE },
	{ "at CPU samples", "what is on the CPUs", false,
	  BPF_PROG_TYPE_PERF_EVENT },
	{ "hash maps", "anything", true, BPF_MAP_TYPE_HASH },
	{ "maps per CPU", "anything", true, BPF_MAP_TYPE_PERCPU_ARRAY },
	{ "ring buffers", "anything", true, BPF_MAP_TYPE_RINGBUF },
	{ "maps of stacks", "stacks of the kernel", true,
	  BPF_MAP_TYPE_STACK_TRACE },
	{ "storage per task", "what is off the CPUs", true,
	  BPF_MAP_TYPE_TASK_STORAGE },
};

static int no_words(enum libbpf_print_level level, const char *format,
		    va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

bool trial_run(size_t n, struct trial *out)
{
	const struct kind *k;

	if (n >= sizeof(kinds) / sizeof(kinds[0]))
		return false;
	k = &kinds[n];
	libbpf_set_print(no_words);
	*out = (struct trial) {
		.name = k->name,
		.use = k->use,
		.result = k->is_map
				  ? libbpf_probe_bpf_map_type(
					    (enum bpf_map_type)k->type, NULL)
				  : libbpf_probe_bpf_prog_type(
					    (enum bpf_prog_type)k->type, NULL),
	};
	return true;
}

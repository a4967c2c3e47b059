/*
 * asked: see asked.h.
 */
#include "profiler/cmd/asked.h"

#include "profiler/cmd/terminal.h"
#include "profiler/model/named.h"

static void say(const char *name, const struct asked_way *way)
{
	const char *what = way->heap && way->times ? "time and memory are"
			   : way->times		   ? "time is"
						   : "memory is";

	terminal_note("handler %s: its %s taken from the stacks that it is "
		      "on%s%s%s; single calls are timed by %s",
		      named_shown(name), what,
		      way->times ? "" : ", its time on a CPU with ",
		      way->times ? "" : way->for_times,
		      way->requests ? ", and its percentiles are those of the "
				      "requests that it answers"
				    : ", those of the requests that it answers "
				      "with run or attach --with inject",
		      named_python(name)
			      ? "@span(\"NAME\") of strandline.py above it"
			      : "a span of strandline.h in the source");
}

void asked_split(const char *const *names, size_t count,
		 const struct asked_way *way, struct opt_list *timed)
{
	const size_t most = sizeof(timed->at) / sizeof(timed->at[0]);

	timed->count = 0;
	for (size_t i = 0; i < count && i < most; i++) {
		if (way->probes && !named_python(names[i]))
			timed->at[timed->count++] = names[i];
		else
			say(names[i], way);
	}
}

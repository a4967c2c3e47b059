/*
 * asked: see asked.h.
 */
#include "profiler/cmd/asked.h"

#include <string.h>

#include "profiler/cmd/terminal.h"

static bool is_python(const char *name)
{
	return strncmp(name, "python:", strlen("python:")) == 0;
}

static void say(const char *name, const struct asked_way *way)
{
	const char *what = way->heap && way->times ? "time and memory are"
			   : way->times		   ? "time is"
						   : "memory is";

	terminal_note("handler %s: its %s taken from the stacks that it is "
		      "on%s%s; %s",
		      name, what, way->times ? "" : ", its time with ",
		      way->times ? "" : way->for_times,
		      is_python(name)
			      ? "of its single calls @span(\"NAME\") of "
				"strandline.py above it tells"
			      : "of its single calls a span of strandline.h "
				"in the source tells");
}

void asked_split(const char *const *names, size_t count,
		 const struct asked_way *way, struct opt_list *timed)
{
	const size_t most = sizeof(timed->at) / sizeof(timed->at[0]);

	timed->count = 0;
	for (size_t i = 0; i < count && i < most; i++) {
		if (way->probes && !is_python(names[i]))
			timed->at[timed->count++] = names[i];
		else
			say(names[i], way);
	}
}

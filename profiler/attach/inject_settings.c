#include "profiler/attach/inject_settings.h"

#include <stdio.h>

#include "profiler/attach/inject.h"
#include "profiler/wire/late.h"
#include "profiler/wire/slab.h"

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

void inject_settings_put(struct late_settings *a,
			 const struct inject_settings *s)
{
	size_t at = 0;

	a->mode = s->exact ? SLAB_MODE_EXACT : SLAB_MODE_SAMPLE;
	a->rate = s->mean_bytes;
	a->max_bytes = s->max_bytes;
	a->follow = s->follow;
	a->http = s->http;
	a->patch = s->patch;
	a->python_objects = s->python_objects;
	a->python = s->python;
	copy_text(a->dir, sizeof(a->dir), s->dir);
	copy_text(a->file, sizeof(a->file), s->file);
	for (size_t i = 0; i < s->route_count; i++)
		if (at < sizeof(a->routes))
			at += (size_t)snprintf(a->routes + at,
					       sizeof(a->routes) - at, "%s%s",
					       i ? "\n" : "", s->routes[i]);
}

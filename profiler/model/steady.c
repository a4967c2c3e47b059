/*
 * steady: how much of the recording the places of slow requests' stacks take,
 * whoever is at them and for whatever.
 *
 * A place is the innermost frame that is neither the kernel's, nor libc's, nor
 * an interpreter's: how those are on a stack changes with what they learn.
 */
#include <errno.h>
#include <stdlib.h>

#include "profiler/model/build.h"

static bool is_place(const struct model_frame *f)
{
	return f->kind != FRAME_KERNEL && f->kind != FRAME_MARKER &&
	       f->module_kind != MODULE_LIBC &&
	       f->module_kind != MODULE_RUNTIME;
}

/* Its frame; frame_count: none. */
static uint32_t place_of(const struct model *m, uint32_t node)
{
	for (; node != MODEL_NONE; node = m->nodes[node].parent)
		if (is_place(&m->frames[m->nodes[node].frame]))
			return m->nodes[node].frame;
	return m->frame_count;
}

int build_steady(struct model *m, size_t part_count)
{
	struct shares {
		double cpu, offcpu; /* ns */
	} *at = calloc((size_t)m->frame_count + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->site_count && part_count; i++) {
		const struct model_site *s = &m->sites[i];
		uint32_t place = place_of(m, s->node);

		at[place].cpu += s->cpu;
		at[place].offcpu += s->offcpu;
	}
	for (size_t i = 0; i < part_count && m->duration > 0; i++) {
		struct model_slow_part *p = &m->slow_parts[i];
		uint32_t place = place_of(m, p->node);

		if (place < m->frame_count)
			p->steady =
				(p->waited ? at[place].offcpu : at[place].cpu) /
				1e9 / m->duration;
	}
	free(at);
	return 0;
}

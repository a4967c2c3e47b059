/*
 * text_verdict: what the recording says about leaks, before all figures.
 */
#include <stdio.h>

#include "profiler/analysis/verdict.h"
#include "reports/text.h"

#define SHOWN 4u

static bool is_bad(enum finding_class class)
{
	return class < FINDING_INCONCLUSIVE;
}

/* The others; the verdict's own sentence tells the worst. */
static void put_others(const struct layout *l, const struct verdict *v)
{
	unsigned told = 0, more = 0;
	char text[64];

	for (size_t i = 0; i < v->finding_count; i++) {
		const struct finding *f = &v->findings[i];

		if (f->suppressed || told++ == 0)
			continue;
		if (told <= SHOWN)
			text_labelled(l, "", LAYOUT_PLAIN, f->sentence);
		else
			more++;
	}
	if (!more)
		return;
	snprintf(text, sizeof(text), "and %u more; see report -f json", more);
	text_labelled(l, "", LAYOUT_FAINT, text);
}

void text_verdict(const struct layout *l, const struct verdict *v)
{
	if (!v)
		return;
	text_labelled(l, "verdict",
		      is_bad(v->class) ? LAYOUT_ALARM : LAYOUT_ACCENT,
		      v->sentence);
	put_others(l, v);
}

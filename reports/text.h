/*
 * text: the sections of the summary, in the order they are printed.
 */
#ifndef STRANDLINE_REPORTS_TEXT_H
#define STRANDLINE_REPORTS_TEXT_H

#include "profiler/model/model.h"
#include "reports/layout.h"
#include "reports/report.h"

struct checks;

struct verdict;

void text_verdict(const struct layout *l, const struct verdict *v);
void text_memory(const struct layout *l, const struct model *m);
/* 0 or -ENOMEM; the others leave that to the buffer. */
int text_sites(const struct layout *l, const struct model *m,
	       const struct report_options *opt);
void text_reach(const struct layout *l, const struct model *m);
void text_endpoints(const struct layout *l, const struct model *m,
		    const struct checks *checks); /* may be NULL */
void text_phases(const struct layout *l, const struct model *m);
void text_handlers(const struct layout *l, const struct model *m);
void text_spans(const struct layout *l, const struct model *m);
void text_courses(const struct layout *l, const struct model *m);
void text_slow(const struct layout *l, const struct model *m,
	       const struct report_options *opt);
void text_traffic(const struct layout *l, const struct model *m);
void text_processes(const struct layout *l, const struct model *m);
void text_losses(const struct layout *l, const struct model *m);
void text_problems(const struct layout *l, const struct model *m);
void text_cost(const struct layout *l, const struct model *m);

#define TEXT_LABEL_WIDTH 11u

/* "LABEL      sentence", wrapped under itself. */
void text_labelled(const struct layout *l, const char *label,
		   enum layout_style style, const char *text);
/* A section's heading; the detail beside it may be "". */
void text_heading(const struct layout *l, const char *title,
		  const char *detail);

struct text_column {
	const char *name;
	unsigned width;
};

#define TEXT_GAP 2u /* before the last column, which takes what is left */

unsigned text_last_width(const struct layout *l,
			 const struct text_column *columns, size_t count);
/* The names of a table's columns, the last of them @last. */
void text_heads(const struct layout *l, const struct text_column *columns,
		size_t count, const char *last);

#endif

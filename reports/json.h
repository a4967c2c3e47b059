/*
 * json: what the files of the JSON report share.
 */
#ifndef STRANDLINE_REPORTS_JSON_H
#define STRANDLINE_REPORTS_JSON_H

#include "profiler/model/model.h"

struct checks;

struct emit;
struct report_options;

/* Begin @key's object or array on a line of its own. */
void json_section(struct emit *e, const char *key, char bracket);
void json_estimate(struct emit *e, const char *key, const struct estimate *x);
/* "function", "file", "line" and "module"; NULL and 0 where unknown. */
void json_place(struct emit *e, const char *function, const char *file,
		uint32_t line, const char *module);
/* "stack": the frames of the stack that ends at @node; 0 or -ENOMEM. */
int json_stack(struct emit *e, const struct model *m,
	       const struct report_options *opt, uint32_t node);
/* The "verdict" and "findings" sections; 0 or -ENOMEM. */
int json_verdict(struct emit *e, const struct model *m,
		 const struct report_options *opt);
void json_endpoints(struct emit *e, const struct model *m,
		    const struct checks *checks); /* may be NULL */
/* Only where there are marks. */
void json_phases(struct emit *e, const struct model *m);
void json_handlers(struct emit *e, const struct model *m);
void json_spans(struct emit *e, const struct model *m);
void json_slow(struct emit *e, const struct model *m,
	       const struct report_options *opt);
/* 0 or -ENOMEM. */
int json_slow_requests(struct emit *e, const struct model *m,
		       const struct report_options *opt);
/* json_reach.c: nothing where no scan was made. */
void json_scans(struct emit *e, const struct model *m);
void json_unreachable(struct emit *e, const struct model *m,
		      const struct model_site *site);
/* The sections around "sites", which the page of HTML has as columns.  0 or
 * -ENOMEM. */
int json_before_sites(struct emit *e, const struct model *m,
		      const struct report_options *opt);
void json_after_sites(struct emit *e, const struct model *m);
/* The "sites" section; 0 or -ENOMEM. */
int json_sites(struct emit *e, const struct model *m,
	       const struct report_options *opt);

#endif

/*
 * markdown: what the documents in Markdown share, of check and of report.
 */
#ifndef STRANDLINE_REPORTS_MARKDOWN_H
#define STRANDLINE_REPORTS_MARKDOWN_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct checks;
struct finding;
struct model;
struct model_frame;
struct report_options;
struct site_group;
struct verdict;

/* What was put together in @text, escaped; @text is freed. */
void markdown_taken(struct buf *out, struct buf *text);
/* A cell of a table; "not measured" of a NAN. */
void markdown_ms(struct buf *out, double ms);
/* The stack that ends at @node as a list within a list, leaf first. */
void markdown_stack(struct buf *out, const struct model *m, uint32_t node);

/* Sections of report's documents; each ends with an empty line, and says
 * "not measured" of what the recording does not have. */
void markdown_findings(struct buf *out, const struct model *m,
		       const struct verdict *v);
void markdown_memory(struct buf *out, const struct model *m);
void markdown_requests(struct buf *out, const struct model *m,
		       const struct checks *checks); /* may be NULL */
/* Nothing where no endpoint is slow, or none got slower or faster. */
void markdown_slow(struct buf *out, const struct model *m,
		   const struct report_options *opt);
void markdown_drifts(struct buf *out, const struct model *m);
/* The heaviest @count sites of the kind asked for; 0 or -ENOMEM. */
int markdown_sites(struct buf *out, const struct model *m,
		   const struct report_options *opt, size_t count);
/* A table of sites: these columns, and after them those of @heads. */
struct markdown_table {
	const char *first; /* what the first column names */
	const char *heads, *rule;
	void (*put_row)(struct buf *out, const struct model *m,
			const struct report_options *opt,
			const struct site_group *g, double total);
};
/* The cells of @g that all such tables have. */
void markdown_group(struct buf *out, const struct model *m,
		    const struct report_options *opt,
		    const struct site_group *g, double total);
/* The heaviest @count sites; 0 or -ENOMEM. */
int markdown_groups(struct buf *out, const struct model *m,
		    const struct report_options *opt, size_t count,
		    const struct markdown_table *table);
void markdown_account(struct buf *out, const struct model *m);

#endif

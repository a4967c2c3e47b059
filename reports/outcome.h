/*
 * outcome: what the writers of check.h and diff.h say alike.
 */
#ifndef STRANDLINE_REPORTS_OUTCOME_H
#define STRANDLINE_REPORTS_OUTCOME_H

#include <stdbool.h>

struct buf;
struct check;
struct diff;
struct diff_row;
struct gate;

/* "FAIL: leak or growth", "PASS" */
void outcome_headline(struct buf *out, const struct gate *g);
/* What to bear in mind, a sentence each, NULL after the last: the recording
 * was cut short, or saw no requests. */
const char *outcome_caution(const struct gate *g, unsigned n);

/* "memory.rss_max", "latency.p95_max of POST /api/v1/chat" */
void outcome_check_name(struct buf *out, const struct check *c);

/* "peak RSS", "p95 of POST /api/v1/chat", "CPU time per request" */
void outcome_row_name(struct buf *out, const struct diff *d,
		      const struct diff_row *row);
/* "is 420.0 MiB, and was 312.0 MiB (+34.6 %)" */
void outcome_row_text(struct buf *out, const struct diff_row *row);
/* "+34.6 %", "new", "gone"; "" where nothing is known. */
void outcome_row_share(struct buf *out, const struct diff_row *row);
/* "base.strand, 10 runs" */
void outcome_side(struct buf *out, const struct diff *d, bool new);

/*
 * @file as it is below @root; *@below says whether it is.  A relative one is
 * taken to be, unless it leads out.
 */
const char *outcome_path(const char *file, const char *root, bool *below);

#endif

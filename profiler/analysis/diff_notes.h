/*
 * diff_notes: what a comparison says in sentences.
 */
#ifndef STRANDLINE_ANALYSIS_DIFF_NOTES_H
#define STRANDLINE_ANALYSIS_DIFF_NOTES_H

struct diff;

/* Fill @d's allocators and caution, once its rows are there.  0 or -ENOMEM. */
int diff_notes(struct diff *d);

#endif

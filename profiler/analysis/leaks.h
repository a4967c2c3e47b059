/*
 * leaks: what each site adds to the findings of a verdict, so that reports can
 * weigh stacks by it.
 */
#ifndef STRANDLINE_ANALYSIS_LEAKS_H
#define STRANDLINE_ANALYSIS_LEAKS_H

struct model;
struct verdict;

/*
 * Set model_site.leaked of @m's sites: the bytes by which a site that a leak
 * or a growth is found at grew while there was load; 0 elsewhere.  0 or
 * -ENOMEM.
 */
int leaks_mark(struct model *m, const struct verdict *v);

#endif

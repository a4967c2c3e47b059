/*
 * sites: allocation sites in the order a reader wants them, and grouped by
 * the frame that is to blame.
 */
#ifndef STRANDLINE_REPORTS_SITES_H
#define STRANDLINE_REPORTS_SITES_H

#include "profiler/model/model.h"

struct report_options;

/*
 * The indices of the model's sites, heaviest first; to be freed.  NULL when
 * out of memory.
 */
uint32_t *sites_ranked(const struct model *m, enum model_kind kind);

#define SITES_ALL      2000u /* so many are listed one and all: 20 MB */
#define SITES_HEAVIEST 1000u /* of more, so many by each of their figures */

/*
 * The same, but of very many sites only those that are among the heaviest by
 * @kind or any other figure that they have; *@count of them.  0 or -ENOMEM.
 */
int sites_kept(const struct model *m, enum model_kind kind, uint32_t **ranked,
	       uint32_t *count);

/*
 * The frame a site is told by: the one that asked for the memory, seen through
 * allocators and containers.  MODEL_NONE when the options hide every frame.
 */
uint32_t sites_blamed(const struct model *m, const struct report_options *opt,
		      const struct model_site *site);

/* All sites that blame one frame. */
struct site_group {
	uint32_t frame;	  /* MODEL_NONE: every frame is hidden */
	uint32_t stacks;  /* how many sites weigh something */
	uint32_t largest; /* the heaviest of them, whose stack is shown */
	double weight, weight_variance;
	/* Of all its sites, those that weigh nothing included. */
	struct estimate live, allocated, peak, temporary;
};

/* Groups that weigh something, heaviest first; *@count of them, or -ENOMEM. */
int sites_grouped(const struct model *m, const struct report_options *opt,
		  struct site_group **groups, size_t *count);

/* The 95 % half-interval of an estimate of this variance. */
double sites_margin(double variance);

#endif

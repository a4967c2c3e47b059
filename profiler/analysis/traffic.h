/*
 * traffic: when requests came, read off a model's windows.  Pure.
 */
#ifndef STRANDLINE_ANALYSIS_TRAFFIC_H
#define STRANDLINE_ANALYSIS_TRAFFIC_H

#include <stdbool.h>

struct model;
struct model_endpoint;

/* Requests completed by @t; within a window they came evenly. */
double traffic_until(const struct model *m, double t);

struct traffic_span {
	double first, last; /* from the first window with requests to the end
			     * of the last one; last > first */
};

/* Of @e's requests, or of all where it is NULL; false where there are none. */
bool traffic_span(const struct model *m, const struct model_endpoint *e,
		  struct traffic_span *span);

/* With fewer requests an endpoint has neither a rate nor a cost of each. */
#define TRAFFIC_FEW 10

/* Of the bytes that each of @e's requests allocates, by sampling; 0: exact. */
double traffic_variance(const struct model *m, const struct model_endpoint *e);

/* The most requests of @e that were at work at a time, window by window: their
 * rate times what they took (Little's law). */
double traffic_at_once(const struct model *m, const struct model_endpoint *e);

/* The window that begins at @t lies within. */
static inline bool traffic_covers(const struct traffic_span *span, double t)
{
	return t >= span->first && t < span->last;
}

#endif

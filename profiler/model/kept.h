/*
 * kept: what requests leave behind, while their server still serves.
 *
 * At its end a server may free all that it holds, and at any other moment
 * requests in flight hold some, so one look says little.  Asked is how the
 * least that was alive in each window rises with the requests that were
 * answered by then, leaving out the first quarter of them (warm-up) and the
 * last window.  Theil-Sen: what happens in a few windows only does not count.
 * Where there are too few windows, it is how what was alive as each request
 * was answered rises with their number.
 */
#ifndef STRANDLINE_MODEL_KEPT_H
#define STRANDLINE_MODEL_KEPT_H

#include "profiler/trace/fold.h"

struct kept { /* by requests of one route */
	double bytes_per_request;
	double variance; /* of that */
};

/*
 * For each of @r's routes, into @out[r->route_count].  0 or -ENOMEM.
 */
int kept_measure(const struct fold_result *r, struct kept *out);

#endif

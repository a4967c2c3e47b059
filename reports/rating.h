/*
 * rating: how an endpoint did by the targets of strandline.yml.
 */
#ifndef STRANDLINE_REPORTS_RATING_H
#define STRANDLINE_REPORTS_RATING_H

#include "profiler/model/model.h"

struct check;
struct checks;

enum rating {
	RATING_NONE, /* no target takes it */
	RATING_UNMEASURED,
	RATING_PASS,
	RATING_ACCEPTABLE, /* beyond by no more than the figure is unsure */
	RATING_FAIL,
};

enum rating rating_of_check(const struct check *c);
/* The worst of the targets that take @p; NULL: there are none. */
enum rating rating_of(const struct checks *checks,
		      const struct model_endpoint *p);
const char *rating_name(enum rating rating); /* "pass"; "-" for NONE */

#endif

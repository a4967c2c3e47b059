/*
 * pyroutes: which Python function answers which request.
 *
 * Web frameworks keep a table of routes.  What Starlette (and so FastAPI) and
 * aiohttp keep in theirs is told by its attributes: the path's template, the
 * methods, the function.  A function that decorators wrapped is looked for
 * within (__wrapped__), and one that is bound or partial, too.
 */
#ifndef STRANDLINE_SYM_PYROUTES_H
#define STRANDLINE_SYM_PYROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/sym/pypages.h"
#include "profiler/sym/pytypes.h"

struct pyroute {		     /* texts belong to the table */
	const char *request;	     /* "GET /users/{id}" */
	const char *function, *file; /* as its code has them */
};

struct pyroutes;

/* NULL when out of memory.  @pages and @types are needed by look() alone. */
struct pyroutes *pyroutes_new(struct pypages *pages, struct pytypes *types,
			      uint32_t version);
void pyroutes_free(struct pyroutes *r); /* NULL is fine */
/* Take @object, if it is a route.  0 or -ENOMEM. */
int pyroutes_look(struct pyroutes *r, uint64_t object,
		  const struct pytype *type);
/* In the order in which they were found. */
const struct pyroute *pyroutes_list(const struct pyroutes *r, size_t *count);

#endif

/*
 * handlers: whose requests a stack is for, by the Python function that is
 * known to answer them.
 *
 * An event loop's thread is at many requests at once, so what it reads and
 * writes does not tell whom it works for; the handler on its stack does.  The
 * outermost one counts: a handler may call another.
 */
#ifndef STRANDLINE_TRACE_HANDLERS_H
#define STRANDLINE_TRACE_HANDLERS_H

#include "profiler/trace/reader.h"

/* That of @handlers which answers @request, "GET /users/{}"; NULL: none. */
const struct trace_handler *handlers_find(const char *request,
					  const struct trace_handler *handlers,
					  size_t count);

/*
 * Give the stacks of @im that have no route that of their handler, one of
 * @handlers.  A template that several routes of the process match stands for
 * the one that nearly all of their requests are of, else for none.
 * @stacks are those of @im's result.  0 or -ENOMEM.
 */
int handlers_charge(const struct trace_image *im, struct fold_stack *stacks,
		    const struct trace_handler *handlers, size_t count);

#endif

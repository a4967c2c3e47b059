/*
 * codes: the Python interpreter and the code objects that the records of a
 * <pid>.slabs tell of.  Every byte is foreign.
 */
#ifndef STRANDLINE_TRACE_CODES_H
#define STRANDLINE_TRACE_CODES_H

#include "profiler/base/vec.h"
#include "profiler/trace/reader.h"

struct codes {
	VEC(struct trace_code) list; /* in order of arrival */
	VEC(char *) strings;
	struct trace_python python;
};

/* Take a record, if it is one of these.  0 or -ENOMEM. */
int codes_record(struct codes *c, const struct wire_head *record);
/* Sort, and put into @view. */
void codes_finish(struct codes *c, struct trace_image *view);
void codes_fini(struct codes *c);

#endif

/*
 * import_formats: the readers behind import_parse(), one file each.
 *
 * Each fills an empty import.  -EBADMSG with a sentence without the file's
 * name, or -ENOMEM without one.
 */
#ifndef STRANDLINE_TRACE_IMPORT_FORMATS_H
#define STRANDLINE_TRACE_IMPORT_FORMATS_H

#include "profiler/trace/import.h"

/* Whether @text begins as one. */
bool import_is_jeprof(const char *text, size_t len);
int import_jeprof(struct import *im, const char *text, size_t len,
		  struct err *err);
bool import_is_folded(const char *text, size_t len);
int import_folded(struct import *im, const char *text, size_t len,
		  struct err *err);
bool import_is_pprof(const char *bytes, size_t len);
int import_pprof(struct import *im, const char *bytes, size_t len,
		 struct err *err);

/* A line of @text at *@at, without its end; false at the end. */
struct import_line {
	const char *at;
	size_t len;
};
bool import_next_line(const char *text, size_t len, size_t *at,
		      struct import_line *line);

/* The text kept in @im; NULL when out of memory. */
const char *import_text(struct import *im, const char *text, size_t len);
/* A stack without frames yet; import_step() adds them, root first.  NULL or
 * -ENOMEM. */
struct import_stack *import_stack(struct import *im);
int import_step(struct import *im, uint32_t frame);

#endif

/*
 * cpython_read: what both halves of cpython need.  Freestanding.
 */
#ifndef STRANDLINE_UNWIND_CPYTHON_READ_H
#define STRANDLINE_UNWIND_CPYTHON_READ_H

#include "profiler/unwind/cpython.h"

/* The same in every version that is read. */
#define CPYTHON_OBJECT_TYPE 8  /* object.ob_type */
#define CPYTHON_BYTES_SIZE  16 /* bytes.ob_size */
#define CPYTHON_BYTES_TEXT  32 /* bytes.ob_sval */

/* The innermost frame of a thread, whatever it runs; 0: none. */
uint64_t cpython_innermost(const struct cpython *py,
			   const struct cpython_reader *r, uint64_t thread);

#endif

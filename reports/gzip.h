/*
 * gzip: bytes compressed as they come, into a buf.
 *
 * No time, no name and no host go into the header: equal input gives equal
 * output.
 */
#ifndef STRANDLINE_REPORTS_GZIP_H
#define STRANDLINE_REPORTS_GZIP_H

#include <stddef.h>

struct buf;
struct gzip;

struct gzip *gzip_new(struct buf *out); /* NULL when out of memory */
void gzip_write(struct gzip *gz, const void *bytes, size_t len);
/* Ends the stream and frees it; what failed is known to the buf. */
void gzip_free(struct gzip *gz); /* NULL is fine */

#endif

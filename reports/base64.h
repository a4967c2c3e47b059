/*
 * base64: bytes as text (RFC 4648).
 */
#ifndef STRANDLINE_REPORTS_BASE64_H
#define STRANDLINE_REPORTS_BASE64_H

#include <stddef.h>

struct buf;

/* With padding, without line breaks. */
void base64_put(struct buf *out, const void *bytes, size_t len);

#endif

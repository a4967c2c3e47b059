/*
 * gzip: see gzip.h.
 */
#include "reports/gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "profiler/base/buf.h"

/* The largest window, and gzip's header rather than zlib's. */
#define WINDOW_BITS  (15 + 16)
#define MEMORY_LEVEL 8

struct gzip {
	z_stream stream;
	struct buf *out;
};

struct gzip *gzip_new(struct buf *out)
{
	struct gzip *gz = calloc(1, sizeof(*gz));

	if (!gz)
		return NULL;
	gz->out = out;
	if (deflateInit2(&gz->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
			 WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
		return gz;
	free(gz);
	return NULL;
}

/* Until nothing is left to take, or, at the end, to give. */
static void pump(struct gzip *gz, int flush)
{
	unsigned char piece[16384];

	do {
		gz->stream.next_out = piece;
		gz->stream.avail_out = sizeof(piece);
		deflate(&gz->stream, flush);
		buf_write(gz->out, piece, sizeof(piece) - gz->stream.avail_out);
	} while (gz->stream.avail_out == 0);
}

void gzip_write(struct gzip *gz, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	while (len > 0) {
		uInt step = len < 1u << 30 ? (uInt)len : 1u << 30;

		gz->stream.next_in = (unsigned char *)at;
		gz->stream.avail_in = step;
		pump(gz, Z_NO_FLUSH);
		at += step;
		len -= step;
	}
}

void gzip_free(struct gzip *gz)
{
	if (!gz)
		return;
	pump(gz, Z_FINISH);
	deflateEnd(&gz->stream);
	free(gz);
}

#include "reports/base64.h"

#include <stdint.h>

#include "profiler/base/buf.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+/";

#define GROUPS 1024 /* written at a time */

static void encode(char to[4], const uint8_t *from, size_t len)
{
	uint32_t bits = (uint32_t)from[0] << 16 |
			(len > 1 ? (uint32_t)from[1] << 8 : 0) |
			(len > 2 ? from[2] : 0);

	to[0] = digits[bits >> 18];
	to[1] = digits[bits >> 12 & 63];
	to[2] = len > 1 ? digits[bits >> 6 & 63] : '=';
	to[3] = len > 2 ? digits[bits & 63] : '=';
}

void base64_put(struct buf *out, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	char piece[4 * GROUPS];

	while (len > 0) {
		size_t used = 0;

		for (; len > 0 && used < sizeof(piece); used += 4) {
			size_t step = len < 3 ? len : 3;

			encode(piece + used, at, step);
			at += step;
			len -= step;
		}
		buf_write(out, piece, used);
	}
}

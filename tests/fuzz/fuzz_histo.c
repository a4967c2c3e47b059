/*
 * Any bytes as a histogram: refused, or read as one whose counts and extremes
 * agree and which writes bytes that read as the same.
 *
 * Reaches histo.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/latency/histo.h"

#define HOLD(what)               \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void check(const struct histo *h)
{
	struct histo_bucket b = { 0, 0, 0 };
	uint64_t count = 0, last = 0;

	for (uint32_t pos = 0; histo_next(h, &pos, &b); last = b.high) {
		HOLD(b.count && (!count || b.low > last));
		HOLD(count ||
		     (b.low <= histo_min(h) && histo_min(h) <= b.high));
		count += b.count;
	}
	HOLD(count == histo_count(h));
	HOLD(histo_max(h) <= HISTO_MAX_NS);
	HOLD(!count || (b.low <= histo_max(h) && histo_max(h) <= b.high));
	HOLD(histo_quantile(h, 0.5) >= histo_min(h));
	HOLD(histo_quantile(h, 0.5) <= histo_max(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct histo *h = histo_new(), *again = histo_new();
	struct buf first = BUF_INIT, second = BUF_INIT;

	if (!histo_add_bytes(h, bytes, size, NULL)) {
		check(h);
		histo_write(h, &first);
		HOLD(!histo_add_bytes(again, first.bytes, first.len, NULL));
		histo_write(again, &second);
		HOLD(first.len == second.len &&
		     !memcmp(first.bytes, second.bytes, first.len));
	} else {
		HOLD(!histo_count(h));
	}
	histo_free(h);
	histo_free(again);
	buf_free(&first);
	buf_free(&second);
	return 0;
}

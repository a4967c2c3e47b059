/*
 * histo: see histo.h.
 */
#include "profiler/latency/histo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"

/*
 * Row 0: 2,048 buckets of 1 ns.  Row r: the values from 2^(r + 10) to twice
 * that, in 1,024 buckets of 2^r ns.  An hour lies in row 31.
 *
 * A row's counts are of 1, 2, 4 or 8 bytes, as the largest of them needs: of
 * 200 endpoints most have few requests, and three histograms of each.
 */
#define ROWS	   32
#define LOG2_STEPS 10
#define STEPS	   (1u << LOG2_STEPS)

struct histo {
	void *rows[ROWS];   /* counts; NULL: never used */
	uint8_t wide[ROWS]; /* log2 of the bytes of one */
	uint64_t count;
	uint64_t overflow;
	uint64_t lost;
	uint64_t min; /* UINT64_MAX when empty */
	uint64_t max;
	unsigned __int128 sum; /* an hour often enough is more than 64 bits */
};

static uint32_t steps_in(unsigned row)
{
	return row ? STEPS : 2 * STEPS;
}

static size_t row_size(unsigned row, unsigned wide)
{
	return (size_t)steps_in(row) << wide;
}

static unsigned row_of(uint64_t ns)
{
	return ns < 2 * STEPS
		       ? 0
		       : 63u - (unsigned)__builtin_clzll(ns) - LOG2_STEPS;
}

static uint32_t step_of(unsigned row, uint64_t ns)
{
	return row ? (uint32_t)(ns >> row) - STEPS : (uint32_t)ns;
}

static struct histo_bucket bounds(unsigned row, uint32_t step)
{
	uint64_t low = row ? (uint64_t)(STEPS + step) << row : step;

	return (struct histo_bucket) { .low = low,
				       .high = low + ((1ULL << row) - 1) };
}

struct histo_bucket histo_bucket_of(uint64_t ns)
{
	return bounds(row_of(ns), step_of(row_of(ns), ns));
}

struct histo *histo_new(void)
{
	struct histo *h = calloc(1, sizeof(*h));

	if (h)
		h->min = UINT64_MAX;
	return h;
}

void histo_free(struct histo *h)
{
	if (!h)
		return;
	for (unsigned row = 0; row < ROWS; row++)
		free(h->rows[row]);
	free(h);
}

void histo_clear(struct histo *h)
{
	for (unsigned row = 0; row < ROWS; row++) {
		if (h->rows[row])
			memset(h->rows[row], 0, row_size(row, h->wide[row]));
	}
	h->count = 0;
	h->overflow = 0;
	h->lost = 0;
	h->min = UINT64_MAX;
	h->max = 0;
	h->sum = 0;
}

static uint64_t count_at(const struct histo *h, unsigned row, uint32_t step)
{
	const void *counts = h->rows[row];

	if (!counts)
		return 0;
	switch (h->wide[row]) {
	case 0:
		return ((const uint8_t *)counts)[step];
	case 1:
		return ((const uint16_t *)counts)[step];
	case 2:
		return ((const uint32_t *)counts)[step];
	default:
		return ((const uint64_t *)counts)[step];
	}
}

/* In a row that has room for it: see need_row(). */
static void set_count(struct histo *h, unsigned row, uint32_t step, uint64_t n)
{
	void *counts = h->rows[row];

	switch (h->wide[row]) {
	case 0:
		((uint8_t *)counts)[step] = (uint8_t)n;
		break;
	case 1:
		((uint16_t *)counts)[step] = (uint16_t)n;
		break;
	case 2:
		((uint32_t *)counts)[step] = (uint32_t)n;
		break;
	default:
		((uint64_t *)counts)[step] = n;
	}
}

/* Have a row that can hold counts of @most; false: out of memory. */
static bool need_row(struct histo *h, unsigned row, uint64_t most)
{
	uint8_t wide =
		(most > UINT8_MAX) + (most > UINT16_MAX) + (most > UINT32_MAX);
	struct histo wider;

	if (h->rows[row] && h->wide[row] >= wide)
		return true;
	wider.rows[row] = calloc(1, row_size(row, wide));
	wider.wide[row] = wide;
	if (!wider.rows[row])
		return false;
	for (uint32_t i = 0; h->rows[row] && i < steps_in(row); i++)
		set_count(&wider, row, i, count_at(h, row, i));
	free(h->rows[row]);
	h->rows[row] = wider.rows[row];
	h->wide[row] = wide;
	return true;
}

bool histo_record(struct histo *h, uint64_t ns)
{
	return histo_record_n(h, ns, 1);
}

bool histo_record_n(struct histo *h, uint64_t ns, uint64_t n)
{
	unsigned row = row_of(ns);
	uint64_t all;

	if (ns > HISTO_MAX_NS) {
		h->overflow += n;
		return false;
	}
	if (!n)
		return true;
	all = count_at(h, row, step_of(row, ns)) + n;
	if (!need_row(h, row, all)) {
		h->lost += n;
		return false;
	}
	set_count(h, row, step_of(row, ns), all);
	h->count += n;
	h->sum += (unsigned __int128)ns * n;
	h->min = ns < h->min ? ns : h->min;
	h->max = ns > h->max ? ns : h->max;
	return true;
}

static uint64_t both_at(const struct histo *a, const struct histo *b,
			unsigned row, uint32_t step)
{
	return count_at(a, row, step) + count_at(b, row, step);
}

/* The largest count of a row of both together. */
static uint64_t most_of(const struct histo *a, const struct histo *b,
			unsigned row)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < steps_in(row); i++) {
		uint64_t n = both_at(a, b, row, i);

		most = n > most ? n : most;
	}
	return most;
}

int histo_merge(struct histo *into, const struct histo *from)
{
	/* All memory first, so that a failure leaves no half of it behind. */
	for (unsigned row = 0; row < ROWS; row++)
		if (from->rows[row] &&
		    !need_row(into, row, most_of(into, from, row)))
			return -ENOMEM;
	for (unsigned row = 0; row < ROWS; row++)
		for (uint32_t i = 0; from->rows[row] && i < steps_in(row); i++)
			set_count(into, row, i, both_at(into, from, row, i));
	into->count += from->count;
	into->overflow += from->overflow;
	into->lost += from->lost;
	into->sum += from->sum;
	into->min = from->min < into->min ? from->min : into->min;
	into->max = from->max > into->max ? from->max : into->max;
	return 0;
}

uint64_t histo_count(const struct histo *h)
{
	return h->count;
}

uint64_t histo_overflow(const struct histo *h)
{
	return h->overflow;
}

uint64_t histo_lost(const struct histo *h)
{
	return h->lost;
}

uint64_t histo_min(const struct histo *h)
{
	return h->count ? h->min : 0;
}

uint64_t histo_max(const struct histo *h)
{
	return h->max;
}

double histo_mean(const struct histo *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}

/* Of @count values, how many must be at or below; 1 to @count. */
static uint64_t rank_of(double q, uint64_t count)
{
	double wanted = q * (double)count;
	uint64_t rank;

	if (!(wanted > 1)) /* NaN, too */
		return 1;
	if (wanted >= (double)count)
		return count;
	rank = (uint64_t)wanted;
	/* 0.95 * 100 is 95 and some 1e-14, which is no 96th value. */
	return rank + (wanted - (double)rank > wanted * 1e-12);
}

uint64_t histo_quantile(const struct histo *h, double q)
{
	uint64_t rank, seen = 0, ns;
	struct histo_bucket b;
	uint32_t pos = 0;

	if (!h->count)
		return 0;
	rank = rank_of(q, h->count);
	while (seen < rank && histo_next(h, &pos, &b))
		seen += b.count;
	/* The extremes are known better than by their bucket. */
	if (rank == h->count)
		return h->max;
	ns = b.low + (b.high - b.low) / 2;
	ns = ns < h->min ? h->min : ns;
	return ns > h->max ? h->max : ns;
}

uint64_t histo_at_or_below(const struct histo *h, uint64_t ns)
{
	uint64_t below = 0;
	struct histo_bucket b;

	for (uint32_t pos = 0; histo_next(h, &pos, &b) && b.low <= ns;)
		below += b.count;
	return below;
}

/*
 * All steps have one number: row 0, which has two rows' worth, from 0, row 1
 * from 2 * STEPS, and so on.
 */
#define PLACES ((ROWS + 1) * STEPS)

static unsigned row_at(uint32_t place)
{
	return place < 2 * STEPS ? 0 : place / STEPS - 1;
}

static uint32_t step_at(uint32_t place)
{
	return place < 2 * STEPS ? place : place % STEPS;
}

static uint32_t place_of(uint64_t ns)
{
	unsigned row = row_of(ns);

	return (row ? (row + 1) * STEPS : 0) + step_of(row, ns);
}

bool histo_next(const struct histo *h, uint32_t *pos, struct histo_bucket *b)
{
	while (*pos < PLACES) {
		unsigned row = row_at(*pos);
		uint32_t step = step_at(*pos);

		if (!h->rows[row]) {
			*pos += steps_in(row) - step;
			continue;
		}
		++*pos;
		if (count_at(h, row, step)) {
			*b = bounds(row, step);
			b->count = count_at(h, row, step);
			return true;
		}
	}
	return false;
}

/*
 * As bytes: a mark, then varints (LEB128): overflow, lost, how many buckets;
 * if any, min, max, the sum (low 64 bits, high ones), and of each bucket the
 * distance of its place from the one before (of the first, from -1) and its
 * count.
 */
#define MARK "H1"

static void put_varint(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_putc(out, (char)(value | 0x80));
	buf_putc(out, (char)value);
}

void histo_write(const struct histo *h, struct buf *out)
{
	struct histo_bucket b;
	uint64_t buckets = 0;
	uint32_t last = UINT32_MAX;

	for (uint32_t pos = 0; histo_next(h, &pos, &b);)
		buckets++;
	buf_puts(out, MARK);
	put_varint(out, h->overflow);
	put_varint(out, h->lost);
	put_varint(out, buckets);
	if (!buckets)
		return;
	put_varint(out, h->min);
	put_varint(out, h->max);
	put_varint(out, (uint64_t)h->sum);
	put_varint(out, (uint64_t)(h->sum >> 64));
	for (uint32_t pos = 0; histo_next(h, &pos, &b); last = pos - 1) {
		put_varint(out, pos - 1 - last);
		put_varint(out, b.count);
	}
}

struct bytes {
	const uint8_t *at;
	const uint8_t *end;
	bool bad; /* sticky */
};

static uint64_t get_varint(struct bytes *in)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		uint8_t byte = *in->at++;
		uint64_t bits = byte & 0x7f;

		if (bits << shift >> shift != bits)
			break;
		value |= bits << shift;
		if (!(byte & 0x80))
			return value;
	}
	in->bad = true;
	return 0;
}

/* Count @n values at @place: 0, -EBADMSG (they cannot be there) or -ENOMEM. */
static int fill(struct histo *h, uint64_t place, uint64_t n)
{
	if (place > place_of(HISTO_MAX_NS) || !n ||
	    __builtin_add_overflow(h->count, n, &h->count))
		return -EBADMSG;
	if (!need_row(h, row_at((uint32_t)place), n))
		return -ENOMEM;
	set_count(h, row_at((uint32_t)place), step_at((uint32_t)place), n);
	return 0;
}

static int read_buckets(struct histo *h, struct bytes *in, uint64_t buckets)
{
	uint64_t place = UINT64_MAX, first = place;
	int rc = 0;

	for (uint64_t i = 0; i < buckets && !rc; i++) {
		uint64_t distance = get_varint(in), n = get_varint(in);

		if (in->bad || !distance || distance > PLACES)
			return -EBADMSG;
		place += distance;
		first = i ? first : place;
		rc = fill(h, place, n);
	}
	if (!rc && (h->max > HISTO_MAX_NS || first != place_of(h->min) ||
		    place != place_of(h->max)))
		rc = -EBADMSG;
	return rc;
}

static int read_bytes(struct histo *h, struct bytes *in)
{
	uint64_t buckets, sum;
	int rc = 0;

	if (in->end - in->at < 2 || memcmp(in->at, MARK, 2) != 0)
		return -EBADMSG;
	in->at += 2;
	h->overflow = get_varint(in);
	h->lost = get_varint(in);
	buckets = get_varint(in);
	if (buckets) {
		h->min = get_varint(in);
		h->max = get_varint(in);
		sum = get_varint(in);
		h->sum = (unsigned __int128)get_varint(in) << 64 | sum;
		rc = read_buckets(h, in, buckets);
	}
	return rc ? rc : in->bad || in->at < in->end ? -EBADMSG : 0;
}

int histo_add_bytes(struct histo *h, const void *bytes, size_t size,
		    struct err *err)
{
	struct bytes in = { bytes, (const uint8_t *)bytes + size, false };
	struct histo *read = histo_new();
	int rc = read ? read_bytes(read, &in) : -ENOMEM;

	if (!rc)
		rc = histo_merge(h, read);
	histo_free(read);
	if (rc == -EBADMSG)
		err_set(err, rc, "not a histogram: %zu bytes, odd at %zu", size,
			(size_t)(in.at - (const uint8_t *)bytes));
	else if (rc)
		err_set(err, rc, "no memory for a histogram");
	return rc;
}

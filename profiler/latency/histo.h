/*
 * histo: a latency histogram that keeps three digits over nine decades.
 *
 * Log-linear (as HdrHistogram): 2,048 buckets of 1 ns, then 1,024 for each
 * doubling, so that a value from 1 us to an hour is known within 0.1 %.  Rows
 * of a doubling are allocated when first used: a handler that takes 1 to 60
 * ms costs 6 KiB, and more where single buckets count above 255.  Counts are
 * exact and merging loses nothing; percentiles of a whole come from merged
 * histograms, never from averages.
 *
 * Single-threaded.
 */
#ifndef STRANDLINE_LATENCY_HISTO_H
#define STRANDLINE_LATENCY_HISTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct histo;

#define HISTO_MAX_NS (3600ULL * 1000000000ULL) /* an hour */

struct histo *histo_new(void); /* NULL when out of memory */
void histo_free(struct histo *h);
void histo_clear(struct histo *h);

/*
 * Count @ns, or @n times @ns.  False when it was not: beyond an hour, which
 * histo_overflow() counts, or out of memory, which histo_lost() counts.
 */
bool histo_record(struct histo *h, uint64_t ns);
bool histo_record_n(struct histo *h, uint64_t ns, uint64_t n);
/* 0, or -ENOMEM with @into as it was. */
int histo_merge(struct histo *into, const struct histo *from);

uint64_t histo_count(const struct histo *h); /* recorded, overflow excluded */
uint64_t histo_overflow(const struct histo *h);
uint64_t histo_lost(const struct histo *h);
uint64_t histo_min(const struct histo *h); /* exact; 0 when empty */
uint64_t histo_max(const struct histo *h); /* exact; 0 when empty */
double histo_mean(const struct histo *h);  /* of exact values; 0 when empty */

/*
 * The smallest recorded value that a share @q (0..1) of all is at or below,
 * to the middle of its bucket, within the exact minimum and maximum.  0 when
 * empty.
 */
uint64_t histo_quantile(const struct histo *h, double q);

/*
 * How many were at or below @ns: a cumulative bucket of Prometheus.  Values
 * that share the bound's own bucket count as below it.
 */
uint64_t histo_at_or_below(const struct histo *h, uint64_t ns);

/* Visit the buckets in use, lowest first; start with *@pos = 0. */
struct histo_bucket {
	uint64_t low, high; /* ns, both included */
	uint64_t count;
};
bool histo_next(const struct histo *h, uint32_t *pos, struct histo_bucket *b);
/* The bucket that @ns, at most an hour, falls into; its count is 0. */
struct histo_bucket histo_bucket_of(uint64_t ns);

/*
 * Add @from and, for each of its values, the ones that a client missed who
 * was to ask every @interval_ns but waited for the answer: value - interval,
 * value - 2 * interval ... (coordinated omission).  0 or -ENOMEM, with @into
 * in part changed.
 */
int histo_add_corrected(struct histo *into, const struct histo *from,
			uint64_t interval_ns);

/*
 * The percentile distribution as HdrHistogram prints it, in ms, so that its
 * plotters read it: @ticks lines for each halving of what remains (5 is usual).
 */
void histo_percentiles(const struct histo *h, unsigned ticks, struct buf *out);

/*
 * As bytes: a few per bucket in use.  Equal histograms give equal bytes.
 * histo_add_bytes() merges what histo_write() wrote into @h: 0, -EBADMSG
 * (nothing was added) or -ENOMEM.
 */
void histo_write(const struct histo *h, struct buf *out);
int histo_add_bytes(struct histo *h, const void *bytes, size_t size,
		    struct err *err);

#endif

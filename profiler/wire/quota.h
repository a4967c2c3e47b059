/*
 * quota: what a recording may hold on disk, over all its processes.
 *
 * A small file in the recording's directory, mapped by every shim and by the
 * strandline process.  A shim adds what it is about to reserve before it does;
 * who digests (the keeper) looks at the files now and then and sets the sum
 * right, since only it sees what was given back.  All zero is a valid start:
 * the first to come says how much there may be.
 *
 * Events may use seven eighths; the rest is for what makes them readable and
 * for processes that begin while it is spent.
 */
#ifndef STRANDLINE_WIRE_QUOTA_H
#define STRANDLINE_WIRE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_FILE "quota"
#define QUOTA_SIZE 4096u /* of the file */

struct wire_quota {
	uint64_t max_bytes; /* CAS from 0 */
	uint64_t held_bytes;
	uint64_t unrecorded; /* processes that could not begin a file */
	uint64_t pad[5];
};
_Static_assert(sizeof(struct wire_quota) == 64, "read by other builds");

static inline void quota_limit(struct wire_quota *b, uint64_t max_bytes)
{
	uint64_t nobody = 0;

	__atomic_compare_exchange_n(&b->max_bytes, &nobody, max_bytes, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static inline void quota_return(struct wire_quota *b, uint64_t bytes)
{
	__atomic_fetch_sub(&b->held_bytes, bytes, __ATOMIC_RELAXED);
}

/*
 * Little is left: what begins is better not recorded, so that there is room
 * for what ends.  A lost end would stay alive for ever.
 */
static inline bool quota_scarce(const struct wire_quota *q)
{
	return __atomic_load_n(&q->held_bytes, __ATOMIC_RELAXED) >
	       __atomic_load_n(&q->max_bytes, __ATOMIC_RELAXED) / 4 * 3;
}

/* False: they may not be had. */
static inline bool quota_take(struct wire_quota *b, uint64_t bytes, bool events)
{
	uint64_t max = __atomic_load_n(&b->max_bytes, __ATOMIC_RELAXED);
	uint64_t held;

	held = __atomic_add_fetch(&b->held_bytes, bytes, __ATOMIC_RELAXED);
	if (held <= (events ? max / 8 * 7 : max))
		return true;
	quota_return(b, bytes);
	return false;
}

#endif

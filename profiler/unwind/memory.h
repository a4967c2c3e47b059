/*
 * memory: checked loads from the stack that is being unwound.
 *
 * Freestanding, header-only.
 */
#ifndef STRANDLINE_UNWIND_MEMORY_H
#define STRANDLINE_UNWIND_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/unwind/stack.h"

/*
 * We read other functions' frames, red zones included, which is what a
 * sanitizer is there to forbid; and what races with nobody, since the stack
 * is this thread's own.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define MEMORY_UNCHECKED                                  \
	__attribute__((noinline, no_sanitize("address"))) \
	__attribute__((no_sanitize("thread")))            \
	__attribute__((no_sanitize("memory"), unused)) static
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_UNCHECKED                                                  \
	__attribute__((noinline, no_sanitize_address, no_sanitize_thread, \
		       unused)) static
#endif
#ifndef MEMORY_UNCHECKED
#define MEMORY_UNCHECKED static inline
#endif

/* @at: checked by the caller. */
MEMORY_UNCHECKED uint64_t memory_word(uint64_t at)
{
	return *(const uint64_t *)at;
}

MEMORY_UNCHECKED uint8_t memory_byte(uint64_t at)
{
	return *(const uint8_t *)at;
}

static inline bool memory_inside(uint64_t at, uint64_t low, uint64_t high)
{
	return at >= low && at < high && high - at >= 8;
}

/* False: not an aligned word of either stack. */
static inline bool memory_load(const struct stack_bounds *bounds, uint64_t at,
			       uint64_t *value)
{
	if (at % 8 ||
	    (!memory_inside(at, bounds->low, bounds->high) &&
	     !memory_inside(at, bounds->beyond_low, bounds->beyond_high)))
		return false;
	*value = memory_word(at);
	return true;
}

#endif

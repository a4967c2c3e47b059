/*
 * strandline.h: tell the profiler what your server is doing.
 *
 *	STRANDLINE_SPAN("embed");	 C: until the end of this block
 *	strandline::span s("embed");	 C++: until s is gone
 *
 * Spans appear in reports by name: how many, how long, what they allocated,
 * nested ones within the outer ones.  Nothing is needed to link: the functions
 * are weak, and where the profiler is not loaded a span costs a test of a
 * pointer.  Where it is, about 0.05 us.
 *
 * A thread is at one span at a time.  A task that gives up its thread (a
 * coroutine, a future) must say so, or what others allocate there is charged
 * to its span:
 *
 *	before = strandline_turn(my_span);	 the task runs
 *	...poll it...
 *	strandline_turn(before);		 it does not, any more
 *
 * and, if requests share a thread, whose request it is:
 *
 *	before = strandline_enter("POST", "/api/v1/chat");
 *	...
 *	strandline_leave(before);
 *
 * All functions may be called from any thread at any time; they do not fail,
 * allocate, lock or change errno.
 */
#ifndef STRANDLINE_H
#define STRANDLINE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct strandline_span {
	uint64_t number; /* 0: nothing records it */
	uint64_t parent; /* what the thread was at before */
};

/* The hooks of the profiler: call the functions below instead. */
#pragma GCC visibility push(default)
__attribute__((weak)) void strandline_span_begin(struct strandline_span *span,
						 const char *name);
__attribute__((weak)) void strandline_span_end(
	const struct strandline_span *span);
__attribute__((weak)) uint64_t strandline_span_turn(uint64_t number);
__attribute__((weak)) uint64_t strandline_request_enter(const char *method,
							const char *path);
__attribute__((weak)) void strandline_request_leave(uint64_t before);
#pragma GCC visibility pop

/* Begin a span as a part of what this thread is at.  @name: up to 120 bytes,
 * one of 200 at most; it need not stay. */
static inline struct strandline_span strandline_begin(const char *name)
{
	struct strandline_span span = { 0, 0 };

	if (strandline_span_begin)
		strandline_span_begin(&span, name);
	return span;
}

/* End it, on whatever thread, once. */
static inline void strandline_end(const struct strandline_span *span)
{
	if (span->number && strandline_span_end)
		strandline_span_end(span);
}

/* This thread is at span @number from here on, 0: at none.  Returns what it
 * was at. */
static inline uint64_t strandline_turn(uint64_t number)
{
	return strandline_span_turn ? strandline_span_turn(number) : 0;
}

/* This thread works for a request from here on.  Returns what to hand to
 * strandline_leave(), on the same thread. */
static inline uint64_t strandline_enter(const char *method, const char *path)
{
	return strandline_request_enter ? strandline_request_enter(method, path)
					: 0;
}

static inline void strandline_leave(uint64_t before)
{
	if (strandline_request_leave)
		strandline_request_leave(before);
}

#define STRANDLINE_JOIN_(a, b) a##b
#define STRANDLINE_JOIN(a, b)  STRANDLINE_JOIN_(a, b)
#define STRANDLINE_SPAN(name)                          \
	__attribute__((cleanup(strandline_end),        \
		       unused)) struct strandline_span \
	STRANDLINE_JOIN(strandline_span_, __LINE__) = strandline_begin(name)

#ifdef __cplusplus
}

namespace strandline
{

class span
{
      public:
	explicit span(const char *name) : span_(strandline_begin(name))
	{
	}
	~span()
	{
		strandline_end(&span_);
	}
	span(const span &) = delete;
	span &operator=(const span &) = delete;

      private:
	struct strandline_span span_;
};

} // namespace strandline
#endif

#endif

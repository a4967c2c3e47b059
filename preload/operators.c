/*
 * operators: C++ operator new and delete in all forms, by mangled name.
 *
 * libstdc++'s call malloc and free, which are hooked: then these only pass
 * through and nothing is counted twice.  jemalloc's and tcmalloc's allocate
 * past malloc: then it is here that they are recorded (`real.past_malloc`).
 * A failing operator new throws through these frames: they hold nothing.
 */
#include "preload/internal.h"
#include "preload/real.h"

static inline bool new_due(uint64_t bit, const void *p, size_t size)
{
	return real.past_malloc & bit && p && sample_due(size);
}

static inline void note_delete(uint64_t bit, void *p)
{
	if ((real.past_malloc & bit) && unlikely(filter_hit(p)))
		record_release(p);
}

#define NEW(symbol, params, args)                            \
	EXPORT void *symbol params                           \
	{                                                    \
		void *p;                                     \
                                                             \
		if (unlikely(!real.symbol))                  \
			real_late();                         \
		p = real.symbol args;                        \
		if (new_due(REAL_BIT(symbol), p, size))      \
			return alloc_slow(p, size, API_NEW); \
		return p;                                    \
	}

#define DELETE(symbol, params, args)              \
	EXPORT void symbol params                 \
	{                                         \
		if (unlikely(!real.symbol))       \
			real_late();              \
		note_delete(REAL_BIT(symbol), p); \
		real.symbol args;                 \
	}

NEW(_Znwm, (size_t size), (size))
NEW(_Znam, (size_t size), (size))
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const void *t), (size, t))
NEW(_ZnamRKSt9nothrow_t, (size_t size, const void *t), (size, t))
NEW(_ZnwmSt11align_val_t, (size_t size, size_t a), (size, a))
NEW(_ZnamSt11align_val_t, (size_t size, size_t a), (size, a))
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t a, const void *t),
    (size, a, t))
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t a, const void *t),
    (size, a, t))

DELETE(_ZdlPv, (void *p), (p))
DELETE(_ZdaPv, (void *p), (p))
DELETE(_ZdlPvm, (void *p, size_t size), (p, size))
DELETE(_ZdaPvm, (void *p, size_t size), (p, size))
DELETE(_ZdlPvRKSt9nothrow_t, (void *p, const void *t), (p, t))
DELETE(_ZdaPvRKSt9nothrow_t, (void *p, const void *t), (p, t))
DELETE(_ZdlPvSt11align_val_t, (void *p, size_t a), (p, a))
DELETE(_ZdaPvSt11align_val_t, (void *p, size_t a), (p, a))
DELETE(_ZdlPvmSt11align_val_t, (void *p, size_t size, size_t a), (p, size, a))
DELETE(_ZdaPvmSt11align_val_t, (void *p, size_t size, size_t a), (p, size, a))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t a, const void *t),
       (p, a, t))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t a, const void *t),
       (p, a, t))

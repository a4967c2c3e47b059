/*
 * real: the functions behind the hooks.  Filled by real_start() before the
 * process has a second thread; read-only afterwards.
 */
#ifndef STRANDLINE_PRELOAD_REAL_H
#define STRANDLINE_PRELOAD_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REAL_FUNCTIONS(F)                                         \
	F(void *, malloc, (size_t))                               \
	F(void *, calloc, (size_t, size_t))                       \
	F(void *, realloc, (void *, size_t))                      \
	F(void, free, (void *))                                   \
	F(int, posix_memalign, (void **, size_t, size_t))         \
	F(void *, aligned_alloc, (size_t, size_t))                \
	F(void *, memalign, (size_t, size_t))                     \
	F(void *, valloc, (size_t))                               \
	F(void *, pvalloc, (size_t))                              \
	F(void *, mmap, (void *, size_t, int, int, int, off_t))   \
	F(int, munmap, (void *, size_t))                          \
	F(void *, mremap, (void *, size_t, size_t, int, ...))     \
	F(void *, sbrk, (intptr_t))                               \
	F(int, dlclose, (void *))                                 \
	F(int, close, (int))                                      \
	F(int, dup, (int))                                        \
	F(int, dup2, (int, int))                                  \
	F(int, dup3, (int, int, int))                             \
	F(int, close_range, (unsigned, unsigned, int))            \
	F(void, closefrom, (int))                                 \
	F(void *, _Znwm, (size_t))                                \
	F(void *, _Znam, (size_t))                                \
	F(void *, _ZnwmRKSt9nothrow_t, (size_t, const void *))    \
	F(void *, _ZnamRKSt9nothrow_t, (size_t, const void *))    \
	F(void *, _ZnwmSt11align_val_t, (size_t, size_t))         \
	F(void *, _ZnamSt11align_val_t, (size_t, size_t))         \
	F(void *, _ZnwmSt11align_val_tRKSt9nothrow_t,             \
	  (size_t, size_t, const void *))                         \
	F(void *, _ZnamSt11align_val_tRKSt9nothrow_t,             \
	  (size_t, size_t, const void *))                         \
	F(void, _ZdlPv, (void *))                                 \
	F(void, _ZdaPv, (void *))                                 \
	F(void, _ZdlPvm, (void *, size_t))                        \
	F(void, _ZdaPvm, (void *, size_t))                        \
	F(void, _ZdlPvRKSt9nothrow_t, (void *, const void *))     \
	F(void, _ZdaPvRKSt9nothrow_t, (void *, const void *))     \
	F(void, _ZdlPvSt11align_val_t, (void *, size_t))          \
	F(void, _ZdaPvSt11align_val_t, (void *, size_t))          \
	F(void, _ZdlPvmSt11align_val_t, (void *, size_t, size_t)) \
	F(void, _ZdaPvmSt11align_val_t, (void *, size_t, size_t)) \
	F(void, _ZdlPvSt11align_val_tRKSt9nothrow_t,              \
	  (void *, size_t, const void *))                         \
	F(void, _ZdaPvSt11align_val_tRKSt9nothrow_t,              \
	  (void *, size_t, const void *))

struct real {
#define REAL_MEMBER(type, name, params) type(*name) params;
	REAL_FUNCTIONS(REAL_MEMBER)
#undef REAL_MEMBER
	/*
	 * Bit by REAL_BIT: this operator is the allocator's own and does not
	 * go through the malloc and free that are hooked.
	 */
	uint64_t past_malloc;
	/*
	 * The program's own, or NULL: they come before ours, and libc's
	 * reallocarray, which ours stands in for, would call them.
	 */
	void *(*own_realloc)(void *, size_t);
	void (*own_free)(void *);
};
extern struct real real;

#define REAL_BIT(name) \
	(1ULL << (__builtin_offsetof(struct real, name) / sizeof(void *)))

void real_start(void);
/* The loader's list, the program first; NULL: it cannot be found. */
struct link_map;
const struct link_map *real_objects(void);
bool real_objects_rest(void); /* nothing is being loaded or unloaded */
bool real_is_ours(const struct link_map *object);
void *real_export(const struct link_map *object, const char *name);
/* Does an object but @except bind to a function of a name that is wanted? */
bool real_imports(bool (*wanted)(const char *name),
		  const struct link_map *except);
/* The functions behind the hooks that @object holds: up to @max, each once. */
unsigned real_of(const struct link_map *object, const void **functions,
		 unsigned max);
/* Calls of a function whose entry was changed go on to @original. */
void real_replace(const void *function, const void *original);
bool real_libc_is_foreign(void); /* then nothing is recorded */
void real_late(void);		 /* look again for what was not there */
void real_forget_late(void);	 /* after dlclose */

#endif

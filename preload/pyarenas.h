/*
 * pyarenas: the arenas that CPython cuts small objects from.
 *
 * Their allocator is wrapped as the others are (pyobjects.h), so that each
 * arena is known by its address and is recorded as what it is.  How much of
 * them is in use is read from the headers of their pools: of some, drawn at
 * random, where there are many, so that it costs the same in every process.
 */
#ifndef STRANDLINE_PRELOAD_PYARENAS_H
#define STRANDLINE_PRELOAD_PYARENAS_H

#include <stdint.h>

struct link_map;
struct slab_python;

/* Of the interpreter in @m, which is a @version. */
void pyarenas_find(const struct link_map *m, uint32_t version);
/* Those from before, which their recording knew. */
void pyarenas_forget(void);
void pyarenas_wrap(void); /* what comes from here on is known */
void pyarenas_detach(void);
/* What there is and is used now; about 50 us, by one thread at a time. */
void pyarenas_account(struct slab_python *to);

#endif

/*
 * pypages: the memory of a process in pages, the last ones read kept.
 *
 * Whoever follows pointers reads a few bytes here and a few there; one page
 * at a time that is a microsecond each.  Single-threaded.
 */
#ifndef STRANDLINE_SYM_PYPAGES_H
#define STRANDLINE_SYM_PYPAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pypages;
struct remote;

/* NULL when out of memory.  @from is copied, but for its ranges. */
struct pypages *pypages_new(const struct remote *from);
void pypages_free(struct pypages *p); /* NULL is fine */
/* False: not all of it is there. */
bool pypages_read(struct pypages *p, uint64_t at, void *to, size_t size);

static inline bool pypages_word(struct pypages *p, uint64_t at, uint64_t *word)
{
	return pypages_read(p, at, word, sizeof(*word));
}

#endif

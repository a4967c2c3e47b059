/*
 * fingerprint: names a stack by what its frames are called, not by where they
 * stand.
 *
 * Equal for the same stack of the same program after lines moved, a library
 * was rebuilt or the tree was checked out elsewhere: functions and the names
 * of modules count, lines, directories and library versions do not.  Of code
 * without a symbol only the module counts.  Inlined frames are left out: what
 * is inlined changes with the compiler's mood.
 */
#ifndef STRANDLINE_ANALYSIS_FINGERPRINT_H
#define STRANDLINE_ANALYSIS_FINGERPRINT_H

#include <stdint.h>

struct finding;
struct model;

/* The fingerprint of the stack that ends in each of @m's nodes; to be freed.
 * NULL when out of memory. */
uint64_t *fingerprints_of(const struct model *m);

#define FINGERPRINT_TEXT_MAX 17

/*
 * Of a finding, as text: its stack's, or where it has none (threads,
 * descriptors) its class's.
 */
char *fingerprint(char out[FINGERPRINT_TEXT_MAX], const struct model *m,
		  const struct finding *f);

/* 16 hex digits. */
char *fingerprint_text(char out[FINGERPRINT_TEXT_MAX], uint64_t fingerprint);

#endif

/*
 * intern: strings to small dense ids and back; equal strings share one id.
 *
 * Ids start at 0 and count up in order of first sight.  The text's address
 * stays valid until intern_free().  Single-threaded.
 */
#ifndef STRANDLINE_BASE_INTERN_H
#define STRANDLINE_BASE_INTERN_H

#include <stddef.h>
#include <stdint.h>

#define INTERN_NONE UINT32_MAX

struct intern;

struct intern *intern_new(void); /* NULL when out of memory */
void intern_free(struct intern *in);
/* The id of @text (of @len bytes), or INTERN_NONE when out of memory. */
uint32_t intern_id(struct intern *in, const char *text);
uint32_t intern_id_len(struct intern *in, const char *text, size_t len);
const char *intern_text(const struct intern *in, uint32_t id);
uint32_t intern_count(const struct intern *in);

#endif

/*
 * utf8: the bytes of foreign names made safe for what they are put into.
 *
 * Symbol and file names come from other people's files: they may hold broken
 * UTF-8, terminal escapes or characters that XML forbids.  Every report reads
 * them through utf8_next().
 */
#ifndef STRANDLINE_REPORTS_UTF8_H
#define STRANDLINE_REPORTS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define UTF8_REPLACEMENT 0xfffdu

/*
 * Decode the character at @at, which is not at the end.  Returns how many
 * bytes it takes.  A byte that starts no valid character counts alone, as
 * UTF8_REPLACEMENT.
 */
size_t utf8_next(const char *at, uint32_t *character);
void utf8_put(struct buf *out, uint32_t character);

/* C0, C1 and DEL, line separators, and what reorders the text around it. */
bool utf8_is_control(uint32_t character);
/* Terminal cells: 0, 1 or 2. */
unsigned utf8_cells(uint32_t character);

#endif

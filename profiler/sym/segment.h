/*
 * segment: from places in an ELF file to addresses in its own address space.
 */
#ifndef STRANDLINE_SYM_SEGMENT_H
#define STRANDLINE_SYM_SEGMENT_H

#include <stdint.h>

/*
 * What to add to @offset, a place in the file @path, for its address there: by
 * the executable segment that holds it.  0 where the file cannot be read or
 * has no such segment, which is right for most.
 */
uint64_t segment_shift(const char *path, uint64_t offset);

#endif

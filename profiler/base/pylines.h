/*
 * pylines: the source line of an instruction of Python, by the table that the
 * code object carries.
 *
 * Three formats: co_lnotab until 3.9, co_linetable of 3.10 (PEP 626), the
 * location table since 3.11 (PEP 657).  Pure bytes in, a number out; a table
 * that ends early or makes no sense gives what was known until there.
 */
#ifndef STRANDLINE_BASE_PYLINES_H
#define STRANDLINE_BASE_PYLINES_H

#include <stddef.h>
#include <stdint.h>

/*
 * @version: of Python, 0x030b02f0; @instruction: bytes from the first
 * instruction of the function, negative before it has begun.  0: that
 * instruction is of no line.
 */
uint32_t pylines_find(uint32_t version, uint32_t first_line,
		      const uint8_t *table, size_t size, int32_t instruction);

#endif

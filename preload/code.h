/*
 * code: change the program's code, a few bytes at a time.
 *
 * A page is made writable, written and made executable again, never both at
 * once; it stays a mapping of its file.  Only while the process has one
 * thread, which is ours, and is not in those bytes.
 */
#ifndef STRANDLINE_PRELOAD_CODE_H
#define STRANDLINE_PRELOAD_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code_site { /* bytes of code to be changed */
	uint64_t address;
	size_t size;
	uint64_t offset;   /* of them in the file */
	uint8_t before[8]; /* what stood there when they were written */
	const char *path;  /* the file that its code is of */
	bool sound;	   /* as expected: private, from a file, not writable */
};

/*
 * Fill in offset and sound, and find @room bytes of free addresses that each
 * site can reach with a jump; 0: there are none.
 */
uint64_t code_survey(struct code_site *sites, unsigned count, size_t room);

/* Pages at a free address, to be written; NULL: none. */
void *code_pages(uint64_t at, size_t size);
bool code_pages_finish(void *at, size_t size); /* only executable now */

bool code_write(struct code_site *site, const uint8_t *bytes);

#endif

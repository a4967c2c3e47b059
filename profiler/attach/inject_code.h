/*
 * inject_code: the few instructions that a borrowed thread is sent through.
 *
 * Position-independent bytes, to be copied to some executable place of the
 * process that nothing uses, with what they work on.  The borrowed thread maps
 * an area at an address that is free, starts a thread on it, and puts itself
 * back where it was: nobody has to be there for that, so it is away no longer
 * than that takes, and the tool may die at any moment.
 */
#ifndef STRANDLINE_ATTACH_INJECT_CODE_H
#define STRANDLINE_ATTACH_INJECT_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

struct inject_code {
	uint64_t area; /* where struct late_area is to be */
	/* functions of the process's libc */
	uint64_t create; /* pthread_create; 0: it has none */
	uint64_t attr_init, attr_setdetachstate, attr_setstacksize,
		attr_destroy;
	uint64_t start; /* what the new thread runs, with the area */
	uint64_t mask;	/* of signals, to go back with */
	struct user_regs_struct registers; /* likewise */
};

size_t inject_code_size(void);
/* Copy the code to @to, inject_code_size() bytes; it begins there. */
void inject_code_write(uint8_t *to, const struct inject_code *with);
/* Does it begin at these INJECT_CODE_MARK bytes? */
#define INJECT_CODE_MARK 8
bool inject_code_is_at(const uint8_t *bytes);
/* For `start`: load the recorder.  Offset in the code. */
size_t inject_code_worker(void);

#endif

/*
 * perfmap: names of code that a process generates while it runs.
 *
 * A runtime that is asked to (node --perf-basic-prof, python -X perf, agents of
 * the JVM) appends a line for each function to /tmp/perf-PID.map: address,
 * size, both in hex, and name.  The file is read on as it grows; where code
 * took the place of other code, what was said last holds.  A file that belongs
 * to somebody else than the process is not believed.
 */
#ifndef STRANDLINE_PROBE_PERFMAP_H
#define STRANDLINE_PROBE_PERFMAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct perfmap;

struct perfmap_code {
	uint64_t start, end;
	const char *name; /* the map's; until the next perfmap_find() */
	uint32_t text;	  /* the caller's to set; 0 at first */
};

struct perfmap *perfmap_new(pid_t pid); /* NULL when out of memory */
void perfmap_free(struct perfmap *m);	/* NULL is fine */

/* What is at @address, as of a second ago; NULL: nobody said. */
struct perfmap_code *perfmap_find(struct perfmap *m, uint64_t address,
				  uint64_t now_ns);

/* Take in the lines of @text, but a last one that is not whole; the bytes of
 * those that are.  What is no line is passed over. */
size_t perfmap_parse(struct perfmap *m, const char *text, size_t size);
/* As perfmap_find(), of what was taken in. */
struct perfmap_code *perfmap_known(struct perfmap *m, uint64_t address);

#endif

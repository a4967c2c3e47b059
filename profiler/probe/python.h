/*
 * python: the interpreter of one process, as programs in the kernel
 * (bpf/python.bpf.h) and the recording are to know it.
 *
 * It is found in what the process maps, held to a thread that runs, and only
 * then told to the programs.  Of code objects that they meet the names are
 * read from the process, at once, while these are alive.
 */
#ifndef STRANDLINE_PROBE_PYTHON_H
#define STRANDLINE_PROBE_PYTHON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct probefile;
struct python;
struct tables;
struct tables_space;

struct python *python_new(pid_t pid); /* NULL when out of memory */
void python_free(struct python *py);  /* NULL is fine */

/*
 * Look for it in @space, where that changed or it had not begun to run, and
 * let the programs know.
 */
void python_look(struct python *py, struct tables *tables,
		 const struct tables_space *space, struct probefile *file);
/* The process became another program: whatever was there is gone. */
void python_forget(struct python *py, struct tables *tables);

/*
 * The file's id of the code object at @address that looks like @looks; 0: its
 * names cannot be read (any more).
 */
uint32_t python_code(struct python *py, struct probefile *file,
		     uint64_t address, uint32_t looks);

#endif

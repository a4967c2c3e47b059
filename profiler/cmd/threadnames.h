/*
 * threadnames: into the recording, what Python calls the threads of a process:
 * looked at with each line of the ledger, told when it is new or has changed.
 */
#ifndef STRANDLINE_CMD_THREADNAMES_H
#define STRANDLINE_CMD_THREADNAMES_H

#include <stdint.h>
#include <sys/types.h>

struct slab_python;
struct threadnames;
struct writer;

struct threadnames *threadnames_new(void); /* NULL: no memory */
void threadnames_free(struct threadnames *t);
/* @own is what @pid is called in the recording.  0 or -errno. */
int threadnames_look(struct threadnames *t, struct writer *w, pid_t pid,
		     pid_t own, const struct slab_python *python);

#endif

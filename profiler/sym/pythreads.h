/*
 * pythreads: what `threading` calls the threads of a Python process, read from
 * outside without running any Python.
 */
#ifndef STRANDLINE_SYM_PYTHREADS_H
#define STRANDLINE_SYM_PYTHREADS_H

#include <stdint.h>

struct remote;

/*
 * Tell each thread in threading._active by pthread_self(), the kernel's number
 * for it in its own pid namespace (0: not known) and name.  Nothing is told
 * where the module was not imported.  @version is 0x030b for 3.11,
 * @modules where its sys.modules is.  0 or -ENOMEM.
 */
int pythreads_names(const struct remote *from, uint32_t version,
		    uint64_t modules,
		    void (*each)(void *context, uint64_t ident, int32_t tid,
				 const char *name),
		    void *context);

#endif

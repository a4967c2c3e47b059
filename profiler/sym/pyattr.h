/*
 * pyattr: an attribute of a Python object by its name, read from outside.
 */
#ifndef STRANDLINE_SYM_PYATTR_H
#define STRANDLINE_SYM_PYATTR_H

#include <stdint.h>

#include "profiler/sym/pypages.h"
#include "profiler/sym/pytypes.h"

/* Of an instance, not of its class; the object it is, 0: none. */
uint64_t pyattr(struct pypages *pages, struct pytypes *types, uint32_t version,
		uint64_t object, const char *name);
/* A global of a module; @modules is sys.modules.  0: none. */
uint64_t pyattr_global(struct pypages *pages, uint32_t version,
		       uint64_t modules, const char *module, const char *name);
/* An int that is no less than 0; 0 where it is another, or too large. */
uint64_t pyattr_int(struct pypages *pages, uint32_t version, uint64_t object);

#endif

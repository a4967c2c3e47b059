/*
 * A library that is opened and closed; built twice, with FUNCTION as its one
 * function's name, so that both fit the same addresses.
 */
#include <stdlib.h>

#include "truth.h"

NOINLINE void *FUNCTION(void)
{
	void *p = malloc(SIZE);

	USE(p);
	return p;
}

void *(*const plugin_entry)(void) = FUNCTION;

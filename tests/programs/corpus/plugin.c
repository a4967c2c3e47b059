/*
 * plugin: what faulty/dlclosed.c loads and unloads.  It forgets its state.
 */
#include <stdlib.h>
#include <string.h>

void plugin_open(void);

static char *state;

void plugin_open(void)
{
	state = malloc(4096);
	if (state)
		memset(state, 1, 4096);
	__asm__ volatile("" : : "r"(&state) : "memory"); /* it is wanted */
}

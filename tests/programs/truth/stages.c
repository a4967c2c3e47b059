/*
 * Blocks made before main() and after it.
 *
 * TRUTH earliest calls=1 bytes=11 live=11 blocks=1
 * TRUTH early calls=1 bytes=22 live=22 blocks=1
 * TRUTH at_exit_ calls=1 bytes=33 live=33 blocks=1
 * TRUTH latest calls=1 bytes=44 live=44 blocks=1
 * TRUTH resolved calls=1 bytes=55 live=55 blocks=1
 *
 * In two constructors, one of them first of all; in an atexit() handler and a
 * destructor; and in a function that was resolved (IFUNC) at its first call.
 */
#include <stdlib.h>

#include "truth.h"

static void *kept[5];

NOINLINE __attribute__((constructor(101))) static void earliest(void)
{
	kept[0] = malloc(11);
}

NOINLINE __attribute__((constructor)) static void early(void)
{
	kept[1] = malloc(22);
}

NOINLINE static void at_exit_(void)
{
	kept[2] = malloc(33);
}

NOINLINE __attribute__((destructor)) static void latest(void)
{
	kept[3] = malloc(44);
}

NOINLINE static void resolved(void)
{
	kept[4] = malloc(55);
}

static void (*resolve(void))(void)
{
	return resolved;
}

void indirect(void) __attribute__((ifunc("resolve")));

int main(void)
{
	atexit(at_exit_);
	indirect();
	return 0;
}

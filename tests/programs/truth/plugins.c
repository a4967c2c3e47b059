/*
 * Two libraries take turns at the same addresses.
 *
 * TRUTH plugin_one calls=50 bytes=5000 live=5000 blocks=50
 * TRUTH plugin_two calls=50 bytes=10000 live=0 blocks=0
 *
 * Each is opened, called once and closed again, 50 times; the blocks of one
 * outlive it.  Run with the folder of the two as argument.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "truth.h"

static void *kept[50];

NOINLINE static void *call(const char *folder, const char *name)
{
	char path[4096];
	void *library, *p;
	void *(**entry)(void);

	snprintf(path, sizeof(path), "%s/lib%s.so", folder, name);
	library = dlopen(path, RTLD_NOW);
	if (!library)
		abort();
	entry = dlsym(library, "plugin_entry");
	p = (*entry)();
	if (dlclose(library) != 0)
		abort();
	return p;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	for (int i = 0; i < 50; i++) {
		kept[i] = call(argv[1], "plugin_one");
		free(call(argv[1], "plugin_two"));
	}
	return 0;
}

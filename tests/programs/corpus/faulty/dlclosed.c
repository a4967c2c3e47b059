/*
 * A plugin is loaded for each fiftieth request and unloaded after it.
 *
 * class: leak
 * function: plugin_open
 * bytes: 81.92
 * hides: the only pointer to what it allocates goes with its data segment, and
 *     so does the code that allocated; another plugin may have its place.
 */
#include "tests/programs/corpus/corpus.h"

#include <dlfcn.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void ask_plugin(void)
{
	void *plugin = dlopen(CORPUS_PLUGIN, RTLD_NOW | RTLD_LOCAL);
	void (*open)(void);

	if (!plugin)
		give_up(CORPUS_PLUGIN);
	*(void **)&open = dlsym(plugin, "plugin_open");
	open();
	dlclose(plugin);
}

void case_request(struct request *r)
{
	if (r->number % 50 != 0)
		return;
	pthread_mutex_lock(&lock);
	ask_plugin();
	pthread_mutex_unlock(&lock);
}

/*
 * Any bytes as the image of a module in another process: names and addresses
 * are found or not, without a fault and without an end that does not come.
 *
 * Reaches attach/module.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/attach/module.h"

#define START 0x10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct remote_range range = { START, data, size };
	struct remote memory = remote_fake(&range, 1);
	char name[16];
	struct module m;

	if (!module_read(&m, &memory, START))
		return 0;
	module_name(&m, name, sizeof(name));
	if (!memchr(name, '\0', sizeof(name)))
		abort();
	(void)module_symbol(&m, "malloc");
	(void)module_symbol(&m, "");
	(void)module_gap(&m, 64);
	return 0;
}

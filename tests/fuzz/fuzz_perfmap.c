/*
 * Any bytes as a process's names of the code that it generates: no fault, whole
 * lines only, and what is found covers what was asked for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/probe/perfmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct perfmap *map = perfmap_new(1);
	const struct perfmap_code *code;
	uint64_t address = 0;
	size_t taken;

	if (!map)
		return 0;
	taken = perfmap_parse(map, (const char *)bytes, size);
	if (taken > size || (taken && bytes[taken - 1] != '\n'))
		abort();
	for (size_t i = 0; i + 8 <= size; i += 8) {
		memcpy(&address, bytes + i, sizeof(address));
		for (unsigned shift = 0; shift < 64; shift += 16) {
			code = perfmap_known(map, address >> shift);
			if (code && (code->start > address >> shift ||
				     code->end <= address >> shift ||
				     strlen(code->name) > 512))
				abort();
		}
	}
	perfmap_free(map);
	return 0;
}

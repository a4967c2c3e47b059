/*
 * fuzz_maps: profiler/proc/maps.c, as maps and as smaps.
 */
#include <stdlib.h>
#include <string.h>

#include "profiler/proc/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text = malloc(size ? size : 1); /* so that ASan sees its end */
	struct smaps_sizes sizes;
	struct maps_cursor c;
	struct maps_entry e;
	size_t mappings = 0;
	char path[64];

	if (!text)
		return 0;
	memcpy(text, bytes, size);
	c = maps_begin(text, size);
	while (maps_next(&c, &e)) {
		if (e.end < e.start || strlen(maps_path(&e, path, 64)) > 63)
			abort();
		mappings++;
	}
	c = maps_begin(text, size);
	while (smaps_next(&c, &e, &sizes))
		mappings--;
	if (mappings != 0)
		abort();
	free(text);
	return 0;
}

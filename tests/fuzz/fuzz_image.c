/*
 * Any bytes as an ELF file: no read outside of them, and every name ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/image.c" /* of the shim, which no layer holds */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	void *file = malloc(size ? size : 1); /* aligned, as a mapping is */
	struct image_function f;
	struct image im;

	if (!file)
		abort();
	memcpy(file, bytes, size);
	if (image_begin(&im, file, size))
		while (image_next(&im, &f))
			if (strlen(f.name) > size)
				abort();
	free(file);
	return 0;
}

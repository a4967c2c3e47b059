/*
 * One request in five hundred loads an image of a megabyte and loses it.
 *
 * class: leak
 * function: load_image
 * bytes: 2097.152
 * hides: malloc maps blocks of this size one by one, so that the heap proper
 *     does not grow, and only the first page is ever touched.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

NOINLINE static void load_image(void)
{
	char *image = malloc(1 << 20);

	fill(image, 4096);
	USE(image);
}

void case_request(struct request *r)
{
	if (r->number % 500 == 0)
		load_image();
}

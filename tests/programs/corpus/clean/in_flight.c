/*
 * At the end of the run 32 long downloads are still on their way.
 *
 * class: clean
 * function: render
 * load: 8 x 1990/s for 3/4; 8 x 1990/s + 32 x 40/s /export for 1/4
 * fools: what they hold is the largest part of the live heap when the
 *     recording ends, it is older than any other block, and it will never be
 *     freed within the recording.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS 48
#define PARTS	32
#define PART	4096

const struct shape shape = { WORKERS, 0 };

NOINLINE static char *render(size_t size)
{
	char *part = malloc(size);

	fill(part, size);
	return part;
}

static void export_all(void)
{
	char *parts[PARTS];

	for (int i = 0; i < PARTS; i++)
		parts[i] = render(PART);
	usleep((useconds_t)(plan.seconds * 1e6));
	for (int i = 0; i < PARTS; i++)
		free(parts[i]);
}

void case_request(struct request *r)
{
	if (strcmp(r->path, "/export") == 0) {
		export_all();
	} else {
		char *page = render(2000);

		free(page);
	}
}

/*
 * What was read so far is kept when a request turns out to be bad.
 *
 * class: leak
 * function: read_body
 * bytes: 256 of /upload
 * load: 8 x 1800/s + 4 x 200/s /upload
 * hides: the same line allocates for good requests, which free it; uploads are
 *     a tenth of the traffic, and each second one is cut short.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS 16

const struct shape shape = { WORKERS, 0 };
static _Atomic uint64_t uploads;

NOINLINE static char *read_body(void)
{
	char *body = malloc(512);

	fill(body, 512);
	return body;
}

void case_request(struct request *r)
{
	char *body = read_body();

	if (strcmp(r->path, "/upload") == 0 && uploads++ % 2) {
		r->status = 400;
		return;
	}
	free(body);
}

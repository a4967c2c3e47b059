/*
 * The prompt is copied into a kilobyte that nobody frees.
 *
 * class: leak
 * function: parse_prompt
 * bytes: 1024
 * hides: nothing; it must never be missed.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

NOINLINE static void parse_prompt(struct request *r)
{
	char *prompt = malloc(1024);

	fill(prompt, 1024);
	prompt[r->number % 1024] = '?';
	USE(prompt);
}

void case_request(struct request *r)
{
	parse_prompt(r);
}

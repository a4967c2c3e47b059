/*
 * words: the edit distance of Levenshtein, row by row.
 */
#include "profiler/base/words.h"

#include <stddef.h>
#include <string.h>

#define SHORTEST_START 3

/* Edits between two words; long ones are far from all others. */
static unsigned distance(const char *a, const char *b)
{
	enum { LONGEST = 40 };
	unsigned row[LONGEST + 1], diagonal, above;
	size_t na = strlen(a), nb = strlen(b);

	if (na > LONGEST || nb > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			above = row[j];
			row[j] = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			diagonal = above;
		}
	}
	return row[nb];
}

bool words_resemble(const char *typed, const char *name)
{
	size_t len = strlen(typed);

	return (len >= SHORTEST_START && strncmp(typed, name, len) == 0) ||
	       distance(typed, name) <= (strlen(name) + 2) / 3;
}

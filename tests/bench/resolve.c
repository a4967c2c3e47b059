/*
 * How long names take: resolves every address that a recording's `symbols`
 * file lists, as if for the first time.
 *
 *	resolve RECORDING.strand/symbols
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/base/vec.h"
#include "profiler/sym/symtab.h"

struct address {
	int module;
	uint64_t vaddr;
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* "M path <TAB> ...": a module; "S vaddr ...": an address in it. */
static struct address *read_list(struct symtab *st, FILE *f, size_t *count)
{
	VEC(struct address) list = VEC_INIT;
	char *line = NULL;
	size_t size = 0;
	int module = -1;

	while (getline(&line, &size, f) > 0) {
		struct address *slot;

		line[strcspn(line, "\t\n")] = '\0';
		if (line[0] == 'M')
			module = symtab_module(st, &(struct symtab_module) {
							   .path = line + 2 });
		if (line[0] != 'S' || module < 0)
			continue;
		slot = vec_push(&list);
		if (!slot)
			abort();
		*slot = (struct address) { module,
					   strtoull(line + 2, NULL, 16) };
	}
	free(line);
	*count = list.count;
	return list.at;
}

int main(int argc, char **argv)
{
	struct symtab *st = symtab_new("");
	FILE *f = argc == 2 ? fopen(argv[1], "re") : NULL;
	struct symbol out[SYMBOL_MAX_INLINED];
	size_t count, named = 0, frames = 0;
	struct address *list;
	double began;

	if (!st || !f) {
		fprintf(stderr, "resolve RECORDING.strand/symbols\n");
		return 2;
	}
	list = read_list(st, f, &count);
	began = seconds();
	for (size_t i = 0; i < count; i++) {
		frames +=
			symtab_resolve(st, list[i].module, list[i].vaddr, out);
		named += out[0].function != NULL;
	}
	printf("%zu addresses in %.3f s: %zu named, %zu frames\n", count,
	       seconds() - began, named, frames);
	free(list);
	fclose(f);
	symtab_free(st);
	return 0;
}

/*
 * kernel: names of the kernel's own functions.
 */
#include "profiler/probe/kernel.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/vec.h"

struct name {
	uint64_t address;
	uint32_t text; /* offset into `texts` */
};

struct kernel_names {
	VEC(struct name) names;
	char *texts;
	size_t texts_len, texts_room;
};

static int by_address(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return (x->text > y->text) - (x->text < y->text);
}

static int add(struct kernel_names *k, uint64_t address, const char *text)
{
	size_t size = strlen(text) + 1;
	struct name *name;

	if (vec_grow_((void **)&k->texts, &k->texts_room, k->texts_len + size,
		      1) < 0)
		return -1;
	name = vec_push(&k->names);
	if (!name)
		return -1;
	*name = (struct name) { address, (uint32_t)k->texts_len };
	memcpy(k->texts + k->texts_len, text, size);
	k->texts_len += size;
	return 0;
}

static void read_names(struct kernel_names *k)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[512], text[256], type;
	unsigned long long address;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx %c %255s", &address, &type, text) != 3)
			continue;
		if (!address) /* hidden from us: all of them are */
			break;
		if (tolower((unsigned char)type) == 't' &&
		    add(k, address, text) < 0)
			break;
	}
	fclose(file);
	if (k->names.count)
		qsort(k->names.at, k->names.count, sizeof(*k->names.at),
		      by_address);
}

struct kernel_names *kernel_names_new(void)
{
	struct kernel_names *k = calloc(1, sizeof(*k));

	if (k)
		read_names(k);
	return k;
}

void kernel_names_free(struct kernel_names *k)
{
	if (!k)
		return;
	vec_free(&k->names);
	free(k->texts);
	free(k);
}

const char *kernel_name(const struct kernel_names *k, uint64_t address)
{
	size_t low = 0, high = k->names.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->names.at[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? k->texts + k->names.at[low - 1].text : "[kernel]";
}

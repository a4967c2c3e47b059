#include "profiler/attach/exports.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "profiler/proc/remote.h"

#define ENTRIES_MOST 256     /* of a dynamic section; more is damage */
#define CHAIN_MOST   1000000 /* symbols of one bucket */
#define NAME_MOST    256

struct tables {
	uint64_t hash, symbols, strings;
};

/* glibc writes run-time addresses into the section, others leave vaddrs. */
static uint64_t address(uint64_t value, uint64_t bias)
{
	return value < bias ? value + bias : value;
}

static bool read_tables(const struct remote *there, uint64_t bias,
			uint64_t dynamic, struct tables *t)
{
	Elf64_Dyn entry;

	*t = (struct tables) { 0 };
	for (int i = 0; i < ENTRIES_MOST; i++) {
		if (remote_read(there, dynamic, &entry, sizeof(entry)) < 0 ||
		    entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_GNU_HASH)
			t->hash = address(entry.d_un.d_ptr, bias);
		if (entry.d_tag == DT_SYMTAB)
			t->symbols = address(entry.d_un.d_ptr, bias);
		if (entry.d_tag == DT_STRTAB)
			t->strings = address(entry.d_un.d_ptr, bias);
		dynamic += sizeof(entry);
	}
	return t->hash && t->symbols && t->strings;
}

static uint32_t hash_of(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (uint8_t)*name;
	return h;
}

/* Symbol @index when it is @name's and defined here; else 0. */
static uint64_t value_of(const struct remote *there, const struct tables *t,
			 uint64_t bias, uint32_t index, const char *name)
{
	char found[NAME_MOST];
	Elf64_Sym symbol;

	if (remote_read(there, t->symbols + index * sizeof(symbol), &symbol,
			sizeof(symbol)) < 0 ||
	    symbol.st_shndx == SHN_UNDEF ||
	    remote_read_text(there, t->strings + symbol.st_name, found,
			     sizeof(found)) < 0 ||
	    strcmp(found, name) != 0)
		return 0;
	return bias + symbol.st_value;
}

static uint32_t word_at(const struct remote *there, uint64_t at)
{
	uint32_t word;

	return remote_read(there, at, &word, sizeof(word)) == 0 ? word : 0;
}

/*
 * The table: numbers of buckets, of the first symbol, of words in the filter
 * and a shift; the filter; for each bucket its first symbol; from the first
 * symbol on each one's hash, of which bit 0 ends a bucket.
 */
uint64_t exports_find(const struct remote *there, uint64_t bias,
		      uint64_t dynamic, const char *name)
{
	uint32_t head[4], hash = hash_of(name), index;
	uint64_t buckets, hashes, value = 0;
	struct tables t;

	if (!read_tables(there, bias, dynamic, &t) ||
	    remote_read(there, t.hash, head, sizeof(head)) < 0 || !head[0])
		return 0;
	buckets = t.hash + sizeof(head) + 8ULL * head[2];
	hashes = buckets + 4ULL * head[0];
	index = word_at(there, buckets + 4ULL * (hash % head[0]));
	for (int i = 0; index >= head[1] && index && i < CHAIN_MOST; i++) {
		uint32_t h = word_at(there, hashes + 4ULL * (index - head[1]));

		if ((h | 1) == (hash | 1))
			value = value_of(there, &t, bias, index, name);
		if (value || (h & 1))
			break;
		index++;
	}
	return value;
}

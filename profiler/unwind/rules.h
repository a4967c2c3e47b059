/*
 * rules: a cache from pc to packed CFI rule, shared by all threads of a
 * process.
 *
 * Lock-free in caller-supplied memory.  Every slot is a sequence lock: a
 * reader that meets a writer misses, a writer that meets a writer gives up,
 * so nobody waits, and a thread that dies or forks inside a write costs one
 * slot.  A rule is good for one generation of the modules; slots of older
 * ones are free for use.
 */
#ifndef STRANDLINE_UNWIND_RULES_H
#define STRANDLINE_UNWIND_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rules;

/* Bytes for 2^@log2_slots slots of 24 bytes. */
size_t rules_size(unsigned log2_slots);
/* @zeroed_memory: rules_size() bytes, 8-byte aligned. */
struct rules *rules_init(void *zeroed_memory, unsigned log2_slots);
/* @key: any number that stands for the pc; never 0. */
bool rules_get(const struct rules *r, uint32_t generation, uint64_t key,
	       uint64_t *packed);
void rules_put(struct rules *r, uint32_t generation, uint64_t key,
	       uint64_t packed);

#endif

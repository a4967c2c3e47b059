/*
 * rules: a lock-free cache from pc to unwind rule, shared by all threads.
 *
 * A rule is packed into one word.  A slot holds the rule and the pc xor'ed
 * with it, so a slot torn by two writers fails its own check and is a miss;
 * no lock, no ordering is needed.  Slots are overwritten, never removed.
 */
#ifndef STRANDLINE_UNWIND_RULES_H
#define STRANDLINE_UNWIND_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rules;

/* Bytes for 2^@log2_slots slots of 16 bytes. */
size_t rules_size(unsigned log2_slots);
struct rules *rules_init(void *zeroed_memory, unsigned log2_slots);
bool rules_get(const struct rules *r, uint64_t pc, uint64_t *packed);
void rules_put(struct rules *r, uint64_t pc, uint64_t packed);

#endif

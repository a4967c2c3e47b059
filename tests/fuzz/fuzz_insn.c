/*
 * Any bytes as code: every instruction lies within what was given, the same
 * bytes with more behind them are the same instruction, and its relative
 * distance lies inside it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/unwind/insn.h"

static void check(const struct insn *i, const uint8_t *code, size_t size)
{
	uint8_t *alone = malloc(i->size);
	struct insn again;

	if (!alone || i->size == 0 || i->size > size || i->size > INSN_MAX)
		abort();
	if (i->relative_at &&
	    (i->relative_at + i->relative_size > i->size ||
	     (i->relative_size != 1 && i->relative_size != 4)))
		abort();
	if (insn_jumps(i) && !i->relative_at)
		abort();
	memcpy(alone, code, i->size);
	if (!insn_decode(alone, i->size, &again) ||
	    memcmp(&again, i, sizeof(again)) != 0)
		abort();
	free(alone);
}

int LLVMFuzzerTestOneInput(const uint8_t *code, size_t size)
{
	struct insn i;

	while (size > 0) {
		size_t step = 1;

		if (insn_decode(code, size, &i)) {
			check(&i, code, size);
			step = i.size;
		}
		code += step;
		size -= step;
	}
	return 0;
}

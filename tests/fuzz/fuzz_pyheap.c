/*
 * fuzz_pyheap: the memory of a Python process is foreign, every byte of it.
 *
 * The first byte of an input is the version, the second an offset of
 * sys.modules in 64 bytes; the rest is memory at an address that seeds know,
 * and what its blocks are is read from its end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/proc/remote.h"
#include "profiler/sym/pyheap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define BASE   0x100000ULL
#define BLOCKS 16

static size_t take_blocks(struct pyheap_block *out, const uint8_t *bytes,
			  size_t size)
{
	uint64_t at = BASE;
	size_t count = 0;

	for (size_t i = 0; i + 2 <= size && count < BLOCKS; i += 2) {
		const uint8_t *step = bytes + size - 2 - i;
		uint64_t length = step[1] + 1ULL;

		at += step[0] * 8ULL;
		out[count++] = (struct pyheap_block) {
			.addr = at,
			.size = length,
			.group = (uint32_t)(i / 8),
			.weight = 1,
		};
		at = (at + length + 7) & ~7ULL;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pyheap_block blocks[BLOCKS];
	const struct pyheap_group *groups;
	struct remote_range range;
	struct remote remote;
	struct pyheap *heap;
	size_t count;

	if (size < 2)
		return 0;
	range = (struct remote_range) { BASE, bytes + 2, size - 2 };
	remote = remote_fake(&range, 1);
	count = take_blocks(blocks, bytes + 2, size - 2);
	if (pyheap_read(&heap, &remote, 0x0309 + bytes[0] % 6,
			BASE + bytes[1] * 64ULL, blocks, count) < 0)
		return 0;
	groups = pyheap_groups(heap, &count);
	for (size_t i = 0; i < count; i++)
		if (!groups[i].type || !groups[i].holder ||
		    !groups[i].holder_type || !strlen(groups[i].type))
			abort();
	pyheap_free(heap);
	return 0;
}

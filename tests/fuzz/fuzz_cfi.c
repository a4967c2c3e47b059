/*
 * Any bytes as a module's unwind tables, any words as a stack: no fault, no
 * read outside of either, and the same stack whether it is found by following
 * the previous one or anew.
 *
 *   4 bytes	where .eh_frame_hdr is; image size / 16; flags; leaf pc / 8
 *   image	code lies in it, too, so that tables can cover it
 *   the rest	the stack: words of 3 bytes, see stack_word()
 *
 * Reaches image, fde, cfi, expression, step, lookup, rules, walk, stack.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "profiler/unwind/cfi.h"
#include "profiler/unwind/lookup.h"
#include "profiler/unwind/rules.h"
#include "profiler/unwind/stack.h"
#include "profiler/unwind/step.h"

#define PAGE	    4096
#define STACK_WORDS 256

static struct {
	uint8_t *image_page; /* the image ends where it does */
	uint8_t *stack_page; /* both before one that cannot be read */
	struct stack *followed, *anew;
	uint8_t *rules;
	struct unwind_modules *modules;
} rig;

static void *zeroed(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (!p)
		abort();
	return memset(p, 0, size);
}

static void set_up(void)
{
	/* Always there, so that an input does the same wherever it is run. */
	uint8_t *pages =
		mmap((void *)0x200000000000, 5 * PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (pages == MAP_FAILED ||
	    mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE) ||
	    mprotect(pages + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE))
		abort();
	rig.image_page = pages + PAGE;
	rig.stack_page = pages + 3 * PAGE;
	rig.followed = stack_init(zeroed(stack_size()));
	rig.anew = stack_init(zeroed(stack_size()));
	rig.rules = zeroed(rules_size(6));
	rig.modules =
		zeroed(sizeof(*rig.modules) + sizeof(struct unwind_module));
}

/* An address in the code or in the stack, or a plain number. */
static uint64_t stack_word(const uint8_t *from, const struct image *image,
			   const struct stack_bounds *b)
{
	uint64_t value = from[1] | (uint64_t)from[2] << 8;

	switch (from[0] & 3) {
	case 0:
		return image->address + value % (image->size + 1);
	case 1:
		return b->low + 8 * (value % (STACK_WORDS + 2));
	case 2:
		return value;
	default:
		return ~value;
	}
}

static bool count_row(void *context, uint64_t start, uint64_t end,
		      struct cfi_rule rule)
{
	unsigned *rows = context;

	if (end <= start || rule.kind > CFI_GENERIC)
		abort();
	return ++*rows < 10000;
}

static void read_tables(const struct image *image,
			const struct stack_bounds *bounds,
			const struct stack_regs *from)
{
	unsigned rows = 0;

	cfi_each(image, count_row, &rows);
	for (uint64_t i = 0; i < image->size; i += 37) {
		struct step_regs regs;
		struct cfi_row row;

		cfi_find(image, image->address + i);
		if (!cfi_row(image, image->address + i, &row))
			continue;
		step_begin(&regs, from);
		step_caller(image, &row, bounds, &regs);
	}
}

static void check_same(void)
{
	struct stack *a = rig.followed, *b = rig.anew;

	if (stack_depth(a) != stack_depth(b) || stack_end(a) != stack_end(b) ||
	    stack_hash(a) != stack_hash(b))
		abort();
	for (unsigned i = 0; i < stack_depth(a); i++) {
		struct stack_frame x = stack_frame(a, i), y = stack_frame(b, i);

		if (x.pc != y.pc || x.sp != y.sp || x.hash != y.hash)
			abort();
	}
}

static void unwind(const struct image *image, struct stack_regs *regs,
		   const struct stack_bounds *bounds, const uint8_t *changes,
		   size_t size)
{
	struct rules *rules = rules_init(rig.rules, 6);
	uint64_t *words = (uint64_t *)bounds->low;

	for (unsigned turn = 0; turn < 4; turn++) {
		stack_unwind(rig.followed, regs, bounds, rig.modules, rules);
		stack_forget(rig.anew);
		stack_unwind(rig.anew, regs, bounds, rig.modules, rules);
		check_same();
		for (unsigned i = 0; i < 2 && size >= 4; i++) {
			words[changes[3] % STACK_WORDS] =
				stack_word(changes, image, bounds);
			changes += 4;
			size -= 4;
		}
		if (size >= 3) {
			regs->pc = stack_word(changes, image, bounds);
			regs->sp += (int8_t)changes[0] % 4 * 8;
			changes += 3;
			size -= 3;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct stack_bounds bounds = { 0 };
	struct stack_regs regs = { 0 };
	size_t image_size, at = 0;
	uint64_t *words;
	struct image image;
	uint8_t *copy;

	if (size < 8)
		return 0;
	if (!rig.stack_page)
		set_up();
	image_size = (size_t)bytes[1] * 16;
	if (image_size > size - 4)
		image_size = size - 4;
	copy = rig.image_page + PAGE - image_size;
	memcpy(copy, bytes + 4, image_size);
	image = (struct image) {
		.bytes = copy,
		.address = (uint64_t)copy,
		.size = image_size,
		.eh_frame_hdr = (uint64_t)copy + bytes[0],
		.eh_frame_hdr_size = image_size,
		.eh_frame = bytes[2] & 1 ? (uint64_t)copy + bytes[0] : 0,
	};
	words = (uint64_t *)(rig.stack_page +
			     (bytes[2] & 2 ? 0 : PAGE - 8 * STACK_WORDS));
	bounds.low = (uint64_t)words;
	bounds.high = (uint64_t)(words + STACK_WORDS);
	for (unsigned i = 0; i < STACK_WORDS; i++) {
		const uint8_t *from = bytes + 4 + image_size + at;

		if (4 + image_size + at + 3 > size)
			at = 0, from = bytes;
		words[i] = stack_word(from, &image, &bounds);
		at += 3;
	}
	regs.pc = image.address + (uint64_t)bytes[3] * 8;
	regs.sp = bounds.low + 8 * (bytes[2] >> 4);
	regs.bp = bounds.low + 8 * (bytes[2] >> 2);
	regs.bx = regs.r12 = regs.r13 = words[0];
	read_tables(&image, &bounds, &regs);

	rig.modules->generation++;
	rig.modules->count = 1;
	rig.modules->at[0] = (struct unwind_module) {
		.start = image.address,
		.end = image.address + image_size,
		.eh_frame_hdr = image.eh_frame_hdr,
		.eh_frame_hdr_size = image_size,
		.readable_start = image.address,
		.readable_end = image.address + image_size,
	};
	unwind(&image, &regs, &bounds, bytes + 4 + image_size,
	       size - 4 - image_size);
	return 0;
}

/*
 * Made-up stacks of made-up functions, changed a little again and again: what
 * is found by following the previous stack must be what is found anew.
 */
#include <string.h>
#include <sys/mman.h>

#include "fixture_cfi.h"
#include "tests/programs/unwind/self.h"

#include <criterion/criterion.h>

#define WORDS	  4096
#define FUNCTIONS 60
#define LENGTH	  64 /* of a function's code */
#define DEPTH	  200

enum type { PLAIN, SAVES_BP, USES_BP, REALIGNED, TWO_SIZES, ROOT, TYPES };

/* A frame of the made-up stack, and the registers in it. */
struct made {
	unsigned function;
	uint64_t pc, sp, bp;
};

static uint64_t words[WORDS] __attribute__((aligned(64)));
static struct made made[DEPTH]; /* root first */
static unsigned depth;
static uint64_t seed;
static struct unwind_modules *modules;
static struct rules *rules;
static struct stack_bounds bounds;

static uint64_t dice(uint64_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % sides;
}

static enum type type_of(unsigned function)
{
	return function == 0 ? ROOT : (enum type)(function % ROOT);
}

/* Bytes from sp to the CFA, of the first half of the code or of the second. */
static uint8_t size_of(unsigned function, bool second_half)
{
	uint8_t size = (uint8_t)(24 + function * 8 % 80);

	return type_of(function) == TWO_SIZES && second_half ? size + 16 : size;
}

static void make_code(struct cfi_image *f)
{
	cfi_begin(f);
	cfi_usual_cie(f);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		uint8_t size = size_of(i, false), more = size_of(i, true);
		uint64_t at = (uint64_t)i * LENGTH;

		switch (type_of(i)) {
		case PLAIN:
			CFI_FDE(f, at, LENGTH, 0x0e, size);
			break;
		case SAVES_BP:
			CFI_FDE(f, at, LENGTH, 0x0e, size, 0x86, 2);
			break;
		case USES_BP:
			CFI_FDE(f, at, LENGTH, 0x0c, 6, 16, 0x86, 2);
			break;
		case REALIGNED:
			CFI_FDE(f, at, LENGTH, 0x0f, 3, 0x76, 0x78, 0x06, 0x10,
				6, 2, 0x76, 0);
			break;
		case TWO_SIZES:
			CFI_FDE(f, at, LENGTH, 0x0e, size, 0x40 | (LENGTH / 2),
				0x0e, more);
			break;
		default:
			CFI_FDE(f, at, LENGTH, 0x07, 16);
		}
	}
}

static void *map_at(uint64_t address, size_t size)
{
	void *p =
		mmap((void *)address, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	cr_assert_eq(p, (void *)address);
	return p;
}

static void begin(void)
{
	static struct cfi_image f;

	make_code(&f);
	cfi_end(&f);
	memcpy(map_at(CFI_ADDRESS, CFI_SIZE), f.bytes, CFI_SIZE);
	map_at(CFI_TEXT, 0x10000);
	cfi_free(&f);
	modules = calloc(1, sizeof(*modules) + sizeof(modules->at[0]));
	modules->count = 1;
	modules->at[0] = (struct unwind_module) {
		.start = CFI_TEXT,
		.end = CFI_TEXT + FUNCTIONS * LENGTH,
		.eh_frame_hdr = CFI_ADDRESS,
		.eh_frame_hdr_size = 0x2000,
		.readable_start = CFI_ADDRESS,
		.readable_end = CFI_ADDRESS + CFI_SIZE,
	};
	rules = self_rules(8);
	bounds.low = (uint64_t)words;
	bounds.high = (uint64_t)(words + WORDS);
}

TestSuite(unwind_random, .init = begin);

static uint64_t *word(uint64_t at)
{
	return &words[(at - bounds.low) / 8];
}

static uint64_t code_of(unsigned function)
{
	return CFI_TEXT + (uint64_t)function * LENGTH + 1 + dice(LENGTH - 1);
}

/* @from calls @function: lay out its frame below. */
static void call(const struct made *from, struct made *to, unsigned function)
{
	uint64_t cfa = from->sp;

	*to = (struct made) { function, code_of(function), 0, from->bp };
	*word(cfa - 8) = from->pc;
	*word(cfa - 16) = from->bp;
	switch (type_of(function)) {
	case USES_BP:
		to->bp = cfa - 16;
		to->sp = to->bp - 8 * dice(6);
		break;
	case REALIGNED:
		to->bp = (cfa - 40) & ~(uint64_t)31;
		*word(to->bp) = from->bp;
		*word(to->bp - 8) = cfa;
		to->sp = to->bp - 8 - 8 * dice(6);
		break;
	default:
		to->sp = cfa -
			 size_of(function, (to->pc - 1) % LENGTH >= LENGTH / 2);
		/* For whoever saves it, a register like any other. */
		if (type_of(function) == SAVES_BP && dice(2))
			to->bp = dice(1000);
	}
}

/* Frames @from on are new ones. */
static void grow(unsigned from, unsigned to)
{
	if (from == 0) {
		made[0] = (struct made) { 0, code_of(0), bounds.high - 64, 0 };
		from = 1;
	}
	for (depth = from; depth < to; depth++) {
		if (made[depth - 1].sp < bounds.low + 512)
			break;
		call(&made[depth - 1], &made[depth],
		     1 + (unsigned)dice(FUNCTIONS - 1));
	}
}

/* Frame @k calls from another place: the word is all that changes. */
static void move_on(unsigned k, unsigned function)
{
	made[k].pc = code_of(function);
	if (k + 1 < depth)
		*word(made[k].sp - 8) = made[k].pc;
}

static void change(void)
{
	unsigned k = (unsigned)dice(depth);

	switch (dice(8)) {
	case 0:
		grow(k, k + 1 + (unsigned)dice(20));
		break;
	case 1:
		grow(depth - (unsigned)dice(depth < 6 ? depth : 6),
		     depth + (unsigned)dice(6));
		break;
	case 2: /* shallower */
		depth = 1 + k;
		break;
	case 3:
	case 4:
		move_on(k, made[k].function);
		break;
	case 5:
		move_on(k, (unsigned)dice(FUNCTIONS));
		break;
	case 6: /* a saved bp, or what stands there */
		*word(made[k].sp - 16) = made[dice(depth)].bp;
		break;
	default: /* anything */
		words[dice(WORDS)] = dice(3) ? bounds.low + 8 * dice(WORDS)
					     : code_of((unsigned)dice(70));
	}
}

static void check_same(struct stack *a, struct stack *b)
{
	cr_assert_eq(stack_end(a), stack_end(b));
	cr_assert_eq(stack_missing_pc(a), stack_missing_pc(b));
	cr_assert_eq(stack_depth(a), stack_depth(b));
	cr_assert_eq(stack_hash(a), stack_hash(b));
	for (unsigned i = 0; i < stack_depth(a); i++) {
		struct stack_frame x = stack_frame(a, i), y = stack_frame(b, i);

		cr_assert_eq(x.pc, y.pc, "pc of frame %u", i);
		cr_assert_eq(x.sp, y.sp, "sp of frame %u", i);
		cr_assert_eq(x.hash, y.hash, "hash of frame %u", i);
	}
}

/* The first @kept frames of @s are those of before, and now stand in it. */
static void check_kept(struct stack *s, struct stack_frame *before,
		       unsigned *count, unsigned kept)
{
	cr_assert_leq(kept, *count);
	cr_assert_leq(kept, stack_depth(s));
	for (unsigned i = 0; i < stack_depth(s); i++) {
		struct stack_frame now = stack_frame(s, i);

		if (i < kept) {
			cr_assert_eq(now.pc, before[i].pc);
			cr_assert_eq(now.sp, before[i].sp);
			cr_assert_eq(now.hash, before[i].hash);
		}
		before[i] = now;
	}
	*count = stack_depth(s);
}

static unsigned rooted;

static void run(uint64_t with_seed, unsigned changes, bool look_at_frames)
{
	static struct stack_frame before[STACK_MAX_FRAMES];
	struct stack *followed = self_stack(), *anew = self_stack();
	unsigned count = 0;

	seed = with_seed;
	grow(0, 20);
	while (changes--) {
		struct stack_regs regs = { 0 };
		unsigned kept;

		for (uint64_t n = dice(4); n > 0; n--)
			change();
		regs.pc = made[depth - 1].pc;
		regs.sp = made[depth - 1].sp;
		regs.bp = made[depth - 1].bp;
		kept = stack_unwind(followed, &regs, &bounds, modules, rules);
		stack_forget(anew);
		stack_unwind(anew, &regs, &bounds, modules, rules);
		rooted += stack_end(anew) == STACK_ROOT;
		if (look_at_frames || dice(4) == 0)
			check_same(followed, anew);
		cr_assert_eq(stack_hash(followed), stack_hash(anew));
		if (look_at_frames)
			check_kept(followed, before, &count, kept);
		if (stack_end(anew) != STACK_ROOT && dice(3) == 0)
			grow(0, 1 + (unsigned)dice(60));
	}
	free(followed);
	free(anew);
}

Test(unwind_random, following_finds_what_walking_finds)
{
	for (uint64_t s = 1; s <= 150; s++)
		run(s, 400, true);
	cr_assert_gt(rooted, 10000, "%u whole stacks are too few", rooted);
}

Test(unwind_random, hashes_hold_when_frames_are_seldom_looked_at)
{
	for (uint64_t s = 1; s <= 150; s++)
		run(s, 400, false);
}

Test(unwind_random, made_stacks_are_unwound_to_what_was_made)
{
	struct stack *s = self_stack();

	for (seed = 1; seed < 300; seed++) {
		struct stack_regs regs = { 0 };

		grow(0, 2 + (unsigned)dice(80));
		regs.pc = made[depth - 1].pc;
		regs.sp = made[depth - 1].sp;
		regs.bp = made[depth - 1].bp;
		stack_unwind(s, &regs, &bounds, modules, rules);
		cr_assert_eq(stack_end(s), STACK_ROOT);
		cr_assert_eq(stack_depth(s), depth);
		for (unsigned i = 0; i < depth; i++)
			cr_assert_eq(stack_frame(s, i).pc, made[i].pc);
	}
	free(s);
}

Test(unwind_random, a_return_address_of_zero_is_a_root)
{
	struct stack *s = self_stack();
	struct stack_regs regs = { 0 };

	seed = 7;
	grow(0, 30);
	*word(made[9].sp - 8) = 0;
	regs.pc = made[depth - 1].pc;
	regs.sp = made[depth - 1].sp;
	regs.bp = made[depth - 1].bp;
	stack_unwind(s, &regs, &bounds, modules, rules);
	cr_assert_eq(stack_end(s), STACK_ROOT);
	cr_assert_eq(stack_depth(s), depth - 10);
	*word(made[9].sp - 8) = made[9].pc;
	stack_unwind(s, &regs, &bounds, modules, rules);
	cr_assert_eq(stack_depth(s), depth);
	free(s);
}

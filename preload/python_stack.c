/*
 * python_stack: the Python frames of this thread, as numbers.
 *
 * Frames are followed from the innermost one outwards until one is met that
 * the previous stack had, too; from there the previous stack's are verified,
 * by loads that do not wait for each other.  A frame is kept if it is in the
 * same place, runs the same code, stands at the same instruction, and was
 * called by the same frame.  Where only the instruction is another one, it is
 * put in place.
 *
 * Code objects are told apart by their address and what they look like
 * (python_codes.c).  That is not asked again of a frame that is kept: before
 * its code can be another one at the same address, that one must have been
 * made, and in exact mode something of that is an event of its own.  Samples
 * are too far apart for that, and seldom: there everything is looked at anew.
 */
#include "preload/internal.h"
#include "preload/nodes.h"
#include "preload/python.h"

#define FRAMES_MAX STACK_MAX_FRAMES

/* A frame of Python's, with the place that it was called from. */
struct frame {
	uint64_t at, code;
	uint64_t instruction; /* as the frame has it */
	uint64_t out;	      /* the frame it names as its caller */
	uint32_t id;	      /* of the code */
	bool entry;	      /* first of its evaluator */
	bool shimmed;	      /* `out` is not one of Python's: is_shim() */
};

struct python_stack {
	unsigned count;
	unsigned hashed; /* prefix[] is right up to here */
	uint64_t outer;	 /* hash of what is outside of them; 0: nothing */
	bool truncated;
	struct frame kept[FRAMES_MAX];	/* root first */
	uint64_t prefix[FRAMES_MAX];	/* hash of it and what is outside */
	uint16_t index[256];		/* by address: place in kept[], + 1 */
	struct frame fresh[FRAMES_MAX]; /* innermost first */
};

static inline uint64_t word(uint64_t at)
{
	return *(const volatile uint64_t *)at;
}

static inline uint8_t byte(uint64_t at)
{
	return *(const volatile uint8_t *)at;
}

static inline bool plausible(uint64_t at)
{
	return at >= 4096 && at < 1ULL << 47 && at % 8 == 0;
}

static inline uint64_t code_of(uint64_t frame)
{
	return word(frame + python.layout.in_frame.code) &
	       ~(uint64_t)python.layout.finest_tag;
}

static inline uint64_t instruction_of(uint64_t frame)
{
	uint64_t at = frame + python.layout.in_frame.instruction;

	return python.layout.index_scale ? *(const volatile uint32_t *)at
					 : word(at);
}

/* Not one of Python's, but what an evaluator puts outside of its first. */
static inline bool is_shim(uint64_t frame)
{
	return python.layout.entry_owner &&
	       byte(frame + python.layout.in_frame.owner) >=
		       python.layout.entry_owner;
}

static inline bool has_entry_flag(uint64_t frame)
{
	return python.layout.entry_flag
		       ? byte(frame + python.layout.in_frame.entry) != 0
		       : !python.layout.entry_owner;
}

static uint64_t innermost(uint64_t thread)
{
	const struct cpython *py = &python.layout;
	uint64_t holder;

	if (!py->in_thread.cframe)
		return word(thread + py->in_thread.frame);
	holder = word(thread + py->in_thread.cframe);
	return holder ? word(holder + py->in_cframe.frame) : 0;
}

static inline unsigned index_of(uint64_t frame)
{
	return (unsigned)(frame >> 3 ^ frame >> 11) & 255;
}

/* Place in kept[], + 1; 0: not there. */
static inline unsigned find_kept(const struct python_stack *s, uint64_t frame)
{
	unsigned place = s->index[index_of(frame)];

	return place && place <= s->count && s->kept[place - 1].at == frame
		       ? place
		       : 0;
}

/*
 * Is the frame that an evaluator puts outside of kept frame @f, its first,
 * still there, and called by @outer (0: none)?
 */
static bool same_shim(const struct frame *f, uint64_t outer)
{
	return is_shim(f->out) &&
	       word(f->out + python.layout.in_frame.previous) == outer;
}

/*
 * Kept frames from @place outwards are this stack's; false: one of them is
 * not.  This is where the time goes that Python's frames take: it is a dozen
 * instructions a frame, with one branch that is not taken, and another one
 * where the frame stands elsewhere in its code now.
 */
static inline __attribute__((always_inline)) bool verify_by(
	struct python_stack *s, unsigned place, bool flag, bool scaled)
{
	const __typeof__(python.layout.in_frame) in = python.layout.in_frame;
	const uint64_t tag = ~(uint64_t)python.layout.finest_tag;
	unsigned changed = s->hashed;

	for (struct frame *f = s->kept + place; f-- > s->kept;) {
		uint64_t now = scaled ? instruction_of(f->at)
				      : word(f->at + in.instruction);
		uint64_t other = (word(f->at + in.code) & tag) ^ f->code;

		other |= word(f->at + in.previous) ^ f->out;
		if (flag) /* else it shows in who the caller is */
			other |= (byte(f->at + in.entry) != 0) ^ f->entry;
		if (unlikely(other) ||
		    (unlikely(f->shimmed) &&
		     !same_shim(f, f > s->kept ? f[-1].at : 0)))
			return false;
		if (unlikely(now != f->instruction)) {
			f->instruction = now;
			changed = (unsigned)(f - s->kept);
		}
	}
	s->hashed = s->hashed < changed ? s->hashed : changed;
	return true;
}

static bool verify(struct python_stack *s, unsigned place)
{
	if (python.layout.index_scale)
		return verify_by(s, place, python.layout.entry_flag, true);
	return python.layout.entry_flag ? verify_by(s, place, true, false)
					: verify_by(s, place, false, false);
}

/* What Python runs in @frame, into @f; false: it cannot be read. */
static bool read_frame(uint64_t frame, struct frame *f)
{
	f->at = frame;
	f->code = code_of(frame);
	f->instruction = instruction_of(frame);
	f->out = word(frame + python.layout.in_frame.previous);
	f->entry = has_entry_flag(frame);
	f->shimmed = false;
	if (unlikely(!plausible(f->code)))
		return false;
	python_code_fetch(f->code);
	return true;
}

/*
 * Which code the fresh frames run; false: it cannot be read.  What tells is
 * in the cache of few programs, and here it is wanted of all at once: the
 * loads are begun for all before any is waited for.
 */
static bool identify(struct python_stack *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t code = s->fresh[i].code;

		if (unlikely(word(code + 8) != python.layout.code_type))
			return false;
		python_code_fetch_names(code);
	}
	for (unsigned i = 0; i < count; i++) {
		s->fresh[i].id = python_code_id(s->fresh[i].code);
		if (unlikely(!s->fresh[i].id))
			return false;
	}
	return true;
}

/*
 * From @frame outwards into fresh[], up to a frame that is kept.  Returns how
 * many, and which is met in *@met; or -1: something cannot be read.
 */
static int follow_frames(struct python_stack *s, uint64_t frame, unsigned *met)
{
	unsigned count = 0;

	*met = 0;
	while (frame) {
		if (unlikely(!plausible(frame)))
			return -1;
		*met = find_kept(s, frame);
		if (*met)
			return (int)count;
		if (is_shim(frame)) {
			if (count) {
				s->fresh[count - 1].entry = true;
				s->fresh[count - 1].shimmed = true;
			}
			frame = word(frame + python.layout.in_frame.previous);
			continue;
		}
		if (unlikely(count == FRAMES_MAX)) {
			s->truncated = true;
			break;
		}
		if (unlikely(!read_frame(frame, &s->fresh[count])))
			return -1;
		frame = s->fresh[count++].out;
	}
	return (int)count;
}

static int follow(struct python_stack *s, uint64_t frame, unsigned *met)
{
	int count = follow_frames(s, frame, met);

	return count < 0 || identify(s, (unsigned)count) ? count : -1;
}

static void append(struct python_stack *s, unsigned kept, unsigned fresh)
{
	if (s->hashed > kept)
		s->hashed = kept;
	s->count = kept + fresh;
	for (unsigned i = kept; i < s->count; i++) {
		s->kept[i] = s->fresh[--fresh];
		s->index[index_of(s->kept[i].at)] = (uint16_t)(i + 1);
	}
}

static bool walk(struct python_stack *s, uint64_t frame)
{
	unsigned met;
	int fresh;

	if (shim.mode == SLAB_MODE_SAMPLE || s->truncated)
		s->count = 0;
	s->truncated = false;
	fresh = follow(s, frame, &met);
	if (fresh >= 0 &&
	    (!verify(s, met) || met + (unsigned)fresh > FRAMES_MAX ||
	     s->truncated)) {
		s->count = 0;
		s->truncated = false;
		fresh = follow(s, frame, &met);
	}
	if (unlikely(fresh < 0)) {
		s->count = s->hashed = 0;
		shim_drop(DROP_PYTHON);
		return false;
	}
	append(s, met, (unsigned)fresh);
	return s->count > 0;
}

/* Bytes from the code's first instruction. */
static int32_t place_of(const struct frame *f)
{
	const struct cpython *py = &python.layout;

	if (py->index_scale)
		return (int32_t)f->instruction * (int32_t)py->index_scale;
	return (int32_t)(f->instruction - f->code - py->in_code.instructions);
}

/* What a node says of a frame: where in the code, and whether it is first. */
static uint64_t value_of(const struct frame *f)
{
	return wire_python_value(place_of(f), f->entry);
}

static void hash_frames(struct python_stack *s)
{
	for (unsigned i = s->hashed; i < s->count; i++) {
		const struct frame *f = &s->kept[i];
		uint64_t before = i	     ? s->prefix[i - 1]
				  : s->outer ? s->outer
					     : PYTHON_HASH_EMPTY + s->truncated;

		s->prefix[i] = python_hash(before, f->id, value_of(f));
	}
	s->hashed = s->count;
}

/* What this thread runs in interpreters that it came through. */
static void look_outside(struct thread_state *ts, uint64_t thread)
{
	struct python_stack *s = ts->python;
	uint64_t outer = 0;

	if (python_has_several() && !s->truncated)
		outer = python_outer_hash(ts, thread,
					  s->count ? s->kept[0].at : 0);
	if (outer != s->outer)
		s->hashed = 0;
	s->outer = outer;
}

uint64_t python_stack_hash(struct thread_state *ts)
{
	uint64_t thread = python_thread(), frame;
	struct python_stack *s;

	if (!thread)
		return 0;
	frame = innermost(thread);
	if (!frame && !python_has_several())
		return 0;
	if (unlikely(!ts->python)) {
		ts->python = shim_memory(sizeof(*s));
		if (!ts->python)
			return 0;
	}
	s = ts->python;
	if (unlikely(!frame))
		s->count = s->hashed = 0;
	else if (!walk(s, frame))
		return 0;
	look_outside(ts, thread);
	hash_frames(s);
	return s->count ? s->prefix[s->count - 1] : s->outer;
}

uint32_t python_stack_node(struct thread_state *ts)
{
	struct python_stack *s = ts->python;
	unsigned known = s->count;
	uint32_t node = 0;

	while (known > 0 && !node)
		node = node_find(s->prefix[--known]);
	if (node)
		known++;
	else if (s->truncated)
		node = node_marker(NODE_TRUNCATED);
	else if (s->outer && !(node = python_outer_node(ts)))
		return 0;
	for (; known < s->count; known++) {
		const struct frame *f = &s->kept[known];

		node = node_make(s->prefix[known], node, NODE_PYTHON, f->id,
				 value_of(f));
		if (!node)
			return 0;
	}
	return node;
}

void python_stack_forget(struct thread_state *ts)
{
	if (ts->python)
		ts->python->count = ts->python->hashed = 0;
	python_outer_forget(ts);
}

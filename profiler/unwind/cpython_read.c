/*
 * cpython_read: threads, frames, names of an interpreter, by a reader that
 * may find nothing where something should be.
 *
 * What is read may change meanwhile, unless its process stands still: chains
 * are bounded, and nothing is followed that does not look as it should.
 */
#include "profiler/unwind/cpython_read.h"

#define CHAIN_MAX  100000 /* of interpreters, of threads */
#define STATES_MAX 512	  /* where a thread of the target's looks: 0.2 ms */

static bool get(const struct cpython_reader *r, uint64_t at, void *to,
		size_t size)
{
	return at >= 4096 && at < 1ULL << 47 &&
	       r->read(r->context, at, to, size);
}

static uint64_t word(const struct cpython_reader *r, uint64_t at)
{
	uint64_t value;

	return get(r, at, &value, sizeof(value)) ? value : 0;
}

static bool is_a(const struct cpython_reader *r, uint64_t object, uint64_t type)
{
	return object % 8 == 0 && word(r, object + CPYTHON_OBJECT_TYPE) == type;
}

uint64_t cpython_innermost(const struct cpython *py,
			   const struct cpython_reader *r, uint64_t thread)
{
	uint64_t holder;

	if (!py->in_thread.cframe)
		return word(r, thread + py->in_thread.frame);
	holder = word(r, thread + py->in_thread.cframe);
	return holder ? word(r, holder + py->in_cframe.frame) : 0;
}

/* All thread states of all interpreters, one after the other. */
struct states {
	const struct cpython *py;
	const struct cpython_reader *r;
	uint64_t interpreter, at; /* at: 0 before its first */
	size_t steps;		  /* that are left */
};

static struct states states_of(const struct cpython *py,
			       const struct cpython_reader *r, size_t steps)
{
	return (struct states) {
		.py = py,
		.r = r,
		.interpreter =
			word(r, py->runtime + py->in_runtime.interpreters),
		.steps = steps,
	};
}

/* The next one; 0: that was the last. */
static uint64_t next_state(struct states *s)
{
	bool begun = s->at != 0;

	while (s->interpreter && s->steps) {
		s->steps--;
		s->at = begun ? word(s->r, s->at + s->py->in_thread.next)
			      : word(s->r,
				     s->interpreter +
					     s->py->in_interpreter.threads);
		if (s->at)
			return s->at;
		s->interpreter =
			word(s->r, s->interpreter + s->py->in_interpreter.next);
		begun = false;
	}
	return 0;
}

size_t cpython_threads(const struct cpython *py, const struct cpython_reader *r,
		       struct cpython_thread *out, size_t max)
{
	struct states s = states_of(py, r, CHAIN_MAX);
	uint64_t at, last = 0, id = 0;
	uint32_t native = py->in_thread.native;
	size_t count = 0;

	while (count < max && (at = next_state(&s)) != 0) {
		if (s.interpreter != last)
			id = word(r, s.interpreter + py->in_interpreter.id);
		last = s.interpreter;
		out[count++] = (struct cpython_thread) {
			.state = at,
			.interpreter = id,
			.ident = word(r, at + py->in_thread.ident),
			.native = native ? word(r, at + native) : 0,
		};
	}
	return count;
}

size_t cpython_states(const struct cpython *py, const struct cpython_reader *r,
		      uint64_t ident, uint64_t *out, size_t max)
{
	struct states s = states_of(py, r, STATES_MAX);
	size_t count = 0;
	uint64_t at;

	while (count < max && (at = next_state(&s)) != 0)
		if (word(r, at + py->in_thread.ident) == ident &&
		    cpython_innermost(py, r, at))
			out[count++] = at;
	return count;
}

/* The bytes of a frame up to the last field that is looked at. */
struct frame_bytes {
	uint8_t at[512];
};

static uint64_t frame_word(const struct frame_bytes *b, uint32_t offset)
{
	uint64_t value;

	__builtin_memcpy(&value, b->at + offset, sizeof(value));
	return value;
}

static int32_t instruction_of(const struct cpython *py,
			      const struct frame_bytes *b, uint64_t code)
{
	uint64_t at = py->in_frame.instruction;
	int32_t index;

	if (!py->index_scale)
		return (int32_t)((int64_t)frame_word(b, (uint32_t)at) -
				 (int64_t)(code + py->in_code.instructions));
	__builtin_memcpy(&index, b->at + at, sizeof(index));
	return index * (int32_t)py->index_scale;
}

/* What stands at @at; false: nothing that can be followed. */
static bool get_frame(const struct cpython *py, const struct cpython_reader *r,
		      uint64_t at, struct frame_bytes *b)
{
	return py->in_frame.size <= sizeof(b->at) && at % 8 == 0 &&
	       get(r, at, b->at, py->in_frame.size);
}

/* Not one of Python's, but what an evaluator puts outside of its first. */
static bool is_shim(const struct cpython *py, const struct frame_bytes *b)
{
	return py->entry_owner && b->at[py->in_frame.owner] >= py->entry_owner;
}

/* False: it runs no code object. */
static bool describe(const struct cpython *py, const struct cpython_reader *r,
		     uint64_t at, const struct frame_bytes *b,
		     struct cpython_frame *out)
{
	uint64_t code =
		frame_word(b, py->in_frame.code) & ~(uint64_t)py->finest_tag;

	*out = (struct cpython_frame) {
		.frame = at,
		.code = code,
		.instruction = instruction_of(py, b, code),
		.entry = py->entry_flag ? b->at[py->in_frame.entry] != 0
					: !py->entry_owner,
	};
	return is_a(r, code, py->code_type);
}

bool cpython_frame(const struct cpython *py, const struct cpython_reader *r,
		   uint64_t at, struct cpython_frame *out)
{
	struct frame_bytes b;

	return get_frame(py, r, at, &b) && !is_shim(py, &b) &&
	       describe(py, r, at, &b, out);
}

uint64_t cpython_awaited(const struct cpython *py,
			 const struct cpython_reader *r, uint64_t at)
{
	uint64_t top = word(r, at + py->in_frame.top);
	uint64_t values = at + py->in_frame.locals;

	if (py->in_frame.values) {
		if (py->in_frame.values != py->in_frame.locals)
			values = word(r, at + py->in_frame.values);
		top = values + (uint32_t)top * 8UL;
	}
	return word(r, top - 8) & ~(uint64_t)py->finest_tag;
}

size_t cpython_frames(const struct cpython *py, const struct cpython_reader *r,
		      uint64_t thread, struct cpython_frame *out, size_t max)
{
	uint64_t at = cpython_innermost(py, r, thread);
	struct frame_bytes b;
	size_t count = 0;

	for (size_t i = 0; at && i < 2 * max && count < max; i++) {
		if (!get_frame(py, r, at, &b))
			break;
		if (is_shim(py, &b)) {
			if (count) /* it stands outside of that frame */
				out[count - 1].entry = true;
		} else if (describe(py, r, at, &b, &out[count])) {
			count++;
		} else {
			break;
		}
		at = frame_word(&b, py->in_frame.previous);
	}
	return count;
}

static size_t put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | (c >> 18 & 7));
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Code point @index of those that are @kind bytes each. */
static uint32_t point(const void *points, uint64_t index, unsigned kind)
{
	if (kind == 1)
		return ((const uint8_t *)points)[index];
	return kind == 2 ? ((const uint16_t *)points)[index]
			 : ((const uint32_t *)points)[index];
}

/* Code points of @kind bytes each; false: not readable. */
static bool put_points(const struct cpython_reader *r, uint64_t from,
		       uint64_t count, unsigned kind, char *to, size_t size,
		       size_t *length)
{
	uint32_t points[64];

	*length = 0;
	for (uint64_t i = 0; i < count;) {
		uint64_t n = count - i < 64 ? count - i : 64;

		if (!get(r, from + i * kind, points, n * kind))
			return false;
		for (uint64_t k = 0; k < n; k++) {
			if (*length + 5 > size)
				return true;
			*length +=
				put_utf8(to + *length, point(points, k, kind));
		}
		i += n;
	}
	return true;
}

int cpython_text(const struct cpython *py, const struct cpython_reader *r,
		 uint64_t object, char *to, size_t size)
{
	uint64_t count;
	uint32_t state;
	unsigned kind;
	size_t length;
	bool ascii;

	if (!is_a(r, object, py->text_type) ||
	    !get(r, object + py->in_text.state, &state, sizeof(state)))
		return -1;
	count = word(r, object + py->in_text.length);
	kind = state >> 2 & 7;
	ascii = state >> 6 & 1;
	/* Not compact: by an old API only, never a name in a code object. */
	if (!(state >> 5 & 1) || (kind != 1 && kind != 2 && kind != 4) ||
	    count > 1u << 30)
		return -1;
	if (!put_points(r,
			object + (ascii ? py->in_text.ascii
					: py->in_text.compact),
			count, kind, to, size, &length))
		return -1;
	to[length] = 0;
	return (int)length;
}

bool cpython_code(const struct cpython *py, const struct cpython_reader *r,
		  uint64_t code, struct cpython_code *out)
{
	uint64_t lines, size;

	if (!is_a(r, code, py->code_type) ||
	    !get(r, code + py->in_code.first_line, &out->first_line,
		 sizeof(out->first_line)) ||
	    cpython_text(py, r, word(r, code + py->in_code.qualname),
			 out->qualname, sizeof(out->qualname)) < 0 ||
	    cpython_text(py, r, word(r, code + py->in_code.file), out->file,
			 sizeof(out->file)) < 0)
		return false;
	lines = word(r, code + py->in_code.lines);
	if (!is_a(r, lines, py->bytes_type))
		return false;
	size = word(r, lines + CPYTHON_BYTES_SIZE);
	if (size > UINT32_MAX)
		return false;
	out->lines = lines + CPYTHON_BYTES_TEXT;
	out->lines_size = (uint32_t)size;
	return true;
}

/*
 * cpython: see cpython.h.  Which interpreter is it, and is it as it says?
 */
#include "profiler/unwind/cpython.h"

#include "profiler/unwind/cpython_read.h"

#define MINOR(hex) ((hex) >> 16 & 0xff)
#define V3_9	   0x03090000u
#define V3_11	   0x030b0000u
#define V3_13	   0x030d0000u
#define V3_14	   0x030e0000u
#define V3_15	   0x030f0000u

const char *cpython_symbol_name(enum cpython_symbol symbol)
{
	static const char *const names[CPYTHON_NSYMBOLS] = {
		[CPYTHON_RUNTIME] = "_PyRuntime",
		[CPYTHON_VERSION] = "Py_Version",
		[CPYTHON_CODE_TYPE] = "PyCode_Type",
		[CPYTHON_UNICODE_TYPE] = "PyUnicode_Type",
		[CPYTHON_BYTES_TYPE] = "PyBytes_Type",
		[CPYTHON_SINCE_3_9] = "PyInterpreterState_Get",
		[CPYTHON_SINCE_3_10] = "PyIter_Send",
		[CPYTHON_DEBUG_BUILD] = "_Py_NegativeRefcount",
		[CPYTHON_PYPY] = "PyPy_IsInitialized",
		[CPYTHON_THIS_THREAD] = "PyGILState_GetThisThreadState",
		[CPYTHON_HOLDER] = "_PyThreadState_UncheckedGet",
		[CPYTHON_HOLDER_3_13] = "PyThreadState_GetUnchecked",
	};

	return (unsigned)symbol < CPYTHON_NSYMBOLS ? names[symbol] : 0;
}

const char *cpython_reason(enum cpython_verdict verdict)
{
	switch (verdict) {
	case CPYTHON_HIDDEN:
		return "the interpreter exports no symbol _PyRuntime (it was "
		       "linked without -export-dynamic)";
	case CPYTHON_IS_PYPY:
		return "the interpreter is PyPy, only CPython can be read";
	case CPYTHON_IS_DEBUG:
		return "the interpreter is a debug build (--with-pydebug)";
	case CPYTHON_IS_THREADED:
		return "the interpreter is a free-threaded build";
	case CPYTHON_TOO_OLD:
		return "the interpreter is older than CPython 3.9";
	case CPYTHON_TOO_NEW:
		return "the interpreter is newer than CPython 3.14";
	case CPYTHON_ODD:
		return "the interpreter's memory is not laid out as that of "
		       "its version (a patched build?)";
	case CPYTHON_OK:
	case CPYTHON_ABSENT:
	case CPYTHON_EARLY:
	case CPYTHON_NVERDICTS:
		break;
	}
	return 0;
}

/* From CPython's headers, 3.9.18, 3.10.13, 3.11.7 and 3.12.1, x86-64. */
static const struct cpython layouts[] = {
	{
		.version = 0x03090000,
		.in_runtime = { .finalizing = 16, .interpreters = 32 },
		.in_interpreter = { 0, 24, 8, 856 },
		.in_thread = { .next = 8,
			       .interpreter = 16,
			       .ident = 176,
			       .frame = 24 },
		.in_frame = { .previous = 24,
			      .code = 32,
			      .instruction = 104,
			      .locals = 360,
			      .top = 72,
			      .size = 108 },
		.in_code = { .first_line = 40,
			     .file = 104,
			     .name = 112,
			     .qualname = 112,
			     .lines = 120 },
		.in_text = { 16, 32, 48, 72 },
		.index_scale = 1,
	},
	{
		.version = 0x030a0000,
		.in_runtime = { .finalizing = 16, .interpreters = 32 },
		.in_interpreter = { 0, 24, 8, 856 },
		.in_thread = { .next = 8,
			       .interpreter = 16,
			       .ident = 176,
			       .frame = 24 },
		.in_frame = { .previous = 24,
			      .code = 32,
			      .instruction = 96,
			      .locals = 352,
			      .top = 80,
			      .values = 64,
			      .size = 100 },
		.in_code = { .first_line = 40,
			     .file = 104,
			     .name = 112,
			     .qualname = 112,
			     .lines = 120 },
		.in_text = { 16, 32, 48, 72 },
		.index_scale = 2,
	},
	{
		.version = 0x030b0000,
		.in_runtime = { .finalizing = 24, .interpreters = 40 },
		.in_interpreter = { 0, 48, 16, 888 },
		.in_thread = { .next = 8,
			       .interpreter = 16,
			       .ident = 152,
			       .native = 160,
			       .cframe = 56 },
		.in_cframe = { .frame = 8, .previous = 16 },
		.in_frame = { .previous = 48,
			      .code = 32,
			      .instruction = 56,
			      .owner = 69,
			      .entry = 68,
			      .locals = 72,
			      .top = 64,
			      .values = 72,
			      .size = 72 },
		.in_code = { .first_line = 72,
			     .file = 112,
			     .name = 120,
			     .qualname = 128,
			     .lines = 136,
			     .instructions = 184 },
		.in_text = { 16, 32, 48, 72 },
		.entry_flag = true,
	},
	{
		.version = 0x030c0000,
		.in_runtime = { .finalizing = 24, .interpreters = 40 },
		.in_interpreter = { 0, 8, 72, 944 },
		.in_thread = { .next = 8,
			       .interpreter = 16,
			       .ident = 136,
			       .native = 144,
			       .cframe = 56 },
		.in_cframe = { .frame = 0, .previous = 8 },
		.in_frame = { .previous = 8,
			      .code = 0,
			      .instruction = 56,
			      .owner = 70,
			      .locals = 72,
			      .top = 64,
			      .values = 72,
			      .size = 72 },
		.in_code = { .first_line = 68,
			     .file = 112,
			     .name = 120,
			     .qualname = 128,
			     .lines = 136,
			     .instructions = 192 },
		.in_text = { 16, 32, 40, 56 },
		.entry_owner = 3,
	},
};

/*
 * The beginning of _PyRuntime since 3.13: words that are grouped by structure,
 * each group headed by the structure's size.  3.14 has more fields in some.
 */
struct offsets {
	unsigned at, count; /* the next word; of the current group */
	bool odd;
	uint64_t words[160];
};

/*
 * Begin the group of @count fields.  Sizes of structures are not told ahead,
 * so nothing but a plausible one can be asked for.
 */
static void group(struct offsets *o, unsigned count, uint64_t most)
{
	o->at += o->count;
	o->count = count + 1;
	if (o->at + o->count > sizeof(o->words) / sizeof(o->words[0]) ||
	    o->words[o->at] == 0 || o->words[o->at] > most)
		o->odd = true;
}

/* Field @index of the current group, from 1: a place within the structure. */
static uint32_t field(struct offsets *o, unsigned index)
{
	if (o->odd || o->words[o->at + index] > o->words[o->at]) {
		o->odd = true;
		return 0;
	}
	return (uint32_t)o->words[o->at + index];
}

static void read_states(struct cpython *py, struct offsets *o, bool is_3_14)
{
	o->at = 3;
	group(o, 2, 4u << 20);
	py->in_runtime.finalizing = field(o, 1);
	py->in_runtime.interpreters = field(o, 2);
	group(o, is_3_14 ? 15 : 12, 4u << 20);
	py->in_interpreter.id = field(o, 1);
	py->in_interpreter.next = field(o, 2);
	py->in_interpreter.threads = field(o, 3);
	py->in_interpreter.modules = field(o, is_3_14 ? 6 : 5);
	group(o, 8, 1u << 16);
	py->in_thread.next = field(o, 2);
	py->in_thread.interpreter = field(o, 3);
	py->in_thread.frame = field(o, 4);
	py->in_thread.ident = field(o, 5);
	py->in_thread.native = field(o, 6);
	group(o, is_3_14 ? 7 : 5, 1024);
	py->in_frame.previous = field(o, 1);
	py->in_frame.code = field(o, 2);
	py->in_frame.instruction = field(o, 3);
	py->in_frame.locals = field(o, 4);
	py->in_frame.owner = field(o, 5);
	/* 3.13 does not tell; there it stands behind the instruction. */
	py->in_frame.top = is_3_14 ? field(o, 6) : py->in_frame.instruction + 8;
	py->in_frame.values = is_3_14 ? 0 : py->in_frame.locals;
	py->in_frame.size = py->in_frame.locals;
}

static void read_objects(struct cpython *py, struct offsets *o, bool is_3_14)
{
	group(o, is_3_14 ? 10 : 9, 4096);
	py->in_code.file = field(o, 1);
	py->in_code.name = field(o, 2);
	py->in_code.qualname = field(o, 3);
	py->in_code.lines = field(o, 4);
	py->in_code.first_line = field(o, 5);
	py->in_code.instructions = field(o, 9);
	group(o, 1, 64); /* object */
	if (field(o, 1) != CPYTHON_OBJECT_TYPE)
		o->odd = true;
	group(o, 3, 4096); /* type */
	group(o, 2, 256);  /* tuple */
	group(o, 2, 256);  /* list */
	if (is_3_14)
		group(o, 3, 1024); /* set */
	group(o, 2, 256);	   /* dict */
	group(o, 1, 256);	   /* float */
	group(o, 2, 256);	   /* int */
	group(o, 2, 256);	   /* bytes */
	if (field(o, 1) != CPYTHON_BYTES_SIZE ||
	    field(o, 2) != CPYTHON_BYTES_TEXT)
		o->odd = true;
	group(o, 3, 256); /* str */
	py->in_text.state = field(o, 1);
	py->in_text.length = field(o, 2);
	py->in_text.ascii = field(o, 3);
	py->in_text.compact = py->in_text.ascii + 16;
}

/* By what the interpreter tells of itself. */
static enum cpython_verdict read_own_offsets(struct cpython *py,
					     const struct cpython_reader *r)
{
	struct offsets o;
	bool is_3_14 = MINOR(py->version) >= 14;

	o.at = o.count = 0;
	o.odd = false;
	if (!r->read(r->context, py->runtime, o.words, sizeof(o.words)) ||
	    o.words[0] != 0x7970677562656478ULL /* "xdebugpy" */ ||
	    o.words[1] != py->version)
		return CPYTHON_ODD;
	if (o.words[2])
		return CPYTHON_IS_THREADED;
	read_states(py, &o, is_3_14);
	read_objects(py, &o, is_3_14);
	py->entry_owner = 3;
	py->finest_tag = is_3_14 ? 7 : 0;
	return o.odd ? CPYTHON_ODD : CPYTHON_OK;
}

static uint32_t version_of(const struct cpython_reader *r,
			   const uint64_t symbols[CPYTHON_NSYMBOLS])
{
	uint64_t version;

	if (symbols[CPYTHON_VERSION])
		return r->read(r->context, symbols[CPYTHON_VERSION], &version,
			       sizeof(version))
			       ? (uint32_t)version
			       : 0;
	if (symbols[CPYTHON_SINCE_3_10])
		return 0x030a0000;
	return symbols[CPYTHON_SINCE_3_9] ? 0x03090000 : 0x03080000;
}

/* What can be said before the interpreter has begun to run. */
static enum cpython_verdict refuse(uint32_t version,
				   const uint64_t symbols[CPYTHON_NSYMBOLS])
{
	if (symbols[CPYTHON_PYPY])
		return CPYTHON_IS_PYPY;
	if (!symbols[CPYTHON_RUNTIME])
		return CPYTHON_HIDDEN;
	if (!symbols[CPYTHON_CODE_TYPE] || !symbols[CPYTHON_UNICODE_TYPE] ||
	    !symbols[CPYTHON_BYTES_TYPE])
		return CPYTHON_HIDDEN;
	if (version < V3_9)
		return CPYTHON_TOO_OLD;
	if (version >= V3_15)
		return CPYTHON_TOO_NEW;
	return symbols[CPYTHON_DEBUG_BUILD] ? CPYTHON_IS_DEBUG : CPYTHON_OK;
}

enum cpython_verdict cpython_open(struct cpython *py,
				  const struct cpython_reader *r,
				  const uint64_t symbols[CPYTHON_NSYMBOLS])
{
	uint32_t version = version_of(r, symbols);
	enum cpython_verdict verdict = refuse(version, symbols);

	if (verdict != CPYTHON_OK)
		return verdict;
	*py = (struct cpython) { .version = version };
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (MINOR(layouts[i].version) == MINOR(version))
			*py = layouts[i];
	py->version = version;
	py->runtime = symbols[CPYTHON_RUNTIME];
	py->code_type = symbols[CPYTHON_CODE_TYPE];
	py->text_type = symbols[CPYTHON_UNICODE_TYPE];
	py->bytes_type = symbols[CPYTHON_BYTES_TYPE];
	return version >= V3_13 ? read_own_offsets(py, r) : CPYTHON_OK;
}

static uint64_t word(const struct cpython_reader *r, uint64_t at)
{
	uint64_t value;

	return r->read(r->context, at, &value, sizeof(value)) ? value : 0;
}

/* A pthread that is known to the interpreter it says it is of. */
static bool thread_fits(const struct cpython *py,
			const struct cpython_reader *r, uint64_t thread)
{
	uint64_t own = word(r, thread + py->in_thread.interpreter);
	uint64_t at = word(r, py->runtime + py->in_runtime.interpreters);

	for (int i = 0; i < 10000 && at; i++) {
		if (at == own)
			return true;
		at = word(r, at + py->in_interpreter.next);
	}
	return false;
}

/* What a frame runs: a code object with a place in it that can be. */
static bool frame_fits(const struct cpython *py, const struct cpython_reader *r,
		       const struct cpython_frame *f)
{
	struct cpython_code code;

	/* No function is longer than 16 MiB. */
	return cpython_code(py, r, f->code, &code) && code.qualname[0] &&
	       code.first_line < 1u << 30 && code.lines_size < 1u << 24 &&
	       f->instruction >= -64 && f->instruction < 1 << 24;
}

enum cpython_verdict cpython_check(const struct cpython *py,
				   const struct cpython_reader *r,
				   uint64_t thread)
{
	struct cpython_frame frames[8];
	size_t count;

	if (!thread_fits(py, r, thread))
		return CPYTHON_ODD;
	count = cpython_frames(py, r, thread, frames, 8);
	if (!count)
		return cpython_innermost(py, r, thread) ? CPYTHON_ODD
							: CPYTHON_EARLY;
	for (size_t i = 0; i < count; i++)
		if (!frame_fits(py, r, &frames[i]))
			return CPYTHON_ODD;
	return CPYTHON_OK;
}

/*
 * What an interpreter is taken for, before anything of it is believed.  What
 * live ones look like is tested on live ones: tests/e2e/test_python.py.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "profiler/unwind/cpython.h"

#define BASE 0x10000u

struct memory { /* one stretch of it */
	uint8_t bytes[8192];
};

static bool read_memory(void *context, uint64_t at, void *to, size_t size)
{
	const struct memory *m = context;

	if (at < BASE || at - BASE + size > sizeof(m->bytes))
		return false;
	memcpy(to, m->bytes + (at - BASE), size);
	return true;
}

static void put(struct memory *m, uint64_t at, uint64_t value)
{
	memcpy(m->bytes + (at - BASE), &value, sizeof(value));
}

/* Symbols of an ordinary interpreter; its version stands at BASE. */
static void fill_symbols(uint64_t symbols[CPYTHON_NSYMBOLS])
{
	memset(symbols, 0, CPYTHON_NSYMBOLS * sizeof(*symbols));
	symbols[CPYTHON_VERSION] = BASE;
	symbols[CPYTHON_RUNTIME] = BASE + 64;
	symbols[CPYTHON_CODE_TYPE] = BASE + 4096;
	symbols[CPYTHON_UNICODE_TYPE] = BASE + 4104;
	symbols[CPYTHON_BYTES_TYPE] = BASE + 4112;
	symbols[CPYTHON_SINCE_3_9] = BASE;
	symbols[CPYTHON_SINCE_3_10] = BASE;
}

static enum cpython_verdict open_version(uint64_t version,
					 enum cpython_symbol changed,
					 uint64_t to)
{
	static struct memory m;
	struct cpython_reader r = { read_memory, &m };
	uint64_t symbols[CPYTHON_NSYMBOLS];
	struct cpython py;

	memset(&m, 0, sizeof(m));
	put(&m, BASE, version);
	fill_symbols(symbols);
	if (changed != CPYTHON_NSYMBOLS)
		symbols[changed] = to;
	return cpython_open(&py, &r, symbols);
}

Test(cpython, a_version_of_the_table_is_opened)
{
	cr_assert_eq(open_version(0x030b02f0, CPYTHON_NSYMBOLS, 0), CPYTHON_OK);
	cr_assert_eq(open_version(0x030c01f0, CPYTHON_NSYMBOLS, 0), CPYTHON_OK);
}

Test(cpython, without_a_version_the_symbols_tell_3_9_from_3_10)
{
	struct cpython_reader r = { read_memory, NULL };
	uint64_t symbols[CPYTHON_NSYMBOLS];
	struct cpython py;

	fill_symbols(symbols);
	symbols[CPYTHON_VERSION] = 0;
	cr_assert_eq(cpython_open(&py, &r, symbols), CPYTHON_OK);
	cr_assert_eq(py.version, 0x030a0000);
	symbols[CPYTHON_SINCE_3_10] = 0;
	cr_assert_eq(cpython_open(&py, &r, symbols), CPYTHON_OK);
	cr_assert_eq(py.version, 0x03090000);
	symbols[CPYTHON_SINCE_3_9] = 0;
	cr_assert_eq(cpython_open(&py, &r, symbols), CPYTHON_TOO_OLD);
}

Test(cpython, an_interpreter_that_is_not_known_is_refused)
{
	cr_assert_eq(open_version(0x030f00f0, CPYTHON_NSYMBOLS, 0),
		     CPYTHON_TOO_NEW);
	cr_assert_eq(open_version(0x030b02f0, CPYTHON_RUNTIME, 0),
		     CPYTHON_HIDDEN);
	cr_assert_eq(open_version(0x030b02f0, CPYTHON_CODE_TYPE, 0),
		     CPYTHON_HIDDEN);
	cr_assert_eq(open_version(0x030b02f0, CPYTHON_DEBUG_BUILD, BASE),
		     CPYTHON_IS_DEBUG);
	cr_assert_eq(open_version(0x030b02f0, CPYTHON_PYPY, BASE),
		     CPYTHON_IS_PYPY);
}

Test(cpython, every_refusal_has_a_reason)
{
	for (int v = CPYTHON_HIDDEN; v < CPYTHON_NVERDICTS; v++)
		cr_assert_not_null(cpython_reason((enum cpython_verdict)v));
	cr_assert_null(cpython_reason(CPYTHON_OK));
}

/* The head of what 3.13.0 says of itself, by its own headers. */
static const uint64_t told_by_3_13[] = { 0x7970677562656478,
					 0x030d00f0,
					 0,
					 /* runtime */ 300000,
					 608,
					 632,
					 /* interpreter */ 200000,
					 7272,
					 7264,
					 7344,
					 7400,
					 7656,
					 7640,
					 7648,
					 0,
					 7700,
					 0,
					 7708,
					 7716,
					 /* thread */ 300,
					 0,
					 8,
					 16,
					 72,
					 152,
					 160,
					 232,
					 32,
					 /* frame */ 80,
					 8,
					 0,
					 56,
					 72,
					 70,
					 /* code */ 208,
					 112,
					 120,
					 128,
					 136,
					 68,
					 52,
					 96,
					 104,
					 200,
					 /* object, type, tuple, list */ 16,
					 8,
					 416,
					 24,
					 88,
					 168,
					 32,
					 24,
					 16,
					 40,
					 24,
					 16,
					 /* dict, float, int, bytes */ 48,
					 32,
					 40,
					 24,
					 16,
					 32,
					 16,
					 24,
					 40,
					 16,
					 32,
					 /* str */ 64,
					 32,
					 16,
					 40 };

static enum cpython_verdict open_told(size_t changed, uint64_t to,
				      struct cpython *py)
{
	static struct memory m;
	struct cpython_reader r = { read_memory, &m };
	uint64_t symbols[CPYTHON_NSYMBOLS];

	fill_symbols(symbols);
	put(&m, BASE, 0x030d00f0);
	memcpy(m.bytes + 64, told_by_3_13, sizeof(told_by_3_13));
	if (changed)
		put(&m, BASE + 64 + 8 * changed, to);
	return cpython_open(py, &r, symbols);
}

Test(cpython, what_3_13_tells_of_itself_is_taken)
{
	struct cpython py;

	cr_assert_eq(open_told(0, 0, &py), CPYTHON_OK);
	cr_assert_eq(py.in_thread.frame, 72);
	cr_assert_eq(py.in_frame.instruction, 56);
	cr_assert_eq(py.in_code.instructions, 200);
	cr_assert_eq(py.in_text.ascii, 40);
}

Test(cpython, what_3_13_tells_of_itself_is_not_taken_when_it_cannot_be)
{
	struct cpython py;

	cr_assert_eq(open_told(2, 1, &py), CPYTHON_IS_THREADED);
	cr_assert_eq(open_told(1, 0x030d01f0, &py), CPYTHON_ODD);
	cr_assert_eq(open_told(3, 0, &py), CPYTHON_ODD);
	cr_assert_eq(open_told(4, 300001, &py), CPYTHON_ODD);
	cr_assert_eq(open_told(44, UINT64_MAX, &py), CPYTHON_ODD);
}

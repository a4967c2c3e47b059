/*
 * names: how a frame is called in a report.
 */
#ifndef STRANDLINE_REPORTS_NAMES_H
#define STRANDLINE_REPORTS_NAMES_H

#include "profiler/model/model.h"

struct buf;

/* The last component of @path. */
const char *name_base(const char *path);

/*
 * A source file as a person knows it: from the package on for Python packages
 * and the standard library ("starlette/routing.py"), the last component
 * otherwise, with its directory where that says nothing ("rag/__init__.py").
 */
const char *name_source(const char *path);

/*
 * The frame in one piece, as flame graph tools expect it: "function" for
 * native code, "function (file.py:12)" for Python, "function_[k]" in the
 * kernel.  Neither ';' nor a control character is in it.
 */
void name_put_label(struct buf *out, const struct model_frame *frame);

/* The frame has no symbol: its function reads "module+0x1234". */
bool name_is_address(const struct model_frame *frame);

/*
 * The function for a narrow column: of an address in a Python extension the
 * platform is left out, "_umath.cpython-311-x86_64-linux-gnu.so+0x12" being
 * "_umath+0x12".
 */
void name_put_function(struct buf *out, const struct model_frame *frame);

/*
 * Where the code stands: "main.py:88", "index.cpp:120 in libfaiss.so", or the
 * module's whole path where that is all that is known.  @full gives every path
 * whole.
 */
void name_put_place(struct buf *out, const struct model_frame *frame,
		    uint32_t line, bool full);

/* "application", "library", ... stable, for JSON and for CSS classes. */
const char *name_module_kind(enum module_kind kind);
const char *name_frame_kind(enum frame_kind kind);

/* What a kind weighs: "live memory", "allocated memory", ... */
const char *name_weight(enum model_kind kind);

/* How it was recorded: "one sample per 16.0 KiB, with probes in the kernel" */
void name_put_mode(struct buf *out, const struct model *m);

/* "bytes" or "ns". */
const char *name_unit(enum model_kind kind);

#define NAME_AMOUNT_MAX 32

/* @weight in the unit of @kind, rounded for reading. */
char *name_amount(char out[NAME_AMOUNT_MAX], enum model_kind kind,
		  double weight);

#endif

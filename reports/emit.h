/*
 * emit: JSON, written as it is thought of.
 *
 * A report of a large recording holds a million frames; a tree of JSON values
 * would cost more memory than the model.  Keys come out in the order of the
 * calls.  The caller keeps braces balanced.
 */
#ifndef STRANDLINE_REPORTS_EMIT_H
#define STRANDLINE_REPORTS_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct emit {
	struct buf *out;
	bool comma; /* something stands before the next value */
};

void emit_open(struct emit *e, char bracket);
void emit_close(struct emit *e, char bracket);
void emit_line(struct emit *e); /* what follows begins a line */
void emit_key(struct emit *e, const char *key);

void emit_text(struct emit *e, const char *text); /* NULL: null */
void emit_integer(struct emit *e, int64_t value);
void emit_unsigned(struct emit *e, uint64_t value);
/* @digits after the point at most; null when not finite. */
void emit_real(struct emit *e, double value, unsigned digits);
void emit_bool(struct emit *e, bool value);
void emit_null(struct emit *e);
/* Bytes that are JSON already. */
void emit_raw(struct emit *e, const char *json, size_t len);

/* A key and its value. */
void emit_key_text(struct emit *e, const char *key, const char *text);
void emit_key_integer(struct emit *e, const char *key, int64_t value);
void emit_key_unsigned(struct emit *e, const char *key, uint64_t value);
void emit_key_real(struct emit *e, const char *key, double value,
		   unsigned digits);
void emit_key_bool(struct emit *e, const char *key, bool value);

#endif

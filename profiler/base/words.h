/*
 * words: "did you mean" for short names that people type.
 */
#ifndef STRANDLINE_BASE_WORDS_H
#define STRANDLINE_BASE_WORDS_H

#include <stdbool.h>

/* @typed begins @name, or is it with up to a third of its letters wrong. */
bool words_resemble(const char *typed, const char *name);

#endif

/*
 * modules: what a module is to a reader, judged by its path.
 */
#ifndef STRANDLINE_MODEL_MODULES_H
#define STRANDLINE_MODEL_MODULES_H

#include "profiler/model/model.h"

/* @exe: path of the process's executable. */
enum module_kind modules_kind(const char *path, const char *exe);

#endif

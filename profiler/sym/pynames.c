#include "profiler/sym/pynames.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Compilers make ".cold" and ".part.0" of a function; C++ has parameters. */
static bool starts(const char *function, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(function, name, len) &&
	       (!function[len] || function[len] == '(' || function[len] == '.');
}

bool pynames_is_evaluator(const char *function)
{
	return starts(function, "_PyEval_EvalFrameDefault");
}

bool pynames_is_greenlet(const char *function)
{
	return starts(function, "greenlet::UserGreenlet::inner_bootstrap") ||
	       starts(function, "greenlet::UserGreenlet::g_initialstub") ||
	       starts(function, "g_initialstub"); /* until greenlet 1.1 */
}

static const char *past(const char *file, const char *folder)
{
	const char *at = strstr(file, folder);

	return at && at[strlen(folder)] ? at + strlen(folder) : NULL;
}

/* Past ".../lib/python3.11/", or NULL. */
static const char *past_standard_library(const char *file)
{
	const char *at = past(file, "/lib/python");

	while (at && (isdigit((unsigned char)*at) || *at == '.'))
		at++;
	return at && *at == '/' && at[1] ? at + 1 : NULL;
}

static const char *past_folder(const char *file, const char *folder)
{
	size_t len = folder ? strlen(folder) : 0;

	while (len && folder[len - 1] == '/')
		len--;
	return len && !strncmp(file, folder, len) && file[len] == '/' &&
			       file[len + 1]
		       ? file + len + 1
		       : NULL;
}

static const char *last_part(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash && slash[1] ? slash + 1 : file;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && !strncmp(text + len - n, end, n);
}

void pynames_module(char *to, size_t size, const char *file, const char *folder)
{
	const char *from = past(file, "/site-packages/");
	size_t len;

	if (!from)
		from = past(file, "/dist-packages/");
	if (!from)
		from = past_standard_library(file);
	if (!from)
		from = past_folder(file, folder);
	if (!from)
		from = file[0] == '/' ? last_part(file) : file;
	while (!strncmp(from, "./", 2))
		from += 2;
	len = strlen(from);
	if (ends_with(from, len, ".py"))
		len -= 3;
	if (ends_with(from, len, "/__init__"))
		len -= strlen("/__init__");
	snprintf(to, size, "%.*s", (int)len, from);
	for (; *to; to++)
		if (*to == '/')
			*to = '.';
}

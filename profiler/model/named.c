/*
 * named: see named.h.
 */
#include "profiler/model/named.h"

#include <ctype.h>
#include <string.h>

#include "profiler/model/model.h"

#define PYTHON "python:"
#define LOCALS "<locals>."

/* What compilers append to a function's name, "search.part.0". */
static bool is_clone(const char *part, size_t size)
{
	static const char *const parts[] = { "part", "isra",	 "constprop",
					     "cold", "lto_priv", "llvm" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strlen(parts[i]) == size && !memcmp(part, parts[i], size))
			return true;
	return false;
}

static bool is_identifier(const char *part, size_t size)
{
	if (!size || isdigit((unsigned char)part[0]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)part[i]) && !strchr("_<>", part[i]))
			return false;
	return !is_clone(part, size);
}

bool named_python(const char *name)
{
	bool dotted = false;
	size_t size;

	if (strncmp(name, PYTHON, strlen(PYTHON)) == 0)
		return true;
	for (;; name += size + 1) {
		size = strcspn(name, ".");
		if (!is_identifier(name, size))
			return false;
		if (!name[size])
			return dotted;
		dotted = true;
	}
}

const char *named_shown(const char *name)
{
	const size_t size = strlen(PYTHON);

	return strncmp(name, PYTHON, size) ? name : name + size;
}

static bool is_native(const char *function, const char *name)
{
	const char *colon = strchr(name, ':');
	size_t len;

	/* "libindex.so:ns::search" is the function "ns::search(int)". */
	if (colon && colon != name && colon[1] != ':')
		name = colon + 1;
	len = strlen(name);
	return strncmp(function, name, len) == 0 &&
	       (!function[len] || function[len] == '(');
}

/* "make.<locals>.search" and "make.search" are the same. */
static bool same_name(const char *function, const char *name)
{
	const size_t locals = strlen(LOCALS);

	for (;;) {
		if (strncmp(function, LOCALS, locals) == 0)
			function += locals;
		else if (strncmp(name, LOCALS, locals) == 0)
			name += locals;
		else if (*function != *name)
			return false;
		else if (!*name)
			return true;
		else
			function++, name++;
	}
}

/* Does "/srv/app/search.py" end like the module "app.search"? */
static bool is_module(const char *file, const char *module, size_t len)
{
	static const char *const ends[] = { "/__init__.py", ".pyc", ".py" };
	size_t n = file ? strlen(file) : 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);

		if (n > end && strcmp(file + n - end, ends[i]) == 0) {
			n -= end;
			break;
		}
	}
	if (n < len || (n > len && file[n - len - 1] != '/'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (file[n - len + i] != (module[i] == '.' ? '/' : module[i]))
			return false;
	return true;
}

/* "app.Index.search" is "search" of any "app.Index", or "Index.search" of
 * "app", or that name of whatever module. */
bool named_function(const char *function, const char *file, const char *name)
{
	name = named_shown(name);
	if (same_name(function, name))
		return true;
	for (const char *dot = strchr(name, '.'); dot;
	     dot = strchr(dot + 1, '.'))
		if (same_name(function, dot + 1) &&
		    is_module(file, name, (size_t)(dot - name)))
			return true;
	return false;
}

bool named_frame(const struct model_frame *frame, const char *name)
{
	if (named_python(name))
		return frame->kind == FRAME_PYTHON &&
		       named_function(frame->function, frame->file, name);
	return frame->kind == FRAME_NATIVE && is_native(frame->function, name);
}

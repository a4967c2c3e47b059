/*
 * demangle: libiberty behind size limits; see demangle.h.
 */
#include "profiler/sym/demangle.h"

#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "profiler/base/buf.h"

/*
 * A mangled name refers back to its own parts, so a few bytes can spell out
 * gigabytes; real names of template libraries reach some 10 KiB, mangled and
 * demangled alike.
 */
#define MANGLED_MAX   32768
#define DEMANGLED_MAX ((size_t)1 << 20)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool all_digits(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_digit(text[i]))
			return false;
	return len > 0;
}

/* Is @text what stands between the dots of a clone's name? */
static bool is_clone_mark(const char *text, size_t len)
{
	static const char *const marks[] = {
		"part",	    "cold",	"constprop",  "isra",
		"lto_priv", "clone",	"localalias", "llvm",
		"hot",	    "unlikely", "sra",	      "__uniq",
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strlen(marks[i]) == len &&
		    strncmp(marks[i], text, len) == 0)
			return true;
	return false;
}

/* Length of @name without one trailing ".mark" or ".mark.123". */
static size_t drop_clone_mark(const char *name, size_t len)
{
	const char *dot = memrchr(name, '.', len);
	size_t end = len;

	/* A number alone may be part of the name: Go, nested C functions. */
	if (dot && all_digits(dot + 1, len - (size_t)(dot + 1 - name))) {
		end = (size_t)(dot - name);
		dot = memrchr(name, '.', end);
	}
	if (!dot || dot == name ||
	    !is_clone_mark(dot + 1, end - (size_t)(dot + 1 - name)))
		return len;
	return (size_t)(dot - name);
}

/* Length of @name without symbol version and clone marks. */
static size_t plain_length(const char *name)
{
	const char *version = strchr(name, '@');
	size_t len, shorter;

	/* "@" opens "@GLIBC_2.14" and "@@GLIBC_2.14"; never the name. */
	len = version && version != name ? (size_t)(version - name)
					 : strlen(name);
	while ((shorter = drop_clone_mark(name, len)) < len)
		len = shorter;
	return len;
}

static void put_limited(const char *bytes, size_t len, void *opaque)
{
	struct buf *out = opaque;

	if (len <= DEMANGLED_MAX && out->len <= DEMANGLED_MAX - len)
		buf_write(out, bytes, len);
}

void demangle(struct buf *out, const char *name)
{
	const int options = DMGL_PARAMS | DMGL_ANSI;
	size_t len = plain_length(name);
	struct buf mangled = BUF_INIT, plain = BUF_INIT;
	bool done = false;

	if (len >= 3 && len <= MANGLED_MAX && name[0] == '_' &&
	    (name[1] == 'Z' || name[1] == 'R')) {
		buf_write(&mangled, name, len);
		if (buf_status(&mangled) == 0) {
			done = rust_demangle_callback(mangled.bytes, options,
						      put_limited, &plain);
			if (!done) /* may have put half a name */
				buf_clear(&plain);
			done = done ||
			       cplus_demangle_v3_callback(mangled.bytes,
							  options, put_limited,
							  &plain);
		}
	}
	if (done && plain.len > 0)
		buf_write(out, plain.bytes, plain.len);
	else
		buf_write(out, name, len);
	buf_free(&mangled);
	buf_free(&plain);
}

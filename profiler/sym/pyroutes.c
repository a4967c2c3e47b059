#include "profiler/sym/pyroutes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/vec.h"
#include "profiler/sym/pydict.h"
#include "profiler/sym/pyrefs.h"

#define TEXT_SIZE   512
#define DEPTH_MAX   8 /* functions that wrap each other */
#define ROUTES_MAX  4096
#define METHODS_MAX 16
#define WORDS_END   256u /* no function or code object is longer */

struct pyroutes {
	struct pypages *pages;
	struct pytypes *types;
	uint32_t version;
	VEC(struct pyroute) list;
	VEC(char *) texts;
};

struct named { /* attributes of an object; 0: it has none of the name */
	struct pyroutes *routes;
	const char *const *names;
	uint64_t *values;
	size_t count;
};

static bool text_of(const struct pyroutes *r, uint64_t object, char *to)
{
	const struct pytype *type = pytypes_of(r->types, object);

	return type && type->kind == PYTYPE_TEXT &&
	       pydict_text(r->pages, r->version, object, to, TEXT_SIZE);
}

static void take_named(void *context, const struct pyref *ref)
{
	struct named *n = context;
	char key[TEXT_SIZE];

	if (ref->kind != PYREF_NAME || !text_of(n->routes, ref->key, key))
		return;
	for (size_t i = 0; i < n->count; i++)
		if (!n->values[i] && strcmp(key, n->names[i]) == 0)
			n->values[i] = ref->to;
}

static void own_nothing(void *context, uint64_t at, const char *what)
{
	(void)context;
	(void)at;
	(void)what;
}

static void refs_of(struct pyroutes *r, uint64_t object,
		    void (*refer)(void *, const struct pyref *), void *context)
{
	const struct pytype *type = pytypes_of(r->types, object);
	const struct pyrefs refs = {
		.pages = r->pages,
		.types = r->types,
		.version = r->version,
		.refer = refer,
		.own = own_nothing,
		.context = context,
	};

	if (type)
		pyrefs_of(&refs, object, type);
}

static void attributes_of(struct pyroutes *r, uint64_t object,
			  const char *const *names, uint64_t *values,
			  size_t count)
{
	struct named n = { r, names, values, count };

	memset(values, 0, count * sizeof(*values));
	refs_of(r, object, take_named, &n);
}

static const char *keep(struct pyroutes *r, const char *text)
{
	char **slot = vec_push(&r->texts);

	if (!slot)
		return NULL;
	*slot = strdup(text);
	return *slot;
}

/* The first object of type @name that the body of @object refers to; 0. */
static uint64_t word_of_type(const struct pyroutes *r, uint64_t object,
			     const char *name)
{
	for (uint64_t at = 16; at < WORDS_END; at += 8) {
		const struct pytype *type;
		uint64_t word;

		if (!pypages_word(r->pages, object + at, &word))
			return 0;
		type = pytypes_of(r->types, word);
		if (type && strcmp(type->name, name) == 0)
			return word;
	}
	return 0;
}

/* The code object that runs when @callable is called; 0: not known. */
static uint64_t code_of(struct pyroutes *r, uint64_t callable)
{
	static const char *const names[] = { "__wrapped__" };

	for (int depth = 0; callable && depth < DEPTH_MAX; depth++) {
		const struct pytype *type = pytypes_of(r->types, callable);
		uint64_t within;

		if (!type)
			return 0;
		attributes_of(r, callable, names, &within, 1);
		if (within)
			callable = within;
		else if (strcmp(type->name, "function") == 0)
			return word_of_type(r, callable, "code");
		else
			callable = word_of_type(r, callable, "function");
	}
	return 0;
}

static bool is_file(const char *text)
{
	size_t n = strlen(text);

	return strchr(text, '/') || text[0] == '<' ||
	       (n > 3 && strcmp(text + n - 3, ".py") == 0);
}

/* A code object has its file, its name and, since 3.11, its full name. */
static bool read_code(struct pyroutes *r, uint64_t code, char *function,
		      char *file)
{
	bool found = false;

	*file = '\0';
	for (uint64_t at = 16; at < WORDS_END; at += 8) {
		char text[TEXT_SIZE];
		uint64_t word;

		if (!pypages_word(r->pages, code + at, &word))
			break;
		if (!text_of(r, word, text)) {
			if (found)
				break; /* they stand side by side */
			continue;
		}
		if (!*file) {
			if (is_file(text))
				strcpy(file, text);
			continue;
		}
		strcpy(function, text);
		found = true;
	}
	return found;
}

static int add(struct pyroutes *r, const char *method, const char *path,
	       const char *function, const char *file)
{
	char request[2 * TEXT_SIZE + 2];
	struct pyroute *route;

	if (r->list.count >= ROUTES_MAX)
		return 0;
	snprintf(request, sizeof(request), "%s %s", method, path);
	route = vec_push(&r->list);
	if (!route)
		return -ENOMEM;
	*route = (struct pyroute) {
		.request = keep(r, request),
		.function = keep(r, function),
		.file = keep(r, file),
	};
	return route->request && route->function && route->file ? 0 : -ENOMEM;
}

struct methods {
	struct pyroutes *routes;
	uint64_t at[METHODS_MAX];
	size_t count;
};

static void take_method(void *context, const struct pyref *ref)
{
	struct methods *m = context;

	if (ref->kind == PYREF_ITEM && m->count < METHODS_MAX)
		m->at[m->count++] = ref->to;
}

static int add_all(struct pyroutes *r, const struct methods *m,
		   const char *path, uint64_t callable)
{
	char function[TEXT_SIZE], file[TEXT_SIZE], method[TEXT_SIZE];
	uint64_t code = code_of(r, callable);
	int rc = 0;

	if (!code || !read_code(r, code, function, file))
		return 0;
	for (size_t i = 0; i < m->count && rc == 0; i++)
		if (text_of(r, m->at[i], method))
			rc = add(r, method, path, function, file);
	return rc;
}

static int look_starlette(struct pyroutes *r, uint64_t object)
{
	static const char *const names[] = { "path", "methods", "endpoint" };
	struct methods methods = { .routes = r };
	char path[TEXT_SIZE];
	uint64_t values[3];

	attributes_of(r, object, names, values, 3);
	if (!values[0] || !values[1] || !values[2] ||
	    !text_of(r, values[0], path))
		return 0;
	refs_of(r, values[1], take_method, &methods);
	return add_all(r, &methods, path, values[2]);
}

static int look_aiohttp(struct pyroutes *r, uint64_t object)
{
	static const char *const names[] = { "_method", "_handler",
					     "_resource" };
	static const char *const paths[] = { "_path", "_formatter" };
	struct methods methods = { .routes = r, .count = 1 };
	uint64_t values[3], path[2];
	char text[TEXT_SIZE];

	attributes_of(r, object, names, values, 3);
	if (!values[0] || !values[1] || !values[2])
		return 0;
	methods.at[0] = values[0];
	attributes_of(r, values[2], paths, path, 2);
	if (!text_of(r, path[0] ? path[0] : path[1], text))
		return 0;
	return add_all(r, &methods, text, values[1]);
}

int pyroutes_look(struct pyroutes *r, uint64_t object,
		  const struct pytype *type)
{
	size_t before = r->list.count;
	int rc;

	if (type->kind != PYTYPE_PLAIN || !strstr(type->name, "Route"))
		return 0;
	rc = look_starlette(r, object);
	if (rc == 0 && r->list.count == before)
		rc = look_aiohttp(r, object);
	return rc;
}

struct pyroutes *pyroutes_new(struct pypages *pages, struct pytypes *types,
			      uint32_t version)
{
	struct pyroutes *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->pages = pages;
	r->types = types;
	r->version = version;
	return r;
}

void pyroutes_free(struct pyroutes *r)
{
	char **text;

	if (!r)
		return;
	vec_foreach (&r->texts, text)
		free(*text);
	vec_free(&r->texts);
	vec_free(&r->list);
	free(r);
}

const struct pyroute *pyroutes_list(const struct pyroutes *r, size_t *count)
{
	*count = r->list.count;
	return r->list.at;
}

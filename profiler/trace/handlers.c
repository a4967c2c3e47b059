#include "profiler/trace/handlers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NEARLY_ALL 0.9
#define LOCALS	   ".<locals>."

/*
 * How well the segments of @template match all of @path: 0 not at all, else
 * one more than the segments that are the same.  "{id}" is any segment,
 * "{rest:path}" all that are left.
 */
static unsigned match_whole(const char *template, const char *path)
{
	unsigned same = 1;

	while (*template == '/' || *path == '/') {
		size_t t, p;

		template += *template == '/';
		path += *path == '/';
		t = strcspn(template, "/");
		p = strcspn(path, "/");
		if (t > 6 && strncmp(template + t - 6, ":path}", 6) == 0)
			return same;
		if (t == p && strncmp(template, path, t) == 0)
			same++;
		else if (!memchr(template, '{', t) || !p)
			return 0;
		template += t;
		path += p;
	}
	return *template || *path ? 0 : same;
}

/* The same, where an application is mounted below: any end of @path. */
static unsigned match_end(const char *template, const char *path)
{
	unsigned best = 0;

	while ((path = strchr(path + 1, '/'))) {
		unsigned found = match_whole(template, path);

		if (found > best)
			best = found;
	}
	return best;
}

static unsigned match(const char *template, const char *request)
{
	size_t method = strcspn(template, " ");
	unsigned found;

	if (strncmp(template, request, method + 1) != 0)
		return 0;
	template += method + 1;
	request += method + 1;
	found = match_whole(template, request);
	return found ? found << 16 : match_end(template, request);
}

/* Its best handler, by index; @count: none. */
static size_t handler_of(const char *request,
			 const struct trace_handler *handlers, size_t count)
{
	size_t best = count;
	unsigned most = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned found = match(handlers[i].request, request);

		if (found > most) {
			most = found;
			best = i;
		}
	}
	return best;
}

const struct trace_handler *handlers_find(const char *request,
					  const struct trace_handler *handlers,
					  size_t count)
{
	size_t best = handler_of(request, handlers, count);

	return best < count ? &handlers[best] : NULL;
}

static uint64_t requests_of(const struct trace_image *im, uint32_t route)
{
	for (size_t i = 0; i < im->result.route_count; i++)
		if (im->result.routes[i].route == route)
			return im->result.routes[i].count;
	return 0;
}

/* A function defined within another is a part of it: an answer's generator. */
static bool is_part_of(const struct trace_code *code,
		       const struct trace_handler *handler)
{
	size_t n = strlen(handler->function);

	return strcmp(code->file, handler->file) == 0 &&
	       strncmp(code->qualname, handler->function, n) == 0 &&
	       (!code->qualname[n] ||
		strncmp(code->qualname + n, LOCALS, sizeof(LOCALS) - 1) == 0);
}

/* The route that @code answers; 0: it answers none, or several.  @best is
 * the handler of each of the routes. */
static uint32_t route_of_code(const struct trace_image *im,
			      const struct trace_code *code,
			      const struct trace_handler *handlers,
			      size_t count, const size_t *best)
{
	uint64_t all = 0, most = 0;
	uint32_t route = 0;

	for (size_t i = 0; i < im->route_count; i++) {
		uint64_t n;

		if (best[i] == count || !is_part_of(code, &handlers[best[i]]))
			continue;
		n = requests_of(im, im->routes[i].id);
		all += n;
		if (n < most || !n)
			continue;
		most = n;
		route = im->routes[i].id;
	}
	return (double)most >= NEARLY_ALL * (double)all ? route : 0;
}

static uint32_t of_code(const struct trace_image *im, const uint32_t *by_code,
			uint32_t id)
{
	size_t low = 0, high = im->code_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (im->codes[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < im->code_count && im->codes[low].id == id ? by_code[low]
							       : 0;
}

/* Parents, and the Python nodes of mixed ones, come before a node. */
static void charge_nodes(const struct trace_image *im, const uint32_t *by_code,
			 uint32_t *by_node)
{
	for (uint32_t id = 1; id <= im->node_count; id++) {
		const struct wire_node *n = &im->nodes[id - 1];
		enum wire_node_kind kind = wire_node_kind(n);

		if (kind == NODE_MIXED && n->value < id)
			by_node[id] = by_node[n->value];
		else if (kind == NODE_PYTHON && n->parent < id)
			by_node[id] = by_node[n->parent]
					      ? by_node[n->parent]
					      : of_code(im, by_code,
							wire_node_module(n));
	}
}

static bool charge_codes(const struct trace_image *im,
			 const struct trace_handler *handlers, size_t count,
			 const size_t *best, uint32_t *by_code)
{
	bool any = false;

	for (size_t i = 0; i < im->code_count; i++) {
		by_code[i] =
			route_of_code(im, &im->codes[i], handlers, count, best);
		any |= by_code[i] != 0;
	}
	return any;
}

static void charge(struct fold_stack *s, const uint32_t *by_node)
{
	if (s->route || !by_node[s->node])
		return;
	s->route = by_node[s->node];
	s->by_handler = true;
}

int handlers_charge(const struct trace_image *im, struct fold_stack *stacks,
		    const struct trace_handler *handlers, size_t count)
{
	size_t *best;
	uint32_t *by_code, *by_node;
	int rc = -ENOMEM;

	if (!count || !im->route_count || !im->code_count)
		return 0;
	best = malloc(im->route_count * sizeof(*best));
	by_code = calloc(im->code_count, sizeof(*by_code));
	by_node = calloc((size_t)im->node_count + 1, sizeof(*by_node));
	if (!best || !by_code || !by_node)
		goto out;
	for (size_t i = 0; i < im->route_count; i++)
		best[i] = handler_of(im->routes[i].text, handlers, count);
	if (charge_codes(im, handlers, count, best, by_code)) {
		charge_nodes(im, by_code, by_node);
		for (size_t i = 0; i < im->result.stack_count; i++)
			charge(&stacks[i], by_node);
	}
	rc = 0;
out:
	free(best);
	free(by_code);
	free(by_node);
	return rc;
}

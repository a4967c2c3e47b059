#include <criterion/criterion.h>
#include <string.h>

#include "profiler/trace/handlers.h"

#define CODES  4
#define ROUTES 4

static const struct trace_handler handlers[] = {
	{ "GET /users/{id}", "user", "/srv/app.py" },
	{ "GET /users/me", "me", "/srv/app.py" },
	{ "POST /chat", "chat", "/srv/app.py" },
	{ "GET /files/{rest:path}", "file", "/srv/app.py" },
	{ "GET /v1/models", "models", "/srv/sub.py" },
};

#define HANDLED (sizeof(handlers) / sizeof(handlers[0]))

struct process {
	struct trace_image im;
	struct trace_code codes[CODES];
	struct trace_route routes[ROUTES];
	struct fold_route counts[ROUTES];
	struct wire_node nodes[8];
	struct fold_stack stacks[2];
};

static void add_code(struct process *p, const char *name, const char *file)
{
	uint32_t n = (uint32_t)++p->im.code_count;

	p->im.codes = p->codes;
	p->codes[n - 1] = (struct trace_code) {
		.id = n,
		.qualname = name,
		.file = file,
	};
}

static void add_route(struct process *p, const char *text, uint64_t requests)
{
	uint32_t n = (uint32_t)++p->im.route_count;

	p->im.routes = p->routes;
	p->routes[n - 1] = (struct trace_route) { .id = n, .text = text };
	p->im.result.routes = p->counts;
	p->im.result.route_count = n;
	p->counts[n - 1].route = n;
	p->counts[n - 1].count = requests;
}

static uint32_t add_node(struct process *p, enum wire_node_kind kind,
			 uint32_t module, uint32_t parent, uint64_t value)
{
	p->im.nodes = p->nodes;
	p->nodes[p->im.node_count] = (struct wire_node) {
		.parent = parent,
		.kind_module = (uint32_t)kind << 24 | module,
		.value = value,
	};
	return ++p->im.node_count;
}

/* The route of a stack whose leaf is @node. */
static uint32_t charged(struct process *p, uint32_t node, uint32_t before)
{
	p->stacks[0] = (struct fold_stack) { .node = node, .route = before };
	p->im.result.stacks = p->stacks;
	p->im.result.stack_count = 1;
	cr_assert_eq(handlers_charge(&p->im, p->stacks, handlers, HANDLED), 0);
	cr_assert_eq(p->stacks[0].by_handler, p->stacks[0].route != before);
	return p->stacks[0].route;
}

/* The route of a stack of @function alone, where @routes were asked for. */
static uint32_t of(const char *function, const char *first, const char *second)
{
	struct process p = { 0 };

	add_route(&p, first, 10);
	if (second)
		add_route(&p, second, 10);
	add_code(&p, function, "/srv/app.py");
	return charged(&p, add_node(&p, NODE_PYTHON, 1, 0, 0), 0);
}

Test(handlers, a_stack_is_for_the_request_that_its_function_answers)
{
	cr_expect_eq(of("chat", "GET /health", "POST /chat"), 2);
	cr_expect_eq(of("unrelated", "GET /health", "POST /chat"), 0);
	cr_expect_eq(of("chat", "GET /chat", NULL), 0, "another method");
}

Test(handlers, a_template_takes_one_segment_and_a_path_all_the_rest)
{
	cr_expect_eq(of("user", "GET /users/{}", NULL), 1);
	cr_expect_eq(of("user", "GET /users/{}/posts", NULL), 0);
	cr_expect_eq(of("user", "GET /users", NULL), 0);
	cr_expect_eq(of("file", "GET /files/a/b/c", NULL), 1);
}

Test(handlers, the_template_that_says_more_of_a_path_wins)
{
	cr_expect_eq(of("me", "GET /users/me", "GET /users/{}"), 1);
	cr_expect_eq(of("user", "GET /users/me", "GET /users/{}"), 2);
}

Test(handlers, an_application_can_be_mounted_below_a_path)
{
	struct process p = { 0 };

	add_route(&p, "GET /api/v1/models", 3);
	add_code(&p, "models", "/srv/sub.py");
	cr_expect_eq(charged(&p, add_node(&p, NODE_PYTHON, 1, 0, 0), 0), 1);
}

Test(handlers, a_function_that_answers_several_routes_is_for_none)
{
	struct process p = { 0 };
	uint32_t node;

	add_route(&p, "GET /users/ann", 10);
	add_route(&p, "GET /users/bob", 10);
	add_code(&p, "user", "/srv/app.py");
	node = add_node(&p, NODE_PYTHON, 1, 0, 0);
	cr_expect_eq(charged(&p, node, 0), 0);
	p.counts[1].count = 1000; /* but for a few */
	cr_expect_eq(charged(&p, node, 0), 2);
}

Test(handlers, one_of_the_same_name_in_another_file_is_another)
{
	struct process p = { 0 };

	add_route(&p, "POST /chat", 10);
	add_code(&p, "chat", "/srv/other.py");
	cr_expect_eq(charged(&p, add_node(&p, NODE_PYTHON, 1, 0, 0), 0), 0);
}

Test(handlers, what_is_defined_within_one_is_a_part_of_it)
{
	cr_expect_eq(of("chat.<locals>.stream", "POST /chat", NULL), 1);
	cr_expect_eq(of("chatter", "POST /chat", NULL), 0);
}

Test(handlers, the_outermost_handler_counts)
{
	struct process p = { 0 };
	uint32_t outer, inner, mixed;

	add_route(&p, "POST /chat", 10);
	add_route(&p, "GET /users/me", 10);
	add_code(&p, "chat", "/srv/app.py");
	add_code(&p, "me", "/srv/app.py");
	outer = add_node(&p, NODE_PYTHON, 1, 0, 0);
	inner = add_node(&p, NODE_PYTHON, 2, outer, 0);
	mixed = add_node(&p, NODE_MIXED, 0, 0, inner);
	cr_expect_eq(charged(&p, mixed, 0), 1);
}

Test(handlers, what_a_thread_is_known_to_work_for_stays)
{
	struct process p = { 0 };

	add_route(&p, "POST /chat", 10);
	add_route(&p, "GET /health", 10);
	add_code(&p, "chat", "/srv/app.py");
	cr_expect_eq(charged(&p, add_node(&p, NODE_PYTHON, 1, 0, 0), 2), 2);
}

/* A stack keeps its fingerprint as long as it is called the same. */
#include "profiler/analysis/fingerprint.h"

#include <criterion/criterion.h>

#include "profiler/analysis/verdict.h"
#include "tests/unit/fixture_model.h"

static struct fixture fixture;

/* main, then a leaf. */
static uint64_t of(struct model_frame leaf)
{
	static const int8_t stack[] = { 0, 1, FIXTURE_END_FRAMES };
	uint64_t *prints, print;

	fixture_begin(&fixture);
	fixture.frames[0] = (struct model_frame) { .function = "main",
						   .module = "/srv/shop" };
	fixture.frames[1] = leaf;
	fixture.model.frame_count = 2;
	prints = fingerprints_of(&fixture.model);
	cr_assert_not_null(prints);
	fixture_site(&fixture, stack);
	free(prints);
	prints = fingerprints_of(&fixture.model);
	print = prints[fixture.sites[0].node];
	free(prints);
	return print;
}

static struct model_frame leaf(const char *function, const char *module)
{
	return (struct model_frame) { .function = function, .module = module };
}

Test(fingerprint, lines_and_files_do_not_count)
{
	struct model_frame moved = leaf("parse", "/srv/shop");

	moved.line = 88;
	moved.file = "/build/2/parser.c";
	cr_assert_eq(of(moved), of(leaf("parse", "/srv/shop")));
}

Test(fingerprint, folders_and_library_versions_do_not_count)
{
	cr_assert_eq(of(leaf("f", "/usr/lib/libfoo.so.1.2")),
		     of(leaf("f", "/opt/lib/libfoo.so.1.3")));
}

Test(fingerprint, functions_and_modules_count)
{
	cr_assert_neq(of(leaf("f", "libfoo.so")), of(leaf("g", "libfoo.so")));
	cr_assert_neq(of(leaf("f", "libfoo.so")), of(leaf("f", "libbar.so")));
	cr_assert_neq(of(leaf("fo", "o.so")), of(leaf("f", "oo.so")));
}

Test(fingerprint, of_an_address_only_the_module_counts)
{
	cr_assert_eq(of(leaf("libfoo.so+0x1234", "libfoo.so")),
		     of(leaf("libfoo.so+0x1250", "libfoo.so")));
	cr_assert_neq(of(leaf("libfoo.so+0x1234", "libfoo.so")),
		      of(leaf("f", "libfoo.so")));
	cr_assert_neq(of(leaf("operator+", "libfoo.so")),
		      of(leaf("operator-", "libfoo.so")));
}

Test(fingerprint, an_inlined_frame_is_left_out)
{
	static const int8_t stack[] = { 0, FIXTURE_END_FRAMES };
	struct model_frame f = leaf("push_back", "/srv/shop");
	uint64_t *prints, inlined;

	f.inlined = true;
	inlined = of(f);
	fixture_site(&fixture, stack);
	prints = fingerprints_of(&fixture.model);
	cr_assert_eq(prints[fixture.sites[1].node], inlined);
	free(prints);
}

Test(fingerprint, the_order_of_nodes_does_not_count)
{
	static struct fixture other;
	const struct model *a = fixture_rag(&fixture, false);
	const struct model *b = fixture_rag(&other, true);
	uint64_t *x = fingerprints_of(a), *y = fingerprints_of(b);

	for (uint32_t i = 0; i < a->site_count; i++)
		cr_assert_eq(x[a->sites[i].node],
			     y[b->sites[a->site_count - 1 - i].node]);
	free(x);
	free(y);
}

Test(fingerprint, a_finding_has_that_of_its_stack_or_else_of_its_class)
{
	const struct model *m = fixture_rag(&fixture, false);
	uint64_t *prints = fingerprints_of(m);
	struct finding site = { .class = FINDING_LEAK,
				.node = m->sites[2].node };
	struct finding threads = { .class = FINDING_THREADS,
				   .node = MODEL_NONE };
	struct finding fds = { .class = FINDING_FDS, .node = MODEL_NONE };
	char got[FINGERPRINT_TEXT_MAX], want[FINGERPRINT_TEXT_MAX];

	cr_assert_str_eq(fingerprint(got, m, &site),
			 fingerprint_text(want, prints[site.node]));
	site.class = FINDING_GROWTH;
	cr_assert_str_eq(fingerprint(got, m, &site), want);
	cr_assert_str_neq(fingerprint(got, m, &threads),
			  fingerprint(want, m, &fds));
	free(prints);
}

Test(fingerprint, its_text_is_16_hex_digits)
{
	char text[FINGERPRINT_TEXT_MAX];

	cr_assert_str_eq(fingerprint_text(text, 0xabcdef), "0000000000abcdef");
}

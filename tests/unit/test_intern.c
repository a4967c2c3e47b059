#include "profiler/base/intern.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(intern, ids_count_up_in_order_of_first_sight)
{
	struct intern *in = intern_new();

	cr_assert_eq(intern_id(in, "malloc"), 0);
	cr_assert_eq(intern_id(in, "free"), 1);
	cr_assert_eq(intern_id(in, "malloc"), 0);
	cr_assert_eq(intern_count(in), 2);
	cr_assert_str_eq(intern_text(in, 1), "free");
	intern_free(in);
}

Test(intern, the_empty_text_has_an_id)
{
	struct intern *in = intern_new();

	cr_assert_eq(intern_id(in, ""), 0);
	cr_assert_eq(intern_id_len(in, "abc", 0), 0);
	cr_assert_str_eq(intern_text(in, 0), "");
	intern_free(in);
}

Test(intern, texts_are_told_apart_by_length_too)
{
	struct intern *in = intern_new();

	cr_assert_eq(intern_id_len(in, "a\0b", 3), 0);
	cr_assert_eq(intern_id_len(in, "a\0c", 3), 1);
	cr_assert_eq(intern_id(in, "a"), 2);
	cr_assert_eq(intern_id_len(in, "a\0b", 3), 0);
	intern_free(in);
}

Test(intern, an_unknown_id_has_no_text)
{
	struct intern *in = intern_new();

	cr_assert_null(intern_text(in, 0));
	cr_assert_null(intern_text(in, INTERN_NONE));
	intern_free(in);
}

Test(intern, addresses_stay_while_it_grows)
{
	struct intern *in = intern_new();
	const char *first;
	char text[32];

	intern_id(in, "first");
	first = intern_text(in, 0);
	for (int i = 0; i < 50000; i++) {
		snprintf(text, sizeof(text), "symbol %d", i);
		cr_assert_eq(intern_id(in, text), (uint32_t)i + 1);
	}
	cr_assert_eq(intern_text(in, 0), first);
	cr_assert_str_eq(intern_text(in, 49988), "symbol 49987");
	cr_assert_eq(intern_id(in, "symbol 123"), 124);
	intern_free(in);
}

Test(intern, a_text_longer_than_a_chunk_is_whole)
{
	struct intern *in = intern_new();
	char *text = malloc(200001);

	memset(text, 'x', 200000);
	text[200000] = '\0';
	intern_id(in, "before");
	cr_assert_eq(intern_id(in, text), 1);
	cr_assert_eq(intern_id(in, "after"), 2);
	cr_assert_str_eq(intern_text(in, 1), text);
	cr_assert_str_eq(intern_text(in, 2), "after");
	free(text);
	intern_free(in);
}

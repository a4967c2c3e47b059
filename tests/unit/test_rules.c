#include "profiler/unwind/rules.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

static struct rules *new_rules(unsigned log2_slots)
{
	return rules_init(calloc(1, rules_size(log2_slots)), log2_slots);
}

Test(rules, what_was_put_is_got)
{
	struct rules *r = new_rules(4);
	uint64_t packed = 0;

	cr_assert_not(rules_get(r, 1, 0x1000, &packed));
	rules_put(r, 1, 0x1000, 77);
	cr_assert(rules_get(r, 1, 0x1000, &packed));
	cr_assert_eq(packed, 77);
	cr_assert_not(rules_get(r, 1, 0x1001, &packed));
	free(r);
}

Test(rules, another_generation_does_not_see_it)
{
	struct rules *r = new_rules(4);
	uint64_t packed = 0;

	rules_put(r, 1, 0x1000, 77);
	cr_assert_not(rules_get(r, 2, 0x1000, &packed));
	rules_put(r, 2, 0x1000, 88);
	cr_assert(rules_get(r, 2, 0x1000, &packed));
	cr_assert_eq(packed, 88);
	free(r);
}

Test(rules, more_rules_than_slots_push_each_other_out)
{
	struct rules *r = new_rules(4);
	uint64_t packed;
	unsigned found = 0;

	for (uint64_t key = 1; key <= 1000; key++) {
		rules_put(r, 1, key, key * 3);
		cr_assert(rules_get(r, 1, key, &packed));
		cr_assert_eq(packed, key * 3);
	}
	for (uint64_t key = 1; key <= 1000; key++)
		found += rules_get(r, 1, key, &packed);
	cr_assert_leq(found, 16);
	free(r);
}

Test(rules, slots_of_older_generations_are_used_first)
{
	struct rules *r = new_rules(6);
	uint64_t packed;
	unsigned found = 0;

	for (uint64_t key = 1; key <= 1000; key++)
		rules_put(r, 1, key, 1);
	for (uint64_t key = 1; key <= 16; key++)
		rules_put(r, 2, key, 2);
	for (uint64_t key = 1; key <= 16; key++)
		found += rules_get(r, 2, key, &packed);
	cr_assert_eq(found, 16);
	free(r);
}

struct racer {
	struct rules *rules;
	uint64_t seed;
	unsigned wrong, right;
};

/* Keys that want the same few slots; a rule always follows from its key. */
static void *race(void *arg)
{
	struct racer *r = arg;
	uint64_t packed;

	for (unsigned i = 0; i < 200000; i++) {
		uint64_t key = 1 + (r->seed >> 40) % 64;

		r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;

		if (!rules_get(r->rules, 1, key, &packed))
			rules_put(r->rules, 1, key, key * 0x100000001ULL);
		else if (packed == key * 0x100000001ULL)
			r->right++;
		else
			r->wrong++;
	}
	return NULL;
}

Test(rules, threads_never_get_each_others_rules)
{
	struct racer racers[3];
	pthread_t threads[3];

	for (unsigned i = 0; i < 3; i++)
		racers[i] = (struct racer) { .rules = i ? racers[0].rules
							: new_rules(3),
					     .seed = i + 1 };
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, race, &racers[i]);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(racers[i].wrong, 0);
		cr_assert_gt(racers[i].right, 0);
	}
	free(racers[0].rules);
}

#include "profiler/base/hash.h"

#include <criterion/criterion.h>

static void set(struct hash *h, uint64_t key, uint64_t value)
{
	cr_assert_eq(hash_set(h, key, value), 0);
}

static void check_absent(const struct hash *h, uint64_t key)
{
	cr_assert_null(hash_find(h, key));
}

static void check(const struct hash *h, uint64_t key, uint64_t value)
{
	cr_assert_not_null(hash_find(h, key));
	cr_assert_eq(*hash_find(h, key), value);
}

Test(hash, an_empty_map_finds_nothing)
{
	struct hash *h = hash_new();

	check_absent(h, 0);
	check_absent(h, 7);
	cr_assert_eq(hash_count(h), 0);
	hash_free(h);
}

Test(hash, setting_again_replaces)
{
	struct hash *h = hash_new();

	set(h, 7, 1);
	set(h, 7, 2);
	check(h, 7, 2);
	cr_assert_eq(hash_count(h), 1);
	hash_free(h);
}

Test(hash, zero_and_the_largest_key_are_keys_like_any_other)
{
	struct hash *h = hash_new();
	uint64_t value = 0;

	set(h, 0, 10);
	set(h, UINT64_MAX, 11);
	check(h, 0, 10);
	check(h, UINT64_MAX, 11);
	cr_assert_eq(hash_count(h), 2);
	cr_assert(hash_remove(h, 0, &value));
	cr_assert_eq(value, 10);
	check_absent(h, 0);
	cr_assert_not(hash_remove(h, 0, NULL));
	hash_free(h);
}

Test(hash, a_value_can_be_changed_in_place)
{
	struct hash *h = hash_new();

	set(h, 3, 1);
	set(h, 0, 1);
	*hash_find(h, 3) += 5;
	*hash_find(h, 0) += 6;
	check(h, 3, 6);
	check(h, 0, 7);
	hash_free(h);
}

Test(hash, removing_what_is_not_there_says_so)
{
	struct hash *h = hash_new();
	uint64_t value = 99;

	set(h, 1, 1);
	cr_assert_not(hash_remove(h, 2, &value));
	cr_assert_eq(value, 99);
	cr_assert_eq(hash_count(h), 1);
	hash_free(h);
}

/*
 * A model of the map: @state[k] is its value, 0 when absent.  Keys are few
 * and dense so that runs collide, wrap around the end and are cut in two.
 */
Test(hash, agrees_with_a_plain_array_over_random_changes)
{
	enum { KEYS = 700, STEPS = 200000 };
	static uint64_t state[KEYS];
	struct hash *h = hash_new();
	uint64_t rng = 88172645463325252ULL;
	size_t count = 0;

	for (int i = 0; i < STEPS; i++) {
		uint64_t key, removed = 0;

		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		key = rng % KEYS;
		if (rng & (1ULL << 40)) {
			count += state[key] == 0;
			state[key] = (uint64_t)i + 1;
			set(h, key * 16, state[key]);
		} else {
			cr_assert_eq(hash_remove(h, key * 16, &removed),
				     state[key] != 0);
			cr_assert_eq(removed, state[key]);
			count -= state[key] != 0;
			state[key] = 0;
		}
		cr_assert_eq(hash_count(h), count);
	}
	for (uint64_t k = 0; k < KEYS; k++) {
		uint64_t *found = hash_find(h, k * 16);

		cr_assert_eq(found ? *found : 0, state[k]);
	}
	hash_free(h);
}

Test(hash, iteration_sees_every_entry_once)
{
	struct hash *h = hash_new();
	uint64_t key, value, keys = 0, values = 0;
	size_t pos = 0, seen = 0;

	for (uint64_t k = 0; k < 1000; k++)
		set(h, k, k * 2);
	while (hash_next(h, &pos, &key, &value)) {
		seen++;
		keys += key;
		values += value;
	}
	cr_assert_eq(seen, 1000);
	cr_assert_eq(keys, 499500);
	cr_assert_eq(values, 999000);
	cr_assert_not(hash_next(h, &pos, &key, &value));
	hash_free(h);
}

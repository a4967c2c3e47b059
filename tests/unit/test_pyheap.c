#include <criterion/criterion.h>

#include "profiler/proc/remote.h"
#include "profiler/sym/pyheap.h"
#include "tests/unit/pyheap_rig.h"

static struct rig rig;
static uint64_t globals; /* of the module `app` */
static struct pyheap *heap;
static struct pyheap_block blocks[8];
static size_t block_count;

static void setup(void)
{
	rig_begin(&rig);
	globals = rig_module(&rig, "app");
	block_count = 0;
}

static void teardown(void)
{
	pyheap_free(heap);
}

TestSuite(pyheap, .init = setup, .fini = teardown);

static void block(uint64_t at, uint64_t size, uint32_t group)
{
	blocks[block_count++] = (struct pyheap_block) {
		.addr = at, .size = size, .group = group, .weight = 100
	};
}

static const struct pyheap_group *read_group(uint32_t group)
{
	const struct remote_range range = { RIG_BASE, rig.bytes, RIG_SIZE };
	struct remote remote = remote_fake(&range, 1);
	const struct pyheap_group *g;
	size_t count;

	cr_assert_eq(pyheap_read(&heap, &remote, RIG_VERSION, rig.modules,
				 blocks, block_count),
		     0);
	g = pyheap_groups(heap, &count);
	for (size_t i = 0; i < count; i++)
		if (g[i].group == group)
			return &g[i];
	return NULL;
}

/* A dict app.answer_cache of @count strs; blocks of group 1. */
static uint64_t cache_of(int count)
{
	uint64_t cache = rig_dict(&rig);

	rig_set(&rig, globals, rig_text(&rig, "answer_cache"), cache);
	for (int i = 0; i < count; i++) {
		char key[] = "question 0", value[] = "answer 0";
		uint64_t text;

		key[9] = (char)('0' + i);
		value[7] = (char)('0' + i);
		text = rig_text(&rig, value);
		rig_set(&rig, cache, rig_text(&rig, key), text);
		block(text, 57, 1);
	}
	return cache;
}

Test(pyheap, strs_in_a_dict_are_held_by_its_name)
{
	const struct pyheap_group *g;

	cache_of(4);
	g = read_group(1);
	cr_assert_not_null(g);
	cr_expect_str_eq(g->type, "str");
	cr_expect_str_eq(g->holder, "app.answer_cache");
	cr_expect_str_eq(g->holder_type, "dict");
	cr_expect_eq(g->blocks, 4);
	cr_expect_eq(g->weight, 400);
}

Test(pyheap, a_single_block_is_not_named_by_its_key)
{
	cache_of(1);
	cr_expect_str_eq(read_group(1)->holder, "app.answer_cache");
}

Test(pyheap, the_table_of_a_dict_is_the_dicts)
{
	const struct pyheap_group *g;
	uint64_t cache = cache_of(0);

	block(rig_word(&rig, cache + 32), 160, 2);
	g = read_group(2);
	cr_expect_str_eq(g->type, "dict entries");
	cr_expect_str_eq(g->holder, "app.answer_cache");
}

Test(pyheap, what_parts_in_a_list_is_held_by_the_list)
{
	uint64_t sessions[4];
	const struct pyheap_group *g;

	for (int i = 0; i < 4; i++) {
		sessions[i] = rig_object(&rig, rig.plain, 32);
		block(sessions[i] - 16, 48, 3);
	}
	rig_set(&rig, globals, rig_text(&rig, "sessions"),
		rig_list(&rig, sessions, 4));
	g = read_group(3);
	cr_expect_str_eq(g->type, "app.Session");
	cr_expect_str_eq(g->holder, "app.sessions");
	cr_expect_str_eq(g->holder_type, "list");
}

/* A block of a deque, with one item and a link to the next. */
static uint64_t deque_block(uint64_t item, uint64_t right)
{
	uint64_t at = rig_room(&rig, 66 * 8);

	rig_put(&rig, at + 8, item);
	rig_put(&rig, at + 65 * 8, right);
	return at;
}

Test(pyheap, a_deque_ends_with_its_last_block_whatever_that_leads_to)
{
	uint64_t type = rig_type(&rig, "collections.deque", 232, 1u << 14);
	uint64_t deque = rig_object(&rig, type, 232);
	uint64_t inside = rig_text(&rig, "inside"),
		 stale = rig_text(&rig, "stale");
	uint64_t beyond = deque_block(stale, 0), last, first;

	rig_put(&rig, beyond + 65 * 8, beyond); /* without an end */
	last = deque_block(inside, beyond);
	first = deque_block(inside, last);
	rig_put(&rig, deque + 16, 65);
	rig_put(&rig, deque + 24, first);
	rig_put(&rig, deque + 32, last);
	rig_set(&rig, globals, rig_text(&rig, "queue"), deque);
	block(inside, 55, 8);
	block(stale, 54, 9);
	cr_expect_str_eq(read_group(8)->holder, "app.queue");
	pyheap_free(heap);
	cr_expect_str_eq(read_group(9)->holder, "");
}

Test(pyheap, what_no_module_leads_to_has_a_type_and_no_holder)
{
	const struct pyheap_group *g;

	block(rig_text(&rig, "alone"), 54, 4);
	g = read_group(4);
	cr_expect_str_eq(g->type, "str");
	cr_expect_str_eq(g->holder, "");
}

Test(pyheap, other_bytes_are_no_objects)
{
	block(rig_bytes(&rig, "neither references nor a type are here"), 40, 5);
	cr_expect_null(read_group(5));
}

Test(pyheap, a_type_without_a_metatype_is_none)
{
	uint64_t at;

	rig_put(&rig, rig.plain + 8, rig.dict); /* a dict is no metatype */
	at = rig_object(&rig, rig.plain, 32);
	block(at - 16, 48, 6);
	cr_expect_null(read_group(6));
}

Test(pyheap, a_cycle_ends)
{
	uint64_t self = rig_dict(&rig);

	rig_set(&rig, globals, rig_text(&rig, "self"), self);
	rig_set(&rig, self, rig_text(&rig, "again"), self);
	block(self - 16, 64, 7);
	cr_expect_str_eq(read_group(7)->type, "dict");
}

Test(pyheap, nothing_is_found_where_nothing_can_be_read)
{
	rig.modules = 0xdead000;
	cache_of(2);
	cr_expect_str_eq(read_group(1)->holder, "");
}

/* Blocks that lead to one another from an object, the last of @steps. */
static uint64_t memory_of(uint64_t object, int steps)
{
	uint64_t at = object;

	for (int i = 0; i < steps; i++) {
		uint64_t next = rig_room(&rig, 256);

		rig_put(&rig, at + 24, next);
		at = next;
	}
	return at;
}

static uint64_t tensor(void)
{
	uint64_t type = rig_type(&rig, "torch.Tensor", 48, 1u << 14);
	uint64_t object = rig_object(&rig, type, 48);

	rig_set(&rig, globals, rig_text(&rig, "weights"), object);
	return object;
}

Test(pyheap, memory_some_steps_away_belongs_to_the_object)
{
	const struct pyheap_group *g;

	block(memory_of(tensor(), 4), 64, 4);
	g = read_group(4);
	cr_assert_not_null(g);
	cr_expect_str_eq(g->type, "torch.Tensor memory");
	cr_expect_str_eq(g->holder, "app.weights");
}

Test(pyheap, memory_far_away_is_nobodys)
{
	block(memory_of(tensor(), 5), 64, 4);
	cr_expect_null(read_group(4));
}

Test(pyheap, memory_that_goes_round_ends)
{
	uint64_t object = tensor(), far = memory_of(object, 2);

	rig_put(&rig, far + 8, rig_word(&rig, object + 24));
	block(far, 64, 4);
	cr_expect_str_eq(read_group(4)->holder, "app.weights");
}

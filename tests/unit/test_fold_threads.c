#include "tests/unit/fold_rig.h"

static void name(struct rig *r, int lane, const char *text)
{
	struct fold_event e = { .type = RECORD_NAME };
	char bytes[16] = { 0 };

	memcpy(bytes, text, strnlen(text, sizeof(bytes)));
	memcpy(&e.addr, bytes, 8);
	memcpy(&e.size, bytes + 8, 8);
	rig_event(r, lane, e);
}

static void leave(struct rig *r, int lane, uint64_t at)
{
	rig_addr(r, lane, RECORD_EXIT, 0, at);
}

Test(threads, each_has_its_name_times_and_allocations)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_thread(&r, 0, 100, 5);
	name(&r, 0, "uvicorn");
	rig_alloc(&r, 0, 1, 64, 0x1000, 6);
	rig_thread(&r, 1, 101, 7);
	rig_alloc(&r, 1, 1, 36, 0x2000, 8);
	leave(&r, 1, 9);
	f = rig_finish(&r);
	cr_assert_eq(f->thread_count, 2);
	cr_expect_eq(f->threads[0].tid, 100);
	cr_expect_str_eq(f->threads[0].name, "uvicorn");
	cr_expect_eq(f->threads[0].began_ns, START + 5);
	cr_expect_eq(f->threads[0].ended_ns, 0);
	cr_expect_eq(f->threads[0].allocated.bytes, 64);
	cr_expect_eq(f->threads[1].ended_ns, START + 9);
	cr_expect_eq(f->threads[1].allocated.bytes, 36);
	fold_free(r.fold);
}

Test(threads, a_name_of_sixteen_bytes_is_ended)
{
	struct rig r = rig_new();

	rig_thread(&r, 0, 100, 5);
	name(&r, 0, "sixteen-bytes-ok");
	cr_expect_str_eq(rig_finish(&r)->threads[0].name, "sixteen-bytes-o");
	fold_free(r.fold);
}

Test(threads, a_slab_taken_over_counts_for_its_new_owner)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_thread(&r, 0, 100, 1);
	rig_alloc(&r, 0, 1, 64, 0x1000, 2);
	leave(&r, 0, 3);
	rig_thread(&r, 0, 200, 4);
	rig_alloc(&r, 0, 1, 32, 0x2000, 5);
	f = rig_finish(&r);
	cr_assert_eq(f->thread_count, 2);
	cr_expect_eq(f->threads[1].tid, 200);
	cr_expect_eq(f->threads[1].allocated.bytes, 32);
	fold_free(r.fold);
}

Test(threads, a_destructor_after_the_exit_is_the_same_thread)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_thread(&r, 0, 100, 1);
	leave(&r, 0, 2);
	rig_thread(&r, 0, 100, 3);
	leave(&r, 0, 4);
	f = rig_finish(&r);
	cr_assert_eq(f->thread_count, 1);
	cr_expect_eq(f->threads[0].began_ns, START + 1);
	cr_expect_eq(f->threads[0].ended_ns, START + 4);
	fold_free(r.fold);
}

Test(threads, a_tid_used_again_much_later_is_another_thread)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_thread(&r, 0, 100, 1);
	leave(&r, 0, 2);
	rig_thread(&r, 0, 100, 60 * SECOND);
	f = rig_finish(&r);
	cr_assert_eq(f->thread_count, 2);
	cr_expect_eq(f->threads[1].began_ns, START + 60 * SECOND);
	fold_free(r.fold);
}

Test(threads, of_one_stack_have_each_what_they_made_and_what_lives_of_it)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	struct fold_stack s;

	rig_thread(&r, 0, 100, 1);
	rig_thread(&r, 1, 101, 1);
	rig_alloc(&r, 0, 7, 64, 0x1000, 2);
	rig_alloc(&r, 1, 7, 32, 0x2000, 3);
	rig_alloc(&r, 0, 7, 16, 0x3000, 4);
	rig_alloc(&r, 1, 8, 8, 0x4000, 5);
	rig_free(&r, 1, 0x1000, 6); /* that the other made */
	f = rig_finish(&r);
	s = rig_stack(f, 7);
	cr_assert_eq(s.maker_count, 2);
	cr_expect_eq(f->threads[s.makers[0].thread].tid, 100);
	cr_expect_eq(s.makers[0].allocated_bytes, 80);
	cr_expect_eq(s.makers[0].allocated_count, 2);
	cr_expect_eq(s.makers[0].live_bytes, 16);
	cr_expect_eq(s.makers[0].live_count, 1);
	cr_expect_eq(f->threads[s.makers[1].thread].tid, 101);
	cr_expect_eq(s.makers[1].live_bytes, 32);
	cr_expect_eq(rig_stack(f, 8).maker_count, 1);
	fold_free(r.fold);
}

Test(threads, that_map_are_known)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	struct fold_stack s;

	rig_thread(&r, 0, 100, 1);
	rig_map(&r, 7, 4096, 0x10000, 2);
	rig_thread(&r, 0, 101, 3);
	rig_map(&r, 7, 4096, 0x20000, 4);
	f = rig_finish(&r);
	s = rig_stack(f, 7);
	cr_assert_eq(s.maker_count, 2);
	cr_expect_eq(f->threads[s.makers[1].thread].tid, 101);
	cr_expect_eq(s.makers[1].allocated_bytes, 4096);
	fold_free(r.fold);
}

Test(threads, without_end_make_what_is_nobodys)
{
	struct rig r = rig_new();

	for (int32_t i = 0; i < 70000; i++) {
		uint64_t at = (uint64_t)i * 10;

		rig_thread(&r, 0, 100 + i, at);
		rig_alloc(&r, 0, 1, 16, 0x1000 + (uint64_t)i * 16, at + 1);
		leave(&r, 0, at + 2);
	}
	cr_expect_eq(rig_stack(rig_finish(&r), 1).maker_count, 0);
	fold_free(r.fold);
}

Test(threads, of_threads_without_end_the_eldest_are_added_up)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	double allocated = 0;
	int32_t count = 70000;

	for (int32_t i = 0; i < count; i++) {
		uint64_t at = (uint64_t)i * 10;

		rig_thread(&r, 0, 100 + i, at);
		rig_alloc(&r, 0, 1, 16, 0x1000 + (uint64_t)i * 16, at + 1);
		leave(&r, 0, at + 2);
	}
	f = rig_finish(&r);
	for (size_t i = 0; i < f->thread_count; i++)
		allocated += f->threads[i].allocated.bytes;
	cr_expect_lt(f->thread_count, 70000);
	cr_expect_eq(f->thread_count + f->threads_forgotten, 70000);
	cr_expect_eq(allocated + f->forgotten_allocated.bytes, 16. * count);
	fold_free(r.fold);
}

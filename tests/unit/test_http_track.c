#include "profiler/http/track.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/unit/http_track_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK(body)  "HTTP/1.1 200 OK\r\nContent-Length: " body

Test(http_track, a_request_has_its_times)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/users/7?x=1"));
	rig_write(r, 5, 130, OK("2\r\n\r\nok"));
	cr_expect_str_eq(rig_said(r),
			 "5: begun GET /users/{} /users/7 fresh\n"
			 "5: handled at 100\n"
			 "5: answered 200 at 130\n"
			 "5: ended 200 in 100 began 100 out 130 body 130 "
			 "last 130 bytes 38/40 parts 1\n");
	rig_free(r);
}

Test(http_track, the_arrival_counts_where_it_is_known)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_feed(r, 5,
		 &(struct track_feed) { .way = TRACK_IN,
					.bytes = GET("/"),
					.seen = strlen(GET("/")),
					.total = strlen(GET("/")),
					.at = 100,
					.arrived = 60 });
	rig_write(r, 5, 130, OK("0\r\n\r\n"));
	cr_expect_eq(r->last.first_in, 60);
	cr_expect_eq(r->last.handler_began, 100);
	rig_free(r);
}

Test(http_track, a_split_head_began_with_its_first_byte)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, "G");
	rig_read(r, 5, 110, "ET / HTTP/1.1\r\n");
	rig_read(r, 5, 120, "\r\n");
	rig_write(r, 5, 130, "HTT");
	rig_write(r, 5, 140, "P/1.1 200 OK\r\n\r");
	rig_write(r, 5, 150, "\nbody");
	track_close(r->track, 5, 160);
	cr_expect_eq(r->last.first_in, 100);
	cr_expect_eq(r->last.handler_began, 120);
	cr_expect_eq(r->last.first_out, 130);
	cr_expect_eq(r->last.first_body, 150);
	cr_expect_eq(r->last.last_out, 150);
	cr_expect_eq(r->last.flags, 0);
	cr_expect_eq(r->last.bytes_out, 23);
	rig_free(r);
}

Test(http_track, pipelined_requests_are_answered_in_order)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/a") "HEAD /b HTTP/1.1\r\n\r\n" GET("/c"));
	rig_write(r, 5, 200, OK("1\r\n\r\nx") OK("100\r\n\r\n"));
	rig_write(r, 5, 300, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
	cr_expect_str_eq(rig_ended(r), "5 GET /a 200\n"
				       "5 HEAD /b 200\n"
				       "5 GET /c 404\n");
	cr_expect_eq(r->last.first_in, 100);
	cr_expect_eq(r->last.first_out, 300);
	rig_free(r);
}

Test(http_track, a_stream_has_its_parts_and_their_gap)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/chat"));
	rig_write(r, 5, 110,
		  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n");
	rig_write(r, 5, 150, "3\r\nabc\r\n");
	rig_write(r, 5, 230, "2\r\nde\r\n");
	rig_write(r, 5, 240, "1\r\nf\r\n");
	rig_write(r, 5, 500, "0\r\n\r\n");
	cr_expect_eq(r->chunks, 3);
	cr_expect_eq(r->last.first_out, 110);
	cr_expect_eq(r->last.first_body, 150);
	cr_expect_eq(r->last.gap, 80);
	cr_expect_eq(r->last.last_out, 500);
	cr_expect_eq(r->last.parts, 3);
	cr_expect_eq(r->last.flags, TRACK_STREAMED);
	rig_free(r);
}

Test(http_track, an_answer_in_one_chunk_is_no_stream)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/"));
	rig_write(r, 5, 110,
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	rig_write(r, 5, 120, "3\r\nabc\r\n0\r\n\r\n");
	cr_expect_eq(r->last.flags, 0);
	cr_expect_eq(r->last.parts, 1);
	cr_expect_eq(r->last.gap, 0);
	rig_free(r);
}

Test(http_track, one_chunk_in_many_writes_is_no_stream)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/"));
	rig_write(r, 5, 110,
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "8\r\nabcd");
	rig_write(r, 5, 150, "efgh\r\n0\r\n\r\n");
	cr_expect_eq(r->last.flags, 0);
	cr_expect_eq(r->last.parts, 1);
	cr_expect_eq(r->last.gap, 0);
	rig_free(r);
}

Test(http_track, a_large_answer_in_many_writes_is_no_stream)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/"));
	rig_write(r, 5, 110, OK("1000000\r\n\r\n"));
	rig_unseen(r, 5, TRACK_OUT, 120, 400000);
	rig_unseen(r, 5, TRACK_OUT, 180, 600000);
	cr_expect_eq(r->last.flags, 0);
	cr_expect_eq(r->last.parts, 2);
	cr_expect_eq(r->last.last_out, 180);
	cr_expect_eq(r->last.bytes_out, 1000044);
	rig_free(r);
}

Test(http_track, pieces_of_one_write_are_one_part)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/"));
	rig_write(r, 5, 110, "HTTP/1.0 200 OK\r\n\r\na");
	rig_write(r, 5, 110, "bc");
	rig_write(r, 5, 150, "d");
	track_close(r->track, 5, 200);
	cr_expect_eq(r->last.parts, 2);
	cr_expect_eq(r->last.gap, 40);
	cr_expect_eq(r->last.flags, TRACK_STREAMED);
	rig_free(r);
}

Test(http_track, a_continue_is_not_the_answer)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100,
		 "POST / HTTP/1.1\r\nExpect: 100-continue\r\n"
		 "Content-Length: 3\r\n\r\n");
	rig_write(r, 5, 110, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_read(r, 5, 120, "abc");
	rig_write(r, 5, 130, OK("0\r\n\r\n"));
	cr_expect_str_eq(rig_ended(r), "5 POST / 200\n");
	cr_expect_eq(r->last.first_out, 130);
	cr_expect_eq(r->last.bytes_out, 38);
	cr_expect_eq(r->last.bytes_in, 63);
	rig_free(r);
}

Test(http_track, an_upgrade_is_counted_once_and_left)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/ws"));
	rig_write(r, 5, 110, "HTTP/1.1 101 Switching\r\n\r\n");
	cr_expect_str_eq(rig_ended(r), "5 GET /ws 101 upgraded\n");
	cr_expect_not(rig_read(r, 5, 120, "\x81\x85GET / HTTP/1.1\r\n\r\n"));
	track_close(r->track, 5, 200);
	cr_expect_eq(track_counted(r->track, TRACK_UPGRADES), 1);
	cr_expect_eq(track_counted(r->track, TRACK_REQUESTS), 1);
	rig_free(r);
}

Test(http_track, a_connection_closed_before_the_answer_cuts_it)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/a") GET("/b") "GET /c HT");
	rig_write(r, 5, 110, OK("10\r\n\r\nabc"));
	track_close(r->track, 5, 120);
	cr_expect_str_eq(rig_ended(r), "5 GET /a 200 cut\n5 GET /b 0 cut\n");
	cr_expect_not(track_knows(r->track, 5));
	rig_free(r);
}

Test(http_track, what_is_not_http_is_counted_and_left)
{
	struct rig *r = rig_new();
	static const char *const bytes[] = { "\x16\x03\x01", "*1\r\n",
					     "PRI * HTTP/2.0\r\n",
					     "HTTP/1.1 200 OK\r\n" };

	for (uint64_t key = 1; key <= 4; key++) {
		track_open(r->track, key);
		cr_expect_not(rig_read(r, key, 1, bytes[key - 1]));
		track_close(r->track, key, 2);
	}
	cr_expect_eq(track_counted(r->track, TRACK_TLS), 1);
	cr_expect_eq(track_counted(r->track, TRACK_NOT_HTTP), 1);
	cr_expect_eq(track_counted(r->track, TRACK_HTTP2), 1);
	cr_expect_eq(track_counted(r->track, TRACK_CLIENT), 1);
	cr_expect_eq(track_counted(r->track, TRACK_CONNECTIONS), 4);
	cr_expect_str_eq(rig_said(r), "");
	rig_free(r);
}

Test(http_track, what_was_never_opened_is_not_followed)
{
	struct rig *r = rig_new();

	cr_expect_not(rig_read(r, 5, 100, GET("/")));
	cr_expect_not(track_knows(r->track, 5));
	cr_expect_str_eq(rig_said(r), "");
	rig_free(r);
}

Test(http_track, one_joined_midway_begins_with_the_next_message)
{
	struct rig *r = rig_new();

	track_follow(r->track, 5);
	rig_read(r, 5, 90, "the rest of a body");
	rig_write(r, 5, 95, "the rest of an answer");
	rig_read(r, 5, 100, GET("/a"));
	rig_write(r, 5, 110, OK("2\r\n\r\nok"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 200\n");
	cr_expect_eq(r->last.bytes_in, 28);
	cr_expect_eq(r->last.bytes_out, 40);
	cr_expect_eq(track_counted(r->track, TRACK_FRAMING_LOST), 0);
	rig_free(r);
}

Test(http_track, an_answer_that_was_lost_ends_with_the_next_request)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/a"));
	rig_unseen(r, 5, TRACK_OUT, 110, 500);
	rig_unseen(r, 5, TRACK_OUT, 120, 500);
	rig_read(r, 5, 200, GET("/b"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 0 guessed\n");
	cr_expect_eq(r->last.last_out, 120);
	rig_write(r, 5, 210, OK("0\r\n\r\n"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 0 guessed\n5 GET /b 200\n");
	cr_expect_eq(track_counted(r->track, TRACK_FRAMING_LOST), 1);
	rig_free(r);
}

Test(http_track, what_is_left_of_a_lost_answer_is_not_the_next_ones)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/a"));
	rig_write(r, 5, 110,
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	rig_unseen(r, 5, TRACK_OUT, 120, 500);
	rig_read(r, 5, 200, GET("/b"));
	rig_write(r, 5, 210, "1\r\nx\r\n0\r\n\r\n");
	rig_write(r, 5, 220, OK("0\r\n\r\n"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 200 guessed\n5 GET /b 200\n");
	cr_expect_eq(r->chunks, 0);
	rig_free(r);
}

Test(http_track, a_head_seen_in_part_still_has_its_answer)
{
	struct rig *r = rig_new();
	const char *head = "GET /a HTTP/1.1\r\nHost: ";

	track_open(r->track, 5);
	rig_feed(r, 5,
		 &(struct track_feed) { .way = TRACK_IN,
					.bytes = head,
					.seen = strlen(head),
					.total = 900,
					.at = 100 });
	rig_write(r, 5, 110, OK("0\r\n\r\n"));
	rig_read(r, 5, 120, GET("/b"));
	rig_write(r, 5, 130, OK("0\r\n\r\n"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 200\n5 GET /b 200\n");
	rig_free(r);
}

Test(http_track, a_guessed_end_is_told_after_a_while)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/a"));
	rig_write(r, 5, 110, "HTTP/1.0 200 OK\r\n\r\nbody");
	track_sweep(r->track, 150, 100);
	cr_expect_str_eq(rig_ended(r), "");
	track_sweep(r->track, 210, 100);
	cr_expect_str_eq(rig_ended(r), "5 GET /a 200 guessed\n");
	track_close(r->track, 5, 300);
	cr_expect_eq(track_counted(r->track, TRACK_REQUESTS), 1);
	rig_free(r);
}

Test(http_track, more_than_fits_into_the_pipeline_is_counted)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	for (int i = 0; i < TRACK_PIPELINE_MAX + 3; i++)
		rig_read(r, 5, 100, GET("/a"));
	rig_write(r, 5, 110, OK("0\r\n\r\n"));
	rig_read(r, 5, 120, GET("/last"));
	for (int i = 0; i < TRACK_PIPELINE_MAX + 3; i++)
		rig_write(r, 5, 200 + i, OK("0\r\n\r\n"));
	cr_expect_eq(track_counted(r->track, TRACK_PIPELINE_FULL), 3);
	cr_expect_eq(track_counted(r->track, TRACK_REQUESTS), 17);
	cr_expect_eq(r->last.first_in, 120);
	cr_expect_eq(r->last.first_out, 218);
	rig_free(r);
}

Test(http_track, an_answer_to_nobody_is_passed_over)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_write(r, 5, 100,
		  "HTTP/1.1 408 Slow\r\nContent-Length: 2\r\n\r\nxx");
	rig_read(r, 5, 110, GET("/a"));
	rig_write(r, 5, 120, OK("0\r\n\r\n"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 200\n");
	rig_free(r);
}

Test(http_track, an_answer_may_come_before_the_request_is_read)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc");
	rig_write(r, 5, 110, "HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n");
	rig_read(r, 5, 120, "defghi" GET("/b"));
	rig_write(r, 5, 130, OK("0\r\n\r\n"));
	cr_expect_str_eq(rig_ended(r), "5 POST / 413\n5 GET /b 200\n");
	rig_free(r);
}

Test(http_track, a_number_in_use_again_is_another_connection)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/a"));
	track_open(r->track, 5);
	rig_read(r, 5, 200, GET("/b"));
	rig_write(r, 5, 210, OK("0\r\n\r\n"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 0 cut\n5 GET /b 200\n");
	rig_free(r);
}

Test(http_track, a_full_table_is_counted_and_heals)
{
	struct rig *r = rig_new();

	for (uint64_t key = 1000; key < 1070; key++)
		track_open(r->track, key << 20);
	cr_expect_eq(track_counted(r->track, TRACK_CONNECTIONS), 64);
	cr_expect_eq(track_counted(r->track, TRACK_TABLE_FULL), 6);
	for (uint64_t key = 1000; key < 1070; key++)
		track_close(r->track, key << 20, 1);
	for (uint64_t key = 1; key <= 64; key++)
		track_open(r->track, key);
	for (uint64_t key = 1; key <= 64; key++)
		cr_expect(track_knows(r->track, key));
	cr_expect_not(track_knows(r->track, 1000ULL << 20));
	cr_expect_eq(track_counted(r->track, TRACK_TABLE_FULL), 6);
	rig_free(r);
}

Test(http_track, who_feeds_from_within_is_dropped_and_counted)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	r->feed_within = "GET /x HTTP/1.1\r\n\r\n";
	rig_read(r, 5, 100, GET("/a"));
	rig_write(r, 5, 110, OK("0\r\n\r\n"));
	rig_read(r, 5, 120, GET("/b"));
	rig_write(r, 5, 130, OK("0\r\n\r\n"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 200\n5 GET /b 200\n");
	cr_expect_geq(track_counted(r->track, TRACK_BUSY), 1);
	rig_free(r);
}

Test(http_track, who_closes_from_within_closes_afterwards)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	r->close_within = true;
	rig_read(r, 5, 100, GET("/a"));
	cr_expect_str_eq(rig_ended(r), "5 GET /a 0 cut\n");
	cr_expect_not(track_knows(r->track, 5));
	rig_free(r);
}

Test(http_track, a_forked_child_leaves_to_the_parent_what_it_began)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	track_open(r->track, 6);
	rig_read(r, 5, 100, GET("/a"));
	track_fork_child(r->track);
	rig_write(r, 5, 110, OK("0\r\n\r\n"));
	rig_read(r, 6, 120, GET("/b"));
	rig_write(r, 6, 130, OK("0\r\n\r\n"));
	track_close(r->track, 5, 140);
	cr_expect_str_eq(rig_ended(r), "6 GET /b 200\n");
	cr_expect_eq(track_counted(r->track, TRACK_REQUESTS), 1);
	rig_free(r);
}

Test(http_track, what_turns_out_not_to_be_http_is_left)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/a"));
	cr_expect_not(track_left(r->track, 5));
	track_open(r->track, 6);
	rig_read(r, 6, 100, "*1\r\n$4\r\nPING\r\n");
	cr_expect(track_left(r->track, 6));
	cr_expect(track_left(r->track, 7));
	rig_free(r);
}

Test(http_track, an_answer_is_awaited_until_its_last_byte)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	cr_expect_not(track_awaits(r->track));
	rig_read(r, 5, 100, GET("/a"));
	cr_expect(track_awaits(r->track));
	rig_write(r, 5, 110, OK("2\r\n\r\no"));
	cr_expect(track_awaits(r->track));
	rig_write(r, 5, 120, "k");
	cr_expect_not(track_awaits(r->track));
	rig_free(r);
}

Test(http_track, nothing_is_awaited_of_what_was_closed)
{
	struct rig *r = rig_new();

	track_open(r->track, 5);
	rig_read(r, 5, 100, GET("/a"));
	track_close(r->track, 5, 110);
	cr_expect_not(track_awaits(r->track));
	rig_free(r);
}

/* Two workers' descriptors, each asks for one of 1,000 routes. */
static void ask_of_many(struct track *t, uint64_t connections)
{
	char text[64];

	for (uint64_t i = 0; i < connections; i++) {
		uint64_t key = (4711 + i % 2) << 32 | (8 + i / 2);
		struct track_feed feed = { .way = TRACK_IN,
					   .bytes = text,
					   .at = 1 };

		track_open(t, key);
		feed.seen = (size_t)snprintf(text, sizeof(text),
					     "GET /%c%c%c HTTP/1.1\r\n\r\n",
					     'a' + (int)(i % 10),
					     'a' + (int)(i / 10 % 10),
					     'a' + (int)(i / 100 % 10));
		feed.total = feed.seen;
		cr_assert(track_feed(t, key, &feed));
	}
}

Test(http_track, ten_thousand_connections_have_room)
{
	struct rig *r = rig_new();
	void *memory = rig_zeroed(track_size(10000));
	struct track *t = track_init(memory, 10000, r->routes, rig_sink, r);

	ask_of_many(t, 10000);
	for (uint64_t i = 0; i < 10000; i++)
		track_close(t, (4711 + i % 2) << 32 | (8 + i / 2), 2);
	cr_expect_eq(track_counted(t, TRACK_CONNECTIONS), 10000);
	cr_expect_eq(track_counted(t, TRACK_REQUESTS), 10000);
	cr_expect_eq(track_counted(t, TRACK_TABLE_FULL), 0);
	cr_expect_eq(track_counted(t, TRACK_BUSY), 0);
	cr_expect_leq(routes_count(r->routes), ROUTES_MAX);
	cr_expect_leq(track_size(10000) + routes_size(), 24 << 20);
	free(memory);
	rig_free(r);
}

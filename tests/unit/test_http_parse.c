#include "profiler/http/parse.h"

#include <criterion/criterion.h>

#include "tests/unit/http_rig.h"

/* Literals of bytes, NULs included. */
#define BYTES(text) (text), sizeof(text) - 1

static void expect(enum http_side side, enum http_method answering,
		   const char *bytes, size_t len, const char *events)
{
	struct said s = { BUF_INIT, 0 };
	struct http_parser p;

	http_parser_init(&p, side);
	http_answering(&p, answering);
	said_parse(&s, &p, bytes, len);
	cr_expect_str_eq(said(&s), events, "%s\nfor\n%.*s", said(&s), (int)len,
			 bytes);
	said_fini(&s);
}

static void read_gives(const char *bytes, const char *events)
{
	expect(HTTP_REQUESTS, HTTP_OTHER, bytes, strlen(bytes), events);
}

static void written_gives(const char *bytes, const char *events)
{
	expect(HTTP_RESPONSES, HTTP_GET, bytes, strlen(bytes), events);
}

Test(http_parse, a_request_without_body_ends_with_its_head)
{
	read_gives("GET /search?q=1 HTTP/1.1\r\nHost: a\r\n\r\n",
		   "GET /search\nheaded none\nend\n");
}

Test(http_parse, a_body_of_known_length_ends_at_it)
{
	read_gives("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
		   "POST /a\nheaded length 5\ndata 5\nend\n");
}

Test(http_parse, requests_in_one_read_are_told_apart)
{
	read_gives("GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\n"
		   "content-length:2\r\n\r\nokGET /c HTTP/1.1\r\n\r\n",
		   "GET /a\nheaded none\nend\n"
		   "POST /b\nheaded length 2\ndata 2\nend\n"
		   "GET /c\nheaded none\nend\n");
}

Test(http_parse, chunks_are_told_one_by_one)
{
	written_gives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		      "5\r\nhello\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n",
		      "200\nheaded chunked\ndata 5\nchunk 5\n"
		      "data 16\nchunk 16\nend\n");
}

Test(http_parse, trailers_belong_to_the_message)
{
	written_gives("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n"
		      "\r\n1\r\nx\r\n0\r\nExpires: 0\r\n\r\n"
		      "HTTP/1.1 204 No Content\r\n\r\n",
		      "200\nheaded chunked\ndata 1\nchunk 1\nend\n"
		      "204\nheaded none\nend\n");
}

Test(http_parse, the_coding_wins_over_the_length)
{
	written_gives("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		      "200\nheaded chunked\nend\n");
}

Test(http_parse, a_coding_that_is_not_chunked_lasts_until_close)
{
	written_gives("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n"
		      "0\r\n\r\n",
		      "200\nheaded until close\ndata 5\n");
}

Test(http_parse, an_answer_without_length_lasts_until_close)
{
	written_gives("HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		      "200\nheaded until close\ndata 19\n");
}

Test(http_parse, an_answer_to_head_has_no_body)
{
	expect(HTTP_RESPONSES, HTTP_HEAD,
	       BYTES("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
		     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
	       "200\nheaded none\nend\n200\nheaded length 1\ndata 1\nend\n");
}

Test(http_parse, answers_that_have_no_body_end_with_their_head)
{
	written_gives("HTTP/1.1 100 Continue\r\n\r\n"
		      "HTTP/1.1 204\r\nContent-Length: 9\r\n\r\n"
		      "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
		      "100\nheaded none\nend\n204\nheaded none\nend\n"
		      "304\nheaded none\nend\n");
}

Test(http_parse, what_follows_an_upgrade_is_a_tunnel)
{
	written_gives("HTTP/1.1 101 Switching Protocols\r\n"
		      "Upgrade: websocket\r\n\r\n\x81\x05hello",
		      "101\nheaded none\ntunnel\n");
}

Test(http_parse, a_connect_that_is_granted_is_a_tunnel)
{
	expect(HTTP_RESPONSES, HTTP_CONNECT, BYTES("HTTP/1.1 200 OK\r\n\r\nab"),
	       "200\nheaded none\ntunnel\n");
	expect(HTTP_RESPONSES, HTTP_CONNECT,
	       BYTES("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
	       "403\nheaded length 0\nend\n");
	read_gives("CONNECT host:443 HTTP/1.1\r\n\r\n",
		   "CONNECT *\nheaded none\nend\n");
}

Test(http_parse, an_event_stream_is_told)
{
	written_gives("HTTP/1.1 200 OK\r\ncontent-type:  Text/Event-Stream; "
		      "charset=utf-8\r\nContent-Length: 0\r\n\r\n",
		      "200\nheaded length 0 events\nend\n");
}

Test(http_parse, blank_lines_and_bare_line_feeds_are_let_pass)
{
	read_gives("\r\n\nGET / HTTP/1.0\nContent-Length: 1\n\nx\r\n",
		   "GET /\nheaded length 1\ndata 1\nend\n");
}

Test(http_parse, a_target_may_be_absolute_or_a_star)
{
	read_gives("GET http://h:1/p/q?x HTTP/1.1\r\n\r\n",
		   "GET /p/q\nheaded none\nend\n");
	read_gives("GET http://h?x HTTP/1.1\r\n\r\n",
		   "GET /\nheaded none\nend\n");
	read_gives("OPTIONS * HTTP/1.1\r\n\r\n",
		   "OPTIONS *\nheaded none\nend\n");
}

Test(http_parse, an_unknown_method_is_other)
{
	read_gives("PROPFIND /x HTTP/1.1\r\n\r\n",
		   "_OTHER /x\nheaded none\nend\n");
	read_gives("GETS /x HTTP/1.1\r\n\r\n", "_OTHER /x\nheaded none\nend\n");
}

Test(http_parse, a_long_path_is_cut)
{
	char line[600] = "GET /", events[300] = "GET /";

	memset(line + 5, 'a', 400);
	strcpy(line + 405, " HTTP/1.1\r\n\r\n");
	memset(events + 5, 'a', HTTP_PATH_MAX - 1);
	strcpy(events + 4 + HTTP_PATH_MAX, "...\nheaded none\nend\n");
	read_gives(line, events);
}

Test(http_parse, a_long_query_does_not_cut_the_path)
{
	char line[600] = "GET /a?";

	memset(line + 7, 'q', 400);
	strcpy(line + 407, " HTTP/1.1\r\n\r\n");
	read_gives(line, "GET /a\nheaded none\nend\n");
}

Test(http_parse, other_protocols_are_recognised)
{
	expect(HTTP_REQUESTS, HTTP_OTHER, BYTES("\x16\x03\x01\x02\x00"), "tls");
	read_gives("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2");
	expect(HTTP_RESPONSES, HTTP_OTHER,
	       BYTES("\0\0\x12\x04\0\0\0\0\0\0\x03"), "http2");
	read_gives("HTTP/1.1 200 OK\r\n\r\n", "other way");
	written_gives("GET / HTTP/1.1\r\n\r\n", "other way");
	read_gives("*1\r\n$4\r\nPING\r\n", "garbage");
	read_gives("SSH-2.0-OpenSSH_9.2\r\n", "garbage");
	read_gives("GET key\r\n", "garbage");
	read_gives("EHLO there\r\n", "garbage");
}

Test(http_parse, a_first_line_without_end_is_not_awaited_for_ever)
{
	expect(HTTP_REQUESTS, HTTP_OTHER, BYTES("\0\0\0\x08\x04\xd2\x16\x2f"),
	       "garbage");
	read_gives("abcdefghijklmnopqrstuvwxyz", "garbage");
}

Test(http_parse, the_line_of_a_load_balancer_is_passed_over)
{
	read_gives("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"
		   "GET / HTTP/1.1\r\n\r\n",
		   "GET /\nheaded none\nend\n");
}

Test(http_parse, a_length_that_is_no_number_loses_the_place)
{
	read_gives("POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\nabc",
		   "POST /\nheaded none\nlost\n");
	read_gives("POST / HTTP/1.1\r\nContent-Length: 1\r\n"
		   "Content-Length: 2\r\n\r\nabc",
		   "POST /\nheaded none\nlost\n");
	read_gives("POST / HTTP/1.1\r\n"
		   "Content-Length: 99999999999999999999999\r\n\r\nabc",
		   "POST /\nheaded none\nlost\n");
	read_gives("POST / HTTP/1.1\r\nContent-Length: 3,\r\n\r\nabc",
		   "POST /\nheaded none\nlost\n");
	read_gives("POST / HTTP/1.1\r\nContent-Length:\r\n\r\nabc",
		   "POST /\nheaded none\nlost\n");
}

Test(http_parse, a_length_may_have_blanks_around_it_or_be_said_twice)
{
	read_gives("POST / HTTP/1.1\r\nContent-Length: \t3 \t\r\n\r\nabc",
		   "POST /\nheaded length 3\ndata 3\nend\n");
	read_gives("POST / HTTP/1.1\r\nContent-Length: 3 ,3\r\n\r\nabc",
		   "POST /\nheaded length 3\ndata 3\nend\n");
}

Test(http_parse, a_chunk_without_size_loses_the_place)
{
	written_gives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		      "hello\r\n",
		      "200\nheaded chunked\nlost\n");
	written_gives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		      "1\r\nhello\r\n",
		      "200\nheaded chunked\ndata 1\nchunk 1\nlost\n");
}

Test(http_parse, odd_bytes_after_a_good_message_are_a_loss)
{
	read_gives("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nabc\r\n",
		   "POST /\nheaded length 1\ndata 1\nend\nlost\n");
}

Test(http_parse, a_lost_parser_starts_again_with_a_buffer)
{
	struct said s = { BUF_INIT, 0 };
	struct http_parser p;

	http_parser_init(&p, HTTP_REQUESTS);
	said_skip(&s, &p, 1000);
	said_parse(&s, &p, BYTES("x GET / HTTP/1.1\r\n\r\n"));
	said_parse(&s, &p, BYTES("GET /a HTTP/1.1\r\n\r\n"));
	cr_expect_str_eq(said(&s), "lost\nGET /a\nheaded none\nend\n");
	said_fini(&s);
}

Test(http_parse, unseen_bytes_of_a_body_do_not_lose_the_place)
{
	struct said s = { BUF_INIT, 0 };
	struct http_parser p;

	http_parser_init(&p, HTTP_RESPONSES);
	said_parse(&s, &p,
		   BYTES("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"));
	said_skip(&s, &p, 7);
	said_parse(&s, &p,
		   BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
			 "\r\n8\r\nab"));
	said_skip(&s, &p, 8); /* the CRLF behind it, too */
	said_parse(&s, &p, BYTES("0\r\n\r\n"));
	cr_expect_str_eq(said(&s), "200\nheaded length 9\ndata 9\nend\n"
				   "200\nheaded chunked\ndata 8\nchunk 8\n"
				   "end\n");
	said_fini(&s);
}

Test(http_parse, one_lost_among_chunks_goes_on_at_a_chunk)
{
	struct said s = { BUF_INIT, 0 };
	struct http_parser p;

	http_parser_init(&p, HTTP_RESPONSES);
	said_parse(&s, &p,
		   BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
			 "\r\n"));
	said_skip(&s, &p, 50);
	said_parse(&s, &p, BYTES("data: nothing\r\n"));
	said_parse(&s, &p, BYTES("2\r\nab\r\n"));
	said_parse(&s, &p, BYTES("0\r\n\r\n"));
	cr_expect_str_eq(said(&s), "200\nheaded chunked\nlost\n"
				   "data 2\nchunk 2\nend\n");
	said_fini(&s);
}

Test(http_parse, a_head_without_end_is_given_up)
{
	struct said s = { BUF_INIT, 0 };
	struct http_parser p;

	http_parser_init(&p, HTTP_REQUESTS);
	said_parse(&s, &p, BYTES("GET / HTTP/1.1\r\n"));
	for (int i = 0; i < 70000; i++)
		said_parse(&s, &p, BYTES("Field: 0123456789\r\n"));
	cr_expect_str_eq(said(&s), "GET /\nlost\n");
	said_fini(&s);
}

#include "profiler/http/route.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void gives(const char *path, const char *route)
{
	char out[ROUTE_TEXT_MAX];

	route_normalise(out, sizeof(out), path, strlen(path));
	cr_expect_str_eq(out, route, "%s gives %s, not %s", path, out, route);
}

static struct routes *new_routes(void)
{
	return routes_init(calloc(1, routes_size()));
}

static uint32_t id_of(struct routes *r, enum http_method method,
		      const char *path)
{
	return routes_id(r, method, path, strlen(path), NULL);
}

static const char *text_of(struct routes *r, enum http_method method,
			   const char *path)
{
	return routes_text(r, id_of(r, method, path));
}

Test(http_route, words_stay)
{
	gives("/", "/");
	gives("", "/");
	gives("*", "*");
	gives("/api/v1/chat", "/api/v1/chat");
	gives("/api/v2.1/decade", "/api/v2.1/decade");
	gives("/oauth2/callback", "/oauth2/callback");
	gives("/static/style.min.css", "/static/style.min.css");
	gives("/getOAuth2TokenFromServer", "/getOAuth2TokenFromServer");
	gives("/face2face", "/face2face");
	gives("/@scope/pkg/", "/@scope/pkg/");
	gives("/.well-known/x", "/.well-known/x");
}

Test(http_route, numbers_and_dates_become_holes)
{
	gives("/users/42", "/users/{}");
	gives("/users/42/", "/users/{}/");
	gives("/7/x/8", "/{}/x/{}");
	gives("/at/-3.14", "/at/{}");
	gives("/on/2024-01-31", "/on/{}");
	gives("/on/2024-01-31T10:00:00Z", "/on/{}");
	gives("/ip/10.0.0.1:80", "/ip/{}");
}

Test(http_route, uuids_and_hashes_become_holes)
{
	gives("/u/550e8400-e29b-41d4-a716-446655440000", "/u/{}");
	gives("/u/550E8400-E29B-41D4-A716-446655440000/x", "/u/{}/x");
	gives("/c/d41d8cd98f00b204e9800998ecf8427e", "/c/{}");
	gives("/c/3f2a9c1", "/c/{}");
	gives("/c/deadbeefdeadbeef", "/c/{}");
}

Test(http_route, tokens_become_holes)
{
	gives("/s/V1StGXR8_Z5jdHi6B-myT", "/s/{}");
	gives("/s/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/s/{}");
	gives("/v/dQw4w9WgXcQ", "/v/{}");
	gives("/m/jane@example.com", "/m/{}");
	gives("/m/jane%40example.com", "/m/{}");
}

Test(http_route, numbers_within_words_become_holes)
{
	gives("/user-123.json", "/user-{}.json");
	gives("/doc1234", "/doc{}");
	gives("/main.3f2a9c1b.js", "/main.{}.js");
	gives("/2024-01-31-report", "/{}-report");
	gives("/user_550e8400-e29b-41d4-a716-446655440000", "/user_{}");
	gives("/jquery-3.6.0.min.js", "/jquery-{}.min.js");
}

Test(http_route, query_fragment_and_parameters_are_dropped)
{
	gives("/a?b=/c/1", "/a");
	gives("/a#b", "/a");
	gives("/a;jsessionid=1A/b;c=d", "/a/b");
}

Test(http_route, two_spellings_are_one_route)
{
	gives("/%61bc", "/abc");
	gives("/caf\xc3\xa9", "/caf%C3%A9");
	gives("/caf%c3%a9", "/caf%C3%A9");
	gives("/a%2fb", "/a%2Fb");
	gives("/ab%", "/ab%25");
	gives("/a b", "/a%20b");
}

Test(http_route, what_could_be_taken_for_a_hole_or_a_line_is_escaped)
{
	gives("/{id}", "/%7Bid%7D");
	gives("/a\nb", "/a%0Ab");
	gives("/%00x", "/%00x");
}

Test(http_route, a_long_segment_is_a_hole)
{
	gives("/x/the-quick-brown-fox-jumps-over-the-lazy-dog-and-is-gone",
	      "/x/{}");
}

Test(http_route, what_does_not_fit_is_left_out_whole)
{
	char out[8];

	cr_expect_eq(route_normalise(out, sizeof(out), "/abcd/12", 8), 6);
	cr_expect_str_eq(out, "/abcd/");
	cr_expect_eq(route_normalise(out, sizeof(out), "/abcde%2f", 9), 6);
	cr_expect_str_eq(out, "/abcde");
}

Test(http_route, the_last_segment_of_a_path_that_was_cut_is_a_hole)
{
	char path[HTTP_PATH_MAX + 1] = "/one/two/";

	memset(path + 9, '/', HTTP_PATH_MAX - 12);
	strcpy(path + HTTP_PATH_MAX - 3, "abc");
	cr_expect(strstr(path, "/abc"));
	memmove(path, "/one/two", 8);
	char out[400];

	route_normalise(out, sizeof(out), path, HTTP_PATH_MAX);
	cr_expect(strstr(out, "/{}"));
	cr_expect_not(strstr(out, "abc"));
}

Test(http_route, equal_routes_have_one_id)
{
	struct routes *r = new_routes();
	bool fresh = false;
	uint32_t id = routes_id(r, HTTP_GET, "/u/1", 4, &fresh);

	cr_expect_eq(id, 1);
	cr_expect(fresh);
	cr_expect_eq(routes_id(r, HTTP_GET, "/u/2", 4, &fresh), 1);
	cr_expect_not(fresh);
	cr_expect_eq(id_of(r, HTTP_POST, "/u/2"), 2);
	cr_expect_str_eq(routes_text(r, 1), "GET /u/{}");
	cr_expect_str_eq(routes_text(r, 2), "POST /u/{}");
	cr_expect_null(routes_text(r, 3));
	cr_expect_null(routes_text(r, 0));
	cr_expect_eq(routes_count(r), 2);
	free(r);
}

Test(http_route, what_finds_no_room_is_other)
{
	struct routes *r = new_routes();
	char path[16];

	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "/%c%c%c", 'a' + i % 26,
			 'a' + i / 26 % 26, 'a' + i / 676);
		cr_assert(id_of(r, HTTP_GET, path));
	}
	cr_expect_str_eq(text_of(r, HTTP_GET, "/new"), "GET _OTHER");
	cr_expect_str_eq(text_of(r, HTTP_POST, "/new"), "POST _OTHER");
	cr_expect_str_eq(text_of(r, HTTP_GET, "/aaa"), "GET /aaa");
	cr_expect_leq(routes_count(r), ROUTES_MAX);
	free(r);
}

Test(http_route, a_template_wins)
{
	struct routes *r = new_routes();

	cr_assert(routes_add_template(r, "/users/{name}"));
	cr_assert(routes_add_template(r, "GET /files/{rest:path}"));
	cr_assert(routes_add_template(r, "/{a}-{b}.json"));
	cr_expect_str_eq(text_of(r, HTTP_GET, "/users/jane"),
			 "GET /users/{name}");
	cr_expect_str_eq(text_of(r, HTTP_PUT, "/users/jane"),
			 "PUT /users/{name}");
	cr_expect_str_eq(text_of(r, HTTP_GET, "/users/jane/x"),
			 "GET /users/jane/x");
	cr_expect_str_eq(text_of(r, HTTP_GET, "/users/"), "GET /users/");
	cr_expect_str_eq(text_of(r, HTTP_GET, "/files/a/b/c"),
			 "GET /files/{rest:path}");
	cr_expect_str_eq(text_of(r, HTTP_GET, "/files/"),
			 "GET /files/{rest:path}");
	cr_expect_str_eq(text_of(r, HTTP_PUT, "/files/a"), "PUT /files/a");
	cr_expect_str_eq(text_of(r, HTTP_GET, "/x-y-z.json"),
			 "GET /{a}-{b}.json");
	free(r);
}

Test(http_route, a_rest_may_be_followed_by_more)
{
	struct routes *r = new_routes();

	cr_assert(routes_add_template(r, "/f/{rest:path}/raw/{id}"));
	cr_expect_str_eq(text_of(r, HTTP_GET, "/f/a/raw/b/raw/c"),
			 "GET /f/{rest:path}/raw/{id}");
	cr_expect_str_eq(text_of(r, HTTP_GET, "/f/a/raw"), "GET /f/a/raw");
	free(r);
}

Test(http_route, what_is_no_template_is_refused)
{
	struct routes *r = new_routes();
	char text[200] = "/";

	cr_expect_not(routes_add_template(r, "users"));
	cr_expect_not(routes_add_template(r, "GOT /users"));
	cr_expect_not(routes_add_template(r, ""));
	memset(text + 1, 'a', 150);
	cr_expect_not(routes_add_template(r, text));
	for (int i = 0; i < ROUTES_TEMPLATES_MAX; i++)
		cr_expect(routes_add_template(r, "/a"));
	cr_expect_not(routes_add_template(r, "/a"));
	free(r);
}

/*
 * normal: a raw path -> its route; see route.h.
 *
 * Each segment is decoded, judged and written again, so that two spellings of
 * one path give one route.  A segment is judged as a whole first (a number, a
 * date, a UUID, hex, a token), then by its words: "user-123.json" becomes
 * "user-{}.json".  What is judged wrongly costs: too little merged fills the
 * table, too much merged hides an endpoint; `--route` mends both.
 */
#include "profiler/http/route.h"

/* Decoded bytes of a segment; a longer one is nobody's endpoint. */
#define SEGMENT_MAX 48

struct segment {
	uint8_t text[SEGMENT_MAX];
	size_t len;
	bool longer;
};

struct out {
	char *text;
	size_t len;
	size_t room; /* the NUL included */
	bool full;   /* something did not fit; nothing follows it */
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_word(uint8_t c)
{
	return is_digit(c) || is_lower(c) || is_upper(c) || c >= 128;
}

static int hex_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_one_of(uint8_t c, const char *set)
{
	while (*set && (uint8_t)*set != c)
		set++;
	return *set != '\0';
}

/* All or nothing, so that neither "{}" nor "%2F" is ever cut in two. */
static void put(struct out *o, const char *text, size_t len)
{
	if (o->full || len >= o->room - o->len) {
		o->full = true;
		return;
	}
	for (size_t i = 0; i < len; i++)
		o->text[o->len++] = text[i];
}

static void put_byte(struct out *o, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[3] = { (char)c };

	if ((is_word(c) && c < 128) || is_one_of(c, "-._~!$&'()*+,=:@")) {
		put(o, text, 1);
		return;
	}
	text[0] = '%';
	text[1] = digits[c >> 4];
	text[2] = digits[c & 15];
	put(o, text, 3);
}

static bool all_hex(const uint8_t *at, size_t len, size_t *digits)
{
	*digits = 0;
	for (size_t i = 0; i < len; i++) {
		if (hex_value(at[i]) < 0)
			return false;
		*digits += is_digit(at[i]);
	}
	return true;
}

/* Not "decade", not "face2face"; a short commit id, or longer. */
static bool is_hex_id(const uint8_t *at, size_t len)
{
	size_t digits;

	return len >= 7 && all_hex(at, len, &digits) &&
	       (digits >= 2 || len >= 16);
}

/* 8-4-4-4-12 */
static bool is_uuid(const uint8_t *at, size_t len)
{
	if (len < 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? at[i] != '-' : hex_value(at[i]) < 0)
			return false;
	}
	return true;
}

/* Digits and what stands between them: -12, 3.14, 10.0.0.1, 2024-01-01T10Z */
static bool is_number(const uint8_t *at, size_t len)
{
	size_t digits = 0, letters = 0;

	for (size_t i = 0; i < len; i++) {
		digits += is_digit(at[i]);
		letters += at[i] == 'T' || at[i] == 'Z';
		if (!is_digit(at[i]) && !is_one_of(at[i], "+-.,:_TZ"))
			return false;
	}
	return letters ? digits >= 8 : digits > 0;
}

/*
 * Characters drawn at random change between upper case, lower case and digits
 * at nearly every second place, words do not: "getOAuth2TokenFromServer" does
 * at a quarter of them.
 */
static bool is_random(const uint8_t *at, size_t len)
{
	size_t changes = 0, digits = 0;

	if (len < 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_word(at[i]) && !is_one_of(at[i], "-_="))
			return false;
		digits += is_digit(at[i]);
		if (i && is_word(at[i]) && is_word(at[i - 1]) &&
		    (is_digit(at[i]) != is_digit(at[i - 1]) ||
		     (is_upper(at[i]) && is_lower(at[i - 1]))))
			changes++;
	}
	return digits >= (len < 20 ? 2 : 1) && changes * 10 >= len * 3;
}

/* Somebody's address; "@scope" is none. */
static bool is_address(const uint8_t *at, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (at[i] == '@')
			return true;
	return false;
}

/* "v1", "v2.1" */
static bool is_version(const uint8_t *at, size_t len)
{
	return len >= 2 && len <= 6 && (at[0] | 0x20) == 'v' &&
	       is_digit(at[1]) && is_number(at + 1, len - 1);
}

static bool varies(const struct segment *s)
{
	return s->longer || is_address(s->text, s->len) ||
	       is_number(s->text, s->len) || is_hex_id(s->text, s->len) ||
	       (is_uuid(s->text, s->len) && s->len == 36) ||
	       is_random(s->text, s->len);
}

/*
 * A hole; two with one sign between them are one.  @end: where the output
 * ended behind the hole before, 0 if there is none.
 */
static void put_hole(struct out *o, size_t *end)
{
	if (*end)
		o->len = *end;
	else
		put(o, "{}", 2);
	*end = o->len;
}

/* Letters as they are, three digits or more as a hole: "doc1234", "oauth2" */
static void put_word(struct out *o, const uint8_t *at, size_t len)
{
	for (size_t i = 0, end; i < len; i = end) {
		for (end = i; end < len && is_digit(at[end]);)
			end++;
		if (end - i >= 3) {
			put(o, "{}", 2);
			continue;
		}
		for (end += end == i; i < end; i++)
			put_byte(o, at[i]);
	}
}

/* Length of the word at @at that is a hole by itself, else 0. */
static size_t hole_at(const uint8_t *at, size_t len)
{
	size_t word = 0, digits = 0;

	if (is_uuid(at, len) && (len == 36 || !is_word(at[36])))
		return 36;
	for (; word < len && is_word(at[word]); word++)
		digits += is_digit(at[word]);
	return word && (digits == word || is_hex_id(at, word) ||
			is_random(at, word))
		       ? word
		       : 0;
}

static void put_words(struct out *o, const struct segment *s)
{
	size_t hole = 0;

	for (size_t i = 0; i < s->len;) {
		size_t word = hole_at(s->text + i, s->len - i);

		if (word) {
			put_hole(o, &hole);
			i += word;
			if (i < s->len)
				put_byte(o, s->text[i++]);
			continue;
		}
		hole = 0;
		while (i + word < s->len && is_word(s->text[i + word]))
			word++;
		put_word(o, s->text + i, word);
		i += word;
		if (i < s->len)
			put_byte(o, s->text[i++]);
	}
}

static void put_segment(struct out *o, const struct segment *s)
{
	size_t hole = 0;

	if (is_version(s->text, s->len) && !s->longer)
		for (size_t i = 0; i < s->len; i++)
			put_byte(o, s->text[i]);
	else if (varies(s))
		put_hole(o, &hole);
	else
		put_words(o, s);
}

/*
 * Decode up to the next '/', drop what stands behind ';'.  Returns how many
 * bytes of @path that took.
 */
static size_t take_segment(struct segment *s, const char *path, size_t len)
{
	const uint8_t *at = (const uint8_t *)path;
	bool parameters = false;
	size_t i = 0;

	s->len = 0;
	s->longer = false;
	while (i < len && at[i] != '/') {
		uint8_t c = at[i++];

		parameters |= c == ';';
		if (c == '%' && len - i >= 2 && hex_value(at[i]) >= 0 &&
		    hex_value(at[i + 1]) >= 0) {
			c = (uint8_t)(hex_value(at[i]) << 4 |
				      hex_value(at[i + 1]));
			i += 2;
		}
		if (parameters)
			continue;
		if (s->len < SEGMENT_MAX)
			s->text[s->len++] = c;
		else
			s->longer = true;
	}
	return i;
}

size_t route_normalise(char *out, size_t room, const char *path, size_t len)
{
	struct out o = { .text = out, .room = room };
	bool cut = len >= HTTP_PATH_MAX; /* in its last segment */
	struct segment s;
	size_t end = 0;

	while (end < len && path[end] != '?' && path[end] != '#')
		end++;
	len = end;
	if (!len)
		put(&o, "/", 1);
	for (size_t i = 0; i < len;) {
		if (path[i] == '/') {
			put(&o, "/", 1);
			i++;
		}
		i += take_segment(&s, path + i, len - i);
		s.longer |= cut && i == len && s.len;
		put_segment(&o, &s);
	}
	out[o.len] = '\0';
	return o.len;
}

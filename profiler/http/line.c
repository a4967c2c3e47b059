/*
 * line: see line.h.
 */
#include "profiler/http/line.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* "M-SEARCH" is among the longest in use. */
#define METHOD_MAX 24

static const char *const methods[HTTP_NMETHODS] = {
	[HTTP_OTHER] = "_OTHER",    [HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",	    [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",	    [HTTP_DELETE] = "DELETE",
	[HTTP_CONNECT] = "CONNECT", [HTTP_OPTIONS] = "OPTIONS",
	[HTTP_TRACE] = "TRACE",	    [HTTP_PATCH] = "PATCH",
};

const char *http_method_name(enum http_method method)
{
	return methods[(unsigned)method < HTTP_NMETHODS ? method : HTTP_OTHER];
}

const uint8_t *line_feed(const uint8_t *bytes, size_t len)
{
	size_t i = 0;

#ifdef __SSE2__
	const __m128i lf = _mm_set1_epi8('\n');

	for (; i + 16 <= len; i += 16) {
		const __m128i *at = (const __m128i *)(bytes + i);
		int found = _mm_movemask_epi8(
			_mm_cmpeq_epi8(_mm_loadu_si128(at), lf));

		if (found)
			return bytes + i + __builtin_ctz((unsigned)found);
	}
#endif
	for (; i < len; i++)
		if (bytes[i] == '\n')
			return bytes + i;
	return NULL;
}

void line_set(struct http_line *line, const uint8_t *begin, const uint8_t *end,
	      size_t total)
{
	size_t cr = total && end[-1] == '\r';
	size_t tail = total < HTTP_LINE_TAIL ? total : HTTP_LINE_TAIL;

	line->begin = begin;
	line->len = total - cr;
	line->kept = line->len < HTTP_LINE_BEGIN ? line->len : HTTP_LINE_BEGIN;
	line->tail = end - tail;
	line->tail_len = tail - cr;
}

/* Does @at (@len bytes) begin with @text, of lower-case letters and signs? */
static bool begins(const uint8_t *at, size_t len, const char *text,
		   uint8_t fold)
{
	size_t i = 0;

	for (; text[i] && i < len; i++)
		if ((at[i] | ((at[i] >= 'A' && at[i] <= 'Z') ? fold : 0)) !=
		    (uint8_t)text[i])
			return false;
	return !text[i];
}

static bool begins_exactly(const uint8_t *at, size_t len, const char *text)
{
	return begins(at, len, text, 0);
}

static bool begins_in_any_case(const uint8_t *at, size_t len, const char *text)
{
	return begins(at, len, text, 0x20);
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110, 5.6.2: what methods and field names are made of. */
static bool is_token(uint8_t c)
{
	static const uint32_t token[4] = {
		0, 0x03ff6cfa, /* !#$%&'*+-. and digits */
		0xc7fffffe,    /* A-Z ^ _ */
		0x57ffffff,    /* ` a-z | ~ */
	};

	return c < 128 && (token[c >> 5] >> (c & 31)) & 1;
}

/* The same of both sides: TLS records, the method of a request. */
static enum line_judgement judge_token(const uint8_t *begin, size_t len)
{
	if (begin[0] == 0x16) /* a handshake record, then its version */
		return len < 2	       ? LINE_FINE
		       : begin[1] == 3 ? LINE_TLS
				       : LINE_GARBAGE;
	for (size_t i = 0; i < len; i++) {
		if (begin[i] == ' ' && i)
			return LINE_FINE;
		if (!is_token(begin[i]) || i == METHOD_MAX)
			return LINE_GARBAGE;
	}
	return LINE_FINE;
}

/* The first frame of an HTTP/2 server: SETTINGS, of stream 0. */
static enum line_judgement judge_settings(const uint8_t *begin, size_t len)
{
	static const uint8_t frame[9] = { 0, 0, 0, 4 };

	for (size_t i = 0; i < len && i < sizeof(frame); i++)
		if (i != 2 && begin[i] != frame[i])
			return LINE_GARBAGE;
	return len < sizeof(frame) ? LINE_FINE : LINE_HTTP_2;
}

enum line_judgement line_judge(const uint8_t *begin, size_t len,
			       enum http_side side)
{
	static const char version[] = "HTTP/1.";
	size_t same = 0;

	while (same < len && same < sizeof(version) - 1 &&
	       begin[same] == (uint8_t)version[same])
		same++;
	if (same == sizeof(version) - 1)
		return side == HTTP_RESPONSES ? LINE_FINE : LINE_OTHER_WAY;
	if (same == len)
		return LINE_FINE;
	if (side == HTTP_RESPONSES && begin[0] == 0)
		return judge_settings(begin, len);
	return judge_token(begin, len);
}

enum http_method line_method(const uint8_t *name, size_t len)
{
	for (unsigned m = HTTP_GET; m < HTTP_NMETHODS; m++) {
		size_t i = 0;

		while (i < len && (uint8_t)methods[m][i] == name[i])
			i++;
		if (i == len && !methods[m][i])
			return (enum http_method)m;
	}
	return HTTP_OTHER;
}

/* Where the path of "http://host/path" begins; *@at unless it is one. */
static size_t past_authority(const uint8_t *begin, size_t at, size_t end)
{
	size_t i = at;

	while (i < end && begin[i] != ':' && begin[i] != '/')
		i++;
	if (i == at || !begins_exactly(begin + i, end - i, "://"))
		return at;
	for (i += 3; i < end; i++)
		if (begin[i] == '/' || begin[i] == '?' || begin[i] == '#')
			break;
	return i;
}

/* The target is at @at; it ends at @end, or is @cut there. */
static bool target_path(const uint8_t *begin, size_t at, size_t end, bool cut,
			struct http_event *ev)
{
	size_t path = at;

	if (begin[at] != '/') {
		path = past_authority(begin, at, end);
		if (path == at && ev->method != HTTP_CONNECT &&
		    !(begin[at] == '*' && end == at + 1))
			return false;
		if (path == end || begin[path] != '/') {
			bool whole = path == at;

			ev->path = whole ? "*" : "/";
			ev->path_len = 1;
			ev->path_cut = false;
			return true;
		}
	}
	for (at = path; at < end; at++)
		if (begin[at] == '?' || begin[at] == '#')
			break;
	ev->path = (const char *)begin + path;
	ev->path_cut = (at == end && cut) || at - path > HTTP_PATH_MAX;
	ev->path_len = at - path > HTTP_PATH_MAX ? HTTP_PATH_MAX
						 : (uint8_t)(at - path);
	return true;
}

/* " HTTP/1.1" */
#define VERSION_LEN 9

static bool ends_with_version(const struct http_line *line, const char *version)
{
	const uint8_t *at = line->tail + line->tail_len - VERSION_LEN;

	return line->tail_len >= VERSION_LEN &&
	       begins_exactly(at, VERSION_LEN, version) &&
	       is_digit(at[VERSION_LEN - 1]);
}

bool line_request(const struct http_line *line, struct http_event *ev)
{
	const uint8_t *begin = line->begin;
	size_t method = 0, target, end;

	if (!ends_with_version(line, " HTTP/1."))
		return false;
	while (method < line->kept && method <= METHOD_MAX &&
	       is_token(begin[method]))
		method++;
	target = method + 1;
	end = line->len - VERSION_LEN;
	if (!method || method > METHOD_MAX || target >= end ||
	    begin[method] != ' ')
		return false;
	ev->method = line_method(begin, method);
	if (end > line->kept)
		return target_path(begin, target, line->kept, true, ev);
	return target_path(begin, target, end, false, ev);
}

bool line_http2(const struct http_line *line)
{
	return line->len == 14 &&
	       begins_exactly(line->begin, line->kept, "PRI * HTTP/2.0");
}

bool line_proxy(const struct http_line *line)
{
	return begins_exactly(line->begin, line->kept, "PROXY TCP") ||
	       begins_exactly(line->begin, line->kept, "PROXY UNKNOWN");
}

uint16_t line_status(const struct http_line *line)
{
	const uint8_t *at = line->begin;

	if (line->kept < 12 || !begins_exactly(at, line->kept, "HTTP/1.") ||
	    !is_digit(at[7]) || at[8] != ' ' || at[9] < '1' || at[9] > '9' ||
	    !is_digit(at[10]) || !is_digit(at[11]) ||
	    (line->kept > 12 && at[12] != ' '))
		return 0;
	return (uint16_t)((at[9] - '0') * 100 + (at[10] - '0') * 10 +
			  (at[11] - '0'));
}

static size_t past_blanks(const uint8_t *at, size_t i, size_t end)
{
	while (i < end && (at[i] == ' ' || at[i] == '\t'))
		i++;
	return i;
}

/* Digits and blanks around them from *@at on; false: there are none. */
static bool take_number(const uint8_t *c, size_t *at, size_t end,
			uint64_t *number)
{
	size_t begin = past_blanks(c, *at, end), i = begin;

	*number = 0;
	for (; i < end && is_digit(c[i]); i++)
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, c[i] - '0', number))
			return false;
	*at = past_blanks(c, i, end);
	return i > begin;
}

/* "5", or "5, 5": some joined two equal fields. */
static enum line_field field_length(const struct http_line *line, size_t at,
				    uint64_t *value)
{
	const uint8_t *c = line->begin;
	size_t end = line->kept;
	uint64_t again;

	if (line->kept < line->len || !take_number(c, &at, end, value))
		return FIELD_BAD_LENGTH;
	while (at < end)
		if (c[at++] != ',' || !take_number(c, &at, end, &again) ||
		    again != *value)
			return FIELD_BAD_LENGTH;
	return FIELD_LENGTH;
}

/* Only the last coding says how the body ends. */
static enum line_field field_coding(const struct http_line *line)
{
	const uint8_t *end = line->tail + line->tail_len;
	const uint8_t *name;

	while (end > line->tail && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	name = end - 7;
	if (end - line->tail < 8 || !begins_in_any_case(name, 7, "chunked"))
		return FIELD_CODED;
	return name[-1] == ':' || name[-1] == ',' || name[-1] == ' ' ||
			       name[-1] == '\t'
		       ? FIELD_CHUNKED
		       : FIELD_CODED;
}

/* @name: lower case; its length is the place of the colon, asked first. */
static bool is_field(const struct http_line *line, const char *name, size_t len)
{
	return line->kept > len && line->begin[len] == ':' &&
	       begins_in_any_case(line->begin, len, name);
}

static bool is_event_stream(const struct http_line *line, size_t at)
{
	at = past_blanks(line->begin, at, line->kept);
	return begins_in_any_case(line->begin + at, line->kept - at,
				  "text/event-stream");
}

enum line_field line_field(const struct http_line *line, uint64_t *value)
{
	switch (line->begin[0] | 0x20) {
	case 'c':
		if (is_field(line, "content-length", 14))
			return field_length(line, 15, value);
		if (is_field(line, "content-type", 12) &&
		    is_event_stream(line, 13))
			return FIELD_EVENT_STREAM;
		return FIELD_OTHER;
	case 't':
		if (is_field(line, "transfer-encoding", 17))
			return field_coding(line);
		return FIELD_OTHER;
	default:
		return FIELD_OTHER;
	}
}

static int hex_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool line_chunk_size(const struct http_line *line, uint64_t *size)
{
	size_t i = 0;

	*size = 0;
	for (; i < line->kept && hex_value(line->begin[i]) >= 0; i++) {
		if (*size >> 60)
			return false;
		*size = *size << 4 | (uint64_t)hex_value(line->begin[i]);
	}
	if (!i)
		return false;
	i = past_blanks(line->begin, i, line->kept);
	return i == line->len || (i < line->kept && line->begin[i] == ';');
}

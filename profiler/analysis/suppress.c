/*
 * suppress: see suppress.h.
 *
 * Where LeakSanitizer takes the leftmost match of each piece and gives up,
 * this one goes back: "free$" is found at the end of "freefree".  It takes
 * whatever LeakSanitizer takes.
 */
#include "profiler/analysis/suppress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/err.h"
#include "profiler/model/model.h"

static const char kind[] = "leak:";

void suppressions_free(struct suppressions *s)
{
	struct suppression *one;

	vec_foreach (&s->list, one) {
		free(one->pattern);
		free(one->origin);
	}
	vec_free(&s->list);
}

static int add(struct suppressions *s, const char *name, uint32_t line,
	       const char *pattern, size_t len, struct err *err)
{
	struct suppression *one = vec_push(&s->list);

	if (!one)
		return err_set(err, -ENOMEM, "out of memory");
	one->pattern = strndup(pattern, len);
	if (asprintf(&one->origin, "%s:%u", name, line) < 0)
		one->origin = NULL;
	if (!one->pattern || !one->origin)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* One line of @len bytes, blanks around it gone. */
static int parse_line(struct suppressions *s, const char *name, uint32_t line,
		      const char *text, size_t len, struct err *err)
{
	size_t prefix = sizeof(kind) - 1;

	if (len == 0 || text[0] == '#')
		return 0;
	if (memchr(text, '\0', len))
		return err_set(err, -EINVAL,
			       "%s:%u: there is a NUL byte in this line", name,
			       line);
	if (len < prefix || strncmp(text, kind, prefix) != 0)
		return err_set(err, -EINVAL,
			       "%s:%u: '%.*s' is no suppression; write "
			       "leak:PATTERN",
			       name, line, len > 80 ? 80 : (int)len, text);
	if (len == prefix)
		return err_set(err, -EINVAL,
			       "%s:%u: no pattern follows 'leak:'; it would "
			       "take every finding",
			       name, line);
	return add(s, name, line, text + prefix, len - prefix, err);
}

int suppressions_parse(struct suppressions *s, const char *name,
		       uint32_t first_line, const char *text, size_t len,
		       struct err *err)
{
	const char *end = text + len;
	uint32_t line = first_line;
	int rc = 0;

	while (rc == 0 && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *last = newline ? newline : end;
		const char *next = newline ? newline + 1 : end;

		while (text < last && is_blank(*text))
			text++;
		while (last > text && is_blank(last[-1]))
			last--;
		rc = parse_line(s, name, line, text, (size_t)(last - text),
				err);
		line++;
		text = next;
	}
	return rc;
}

/*
 * The classic two pointers: on a mismatch go back to the last star, one
 * further in the text.  @open_start and @open_end: text may stand before and
 * behind.
 */
static bool glob(const char *p, const char *end, const char *text,
		 bool open_start, bool open_end)
{
	const char *star = open_start ? p : NULL, *from = text;

	while (*text) {
		if (p < end && *p == '*') {
			star = ++p;
			from = text;
		} else if (p < end && *p == *text) {
			p++;
			text++;
		} else if (p == end && open_end) {
			return true;
		} else if (star) {
			p = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}

bool suppression_matches(const char *pattern, const char *text)
{
	bool open_start = pattern[0] != '^';
	const char *end;

	if (!text || !text[0])
		return false;
	pattern += !open_start;
	end = strchr(pattern, '$'); /* ends the pattern wherever it stands */
	return glob(pattern, end ? end : strchr(pattern, '\0'), text,
		    open_start, end == NULL);
}

static bool matches_any(const char *pattern, const char *function,
			const char *file, const char *module)
{
	return suppression_matches(pattern, module) ||
	       suppression_matches(pattern, function) ||
	       suppression_matches(pattern, file);
}

static bool takes(const char *pattern, const struct model *m,
		  const struct finding *f)
{
	if (matches_any(pattern, f->function, f->file, f->module))
		return true;
	for (uint32_t n = f->node; n != MODEL_NONE; n = m->nodes[n].parent) {
		const struct model_frame *frame = &m->frames[m->nodes[n].frame];

		if (matches_any(pattern, frame->function, frame->file,
				frame->module))
			return true;
	}
	return false;
}

struct suppression *suppressions_find(const struct suppressions *s,
				      const struct model *m,
				      const struct finding *f)
{
	struct suppression *one;

	vec_foreach (&s->list, one) {
		if (takes(one->pattern, m, f))
			return one;
	}
	return NULL;
}

void suppressions_apply(struct suppressions *s, const struct model *m,
			struct verdict *v)
{
	for (size_t i = 0; i < v->finding_count; i++) {
		struct suppression *one =
			suppressions_find(s, m, &v->findings[i]);

		v->findings[i].suppressed = one != NULL;
		if (one)
			one->count++;
	}
}

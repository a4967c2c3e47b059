/*
 * outline: see outline.h.  A descent over libyaml's events, as deep as the
 * schema is.
 */
#include "profiler/analysis/outline.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/words.h"

#define PATH_LONGEST 256

struct reading {
	struct outline *o;
	yaml_parser_t parser;
	yaml_event_t event; /* the one to look at; none: YAML_NO_EVENT */
	char path[PATH_LONGEST];
	struct err *err;
};

static const char *text_of(const yaml_event_t *e)
{
	return (const char *)e->data.scalar.value;
}

__attribute__((format(printf, 3, 4))) static int refuse_at(
	const struct reading *r, yaml_mark_t at, const char *fmt, ...)
{
	char sentence[400];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(sentence, sizeof(sentence), fmt, ap) < 0)
		sentence[0] = '\0';
	va_end(ap);
	return err_set(r->err, -EINVAL, "%s:%zu:%zu: %s", r->o->name,
		       at.line + 1, at.column + 1, sentence);
}

/* What libyaml itself found; its own words are good. */
static int refuse_syntax(const struct reading *r)
{
	const yaml_parser_t *p = &r->parser;

	if (p->error == YAML_MEMORY_ERROR)
		return err_set(r->err, -ENOMEM, "out of memory");
	return refuse_at(r,
			 p->error == YAML_READER_ERROR ? p->mark
						       : p->problem_mark,
			 "%s", p->problem ? p->problem : "this is no YAML");
}

static bool has_control(const yaml_event_t *e)
{
	const unsigned char *at = e->data.scalar.value;

	for (size_t i = 0; i < e->data.scalar.length; i++)
		if (at[i] < 0x20 || at[i] == 0x7f)
			return true;
	return false;
}

static bool is_anchored(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return true;
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor != NULL;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor != NULL;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor != NULL;
	default:
		return false;
	}
}

/* Look at the next event; what no value may hold is refused here. */
static int next(struct reading *r)
{
	yaml_event_delete(&r->event);
	r->event.type = YAML_NO_EVENT;
	if (!yaml_parser_parse(&r->parser, &r->event)) {
		r->event.type = YAML_NO_EVENT;
		return refuse_syntax(r);
	}
	if (is_anchored(&r->event))
		return refuse_at(r, r->event.start_mark,
				 "anchors and aliases are not understood here; "
				 "write the value in each place");
	if (r->event.type == YAML_SCALAR_EVENT && has_control(&r->event))
		return refuse_at(r, r->event.start_mark,
				 "there is a control character or a line break "
				 "in this text");
	return 0;
}

static int keep_place(struct reading *r)
{
	struct outline_place *place = vec_push(&r->o->places);

	if (place)
		place->path = strdup(r->path);
	if (!place || !place->path)
		return err_set(r->err, -ENOMEM, "out of memory");
	place->line = (unsigned)r->event.start_mark.line + 1;
	place->column = (unsigned)r->event.start_mark.column + 1;
	return 0;
}

/* How the value at hand is called: the last key of its path. */
static const char *subject(const struct reading *r)
{
	const char *dot = strrchr(r->path, '.');

	return dot ? dot + 1 : r->path[0] ? r->path : "this file";
}

static int wrong_shape(const struct reading *r, const char *wants)
{
	const char *has = r->event.type == YAML_SCALAR_EVENT
				  ? (r->event.data.scalar.length ? "one value"
								 : "nothing")
			  : r->event.type == YAML_SEQUENCE_START_EVENT
				  ? "a list"
				  : "keys";

	return refuse_at(r, r->event.start_mark, "%s takes %s, and has %s",
			 subject(r), wants, has);
}

static int check_word(struct reading *r, const cyaml_schema_value_t *schema)
{
	const char *word = text_of(&r->event), *meant = NULL;
	struct buf list = BUF_INIT;
	int rc;

	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		const char *one = schema->enumeration.strings[i].str;

		if (strcmp(one, word) == 0) {
			buf_free(&list);
			return 0;
		}
		if (!meant && words_resemble(word, one))
			meant = one;
		buf_printf(&list, "%s%s", i ? ", " : "", one);
	}
	if (meant)
		rc = refuse_at(r, r->event.start_mark,
			       "unknown %s '%.60s' (did you mean '%s'?)",
			       subject(r), word, meant);
	else
		rc = refuse_at(r, r->event.start_mark,
			       "unknown %s '%.60s'; it is one of %s",
			       subject(r), word, list.bytes ? list.bytes : "");
	buf_free(&list);
	return rc;
}

static int read_value(struct reading *r, const cyaml_schema_value_t *schema);

static int unknown_key(struct reading *r, const cyaml_schema_field_t *fields)
{
	const char *key = text_of(&r->event);

	for (const cyaml_schema_field_t *f = fields; f->key; f++)
		if (words_resemble(key, f->key))
			return refuse_at(r, r->event.start_mark,
					 "unknown key '%.60s' (did you mean "
					 "'%s'?)",
					 key, f->key);
	return refuse_at(r, r->event.start_mark, "unknown key '%.60s'", key);
}

static const cyaml_schema_field_t *find_field(const cyaml_schema_field_t *f,
					      const char *key)
{
	while (f->key && strcmp(f->key, key) != 0)
		f++;
	return f->key ? f : NULL;
}

/* The key at hand and its value; bits of @seen are the fields so far. */
static int read_entry(struct reading *r, const cyaml_schema_field_t *fields,
		      uint64_t *seen)
{
	size_t len = strlen(r->path);
	const cyaml_schema_field_t *f;
	int rc;

	if (r->event.type != YAML_SCALAR_EVENT)
		return refuse_at(r, r->event.start_mark,
				 "a key is one word, not a list");
	f = find_field(fields, text_of(&r->event));
	if (!f)
		return unknown_key(r, fields);
	if (*seen & UINT64_C(1) << (f - fields))
		return refuse_at(r, r->event.start_mark,
				 "key '%s' stands here a second time", f->key);
	*seen |= UINT64_C(1) << (f - fields);
	snprintf(r->path + len, sizeof(r->path) - len, "%s%s", len ? "." : "",
		 f->key);
	rc = next(r);
	if (rc == 0)
		rc = read_value(r, &f->value);
	r->path[len] = '\0';
	return rc;
}

static int read_mapping(struct reading *r, const cyaml_schema_field_t *fields)
{
	yaml_mark_t at = r->event.start_mark;
	uint64_t seen = 0;
	int rc = next(r);

	while (rc == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
		rc = read_entry(r, fields, &seen);
		if (rc == 0)
			rc = next(r);
	}
	for (const cyaml_schema_field_t *f = fields; rc == 0 && f->key; f++)
		if (!(f->value.flags & CYAML_FLAG_OPTIONAL) &&
		    !(seen & UINT64_C(1) << (f - fields)))
			rc = refuse_at(r, at, "key '%s' is missing here",
				       f->key);
	return rc;
}

/* Entries by @entry, or where that is NULL words that @set knows. */
static int read_sequence(struct reading *r, const cyaml_schema_value_t *entry,
			 const cyaml_schema_value_t *set, uint32_t most)
{
	size_t len = strlen(r->path);
	uint32_t n = 0;
	int rc = next(r);

	while (rc == 0 && r->event.type != YAML_SEQUENCE_END_EVENT) {
		if (n == most)
			return refuse_at(r, r->event.start_mark,
					 "%s has more than %u entries",
					 subject(r), most);
		snprintf(r->path + len, sizeof(r->path) - len, "[%u]", n++);
		if (entry)
			rc = read_value(r, entry);
		else if (r->event.type != YAML_SCALAR_EVENT)
			rc = wrong_shape(r, "one word");
		r->path[len] = '\0';
		if (rc == 0 && !entry)
			rc = check_word(r, set);
		if (rc == 0)
			rc = next(r);
	}
	return rc;
}

/* The value that begins with the event at hand, up to its last event. */
static int read_value(struct reading *r, const cyaml_schema_value_t *schema)
{
	yaml_event_type_t has = r->event.type;
	int rc = keep_place(r);

	if (rc < 0)
		return rc;
	switch (schema->type) {
	case CYAML_MAPPING:
		return has == YAML_MAPPING_START_EVENT
			       ? read_mapping(r, schema->mapping.fields)
			       : wrong_shape(r, "keys");
	case CYAML_SEQUENCE:
		return has == YAML_SEQUENCE_START_EVENT
			       ? read_sequence(r, schema->sequence.entry, NULL,
					       schema->sequence.max)
			       : wrong_shape(r, "a list");
	case CYAML_FLAGS:
		return has == YAML_SEQUENCE_START_EVENT
			       ? read_sequence(r, NULL, schema,
					       schema->enumeration.count)
			       : wrong_shape(r, "a list");
	default:
		if (has != YAML_SCALAR_EVENT || !r->event.data.scalar.length)
			return wrong_shape(r, "one value");
		return schema->type == CYAML_ENUM ? check_word(r, schema) : 0;
	}
}

/* The whole stream: at most one document. */
static int read_stream(struct reading *r, const cyaml_schema_value_t *schema)
{
	int rc = next(r); /* the stream's start */

	if (rc == 0)
		rc = next(r);
	if (rc < 0 || r->event.type == YAML_STREAM_END_EVENT)
		return rc;
	rc = next(r); /* past the document's start: its value */
	/* "---" and comments alone. */
	if (rc == 0 &&
	    (r->event.type != YAML_SCALAR_EVENT || r->event.data.scalar.length))
		rc = read_value(r, schema);
	if (rc == 0)
		rc = next(r);
	if (rc == 0)
		rc = next(r);
	if (rc == 0 && r->event.type != YAML_STREAM_END_EVENT)
		rc = refuse_at(r, r->event.start_mark,
			       "a second document begins here; keep one");
	return rc;
}

int outline_read(struct outline *o, const char *name, const char *text,
		 size_t len, const struct cyaml_schema_value *schema,
		 struct err *err)
{
	struct reading r = { .o = o, .err = err };
	int rc;

	*o = (struct outline) { .name = name };
	if (len > OUTLINE_TEXT_MAX)
		return err_set(err, -EINVAL,
			       "%s: %zu bytes are more than a configuration "
			       "has",
			       name, len);
	if (!yaml_parser_initialize(&r.parser))
		return err_set(err, -ENOMEM, "out of memory");
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text,
				     len);
	rc = read_stream(&r, schema);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	return rc;
}

void outline_fini(struct outline *o)
{
	struct outline_place *place;

	vec_foreach (&o->places, place)
		free(place->path);
	vec_free(&o->places);
}

const struct outline_place *outline_find(const struct outline *o,
					 const char *path)
{
	const struct outline_place *place;

	vec_foreach (&o->places, place) {
		if (strcmp(place->path, path) == 0)
			return place;
	}
	return NULL;
}

int outline_refuse(const struct outline *o, const char *path, struct err *err,
		   const char *fmt, ...)
{
	const struct outline_place *place = outline_find(o, path);
	char sentence[400];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(sentence, sizeof(sentence), fmt, ap) < 0)
		sentence[0] = '\0';
	va_end(ap);
	return err_set(err, -EINVAL, "%s:%u:%u: %s", o->name,
		       place ? place->line : 1, place ? place->column : 1,
		       sentence);
}

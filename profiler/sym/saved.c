#include "profiler/sym/saved.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"

#define HEAD "strandline-symbols 1"

static void put_text(FILE *f, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '\t')
			fputs("\\t", f);
		else if (*text == '\n')
			fputs("\\n", f);
		else if (*text == '\\')
			fputs("\\\\", f);
		else
			fputc(*text, f);
	}
}

void saved_write_head(FILE *f)
{
	fputs(HEAD "\n", f);
}

void saved_write_module(FILE *f, const char *path, const uint8_t *build_id,
			uint32_t build_id_size, const char *problem)
{
	fputs("M ", f);
	put_text(f, path);
	fputc('\t', f);
	for (uint32_t i = 0; i < build_id_size; i++)
		fprintf(f, "%02x", build_id[i]);
	fputc('\t', f);
	put_text(f, problem);
	fputc('\n', f);
}

void saved_write_symbol(FILE *f, uint64_t vaddr, const struct symbol *s)
{
	fprintf(f, "S %" PRIx64 " %" PRIu32 " %" PRIu32 " %d\t", vaddr,
		s->offset, s->line, s->inlined);
	put_text(f, s->function);
	fputc('\t', f);
	put_text(f, s->linkage);
	fputc('\t', f);
	put_text(f, s->file);
	fputc('\n', f);
}

/* Cut the next field off *@at, unescaped in place; "" past the end. */
static char *take_field(char **at)
{
	char *field = *at, *from = *at, *to = *at;

	for (; *from && *from != '\t'; from++) {
		if (*from != '\\' || !from[1]) {
			*to++ = *from;
			continue;
		}
		from++;
		*to++ = *from == 't' ? '\t' : *from == 'n' ? '\n' : *from;
	}
	*at = *from ? from + 1 : from;
	*to = 0;
	return field;
}

static uint32_t take_hex(const char *text, uint8_t out[32])
{
	uint32_t n = 0;
	unsigned byte;

	while (n < 32 && sscanf(text + 2 * n, "%2x", &byte) == 1 &&
	       text[2 * n + 1])
		out[n++] = (uint8_t)byte;
	return n;
}

static int read_module(char *at, const struct saved_sink *sink)
{
	uint8_t build_id[32] = { 0 };
	struct saved_module m = { .build_id = build_id };

	m.path = take_field(&at);
	m.build_id_size = take_hex(take_field(&at), build_id);
	m.problem = take_field(&at);
	return sink->module(sink->into, &m);
}

static int read_symbol(char *at, const struct saved_sink *sink)
{
	struct symbol s = { 0 };
	uint64_t vaddr;
	int inlined;

	if (sscanf(take_field(&at), "%" SCNx64 " %" SCNu32 " %" SCNu32 " %d",
		   &vaddr, &s.offset, &s.line, &inlined) != 4)
		return -EBADMSG;
	s.inlined = inlined;
	s.function = take_field(&at);
	s.linkage = take_field(&at);
	s.file = take_field(&at);
	if (!*s.function)
		s.function = NULL;
	if (!*s.linkage)
		s.linkage = NULL;
	if (!*s.file)
		s.file = NULL;
	return sink->symbol(sink->into, vaddr, &s);
}

static int read_line(char *line, const struct saved_sink *sink)
{
	if (!strncmp(line, "M ", 2))
		return read_module(line + 2, sink);
	if (!strncmp(line, "S ", 2))
		return read_symbol(line + 2, sink);
	return -EBADMSG;
}

int saved_read(const char *path, const struct saved_sink *sink, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int rc = 0;

	if (!f)
		return errno == ENOENT ? -ENOENT
				       : err_errno(err, "cannot open %s", path);
	for (size_t n = 0; rc == 0 && (len = getline(&line, &room, f)) > 0;
	     n++) {
		if (line[len - 1] == '\n')
			line[len - 1] = 0;
		if (n)
			rc = read_line(line, sink);
		else if (strcmp(line, HEAD))
			rc = -EBADMSG;
		if (rc == -EBADMSG)
			err_set(err, rc, "%s: line %zu is damaged", path,
				n + 1);
	}
	if (rc == -ENOMEM)
		err_set(err, rc, "out of memory reading %s", path);
	free(line);
	fclose(f);
	return rc;
}

/*
 * program: see program.h.
 */
#include "profiler/analysis/program.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/model/model.h"

static const char *base_of(const char *path, size_t len, size_t *base_len)
{
	const char *from = path;

	for (size_t i = 0; i < len; i++)
		if (path[i] == '/' && i + 1 < len)
			from = path + i + 1;
	*base_len = len - (size_t)(from - path);
	return from;
}

/* "python3.11" is "python". */
static void put_executable(struct buf *out, const char *exe)
{
	size_t len;
	const char *name = base_of(exe, strlen(exe), &len);
	static const char gone[] = " (deleted)";

	if (len > sizeof(gone) - 1 && memcmp(name + len - (sizeof(gone) - 1),
					     gone, sizeof(gone) - 1) == 0)
		len -= sizeof(gone) - 1;
	while (len > 1 &&
	       (isdigit((unsigned char)name[len - 1]) || name[len - 1] == '.'))
		len--;
	if (len > 1 && name[len - 1] == '-')
		len--;
	buf_write(out, name, len);
}

static bool interprets(const char *exe, size_t exe_len)
{
	static const char *const names[] = { "python", "pypy", "perl", "ruby",
					     "node",   "bash", "dash", "sh" };
	size_t len;
	const char *name = base_of(exe, exe_len, &len);

	/* "python3.11" is one; "shop" is no shell, nor "node-exporter" node. */
	while (len > 0 && strchr("0123456789.", name[len - 1]))
		len--;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && !memcmp(name, names[i], len))
			return true;
	return false;
}

/* "app.main:app" */
static bool is_application(const char *word, size_t len)
{
	const char *colon = memchr(word, ':', len);

	if (!colon || colon == word || colon + 1 == word + len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)word[i]) && !strchr("._:", word[i]))
			return false;
	return !isdigit((unsigned char)word[0]) &&
	       !isdigit((unsigned char)colon[1]);
}

static void put_base(struct buf *out, const char *word, size_t len)
{
	size_t base_len;
	const char *base = base_of(word, len, &base_len);

	buf_putc(out, ' ');
	buf_write(out, base, base_len);
}

static const char *next_word(const char *at)
{
	at += strcspn(at, " ");
	return at + strspn(at, " ");
}

/* The script or module, then the application. */
static void put_operands(struct buf *out, const char *command)
{
	/* /usr/bin/gunicorn is a script itself. */
	bool script = !interprets(command, strcspn(command, " "));
	size_t len = strcspn(command, " ");

	if (script)
		put_base(out, command, len);
	while (*(command = next_word(command))) {
		len = strcspn(command, " ");
		/* python3 -X dev, -W error: their values are no script. */
		if (!script && len == 2 && *command == '-' &&
		    strchr("XW", command[1])) {
			command = next_word(command);
		} else if (!script && *command != '-') {
			put_base(out, command, len);
			script = true;
		} else if (script && is_application(command, len)) {
			buf_putc(out, ' ');
			buf_write(out, command, len);
			return;
		}
	}
}

char *program_of(const struct model *m)
{
	const struct model_process *p = m->main_process < m->process_count
						? &m->processes[m->main_process]
						: NULL;
	const char *exe = p && p->exe ? p->exe : "";
	struct buf out = BUF_INIT;

	put_executable(&out, exe);
	/* A worker's own command says less than the one that was given. */
	if (interprets(exe, strlen(exe)))
		put_operands(&out, m->command ? m->command : "");
	buf_putc(&out, '\0');
	if (buf_status(&out) < 0)
		buf_free(&out);
	return out.bytes;
}

/*
 * meta: meta.json of a recording, as the strandline process writes it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/trace/writer.h"
#include "profiler/wire/slab.h"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *clock_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return number((uint64_t)ts.tv_sec * 1000000000ULL +
		      (uint64_t)ts.tv_nsec);
}

/* Words of a command line are bytes; JSON wants UTF-8. */
static json_t *text(const char *bytes)
{
	json_t *json = json_string(bytes);
	char *ascii;

	if (json)
		return json;
	ascii = strdup(bytes);
	if (!ascii)
		return NULL;
	for (char *c = ascii; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	json = json_string(ascii);
	free(ascii);
	return json;
}

static json_t *words(const char *const *at)
{
	json_t *array = json_array();

	for (; array && *at; at++)
		json_array_append_new(array, text(*at));
	return array;
}

static json_t *names(const char *const *at, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++)
		json_array_append_new(array, text(at[i]));
	return array;
}

static json_t *pairs(const char *const *at)
{
	json_t *object = json_object();

	for (; object && at && at[0] && at[1]; at += 2)
		json_object_set_new(object, at[0], text(at[1]));
	return object;
}

/* What stands behind @key in a file of "key<separator>value" lines. */
static json_t *value_in(const char *path, const char *key, char separator)
{
	json_t *found = NULL;
	char line[512];
	FILE *f = fopen(path, "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, separator);

		if (!value || strncmp(line, key, strlen(key)) != 0)
			continue;
		value += 1 + strspn(value + 1, " \t\"");
		value[strcspn(value, "\"\n")] = '\0';
		found = text(value);
	}
	if (f)
		fclose(f);
	return found ? found : json_null();
}

/* For reports that say where it was measured. */
static json_t *machine(void)
{
	struct sysinfo si = { .mem_unit = 1 };

	sysinfo(&si);
	return json_pack("{s:o s:o s:o s:o}", "processor",
			 value_in("/proc/cpuinfo", "model name", ':'),
			 "processors",
			 number((uint64_t)sysconf(_SC_NPROCESSORS_ONLN)),
			 "memory_bytes",
			 number((uint64_t)si.totalram * si.mem_unit), "system",
			 value_in("/etc/os-release", "PRETTY_NAME", '='));
}

int writer_meta(const char *dir, const struct writer_meta *meta,
		struct err *err)
{
	struct buf out = BUF_INIT;
	char *path = NULL, *json;
	struct utsname un;
	json_t *root;
	int rc;

	uname(&un);
	root = json_pack("{s:i s:s s:o s:o s:o s:o s:s s:o s:o s:o s:o s:o "
			 "s:o}",
			 "format", SLAB_FORMAT, "version", STRANDLINE_VERSION,
			 "command", words(meta->command), "host",
			 text(un.nodename), "kernel", text(un.release), "mode",
			 text(meta->mode), "clock", "monotonic",
			 "start_realtime_ns", clock_now(CLOCK_REALTIME),
			 "start_monotonic_ns", clock_now(CLOCK_MONOTONIC),
			 "interval_ms", number(meta->interval_ms), "options",
			 pairs(meta->options), "handlers",
			 names(meta->handlers, meta->handler_count), "hertz",
			 number(meta->hertz));
	if (root)
		json_object_update_new(root, machine());
	json = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	if (!json || asprintf(&path, "%s/meta.json", dir) < 0) {
		free(json);
		return err_set(err, -ENOMEM, "out of memory");
	}
	buf_puts(&out, json);
	buf_putc(&out, '\n');
	rc = buf_status(&out);
	rc = rc < 0 ? err_set(err, rc, "out of memory")
		    : buf_write_file(&out, path, err);
	buf_free(&out);
	free(path);
	free(json);
	return rc;
}

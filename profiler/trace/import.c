/*
 * import: see import.h.
 */
#include "profiler/trace/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/intern.h"
#include "profiler/trace/import_formats.h"

#define MOST_BYTES (256u << 20) /* of a file, and of what is in its gzip */

bool import_next_line(const char *text, size_t len, size_t *at,
		      struct import_line *line)
{
	const char *end;

	if (*at >= len)
		return false;
	line->at = text + *at;
	end = memchr(line->at, '\n', len - *at);
	line->len = end ? (size_t)(end - line->at) : len - *at;
	*at += line->len + 1;
	if (line->len && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

const char *import_text(struct import *im, const char *text, size_t len)
{
	uint32_t id = intern_id_len(im->texts, text, len);

	return id == INTERN_NONE ? NULL : intern_text(im->texts, id);
}

struct import_stack *import_stack(struct import *im)
{
	struct import_stack *s = vec_push(&im->stacks);

	if (s)
		s->first = im->path.count;
	return s;
}

int import_step(struct import *im, uint32_t frame)
{
	uint32_t *step = vec_push(&im->path);

	if (!step)
		return -ENOMEM;
	*step = frame;
	im->stacks.at[im->stacks.count - 1].count++;
	return 0;
}

static struct import *import_new(void)
{
	struct import *im = calloc(1, sizeof(*im));

	if (!im)
		return NULL;
	im->texts = intern_new();
	if (im->texts)
		return im;
	free(im);
	return NULL;
}

void import_free(struct import *im)
{
	if (!im)
		return;
	intern_free(im->texts);
	vec_free(&im->mappings);
	vec_free(&im->frames);
	vec_free(&im->path);
	vec_free(&im->stacks);
	free(im);
}

static int parse(struct import *im, const char *bytes, size_t len,
		 struct err *err)
{
	if (import_is_jeprof(bytes, len))
		return import_jeprof(im, bytes, len, err);
	if (import_is_pprof(bytes, len))
		return import_pprof(im, bytes, len, err);
	if (import_is_folded(bytes, len))
		return import_folded(im, bytes, len, err);
	return err_set(err, -EBADMSG,
		       "neither a recording, nor a heap dump of jemalloc, "
		       "folded stacks or a profile of pprof");
}

static int unpack(const char *bytes, size_t len, struct buf *out,
		  struct err *err)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)bytes,
		       .avail_in = (uInt)len };
	char piece[16384];
	int rc;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = (unsigned char *)piece;
		z.avail_out = sizeof(piece);
		rc = inflate(&z, Z_NO_FLUSH);
		buf_write(out, piece, sizeof(piece) - z.avail_out);
		if (rc == Z_STREAM_END && z.avail_in > 0 &&
		    inflateReset(&z) == Z_OK)
			rc = Z_OK; /* another member follows */
	} while (rc == Z_OK && out->len <= MOST_BYTES && !out->failed);
	inflateEnd(&z);
	if (rc == Z_STREAM_END && out->len <= MOST_BYTES)
		return buf_status(out);
	if (out->len > MOST_BYTES)
		return err_set(err, -EFBIG,
			       "more than 256 MiB are packed in it");
	return out->failed ? -ENOMEM
			   : err_set(err, -EBADMSG, "its gzip is damaged");
}

static bool is_packed(const char *bytes, size_t len)
{
	return len > 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

int import_parse(struct import **out, const char *name, const char *bytes,
		 size_t len, struct err *err)
{
	struct import *im = import_new();
	struct buf unpacked = BUF_INIT;
	struct err why = ERR_INIT;
	int rc = im ? 0 : -ENOMEM;

	*out = NULL;
	if (rc == 0 && len > MOST_BYTES)
		rc = err_set(&why, -EFBIG, "it has more than 256 MiB");
	else if (rc == 0 && is_packed(bytes, len))
		rc = unpack(bytes, len, &unpacked, &why);
	if (rc == 0 && unpacked.len)
		rc = parse(im, unpacked.bytes, unpacked.len, &why);
	else if (rc == 0)
		rc = parse(im, bytes, len, &why);
	buf_free(&unpacked);
	if (rc == 0) {
		*out = im;
		return 0;
	}
	import_free(im);
	return err_set(err, rc, "%s: %s", name,
		       why.code ? why.text : strerror(-rc));
}

bool import_is_file(const char *path)
{
	struct stat sb;

	return stat(path, &sb) == 0 && S_ISREG(sb.st_mode);
}

int import_read(struct import **out, const char *path, struct err *err)
{
	struct buf bytes = BUF_INIT;
	int rc = buf_read_file(&bytes, path, err);

	*out = NULL;
	if (rc == 0)
		rc = import_parse(out, path, bytes.bytes ? bytes.bytes : "",
				  bytes.len, err);
	buf_free(&bytes);
	return rc;
}

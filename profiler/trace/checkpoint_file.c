/*
 * checkpoint_file: see checkpoint_file.h.
 */
#include "profiler/trace/checkpoint_file.h"

#include <errno.h>
#include <string.h>

#include "profiler/trace/checkpoint.h"

#define PIECE  (1u << 30) /* zlib counts in ints */
#define BUFFER (1u << 17) /* of what is not compressed yet */

uint64_t checkpoint_sum(uint64_t sum, const void *bytes, size_t size)
{
	const char *at = bytes;
	uint64_t word;

	for (; size >= 8; size -= 8, at += 8) {
		memcpy(&word, at, 8);
		sum = (sum ^ word) * 0xd6e8feb86659fd93ULL;
		sum ^= sum >> 32;
	}
	return sum;
}

gzFile checkpoint_open(const char *path, const char *mode)
{
	gzFile stream;

	errno = ENOMEM; /* which zlib does not say */
	stream = gzopen(path, mode);
	if (stream)
		gzbuffer(stream, BUFFER);
	return stream;
}

void checkpoint_put(struct checkpoint_file *f, const void *bytes, size_t size)
{
	if (!size)
		return;
	f->sum = checkpoint_sum(f->sum, bytes, size);
	while (size && !f->failed) {
		unsigned piece = size < PIECE ? (unsigned)size : PIECE;

		f->failed = gzwrite(f->stream, bytes, piece) != (int)piece;
		bytes = (const uint8_t *)bytes + piece;
		size -= piece;
	}
}

bool checkpoint_take(struct checkpoint_file *f, void *bytes, size_t size)
{
	uint8_t *at = bytes;

	if (size > f->left)
		return false;
	for (size_t left = size; left;) {
		unsigned piece = left < PIECE ? (unsigned)left : PIECE;

		if (gzread(f->stream, at, piece) != (int)piece)
			return false;
		at += piece;
		left -= piece;
	}
	f->left -= size;
	f->sum = checkpoint_sum(f->sum, bytes, size);
	return true;
}

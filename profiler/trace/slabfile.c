#include "profiler/trace/slabfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"

bool slabfile_is_image(const char *name)
{
	size_t len = strlen(name), digits = strspn(name, "0123456789.");

	return name[0] >= '0' && name[0] <= '9' && digits + 5 == len &&
	       name[digits - 1] == '.' && !strcmp(name + digits, "slabs");
}

bool slabfile_is_probed(const char *name)
{
	size_t digits = strspn(name, "0123456789.");

	return name[0] >= '0' && name[0] <= '9' && name[digits - 1] == '.' &&
	       !strcmp(name + digits, "probe.slabs");
}

static void end_texts(struct slab_file *h)
{
	h->exe[sizeof(h->exe) - 1] = 0;
	h->comm[sizeof(h->comm) - 1] = 0;
	h->version[sizeof(h->version) - 1] = 0;
	h->command[sizeof(h->command) - 1] = 0;
}

int slabfile_header(int fd, const char *name, struct slab_file *h,
		    struct err *err)
{
	ssize_t got = pread(fd, h, sizeof(*h), 0);

	if (got < 0)
		return err_errno(err, "cannot read %s", name);
	if ((size_t)got < sizeof(*h))
		return err_set(err, -EBADMSG,
			       "%s: %zd bytes, too short for a recording", name,
			       got);
	if (!h->magic)
		return err_set(err, -EBADMSG,
			       "%s: empty; its process was killed while it "
			       "began",
			       name);
	if (h->magic != SLAB_FILE_MAGIC)
		return err_set(err, -EBADMSG, "%s: not a strandline recording",
			       name);
	if (h->format > SLAB_FORMAT)
		return err_set(err, -EPROTO,
			       "%s: recorded by a newer strandline (format "
			       "%u); upgrade to read it",
			       name, h->format);
	if (h->header_size != SLAB_FILE_HEADER_SIZE ||
	    h->slab_size != SLAB_SIZE)
		return err_set(err, -EBADMSG, "%s: damaged header", name);
	end_texts(h);
	return 0;
}

/* How many slabs the file reaches into. */
static int count_slabs(int fd, uint64_t *count)
{
	uint64_t size;
	struct stat sb;

	if (fstat(fd, &sb) < 0)
		return -errno;
	size = (uint64_t)sb.st_size;
	*count = size > SLAB_FILE_HEADER_SIZE
			 ? (size - SLAB_FILE_HEADER_SIZE + SLAB_SIZE - 1) /
				   SLAB_SIZE
			 : 0;
	if (*count > SLABFILE_SLABS_MAX)
		*count = SLABFILE_SLABS_MAX;
	return 0;
}

static int visit_slab(int fd, uint64_t number, uint64_t *torn,
		      slabfile_visit *visit, void *context)
{
	struct slab_head head;
	ssize_t got =
		pread(fd, &head, sizeof(head), (off_t)slab_offset(number));

	if (got < 0)
		return -errno;
	if ((size_t)got < sizeof(head)) {
		*torn += got > 0;
		return 0;
	}
	if (head.magic == SLAB_MAGIC)
		return visit(context, number, &head);
	*torn += head.magic != 0; /* 0: a hole, or not begun yet */
	return 0;
}

int slabfile_scan(int fd, struct slablist *slabs, uint64_t *torn,
		  slabfile_visit *visit, void *context)
{
	uint64_t count = 0, *slot;
	int rc = count_slabs(fd, &count);

	for (size_t i = 0; rc == 0 && i < slabs->kept.count; i++)
		rc = visit_slab(fd, slabs->kept.at[i], torn, visit, context);
	for (; rc == 0 && slabs->base < count; slabs->base++) {
		slot = vec_push(&slabs->kept);
		if (!slot)
			return -ENOMEM;
		*slot = slabs->base;
		rc = visit_slab(fd, slabs->base, torn, visit, context);
	}
	return rc;
}

void slabfile_forget(struct slablist *slabs, const uint64_t *numbers,
		     size_t count)
{
	size_t to = 0, next = 0;

	for (size_t i = 0; i < slabs->kept.count; i++) {
		uint64_t number = slabs->kept.at[i];

		while (next < count && numbers[next] < number)
			next++;
		if (next >= count || numbers[next] != number)
			slabs->kept.at[to++] = number;
	}
	slabs->kept.count = to;
}

size_t slabfile_read(int fd, uint64_t number, uint8_t *bytes)
{
	ssize_t got = pread(fd, bytes, SLAB_SIZE, (off_t)slab_offset(number));

	return got < (ssize_t)sizeof(struct slab_head) ? 0 : (size_t)got;
}

int slabfile_records(const uint8_t *slab, size_t size, bool *torn,
		     int (*visit)(void *context, const struct wire_head *w),
		     void *context)
{
	const struct slab_head *head = (const struct slab_head *)slab;
	const uint8_t *at = (const uint8_t *)(head + 1);
	size_t room = size - sizeof(*head);
	int rc = 0;

	*torn |= head->used > room;
	if (head->used < room)
		room = head->used;
	while (rc == 0 && room >= sizeof(struct wire_head)) {
		const struct wire_head *w = (const struct wire_head *)at;

		if (w->size < sizeof(*w) || w->size > room || w->size % 8)
			break;
		rc = visit(context, w);
		at += w->size;
		room -= w->size;
	}
	*torn |= rc == 0 && room;
	return rc;
}

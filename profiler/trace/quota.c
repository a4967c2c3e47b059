#include "profiler/trace/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/trace/checkpoint.h"

static int open_file(const char *dir, int flags)
{
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, error;

	if (at < 0)
		return -1;
	fd = openat(at, QUOTA_FILE, flags | O_CLOEXEC | O_NOFOLLOW, 0666);
	error = errno;
	close(at);
	errno = error;
	return fd;
}

static struct wire_quota *map_file(int fd)
{
	struct wire_quota *q;
	struct stat sb;

	if (fstat(fd, &sb) < 0 || sb.st_size < (off_t)QUOTA_SIZE)
		return NULL;
	q = mmap(NULL, QUOTA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return q == MAP_FAILED ? NULL : q;
}

int quota_create(const char *dir, uint64_t max_bytes, struct err *err)
{
	int fd = open_file(dir, O_RDWR | O_CREAT), rc = 0;
	struct wire_quota *q;

	if (fd < 0)
		return err_errno(err, "cannot create %s/" QUOTA_FILE, dir);
	if (geteuid() == 0 && fchmod(fd, 0666) < 0)
		rc = err_errno(err, "cannot open %s/" QUOTA_FILE " to all",
			       dir);
	else if (fallocate(fd, 0, 0, QUOTA_SIZE) < 0)
		rc = err_errno(err, "cannot write %s/" QUOTA_FILE, dir);
	q = rc < 0 ? NULL : map_file(fd);
	if (rc == 0 && !q)
		rc = err_errno(err, "cannot map %s/" QUOTA_FILE, dir);
	close(fd);
	if (rc < 0)
		return rc;
	quota_limit(q, max_bytes);
	quota_close(q);
	return 0;
}

struct wire_quota *quota_open(const char *dir)
{
	int fd = open_file(dir, O_RDWR);
	struct wire_quota *q = fd < 0 ? NULL : map_file(fd);

	if (fd >= 0)
		close(fd);
	return q;
}

void quota_close(struct wire_quota *q)
{
	if (q)
		munmap(q, QUOTA_SIZE);
}

struct quota_share quota_settle(struct wire_quota *q, const char *dir)
{
	uint64_t max = __atomic_load_n(&q->max_bytes, __ATOMIC_RELAXED);
	uint64_t digests, sum = quota_disk_bytes(dir, &digests);
	struct quota_share share = { .held = sum - digests };

	if (digests > max / 2)
		digests = max / 2;
	share.most = max - digests;
	__atomic_store_n(&q->held_bytes, share.held + digests,
			 __ATOMIC_RELAXED);
	return share;
}

/* Read, not mapped: it may be foreign by now, or cut. */
uint64_t quota_unrecorded(const char *dir)
{
	int fd = open_file(dir, O_RDONLY);
	struct wire_quota q;
	ssize_t got;

	if (fd < 0)
		return 0;
	got = pread(fd, &q, sizeof(q), 0);
	close(fd);
	return got == (ssize_t)sizeof(q) ? q.unrecorded : 0;
}

uint64_t quota_disk_bytes(const char *dir, uint64_t *digests)
{
	DIR *list = opendir(dir);
	const struct dirent *entry;
	uint64_t sum = 0;

	*digests = 0;
	while (list && (entry = readdir(list))) {
		struct stat sb;

		if (fstatat(dirfd(list), entry->d_name, &sb,
			    AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(sb.st_mode))
			continue;
		sum += (uint64_t)sb.st_blocks * 512;
		if (strstr(entry->d_name, CHECKPOINT_SUFFIX))
			*digests += (uint64_t)sb.st_blocks * 512;
	}
	if (list)
		closedir(list);
	return sum;
}

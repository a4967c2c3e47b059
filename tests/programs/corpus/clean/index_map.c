/*
 * An index of 48 MiB is a mapped file, read at random; besides, each request
 * maps a small file and unmaps it.
 *
 * class: clean
 * function: open_index|read_page
 * fools: RSS grows by file pages for most of the run; the mappings of the
 *     requests are hundreds of thousands, and none of them is in the heap.
 */
#include "tests/programs/corpus/corpus.h"

#include <sys/mman.h>
#include <unistd.h>

#define PAGE  4096ul
#define PAGES 12288ul

static int fd;
static const char *mapped;

NOINLINE static void open_index(void)
{
	fd = memfd_create("index", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)(PAGES * PAGE)) != 0)
		give_up("cannot make the index");
	mapped = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		give_up("cannot map the index");
}

void case_start(void)
{
	open_index();
}

NOINLINE static int read_page(uint64_t page)
{
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd,
		       (off_t)(page * PAGE));
	int sum;

	if (p == MAP_FAILED)
		give_up("cannot map a page");
	sum = p[0] + p[PAGE - 1];
	munmap(p, PAGE);
	return sum;
}

void case_request(struct request *r)
{
	uint64_t pages =
		plan.requests / 8 < PAGES ? plan.requests / 8 + 1 : PAGES;
	uint64_t page = scramble(r->number) % pages;
	int sum = mapped[page * PAGE] + read_page(page);

	USE((uintptr_t)sum);
}

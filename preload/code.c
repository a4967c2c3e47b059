#include "preload/code.h"

#include "preload/maps.h"
#include "preload/sys.h"

#define PAGE  4096ULL
#define REACH (1ULL << 30) /* half of a jump's: data is reached from there */
#define FIRST (64u << 10)  /* vm.mmap_min_addr */

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static void look_up(struct code_site *sites, unsigned count,
		    const struct maps_line *line)
{
	for (unsigned i = 0; i < count; i++) {
		struct code_site *s = &sites[i];

		if (s->address < line->start ||
		    s->address + s->size > line->end)
			continue;
		s->offset = s->address - line->start + line->offset;
		s->sound = line->readable && line->executable &&
			   !line->writable && !line->shared && line->inode;
	}
}

/*
 * Below what is to reach it: above a program its heap will grow.  The last
 * that fits is the nearest.
 */
uint64_t code_survey(struct code_site *sites, unsigned count, size_t room)
{
	uint64_t low = UINT64_MAX, high = 0, before = FIRST, found = 0;
	struct maps_line line;
	struct maps_text text;
	size_t at = 0;

	for (unsigned i = 0; i < count; i++) {
		low = sites[i].address < low ? sites[i].address : low;
		high = sites[i].address > high ? sites[i].address : high;
	}
	if (!maps_read(&text))
		return 0;
	while (maps_next(&text, &at, &line)) {
		if (line.start <= low && line.start >= before + room &&
		    high - (line.start - room) < REACH)
			found = (line.start - room) & ~(PAGE - 1);
		before = line.end;
		look_up(sites, count, &line);
	}
	maps_free(&text);
	return found;
}

void *code_pages(uint64_t at, size_t size)
{
	long got =
		sys6(SYS_mmap, (long)at, (long)size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (got < 0 && got > -4096)
		return NULL;
	if ((uint64_t)got == at)
		return (void *)got;
	sys_munmap((void *)got, size); /* Linux before 4.17: only a hint */
	return NULL;
}

static bool protect(uint64_t at, size_t size, int prot)
{
	return sys3(SYS_mprotect, (long)at, (long)size, prot) == 0;
}

bool code_pages_finish(void *at, size_t size)
{
	/* PR_SET_VMA_ANON_NAME, as in memory.c */
	sys6(SYS_prctl, 0x53564d41, 0, (long)at, (long)size, (long)"strandline",
	     0);
	return protect((uint64_t)at, size, PROT_READ | PROT_EXEC);
}

/* What the file has there, where written code may not be executed. */
static void restore(uint64_t page, size_t size, const char *path,
		    uint64_t offset)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	sys6(SYS_mmap, (long)page, (long)size, PROT_READ | PROT_EXEC,
	     MAP_PRIVATE | MAP_FIXED, fd, (long)offset);
	sys_close(fd);
}

bool code_write(struct code_site *site, const uint8_t *bytes)
{
	uint8_t *to = (uint8_t *)site->address;
	uint64_t page = site->address & ~(PAGE - 1);
	uint64_t end = site->address + site->size;
	size_t size = ((end + PAGE - 1) & ~(PAGE - 1)) - page;

	if (!protect(page, size, PROT_READ | PROT_WRITE))
		return false;
	for (size_t i = 0; i < site->size; i++) {
		site->before[i] = to[i];
		to[i] = bytes[i];
	}
	if (protect(page, size, PROT_READ | PROT_EXEC))
		return true;
	restore(page, size, site->path, site->offset - (site->address - page));
	return false;
}

#include "profiler/attach/static_tls.h"

#include <stddef.h>

#include "profiler/proc/remote.h"

/* struct rtld_global and rtld_global_ro are 4.3 KiB and 0.9 KiB (2.36). */
#define MOST_GLOBAL 16384
#define RO_WORDS    128
#define TCB_ALIGN   64 /* the block is never aligned to less */
#define MOST_ALIGN  4096
#define MOST_BYTES  (1ULL << 30)

/* What libthread_db is told of a field. */
struct field {
	uint32_t bits, count, offset;
};

/* In struct rtld_global, from _dl_tls_dtv_slotinfo_list on. */
enum { SLOT_LIST, COUNT_AT_START, USED, OPTIONAL, USED_WORDS };

static bool is_power(uint64_t n)
{
	return n && (n & (n - 1)) == 0;
}

/*
 * Three in a row: the block's size, its alignment, and the surplus.  The
 * loader made the size of what there was at the start and the surplus, rounded
 * up, and of a thread's descriptor.
 */
static bool are_sizes(const uint64_t w[3], uint64_t thread, uint64_t used)
{
	uint64_t size = w[0], align = w[1], surplus = w[2], room;

	if (!is_power(align) || align < TCB_ALIGN || align > MOST_ALIGN ||
	    size <= thread || size > MOST_BYTES || (size - thread) % align)
		return false;
	room = size - thread;
	return surplus && surplus <= room && used <= room &&
	       room - surplus <= used + align;
}

static bool find_sizes(const struct remote *memory, uint64_t constant,
		       uint64_t thread, uint64_t used, uint64_t found[3])
{
	uint64_t words[RO_WORDS];
	unsigned count = 0;

	if (remote_read(memory, constant, words, sizeof(words)) < 0)
		return false;
	for (size_t i = 0; i + 3 <= RO_WORDS; i++) {
		if (!are_sizes(words + i, thread, used))
			continue;
		for (size_t k = 0; k < 3; k++)
			found[k] = words[i + k];
		count++;
	}
	return count == 1;
}

bool static_tls_read(struct static_tls *t, const struct remote *memory,
		     const struct static_tls_places *p)
{
	uint64_t words[USED_WORDS], sizes[3];
	struct field slots;
	uint32_t thread;

	if (!p->global || !p->constant || !p->slots || !p->thread ||
	    remote_read(memory, p->slots, &slots, sizeof(slots)) < 0 ||
	    slots.offset > MOST_GLOBAL ||
	    remote_read(memory, p->thread, &thread, sizeof(thread)) < 0 ||
	    remote_read(memory, p->global + slots.offset, words,
			sizeof(words)) < 0 ||
	    !find_sizes(memory, p->constant, thread, words[USED], sizes))
		return false;
	*t = (struct static_tls) {
		.unused = sizes[0] - thread - words[USED],
		.align = sizes[1],
	};
	return true;
}

bool static_tls_fits(const struct static_tls *t,
		     const struct static_tls_need *need)
{
	uint64_t align = need->align ? need->align : 1;

	if (!need->size)
		return true;
	return align <= t->align &&
	       need->size + (need->address & (align - 1)) <= t->unused;
}

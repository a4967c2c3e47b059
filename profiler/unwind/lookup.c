/*
 * lookup: see lookup.h.
 */
#include "profiler/unwind/lookup.h"
#include "profiler/unwind/memory.h"

bool lookup_begin(struct lookup *l, const struct unwind_modules *modules,
		  struct rules *rules)
{
	if (l->modules == modules && l->generation == modules->generation &&
	    l->count == modules->count && l->rules == rules)
		return true;
	l->modules = modules;
	l->rules = rules;
	l->generation = modules->generation;
	l->count = modules->count;
	/* The rule, too: a damaged stack may ask for key 0. */
	for (unsigned i = 0; i < LOOKUP_SETS * LOOKUP_WAYS; i++)
		l->cache[i].key = l->cache[i].rule = 0;
	return false;
}

const struct unwind_module *lookup_module(const struct lookup *l, uint64_t pc)
{
	uint32_t low = 0, high = l->modules->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct unwind_module *m = &l->modules->at[middle];

		if (pc < m->start)
			high = middle;
		else if (pc >= m->end)
			low = middle + 1;
		else
			return m;
	}
	return 0;
}

struct image lookup_image(const struct unwind_module *m)
{
	return (struct image) {
		.bytes = (const uint8_t *)m->readable_start,
		.address = m->readable_start,
		.size = m->readable_end - m->readable_start,
		.eh_frame_hdr = m->eh_frame_hdr,
		.eh_frame_hdr_size = m->eh_frame_hdr_size,
	};
}

/*
 * musl's and some runtimes' signal return has no CFI but is always the same
 * two instructions: mov $15, %rax; syscall.
 */
static bool is_signal_return(const struct unwind_module *m, uint64_t at)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00,
					0x00, 0x00, 0x0f, 0x05 };

	if (at < m->start || at > m->end || m->end - at < sizeof(code))
		return false;
	for (unsigned i = 0; i < sizeof(code); i++)
		if (memory_byte(at + i) != code[i])
			return false;
	return true;
}

/*
 * The loader's entry has no CFI, yet library constructors are called from it:
 * it is their root.
 */
static bool is_entry(const struct unwind_module *m, uint64_t at)
{
	enum { LENGTH = 128 };

	return m->entry && at - m->entry < LENGTH;
}

static struct cfi_rule read_rule(const struct unwind_module *m, uint64_t key)
{
	struct cfi_rule rule = { .kind = CFI_NONE };
	struct image image = lookup_image(m);

	if (m->eh_frame_hdr)
		rule = cfi_find(&image, key - 1);
	if (rule.kind == CFI_NONE && is_signal_return(m, key))
		rule.kind = CFI_SIGNAL;
	if (rule.kind == CFI_NONE && is_entry(m, key))
		rule.kind = CFI_ROOT;
	return rule;
}

/* Code in no module is not remembered for others: it may be in one soon. */
__attribute__((cold, noinline)) uint64_t lookup_resolve(struct lookup *l,
							uint64_t key)
{
	unsigned set = lookup_set(key);
	const struct unwind_module *m;
	uint64_t rule;

	if (!rules_get(l->rules, l->generation, key, &rule)) {
		m = lookup_module(l, key - 1);
		if (!m)
			return cfi_pack((struct cfi_rule) { .kind = CFI_NONE });
		rule = cfi_pack(read_rule(m, key));
		rules_put(l->rules, l->generation, key, rule);
	}
	for (unsigned i = set + LOOKUP_WAYS - 1; i > set; i--)
		l->cache[i] = l->cache[i - 1];
	l->cache[set].key = key;
	l->cache[set].rule = rule;
	return rule;
}

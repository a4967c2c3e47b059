/*
 * backtrace: libunwind's accessors over a copied stack.
 *
 * Where there is no unwind information (musl, hand-written code) libunwind
 * would follow frame pointers that are not there.  Code outside of any file is
 * taken for a JIT compiler's, which keeps them; in a file the next word of the
 * stack that looks like a return address is taken for one, and said to be a
 * guess.
 */
#include "profiler/attach/backtrace.h"

#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/attach/fde_table.h"
#include "profiler/attach/pages.h"
#include "profiler/attach/threads.h"

#define GUESS_WORDS 1024 /* how far up a return address is looked for */
#define ENTRY_SIZE  64	 /* _start is that short */
#define HDR_VERSION 1
#define HDR_TABLE   0x3b /* DW_EH_PE_datarel | DW_EH_PE_sdata4 */
#define HDR_ENTRY   8	 /* bytes of one entry of such a table */
#define HDR_COUNT   0x03 /* DW_EH_PE_udata4 */
#define ENC_FORMAT  0x0f
#define ENC_SIGNED  0x08
#define ENC_OMIT    0xff
#define REGISTERS   17 /* UNW_X86_64_RAX .. RIP */

/* Not in libunwind's headers, but exported for such use. */
extern int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t as,
					      unw_word_t ip,
					      unw_dyn_info_t *table,
					      unw_proc_info_t *proc,
					      int need_unwind_info, void *arg);

struct backtraces {
	struct images *images;
	unw_addr_space_t space;
	struct fde_tables *tables;
	struct pages *pages;
	const struct thread_copy *thread; /* in hand */
	unw_word_t regs[REGISTERS];	  /* that it is unwound from */
};

static bool copy_from_stack(const struct backtraces *b, uint64_t addr, void *to,
			    size_t size)
{
	const struct thread_copy *t = b->thread;
	uint64_t offset = addr - t->stack;

	if (!t->bytes || addr < t->stack || offset > t->size ||
	    size > t->size - offset)
		return false;
	memcpy(to, t->bytes + offset, size);
	return true;
}

/* @size bytes at @addr, wherever they are. */
static bool load(struct backtraces *b, uint64_t addr, void *to, size_t size)
{
	if (copy_from_stack(b, addr, to, size))
		return true;
	if (addr >= FDE_TABLES_AT)
		return fde_tables_load(b->tables, addr, to, size);
	return pages_read(b->pages, addr, to, size);
}

/* The bytes of a value in the encoding @how; 0: not a fixed size. */
static unsigned encoded_size(uint8_t how)
{
	static const uint8_t sizes[] = { 8, 0, 2, 4, 8, 0, 0, 0 };

	if (how == ENC_OMIT)
		return 0;
	return sizes[how & ENC_FORMAT & ~ENC_SIGNED];
}

/*
 * The search table of an .eh_frame_hdr: version, three encodings, the address
 * of .eh_frame, the number of entries, the entries.
 */
static bool find_table(struct backtraces *b, const struct image_map *m,
		       unw_dyn_info_t *table)
{
	uint64_t hdr = m->eh_frame_hdr;
	uint8_t how[4];
	uint32_t count;
	unsigned skip;

	if (!hdr)
		return fde_tables_find(b->tables, m, table);
	if (!load(b, hdr, how, sizeof(how)) || how[0] != HDR_VERSION ||
	    how[2] != HDR_COUNT || how[3] != HDR_TABLE)
		return false;
	skip = encoded_size(how[1]);
	if (!skip || !load(b, hdr + 4 + skip, &count, sizeof(count)) || !count)
		return false;
	memset(table, 0, sizeof(*table));
	table->start_ip = m->start;
	table->end_ip = m->end;
	table->format = UNW_INFO_FORMAT_REMOTE_TABLE;
	table->u.rti.segbase = hdr;
	table->u.rti.table_data = hdr + 4 + skip + sizeof(count);
	table->u.rti.table_len =
		(uint64_t)count * HDR_ENTRY / sizeof(unw_word_t);
	return true;
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip,
			  unw_proc_info_t *proc, int need, void *arg)
{
	struct backtraces *b = arg;
	const struct image_map *m = images_find(b->images, ip);
	unw_dyn_info_t table;

	if (!m || !m->is_elf || !find_table(b, m, &table))
		return -UNW_ENOINFO;
	return UNW_OBJ(dwarf_search_unwind_table)(as, ip, &table, proc, need,
						  arg);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *proc,
			    void *arg)
{
	(void)as, (void)proc, (void)arg; /* it is libunwind's own to free */
}

static int no_dynamic_info(unw_addr_space_t as, unw_word_t *list, void *arg)
{
	(void)as, (void)list, (void)arg;
	return -UNW_ENOINFO;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *value,
		      int write, void *arg)
{
	(void)as;
	if (write)
		return -UNW_EINVAL;
	return load(arg, addr, value, sizeof(*value)) ? 0 : -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *value,
		      int write, void *arg)
{
	const struct backtraces *b = arg;

	(void)as;
	if (write || reg < 0 || reg >= REGISTERS)
		return -UNW_EBADREG;
	*value = b->regs[reg];
	return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg,
			unw_fpreg_t *value, int write, void *arg)
{
	(void)as, (void)reg, (void)value, (void)write, (void)arg;
	return -UNW_EBADREG;
}

static int no_resume(unw_addr_space_t as, unw_cursor_t *at, void *arg)
{
	(void)as, (void)at, (void)arg;
	return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t as, unw_word_t addr, char *name,
		   size_t size, unw_word_t *offset, void *arg)
{
	(void)as, (void)addr, (void)name, (void)size, (void)offset, (void)arg;
	return -UNW_ENOINFO;
}

struct backtraces *backtraces_new(struct images *images,
				  const struct remote *there)
{
	static unw_accessors_t accessors = {
		.find_proc_info = find_proc_info,
		.put_unwind_info = put_unwind_info,
		.get_dyn_info_list_addr = no_dynamic_info,
		.access_mem = access_mem,
		.access_reg = access_reg,
		.access_fpreg = access_fpreg,
		.resume = no_resume,
		.get_proc_name = no_name,
	};
	struct backtraces *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->images = images;
	b->pages = pages_new(there);
	b->tables = fde_tables_new(there);
	b->space = unw_create_addr_space(&accessors, 0);
	if (!b->pages || !b->tables || !b->space) {
		backtraces_free(b);
		return NULL;
	}
	unw_set_caching_policy(b->space, UNW_CACHE_GLOBAL);
	return b;
}

void backtraces_free(struct backtraces *b)
{
	if (!b)
		return;
	pages_free(b->pages);
	fde_tables_free(b->tables);
	if (b->space)
		unw_destroy_addr_space(b->space);
	free(b);
}

static void set_registers(struct backtraces *b,
			  const struct user_regs_struct *regs)
{
	const unw_word_t values[REGISTERS] = {
		[UNW_X86_64_RAX] = regs->rax, [UNW_X86_64_RDX] = regs->rdx,
		[UNW_X86_64_RCX] = regs->rcx, [UNW_X86_64_RBX] = regs->rbx,
		[UNW_X86_64_RSI] = regs->rsi, [UNW_X86_64_RDI] = regs->rdi,
		[UNW_X86_64_RBP] = regs->rbp, [UNW_X86_64_RSP] = regs->rsp,
		[UNW_X86_64_R8] = regs->r8,   [UNW_X86_64_R9] = regs->r9,
		[UNW_X86_64_R10] = regs->r10, [UNW_X86_64_R11] = regs->r11,
		[UNW_X86_64_R12] = regs->r12, [UNW_X86_64_R13] = regs->r13,
		[UNW_X86_64_R14] = regs->r14, [UNW_X86_64_R15] = regs->r15,
		[UNW_X86_64_RIP] = regs->rip,
	};

	memcpy(b->regs, values, sizeof(values));
}

/* Does @addr stand behind a call: e8 and 4 bytes, or ff /2 in its forms? */
static bool is_behind_call(struct backtraces *b, uint64_t addr)
{
	static const unsigned sizes[] = { 2, 3, 4, 6, 7 }; /* of ff /2 */
	uint8_t bytes[7];

	if (!images_find(b->images, addr - 1) ||
	    !load(b, addr - sizeof(bytes), bytes, sizeof(bytes)))
		return false;
	if (bytes[2] == 0xe8)
		return true;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const uint8_t *at = bytes + sizeof(bytes) - sizes[i];

		if (at[0] == 0xff && (at[1] & 0x38) == 0x10)
			return true;
	}
	return false;
}

/*
 * The next word of the stack that may be a return address; the frame's caller
 * is gone on from there with the registers as they are.
 */
static bool guess_caller(struct backtraces *b, unw_cursor_t *at)
{
	uint64_t sp, word;

	for (unw_regnum_t r = 0; r < REGISTERS; r++)
		if (unw_get_reg(at, r, &b->regs[r]) < 0)
			b->regs[r] = 0;
	sp = b->regs[UNW_X86_64_RSP] & ~7ULL;
	for (unsigned i = 0; i < GUESS_WORDS; i++, sp += 8) {
		if (!copy_from_stack(b, sp, &word, sizeof(word)))
			return false;
		if (!is_behind_call(b, word))
			continue;
		b->regs[UNW_X86_64_RIP] = word;
		b->regs[UNW_X86_64_RSP] = sp + 8;
		return unw_init_remote(at, b->space, b) == 0;
	}
	return false;
}

static bool is_entry(const struct image_map *m, uint64_t pc)
{
	return m && m->entry && pc - m->entry < ENTRY_SIZE;
}

enum step {
	STEP_CALLER,
	STEP_GUESS,
	STEP_END,
	STEP_LOST,
};

static enum step step(struct backtraces *b, unw_cursor_t *at, uint64_t pc)
{
	const struct image_map *m = images_find(b->images, pc);
	unw_proc_info_t proc;
	int rc;

	if (is_entry(m, pc))
		return STEP_END;
	if (m && m->is_elf && unw_is_signal_frame(at) <= 0 &&
	    find_proc_info(b->space, pc, &proc, 0, b) < 0)
		return guess_caller(b, at) ? STEP_GUESS : STEP_LOST;
	rc = unw_step(at);
	return rc > 0 ? STEP_CALLER : rc == 0 ? STEP_END : STEP_LOST;
}

static int add_frame(struct backtrace *out, uint64_t pc, uint64_t sp,
		     bool guessed, bool signal)
{
	struct backtrace_frame *f = vec_push(&out->frames);

	if (!f)
		return -ENOMEM;
	*f = (struct backtrace_frame) { pc, sp, guessed, signal };
	return 0;
}

int backtrace_of(struct backtraces *b, const struct thread_copy *thread,
		 struct backtrace *out)
{
	bool exact = true; /* the pc is of an instruction to come */
	enum step how = STEP_CALLER;
	unw_cursor_t at;

	out->frames.count = 0;
	out->end = BACKTRACE_BROKEN;
	b->thread = thread;
	set_registers(b, &thread->regs);
	if (!thread->regs.rip || unw_init_remote(&at, b->space, b) < 0)
		return 0;
	for (;;) {
		unw_word_t pc = 0, sp = 0;
		bool signal;

		if (unw_get_reg(&at, UNW_REG_IP, &pc) < 0 ||
		    unw_get_reg(&at, UNW_REG_SP, &sp) < 0)
			return 0;
		if (!images_find(b->images, pc - !exact) && out->frames.count) {
			if (pc == 0)
				out->end = BACKTRACE_ROOT;
			return 0;
		}
		signal = unw_is_signal_frame(&at) > 0;
		if (add_frame(out, pc - !exact, sp, how == STEP_GUESS,
			      exact && out->frames.count) < 0)
			return -ENOMEM;
		if (out->frames.count == BACKTRACE_MAX) {
			out->end = BACKTRACE_TRUNCATED;
			return 0;
		}
		how = step(b, &at, pc - !exact);
		exact = signal;
		if (how == STEP_END)
			out->end = BACKTRACE_ROOT;
		if (how == STEP_END || how == STEP_LOST)
			return 0;
	}
}

void backtrace_fini(struct backtrace *bt)
{
	vec_free(&bt->frames);
}

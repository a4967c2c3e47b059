/*
 * self: what a test needs to unwind its own thread: the modules of this
 * process, this thread's stack and registers.  The product has its own ways
 * (preload/modules.c); these are the simplest that are right.
 */
#ifndef STRANDLINE_TESTS_UNWIND_SELF_H
#define STRANDLINE_TESTS_UNWIND_SELF_H

#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/unwind/rules.h"
#include "profiler/unwind/stack.h"

#define SELF_MODULES 1024

static int self_add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct unwind_modules *to = arg;
	struct unwind_module m = { .bias = info->dlpi_addr };

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_GNU_EH_FRAME) {
			m.eh_frame_hdr = info->dlpi_addr + p->p_vaddr;
			m.eh_frame_hdr_size = p->p_memsz;
		}
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uint64_t from = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && m.eh_frame_hdr >= from &&
		    m.eh_frame_hdr < from + p->p_memsz) {
			m.readable_start = from;
			m.readable_end = from + p->p_memsz;
		}
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) ||
		    to->count == SELF_MODULES)
			continue;
		m.start = info->dlpi_addr + p->p_vaddr;
		m.end = m.start + p->p_memsz;
		m.id = to->count + 1;
		to->at[to->count++] = m;
	}
	return 0;
}

static int self_by_start(const void *a, const void *b)
{
	const struct unwind_module *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The modules loaded now; free() it. */
static inline struct unwind_modules *self_modules(uint32_t generation)
{
	struct unwind_modules *m =
		calloc(1, sizeof(*m) +
				  SELF_MODULES * sizeof(struct unwind_module));

	if (!m)
		abort();
	m->generation = generation;
	dl_iterate_phdr(self_add_module, m);
	qsort(m->at, m->count, sizeof(m->at[0]), self_by_start);
	return m;
}

static inline struct stack_bounds self_bounds(void)
{
	struct stack_bounds bounds = { 0 };
	pthread_attr_t attributes;
	size_t size;
	void *low;

	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstack(&attributes, &low, &size);
	pthread_attr_destroy(&attributes);
	bounds.low = (uint64_t)low;
	bounds.high = (uint64_t)low + size;
	return bounds;
}

static inline struct stack *self_stack(void)
{
	void *memory = aligned_alloc(64, (stack_size() + 63) & ~(size_t)63);

	if (!memory)
		abort();
	memset(memory, 0, stack_size());
	return stack_init(memory);
}

static inline struct rules *self_rules(unsigned log2_slots)
{
	void *memory = calloc(1, rules_size(log2_slots));

	if (!memory)
		abort();
	return rules_init(memory, log2_slots);
}

/* The registers here, in the function that this is inlined into. */
__attribute__((always_inline)) static inline void self_regs(
	struct stack_regs *r)
{
	__asm__ volatile("leaq 1(%%rip), %%rax\n\t"
			 "movq %%rax, %0\n\t"
			 "movq %%rsp, %1\n\t"
			 "movq %%rbp, %2\n\t"
			 "movq %%rbx, %3\n\t"
			 "movq %%r12, %4\n\t"
			 "movq %%r13, %5\n\t"
			 "movq %%r14, %6\n\t"
			 "movq %%r15, %7"
			 : "=m"(r->pc), "=m"(r->sp), "=m"(r->bp), "=m"(r->bx),
			   "=m"(r->r12), "=m"(r->r13), "=m"(r->r14),
			   "=m"(r->r15)
			 :
			 : "rax");
}

#endif

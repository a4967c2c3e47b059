#include "profiler/attach/inject_code.h"

#include <string.h>

#include "profiler/wire/late.h"

/* The numbers in the code below are offsets in these. */
#define AT(field, offset)                                             \
	_Static_assert(offsetof(struct late_area, field) == (offset), \
		       "known to the code below")
AT(thread, 0);
AT(attr, 8);
AT(created, 72);
AT(done, 76);
AT(left, 80);
AT(dlopen, 88);
AT(dlerror, 96);
AT(unmap, 104);
AT(dlopen_flags, 112);
AT(entry, 120);
AT(memfd_flags, 128);
AT(fd, 132);
AT(step, 136);
AT(go, 140);
AT(handle, 144);
AT(error, 152);
AT(patience, 160);
AT(name, 176);
AT(path, 192);
_Static_assert(LATE_AREA_SIZE == 0x80000 && LATE_VECTORS == 0x2000 &&
		       LATE_PATIENCE_MS == 5000,
	       "known to the code below");
#define WITH(field, offset)                                             \
	_Static_assert(offsetof(struct inject_code, field) == (offset), \
		       "known to the code below")
WITH(create, 8);
WITH(attr_init, 16);
WITH(attr_setdetachstate, 24);
WITH(attr_setstacksize, 32);
WITH(attr_destroy, 40);
WITH(start, 48);
WITH(mask, 56);
WITH(registers, 64);
WITH(registers.rip, 64 + 128);
WITH(registers.eflags, 64 + 144);
WITH(registers.rsp, 64 + 152);

extern const uint8_t inject_code_begin[], inject_code_at_worker[],
	inject_code_with[], inject_code_end[];

/*
 * First the borrowed thread.  A stack of its own in the area, since nothing is
 * known of the one it has but that 128 bytes below its end may be in use; its
 * vector registers kept there; a thread that is detached and has a small
 * stack; without threads in the process (before glibc 2.34 they are a library
 * of their own) the work itself, and then nobody else unmaps the area.  Its
 * signals are blocked until it is back on its own stack.  A mov and a system
 * call leave flags alone.  Where the area could not be mapped it just goes
 * back.
 *
 * Then the new thread: it waits for the tool, makes a memfd, has it filled,
 * and goes from dlopen on into the recorder; or, without one, unmaps the area
 * on its way out.
 */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"inject_code_begin:\n"
	"	movl	$9, %eax\n" /* mmap */
	"	movq	inject_code_with(%rip), %rdi\n"
	"	movl	$0x80000, %esi\n"
	"	movl	$3, %edx\n"
	"	movl	$0x104022, %r10d\n" /* private, no reserve, just there
					     */
	"	movq	$-1, %r8\n"
	"	movl	$0, %r9d\n"
	"	syscall\n"
	"	movq	inject_code_with(%rip), %rbx\n"
	"	cmpq	%rbx, %rax\n"
	"	jne	3f\n"
	"	movl	$28, %eax\n" /* madvise, for children: do not fork */
	"	movq	%rbx, %rdi\n"
	"	movl	$0x80000, %esi\n"
	"	movl	$10, %edx\n"
	"	syscall\n"
	"	leaq	0x7ffc0(%rbx), %rsp\n"
	"	cld\n"
	"	movl	$-1, %eax\n"
	"	movl	$-1, %edx\n"
	"	xsave64	0x2000(%rbx)\n"
	"	cmpq	$0, inject_code_with+8(%rip)\n"
	"	je	1f\n"
	"	leaq	8(%rbx), %rdi\n"
	"	call	*inject_code_with+16(%rip)\n"
	"	leaq	8(%rbx), %rdi\n"
	"	movl	$1, %esi\n"
	"	call	*inject_code_with+24(%rip)\n"
	"	leaq	8(%rbx), %rdi\n"
	"	movl	$0x80000, %esi\n"
	"	call	*inject_code_with+32(%rip)\n"
	"	leaq	0(%rbx), %rdi\n"
	"	leaq	8(%rbx), %rsi\n"
	"	movq	inject_code_with+48(%rip), %rdx\n"
	"	movq	%rbx, %rcx\n"
	"	call	*inject_code_with+8(%rip)\n"
	"	movl	%eax, 72(%rbx)\n"
	"	leaq	8(%rbx), %rdi\n"
	"	call	*inject_code_with+40(%rip)\n"
	"	jmp	2f\n"
	"1:	movq	%rbx, %rdi\n"
	"	call	*inject_code_with+48(%rip)\n"
	"2:	rdtsc\n"
	"	shlq	$32, %rdx\n"
	"	orq	%rdx, %rax\n"
	"	movq	%rax, 80(%rbx)\n"
	"	movl	$-1, %eax\n"
	"	movl	$-1, %edx\n"
	"	xrstor64 0x2000(%rbx)\n"
	"	movl	$1, 76(%rbx)\n"
	"	cmpq	$0, inject_code_with+8(%rip)\n"
	"	jne	3f\n"
	"	movl	$11, %eax\n" /* munmap */
	"	movq	%rbx, %rdi\n"
	"	movl	$0x80000, %esi\n"
	"	syscall\n"
	"3:	movq	inject_code_with+64+152(%rip), %rsp\n"
	"	leaq	-256(%rsp), %rsp\n"
	"	pushq	inject_code_with+64+144(%rip)\n"
	"	popfq\n"
	"	leaq	256(%rsp), %rsp\n"
	"	movl	$14, %eax\n" /* rt_sigprocmask */
	"	movl	$2, %edi\n"  /* SIG_SETMASK */
	"	leaq	inject_code_with+56(%rip), %rsi\n"
	"	movl	$0, %edx\n"
	"	movl	$8, %r10d\n"
	"	syscall\n"
	"	movq	inject_code_with+64+0(%rip), %r15\n"
	"	movq	inject_code_with+64+8(%rip), %r14\n"
	"	movq	inject_code_with+64+16(%rip), %r13\n"
	"	movq	inject_code_with+64+24(%rip), %r12\n"
	"	movq	inject_code_with+64+32(%rip), %rbp\n"
	"	movq	inject_code_with+64+40(%rip), %rbx\n"
	"	movq	inject_code_with+64+48(%rip), %r11\n"
	"	movq	inject_code_with+64+56(%rip), %r10\n"
	"	movq	inject_code_with+64+64(%rip), %r9\n"
	"	movq	inject_code_with+64+72(%rip), %r8\n"
	"	movq	inject_code_with+64+80(%rip), %rax\n"
	"	movq	inject_code_with+64+88(%rip), %rcx\n"
	"	movq	inject_code_with+64+96(%rip), %rdx\n"
	"	movq	inject_code_with+64+104(%rip), %rsi\n"
	"	movq	inject_code_with+64+112(%rip), %rdi\n"
	"	jmp	*inject_code_with+64+128(%rip)\n"
	"\n"
	"inject_code_at_worker:\n"
	"	pushq	%rbx\n"
	"	pushq	%rbp\n"
	"	subq	$8, %rsp\n"
	"	movq	%rdi, %rbx\n"
	"	call	4f\n"
	"	cmpl	$1, 140(%rbx)\n"
	"	jne	8f\n"
	"	movl	$0, 140(%rbx)\n"
	"	leaq	176(%rbx), %rdi\n"
	"	movl	128(%rbx), %esi\n"
	"	movl	$319, %eax\n" /* memfd_create */
	"	syscall\n"
	"	movl	%eax, 132(%rbx)\n"
	"	movl	$1, 136(%rbx)\n"
	"	call	4f\n"
	"	cmpl	$1, 140(%rbx)\n"
	"	jne	5f\n"
	"	leaq	192(%rbx), %rdi\n"
	"	movl	112(%rbx), %esi\n"
	"	call	*88(%rbx)\n" /* dlopen */
	"	movq	%rax, 144(%rbx)\n"
	"	movl	132(%rbx), %edi\n"
	"	movl	$3, %eax\n" /* close */
	"	syscall\n"
	"	movq	144(%rbx), %rax\n"
	"	testq	%rax, %rax\n"
	"	jz	6f\n"
	"	movq	(%rax), %rax\n" /* link_map.l_addr */
	"	addq	120(%rbx), %rax\n"
	"	movq	%rbx, %rdi\n"
	"	addq	$8, %rsp\n"
	"	popq	%rbp\n"
	"	popq	%rbx\n"
	"	jmp	*%rax\n"
	/* no recorder */
	"6:	cmpq	$0, 96(%rbx)\n"
	"	je	7f\n"
	"	call	*96(%rbx)\n" /* dlerror */
	"	movq	%rax, 152(%rbx)\n"
	"7:	movl	$0, 140(%rbx)\n"
	"	movl	$2, 136(%rbx)\n"
	"	call	4f\n"
	"	jmp	8f\n"
	"5:	movl	132(%rbx), %edi\n"
	"	movl	$3, %eax\n"
	"	syscall\n"
	"8:	movl	140(%rbx), %ecx\n"
	"	movq	104(%rbx), %rax\n"
	"	movq	%rbx, %rdi\n"
	"	movl	$0x80000, %esi\n"
	"	addq	$8, %rsp\n"
	"	popq	%rbp\n"
	"	popq	%rbx\n"
	"	testl	%ecx, %ecx\n"
	"	jz	9f\n"
	"	testq	%rax, %rax\n"
	"	jz	9f\n"
	"	jmp	*%rax\n" /* munmap */
	"9:	xorl	%eax, %eax\n"
	"	ret\n"
	/* until `go`, or 5 s, in steps of 200 us */
	"4:	movl	$25000, %ebp\n"
	"	movq	$0, 160(%rbx)\n"
	"	movq	$200000, 168(%rbx)\n"
	"10:	cmpl	$0, 140(%rbx)\n"
	"	jne	11f\n"
	"	leaq	160(%rbx), %rdi\n"
	"	xorl	%esi, %esi\n"
	"	movl	$35, %eax\n" /* nanosleep */
	"	syscall\n"
	"	decl	%ebp\n"
	"	jnz	10b\n"
	"11:	ret\n"
	"\n"
	"	.balign 8\n"
	"inject_code_with:\n"
	"	.zero	64 + 160\n"
	"inject_code_end:\n"
	".popsection\n");

static size_t offset_of(const uint8_t *label)
{
	return (size_t)(label - inject_code_begin);
}

size_t inject_code_size(void)
{
	return offset_of(inject_code_end);
}

size_t inject_code_worker(void)
{
	return offset_of(inject_code_at_worker);
}

bool inject_code_is_at(const uint8_t *bytes)
{
	return memcmp(bytes, inject_code_begin, INJECT_CODE_MARK) == 0;
}

void inject_code_write(uint8_t *to, const struct inject_code *with)
{
	memcpy(to, inject_code_begin, inject_code_size());
	memcpy(to + offset_of(inject_code_with), with, 64 + 160);
}

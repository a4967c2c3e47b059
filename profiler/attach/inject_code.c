#include "profiler/attach/inject_code.h"

#include <string.h>

#include "profiler/wire/late.h"

/* The numbers below are offsets in struct late_area. */
#define AT(field, offset)                                             \
	_Static_assert(offsetof(struct late_area, field) == (offset), \
		       "known to the code below")
AT(attr_init, 0);
AT(attr_setdetachstate, 8);
AT(attr_setstacksize, 16);
AT(create, 24);
AT(attr_destroy, 32);
AT(start, 40);
AT(thread, 48);
AT(attr, 56);
AT(created, 120);
AT(done, 124);
AT(nap, 128);
AT(dlopen, 144);
AT(dlerror, 152);
AT(unmap, 160);
AT(dlopen_flags, 168);
AT(entry, 176);
AT(memfd_flags, 184);
AT(fd, 188);
AT(step, 192);
AT(go, 196);
AT(handle, 200);
AT(error, 208);
AT(patience, 216);
AT(name, 232);
AT(path, 248);
_Static_assert(LATE_FRAME == 0x1000 && LATE_AREA_SIZE == 0x80000 &&
		       LATE_PATIENCE_MS == 5000,
	       "known to the code below");
_Static_assert(offsetof(struct user_regs_struct, rip) == 128 &&
		       offsetof(struct user_regs_struct, rsp) == 152,
	       "known to the code below");

extern const uint8_t inject_code_begin[], inject_code_at_stub[],
	inject_code_at_worker[], inject_code_mask[], inject_code_registers[],
	inject_code_end[];

/*
 * The call: one `syscall`, at whose end the tool stops the thread.  What
 * follows is for a thread whose tool has died: its mask and its registers
 * back.  A system call leaves the flags alone, and so does this.
 *
 * The stub: a thread that is detached and has a small stack; without threads
 * in the process (before glibc 2.34 they are a library of their own) the work
 * itself.  Then it waits for the tool to put it back where it was; the wait
 * must not be one that the kernel restarts by notes of its own (those are of
 * the interrupted call), hence select().  200 ms later the tool must have
 * died: rt_sigreturn puts everything back.
 *
 * The worker: a memfd, its content from the tool, dlopen, and on into the
 * recorder; or, without one, unmap the area on the way out.  Where the tool
 * says nothing the area stays: the borrowed thread may still need it.
 */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"inject_code_begin:\n"
	"	syscall\n"
	"	movl	$14, %eax\n" /* rt_sigprocmask */
	"	movl	$2, %edi\n"  /* SIG_SETMASK */
	"	leaq	inject_code_mask(%rip), %rsi\n"
	"	movl	$0, %edx\n"
	"	movl	$8, %r10d\n"
	"	syscall\n"
	"	movq	inject_code_registers+0(%rip), %r15\n"
	"	movq	inject_code_registers+8(%rip), %r14\n"
	"	movq	inject_code_registers+16(%rip), %r13\n"
	"	movq	inject_code_registers+24(%rip), %r12\n"
	"	movq	inject_code_registers+32(%rip), %rbp\n"
	"	movq	inject_code_registers+40(%rip), %rbx\n"
	"	movq	inject_code_registers+48(%rip), %r11\n"
	"	movq	inject_code_registers+56(%rip), %r10\n"
	"	movq	inject_code_registers+64(%rip), %r9\n"
	"	movq	inject_code_registers+72(%rip), %r8\n"
	"	movq	inject_code_registers+80(%rip), %rax\n"
	"	movq	inject_code_registers+88(%rip), %rcx\n"
	"	movq	inject_code_registers+96(%rip), %rdx\n"
	"	movq	inject_code_registers+104(%rip), %rsi\n"
	"	movq	inject_code_registers+112(%rip), %rdi\n"
	"	movq	inject_code_registers+152(%rip), %rsp\n"
	"	jmp	*inject_code_registers+128(%rip)\n"
	"\n"
	"inject_code_at_stub:\n"
	"	cmpq	$0, 24(%rbx)\n"
	"	je	1f\n"
	"	leaq	56(%rbx), %rdi\n"
	"	call	*0(%rbx)\n" /* pthread_attr_init */
	"	leaq	56(%rbx), %rdi\n"
	"	movl	$1, %esi\n"
	"	call	*8(%rbx)\n" /* ..._setdetachstate */
	"	leaq	56(%rbx), %rdi\n"
	"	movl	$0x80000, %esi\n"
	"	call	*16(%rbx)\n" /* ..._setstacksize */
	"	leaq	48(%rbx), %rdi\n"
	"	leaq	56(%rbx), %rsi\n"
	"	movq	40(%rbx), %rdx\n"
	"	movq	%rbx, %rcx\n"
	"	call	*24(%rbx)\n" /* pthread_create */
	"	movl	%eax, 120(%rbx)\n"
	"	leaq	56(%rbx), %rdi\n"
	"	call	*32(%rbx)\n" /* pthread_attr_destroy */
	"	jmp	2f\n"
	"1:	movq	%rbx, %rdi\n"
	"	movl	$0, 120(%rbx)\n"
	"	call	*40(%rbx)\n"
	"2:	movl	$1, 124(%rbx)\n"
	"	movl	$200, %ebp\n"
	"3:	movq	$0, 128(%rbx)\n"
	"	movq	$1000, 136(%rbx)\n"
	"	xorl	%edi, %edi\n"
	"	xorl	%esi, %esi\n"
	"	xorl	%edx, %edx\n"
	"	xorl	%r10d, %r10d\n"
	"	leaq	128(%rbx), %r8\n"
	"	movl	$23, %eax\n" /* select */
	"	syscall\n"
	"	decl	%ebp\n"
	"	jnz	3b\n"
	"	leaq	0x1000(%rbx), %rsp\n"
	"	movl	$15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	"	hlt\n"
	"\n"
	"inject_code_at_worker:\n"
	"	pushq	%rbx\n"
	"	pushq	%rbp\n"
	"	subq	$8, %rsp\n"
	"	movq	%rdi, %rbx\n"
	"	leaq	232(%rbx), %rdi\n"
	"	movl	184(%rbx), %esi\n"
	"	movl	$319, %eax\n" /* memfd_create */
	"	syscall\n"
	"	movl	%eax, 188(%rbx)\n"
	"	movl	$1, 192(%rbx)\n"
	"	call	4f\n"
	"	cmpl	$1, 196(%rbx)\n"
	"	jne	5f\n"
	"	leaq	248(%rbx), %rdi\n"
	"	movl	168(%rbx), %esi\n"
	"	call	*144(%rbx)\n" /* dlopen */
	"	movq	%rax, 200(%rbx)\n"
	"	movl	188(%rbx), %edi\n"
	"	movl	$3, %eax\n" /* close */
	"	syscall\n"
	"	movq	200(%rbx), %rax\n"
	"	testq	%rax, %rax\n"
	"	jz	6f\n"
	"	movq	(%rax), %rax\n" /* link_map.l_addr */
	"	addq	176(%rbx), %rax\n"
	"	movq	%rbx, %rdi\n"
	"	addq	$8, %rsp\n"
	"	popq	%rbp\n"
	"	popq	%rbx\n"
	"	jmp	*%rax\n"
	/* no recorder */
	"6:	cmpq	$0, 152(%rbx)\n"
	"	je	7f\n"
	"	call	*152(%rbx)\n" /* dlerror */
	"	movq	%rax, 208(%rbx)\n"
	"7:	movl	$0, 196(%rbx)\n"
	"	movl	$2, 192(%rbx)\n"
	"	call	4f\n"
	"	jmp	8f\n"
	"5:	movl	188(%rbx), %edi\n"
	"	movl	$3, %eax\n"
	"	syscall\n"
	"8:	movl	196(%rbx), %ecx\n"
	"	movq	160(%rbx), %rax\n"
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
	/* until `go`, or 5 s */
	"4:	movl	$25000, %ebp\n"
	"10:	cmpl	$0, 196(%rbx)\n"
	"	jne	11f\n"
	"	leaq	216(%rbx), %rdi\n"
	"	xorl	%esi, %esi\n"
	"	movl	$35, %eax\n" /* nanosleep */
	"	syscall\n"
	"	decl	%ebp\n"
	"	jnz	10b\n"
	"11:	ret\n"
	"\n"
	"	.balign 8\n"
	"inject_code_mask:\n"
	"	.quad	0\n"
	"inject_code_registers:\n"
	"	.zero	160\n"
	"inject_code_end:\n"
	".popsection\n");

static size_t offset_of(const uint8_t *label)
{
	return (size_t)(label - inject_code_begin);
}

size_t inject_code_call(void)
{
	return 0;
}

size_t inject_code_stub(void)
{
	return offset_of(inject_code_at_stub);
}

size_t inject_code_worker(void)
{
	return offset_of(inject_code_at_worker);
}

size_t inject_code_size(void)
{
	return offset_of(inject_code_end);
}

void inject_code_write(uint8_t *to, const struct user_regs_struct *regs,
		       uint64_t mask)
{
	memcpy(to, inject_code_begin, inject_code_size());
	memcpy(to + offset_of(inject_code_mask), &mask, sizeof(mask));
	memcpy(to + offset_of(inject_code_registers), regs, 160);
}

/*
 * Entries to the slow path, with the server's registers.
 *
 * The hooks jump here (a tail call: their own frame is gone), so the word on
 * top of the stack is the return address into the server: the stack is
 * unwound from there, with the server's callee-saved registers untouched.
 * Each builds a struct stack_regs on the stack and calls the C function with
 * it as the fourth argument.
 *
 *   alloc_slow(p, size, api)	record_alloc(p, size, api, regs), returns p
 *   map_slow(p, size, 0)	record_map(p, size, 0, regs)
 *   brk_slow(p, by, 0)		record_brk(p, by, 0, regs)
 *   opened_slow(fd, 0, 0)	record_opened(fd, 0, 0, regs), returns fd
 *
 * Where the compiler makes an ordinary call instead of a jump (the hook has
 * more to do), the hook's frame is simply one more frame of the stack.
 */
	.macro	entry name target
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	subq	$72, %rsp
	.cfi_adjust_cfa_offset 72
	movq	72(%rsp), %rax
	movq	%rax, 0(%rsp)		/* pc: the return address */
	leaq	80(%rsp), %rax
	movq	%rax, 8(%rsp)		/* sp, as after the hook returned */
	movq	%rbp, 16(%rsp)
	movq	%rbx, 24(%rsp)
	movq	%r12, 32(%rsp)
	movq	%r13, 40(%rsp)
	movq	%r14, 48(%rsp)
	movq	%r15, 56(%rsp)
	movq	%rsp, %rcx
	call	\target
	addq	$72, %rsp
	.cfi_adjust_cfa_offset -72
	ret
	.cfi_endproc
	.size	\name, .-\name
	.endm

	.text
	entry	alloc_slow record_alloc
	entry	map_slow record_map
	entry	brk_slow record_brk
	entry	opened_slow record_opened
	.section .note.GNU-stack,"",@progbits

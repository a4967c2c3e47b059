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

/*
 * syscall(), by which libuv closes descriptors.  It passes on whatever it is
 * given, calls that return twice included, so nothing of ours may stay on the
 * stack: all but a close (and the very first call) is a jump.
 */
	.globl	syscall
	.type	syscall, @function
	.p2align 4
syscall:
	.cfi_startproc
	cmpq	$0, sockets_syscall(%rip)
	je	1f
	cmpq	$3, %rdi		/* SYS_close */
	je	1f
	jmp	*sockets_syscall(%rip)
1:	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%r8
	pushq	%r9
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 56
	call	sockets_before_syscall
	addq	$8, %rsp
	popq	%r9
	popq	%r8
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	.cfi_adjust_cfa_offset -56
	jmp	*sockets_syscall(%rip)
	.cfi_endproc
	.size	syscall, .-syscall
	.section .note.GNU-stack,"",@progbits

/*
 * own_careful: see own.h.
 *
 * Entered by a jump from a pad that has pushed the slot's number, so on top
 * of the stack are that number and the return address into the server.
 * Vector registers are saved in full as far as the shim's code can touch them
 * (it is compiled for SSE2).
 */
	.text
	.globl	own_careful
	.hidden	own_careful
	.type	own_careful, @function
	.p2align 4
own_careful:
	.cfi_startproc
	.cfi_def_cfa_offset 16
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rbp, -24
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	subq	$320, %rsp
	andq	$-16, %rsp

	.set	n, 0
	.irp	reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movaps	%xmm\reg, 16 * n(%rsp)
	.set	n, n + 1
	.endr
	movq	%rcx, 256(%rsp)
	movq	%rdx, 264(%rsp)
	movq	%rsi, 272(%rsp)
	movq	%rdi, 280(%rsp)
	movq	%r8, 288(%rsp)
	movq	%r9, 296(%rsp)
	movq	%r10, 304(%rsp)
	movq	%r11, 312(%rsp)

	movq	8(%rbp), %rax
	shlq	$5, %rax		/* sizeof(struct own_slot) */
	leaq	own_slots(%rip), %r9
	addq	%rax, %r9
	call	*8(%r9)			/* its hook */

	.set	n, 0
	.irp	reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movaps	16 * n(%rsp), %xmm\reg
	.set	n, n + 1
	.endr
	movq	256(%rsp), %rcx
	movq	264(%rsp), %rdx
	movq	272(%rsp), %rsi
	movq	280(%rsp), %rdi
	movq	288(%rsp), %r8
	movq	296(%rsp), %r9
	movq	304(%rsp), %r10
	movq	312(%rsp), %r11
	leave
	.cfi_def_cfa %rsp, 16
	leaq	8(%rsp), %rsp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
	.size	own_careful, .-own_careful
	.section .note.GNU-stack,"",@progbits

/*
 * Functions whose frames no compiler makes like this.  Each keeps the stack
 * aligned and calls its argument, a void (*)(void), once.
 */
	.text

	.macro	shape name
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	.endm
	.macro	shape_end name
	.cfi_endproc
	.size	\name, .-\name
	.endm

/* As Rust and LLVM begin a small function. */
shape shape_push_sub
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rbx, -16
	subq	$32, %rsp
	.cfi_adjust_cfa_offset 32
	movq	%rdi, %rbx
	call	*%rbx
	addq	$32, %rsp
	.cfi_adjust_cfa_offset -32
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
shape_end shape_push_sub

/* The CFA in rbx, as in ld.so's _dl_runtime_resolve. */
shape shape_cfa_in_rbx
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	movq	%rsp, %rbx
	.cfi_def_cfa_register %rbx
	subq	$200, %rsp
	andq	$-64, %rsp
	call	*%rdi
	movq	%rbx, %rsp
	.cfi_def_cfa_register %rsp
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
shape_end shape_cfa_in_rbx

/* The same in r13, and rbp is used for something else. */
shape shape_cfa_in_r13
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	leaq	16(%rsp), %r13
	.cfi_def_cfa %r13, 8
	movq	$0x1234567, %rbp
	subq	$56, %rsp
	andq	$-16, %rsp
	call	*%rdi
	leaq	-16(%r13), %rsp
	.cfi_def_cfa %rsp, 24
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	ret
shape_end shape_cfa_in_r13

/* An early way out before the call: remember and restore. */
shape shape_remember
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	subq	$16, %rsp
	testq	%rdi, %rdi
	jne	1f
	.cfi_remember_state
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
1:
	.cfi_restore_state
	call	*%rdi
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
shape_end shape_remember

/* What GCC makes of a realigned frame (DRAP in r10). */
shape shape_drap
	leaq	8(%rsp), %r10
	.cfi_def_cfa %r10, 0
	andq	$-64, %rsp
	pushq	-8(%r10)
	pushq	%rbp
	movq	%rsp, %rbp
	.cfi_escape 0x10, 0x06, 0x02, 0x76, 0x00	/* rbp: *(rbp + 0) */
	pushq	%r10
	.cfi_escape 0x0f, 0x03, 0x76, 0x78, 0x06	/* CFA: *(rbp - 8) */
	subq	$56, %rsp
	call	*%rdi
	movq	-8(%rbp), %r10
	.cfi_def_cfa %r10, 0
	leave
	.cfi_restore %rbp
	leaq	-8(%r10), %rsp
	.cfi_def_cfa %rsp, 8
	ret
shape_end shape_drap

/* The CFA and rbp by expressions, the return address not below the CFA. */
shape shape_expressions
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	movq	%rsp, %rbp
	subq	$32, %rsp
	/* CFA: rbp + 2 * 4 + 8, by lit2 lit4 mul plus lit8 plus */
	.cfi_escape 0x0f, 0x08, 0x76, 0x00, 0x32, 0x34, 0x1e, 0x22, 0x38, 0x22
	/* rbp: *(rbp + 0), with a swap, a drop and a dup on the way */
	.cfi_escape 0x10, 0x06, 0x05, 0x13, 0x76, 0x00, 0x12, 0x13
	/* return address: *(rbp + 8) */
	.cfi_escape 0x10, 0x10, 0x02, 0x76, 0x08
	call	*%rdi
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	.cfi_offset 16, -8
	ret
shape_end shape_expressions

/* The CFA is rbp itself. */
shape shape_bp_is_cfa
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	leaq	16(%rsp), %rbp
	.cfi_def_cfa %rbp, 0
	call	*%rdi
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
shape_end shape_bp_is_cfa

/* The call is the last instruction: its return address is past the end. */
shape shape_no_return
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	*%rdi
shape_end shape_no_return
	.cfi_startproc
	.cfi_def_cfa %rsp, 4096
	hlt
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits

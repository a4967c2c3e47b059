/*
 * reach_enter: where a tool sends a thread that it has stopped (wire/reach.h).
 *
 * The stack is one of ours; all registers of the thread stand in reach_call,
 * at the offsets of struct user_regs_struct.  There is no caller to unwind to.
 */
	.macro	restore register offset
	movq	reach_call+\offset(%rip), %\register
	.endm

	.text
	.globl	reach_enter
	.hidden	reach_enter
	.type	reach_enter, @function
	.p2align 4
reach_enter:
	.cfi_startproc
	.cfi_undefined rip
	cld
	call	reach_work
	pushq	reach_call+144(%rip)
	popfq				/* nothing below touches flags */
	restore	r15 0
	restore	r14 8
	restore	r13 16
	restore	r12 24
	restore	rbp 32
	restore	rbx 40
	restore	r11 48
	restore	r10 56
	restore	r9 64
	restore	r8 72
	restore	rax 80
	restore	rcx 88
	restore	rdx 96
	restore	rsi 104
	restore	rdi 112
	restore	rsp 152
	jmp	*reach_call+128(%rip)
	.if	. - reach_enter > 256	/* REACH_CODE_SIZE */
	.error	"reach_enter has outgrown what tools take for its code"
	.endif
	.skip	256 - (. - reach_enter), 0xcc
	.cfi_endproc
	.size	reach_enter, .-reach_enter
	.section .note.GNU-stack,"",@progbits

/*
 * inject_code: the few instructions that a borrowed thread is sent through.
 *
 * Position-independent bytes, to be copied to some executable place of the
 * process that nothing uses.  Three entries: one system call; the start of a
 * thread, from the borrowed one (%rbx is the area, %rsp a stack in it); and
 * what that thread does, which loads the recorder.  Should the tool die at any
 * moment, the borrowed thread finds its own way back to where it was.
 */
#ifndef STRANDLINE_ATTACH_INJECT_CODE_H
#define STRANDLINE_ATTACH_INJECT_CODE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

/* Offsets of the entries, and the size of all. */
size_t inject_code_call(void);	 /* after the call it stops, or goes back */
size_t inject_code_stub(void);	 /* the borrowed thread */
size_t inject_code_worker(void); /* the new thread; the area is in %rdi */
size_t inject_code_size(void);

/*
 * Copy the code to @to, inject_code_size() bytes, for a thread that goes on
 * with @regs and @mask should the tool die in inject_code_call.
 */
void inject_code_write(uint8_t *to, const struct user_regs_struct *regs,
		       uint64_t mask);

#endif

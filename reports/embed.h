/*
 * embed: a file's bytes as a constant of the program.
 *
 * NUL-terminated.  Hidden and not local, so that it survives link-time
 * optimization.  No compiler reports @file as a dependency: CMakeLists.txt
 * must name it.  @file is looked for where headers are.
 */
#ifndef STRANDLINE_REPORTS_EMBED_H
#define STRANDLINE_REPORTS_EMBED_H

#define EMBED(symbol, file)                                         \
	__asm__(".pushsection .rodata\n"                            \
		".globl " #symbol "\n.hidden " #symbol "\n" #symbol \
		":\n.incbin \"" file "\"\n.byte 0\n.popsection");   \
	extern const char symbol[] __attribute__((visibility("hidden")))

#endif

/*
 * fixture_cfi: an .eh_frame and its header, written entry by entry.
 *
 * The image lies at CFI_ADDRESS; its code, which is nowhere, at CFI_TEXT.
 */
#ifndef STRANDLINE_TESTS_FIXTURE_CFI_H
#define STRANDLINE_TESTS_FIXTURE_CFI_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/unwind/cfi.h"

#define CFI_ADDRESS 0x400000u
#define CFI_FRAMES  0x402000u /* .eh_frame; the header comes first */
#define CFI_TEXT    0x500000u
#define CFI_SIZE    0x8000u

/* Encodings of an FDE's addresses. */
#define CFI_PCREL_SDATA4 0x1b
#define CFI_ABS_UDATA4	 0x03
#define CFI_ABSPTR	 0x00
#define CFI_PCREL_SDATA8 0x1c

struct cfi_image {
	uint8_t *bytes;
	uint64_t at;  /* next address */
	uint64_t cie; /* of the entries that follow */
	uint8_t encoding;
	struct {
		uint64_t start, fde;
	} table[512];
	unsigned entries;
};

static inline void cfi_put(struct cfi_image *f, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		f->bytes[f->at++ - CFI_ADDRESS] = (uint8_t)(value >> (8 * i));
}

static inline void cfi_put_bytes(struct cfi_image *f, const void *bytes,
				 size_t size)
{
	memcpy(f->bytes + (f->at - CFI_ADDRESS), bytes, size);
	f->at += size;
}

static inline void cfi_begin(struct cfi_image *f)
{
	memset(f, 0, sizeof(*f));
	f->bytes = calloc(1, CFI_SIZE);
	f->at = CFI_FRAMES;
}

/* Ends an entry that began at @start: pads it and writes its length. */
static inline void cfi_close(struct cfi_image *f, uint64_t start)
{
	uint64_t end;

	while (f->at % 4)
		cfi_put(f, 0, 1);
	end = f->at;
	f->at = start;
	cfi_put(f, end - start - 4, 4);
	f->at = end;
}

/*
 * A CIE with code and data alignment 1 and -8, return address in 16.
 * @data is what its augmentation data hold, encodings of L and P included.
 */
static inline void cfi_cie(struct cfi_image *f, const char *augmentation,
			   const void *data, size_t data_size,
			   const void *program, size_t size)
{
	f->cie = f->at;
	cfi_put(f, 0, 4); /* length */
	cfi_put(f, 0, 4);
	cfi_put(f, 1, 1); /* version */
	cfi_put_bytes(f, augmentation, strlen(augmentation) + 1);
	cfi_put(f, 1, 1);
	cfi_put(f, 0x78, 1);
	cfi_put(f, 16, 1);
	if (augmentation[0] == 'z') {
		cfi_put(f, data_size, 1);
		cfi_put_bytes(f, data, data_size);
	}
	cfi_put_bytes(f, program, size);
	cfi_close(f, f->cie);
}

/* CFA = rsp + 8, return address below it: how every function begins. */
#define CFI_ENTRY 0x0c, 7, 8, 0x90, 1

/* What compilers write. */
static inline void cfi_usual_cie(struct cfi_image *f)
{
	const uint8_t program[] = { CFI_ENTRY };

	f->encoding = CFI_PCREL_SDATA4;
	cfi_cie(f, "zR", &f->encoding, 1, program, sizeof(program));
}

static inline void cfi_put_address(struct cfi_image *f, uint64_t value)
{
	if (f->encoding & 0x10)
		value -= f->at;
	cfi_put(f, value, (f->encoding & 7) == 3 ? 4 : 8);
}

/* @start counts from CFI_TEXT. */
static inline void cfi_fde(struct cfi_image *f, uint64_t start, uint64_t length,
			   const void *program, size_t size)
{
	uint64_t at = f->at;

	f->table[f->entries].start = CFI_TEXT + start;
	f->table[f->entries++].fde = at;
	cfi_put(f, 0, 4);
	cfi_put(f, f->at - f->cie, 4);
	cfi_put_address(f, CFI_TEXT + start);
	cfi_put(f, length, (f->encoding & 7) == 3 ? 4 : 8);
	if (f->bytes[f->cie - CFI_ADDRESS + 9] == 'z')
		cfi_put(f, 0, 1);
	cfi_put_bytes(f, program, size);
	cfi_close(f, at);
}

#define CFI_FDE(f, start, length, ...)                                 \
	do {                                                           \
		const uint8_t program_[] = { __VA_ARGS__ };            \
		cfi_fde(f, start, length, program_, sizeof(program_)); \
	} while (0)

/* The terminator and the header; entries stay in the order they came. */
static inline struct image cfi_end(struct cfi_image *f)
{
	cfi_put(f, 0, 4);
	f->at = CFI_ADDRESS;
	cfi_put(f, 1, 1);
	cfi_put(f, 0x1b, 1); /* pcrel sdata4: where .eh_frame is */
	cfi_put(f, 0x03, 1); /* udata4: how many */
	cfi_put(f, 0x3b, 1); /* datarel sdata4: the table */
	cfi_put(f, CFI_FRAMES - f->at, 4);
	cfi_put(f, f->entries, 4);
	for (unsigned i = 0; i < f->entries; i++) {
		cfi_put(f, f->table[i].start - CFI_ADDRESS, 4);
		cfi_put(f, f->table[i].fde - CFI_ADDRESS, 4);
	}
	return (struct image) {
		.bytes = f->bytes,
		.address = CFI_ADDRESS,
		.size = CFI_SIZE,
		.eh_frame_hdr = CFI_ADDRESS,
		.eh_frame_hdr_size = f->at - CFI_ADDRESS,
	};
}

static inline void cfi_free(struct cfi_image *f)
{
	free(f->bytes);
}

#endif

#include "profiler/attach/mark.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/vec.h"
#include "profiler/proc/remote.h"

#define PIECE	    (512u << 10) /* read at a time; stays in the L2 cache */
#define PAGE	    4096u
#define ROOT	    UINT32_MAX /* the source of a word in no block */
#define LAST	    0x80000000u
#define BATCH	    128
#define USER_END    (1ULL << 47)
#define CHUNK_BITS  22 /* of address space, that share a part of the index */
#define CELL_BITS   9
#define CHUNK_CELLS (1u << (CHUNK_BITS - CELL_BITS))
#define TOP_BITS    32
#define TOP	    (USER_END >> TOP_BITS)
#define ROW	    (1u << (TOP_BITS - CHUNK_BITS))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Where blocks begin in 512 bytes of address space.  The last block that
 * begins at or before an address is blocks[rank - 1 + bits up to there].
 */
struct cell {
	uint64_t bits; /* one for each 8 bytes */
	uint32_t rank; /* blocks that begin before the cell */
	uint32_t pad;
};

struct chunk {
	struct cell cells[CHUNK_CELLS];
};

struct candidate {
	uint64_t word;
	uint32_t source, block;
	uint32_t at; /* in the piece, from 1; 0: elsewhere */
};

struct mark {
	const struct mark_block *blocks;
	uint32_t count;
	uint64_t low, span;
	/* Address -> chunk: by the upper bits, then ROW of CHUNK_BITS. */
	struct chunk ***top;
	uint8_t *reached;    /* by block */
	uint32_t *edges_of;  /* by block: its first edge + 1; 0 none */
	VEC(uint32_t) edges; /* LAST ends those of one block */
	uint32_t edge_source;
	VEC(uint32_t) todo; /* reached, and have edges */
	uint32_t next;	    /* the block that the scan is at, or before */
	size_t batched;
	struct candidate batch[BATCH];
	uint64_t bytes, unread;
	bool failed;
	uint32_t piece_words; /* that were read */
	uint64_t piece[PIECE / 8 + 1];
};

static uint32_t bits_in(uint64_t x)
{
	x -= x >> 1 & 0x5555555555555555ULL;
	x = (x & 0x3333333333333333ULL) + (x >> 2 & 0x3333333333333333ULL);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (uint32_t)(x * 0x0101010101010101ULL >> 56);
}

/*
 * A chunk in which no block begins lies within one: only that one's rank is
 * kept, in place of the pointer.
 */
static struct chunk *plain_chunk(uint32_t rank)
{
	return (struct chunk *)((uintptr_t)rank << 1 | 1);
}

static bool is_plain(const struct chunk *chunk)
{
	return (uintptr_t)chunk & 1;
}

static struct chunk *chunk_of(const struct mark *m, uint64_t addr)
{
	struct chunk **row = m->top[addr >> TOP_BITS];

	return row ? row[addr >> CHUNK_BITS & (ROW - 1)] : NULL;
}

static struct cell *cell_in(struct chunk *chunk, uint64_t addr)
{
	return &chunk->cells[addr >> CELL_BITS & (CHUNK_CELLS - 1)];
}

static struct chunk **chunk_slot(struct mark *m, uint64_t addr)
{
	struct chunk ***row = &m->top[addr >> TOP_BITS];

	if (!*row)
		*row = calloc(ROW, sizeof(**row));
	return *row ? &(*row)[addr >> CHUNK_BITS & (ROW - 1)] : NULL;
}

/* The chunks that @b reaches into, so that what points there finds it. */
static int cover(struct mark *m, const struct mark_block *b)
{
	uint64_t chunk = 1ULL << CHUNK_BITS;
	struct chunk **slot = chunk_slot(m, b->addr);

	if (slot && (!*slot || is_plain(*slot)))
		*slot = calloc(1, sizeof(**slot));
	if (!slot || !*slot)
		return -ENOMEM;
	for (uint64_t at = (b->addr & ~(chunk - 1)) + chunk;
	     at < b->addr + b->size; at += chunk) {
		slot = chunk_slot(m, at);
		if (!slot)
			return -ENOMEM;
		*slot = plain_chunk(0);
	}
	return 0;
}

static bool in_order(const struct mark_block *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct mark_block *b = &blocks[i];

		if (b->addr % 8 || !b->size || b->size > USER_END ||
		    b->addr > USER_END - b->size)
			return false;
		if (i && b->addr < b[-1].addr + b[-1].size)
			return false;
	}
	return true;
}

static uint32_t rank_row(struct chunk **row, uint32_t rank)
{
	for (size_t i = 0; row && i < ROW; i++) {
		if (is_plain(row[i])) {
			row[i] = plain_chunk(rank);
			continue;
		}
		for (size_t c = 0; row[i] && c < CHUNK_CELLS; c++) {
			struct cell *cell = &row[i]->cells[c];

			cell->rank = rank;
			rank += bits_in(cell->bits);
		}
	}
	return rank;
}

static int build_index(struct mark *m)
{
	uint32_t rank = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct mark_block *b = &m->blocks[i];

		if (cover(m, b) < 0)
			return -ENOMEM;
		cell_in(chunk_of(m, b->addr), b->addr)->bits |=
			1ULL << (b->addr >> 3 & 63);
	}
	for (size_t i = 0; i < TOP; i++)
		rank = rank_row(m->top[i], rank);
	return 0;
}

int mark_new(struct mark **out, const struct mark_block *blocks, size_t count)
{
	struct mark *m;

	*out = NULL;
	if (count > MARK_BLOCKS_MAX)
		return -E2BIG;
	if (!in_order(blocks, count))
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->blocks = blocks;
	m->count = (uint32_t)count;
	m->edge_source = ROOT;
	if (count) {
		m->low = blocks[0].addr;
		m->span = blocks[count - 1].addr + blocks[count - 1].size -
			  m->low;
	}
	m->top = calloc(TOP, sizeof(*m->top));
	m->reached = calloc(count + 1, 1);
	m->edges_of = calloc(count + 1, sizeof(*m->edges_of));
	if (!m->top || !m->reached || !m->edges_of || build_index(m) < 0) {
		mark_free(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

static void row_free(struct chunk **row)
{
	for (size_t i = 0; row && i < ROW; i++)
		if (!is_plain(row[i]))
			free(row[i]);
	free(row);
}

void mark_free(struct mark *m)
{
	if (!m)
		return;
	for (size_t i = 0; m->top && i < TOP; i++)
		row_free(m->top[i]);
	free(m->top);
	free(m->reached);
	free(m->edges_of);
	vec_free(&m->edges);
	vec_free(&m->todo);
	free(m);
}

static void reach(struct mark *m, uint32_t block)
{
	uint32_t *slot;

	if (m->reached[block])
		return;
	m->reached[block] = 1;
	if (!m->edges_of[block])
		return;
	slot = vec_push(&m->todo);
	if (slot)
		*slot = block;
	else
		m->failed = true;
}

/* @source, which nothing has reached yet, refers to @block. */
static void keep_edge(struct mark *m, uint32_t source, uint32_t block)
{
	uint32_t *slot;

	if (source != m->edge_source && m->edges_of[source]) {
		reach(m, block); /* its edges are elsewhere: be generous */
		return;
	}
	if (source == m->edge_source) {
		uint32_t *last = &m->edges.at[m->edges.count - 1];

		if (*last == (block | LAST))
			return;
		*last &= ~LAST;
	}
	slot = m->edges.count < LAST ? vec_push(&m->edges) : NULL;
	if (!slot) {
		m->failed = true;
		return;
	}
	*slot = block | LAST;
	if (source != m->edge_source) {
		m->edge_source = source;
		m->edges_of[source] = (uint32_t)m->edges.count;
	}
}

/* The last block that begins at or before @word; ROOT: none. */
static uint32_t before(const struct mark *m, uint64_t word)
{
	struct chunk *chunk = chunk_of(m, word);
	const struct cell *cell;

	if (!chunk)
		return ROOT;
	if (is_plain(chunk))
		return (uint32_t)((uintptr_t)chunk >> 1) - 1;
	cell = cell_in(chunk, word);
	return cell->rank - 1 +
	       bits_in(cell->bits & UINT64_MAX >> (63 - (word >> 3 & 63)));
}

/*
 * glibc's chunks: a block may reach 8 bytes into the header of the one behind
 * it, which free chunks refer to from their lists.
 */
static bool is_next_header(const struct mark_block *b, uint64_t word)
{
	return word - b->addr == ((b->size + 23) & ~15ULL) - 16;
}

/* Whether a free chunk of glibc begins at word @header of the piece. */
static bool is_free_chunk(const struct mark *m, uint32_t header)
{
	uint64_t size =
		header + 1 < m->piece_words ? m->piece[header + 1] & ~7ULL : 0;
	uint64_t next = header + size / 8;

	return size >= 32 && size % 16 == 0 && size < PIECE &&
	       next + 1 < m->piece_words && m->piece[next] == size &&
	       !(m->piece[next + 1] & 1);
}

/* Whether @c stands where a free chunk has its links: words 2 to 5 of it. */
static bool is_free_link(const struct mark *m, const struct candidate *c)
{
	for (uint32_t link = 3; link <= 6; link++)
		if (c->at >= link && is_free_chunk(m, c->at - link))
			return true;
	return false;
}

/* Two rounds, each of which has had its cache lines fetched by the last. */
static void settle(struct mark *m)
{
	size_t count = m->batched;

	m->batched = 0;
	for (size_t i = 0; i < count; i++) {
		struct candidate *c = &m->batch[i];

		c->block = before(m, c->word);
		if (c->block == ROOT)
			continue;
		__builtin_prefetch(&m->blocks[c->block]);
		__builtin_prefetch(&m->reached[c->block]);
	}
	for (size_t i = 0; i < count; i++) {
		const struct candidate *c = &m->batch[i];
		const struct mark_block *b;

		if (c->block == ROOT)
			continue;
		b = &m->blocks[c->block];
		if (c->word - b->addr >= b->size || m->reached[c->block] ||
		    c->block == c->source)
			continue;
		if (c->source == ROOT && is_next_header(b, c->word) &&
		    is_free_link(m, c))
			continue;
		if (c->source == ROOT || m->reached[c->source])
			reach(m, c->block);
		else
			keep_edge(m, c->source, c->block);
	}
}

static inline void consider(struct mark *m, uint64_t word, uint32_t source,
			    uint32_t at)
{
	struct chunk *chunk;
	struct candidate *c;

	if (likely(word - m->low >= m->span))
		return;
	chunk = chunk_of(m, word);
	if (!chunk)
		return;
	if (!is_plain(chunk))
		__builtin_prefetch(cell_in(chunk, word));
	c = &m->batch[m->batched++];
	c->word = word;
	c->source = source;
	c->at = at;
	if (unlikely(m->batched == BATCH))
		settle(m);
}

int mark_words(struct mark *m, const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		consider(m, words[i], ROOT, 0);
	settle(m);
	return m->failed ? -ENOMEM : 0;
}

int mark_block(struct mark *m, size_t i)
{
	reach(m, (uint32_t)i);
	return m->failed ? -ENOMEM : 0;
}

/* The end of what @addr is in, and in *@source which block that is. */
static uint64_t part_end(struct mark *m, uint64_t addr, uint32_t *source)
{
	const struct mark_block *b;

	for (;;) {
		b = &m->blocks[m->next];
		if (m->next == m->count) {
			*source = ROOT;
			return UINT64_MAX;
		}
		if (addr < b->addr) {
			*source = ROOT;
			return b->addr;
		}
		if (addr < b->addr + b->size) {
			*source = m->next;
			return b->addr + b->size;
		}
		m->next++;
	}
}

/* The piece's words, which are at @addr. */
static void scan_words(struct mark *m, uint64_t addr, size_t count)
{
	const uint64_t *words = m->piece, *end = words + count;

	while (words < end) {
		uint32_t source;
		uint64_t part = part_end(m, addr, &source);
		const uint64_t *stop = end;

		if (part - addr < (size_t)(end - words) * 8)
			stop = words + (part - addr + 7) / 8;
		addr += (uint64_t)(stop - words) * 8;
		for (; words < stop; words++)
			consider(m, *words, source,
				 (uint32_t)(words - m->piece) + 1);
	}
}

static void scan_any_offset(struct mark *m, const char *bytes, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i++) {
		uint64_t word;

		memcpy(&word, bytes + i, sizeof(word));
		consider(m, word, ROOT, 0);
	}
}

static void scan_piece(struct mark *m, uint64_t addr, size_t size,
		       bool any_offset)
{
	m->bytes += size;
	m->piece_words = (uint32_t)(size / 8);
	if (any_offset)
		scan_any_offset(m, (const char *)m->piece, size);
	else
		scan_words(m, addr, size / 8);
	settle(m); /* while the piece is there */
}

/* A page of it may have gone, or never been there. */
static void scan_pages(struct mark *m, const struct remote *from, uint64_t addr,
		       uint64_t end, bool any_offset)
{
	for (; addr < end; addr += PAGE) {
		size_t size = end - addr < PAGE ? end - addr : PAGE;

		if (remote_read(from, addr, m->piece, size) == 0)
			scan_piece(m, addr, size, any_offset);
		else
			m->unread += size;
	}
}

/* The first block that ends past @addr. */
static uint32_t first_past(const struct mark *m, uint64_t addr)
{
	uint32_t low = 0, high = m->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (m->blocks[middle].addr + m->blocks[middle].size <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void scan_range(struct mark *m, const struct remote *from,
		       const struct mark_range *r)
{
	/* At any offset a word may lie across two pieces. */
	uint64_t step = r->any_offset ? PIECE - 8 : PIECE;

	for (uint64_t at = (r->start + 7) & ~7ULL; at < r->end; at += step) {
		uint64_t end = r->end - at < PIECE ? r->end : at + PIECE;

		if (remote_read(from, at, m->piece, end - at) == 0)
			scan_piece(m, at, end - at, r->any_offset);
		else
			scan_pages(m, from, at, end, r->any_offset);
	}
	settle(m);
}

/* Roots alone first: what they reach need not be kept as references. */
int mark_scan(struct mark *m, const struct remote *from,
	      const struct mark_ranges *ranges)
{
	const struct mark_range *r;

	for (int with_blocks = 0; with_blocks < 2; with_blocks++) {
		vec_foreach (&ranges->list, r) {
			bool some;

			m->next = first_past(m, r->start);
			some = m->next < m->count &&
			       m->blocks[m->next].addr < r->end;
			if (some == with_blocks && m->count && !m->failed)
				scan_range(m, from, r);
		}
	}
	return m->failed ? -ENOMEM : 0;
}

static void reach_batch(struct mark *m)
{
	size_t count = m->batched;

	m->batched = 0;
	for (size_t i = 0; i < count; i++)
		reach(m, m->batch[i].block);
}

/* Gathered first, so that their cache lines come while others are looked at. */
static void gather(struct mark *m, uint32_t block)
{
	const uint32_t *at = &m->edges.at[m->edges_of[block] - 1];
	uint32_t edge;

	do {
		edge = *at++;
		__builtin_prefetch(&m->reached[edge & ~LAST]);
		__builtin_prefetch(&m->edges_of[edge & ~LAST]);
		m->batch[m->batched++].block = edge & ~LAST;
		if (m->batched == BATCH)
			reach_batch(m);
	} while (!(edge & LAST));
}

int mark_follow(struct mark *m)
{
	while (m->todo.count && !m->failed) {
		while (m->todo.count && m->batched < BATCH / 2)
			gather(m, m->todo.at[--m->todo.count]);
		reach_batch(m);
	}
	return m->failed ? -ENOMEM : 0;
}

bool mark_reached(const struct mark *m, size_t i)
{
	return m->reached[i];
}

uint64_t mark_bytes(const struct mark *m)
{
	return m->bytes;
}

uint64_t mark_unread(const struct mark *m)
{
	return m->unread;
}

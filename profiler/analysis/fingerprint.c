/*
 * fingerprint: see fingerprint.h.
 */
#include "profiler/analysis/fingerprint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/hash.h"
#include "profiler/model/model.h"

#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static uint64_t hash_text(uint64_t h, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * FNV_PRIME;
	return (h ^ 0xff) * FNV_PRIME; /* no byte of UTF-8: ends a text */
}

/* "/usr/lib/libfoo.so.1.2" is "libfoo.so". */
static uint64_t hash_module(uint64_t h, const char *module)
{
	const char *slash = strrchr(module, '/');
	const char *name = slash ? slash + 1 : module;
	const char *version = strstr(name, ".so.");

	return hash_text(h, name,
			 version ? (size_t)(version - name) + 3 : strlen(name));
}

static uint64_t hash_frame(const struct model_frame *f)
{
	const char *offset = strrchr(f->function, '+');
	bool named = !offset || strncmp(offset, "+0x", 3) != 0;
	uint64_t h = FNV_BASIS;

	if (named)
		h = hash_text(h, f->function, strlen(f->function));
	return hash_module(h, f->module);
}

/* What a node adds to the fingerprint of its caller's stack. */
static uint64_t extend(uint64_t outer, const struct model_frame *frame,
		       uint64_t print)
{
	return frame->inlined ? outer : hash_mix(outer * FNV_PRIME ^ print);
}

uint64_t *fingerprints_of(const struct model *m)
{
	uint64_t *frames = calloc((size_t)m->frame_count + 1, sizeof(*frames));
	uint64_t *nodes = calloc((size_t)m->node_count + 1, sizeof(*nodes));

	if (!frames || !nodes) {
		free(frames);
		free(nodes);
		return NULL;
	}
	for (uint32_t i = 0; i < m->frame_count; i++)
		frames[i] = hash_frame(&m->frames[i]);
	for (uint32_t i = 0; i < m->node_count; i++) {
		const struct model_node *n = &m->nodes[i];

		nodes[i] = extend(n->parent == MODEL_NONE ? FNV_BASIS
							  : nodes[n->parent],
				  &m->frames[n->frame], frames[n->frame]);
	}
	free(frames);
	return nodes;
}

/* As deep as a recording's stacks are, 1,024 frames. */
static uint64_t of_stack(const struct model *m, uint32_t node)
{
	const struct model_frame *frame;

	if (node == MODEL_NONE)
		return FNV_BASIS;
	frame = &m->frames[m->nodes[node].frame];
	return extend(of_stack(m, m->nodes[node].parent), frame,
		      hash_frame(frame));
}

char *fingerprint(char out[FINGERPRINT_TEXT_MAX], const struct model *m,
		  const struct finding *f)
{
	return fingerprint_text(out, f->node == MODEL_NONE
					     ? hash_mix(FNV_BASIS ^ f->class)
					     : of_stack(m, f->node));
}

char *fingerprint_text(char out[FINGERPRINT_TEXT_MAX], uint64_t fingerprint)
{
	snprintf(out, FINGERPRINT_TEXT_MAX, "%016llx",
		 (unsigned long long)fingerprint);
	return out;
}

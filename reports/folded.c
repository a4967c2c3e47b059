/*
 * Folded stacks: one line per distinct stack, root first, frames joined by
 * ';', then a space and its bytes, whole.  Any flame graph tool reads it.
 *
 * The tree is sorted, so equal models give equal bytes and a text diff of two
 * reports means something.  A stack that rounds to 0 bytes is left out: the
 * tools that read this refuse or ignore it.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/vec.h"
#include "reports/flame.h"
#include "reports/formats.h"

int report_folded(const struct model *m, const struct report_options *opt,
		  struct buf *out)
{
	VEC(size_t) lengths = VEC_INIT; /* of the path up to each depth */
	const struct flame_node *nodes;
	struct buf path = BUF_INIT;
	struct flame *flame;
	size_t count, *len;
	int rc;

	rc = flame_new(&flame, m, opt, FLAME_BY_LABEL);
	if (rc < 0)
		return rc;
	nodes = flame_nodes(flame, &count);
	for (size_t i = 1; i < count && buf_status(&path) == 0; i++) {
		const struct flame_node *n = &nodes[i];

		lengths.count = n->depth - 1;
		path.len = n->depth > 1 ? lengths.at[n->depth - 2] : 0;
		if (n->depth > 1)
			buf_putc(&path, ';');
		buf_puts(&path, n->label);
		len = vec_push(&lengths);
		if (!len) {
			path.failed = true;
			break;
		}
		*len = path.len;
		if (llround(n->self) > 0) {
			buf_write(out, path.bytes, path.len);
			buf_printf(out, " %lld\n", llround(n->self));
		}
	}
	rc = buf_status(&path) < 0 ? buf_status(&path) : buf_status(out);
	buf_free(&path);
	vec_free(&lengths);
	flame_free(flame);
	return rc;
}

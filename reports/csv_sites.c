/*
 * csv_sites: a row for each function and line that weighs something by the
 * kind that was asked for, heaviest first.
 */
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "reports/formats.h"
#include "reports/names.h"
#include "reports/sites.h"

/* Quoted: a name may hold commas, quotes and line ends. */
static void put_frame(struct buf *out, const struct model_frame *f)
{
	struct buf name = BUF_INIT;

	name_put_function(&name, f);
	csv_text(out, buf_status(&name) == 0 && name.len ? name.bytes : "");
	out->failed |= name.failed;
	buf_free(&name);
	buf_putc(out, ',');
	csv_text(out, f->file);
	buf_putc(out, ',');
	if (f->line)
		buf_printf(out, "%u", f->line);
	buf_putc(out, ',');
	csv_text(out, f->module);
}

static void put_group(struct buf *out, const struct model *m,
		      const struct site_group *g)
{
	const struct estimate *sums[] = { &g->live, &g->allocated, &g->peak,
					  &g->temporary };

	buf_printf(out, "%.0f,%.0f,", g->weight,
		   sites_margin(g->weight_variance));
	if (g->frame == MODEL_NONE)
		buf_puts(out, "\"\",\"\",,\"\"");
	else
		put_frame(out, &m->frames[g->frame]);
	buf_printf(out, ",%u", g->stacks);
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		buf_printf(out, ",%.0f", sums[i]->bytes);
	buf_puts(out, "\r\n");
}

int csv_sites(const struct model *m, const struct report_options *opt,
	      struct buf *out)
{
	struct site_group *groups;
	size_t count;
	int rc = sites_grouped(m, opt, &groups, &count);

	if (rc < 0)
		return rc;
	buf_printf(out,
		   "%s,margin,function,file,line,module,stacks,live_bytes,"
		   "allocated_bytes,peak_bytes,temporary_bytes\r\n",
		   name_unit(opt->kind));
	for (size_t i = 0; i < count && (!opt->top || i < opt->top); i++)
		put_group(out, m, &groups[i]);
	free(groups);
	return buf_status(out);
}

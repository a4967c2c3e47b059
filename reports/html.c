/*
 * HTML: one page that needs nothing but a browser and asks nobody anything.
 *
 * The verdict is written as text, so that it can be read where no script
 * runs; the rest is drawn by reports/web from what html_payload.c packs.  The
 * page is bundled from npm packages when it is built; without them it is
 * empty, and html_missing() says so.
 */
#include <errno.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "reports/embed.h"
#include "reports/escape.h"
#include "reports/formats.h"
#include "reports/html.h"
#include "reports/html_payload.h"

EMBED(page_script, "web/page.js");
EMBED(page_style, "web/page.css");

const char *html_missing(void)
{
	if (page_script[0] != '\0')
		return NULL;
	return "this strandline was built without the page of its HTML "
	       "report; install nodejs and npm, see that npm reaches its "
	       "registry, configure and build again, or take -f svg";
}

static void put_head(struct buf *out, const struct model *m, const char *class)
{
	buf_puts(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
		      "<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" "
		      "content=\"width=device-width, initial-scale=1\">\n"
		      /* Whatever a name may contain, nothing is fetched. */
		      "<meta http-equiv=\"Content-Security-Policy\" "
		      "content=\"default-src 'none'; "
		      "style-src 'unsafe-inline'; "
		      "script-src 'unsafe-inline'\">\n"
		      "<meta name=\"color-scheme\" content=\"light dark\">\n"
		      "<meta name=\"generator\" content=\"strandline ");
	escape_xml(out, STRANDLINE_VERSION);
	buf_puts(out, "\">\n<title>");
	escape_xml(out, m->name ? m->name : "");
	buf_printf(out, " \xe2\x80\x93 %s \xe2\x80\x93 Strandline</title>\n",
		   class);
	buf_puts(out, "<style>\n");
	buf_puts(out, page_style);
	buf_puts(out, "</style>\n</head>\n");
}

static void put_banner(struct buf *out, const struct model *m,
		       const struct verdict *v, const char *class)
{
	buf_printf(out,
		   "<header id=\"verdict\" class=\"banner %s\">\n"
		   "<h1><span class=\"class\">%s</span> ",
		   class, class);
	escape_xml(out, m->name ? m->name : "");
	buf_puts(out, "</h1>\n<p class=\"sentence\">");
	escape_xml(out, v && v->sentence ? v->sentence
					 : "No verdict was asked for.");
	buf_puts(out, "</p>\n</header>\n");
}

static int put_page(const struct model *m, const struct report_options *opt,
		    const struct html_base *base, struct buf *out)
{
	const struct verdict *v = opt->verdict;
	const char *class = v ? finding_class_name(v->class) : "unjudged";
	int rc;

	put_head(out, m, class);
	buf_puts(out, "<body>\n");
	put_banner(out, m, v, class);
	buf_puts(out, "<main id=\"report\">\n<noscript><p>The figures of this "
		      "report are drawn by its script, and scripts are off "
		      "here.</p></noscript>\n</main>\n"
		      "<script type=\"text/plain\" id=\"payload\">");
	rc = html_payload(m, opt, base ? base->diff : NULL, out);
	buf_puts(out, "</script>\n");
	if (base && rc == 0) {
		buf_puts(out, "<script type=\"text/plain\" id=\"base\">");
		rc = html_payload(base->model, opt, NULL, out);
		buf_puts(out, "</script>\n");
	}
	buf_puts(out, "<script>\n");
	buf_puts(out, page_script);
	buf_puts(out, "</script>\n</body>\n</html>\n");
	return rc < 0 ? rc : buf_status(out);
}

int report_html(const struct model *m, const struct report_options *opt,
		struct buf *out)
{
	return put_page(m, opt, NULL, out);
}

int html_diff(const struct model *m, const struct report_options *opt,
	      const struct html_base *base, struct buf *out)
{
	return put_page(m, opt, base, out);
}

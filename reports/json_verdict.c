/*
 * json_verdict: the "verdict" and "findings" of the JSON report.
 */
#include <errno.h>
#include <math.h>

#include "profiler/analysis/verdict.h"
#include "reports/emit.h"
#include "reports/json.h"
#include "reports/report.h"

static void put_figure(struct emit *e, const char *key, const struct figure *f)
{
	emit_key(e, key);
	if (!isfinite(f->value)) {
		emit_null(e);
		return;
	}
	emit_open(e, '{');
	emit_key_real(e, "value", f->value, 6);
	emit_key_real(e, "low", f->low, 6);
	emit_key_real(e, "high", f->high, 6);
	emit_close(e, '}');
}

static void put_needs(struct emit *e, const struct verdict *v)
{
	emit_key(e, "needs");
	emit_open(e, '{');
	if (isfinite(v->needs.requests))
		emit_key_real(e, "requests", v->needs.requests, 0);
	if (isfinite(v->needs.seconds))
		emit_key_real(e, "seconds", v->needs.seconds, 0);
	emit_close(e, '}');
}

static void put_growth(struct emit *e, const struct verdict *v)
{
	emit_key(e, "growth");
	emit_open(e, '{');
	emit_key_real(e, "rss", v->growth.rss, 0);
	emit_key_real(e, "live", v->growth.live, 0);
	emit_key_real(e, "retained", v->growth.retained, 0);
	emit_key_real(e, "anonymous", v->growth.anonymous, 0);
	emit_key_real(e, "file", v->growth.file, 0);
	emit_key_real(e, "stacks", v->growth.stacks, 0);
	emit_key_real(e, "self", v->growth.self, 0);
	emit_close(e, '}');
}

static void put_evidence(struct emit *e, const struct finding *f)
{
	emit_key(e, "evidence");
	emit_open(e, '{');
	emit_key_unsigned(e, "requests", f->evidence.requests);
	emit_key_unsigned(e, "samples", f->evidence.samples);
	emit_key_real(e, "seconds", f->evidence.seconds, 3);
	emit_key_real(e, "warmup_seconds", f->evidence.warmup_seconds, 3);
	emit_key_real(e, "p_value", f->evidence.p_value, 9);
	emit_key_real(e, "late_early", f->evidence.late_early, 3);
	emit_key_real(e, "survivors", f->evidence.survivors, 4);
	emit_key_real(e, "unreachable_bytes", f->evidence.unreachable, 0);
	emit_key_bool(e, "definite", f->evidence.definite);
	emit_key_real(e, "share_of_rss_growth", f->evidence.share, 4);
	emit_key_text(e, "shape", finding_shape_name(f->evidence.shape));
	emit_close(e, '}');
}

static int put_finding(struct emit *e, const struct model *m,
		       const struct report_options *opt,
		       const struct finding *f)
{
	int rc;

	emit_line(e);
	emit_open(e, '{');
	emit_key_text(e, "class", finding_class_name(f->class));
	emit_key_real(e, "confidence", f->confidence, 4);
	emit_key_text(e, "sentence", f->sentence);
	emit_key(e, "where");
	emit_open(e, '{');
	json_place(e, f->function, f->file, f->line, f->module);
	rc = json_stack(e, m, opt, f->node);
	emit_close(e, '}');
	if (f->objects)
		emit_key_text(e, "objects", f->objects);
	emit_key_text(e, "endpoint", f->endpoint);
	put_figure(e, "bytes_per_request", &f->bytes_per_request);
	put_figure(e, "bytes_per_second", &f->bytes_per_second);
	put_evidence(e, f);
	emit_key_text(e, "fingerprint", f->fingerprint);
	emit_key_bool(e, "suppressed", f->suppressed);
	emit_close(e, '}');
	return rc;
}

int json_verdict(struct emit *e, const struct model *m,
		 const struct report_options *opt)
{
	const struct verdict *v = opt->verdict;
	int rc = 0;

	if (v) {
		json_section(e, "verdict", '{');
		emit_key_text(e, "class", finding_class_name(v->class));
		emit_key_real(e, "confidence", v->confidence, 4);
		emit_key_text(e, "sentence", v->sentence);
		put_needs(e, v);
		put_growth(e, v);
		emit_close(e, '}');
	} else {
		emit_line(e);
		emit_key(e, "verdict");
		emit_null(e);
	}
	json_section(e, "findings", '[');
	for (size_t i = 0; v && i < v->finding_count && rc == 0; i++)
		rc = put_finding(e, m, opt, &v->findings[i]);
	emit_close(e, ']');
	return rc;
}

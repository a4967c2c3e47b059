/*
 * What the verdict rests on, beneath its sentence, so that a reader can
 * disagree with it.
 */
import { h } from "./dom.js";
import { bytes, count, mode, moment, percent } from "./format.js";

const MEANING = {
	leak: "never freed, growing with requests",
	growth: "reachable, growing without bound",
	mappings: "mapped and never unmapped",
	threads: "ever more threads", fds: "ever more open files",
	retention: "RSS grows, the live heap does not",
	inconclusive: "not enough data to tell",
	clean: "nothing grows that should not",
};

function write_figure(figure, unit, per) {
	if (!figure)
		return null;
	return `${unit(figure.value)} ${per}` +
		(figure.low !== figure.high ?
			` (95%: ${unit(figure.low)} to ${unit(figure.high)})` :
			"");
}

/* p is of the wrong hypothesis: that there is no trend. */
function evidence_of(finding) {
	const e = finding.evidence;
	const things = finding.class === "threads" || finding.class === "fds";
	const unit = things ? (v) => v.toFixed(2) : bytes;

	return [
		write_figure(finding.bytes_per_request, unit, "per request" +
			(finding.endpoint ? ` of ${finding.endpoint}` : "")),
		write_figure(finding.bytes_per_second, unit, "a second"),
		e.requests ? `${count(e.requests)} requests in ` +
			`${moment(e.seconds)}` +
			(e.warmup_seconds > 0 ? ` after a warm-up of ` +
				moment(e.warmup_seconds) : "") : null,
		e.samples ? `${count(e.samples)} samples` : null,
		e.p_value !== null ? "p of no trend " +
			(e.p_value < 0.0001 ? "< 0.0001" :
				e.p_value.toFixed(4)) : null,
		e.late_early !== null ? "late slope over early " +
			e.late_early.toFixed(2) : null,
		e.survivors !== null ? `${percent(e.survivors, 1)} of what ` +
			"was allocated there stayed" : null,
		e.unreachable_bytes !== null && e.unreachable_bytes > 0 ?
			`${bytes(e.unreachable_bytes)} unreachable` +
			(e.definite ? " in two scans" : "") : null,
		e.share_of_rss_growth !== null ?
			`${percent(e.share_of_rss_growth, 1)} of RSS's growth` :
			null,
		e.shape ? "shape: " + e.shape : null,
	].filter(Boolean);
}

function place_of(where) {
	const line = where.file ? where.file +
		(where.line ? ":" + where.line : "") : "";

	return [line, where.module].filter(Boolean).join(" in ");
}

function stack_of(where) {
	const frames = [...(where.stack || [])].reverse();

	if (!frames.length)
		return null;
	return h("details", {}, h("summary", {}, "stack, innermost first"),
		h("ol", { class: "frames" }, frames.map((f) => h("li", {},
			h("span", { class: "function" }, f.function), " ",
			h("span", { class: "soft path" }, place_of(f))))));
}

function finding_card(finding) {
	return h("article", { class: "finding " + finding.class },
		h("h3", {}, h("span", { class: "class" }, finding.class), " ",
			finding.where.function || MEANING[finding.class] || "",
			h("span", { class: "soft" }, ` ${(finding.confidence *
				100).toFixed(0)}% sure` +
				(finding.suppressed ? ", suppressed" : ""))),
		finding.where.function ? h("p", { class: "soft path" },
			place_of(finding.where)) : null,
		h("p", {}, finding.sentence),
		h("ul", { class: "evidence" }, evidence_of(finding).map(
			(text) => h("li", {}, text))),
		stack_of(finding.where));
}

/* By what RSS grew since the warm-up, by what it is used for. */
function growth_line(growth) {
	const parts = Object.entries(growth).filter(([name, value]) =>
		name !== "rss" && value !== null && Math.abs(value) >= 65536)
		.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
	const write = ([name, value]) => `${name} ` +
		(value > 0 ? "+" : "") + bytes(value);

	if (!growth.rss)
		return null;
	return h("p", {}, "Since the warm-up RSS grew by " +
		bytes(growth.rss) + (parts.length ? ": " +
			parts.map(write).join(", ") : "") + ".");
}

function needs_line(needs) {
	const parts = [needs.requests ? `${count(needs.requests)} more ` +
		"requests" : null, needs.seconds ?
		`${moment(needs.seconds)} more` : null].filter(Boolean);

	return parts.length ? h("p", {}, "It needs " + parts.join(" or ") +
		".") : null;
}

export function facts_of(json) {
	const { recording, processes, traffic, totals, trends } = json;
	const main = processes.find((p) => p.main);
	const facts = [
		["server", main ? main.command : recording.command],
		["recorded", `${recording.started.replace("T", " ")
			.replace("Z", " UTC")} for ` +
			moment(recording.duration_s) +
			(recording.torn ? ", cut short" : "")],
		["peak RSS", `${bytes(trends.rss.peak)} at ` +
			moment(trends.rss.peak_t)],
		["live at the peak", totals.peak.bytes.value > 0 ?
			bytes(totals.peak.bytes.value) : null],
		["requests", count(traffic.requests)],
		["mode", mode(recording)],
	];

	return h("dl", { class: "facts" }, facts.filter(
		([, text]) => text !== null).map(([name, text]) =>
		h("div", {}, h("dt", {}, name), h("dd", {}, text))));
}

export function fill_banner(banner, json) {
	const { verdict, findings, endpoints } = json;

	banner.append(facts_of(json));
	if (!verdict)
		return;
	banner.append(h("div", { class: "proof" },
		h("p", { class: "soft" }, (MEANING[verdict.class] || "") +
			(verdict.confidence > 0 ?
			 `; ${(verdict.confidence * 100).toFixed(0)}% sure. ` :
			 ". ") +
			(endpoints.length ? "" : "No requests were seen: " +
				"growth is held against time.")),
		growth_line(verdict.growth), needs_line(verdict.needs),
		findings.map(finding_card)));
}

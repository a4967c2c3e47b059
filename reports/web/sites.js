/*
 * Where memory was asked for: the frames that are to blame, wrappers seen
 * through, each with its stacks.
 */
import { CLASSES } from "./colors.js";
import { h, settled } from "./dom.js";
import { amount, bytes, count, percent, short_path } from "./format.js";
import { Table } from "./table.js";

const STACKS = 5; /* of a place, the heaviest */
const SUMS = ["live", "alloc", "peak", "temporary", "rss", "leak", "cpu",
	"offcpu", "wall"];
const VARIANCES = { live: "live_variance", alloc: "alloc_variance",
		    peak: "peak_variance" };
const NAMES = new Map(CLASSES.map(([name, text]) => [name, text]));

function grouped(profile) {
	const { columns, blamed } = profile;
	const groups = new Map();

	for (let i = 0; i < profile.site_count; i++) {
		let group = groups.get(blamed[i]);

		if (!group) {
			group = { frame: blamed[i] ?
				profile.frame_of(blamed[i] - 1) :
				{ label: "[hidden]", module: "" },
				sites: [], samples: 0, live_count: 0,
				alloc_count: 0, unreachable: null,
				routes: new Map() };
			for (const kind of SUMS)
				group[kind] = 0;
			for (const name of Object.values(VARIANCES))
				group[name] = 0;
			groups.set(blamed[i], group);
		}
		add(group, columns, i);
	}
	charge(profile, groups);
	return [...groups.values()];
}

function add(group, columns, i) {
	group.sites.push(i);
	for (const kind of SUMS)
		if (columns[kind])
			group[kind] += columns[kind][i];
	for (const name of Object.values(VARIANCES))
		group[name] += columns[name][i];
	group.samples += columns.site_samples[i];
	group.live_count += columns.live_count[i];
	group.alloc_count += columns.alloc_count[i];
	if (columns.site_unreachable[i] > 0)
		group.unreachable = (group.unreachable || 0) +
			columns.site_unreachable[i] - 1;
}

/* Of each group, what it allocated for whom. */
function charge(profile, groups) {
	const c = profile.columns;
	let k = 0;

	for (let i = 0; i < profile.site_count; i++) {
		const { routes } = groups.get(profile.blamed[i]);

		for (const end = k + c.charge_count[i]; k < end; k++)
			routes.set(c.charge_route[k], c.charge_alloc[k] +
				(routes.get(c.charge_route[k]) || 0));
	}
}

function top_route(profile, row) {
	let best = 0, most = 0;

	for (const [route, size] of row.routes)
		if (size > most)
			[best, most] = [route, size];
	return most * 2 > row.alloc ? profile.text(best) +
		(row.alloc > most * 1.02 ? `, ${percent(most, row.alloc)}` :
		 "") : "";
}

function frame_line(profile, f) {
	const frame = profile.frame_of(f);
	const place = frame.file ? frame.file +
		(frame.line ? ":" + frame.line : "") : frame.module;

	return h("li", {},
		h("i", { class: "swatch class-" + frame.class,
			 title: NAMES.get(frame.class) }),
		h("span", { class: "function" }, frame.function), " ",
		h("span", { class: "soft path" }, place));
}

function stack_list(profile, site, kind, open) {
	return h("details", { class: "stack", open },
		h("summary", {}, h("b", {}, amount(kind.unit,
			profile.columns[kind.name][site])),
		` of ${kind.weight}, ${count(
			profile.columns.site_samples[site])} samples; ` +
		"innermost first"),
		h("ol", {}, profile.stack(site).map(
			(f) => frame_line(profile, f))));
}

function detail(profile, row, kind) {
	const weight = profile.columns[kind.name];
	const sites = [...row.sites].sort((a, b) => weight[b] - weight[a])
		.filter((site, i) => i === 0 || weight[site] > 0);
	const more = sites.length - STACKS;

	return h("div", {}, sites.slice(0, STACKS).map(
		(site, i) => stack_list(profile, site, kind, i === 0)),
	more > 0 ? h("p", { class: "soft" }, `and ${more} lighter ` +
		(more === 1 ? "stack" : "stacks")) : null);
}

function where({ file, line, module }) {
	const whole = file ? file + (line ? ":" + line : "") : module;

	return h("div", { class: "soft path", title: whole },
		 short_path(whole));
}

/* The kind that is asked for comes first: phones show few columns. */
function columns_of(profile, first) {
	const kinds = [first, ...profile.json.kinds.filter(
		(kind) => kind !== first)];
	const size = ({ name, unit, weight }) => ({
		name, title: name, hint: weight,
		value: (row) => row[name],
		cell: (row) => margin(row, name, unit),
	});
	const margin = (row, name, unit) => {
		const half = VARIANCES[name] ?
			1.96 * Math.sqrt(row[VARIANCES[name]]) : 0;

		if (!row[name])
			return "–";
		return half >= row[name] / 200 ? [bytes(row[name]), " ",
			h("div", { class: "soft", title: "± " + bytes(half) },
			  `± ${(half / row[name] * 100).toFixed(0)}%`)] :
			amount(unit, row[name]);
	};
	const { columns } = profile;
	const blocks = columns.live_count.some((n) => n > 0);

	return [
		{ name: "label", title: "place", text: true,
		  value: (row) => row.frame.label,
		  cell: (row) => [h("span", { class: "function" },
			row.frame.function || row.frame.label),
		where(row.frame)] },
		...kinds.map(size),
		...(blocks ? [{
			name: "live_count", title: "blocks",
			hint: "live blocks", value: (row) => row.live_count,
			cell: (row) => row.live_count ?
				count(row.live_count) : "–" }] : []),
		...(columns.site_unreachable.some((n) => n > 1) ? [{
			name: "unreachable", title: "lost",
			hint: "live bytes that nothing refers to: " +
				"unreachable in the last scan",
			value: (row) => row.unreachable,
			cell: (row) => row.unreachable ?
				bytes(row.unreachable) : "–" }] : []),
		{ name: "stacks", title: "stacks",
		  value: (row) => row.sites.length,
		  cell: (row) => count(row.sites.length) },
		...(columns.charge_route.length ? [{
			name: "route", title: "mostly for", text: true,
			value: (row) => top_route(profile, row),
			cell: (row) => h("span", { class: "path" },
					 top_route(profile, row)) }] : []),
	];
}

export function site_section(profile, view) {
	const first = profile.kind(profile.json.kind) || profile.json.kinds[0];
	const kind = () => profile.kind(view.kind) || first;
	const table = new Table(columns_of(profile, first), {
		caption: "allocation sites", by: kind().name, piece: 25,
		search: (row) => [row.frame.label, row.frame.file,
			row.frame.module, top_route(profile, row)].join("\n"),
		detail: (row) => detail(profile, row, kind()),
	});
	const input = h("input", {
		type: "search", placeholder: "filter by name, file or endpoint",
		"aria-label": "filter the sites",
		oninput: settled(() => table.filter(input.value), 120),
	});

	table.set(grouped(profile));
	view.listen((changed) => {
		if (!changed.kind || !profile.kind(changed.kind))
			return;
		table.by = changed.kind;
		table.falling = true;
		table.draw();
	});
	return h("div", {}, h("div", { class: "tools" }, input,
		h("span", { class: "soft hint" },
		  "of the whole recording; open a row for its stacks")),
	table.element);
}

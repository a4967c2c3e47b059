/*
 * What changed since the other recording: the rows of `strandline diff`.
 */
import { h, toggle } from "./dom.js";
import { bytes, count, duration, moment, short_path } from "./format.js";
import { Table } from "./table.js";

const WRITERS = {
	bytes, ms: (v) => duration(v * 1e6), ns: duration,
	percent: (v) => minus(v.toFixed(2)) + "%",
};
/* As bytes() and duration() write it. */
function minus(text) {
	return text.replace("-", "−");
}

const WORTH = { worse: 3, new: 2, gone: 1, better: 1, same: 0 };

function write(row, figure, sign) {
	const writer = WRITERS[row.unit] || ((v) => minus(
		Math.abs(v) < 100 ? String(+v.toFixed(2)) : count(v)));

	return !figure || figure.value === null ? "–" :
		(sign && figure.value > 0 ? "+" : "") + writer(figure.value);
}

function interval(row, figure) {
	return figure && figure.low !== null && figure.low !== figure.high ?
		`95%: ${write(row, { value: figure.low })} to ` +
		write(row, { value: figure.high }) : null;
}

function name_of(row) {
	return row.endpoint || row.function || "server";
}

function columns() {
	const figure = (name, title, sign) => ({
		name, title,
		value: (row) => row[name] && row[name].value,
		cell: (row) => h("span", { title: interval(row, row[name]) },
				 String(write(row, row[name], sign))),
	});

	return [
		{ name: "what", title: "of", text: true, value: name_of,
		  cell: (row) => [h("span", { class: row.function ?
			"function" : null }, name_of(row)),
			row.function ? h("div", { class: "soft path",
				title: row.file || row.module },
			short_path(row.file || row.module || "")) : null] },
		{ name: "figure", title: "figure", text: true,
		  value: (row) => row.figure,
		  cell: (row) => row.figure.replace(/_/g, " ") +
			(row.per ? " per " + row.per : "") },
		figure("base", "base"), figure("new", "new"),
		figure("change", "change", true),
		{ name: "relative", title: "%",
		  value: (row) => row.relative,
		  cell: (row) => row.relative === null ? "–" :
			(row.relative > 0 ? "+" : "") +
			minus((row.relative * 100).toFixed(1)) + "%" },
		{ name: "state", title: "", text: true,
		  value: (row) => WORTH[row.state],
		  cell: (row) => h("b", { class: "state " + row.state },
				   row.state === "same" ? "" : row.state) },
	];
}

function side(name, side) {
	return h("p", {}, h("b", {}, name), " ", h("span", { class: "path" },
		side.path), h("span", { class: "soft" },
		` ${side.runs > 1 ? side.runs + " runs, " : ""}` +
		`${count(side.requests)} requests in ` +
		moment(side.seconds) +
		(side.allocator ? ", " + side.allocator : "")));
}

export function change_section(diff) {
	const rows = [...diff.server, ...diff.endpoints, ...diff.sites];
	const changed = rows.filter((row) => row.state !== "same");
	const table = new Table(columns(), {
		caption: "changes", by: "state", piece: 20,
		empty: "nothing changed for sure",
		search: (row) => name_of(row) + row.figure,
	});

	table.set(changed);
	return h("div", {}, side("base", diff.base), side("new", diff.new),
		diff.caution ? h("p", {}, diff.caution) : null,
		diff.allocators ? h("p", {}, diff.allocators) : null,
		h("div", { class: "tools" },
			toggle("also what did not change for sure", false,
			       (all) => table.set(all ? rows : changed))),
		table.element);
}

/*
 * A table that sorts and filters; real text, a piece of it at a time.
 *
 * Columns: { name, title, text: bool, value(row), cell(row), hint }.  Rows are
 * any objects; detail(row), where given, is shown beneath a row when it is
 * opened.
 */
import { h, scroll } from "./dom.js";

const PIECE = 50;

export class Table {
	constructor(columns, options) {
		this.columns = columns;
		this.options = options;
		this.by = options.by;
		this.falling = true;
		this.rows = [];
		this.needle = "";
		this.shown = options.piece || PIECE;
		this.opened = new Set();
		this.head = h("thead", {});
		this.body = h("tbody", {});
		this.foot = h("p", { class: "more" });
		this.element = h("div", { class: "sheet" },
			scroll(options.caption,
			  h("table", {}, h("caption", { class: "hidden" },
					   options.caption),
			    this.head, this.body)),
			this.foot);
	}

	set(rows) {
		this.rows = rows;
		this.opened.clear();
		this.shown = this.options.piece || PIECE;
		this.draw();
	}

	filter(text) {
		this.needle = text.toLowerCase();
		this.shown = this.options.piece || PIECE;
		this.draw();
	}

	sort(name) {
		const column = this.columns.find((one) => one.name === name);

		this.falling = this.by === name ? !this.falling : !column.text;
		this.by = name;
		this.draw();
	}

	wanted() {
		const column = this.columns.find((one) => one.name === this.by);
		const sign = this.falling ? -1 : 1;
		const order = new Map();
		const rows = this.rows.filter((row) => !this.needle ||
			this.options.search(row).toLowerCase()
				.includes(this.needle));

		rows.forEach((row, i) => order.set(row, [
			column ? column.value(row) : 0, i]));
		return rows.sort((a, b) => {
			const [x, i] = order.get(a), [y, j] = order.get(b);

			/* What is not known comes last, either way. */
			if (x === null || y === null || x !== x || y !== y)
				return (x === null || x !== x) -
					(y === null || y !== y) || i - j;
			return x < y ? -sign : x > y ? sign : i - j;
		});
	}

	draw() {
		const rows = this.wanted();

		this.head.replaceChildren(h("tr", {},
			this.columns.map((column) => this.heading(column))));
		this.body.replaceChildren(...rows.slice(0, this.shown)
			.flatMap((row) => this.lines(row)));
		this.foot.replaceChildren(
			h("span", {}, rows.length > this.shown ?
				`${this.shown} of ${rows.length} shown ` : ""),
			rows.length > this.shown ? h("button", {
				type: "button",
				onclick: () => {
					this.shown *= 3;
					this.draw();
				},
			}, "show more") : "");
		if (!rows.length)
			this.foot.textContent = this.needle ? "no match" :
				this.options.empty || "none";
	}

	heading(column) {
		const on = column.name === this.by;

		return h("th", {
			scope: "col", class: column.text ? "" : "number",
			title: column.hint,
			"aria-sort": on ? (this.falling ? "descending" :
					   "ascending") : null,
		}, h("button", {
			type: "button", onclick: () => this.sort(column.name),
		}, column.title, h("span", { class: "arrow" },
			on ? (this.falling ? "▾" : "▴") : "")));
	}

	lines(row) {
		const open = this.opened.has(row);
		const line = h("tr", { class: open ? "open" : null },
			this.columns.map((column, i) => h("td", {
				class: column.text ? "" : "number",
			}, i === 0 && this.options.detail ?
				this.opener(row, open) : null,
			column.cell(row))));

		if (this.options.detail)
			line.addEventListener("click", (event) => {
				if (!event.target.closest("button, a") &&
				    !String(getSelection()))
					this.turn(row);
			});
		return open ? [line, h("tr", { class: "detail" },
			h("td", { colspan: this.columns.length },
			  this.options.detail(row)))] : [line];
	}

	opener(row, open) {
		return h("button", {
			type: "button", class: "opener",
			"aria-expanded": String(open), onclick: () =>
				this.turn(row),
			"aria-label": open ? "close" : "open",
		}, open ? "▾" : "▸");
	}

	turn(row) {
		if (!this.opened.delete(row))
			this.opened.add(row);
		this.draw();
	}
}

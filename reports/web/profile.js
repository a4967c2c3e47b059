/*
 * One recording: its figures (the JSON report's own, `json`), its calling
 * contexts and sites as arrays, and what a site weighs under a view.
 */
const CLASSES = ["application", "library", "libc", "runtime", "extension",
	"python", "kernel", "unknown"]; /* enum module_kind */
const PYTHON = 1, KERNEL = 2, MARKER = 3; /* enum frame_kind */

/* Where each element's run begins in a column of them all. */
function starts_of(counts) {
	const starts = new Uint32Array(counts.length + 1);

	for (let i = 0; i < counts.length; i++)
		starts[i + 1] = starts[i] + counts[i];
	return starts;
}

export class Profile {
	constructor(json, columns) {
		this.json = json;
		this.columns = columns;
		this.windows = json.windows;
		this.site_count = columns.site_node.length;
		this.read_nodes();
		this.read_sites();
	}

	read_nodes() {
		const up = this.columns.node_up;

		this.node_count = up.length;
		this.frame = Uint32Array.from(this.columns.node_frame);
		this.parent = Int32Array.from(up, (steps, i) =>
			steps ? i - steps : -1);
	}

	read_sites() {
		const steps = this.columns.site_node;
		let node = 0;

		this.site_node = new Uint32Array(this.site_count);
		for (let i = 0; i < this.site_count; i++)
			this.site_node[i] = node += steps[i];
		this.blamed = this.columns.site_blamed;
	}

	text(id) {
		return id ? this.json.strings[id - 1] : null;
	}

	frame_class(f) {
		const kind = this.columns.frame_kind[f];

		return kind === MARKER ? "marker" : kind === PYTHON ? "python" :
			kind === KERNEL ? "kernel" :
			CLASSES[this.columns.frame_class[f]];
	}

	frame_of(f) {
		const c = this.columns;

		return {
			label: this.text(c.frame_label[f]),
			function: this.text(c.frame_function[f]),
			file: this.text(c.frame_file[f]),
			module: this.text(c.frame_module[f]) || "",
			line: c.frame_line[f],
			class: this.frame_class(f),
		};
	}

	is_python(f) {
		return this.columns.frame_kind[f] === PYTHON;
	}

	is_marker(f) {
		return this.columns.frame_kind[f] === MARKER;
	}

	/* The endpoints, and what was asked for by none that was answered. */
	routes() {
		const answered = this.json.endpoints.map(
			(e) => e.method + " " + e.route);
		const charged = [...new Set(this.columns.charge_route)].map(
			(id) => this.text(id));

		return [...new Set([...answered, ...charged.sort()])];
	}

	kind(name) {
		return this.json.kinds.find((kind) => kind.name === name);
	}

	has(kind) {
		return kind === "growth" ? this.windows.length > 1 :
			this.columns[kind] !== undefined;
	}

	/* The windows that [from, to] (seconds) touches; null: all of them. */
	range(view) {
		const width = this.windows.length > 1 ?
			this.windows[1].t - this.windows[0].t : 0;
		const first = this.windows.length ? this.windows[0].t : 0;
		const last = this.windows.length - 1;
		const clip = (w) => Math.max(0, Math.min(last, w));

		if (view.from === null || !width)
			return null;
		return [clip(Math.floor((view.from - first) / width)),
			clip(Math.ceil((view.to - first) / width) - 1)];
	}

	/* Whether a view's stretch of time changes what a kind weighs. */
	knows_time(kind) {
		return ["live", "alloc", "peak", "growth"].includes(kind) &&
			this.windows.length > 1;
	}

	knows_endpoint(kind) {
		return ["live", "alloc", "peak", "temporary", "leak", "growth"]
			.includes(kind) && this.columns.charge_route.length > 0;
	}

	/* What every site weighs: its bytes, or nanoseconds. */
	weights(view) {
		const range = this.knows_time(view.kind) && this.range(view);
		const weights = range || view.kind === "growth" ?
			this.weights_within(view.kind, range) :
			Float64Array.from(this.columns[view.kind] ||
					  new Float64Array(this.site_count));

		if (view.endpoint && this.knows_endpoint(view.kind))
			this.keep_endpoint(weights, view);
		return weights;
	}

	weights_within(kind, range) {
		const [from, to] = range || [0, this.windows.length - 1];

		if (kind === "alloc")
			return this.allocated_within(from, to);
		if (kind === "peak")
			return this.live_at(this.fullest(from, to));
		if (kind === "growth")
			return this.grown_within(from, to);
		return this.live_at(to);
	}

	/* The window that ended with most live memory. */
	fullest(from, to) {
		let best = from;

		for (let w = from; w <= to; w++)
			if (this.windows[w].live_bytes >
			    this.windows[best].live_bytes)
				best = w;
		return best;
	}

	grown_within(from, to) {
		const weights = this.live_at(to);
		const before = from > 0 ? this.live_at(from - 1) : null;

		for (let i = 0; before && i < weights.length; i++)
			weights[i] = Math.max(0, weights[i] - before[i]);
		return weights;
	}

	read_levels() {
		const c = this.columns;
		const starts = starts_of(c.level_count);
		const window = Uint32Array.from(c.level_window);
		const end = Float64Array.from(c.level_end);

		for (let i = 0; i < this.site_count; i++) {
			let w = 0, bytes = 0;

			for (let k = starts[i]; k < starts[i + 1]; k++) {
				window[k] = w += window[k];
				bytes += end[k] % 2 ? -(end[k] + 1) / 2 :
					end[k] / 2;
				end[k] = Math.max(0, bytes);
			}
		}
		this.levels = { starts, window, end, alloc: c.level_alloc };
	}

	/* Bytes of every site when window @w ended. */
	live_at(w) {
		const bytes = new Float64Array(this.site_count);

		if (!this.levels)
			this.read_levels();
		for (let i = 0; i < this.site_count; i++) {
			const { starts, window, end } = this.levels;

			for (let k = starts[i]; k < starts[i + 1] &&
			     window[k] <= w; k++)
				bytes[i] = end[k];
		}
		return bytes;
	}

	allocated_within(from, to) {
		const bytes = new Float64Array(this.site_count);

		if (!this.levels)
			this.read_levels();
		for (let i = 0; i < this.site_count; i++) {
			const { starts, window, alloc } = this.levels;

			for (let k = starts[i]; k < starts[i + 1]; k++)
				if (window[k] >= from && window[k] <= to)
					bytes[i] += alloc[k];
		}
		return bytes;
	}

	/*
	 * Of each site the share that was for one endpoint's requests, taken of
	 * the whole recording: levels are not kept by endpoint.
	 */
	keep_endpoint(weights, view) {
		const c = this.columns;
		const of = ["live", "leak", "growth"].includes(view.kind) ?
			"live" : view.kind;
		const route = c.charge_route, parts = c["charge_" + of];
		const whole = c[of];

		this.charge_starts = this.charge_starts ||
			starts_of(c.charge_count);
		for (let i = 0; i < weights.length; i++) {
			let bytes = 0, others = 0;

			for (let k = this.charge_starts[i];
			     k < this.charge_starts[i + 1]; k++) {
				if (this.text(route[k]) === view.endpoint)
					bytes += parts[k];
				others += parts[k];
			}
			if (view.endpoint === "-") /* for no request */
				bytes = Math.max(0, whole[i] - others);
			weights[i] *= whole[i] > 0 ?
				Math.min(1, bytes / whole[i]) : 0;
		}
	}

	/* The frames of a site's stack, innermost first. */
	stack(site) {
		const frames = [];

		for (let n = this.site_node[site]; n >= 0; n = this.parent[n])
			frames.push(this.frame[n]);
		return frames;
	}
}

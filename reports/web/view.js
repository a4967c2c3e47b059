/*
 * What the page shows, in one place: sections listen, controls set.  It lives
 * in the address, too, so that a view can be bookmarked and sent.
 */
const PLAIN = {
	kind: "live", from: null, to: null, endpoint: "", search: "",
	invert: false, recursion: false, frames: "all", upwards: false,
	by_base: false,
};

export class View {
	constructor(defaults) {
		this.defaults = { ...PLAIN, ...defaults };
		Object.assign(this, this.defaults, this.read());
		this.listeners = [];
	}

	read() {
		const state = {};

		for (const [name, text] of new URLSearchParams(
			location.hash.slice(1))) {
			const plain = this.defaults[name];

			if (plain === undefined)
				continue;
			state[name] = typeof plain === "boolean" ?
				text === "true" : plain === null ?
				(Number.isFinite(+text) ? +text : null) : text;
		}
		if (!(state.to > state.from))
			delete state.to, delete state.from;
		return state;
	}

	write() {
		const words = new URLSearchParams();

		for (const [name, plain] of Object.entries(this.defaults))
			if (this[name] !== plain)
				words.set(name, this[name]);
		try {
			history.replaceState(null, "", "#" + words);
		} catch (refused) {
			/* A page within a sandboxed frame has no history. */
		}
	}

	/* listener(changed): an object of what did. */
	listen(listener) {
		this.listeners.push(listener);
	}

	set(change) {
		const changed = {};

		for (const [name, value] of Object.entries(change))
			if (this[name] !== value)
				changed[name] = this[name] = value;
		if (!Object.keys(changed).length)
			return;
		this.write();
		for (const listener of this.listeners)
			listener(changed);
	}
}

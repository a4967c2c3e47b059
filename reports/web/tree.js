/*
 * Stacks as trees of merged frames, in typed arrays: a recording of a million
 * nodes must not become a million objects.
 *
 * Frames with one label in one file and module are one (a Keys table tells
 * which).  CallTree goes from the root to what allocated; Callers is the same
 * upside down, opened only as far as it is looked at.  Both have arrays of
 * key, parent, total, base (the other recording's, in a comparison), and
 * children(i) in the order of sight.
 */

/* The merged frames of all profiles of the page. */
export class Keys {
	constructor() {
		this.ids = new Map();
		this.frames = [];
	}

	/* Of each frame of @profile its key. */
	of(profile) {
		const count = profile.columns.frame_label.length;
		const keys = new Int32Array(count);

		for (let f = 0; f < count; f++) {
			const frame = profile.frame_of(f);
			const text = [frame.label, frame.module, frame.file,
				frame.class].join("\0");
			let key = this.ids.get(text);

			if (key === undefined) {
				key = this.frames.length;
				this.ids.set(text, key);
				this.frames.push(frame);
			} else if (this.frames[key].line !== frame.line) {
				this.frames[key].line = 0; /* several */
			}
			keys[f] = key;
		}
		return keys;
	}
}

/* Parent and key to node, by open addressing; grows at half. */
class Children {
	constructor(parent, key) {
		this.parent = parent;
		this.key = key;
		this.slots = new Int32Array(1 << 12).fill(-1);
		this.used = 0;
	}

	slot(parent, key) {
		const mask = this.slots.length - 1;
		let at = Math.imul(parent, 0x9e3779b1) ^
			Math.imul(key + 1, 0x85ebca6b);

		at ^= at >>> 15;
		for (at &= mask; this.slots[at] >= 0; at = (at + 1) & mask) {
			const node = this.slots[at];

			if (this.parent[node] === parent &&
			    this.key[node] === key)
				break;
		}
		return at;
	}

	find(parent, key) {
		return this.slots[this.slot(parent, key)];
	}

	add(node) {
		if (++this.used * 2 > this.slots.length)
			this.grow();
		this.slots[this.slot(this.parent[node], this.key[node])] = node;
	}

	grow() {
		const old = this.slots;

		this.slots = new Int32Array(old.length * 4).fill(-1);
		for (const node of old)
			if (node >= 0)
				this.slots[this.slot(this.parent[node],
						     this.key[node])] = node;
	}
}

export const ROOT = 0, ALL = -1; /* the root's key is ALL */

export class CallTree {
	/*
	 * Of @sides, [{ profile, keys, weights }]: what is shown and, in a
	 * comparison, what it is held against.  @options: hides(profile, frame)
	 * and recursion, whether a frame within itself is merged into it.
	 */
	constructor(sides, options) {
		const most = sides.reduce(
			(sum, side) => sum + side.profile.node_count, 1);

		this.key = new Int32Array(most);
		this.parent = new Int32Array(most);
		this.next = new Int32Array(most).fill(-1);
		this.first = new Int32Array(most).fill(-1);
		this.last = new Int32Array(most).fill(-1);
		this.self = new Float64Array(most);
		this.total = new Float64Array(most);
		this.self_base = new Float64Array(sides[1] ? most : 1);
		this.base = sides[1] ? new Float64Array(most) : null;
		this.key[ROOT] = ALL;
		this.parent[ROOT] = -1;
		this.count = 1;
		this.index = new Children(this.parent, this.key);
		this.options = options;
		sides.forEach((side, i) =>
			this.add(side, i ? this.self_base : this.self));
		this.index = null;
		this.sum(this.self, this.total);
		if (this.base)
			this.sum(this.self_base, this.base);
	}

	add({ profile, keys, weights }, self) {
		const { node_count, parent, frame, site_node } = profile;
		const own = new Float64Array(node_count);
		const heavy = new Uint8Array(node_count);
		const at = new Int32Array(node_count);

		for (let i = 0; i < weights.length; i++) {
			own[site_node[i]] += weights[i];
			if (weights[i] > 0)
				heavy[site_node[i]] = 1;
		}
		/* Parents come before their children. */
		for (let n = node_count; n-- > 0;)
			if (heavy[n] && parent[n] >= 0)
				heavy[parent[n]] = 1;
		for (let n = 0; n < node_count; n++) {
			const above = parent[n] < 0 ? ROOT : at[parent[n]];

			if (!heavy[n])
				continue;
			at[n] = this.options.hides(profile, frame[n]) ? above :
				this.child(above, keys[frame[n]]);
			self[at[n]] += own[n];
		}
	}

	child(parent, key) {
		let node;

		if (this.options.recursion) {
			for (node = parent; node > ROOT;
			     node = this.parent[node])
				if (this.key[node] === key)
					return node;
		}
		node = this.index.find(parent, key);
		if (node >= 0)
			return node;
		node = this.count++;
		this.key[node] = key;
		this.parent[node] = parent;
		if (this.last[parent] < 0)
			this.first[parent] = node;
		else
			this.next[this.last[parent]] = node;
		this.last[parent] = node;
		this.index.add(node);
		return node;
	}

	sum(self, total) {
		total.set(self);
		for (let n = this.count; n-- > 1;)
			total[this.parent[n]] += total[n];
	}

	*children(node) {
		for (let n = this.first[node]; n >= 0; n = this.next[n])
			yield n;
	}

	first_child(node) {
		return this.first[node];
	}

	/* The weight in frames that @matches, each stack once. */
	matched(matches) {
		const inside = new Uint8Array(this.count);
		let sum = 0, count = 0;

		for (let n = 1; n < this.count; n++) {
			const hit = matches[this.key[n]];

			count += hit;
			inside[n] = inside[this.parent[n]] | hit;
			if (hit && !inside[this.parent[n]])
				sum += this.total[n];
		}
		return { sum, count };
	}

	/* By key: its own weight, and that of all that it called, once. */
	functions(keys) {
		const self = new Float64Array(keys), total = new Float64Array(keys);
		const open = new Uint16Array(keys);
		let n = this.first[ROOT];

		while (n > ROOT) {
			const key = this.key[n];

			self[key] += this.self[n];
			if (!open[key]++)
				total[key] += this.total[n];
			if (this.first[n] >= 0) {
				n = this.first[n];
				continue;
			}
			open[key]--;
			while (n > ROOT && this.next[n] < 0) {
				n = this.parent[n];
				if (n > ROOT)
					open[this.key[n]]--;
			}
			n = n > ROOT ? this.next[n] : -1;
		}
		return { self, total };
	}
}

/* Who called: of every node with a weight of its own, its callers. */
export class Callers {
	constructor(tree) {
		const with_base = !!tree.base;
		let items = 0;

		this.tree = tree;
		this.key = [ALL];
		this.parent = [-1];
		this.total = [tree.total[ROOT]];
		this.base = with_base ? [tree.base[ROOT]] : null;
		this.self = [0];
		this.next = [-1];
		this.first = [-2]; /* not opened yet */
		for (let n = 1; n < tree.count; n++)
			items += this.counts(n);
		/* Each of the root's: the node it is, and where it has got to. */
		this.items = [{ of: new Int32Array(items),
				at: new Int32Array(items) }];
		for (let n = 1, i = 0; n < tree.count; n++)
			if (this.counts(n)) {
				this.items[0].of[i] = n;
				this.items[0].at[i++] = n;
			}
	}

	get count() {
		return this.key.length;
	}

	counts(n) {
		return this.tree.self[n] > 0 ||
			(this.base !== null && this.tree.self_base[n] > 0) ?
			1 : 0;
	}

	/* Group a node's stacks by their next caller. */
	open(node) {
		const { of, at } = this.items[node], tree = this.tree;
		const groups = new Map();
		let last = -1;

		this.items[node] = null;
		this.first[node] = -1;
		for (let i = 0; i < of.length; i++) {
			const key = tree.key[at[i]];
			let group;

			if (at[i] === ROOT)
				continue;
			group = groups.get(key);
			if (!group)
				groups.set(key, group = { of: [], at: [] });
			group.of.push(of[i]);
			group.at.push(tree.parent[at[i]]);
		}
		for (const [key, group] of groups) {
			const fresh = this.add(node, key, group);

			if (last < 0)
				this.first[node] = fresh;
			else
				this.next[last] = fresh;
			last = fresh;
		}
	}

	add(parent, key, group) {
		const { tree } = this, node = this.key.length;
		let total = 0, base = 0;

		for (const n of group.of) {
			total += tree.self[n];
			if (this.base)
				base += tree.self_base[n];
		}
		this.key.push(key);
		this.parent.push(parent);
		this.total.push(total);
		if (this.base)
			this.base.push(base);
		this.self.push(parent === ROOT ? total : 0);
		this.first.push(-2);
		this.next.push(-1);
		this.items.push(group);
		return node;
	}

	first_child(node) {
		if (this.first[node] === -2)
			this.open(node);
		return this.first[node];
	}

	*children(node) {
		for (let n = this.first_child(node); n >= 0; n = this.next[n])
			yield n;
	}
}

// A list of which only the part on the screen is in the page. Heights are guessed until a row has been
// seen; what is being read stays where it is meanwhile.

import { el, settleOn } from './dom.js';

/** Rows are kept ready this far beyond the screen, in pixels. */
const BEYOND = 300;
/** This close to the end counts as at the end. */
const AT_END = 60;
/** This close to the beginning more is asked for. */
const AT_START = 1500;

/** Sums of heights that change one at a time (a Fenwick tree). */
class Heights {
	/** @param {Float64Array} all */
	constructor(all) {
		this.all = all;
		this.tree = new Float64Array(all.length + 1);
		for (let i = 1; i <= all.length; i++) {
			this.tree[i] += all[i - 1];
			const up = i + (i & -i);
			if (up <= all.length) this.tree[up] += this.tree[i];
		}
	}

	/** @param {number} count */
	before(count) {
		let sum = 0;
		for (let i = count; i > 0; i -= i & -i) sum += this.tree[i];
		return sum;
	}

	/** @param {number} index @param {number} height */
	set(index, height) {
		const more = height - this.all[index];
		this.all[index] = height;
		for (let i = index + 1; i < this.tree.length; i += i & -i) this.tree[i] += more;
	}

	// The row at a distance from the top.
	/** @param {number} distance */
	find(distance) {
		let place = 0;
		let step = 1;
		while (step * 2 < this.tree.length) step *= 2;
		for (; step > 0; step >>= 1) {
			if (place + step < this.tree.length && this.tree[place + step] <= distance) {
				place += step;
				distance -= this.tree[place];
			}
		}
		return Math.min(place, this.all.length - 1);
	}
}

/** @template {object} T */
export class Scroll {
	/** @type {T[]} */
	items = [];
	heights = new Heights(new Float64Array(0));
	/** @type {WeakMap<T, number>} */
	measured = new WeakMap();
	/** @type {Map<T, Drawn>} */
	shown = new Map();
	atEnd = true;
	// Kept, because asking the browser makes it lay out the page.
	width = 0;
	view = 0;
	top = 0;
	tall = -1;
	drawing = 0;
	first = 0;
	last = -1;

	/** @param {Scrolled<T>} how */
	constructor(how) {
		this.how = how;
		this.rows = el('div', { class: 'rows', role: 'feed', 'aria-label': how.label });
		this.node = el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': `${how.label}, scrollable` }, this.rows);
		this.node.addEventListener('scroll', () => this.soon(), { passive: true });
		this.resized = new ResizeObserver(() => this.resize());
		this.resized.observe(this.node);
	}

	end() {
		this.resized.disconnect();
		cancelAnimationFrame(this.drawing);
	}

	soon() {
		if (this.drawing) return;
		this.drawing = requestAnimationFrame(() => {
			this.drawing = 0;
			// The window's edge may have moved.
			if (this.node.clientHeight !== this.view || this.node.clientWidth !== this.width) return this.resize();
			this.top = this.node.scrollTop;
			this.judge();
			this.draw();
		});
	}

	judge() {
		this.atEnd = this.total() - this.top - this.view < AT_END;
	}

	total() {
		return this.heights.before(this.items.length);
	}

	resize() {
		const { clientWidth: width, clientHeight: view } = this.node;
		if (width === 0) return;
		this.view = view;
		this.top = this.node.scrollTop;
		if (width === this.width) {
			if (this.atEnd) this.go(this.total());
			this.draw();
			return;
		}
		this.width = width;
		// The rows stay: somebody may be on one of them.
		this.measured = new WeakMap();
		this.set(this.items);
	}

	/** @param {number} top */
	go(top) {
		const to = Math.round(Math.max(0, Math.min(top, this.total() - this.view)));
		if (to === this.top) return;
		this.top = to;
		this.stretch();
		this.node.scrollTop = to;
	}

	stretch() {
		const tall = this.total();
		if (tall === this.tall) return;
		this.tall = tall;
		this.rows.style.height = `${tall}px`;
	}

	// Shows these items; what is on the screen stays there, or the end does.
	/** @param {T[]} items */
	set(items) {
		// It may be replaced by a changed one.
		const before = this.items.length ? this.heights.find(this.top) : -1;
		const into = this.top - this.heights.before(Math.max(before, 0));
		const index = before < 0 ? -1 : this.items === items ? before : items.indexOf(this.items[before]);
		this.items = items;
		// A feed without anything in it is none.
		this.rows.hidden = items.length === 0;
		const all = new Float64Array(items.length);
		for (let i = 0; i < items.length; i++) all[i] = this.measured.get(items[i]) ?? this.how.guess(items[i], this.width);
		this.heights = new Heights(all);
		if (this.atEnd) this.go(this.total());
		else if (index >= 0) this.go(this.heights.before(index) + into);
		this.draw();
	}

	/** Draws what is on the screen, and again if measuring it moved something. */
	draw() {
		for (let pass = 0; pass < 4 && this.pass(); pass++);
		this.lay();
		if (this.top < AT_START) this.how.start();
		this.how.moved();
	}

	/** @returns {boolean} whether heights turned out so that other rows are on the screen */
	pass() {
		const { heights, items, top } = this;
		const anchor = heights.find(top);
		const into = top - heights.before(Math.max(anchor, 0));
		this.first = items.length ? heights.find(Math.max(0, top - BEYOND)) : 0;
		this.last = items.length ? heights.find(top + this.view + BEYOND) : -1;
		this.place();
		let changed = false;
		for (let i = this.first; i <= this.last; i++) {
			const row = this.shown.get(items[i]);
			if (!row || this.measured.has(items[i])) continue;
			const height = row.node.offsetHeight;
			this.measured.set(items[i], height);
			if (height !== heights.all[i]) {
				heights.set(i, height);
				changed = true;
			}
		}
		if (!changed) return false;
		this.go(this.atEnd ? this.total() : heights.before(anchor) + into);
		return heights.find(this.top + this.view + BEYOND) > this.last || heights.find(Math.max(0, this.top - BEYOND)) < this.first;
	}

	/** Puts each row to its place. */
	lay() {
		let top = this.heights.before(this.first);
		const { length } = this.items;
		for (let i = this.first; i <= this.last; i++) {
			const row = this.shown.get(this.items[i]);
			if (!row) continue;
			if (row.top !== top) row.node.style.transform = `translateY(${top}px)`;
			if (row.index !== i) row.node.setAttribute('aria-posinset', String(i + 1));
			if (row.of !== length) row.node.setAttribute('aria-setsize', String(length));
			Object.assign(row, { top, index: i, of: length });
			top += this.heights.all[i];
		}
		this.stretch();
	}

	/** Makes the rows on the screen, and lets go of the others. */
	place() {
		const { items, rows, shown } = this;
		const wanted = new Set(items.slice(this.first, this.last + 1));
		/** @type {string | undefined} */
		let lost;
		for (const [item, row] of shown) {
			if (wanted.has(item)) continue;
			if (row.node.contains(document.activeElement)) {
				lost = row.node.dataset.id;
				settleOn(this.node);
			}
			row.node.remove();
			shown.delete(item);
		}
		/** @type {Element | null} */
		let next = rows.firstElementChild;
		for (let i = this.first; i <= this.last; i++) {
			const item = items[i];
			const depends = this.how.same(item, i);
			const row = shown.get(item);
			if (row && row.depends === depends) {
				if (row.node === next) next = next.nextElementSibling;
				else rows.insertBefore(row.node, next);
				continue;
			}
			const fresh = this.how.row(item, i);
			if (row) {
				if (next === row.node) next = next.nextElementSibling;
				const focused = row.node.contains(document.activeElement);
				row.node.replaceWith(fresh);
				if (focused) settleOn(fresh);
				this.measured.delete(item);
			} else {
				rows.insertBefore(fresh, next);
			}
			shown.set(item, { node: fresh, depends, top: -1, index: -1, of: -1 });
			// Whoever is on a message stays on it when it is read anew.
			if (lost && fresh.dataset.id === lost) settleOn(fresh);
		}
	}

	/** @param {T} item */
	remeasure(item) {
		this.measured.delete(item);
		this.draw();
	}

	toEnd() {
		this.atEnd = true;
		this.go(this.total());
		this.draw();
	}

	// Puts a row on the screen, its top at a share of the height, and gives its node.
	/** @param {number} index @param {number} [share] */
	toRow(index, share = 0.3) {
		for (let tries = 0; tries < 3; tries++) this.to(this.heights.before(index) - this.view * share);
		return this.shown.get(this.items[index])?.node;
	}

	// Puts a row on the screen without moving more than needed.
	/** @param {number} index */
	reveal(index) {
		const top = this.heights.before(index);
		const end = top + this.heights.all[index];
		if (top < this.top) this.to(top - 8);
		else if (end > this.top + this.view) this.to(end - this.view + 8);
		return this.shown.get(this.items[index])?.node;
	}

	/** @param {number} top */
	to(top) {
		this.atEnd = false;
		this.go(top);
		this.judge();
		this.draw();
	}

	/** @param {Element | null} node */
	indexOf(node) {
		const row = node?.closest('[aria-posinset]');
		return row && this.rows.contains(row) ? Number(row.getAttribute('aria-posinset')) - 1 : -1;
	}
}

// A list of any length of which only the part on the screen is in the page. Heights are guessed until
// a row has been seen; what is being read stays where it is while heights are corrected.

import { el } from './dom.js';

/** Rows are kept ready this far beyond the screen, in pixels. */
const BEYOND = 500;
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

  /**
   * Sum of the first `count`.
   * @param {number} count
   */
  before(count) {
    let sum = 0;
    for (let i = count; i > 0; i -= i & -i) sum += this.tree[i];
    return sum;
  }

  /**
   * @param {number} index
   * @param {number} height
   */
  set(index, height) {
    const more = height - this.all[index];
    this.all[index] = height;
    for (let i = index + 1; i < this.tree.length; i += i & -i) this.tree[i] += more;
  }

  /**
   * The row at a distance from the top.
   * @param {number} distance
   */
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
  /**
   * @param {{ label: string, row: (item: T, index: number) => HTMLElement, guess: (item: T, width: number) => number,
   *   same: (item: T, index: number) => unknown, start: () => void, moved: () => void }} how
   *   `same` gives what a row depends on besides its item; `start` is called near the beginning
   */
  constructor(how) {
    this.how = how;
    this.rows = el('div', { class: 'rows', role: 'feed', 'aria-label': how.label });
    this.space = el('div', { class: 'space' }, this.rows);
    this.node = el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': `${how.label}, scrollable` }, this.space);
    /** @type {T[]} */
    this.items = [];
    this.heights = new Heights(new Float64Array(0));
    /** @type {WeakMap<T, number>} */
    this.measured = new WeakMap();
    /** @type {Map<T, { node: HTMLElement, depends: unknown }>} */
    this.shown = new Map();
    this.atEnd = true;
    this.width = 0;
    this.drawing = 0;
    this.first = 0;
    this.last = -1;
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
      this.atEnd = this.distanceToEnd() < AT_END;
      this.draw();
    });
  }

  distanceToEnd() {
    return this.node.scrollHeight - this.node.scrollTop - this.node.clientHeight;
  }

  resize() {
    const width = this.node.clientWidth;
    if (width === 0) return;
    if (width !== this.width) {
      this.width = width;
      this.measured = new WeakMap();
      this.shown.clear();
      this.rows.replaceChildren();
      this.set(this.items);
    } else {
      this.draw();
    }
  }

  /**
   * Shows these items. What is on the screen stays there; at the end the end stays in sight.
   * @param {T[]} items
   */
  set(items) {
    const anchor = this.anchor();
    const index = anchor ? items.indexOf(anchor.item) : -1;
    this.items = items;
    const all = new Float64Array(items.length);
    for (let i = 0; i < items.length; i++) all[i] = this.measured.get(items[i]) ?? this.how.guess(items[i], this.width);
    this.heights = new Heights(all);
    this.stretch();
    if (this.atEnd) this.node.scrollTop = this.heights.before(items.length);
    else if (anchor && index >= 0) this.node.scrollTop = this.heights.before(index) + anchor.into;
    this.draw();
  }

  /** The first item on the screen and how much of it is hidden above. */
  anchor() {
    if (this.items.length === 0) return null;
    const top = this.node.scrollTop;
    const index = this.heights.find(top);
    // The item itself may be replaced by a changed one; any neighbour on the screen will do.
    return { item: this.items[index], into: top - this.heights.before(index) };
  }

  stretch() {
    this.space.style.height = `${Math.ceil(this.heights.before(this.items.length))}px`;
  }

  /** Draws the part on the screen, measures it, and draws again if that moved something. */
  draw() {
    for (let pass = 0; pass < 4; pass++) {
      if (!this.pass()) break;
    }
    if (this.node.scrollTop < AT_START) this.how.start();
    this.how.moved();
  }

  /** @returns {boolean} whether heights turned out otherwise than guessed */
  pass() {
    const { node, heights, items } = this;
    if (items.length === 0) {
      this.rows.replaceChildren();
      this.shown.clear();
      this.first = 0;
      this.last = -1;
      return false;
    }
    const top = node.scrollTop;
    const view = node.clientHeight;
    const anchor = heights.find(top);
    const into = top - heights.before(anchor);
    this.first = heights.find(Math.max(0, top - BEYOND));
    this.last = heights.find(top + view + BEYOND);
    this.place();
    let changed = false;
    for (let i = this.first; i <= this.last; i++) {
      const row = this.shown.get(items[i]);
      if (!row || this.measured.has(items[i])) continue;
      const height = row.node.offsetHeight;
      this.measured.set(items[i], height);
      if (Math.abs(height - heights.all[i]) > 0.5) {
        heights.set(i, height);
        changed = true;
      }
    }
    if (changed) {
      this.stretch();
      const to = this.atEnd ? heights.before(items.length) : heights.before(anchor) + into;
      if (Math.abs(node.scrollTop - to) > 0.5) node.scrollTop = to;
    }
    this.rows.style.transform = `translateY(${heights.before(this.first)}px)`;
    return changed;
  }

  /** Makes the rows of the part on the screen, and lets go of the others. */
  place() {
    const { items, rows, shown } = this;
    const wanted = new Set(items.slice(this.first, this.last + 1));
    for (const [item, row] of shown) {
      if (wanted.has(item)) continue;
      if (row.node.contains(document.activeElement)) this.node.focus({ preventScroll: true });
      row.node.remove();
      shown.delete(item);
    }
    let next = rows.firstElementChild;
    for (let i = this.first; i <= this.last; i++) {
      const item = items[i];
      const depends = this.how.same(item, i);
      let row = shown.get(item);
      if (!row || row.depends !== depends) {
        const fresh = this.how.row(item, i);
        if (row) {
          if (next === row.node) next = row.node.nextElementSibling;
          const focused = row.node.contains(document.activeElement);
          row.node.replaceWith(fresh);
          if (focused) fresh.focus({ preventScroll: true });
          this.measured.delete(item);
        } else {
          rows.insertBefore(fresh, next);
        }
        row = { node: fresh, depends };
        shown.set(item, row);
      } else if (row.node === next) {
        next = next.nextElementSibling;
      } else {
        rows.insertBefore(row.node, next);
      }
      row.node.setAttribute('aria-posinset', String(i + 1));
      row.node.setAttribute('aria-setsize', String(items.length));
    }
  }

  /**
   * The row of an item has another height than before.
   * @param {T} item
   */
  remeasure(item) {
    this.measured.delete(item);
    this.draw();
  }

  /** Puts the end on the screen. */
  toEnd() {
    this.atEnd = true;
    this.node.scrollTop = this.heights.before(this.items.length);
    this.draw();
  }

  /**
   * Puts a row into the upper third of the screen and gives its node.
   * @param {number} index
   * @param {number} [share]
   */
  toRow(index, share = 0.3) {
    for (let tries = 0; tries < 3; tries++) {
      this.node.scrollTop = Math.max(0, this.heights.before(index) - this.node.clientHeight * share);
      this.atEnd = this.distanceToEnd() < AT_END;
      this.draw();
    }
    return this.shown.get(this.items[index])?.node;
  }

  /**
   * Puts a row on the screen without moving more than needed.
   * @param {number} index
   */
  reveal(index) {
    const top = this.heights.before(index);
    const end = top + this.heights.all[index];
    const seen = this.node.scrollTop;
    if (top < seen) this.node.scrollTop = top - 8;
    else if (end > seen + this.node.clientHeight) this.node.scrollTop = end - this.node.clientHeight + 8;
    this.atEnd = this.distanceToEnd() < AT_END;
    this.draw();
    return this.shown.get(this.items[index])?.node;
  }

  /**
   * The item whose row holds a node.
   * @param {Element | null} node
   */
  indexOf(node) {
    const row = node?.closest('[aria-posinset]');
    if (!row || !this.rows.contains(row)) return -1;
    return Number(row.getAttribute('aria-posinset')) - 1;
  }
}

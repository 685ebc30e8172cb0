// The messages of one conversation as far as they have been fetched: an unbroken run that ends with
// the newest. Each page replaces what it overlaps, so late arrivals find their place.

import { at, get } from './api.js';
import { on } from './state.js';

/** Messages in the first page: a screen and a half. */
const FIRST = 60;
/** Messages fetched when somebody scrolls back; the most the node gives. */
const BACK = 500;
/** Fewer messages than this do not fill a screen. */
const ENOUGH = 20;
/** Messages looked at again after a hint. */
const AGAIN = 80;

/** @type {Map<string, Messages>} those of conversations that were left, for when the node is out of reach */
const left = new Map();
// A change may be a retraction.
on('messages', data => data.everything ? left.clear() : left.delete(data.conversation));

/** @param {string} conversation */
export const messagesOf = conversation => left.get(conversation) ?? new Messages(conversation);

class Messages {
	/** @type {Message[]} oldest first */
	list = [];
	/** @type {string | null} where the page before the first one begins; null when there is none */
	earlier = null;
	loaded = false;
	/** @type {Promise<boolean> | undefined} */
	loading;
	/** @type {Map<string, string>} the cursors that began the pages, by the id of their newest message */
	cursors = new Map();

	/** @param {string} conversation */
	constructor(conversation) {
		this.conversation = conversation;
	}

	/**
	 * A page; if the node found nothing to show in it, with the ones before it.
	 * @param {number} limit @param {string | null} before @param {boolean} background @returns {Promise<Page>}
	 */
	async fetch(limit, before, background) {
		/** @type {Message[]} */
		let messages = [];
		for (;;) {
			const query = new URLSearchParams({ limit: String(limit), ...before && { before } });
			const page = await get(`${at(this.conversation)}/messages?${query}`, { background });
			messages = page.messages.concat(messages);
			before = page.earlier;
			if (messages.length >= Math.min(limit, ENOUGH) || !before) return { ...page, messages };
		}
	}

	leave() {
		left.set(this.conversation, this);
	}

	async open() {
		const page = await this.fetch(FIRST, null, false);
		this.cursors.clear();
		this.list = page.messages;
		this.earlier = page.earlier;
		this.loaded = true;
	}

	back() {
		return this.loading ??= this.before(this.earlier).finally(() => { this.loading = undefined; });
	}

	/** @param {string | null} cursor */
	async before(cursor) {
		if (!cursor) return false;
		const page = await this.fetch(BACK, cursor, false);
		// The list begins elsewhere by now: with a gap between.
		if (this.earlier !== cursor) return true;
		const have = new Set(this.list.map(one => one.id));
		const fresh = page.messages.filter(one => !have.has(one.id));
		const newest = page.messages.at(-1);
		if (newest) this.cursors.set(newest.id, cursor);
		this.list = fresh.concat(this.list);
		this.earlier = page.earlier;
		return true;
	}

	async again() {
		if (!this.loaded) return this.open();
		const page = await this.fetch(AGAIN, null, true);
		this.merge(page, true);
	}

	/** @param {string} id a message on the screen */
	async againAround(id) {
		const here = this.list.findIndex(one => one.id === id);
		if (here < 0 || here >= this.list.length - AGAIN) return;
		for (let i = here; i < this.list.length; i++) {
			const cursor = this.cursors.get(this.list[i].id);
			if (cursor) return this.merge(await this.fetch(BACK, cursor, true), false);
		}
		this.merge(await this.fetch(BACK, null, true), true);
	}

	/** @param {Page} page @param {boolean} newest whether nothing comes after this page */
	merge(page, newest) {
		const places = new Map(this.list.map((one, index) => [one.id, index]));
		const fresh = page.messages.map(one => this.kept(places.get(one.id), one));
		const hits = fresh.map(one => places.get(one.id)).filter(index => index !== undefined);
		if (hits.length === 0) {
			// More has come than fits into a page, or nothing is left.
			if (newest) {
				this.list = fresh;
				this.earlier = page.earlier;
				this.cursors.clear();
			}
			return;
		}
		const first = Math.min(...hits.map(Number));
		const last = newest ? this.list.length - 1 : Math.max(...hits.map(Number));
		// What is older than everything known belongs in front only if we begin there.
		const from = first === 0 ? 0 : fresh.findIndex(one => places.get(one.id) === first);
		this.list = [...this.list.slice(0, first), ...fresh.slice(from), ...this.list.slice(last + 1)];
		if (first === 0) this.earlier = page.earlier ?? (from === 0 ? null : this.earlier);
	}

	// The object known so far if nothing has changed: its row then stays.
	/** @param {number | undefined} index @param {Message} one */
	kept(index, one) {
		if (index === undefined) return one;
		const old = this.list[index];
		return JSON.stringify(old) === JSON.stringify(one) ? old : one;
	}

	// Fetches back until a message is here; gives its index, or -1.
	/** @param {string} id @param {number} most pages */
	async find(id, most) {
		for (let page = 0; ; page++) {
			const index = this.list.findIndex(one => one.id === id);
			if (index >= 0 || !this.earlier || page >= most) return index;
			if (!await this.back()) return -1;
		}
	}
}

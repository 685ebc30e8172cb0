// The conversations: what is unread, who is mentioned, where a draft waits.

import { el, icon, iconButton, refill, settleOn } from './dom.js';
import { draft } from './outbox.js';
import { isHere, known, on, staffCalled, writers } from './state.js';
import { face, named, visible } from './text.js';
import { brief } from './time.js';

/** @param {Conversation} one */
const presence = one => one.kind === 'direct' && isHere(staffCalled(one.name)) ? 'here' : '';

export class List {
	/** @type {Map<string, { node: HTMLElement, shows: string }>} what each row shows, so that only changed rows are made anew */
	rows = new Map();

	/** @param {{ open: (id: string) => void, begin: () => void, search: () => void }} acts */
	constructor(acts) {
		this.acts = acts;
		this.items = el('ul', 'conversations');
		this.node = el('nav', { class: 'list', 'aria-label': 'Conversations' },
			el('div', 'bar',
				el('button', { class: 'find', click: acts.search, 'aria-keyshortcuts': '/' },
					icon('search'), el('span', {}, 'Search'), el('kbd', { 'aria-hidden': 'true' }, '/')),
				iconButton('plus', 'Begin a conversation', acts.begin, { class: 'plain boxed', 'aria-keyshortcuts': 'n' })),
			this.items);
		/** @type {Topic[]} */
		const topics = ['conversations', 'drafts', 'open', 'typing', 'clinic'];
		this.off = topics.map(topic => on(topic, () => this.show()));
		this.show();
	}

	end() {
		this.off.forEach(stop => stop());
	}

	show() {
		/** @type {typeof this.rows} */
		const rows = new Map();
		for (const one of known.conversations) {
			const shows = JSON.stringify([one, known.open === one.id, draft(one.id) !== '' && known.open !== one.id, writers(one.id).length, presence(one), brief(one.newest?.ms ?? 0)]);
			const old = this.rows.get(one.id);
			rows.set(one.id, old?.shows === shows ? old : { node: this.row(one), shows });
		}
		const focused = document.activeElement?.closest('li');
		const id = focused && this.items.contains(focused) ? focused.dataset.id : undefined;
		const nodes = [...rows.values()].map(row => row.node);
		if (nodes.length !== this.items.children.length || nodes.some((node, index) => this.items.children[index] !== node)) {
			refill(this.items, ...nodes);
			if (id) settleOn(rows.get(id)?.node.querySelector('button'));
		}
		if (nodes.length === 0) refill(this.items, el('li', 'wait', 'No conversation yet. Begin one with +.'));
		this.rows = rows;
	}

	/** @param {Conversation} one */
	row(one) {
		const unread = one.unread ?? 0;
		const here = presence(one);
		const words = [unread > 0 && `${unread} unread`, one.mentioned && 'you are mentioned', here].filter(Boolean).join(', ');
		return el('li', { data: { id: one.id } }, el('button', {
			class: unread ? 'unread' : '', 'aria-current': known.open === one.id && 'page', title: visible(one.members.join(', ')),
			click: () => this.acts.open(one.id),
		},
		face(one.name, `${one.kind} ${here}`, one.kind === 'direct' ? undefined : icon(one.kind === 'group' ? 'people' : 'room')),
		el('span', 'middle', named(one.name, 'name'), words && el('span', 'unseen', `, ${words}`), this.second(one)),
		el('span', 'end',
			one.newest && el('time', { datetime: one.newest.iso }, brief(one.newest.ms)),
			el('span', { class: 'marks', 'aria-hidden': 'true' },
				one.mentioned && el('span', 'badge at', '@'),
				unread > 0 && el('span', 'badge', unread > 99 ? '99+' : String(unread))))));
	}

	/** @param {Conversation} one */
	second(one) {
		if (writers(one.id).length) return el('span', 'second', 'writing…');
		if (draft(one.id) !== '' && known.open !== one.id) return el('span', 'second draft', 'Draft waits');
		if (one.kind === 'direct') {
			const other = staffCalled(one.name);
			return other && el('span', 'second', named(other.homes.join(', ')));
		}
		return el('span', 'second', `${one.members.length} members`);
	}

	/** @param {number} step */
	neighbour(step) {
		const here = known.conversations.findIndex(one => one.id === known.open);
		return known.conversations[here < 0 ? 0 : here + step]?.id;
	}
}

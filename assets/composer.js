// Where messages are written: drafts, replies, mentions, amendments.

import { at, post, Problem } from './api.js';
import { announce, el, icon, iconButton, refill, settle } from './dom.js';
import { draft, keepAbout, keepDraft, send, storeDrafts } from './outbox.js';
import { firstLine } from './row.js';
import { conversation, known, tell } from './state.js';
import { escape, face, named, visible } from './text.js';
import { said } from './timeline.js';

/** Most bytes of a message, as on the node. */
const TEXT_MAX = 16 * 1024;
/** From here on the room that is left is shown. */
const NEARLY = TEXT_MAX - 2000;
/** A draft goes to the node this long after the last key press, in ms. */
const DRAFT = 900;
/** The others hear of typing at most this often, in ms. */
const TYPING = 3500;
const OFFERED = 6;
/** Most people that a message mentions, as on the node. */
const MENTIONS_MAX = 32;

export class Composer {
	/** @type {Quoted | null} */
	replying = null;
	/** @type {Message | null} */
	amending = null;
	told = 0;
	stash = '';
	offered = -1;
	/** @type {Staff[]} */
	people = [];
	/** @type {Set<string>} */
	picked = new Set();

	/** @param {string} id conversation */
	constructor(id) {
		this.id = id;
		const name = conversation(id)?.name ?? '';
		this.area = el('textarea', {
			id: 'write', rows: '1', 'aria-label': `Write to ${visible(name)}`, placeholder: 'Write a message',
			spellcheck: 'true', dir: 'auto', 'aria-autocomplete': 'list', 'aria-controls': 'people',
			input: () => this.changed(), keydown: event => this.key(event), blur: () => this.offer([]),
		});
		this.about = el('div', { class: 'about', hidden: true });
		this.offers = el('ul', { class: 'offers', id: 'people', role: 'listbox', 'aria-label': 'People to mention', hidden: true });
		this.room = el('p', { class: 'hint room', 'aria-live': 'polite' });
		this.sender = el('button', { type: 'submit', class: 'main send', 'aria-label': 'Send', title: 'Send (Enter)' }, icon('send'), el('span', {}, 'Send'));
		this.node = el('form', { class: 'composer', 'aria-label': 'Write', submit: event => this.submit(event) },
			this.about, this.offers, el('div', 'writing', this.area, this.sender), this.room);
		this.saveSoon = settle(storeDrafts, DRAFT);
		this.area.value = draft(id);
		requestAnimationFrame(() => this.grow());
	}

	focus() {
		this.area.focus();
	}

	end() {
		const { id, replying, amending, area: { value: text } } = this;
		if (!amending) keepDraft(id, text);
		const { id: message } = amending ?? replying ?? {};
		// What was read is not kept here.
		if (message) keepAbout(id, { message, text: amending ? text : undefined });
		storeDrafts();
		this.node.remove();
	}

	/**
	 * Goes on with a reply, or with an amendment that has come to this text.
	 * @param {Message} one @param {string} [text]
	 */
	resume(one, text) {
		if (this.replying || this.amending || one.retracted || one.text === null) return;
		if (text === undefined) return this.reply(one);
		this.amend(one);
		this.area.value = text;
		this.grow();
	}

	/** The node has a draft that was written elsewhere. */
	refresh() {
		if (this.area.value === '' && !this.amending && document.activeElement !== this.area) {
			this.area.value = draft(this.id);
			this.grow();
		}
	}

	changed() {
		this.grow();
		if (!this.amending) {
			keepDraft(this.id, this.area.value);
			this.saveSoon();
		}
		this.mentionable();
		const now = Date.now();
		if (this.area.value && now - this.told > TYPING && known.link === 'open') {
			this.told = now;
			post(`${at(this.id)}/typing`, {}).catch(error => { if (error instanceof Problem) this.told = Infinity; });
		}
	}

	grow() {
		this.area.style.height = 'auto';
		this.area.style.height = `${this.area.scrollHeight + 2}px`;
		const size = new TextEncoder().encode(this.area.value).length;
		this.sender.disabled = size > TEXT_MAX;
		this.room.textContent = size > TEXT_MAX ? `${(size - TEXT_MAX).toLocaleString()} bytes too long for one message`
			: size > NEARLY ? `Room for ${(TEXT_MAX - size).toLocaleString()} more bytes` : '';
	}

	/** @param {KeyboardEvent} event */
	key(event) {
		if (!this.offers.hidden && this.pickKey(event)) return;
		if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
			event.preventDefault();
			this.submit(event);
		} else if (event.key === 'Escape' && (this.replying || this.amending)) {
			event.preventDefault();
			event.stopPropagation();
			this.clearAbout();
		}
	}

	/** @param {Event} event */
	submit(event) {
		event.preventDefault();
		const text = this.area.value.trim();
		if (!text || this.sender.disabled) return;
		if (this.amending) {
			this.sendAmendment(this.amending, text);
			return;
		}
		const reply = this.replying;
		this.area.value = '';
		keepDraft(this.id, '');
		this.saveSoon();
		this.clearAbout();
		this.grow();
		this.offer([]);
		send(this.id, text, reply, this.mentions(text));
		this.picked.clear();
	}

	/** @param {Message} one @param {string} text */
	async sendAmendment(one, text) {
		if (text === one.text) return this.clearAbout();
		try {
			await post(`${at(this.id)}/amend`, { message: one.id, text });
			this.clearAbout();
			keepAbout(this.id);
			tell('messages', { conversation: this.id });
			announce('Amended');
		} catch (error) {
			this.room.textContent = said(error);
			announce(said(error), 'alert');
		}
	}

	/** @param {string} text @returns {string[]} staff ids, sorted as the node wants them */
	mentions(text) {
		/** @type {Set<string>} */
		const ids = new Set();
		// The longest name first: where Ana Lind is meant, Ana is not.
		for (const { name } of this.others().sort((a, b) => b.name.length - a.name.length)) {
			text = text.replace(new RegExp(`(?<![\\p{L}\\p{N}])@${escape(name)}(?![\\p{L}\\p{N}])`, 'giu'), () => {
				const called = known.clinic?.staff.filter(one => one.name === name) ?? [];
				// Whom a shared name means, only picking tells.
				for (const { id } of called) if (!called[1] || this.picked.has(id)) ids.add(id);
				return '';
			});
		}
		return [...ids].slice(0, MENTIONS_MAX).sort();
	}

	others() {
		const members = new Set(conversation(this.id)?.members);
		return (known.clinic?.staff ?? []).filter(one => members.has(one.name) && one.id !== known.me?.staff);
	}

	/** @param {Quoted} one */
	reply(one) {
		if (this.amending) this.clearAbout();
		this.replying = one;
		this.showAbout('Reply to ', one);
	}

	/** @param {Message} one */
	amend(one) {
		if (!this.amending) this.stash = this.area.value;
		this.replying = null;
		this.amending = one;
		this.area.value = one.text ?? '';
		this.showAbout('Amend: the earlier wording stays visible. ', one);
		this.grow();
		this.area.setSelectionRange(this.area.value.length, this.area.value.length);
	}

	/** @param {Pending} one */
	putBack({ text, reply }) {
		this.area.value = this.area.value ? `${this.area.value}\n${text}` : text;
		if (reply) this.reply(reply);
		this.changed();
		this.focus();
	}

	/** @param {string} label @param {Quoted} one */
	showAbout(label, one) {
		refill(this.about, icon('reply'), el('span', {}, label, named(one.by ?? '', 'who'), ' ', named(firstLine(one.text ?? ''), 'quoted')),
			iconButton('close', this.amending ? 'Stop amending' : 'Do not reply', () => this.clearAbout()));
		this.about.hidden = false;
		this.ready();
	}

	ready() {
		this.sender.lastChild?.replaceWith(el('span', {}, this.amending ? 'Amend' : 'Send'));
		this.focus();
	}

	clearAbout() {
		if (this.amending) this.area.value = this.stash;
		this.amending = null;
		this.replying = null;
		this.about.hidden = true;
		this.grow();
		this.ready();
	}

	/** Whose names begin as what follows the last @. */
	mentionable() {
		const typed = this.area.value.slice(0, this.area.selectionStart);
		const hit = /(?:^|[\s(])@([\p{L}\p{N}._'-]{0,30}(?: [\p{L}\p{N}._'-]{0,30})?)$/u.exec(typed);
		const start = hit?.[1].toLocaleLowerCase();
		this.offer(start === undefined ? [] : this.others().filter(one => one.name.toLocaleLowerCase().startsWith(start)).slice(0, OFFERED));
	}

	/** @param {Staff[]} people */
	offer(people) {
		this.people = people;
		this.offered = people.length ? 0 : -1;
		this.offers.hidden = people.length === 0;
		refill(this.offers, ...people.map((one, index) => el('li', { role: 'option', id: `offer-${index}`, mousedown: event => { event.preventDefault(); this.pick(index); } },
			face(one.name), named(one.name), el('span', 'hint', ' ', one.homes.join(', ')))));
		this.point();
	}

	point() {
		[...this.offers.children].forEach((item, index) => item.setAttribute('aria-selected', String(index === this.offered)));
		if (this.offered >= 0) this.area.setAttribute('aria-activedescendant', `offer-${this.offered}`);
		else this.area.removeAttribute('aria-activedescendant');
	}

	/** @param {KeyboardEvent} event @returns {boolean} whether the key was for the list */
	pickKey(event) {
		const { length } = this.people;
		if (event.key === 'ArrowDown') this.offered = (this.offered + 1) % length;
		else if (event.key === 'ArrowUp') this.offered = (this.offered + length - 1) % length;
		else if (event.key === 'Enter' || event.key === 'Tab') this.pick(this.offered);
		else if (event.key === 'Escape') this.offer([]);
		else return false;
		event.preventDefault();
		event.stopPropagation();
		this.point();
		return true;
	}

	/** @param {number} index */
	pick(index) {
		const one = this.people[index];
		if (!one) return;
		const end = this.area.selectionStart;
		const from = this.area.value.lastIndexOf('@', end - 1);
		this.picked.add(one.id);
		this.area.setRangeText(`@${one.name} `, from, end, 'end');
		this.offer([]);
		this.changed();
	}
}


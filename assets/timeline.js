// The conversation on the screen: its messages, and what can be done with one.

import { at, get, post, Problem } from './api.js';
import { announce, button, el, field, icon, openDialog, overlay, refill, settle, settleOn } from './dom.js';
import { messagesOf } from './messages.js';
import { about, drop, keepAbout, pendingIn, settled } from './outbox.js';
import { detailsList, isMine, messageRow, pendingRow } from './row.js';
import { Scroll } from './scroll.js';
import { form } from './sign-in.js';
import { conversation, known, loadConversations, on, writers } from './state.js';
import { listed, visible, written } from './text.js';
import { day, exactly } from './time.js';

/** Messages of one person within this time stand under one name. */
const TOGETHER = 5 * 60_000;
/** Pages fetched to find a message: 60,000 messages. */
const FAR = 120;

/** @param {Item} item @returns {item is Pending} */
const isPending = item => 'key' in item;
/** @param {Item} item */
const when = item => isPending(item) ? item.at : item.written.ms;
/** @param {Item} item */
const whose = item => isPending(item) ? item.owner : item.staff;

export class Timeline {
	find = '';
	seen = '';
	missed = 0;
	told = -1;
	unreadAt = -1;
	gone = false;
	ended = false;
	/** @type {Item[]} */
	items = [];
	/** @type {Promise<void> | undefined} */
	fetched;

	/** @param {string} id @param {Writes} composer */
	constructor(id, composer) {
		this.id = id;
		this.composer = composer;
		this.messages = messagesOf(id);
		this.firstUnread = conversation(id)?.first_unread ?? null;
		this.unread = conversation(id)?.unread ?? 0;
		/** @type {Scroll<Item>} */
		this.scroll = new Scroll({
			label: 'Messages',
			row: (item, index) => this.row(item, index),
			guess,
			same: (_, index) => this.depends(index),
			start: () => this.back(),
			moved: () => this.moved(),
		});
		this.down = button('', () => this.scroll.toEnd(), { class: 'jump', hidden: true });
		this.up = button('', () => this.toUnread(), { class: 'jump up', hidden: true });
		this.note = el('p', { class: 'wait', role: 'status' }, 'Opening…');
		this.typing = el('p', 'typing');
		this.node = el('div', 'timeline', this.note, this.scroll.node, this.up, this.down, this.typing);
		this.scroll.node.addEventListener('keydown', event => this.key(event));
		this.markSoon = settle(() => this.mark(), 250);
		this.lookSoon = settle(() => this.look(), 40);
		this.receiptsSoon = settle(() => this.look(), 250);
		this.off = [
			on('messages', data => { if (data.everything || data.conversation === id) this.lookSoon(); }),
			on('receipts', data => { if (!data.conversation || data.conversation === id) this.receiptsSoon(); }),
			on('outbox', one => this.outbox(one)),
			on('typing', () => this.showTyping()),
		];
		this.attended = new AbortController();
		for (const event of ['focus', 'visibilitychange']) addEventListener(event, this.markSoon, { signal: this.attended.signal });
	}

	end() {
		this.ended = true;
		this.attended.abort();
		this.off.forEach(stop => stop());
		if (this.messages.loaded) this.messages.leave();
		this.scroll.end();
		this.node.remove();
	}

	async open() {
		// What is here is shown at once: the node may be out of reach.
		if (this.messages.loaded || pendingIn(this.id).length) this.begin();
		try {
			await this.fetch();
		} catch (error) {
			if (!this.ended) this.failed(error);
			return;
		}
		if (this.ended) return;
		this.begin();
		this.markSoon();
	}

	/** The newest, once: what is here may be from before the conversation was left. */
	fetch() {
		return this.fetched ??= this.messages.open().catch(error => {
			this.fetched = undefined;
			throw error;
		});
	}

	begin() {
		this.show();
		if (this.unreadAt >= 0) this.scroll.toRow(this.unreadAt);
		else this.scroll.toEnd();
		this.moved();
		this.resume();
	}

	/** What somebody was replying to or amending when they left is gone on with as it is by now. */
	async resume() {
		const kept = about(this.id);
		if (!kept || !this.messages.loaded) return;
		const index = await this.messages.find(kept.message, FAR).catch(() => NaN);
		if (this.ended || isNaN(index) || about(this.id) !== kept) return;
		keepAbout(this.id);
		if (index >= 0) this.composer.resume(this.messages.list[index], kept.text);
	}

	/** @param {unknown} error */
	failed(error) {
		this.note.textContent = error instanceof Problem ? error.whole : 'The node does not answer. These messages come as soon as it is back.';
		this.note.hidden = this.items.length > 0 && !(error instanceof Problem);
	}

	async look() {
		if (this.ended) return;
		const newest = this.messages.list.at(-1);
		const before = new Set(this.messages.list.map(one => one.id));
		try {
			await this.messages.again();
			const item = this.items[this.scroll.first];
			if (item && !isPending(item)) await this.messages.againAround(item.id);
		} catch (error) {
			if (!this.messages.loaded && !this.ended) this.failed(error);
			return;
		}
		if (this.ended) return;
		this.show();
		const fresh = this.messages.list.filter(one => !before.has(one.id) && !isMine(one));
		if (newest && fresh.length) this.arrived(fresh);
		this.markSoon();
	}

	/** @param {Message[]} fresh */
	arrived(fresh) {
		const last = fresh[fresh.length - 1];
		known.typing.get(this.id)?.delete(last.by);
		this.showTyping();
		const text = last.retracted ? 'retracted' : last.text ?? '';
		announce(fresh.length === 1 ? `${visible(last.by)}: ${visible(text.slice(0, 300))}` : `${fresh.length} messages have come`);
		if (!this.scroll.atEnd) {
			this.missed += fresh.length;
			this.moved();
		}
	}

	show() {
		this.note.hidden = this.messages.list.length > 0 || pendingIn(this.id).length > 0;
		this.note.textContent = 'Nothing has been written here yet.';
		const have = new Set(this.messages.list.map(one => one.id));
		settled(have);
		const waiting = pendingIn(this.id).filter(one => !(one.id && have.has(one.id)));
		this.items = [...this.messages.list, ...waiting];
		this.unreadAt = this.firstUnread === null ? -1 : this.messages.list.findIndex(one => one.id === this.firstUnread);
		this.scroll.set(this.items);
	}

	/** @param {Pending | undefined} one */
	outbox(one) {
		if (one && one.conversation !== this.id) return;
		// The state of a pending one changes in place, so its row has to be made anew.
		if (one) this.scroll.measured.delete(one);
		const own = one && !this.items.includes(one);
		this.show();
		if (own) this.scroll.toEnd();
	}

	/** @param {number} index */
	setting(index) {
		const item = this.items[index];
		const before = this.items[index - 1];
		const fresh = !before || day(when(before)) !== day(when(item));
		const unread = !isPending(item) && item.id === this.firstUnread;
		const head = fresh || unread || !before || whose(before) !== whose(item) || when(item) - when(before) > TOGETHER;
		return { head, day: fresh, unread, find: this.find };
	}

	/** @param {number} index */
	depends(index) {
		const item = this.items[index];
		return JSON.stringify([this.setting(index), isPending(item) && item.state]);
	}

	/** @param {Item} item @param {number} index */
	row(item, index) {
		const setting = this.setting(index);
		return isPending(item) ? pendingRow(item, setting, this) : messageRow(item, setting, this);
	}

	/** @param {Pending} one */
	putBack(one) {
		this.composer.putBack(one);
		drop(one.key);
	}

	/** @param {Message} one */
	grown(one) {
		this.scroll.remeasure(one);
	}

	async back() {
		const { rows } = this.scroll;
		if (rows.hasAttribute('aria-busy') || !this.messages.earlier) return;
		rows.setAttribute('aria-busy', 'true');
		// What fails is tried again with the next movement.
		const came = await this.messages.back().catch(() => false);
		rows.removeAttribute('aria-busy');
		if (came && !this.ended) this.show();
	}

	moved() {
		const { atEnd } = this.scroll;
		if (atEnd) this.missed = 0;
		this.down.hidden = atEnd;
		if (this.told !== this.missed) refill(this.down, icon('down'), this.missed ? `${this.missed} below` : 'To the newest');
		this.told = this.missed;
		const index = this.unreadAt;
		const above = this.firstUnread !== null && (index < 0 ? this.unread > 0 && this.messages.earlier !== null : index < this.scroll.first);
		const hidden = !above || this.gone;
		if (this.up.hidden && !hidden) refill(this.up, `${this.unread} not opened before`);
		this.up.hidden = hidden;
		if (atEnd) this.markSoon();
	}

	async toUnread() {
		this.gone = true;
		if (this.firstUnread) await this.jump(this.firstUnread);
	}

	/** @param {string} id @param {string} [find] words to set off */
	async jump(id, find) {
		if (find !== undefined) this.find = find;
		announce('Looking for the message');
		let wrong = 'That message is no longer here';
		const index = await this.fetch().then(() => this.messages.find(id, FAR)).catch(error => {
			wrong = said(error);
			return this.messages.list.findIndex(one => one.id === id);
		});
		if (this.ended) return;
		if (this.messages.loaded) this.show();
		else this.note.textContent = wrong;
		if (index < 0) return announce(wrong, 'alert');
		const node = this.scroll.toRow(index);
		settleOn(node);
		node?.classList.add('pointed');
		setTimeout(() => node?.classList.remove('pointed'), 2500);
	}

	/** Tells the node what has been opened, once a person can have seen it. */
	async mark() {
		if (this.ended || document.hidden || !document.hasFocus() || known.me?.state !== 'ready') return;
		const last = this.lastSeen();
		if (!last || last === this.seen || !(conversation(this.id)?.unread ?? 1)) return;
		this.seen = last;
		try {
			await post(`${at(this.id)}/opened`, { message: last }, { background: true });
			await loadConversations();
		} catch {
			this.seen = '';
		}
	}

	lastSeen() {
		const { top, view, heights } = this.scroll;
		const end = top + view + 4;
		for (let i = Math.min(this.scroll.last, this.messages.list.length - 1); i >= this.scroll.first; i--) {
			if (heights.before(i + 1) <= end || i === this.scroll.first) return this.messages.list[i]?.id;
		}
		return undefined;
	}

	showTyping() {
		const names = writers(this.id);
		refill(this.typing, names.length > 0 && listed(names), names.length > 1 ? ' are writing' : names.length > 0 && ' is writing');
	}

	/** @param {KeyboardEvent} event */
	key(event) {
		if (event.altKey || event.ctrlKey || event.metaKey || !(event.target instanceof HTMLElement)) return;
		const here = this.scroll.indexOf(document.activeElement);
		const item = this.items[here];
		const onRow = event.target.matches('[aria-posinset]');
		const letter = event.key.toLowerCase();
		if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
			const next = here < 0 ? this.scroll.last : here + (event.key === 'ArrowUp' ? -1 : 1);
			if (next >= 0 && next < this.items.length) settleOn(this.scroll.reveal(next));
		} else if (event.key === 'End') this.scroll.toEnd();
		else if (event.key === 'Home') this.scroll.toRow(0, 0);
		else if (!item || isPending(item) || !onRow) return;
		else if (event.key === 'Enter' || event.key === ' ') this.menu(item, event.target.querySelector('.bubble') ?? event.target);
		else if (letter === 'r') this.composer.reply(item);
		else if (letter === 'i') this.details(item);
		else if (letter === 'h') this.acknowledge(item);
		else if (letter === 'e' && isMine(item)) this.composer.amend(item);
		else return;
		event.preventDefault();
	}

	/** @param {Message} one @param {Element} from */
	menu(one, from) {
		const mine = isMine(one);
		const live = !one.retracted && one.text !== null;
		const name = known.me?.name ?? '';
		/** @type {Act[]} */
		const acts = [];
		if (live) acts.push(['Reply', 'R', () => this.composer.reply(one)]);
		if (!mine && live && !one.delivery.acknowledged_by.includes(name)) acts.push(['Take in hand', 'H', () => this.acknowledge(one)]);
		if (mine && live) acts.push(['Amend', 'E', () => this.composer.amend(one)], ['Retract…', '', () => this.retract(one)]);
		if (live) acts.push(['Copy the text', '', () => navigator.clipboard?.writeText(one.text ?? '').catch(() => undefined)]);
		if (one.amended) acts.push(['What it has said', '', () => this.history(one)]);
		acts.push(['Who has it', 'I', () => this.details(one)]);
		openMenu(acts, from);
	}

	/** @param {Message} one */
	details(one) {
		openDialog('Where this message is', {}, detailsList(one),
			!known.clinic?.policy.opened_receipts && el('p', 'hint', 'The clinic’s policy does not show who opened a message.'));
	}

	/** @param {Message} one */
	acknowledge(one) {
		if (isMine(one) || one.retracted) return;
		post(`${at(this.id)}/acknowledge`, { message: one.id }).then(
			() => {
				announce('Taken in hand, for all members to see');
				this.lookSoon();
			},
			error => announce(said(error), 'alert'));
	}

	/** @param {Message} one */
	retract(one) {
		const reason = field('Why (all members see this)', { maxlength: '200', autocomplete: 'off' });
		const act = form('Retract it', [reason.box], async () => {
			await post(`${at(this.id)}/retract`, { message: one.id, reason: reason.input.value });
			dialog.close();
			this.lookSoon();
		}, button('Keep the message', () => dialog.close(), { class: 'wide' }));
		act.classList.add('stack', 'danger');
		const dialog = openDialog('Retract this message?', {},
			el('p', {}, 'Every node destroys its text. That you took something back, when and why stays for all members to see.'), act);
		reason.input.focus();
	}

	/** @param {Message} one */
	async history(one) {
		const list = el('ol', 'history');
		openDialog('What it has said', {}, list);
		try {
			const answer = await get(`${at(this.id)}/history?message=${encodeURIComponent(one.id)}`);
			for (const old of answer.versions ?? []) {
				list.append(el('li', {}, el('time', {}, exactly(old.written.ms)), written(old.text ?? '(purged)', [])));
			}
		} catch (error) {
			list.append(el('li', {}, said(error)));
		}
	}
}

/** @param {unknown} error */
export const said = error => error instanceof Problem ? error.whole : 'The node does not answer; nothing was done.';

/** @param {Item} item @param {number} width */
function guess(item, width) {
	const text = item.text ?? '';
	const across = Math.max(20, Math.min(width * 0.78, 640) / 8.2);
	return text.split('\n', 30).reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / across)) * 24, 50);
}

/** @param {Act[]} acts @param {Element} from where the menu opens */
export function openMenu(acts, from) {
	const items = acts.map(([label, key, act]) => el('button', {
		role: 'menuitem', tabindex: '-1', click: () => {
			dialog.close();
			act();
		},
	}, label, key && el('kbd', { 'aria-hidden': 'true' }, key)));
	const menu = el('div', { class: 'menu', role: 'menu', 'aria-label': 'Actions' }, ...items);
	menu.addEventListener('keydown', event => {
		const here = items.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
		const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 }[event.key];
		if (to !== undefined) items[(to + items.length) % items.length].focus();
		else if (event.key === 'Tab') dialog.close();
		else return;
		event.preventDefault();
	});
	const dialog = overlay({ class: 'over', 'aria-label': 'Actions' }, undefined, menu);
	const box = from.getBoundingClientRect();
	const { offsetWidth: width, offsetHeight: height } = menu;
	menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
	menu.style.top = `${Math.max(8, Math.min(box.bottom + 4 + height > innerHeight ? box.top - height - 4 : box.bottom + 4, innerHeight - height - 8))}px`;
	items[0]?.focus();
}

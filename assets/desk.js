// The conversations beside the one that is open, and the state of the node above them.

import { announce, button, el, fill, icon, iconButton, openDialog, refill } from './dom.js';
import { openClinic, oversees } from './clinic.js';
import { Composer } from './composer.js';
import { List } from './list.js';
import { pendingCount } from './outbox.js';
import { membersLine, openMembers } from './people.js';
import { conversation, known, on, tell, unreadTotal } from './state.js';
import { face, named, spoken, visible } from './text.js';
import { openMenu, Timeline } from './timeline.js';

export class Desk {
	/** @type {Timeline | null} */
	timeline = null;
	/** @type {Composer | null} */
	composer = null;
	bannerShows = '';

	/** @param {DeskActs} acts */
	constructor(acts) {
		this.acts = acts;
		/** @type {string} */
		this.was = known.link;
		this.list = new List({ open: id => this.open(id), begin: acts.begin, search: acts.search });
		this.place = el('div', 'place');
		this.link = el('button', { class: 'link-state', click: () => this.explainLink() });
		this.banner = el('div', { class: 'banner', role: 'status' });
		this.title = el('h1', { tabindex: '-1' });
		this.members = el('p', 'members');
		this.head = el('header', { class: 'headline', hidden: true },
			iconButton('back', 'Back to the conversations', () => this.close(), { class: 'plain back' }),
			el('div', 'middle', this.title, this.members),
			iconButton('people', 'Members', () => { if (known.open) openMembers(known.open); }));
		this.body = el('div', 'body', this.nothing());
		const talk = el('section', { class: 'talk', 'aria-label': 'Conversation' }, this.head, this.body);
		this.side = el('div', 'side',
			el('header', 'clinic', this.place, this.link), this.list.node, this.foot());
		this.node = el('main', 'desk', button('To writing', () => this.composer ? this.composer.focus() : this.list.items.querySelector('button')?.focus(), { class: 'skip' }), this.banner, this.side, talk);
		this.off = [on('link', () => this.showLink()), on('outbox', () => this.showLink()), on('conversations', () => this.changed()), on('clinic', () => this.changed())];
		this.showLink();
		this.changed();
	}

	end() {
		this.off.forEach(stop => stop());
		this.list.end();
		this.leave();
		this.node.remove();
	}

	foot() {
		const { me } = known;
		const more = iconButton('gear', 'Settings and sign out', () => openMenu([
			['Settings', '', this.acts.settings],
			...oversees() ? [/** @type {Act} */ (['How the clinic stands', '', openClinic])] : [],
			['Help', '?', this.acts.help],
			['Sign out', '', this.acts.out],
		], more), { 'aria-haspopup': 'menu' });
		return el('footer', 'me',
			face(me?.name ?? ''),
			el('span', 'middle', named(me?.name ?? '', 'name')),
			el('button', { class: 'lock', title: 'Lock the screen (Ctrl L)', 'aria-keyshortcuts': 'Control+L', click: this.acts.lock }, icon('lock'), 'Lock'),
			more);
	}

	nothing() {
		return el('div', 'empty', el('p', {}, 'Pick a conversation, or begin one.'),
			el('p', 'hint', el('kbd', {}, '?'), ' shows every key.'));
	}

	async start() {
		const first = (known.conversations.find(one => one.read_last) ?? known.conversations[0])?.id;
		if (first && !matchMedia('(max-width: 44rem)').matches) await this.open(first, { quiet: true });
	}

	/** @param {string} id @param {{ quiet?: boolean, message?: string, words?: string }} [how] */
	async open(id, how = {}) {
		const one = conversation(id);
		if (!one) return;
		if (known.open === id && this.timeline) {
			if (how.message) this.timeline.jump(how.message, how.words);
			else this.composer?.focus();
			return;
		}
		this.leave();
		known.open = id;
		const composer = new Composer(id);
		const timeline = new Timeline(id, composer);
		this.composer = composer;
		this.timeline = timeline;
		refill(this.body, timeline.node, composer.node);
		this.head.hidden = false;
		this.node.classList.add('opened');
		this.changed();
		tell('open');
		const shown = how.message ? timeline.jump(how.message, how.words) : timeline.open();
		if (!how.message) composer.focus();
		if (!how.quiet) announce(`${visible(one.name)}, ${one.unread ? `${one.unread} not opened before` : 'nothing unread'}`);
		await shown;
	}

	leave() {
		this.timeline?.end();
		this.composer?.end();
		this.timeline = null;
		this.composer = null;
		known.open = null;
	}

	close() {
		const id = known.open;
		this.leave();
		this.head.hidden = true;
		refill(this.body, this.nothing());
		this.node.classList.remove('opened');
		tell('open');
		if (id) this.list.rows.get(id)?.node.querySelector('button')?.focus();
	}

	/** @param {number} step */
	step(step) {
		const next = this.list.neighbour(step);
		if (next) this.open(next);
	}

	nextUnread() {
		const next = known.conversations.find(one => (one.unread ?? 0) > 0 && one.id !== known.open);
		if (next) this.open(next.id);
		else announce('Nothing else is unread');
	}

	changed() {
		const count = unreadTotal();
		const one = known.open && conversation(known.open);
		document.title = `${count ? `(${count}) ` : ''}clinic-mesh`;
		if (one) {
			refill(this.title, named(one.name));
			membersLine(this.members, one);
		}
		this.composer?.refresh();
		const office = known.me?.office ?? known.status?.office;
		refill(this.place, el(one ? 'p' : 'h1', 'name', named(known.clinic?.name ?? known.me?.clinic ?? 'clinic-mesh')),
			office && el('p', 'second', named(office)));
	}

	showLink() {
		const { status, link } = known;
		const away = status?.away ?? [];
		const state = link === 'lost' ? 'bad' : away.length ? 'part' : 'good';
		const here = (status?.peers.length ?? 0) + 1;
		const words = link === 'lost' ? 'Node does not answer' : link === 'joining' ? 'Connecting…'
			: away.length ? `${here} of ${here + away.length} offices` : 'All offices connected';
		this.link.className = `link-state ${state}`;
		refill(this.link, el('span', { class: 'dot', 'aria-hidden': 'true' }), words);
		if (link !== this.was) {
			if (link === 'lost') announce('The node does not answer. You can read and write on; what you send waits here.', 'alert');
			else if (this.was === 'lost') announce('The node is back');
		}
		this.was = link;
		this.showBanner();
	}

	showBanner() {
		const waiting = pendingCount();
		const revoked = known.status?.standing === 'revoked';
		const warnings = known.status?.warnings ?? [];
		const urgent = warnings.filter(one => one.everybody);
		const alarm = known.link === 'lost' || revoked || urgent[0];
		const all = urgent[0] || !oversees() ? urgent : warnings.slice(0, 1);
		this.banner.hidden = !alarm && !all[0];
		this.banner.classList.toggle('calm', !alarm);
		const shows = `${known.link}${waiting}${revoked}${all.map(one => one.message)}`;
		if (this.bannerShows === shows) return;
		this.bannerShows = shows;
		refill(this.banner);
		/** @param {string} what @param {...Child} words */
		const say = (what, ...words) => fill(this.banner, icon('warn'), el('p', {}, el('strong', {}, `${what} `), ...words));
		if (known.link === 'lost') {
			say('This office’s node does not answer.', 'You can read what is here and go on writing. ',
				waiting ? `${waiting} message${waiting === 1 ? ' waits' : 's wait'} on this page and will be sent once: keep it open.` : 'What you send waits on this page and is sent once it is back.');
			fill(this.banner, button('Try now', this.acts.retry));
		} else if (revoked) say('This node is no longer part of the clinic.', 'Tell an admin; nothing from here reaches other offices.');
		else fill(this.banner, icon('warn'), el('p', {}, ...all.flatMap(one => [el('strong', {}, `${one.message} `), `${one.remedy} `])));
		if (!alarm) fill(this.banner, button('Show all', openClinic));
	}

	explainLink() {
		const peers = known.status?.peers ?? [];
		const away = known.status?.away ?? [];
		const lost = known.link === 'lost';
		const words = lost ? 'This office’s node does not answer, so nothing is known of the others.'
			: away.length ? `Messages to ${spoken(away)} wait on this node and go by themselves when they are back. Everything else works.`
				: 'Every office is connected. Messages go at once.';
		/** @param {string} name @param {string} is @param {string} kind */
		const row = (name, is, kind) => el('li', {}, el('span', { class: `dot ${kind}`, 'aria-hidden': 'true' }), named(name, 'name'), ` ${is}`);
		openDialog('Offices', {}, el('p', {}, words), !lost && el('ul', 'offices',
			row(known.status?.name ?? '', 'this node', 'good'),
			...peers.map(peer => row(peer.name, 'connected', 'good')),
			...away.map(name => row(name, 'out of reach', 'bad'))));
	}
}

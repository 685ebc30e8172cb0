// One message on the screen, and the words for how far it has come.

import { el, fill, icon, iconButton } from './dom.js';
import { face, listed, named, saying, spoken, visible, written } from './text.js';
import { clock, dayName, exactly } from './time.js';
import { known, staffName } from './state.js';

/** Longer texts are shown in part until somebody asks for the rest. */
const LONG = 2500;
/** Texts with more lines than this too. */
const LINES = 30;

/** @param {Message} one */
export const isMine = one => one.mine ?? one.staff === known.me?.staff;

// How far a message has come, in words; never more than the node knows.
/** @param {Delivery} delivery */
function stateWords(delivery) {
	switch (delivery.state) {
		case 'on_this_node': return 'On this node';
		case 'left': return !delivery.stored_at.length ? 'Left this node'
			: `Stored at ${spoken(delivery.stored_at)}${delivery.missing.length ? `; not known to be with ${spoken(delivery.missing)}` : ''}`;
		case 'stored_at_theirs': return delivery.stored_at.length ? `Stored at ${spoken(delivery.stored_at)}` : 'On this node, which is theirs too';
		case 'opened': return `Opened by ${spoken(delivery.opened_by)}`;
		case 'acknowledged': return `In hand: ${spoken(delivery.acknowledged_by)}`;
	}
}

/** @param {Message} one @param {Setting} how @param {RowActs} acts */
export function messageRow(one, how, acts) {
	const mine = isMine(one);
	const time = el('time', { datetime: one.written.iso, title: exactly(one.written.ms) }, clock(one.written.ms));
	const bubble = el('div', 'bubble',
		how.head && !mine ? el('p', 'top who', named(one.by)) : el('span', 'unseen', visible(one.by), ': '),
		one.reply_to && quote(one.reply_to, acts),
		body(one, how, acts),
		foot(one, time, mine, acts));
	const more = iconButton('more', `Actions for the message of ${visible(one.by)}, ${clock(one.written.ms)}`,
		() => acts.menu(one, more), { class: 'plain more', 'aria-haspopup': 'menu', tabindex: '-1' });
	return frame(`${mine ? 'mine' : ''}${one.retracted ? ' retracted' : ''}`, { id: one.id }, one.written.ms, how,
		!mine && (how.head ? face(one.by) : face('', 'none')), bubble, more);
}

/** @param {string} kind @param {Record<string, string>} data @param {number} ms @param {Setting} how @param {...Child} line */
const frame = (kind, data, ms, how, ...line) => el('article', { class: `row ${kind}${how.head ? ' head' : ''}`, tabindex: '-1', data },
	how.day && el('h2', 'day', el('span', {}, dayName(ms))),
	how.unread && el('p', 'fresh', el('span', {}, 'Not opened before')),
	el('div', 'line', ...line));

/** @param {Message} one @param {Setting} how @param {RowActs} acts */
function body(one, how, acts) {
	if (one.retracted) {
		const gone = el('p', 'said gone', 'Retracted by ', named(one.retracted.by), ' at ', clock(one.retracted.when.ms));
		if (one.retracted.reason) gone.append(': ', written(one.retracted.reason, []));
		return gone;
	}
	if (one.text === null) return el('p', 'said gone', 'Purged under the clinic’s policy');
	const names = (one.mentions ?? []).map(staffName);
	const short = shorten(one.text);
	const said = el('p', 'said', written(short, names, how.find));
	if (short.length === one.text.length) return said;
	const rest = el('button', {
		class: 'small', click: () => {
			said.replaceChildren(written(one.text ?? '', names, how.find));
			rest.remove();
			acts.grown(one);
		},
	}, `Show all ${one.text.length.toLocaleString()} characters`);
	return el('div', {}, said, rest);
}

/** @param {string} text */
function shorten(text) {
	const lines = text.split('\n', LINES + 1);
	const cut = lines.length > LINES ? lines.slice(0, LINES).join('\n') : text;
	return start(cut, LONG);
}

/** @param {string} text @param {number} most */
const start = (text, most) => text.slice(0, most).replace(text.length > most ? /[\ud800-\udbff]$/ : '', '');

/** @param {Quoted} quoted @param {RowActs} acts */
function quote(quoted, acts) {
	return el('button', { class: 'quote', click: () => acts.jump(quoted.id) },
		quoted.by && el('span', 'who', named(quoted.by)), ' ',
		named(quoted.text === null ? 'A message that is no longer here' : firstLine(quoted.text), 'quoted'));
}

/** @param {string} text */
export const firstLine = text => start(text.trim().split('\n', 1)[0], 140);

/** @param {'span' | 'button'} tag @param {string} state @param {string} words @param {Props} [more] */
export const shape = (tag, state, words, more) => el(tag, { class: `state ${state}`, ...more }, icon(state), el('span', {}, words));

/** @param {Message} one @param {HTMLElement} time @param {boolean} mine @param {RowActs} acts */
function foot(one, time, mine, acts) {
	const node = el('p', 'foot');
	if (one.amended && !one.retracted) node.append(el('span', 'tag', 'Amended'));
	if (one.before_removal_was_known) node.append(el('span', 'tag warn', 'Written before the removal was known'));
	const shows = { title: 'Who has it', click: () => acts.details(one) };
	if (mine && !one.retracted) node.append(shape('button', one.delivery.state, stateWords(one.delivery), shows));
	else if (one.delivery.acknowledged_by.length) node.append(shape('button', 'acknowledged', `In hand: ${spoken(one.delivery.acknowledged_by)}`, shows));
	node.append(time);
	return node;
}

/** @type {Record<Pending['state'], string>} */
const PENDING = {
	sending: 'Going to the node',
	waiting: 'Waits here for the node',
	sent: 'On this node',
	refused: 'Not sent',
};

/** @param {Pending} one @param {Setting} how @param {RowActs} acts */
export function pendingRow(one, how, acts) {
	const foot = el('p', 'foot',
		el('span', `state ${one.state}`, icon(one.state === 'sent' ? 'on_this_node' : one.state === 'refused' ? 'warn' : 'waiting'),
			el('span', {}, PENDING[one.state])));
	if (one.state === 'refused') {
		foot.prepend(saying('p', 'why', one.why ?? ''));
		foot.append(el('button', { class: 'small', click: () => acts.putBack(one) }, 'Back to the draft'));
	}
	fill(foot, el('time', {}, clock(one.at)));
	const bubble = el('div', 'bubble',
		one.reply && quote(one.reply, acts),
		el('p', 'said', written(shorten(one.text), one.mentions.map(staffName))), foot);
	return frame('mine pending', { key: one.key }, one.at, how, bubble);
}

/** @param {Message} one */
export function detailsList(one) {
	const { delivery } = one;
	const list = el('dl', 'facts');
	/** @param {string} what @param {Node | string} value */
	const fact = (what, value) => list.append(el('dt', {}, what), el('dd', {}, value));
	/** @param {string} what @param {string[]} names */
	const all = (what, names) => names.length > 0 && fact(what, listed(names));
	fact('Written', exactly(one.written.ms));
	fact('By', named(one.by));
	fact('State', shape('span', delivery.state, stateWords(delivery)));
	all('Stored at, by their signature', delivery.stored_at);
	all('Not known to be with', delivery.missing);
	all('Opened by', delivery.opened_by);
	all('Taken in hand by', delivery.acknowledged_by);
	if (one.retracted) fact('Retracted', exactly(one.retracted.when.ms));
	return list;
}

// Beginning a conversation, and who is in one.

import { button, el, fill, openDialog, refill, searchBox } from './dom.js';
import { conversation, isHere, known, on, staffCalled, staffName } from './state.js';
import { face, listed, named, visible } from './text.js';

const GROUP_MAX = 8;

/** @param {Staff} one */
const about = one => [one.roles.join(', ').replace('_', ' '), one.homes.join(', ')].filter(Boolean).join(' · ');

/** @param {(id: string) => void} open */
export function openBegin(open) {
	const everybody = () => (known.clinic?.staff ?? []).filter(one => one.id !== known.me?.staff && !one.suspended);
	let people = everybody();
	/** @type {Set<string>} */
	const picked = new Set();
	const filter = searchBox('who', 'Find people', 'Name, role or office');
	const list = el('ul', 'people');
	const who = el('p', { class: 'hint', 'aria-live': 'polite' });
	const go = el('button', { type: 'submit', class: 'main', disabled: true }, 'Write');

	const show = () => {
		const words = filter.value.toLocaleLowerCase().split(/\s+/u).filter(Boolean);
		const fits = people.filter(one => words.every(word => `${one.name} ${about(one)}`.toLocaleLowerCase().includes(word)));
		refill(list, ...fits.map(one => el('li', {}, el('label', {},
			check(one.id), face(one.name),
			el('span', 'middle', named(one.name, 'name'), el('span', 'second', about(one)))))));
		if (fits.length === 0) refill(list, el('li', 'wait', 'Nobody fits.'));
	};
	/** @param {string} id */
	const check = id => el('input', {
		type: 'checkbox', checked: picked.has(id), change: () => {
			if (!picked.delete(id)) picked.add(id);
			said();
		},
	});
	const said = () => {
		const more = picked.size >= GROUP_MAX;
		go.disabled = picked.size === 0 || more;
		go.textContent = picked.size > 1 && !more ? `Write to ${picked.size} people` : 'Write';
		refill(who, more ? `A group has ${GROUP_MAX} people at most, with you among them. For more, ask an admin for a room.`
			: picked.size > 0 ? listed(people.filter(one => picked.has(one.id)).map(one => one.name)) : 'Pick one person, or several for a group.');
	};
	const form = el('form', {
		submit: event => {
			event.preventDefault();
			const id = together([...picked]);
			dialog.close();
			open(id);
		},
	}, filter, list, who, el('div', 'choices', button('Cancel', () => dialog.close()), go));
	// Made anew only when somebody was added: nobody loses their place.
	const deaf = on('clinic', () => {
		if (everybody().length === people.length) return;
		people = everybody();
		show();
	});
	const dialog = openDialog('Begin a conversation', { closed: deaf }, form);
	show();
	said();
	filter.addEventListener('input', show);
	filter.focus();
}

// The id of a conversation is who is in it, in order of their ids.
/** @param {string[]} others */
function together(others) {
	const kind = others.length > 1 ? 'group' : 'direct';
	const id = [kind, ...[known.me?.staff ?? '', ...others].sort()].join('-');
	if (!conversation(id)) {
		const names = others.map(staffName).sort();
		known.conversations = [{ id, kind, name: names.join(', '), members: [known.me?.name ?? '', ...names].sort(), newest: null, begun: true }, ...known.conversations];
	}
	return id;
}

/** @param {string} id */
export function openMembers(id) {
	const one = conversation(id);
	if (!one) return;
	const days = one.kind !== 'room' ? known.clinic?.policy.direct_days : known.clinic?.policy.room_days;
	const list = el('ul', 'people', ...one.members.map(name => {
		const staff = staffCalled(name);
		const here = isHere(staff);
		return el('li', {}, face(name, here ? 'here' : ''),
			el('span', 'middle', named(name, 'name'),
				el('span', 'second', [name === known.me?.name && 'you', staff && about(staff), here && 'here', staff?.suspended && 'suspended'].filter(Boolean).join(' · '))));
	}));
	openDialog(visible(one.name), {}, list, days !== undefined && el('p', 'hint', `Messages are kept for ${days} days and then destroyed at every node.`));
}

/** @param {HTMLElement} into @param {Conversation} one */
export function membersLine(into, one) {
	refill(into);
	const others = one.members.filter(name => name !== known.me?.name);
	if (one.kind === 'direct') {
		const other = staffCalled(one.name);
		fill(into, other && about(other), isHere(other) && ' · here');
	} else fill(into, listed(others.slice(0, 6)), others.length > 6 && ` and ${others.length - 6} more`);
}

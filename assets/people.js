// Beginning a conversation, and who is in one.

import { button, el, fill, openDialog, refill } from './dom.js';
import { conversation, known, on } from './state.js';
import { initials, listed, named, visible } from './text.js';

/** @type {Record<string, string>} */
const ROLES = { clinician: 'clinician', front_desk: 'front desk', billing: 'billing', auditor: 'auditor' };

/** Most people in a group. */
const GROUP_MAX = 8;

/** @param {Staff} one */
const about = one => [one.roles.map(role => ROLES[role] ?? role).join(', '), one.homes.join(', ')].filter(Boolean).join(' · ');

/** @param {(id: string) => void} open */
export function openBegin(open) {
	const everybody = () => (known.clinic?.staff ?? []).filter(one => one.id !== known.me?.staff && !one.suspended);
	let people = everybody();
	/** @type {Set<string>} */
	const picked = new Set();
	const filter = el('input', { type: 'text', role: 'searchbox', id: 'who', placeholder: 'Name, role or office', autocomplete: 'off', 'aria-label': 'Find people' });
	const list = el('ul', { class: 'people' });
	const who = el('p', { class: 'hint', 'aria-live': 'polite' });
	const go = el('button', { type: 'submit', class: 'main', disabled: true }, 'Write');

	const show = () => {
		const words = filter.value.toLocaleLowerCase().split(/\s+/u).filter(Boolean);
		const fits = people.filter(one => words.every(word => `${one.name} ${about(one)}`.toLocaleLowerCase().includes(word)));
		refill(list, ...fits.map(one => el('li', {}, el('label', {},
			check(one.id), el('span', { class: 'face', 'aria-hidden': 'true' }, initials(one.name)),
			el('span', { class: 'middle' }, named(one.name, 'name'), el('span', { class: 'second' }, about(one)))))));
		if (fits.length === 0) refill(list, el('li', { class: 'wait' }, 'Nobody fits.'));
	};
	/** @param {string} id */
	const check = id => {
		const box = el('input', { type: 'checkbox' });
		box.checked = picked.has(id);
		box.addEventListener('change', () => {
			if (box.checked) picked.add(id);
			else picked.delete(id);
			said();
		});
		return box;
	};
	const said = () => {
		const more = picked.size >= GROUP_MAX;
		go.disabled = picked.size === 0 || more;
		go.textContent = picked.size > 1 && !more ? `Write to ${picked.size} people` : 'Write';
		refill(who, more ? `A group has ${GROUP_MAX} people at most, with you among them. For more, ask an admin for a room.`
			: picked.size > 0 ? listed(people.filter(one => picked.has(one.id)).map(one => one.name)) : 'Pick one person, or several for a group.');
	};
	const form = el('form', {
		on: {
			submit: (/** @type {Event} */ event) => {
				event.preventDefault();
				if (go.disabled) return;
				const id = together([...picked]);
				dialog.close();
				open(id);
			},
		},
	}, filter, list, who, el('div', { class: 'choices' }, button('Cancel', () => dialog.close()), go));
	// Somebody may be added just now; the list is made anew for that only, so that nobody loses their place in it.
	const deaf = on('clinic', () => {
		if (everybody().length === people.length) return;
		people = everybody();
		show();
	});
	const dialog = openDialog('Begin a conversation', { class: 'high', closed: deaf }, form);
	show();
	said();
	filter.addEventListener('input', show);
	filter.focus();
}

/**
 * The id of the conversation with these people: it is who is in it, in order of their ids.
 * @param {string[]} others
 */
function together(others) {
	const kind = others.length > 1 ? 'group' : 'direct';
	const id = [kind, ...[known.me?.staff ?? '', ...others].sort()].join('-');
	if (!conversation(id)) {
		const names = others.map(other => known.clinic?.staff.find(staff => staff.id === other)?.name ?? '').sort();
		known.conversations = [{ id, kind, name: names.join(', '), members: [known.me?.name ?? '', ...names].sort(), newest: null }, ...known.conversations];
	}
	return id;
}

/** @param {string} id */
export function openMembers(id) {
	const one = conversation(id);
	if (!one) return;
	const days = one.kind !== 'room' ? known.clinic?.policy.direct_days : known.clinic?.policy.room_days;
	const list = el('ul', { class: 'people' }, ...one.members.map(name => {
		const staff = known.clinic?.staff.find(each => each.name === name);
		const here = staff && known.presence.get(staff.id) === 'here';
		return el('li', {}, el('span', { class: `face${here ? ' here' : ''}`, 'aria-hidden': 'true' }, initials(name)),
			el('span', { class: 'middle' }, named(name, 'name'), name === known.me?.name && ' (you)',
				el('span', { class: 'second' }, [staff && about(staff), here && 'here', staff?.suspended && 'suspended'].filter(Boolean).join(' · '))));
	}));
	openDialog(visible(one.name), {}, list, days !== undefined && el('p', { class: 'hint' }, `Messages are kept for ${days} days and then destroyed at every node.`));
}

/** @param {HTMLElement} into @param {Conversation} one */
export function membersLine(into, one) {
	refill(into);
	const others = one.members.filter(name => name !== known.me?.name);
	if (one.kind === 'direct') {
		const other = known.clinic?.staff.find(staff => staff.name === one.name);
		fill(into, other && about(other), other && known.presence.get(other.id) === 'here' && ' · here');
	} else if (others.length > 6) {
		fill(into, listed(others.slice(0, 5)), ` and ${others.length - 5} more`);
	} else {
		fill(into, listed(others));
	}
}

// Messages that the node has not confirmed, and drafts. Each message has a key of its own from the
// start: sending it again can never make two of it. Both belong to a person:
// another one at the same screen does not see them.

import { at, post, Problem } from './api.js';
import { conversation as held, known, tell } from './state.js';

/** @type {Pending[]} */
let pending = [];

/** @type {Map<string, string>} drafts of everybody who has been here: staff id and conversation, text */
const drafts = new Map();
/** @type {Map<string, string>} what the node has of them */
const stored = new Map();

/** @param {string} conversation */
const mine = conversation => `${known.me?.staff} ${conversation}`;

/** @type {Map<string, About>} what somebody was replying to or amending when they left, by place */
const abouts = new Map();

/** @param {string} conversation */
export const about = conversation => abouts.get(mine(conversation));

/** @param {string} conversation @param {About} [one] */
export const keepAbout = (conversation, one) => one ? abouts.set(mine(conversation), one) : abouts.delete(mine(conversation));

const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');

/** @param {string} conversation */
export const pendingIn = conversation => pending.filter(one => one.conversation === conversation && one.owner === known.me?.staff);

export const pendingCount = () => pending.filter(one => one.state === 'waiting' || one.state === 'sending').length;

/** @param {string} conversation @param {string} text @param {Quoted | null} reply @param {string[]} mentions */
export function send(conversation, text, reply, mentions) {
	/** @type {Pending} */
	const one = { key: newKey(), owner: known.me?.staff ?? '', conversation, text, reply, mentions, at: Date.now(), state: 'sending' };
	pending.push(one);
	tell('outbox', one);
	flush();
}

/** Refusals that are about the moment, not about the message. */
const PASSING = /^(busy|throttled|stopping|too_slow)$|locked$|^login_/;

let flushing = false;

/** Sends what waits, oldest first and one at a time, so that order is kept. */
export async function flush() {
	if (flushing) return;
	flushing = true;
	try {
		for (;;) {
			const next = pending.find(one => one.owner === known.me?.staff && (one.state === 'sending' || one.state === 'waiting'));
			if (!next || known.me?.state !== 'ready' || !await deliver(next)) return;
		}
	} finally {
		flushing = false;
	}
}

/** @param {Pending} one @returns {Promise<boolean>} whether the node answered */
async function deliver(one) {
	one.state = 'sending';
	try {
		const sent = await post(`${at(one.conversation)}/messages`, {
			text: one.text, key: one.key, reply_to: one.reply?.id, mentions: one.mentions,
		});
		one.state = 'sent';
		one.id = sent.id;
		tell('outbox', one);
		tell('messages', { conversation: one.conversation });
		return true;
	} catch (error) {
		if (error instanceof Problem && !PASSING.test(error.code)) {
			one.state = 'refused';
			one.why = error.whole;
			tell('outbox', one);
			return true;
		}
		one.state = 'waiting';
		tell('outbox', one);
		if (error instanceof Problem && !/locked$|^login_/.test(error.code)) {
			setTimeout(flush, Math.max(error.retryAfter, 1) * 1000);
		}
		return false;
	}
}

/** @param {string} key */
export function drop(key) {
	pending = pending.filter(one => one.key !== key);
	tell('outbox');
}

// Forgets what the node shows by itself.
/** @param {Set<string>} ids */
export function settled(ids) {
	pending = pending.filter(one => !(one.state === 'sent' && one.id && ids.has(one.id)));
}

/** @param {string} conversation */
export function draft(conversation) {
	return drafts.get(mine(conversation)) ?? held(conversation)?.draft ?? '';
}

/** @param {string} conversation @param {string} text */
export function keepDraft(conversation, text) {
	if (text === draft(conversation)) return;
	drafts.set(mine(conversation), text);
	tell('drafts');
}

/** Gives the node the drafts, for their owner's other screens. */
export async function storeDrafts() {
	const owner = known.me?.staff;
	if (!owner || known.me?.state !== 'ready') return;
	for (const [place, text] of [...drafts]) {
		const [whose, conversation] = place.split(' ');
		if (whose !== owner || stored.get(place) === text) continue;
		try {
			await post(`${at(conversation)}/draft`, { text });
			stored.set(place, text);
		} catch {
			// It stays here, and goes with the next one.
			return;
		}
	}
}

/** Forgets the drafts that the node keeps. */
export function leaveDrafts() {
	for (const [place, text] of [...drafts]) if (stored.get(place) === text) drafts.delete(place);
	stored.clear();
}

/** Whether something would be lost by closing the page. */
export const unkept = () => pendingCount() > 0 || [...drafts].some(([place, text]) => text !== '' && stored.get(place) !== text);

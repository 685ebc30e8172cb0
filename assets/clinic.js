// How the clinic stands: what needs a look, the last backup, and where each revocation is enforced.

import { peek } from './api.js';
import { el, icon, openDialog, refill } from './dom.js';
import { known } from './state.js';
import { named } from './text.js';
import { said } from './timeline.js';
import { exactly } from './time.js';

/** How often it looks again, in ms. */
const LOOK = 2000;

/** Whether whoever is signed in looks after the clinic. */
export const oversees = () => known.me?.roles?.includes('auditor');

export function openClinic() {
	const body = el('div');
	let shows = '';
	const show = async () => {
		const answer = await peek('/revocations').catch(error => ({ revocations: [], error: said(error) }));
		const fresh = JSON.stringify([answer, known.status]);
		if (shows === fresh) return;
		shows = fresh;
		const revocations = answer.revocations.map(revocation);
		const backup = known.status?.backup;
		const warnings = known.status?.warnings ?? [];
		refill(body,
			el('h3', {}, 'What needs a look'),
			...warnings.map(one => el('div', 'notice', icon('warn'), el('p', {}, one.message), el('p', {}, one.remedy))),
			!warnings[0] && el('p', {}, 'Nothing.'),
			backup && el('h3', {}, 'Backups of this node'), backup && el('p', {}, backedUp(backup)),
			el('h3', {}, 'Revocations of the last week, and all that some node does not enforce'),
			...revocations.length ? revocations : [el('p', {}, answer.error ?? 'None.')]);
	};
	const timer = setInterval(show, LOOK);
	openDialog('How the clinic stands', { class: 'wide', closed: () => clearInterval(timer) }, body);
	show();
}

/** @param {Backup} backup */
function backedUp({ last, by, opened, every_hours: every, failed }) {
	const made = last ? `The newest was made ${span(Date.now() - last.ms)} ago (${exactly(last.ms)}) by ${by === 'schedule' ? 'the node itself' : 'a command'}${opened ? ', and opened to check it' : ''}.` : 'None was ever made.';
	return [made, every ? `One is made every ${every} hours.` : 'None is made by itself.', failed && `The last try failed: ${failed.why} ${failed.remedy}`].filter(Boolean).join(' ');
}

/** @type {Record<string, string>} */
const KINDS = { staff: 'Staff member', device: 'Device', admin: 'Admin', invitation: 'Invitation for', root_key: 'Changed for another:' };

/** @param {Revocation} one */
const revocation = one => el('section', {},
	el('h4', {}, `${KINDS[one.kind]} `, named(one.name), `: ${one.everywhere ? '' : 'not '}enforced everywhere`),
	el('p', 'hint', `Signed ${exactly(one.signed_at.ms)}`),
	el('ul', 'offices', ...one.nodes.map(node => el('li', { offline: 'bad', connected: 'part' }[node.state] ?? '',
		el('span', { class: 'dot', 'aria-hidden': 'true' }), el('span', {}, named(node.office, 'name'), node.name !== node.office && named(` · ${node.name}`), `: ${stands(node)}`)))));

/** @param {Enforcement} node */
function stands({ state, after_ms: after, offline_since: since, acts_until: until, certified_until: ends }) {
	if (state === 'enforced') return after === null ? 'enforced' : `enforced after ${span(after)}`;
	return `${state === 'connected' ? 'connected, has not confirmed yet' : since ? `offline since ${exactly(since.ms)}` : 'offline, never heard by this node'
	}; could be ignored there until ${until ? `${exactly(until.ms)} at the latest` : 'it hears of it'}${ends ? `; certified until ${exactly(ends.ms)}` : ''}`;
}

/** @param {number} ms */
function span(ms) {
	const [size, unit] = ms < 60_000 ? [1000, 's'] : ms < 7_200_000 ? [60_000, 'minutes'] : ms < 172_800_000 ? [3_600_000, 'hours'] : [86_400_000, 'days'];
	return `${(ms / size).toFixed(unit === 's' ? 1 : 0)} ${unit}`;
}

// Every key, and what the states of a message mean.

import { el, openDialog } from './dom.js';
import { shape } from './row.js';

/** @type {[string, string][]} */
const KEYS = [
	['?', 'This help'],
	['Ctrl L', 'Lock the screen at once'],
	['/ or Ctrl K', 'Search'],
	['n', 'Begin a conversation'],
	['Alt ↑ ↓', 'The conversation above or below'],
	['Alt U', 'The next conversation with something unread'],
	['Esc', 'Close what is open; from messages, back to writing'],
	['c', 'Write'],
	['Enter', 'Send; Shift Enter begins a line'],
	['@', 'Mention somebody'],
	['↑ in an empty field', 'To the messages'],
	['↑ ↓', 'From message to message'],
	['R, E, H, I', 'On a message: reply, amend, take in hand, who has it; Enter shows all'],
	['End', 'To the newest message'],
];

/** @type {[State, string, string][]} */
const STATES = [
	['on_this_node', 'On this node', 'It is on the disk of this office’s node, and survives a power cut.'],
	['left', 'Left this node', 'It has gone to another office; that office has not signed for it yet.'],
	['stored_at_theirs', 'Stored at …', 'A node of every other member has signed that it holds it.'],
	['opened', 'Opened by …', 'Every other member has had it on a screen.'],
	['acknowledged', 'In hand: …', 'Somebody has said that they take care of it.'],
];

export function openHelp() {
	openDialog('Help', { class: 'help wide' },
		el('div', 'halves',
			el('section', {}, el('h3', {}, 'Keys'), el('dl', 'keys',
				...KEYS.flatMap(([key, what]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, what)]))),
			el('section', {}, el('h3', {}, 'How far a message has come'), el('dl', 'states',
				...STATES.flatMap(([state, word, what]) => [
					el('dt', {}, shape('span', state, word)), el('dd', {}, what)])))));
}

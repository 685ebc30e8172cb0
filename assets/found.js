// The part of a text around the words that were looked for.

import { el } from './dom.js';
import { put } from './text.js';

/** Characters shown before the first word found. */
const LEAD = 60;
/** Characters shown in all. */
const PART = 220;

/**
 * @param {string} text
 * @param {string} words
 */
export function messageText(text, words) {
  const wanted = words.split(/\s+/u).filter(Boolean).map(word => word.toLocaleLowerCase());
  const lower = text.toLocaleLowerCase();
  const places = wanted.map(word => lower.indexOf(word)).filter(place => place >= 0);
  const first = places.length ? Math.min(...places) : 0;
  const from = Math.max(0, first - LEAD);
  const part = `${from > 0 ? '\u2026' : ''}${text.slice(from, from + PART)}${from + PART < text.length ? '\u2026' : ''}`;
  const node = el('span', { class: 'text', dir: 'auto' });
  let at = 0;
  const low = part.toLocaleLowerCase();
  // Only where lower case has the same length can places be carried over.
  while (low.length === part.length && at < part.length) {
    const next = nearest(low, wanted, at);
    if (!next) break;
    put(node, part.slice(at, next.place));
    const mark = el('mark', { class: 'found' });
    put(mark, part.slice(next.place, next.place + next.word.length));
    node.append(mark);
    at = next.place + next.word.length;
  }
  put(node, part.slice(at));
  return node;
}

/**
 * @param {string} text
 * @param {string[]} words
 * @param {number} from
 */
function nearest(text, words, from) {
  let found = null;
  for (const word of words) {
    const place = text.indexOf(word, from);
    if (place >= 0 && (!found || place < found.place)) found = { place, word };
  }
  return found;
}

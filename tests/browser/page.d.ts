// The shapes that the page's modules name: what the node's API answers, and what the page itself keeps.
// Only the type check reads this; browsers never see it.

type Moment = { iso: string, ms: number };
type State = 'on_this_node' | 'left' | 'stored_at_theirs' | 'opened' | 'acknowledged';
type Delivery = { state: State, stored_at: string[], missing: string[], opened_by: string[], acknowledged_by: string[] };
type Quoted = { id: string, by: string | null, text: string | null };
type Retracted = { by: string, when: Moment, reason: string };
type Message = {
  id: string, written: Moment, staff: string, by: string, text: string | null,
  before_removal_was_known: boolean, delivery: Delivery, reply_to?: Quoted | null, mentions?: string[],
  amended?: boolean, retracted?: Retracted | null, mine?: boolean,
};
type Page = { conversation: string, name: string, messages: Message[], earlier: string | null };
type Conversation = {
  id: string, kind: string, name: string, members: string[], newest: Moment | null,
  unread?: number, mentioned?: boolean, first_unread?: string | null, newest_unread?: Moment | null, read_last?: boolean, begun?: boolean, draft?: string | null,
};
type Staff = { id: string, name: string, roles: string[], homes: string[], suspended: boolean, presence?: string };
type Policy = { opened_receipts: boolean, printing: boolean, direct_days: number, room_days: number, idle_logoff_minutes: number };
type Clinic = { id: string, name: string | null, staff: Staff[], policy: Policy };
type Status = {
  name: string, office: string | null, clinic_name: string | null, standing: string,
  peers: { name: string, office: string | null }[], away: string[],
  warnings: { kind: string, message: string, remedy: string, everybody: boolean }[], backup?: Backup | null,
};
type Backup = {
  last: Moment | null, by: string | null, opened: boolean, every_hours: number | null,
  failed: { at: Moment, why: string, remedy: string } | null,
};
type Enforcement = { office: string, name: string, state: string, after_ms: number | null, offline_since: Moment | null, acts_until: Moment | null, certified_until: Moment | null };
type Revocation = { kind: string, name: string, signed_at: Moment, everywhere: boolean, nodes: Enforcement[] };
type Me = {
  staff: string, name: string, roles?: string[], office?: string | null, clinic?: string | null,
  ends?: Moment, idle_minutes?: number, proof: string, state: 'ready' | 'locked' | 'factor' | 'enrol',
  factors?: string[], recovery_left?: number,
};
type Hit = { conversation: string, name: string, message: Message };
type Asked = { public_key: unknown, ceremony?: string };
type Factors = { totp: boolean, passkeys: { id: string, name: string, added: Moment, here: boolean }[], recovery_left: number };
type Logins = { logins: Login[], office?: string | null, elsewhere: string[] };
type Login = { id: string, began: Moment, used: Moment, door: string, address?: string | null, browser?: string | null, this: boolean };
type Hint = { kind: string, conversation?: string, name?: string, by?: string, peer?: string, staff?: string, state?: string };

/** Something that goes into an element. */
type Child = Node | string | null | undefined | false;
/** An element's attributes and listeners. */
type Hears = (event: any) => void;
type Props = {
  [name: string]: any, class?: string, data?: Record<string, string>,
  click?: Hears, submit?: Hears, input?: Hears, keydown?: Hears, mousedown?: Hears, blur?: Hears, close?: Hears,
};

/** A message that the node has not shown yet. */
type Pending = {
  key: string, owner: string, conversation: string, text: string, reply: Quoted | null, mentions: string[], at: number,
  state: 'sending' | 'waiting' | 'sent' | 'refused', why?: string,
  /** Once the node has it. */
  id?: string,
};
type Item = Message | Pending;

/** What a row depends on besides its message. */
type Setting = { head: boolean, day: boolean, unread: boolean, find: string };
/** What can be done from a row. */
type RowActs = {
  details: (one: Message) => void, menu: (one: Message, from: HTMLElement) => void, jump: (id: string) => void,
  putBack: (one: Pending) => void, grown: (one: Message) => void,
};
type DeskActs = {
  lock: () => void, out: () => void, help: () => void, search: () => void, settings: () => void, begin: () => void,
  retry: () => void,
};
/** Where a door leads: signed in; look at what the login is by now; begin at the front door. */
type Ways = { ready: () => void, settled: (me: Me) => void, again: (why?: string) => void };

/** What the page knows while somebody is signed in. */
type Known = {
  me: Me | null, clinic: Clinic | null, status: Status | null, conversations: Conversation[],
  /** Id of the conversation on the screen. */
  open: string | null,
  /** Whether the node answers. */
  link: 'joining' | 'open' | 'lost',
  /** Conversation, name, until when. */
  typing: Map<string, Map<string, number>>,
  /** Ids of staff who did something within the last minutes. */
  presence: Set<string>,
};
/**
 * - `conversations`: the list or a count in it; `messages`: look at a conversation's messages again
 * - `link`: the node or an office came or went; `typing`; `outbox`; `drafts`
 * - `gone`: nobody is signed in any more; `locked`; `open`: another conversation is on the screen
 */
type Topic = 'conversations' | 'messages' | 'receipts' | 'link' | 'typing' | 'outbox' | 'drafts' | 'gone' | 'locked' | 'open' | 'clinic';

/** What a list of any length is made of. */
type Scrolled<T> = {
  label: string, row: (item: T, index: number) => HTMLElement, guess: (item: T, width: number) => number,
  /** What a row depends on besides its item. */
  same: (item: T, index: number) => unknown,
  /** Called near the beginning. */
  start: () => void,
  moved: () => void,
};
/** What the timeline asks of the place where messages are written. */
type Writes = {
  reply: (one: Message) => void, amend: (one: Message) => void, putBack: (one: Pending) => void,
  resume: (one: Message, text?: string) => void,
};
/** What the field for writing refers to, and the text if it amends that. */
type About = { message: string, text?: string };
/** What can be chosen from a menu: words, key, act. */
type Act = [string, string, () => void];
/** A row in the page: what it depends on, where it stands, and as the how manyth of how many. */
type Drawn = { node: HTMLElement, depends: unknown, top: number, index: number, of: number };
/** What the node says when it turns something down. */
type Refusal = { code: string, message: string, remedy?: string, retry_after?: number };
/** How the node is called: whether the page does it by itself, and what was cured before. */
type How = { background?: boolean, after?: string };
/** How a dialog looks, and who hears that it is closed. */
type DialogLook = { class?: string, closed?: () => void, kind?: string };

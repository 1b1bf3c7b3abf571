// list.js finds the sessions that are asked for and keeps the table as they are now.
import { call } from './api.js';
import { $, count, say } from './dom.js';
import { filterOf, isFilter } from './filter.js';
import * as table from './table.js';

const page = 100; // sessions asked for at once
const most = 500; // shown sessions that are still renewed by themselves
const tries = 20; // pages that may be read until one screen is full: few may match among very many

const now = { line: '', chosen: { source: null, active: true, foreign: null }, filter: '', sessions: [], next: '', turn: 0, version: 0, adding: false, renewAt: 0 };

export const sessions = () => now.sessions;
export const filter = () => now.filter;
export const complete = () => now.next === '';
export const everything = () => ['true', 'active eq true'].includes(now.filter); // of what is shown, whatever is being typed
export const chosen = () => now.chosen;

let opened = () => {};
let marked = () => null;

// begin says what to do with a row that somebody chooses, and which one is chosen now.
export function begin(open, current) {
  opened = open;
  marked = current;
}

// ask shows what is asked for from now on.
export async function ask(line, chosen) {
  Object.assign(now, { line, chosen });
  const wanted = filterOf(line, chosen);
  const turn = ++now.turn;
  try {
    const found = await read(wanted, '', page);
    if (turn !== now.turn) return;
    now.filter = wanted;
    hint();
    hold(found.sessions, found.next);
  } catch (e) {
    if (turn !== now.turn) return;
    if (e.code !== 'malformed') throw e;
    say($('search-hint'), isFilter(line) ? `Not a filter yet: ${e.message.replace(/^filter: |: malformed$/g, '')}` : e.message);
  }
}

function hint() {
  say($('search-hint'), isFilter(now.line) ? 'Read as a filter.' : '');
}

// hold shows these sessions. Answers to questions that were asked before are out of date from then on.
function hold(sessions, next) {
  Object.assign(now, { sessions, next, version: now.version + 1 });
  draw();
}

// more shows the page that follows.
export async function more() {
  if (now.adding) return;
  now.adding = true;
  const { version, turn } = now;
  try {
    const found = await read(now.filter, now.next, page);
    if (version !== now.version || turn !== now.turn) return;
    const held = new Set(now.sessions.map((s) => s.handle));
    hold([...now.sessions, ...found.sessions.filter((s) => !held.has(s.handle))], found.next);
  } finally {
    now.adding = false;
  }
}

// renew shows what is shown as it is now. A list that takes long to read is read less often.
export async function renew(forced = false) {
  if (!forced && (now.sessions.length > most || Date.now() < now.renewAt)) {
    draw();
    return;
  }
  const { version } = now;
  const found = await read(now.filter, '', Math.max(page, now.sessions.length));
  if (version === now.version && !now.adding) hold(found.sessions, found.next);
}

async function read(filter, cursor, want) {
  const began = performance.now();
  const found = [];
  let asked = 0;
  do {
    const query = new URLSearchParams({ filter, limit: Math.min(page, want - found.length) }); // pages may be short
    if (cursor) query.set('cursor', cursor);
    const answer = await call('GET', `/sessions?${query}`);
    found.push(...answer.sessions);
    cursor = answer.next ?? '';
    asked++;
  } while (cursor && found.length < want && asked < tries);
  now.renewAt = Date.now() + 10 * (performance.now() - began);
  return { sessions: found, next: cursor };
}

function draw() {
  table.show(now.sessions, marked(), opened);
  const n = now.sessions.length;
  say($('shown'), `${count(n, 'session')}${now.next ? ' and more' : ''}${n > most ? ', not renewed by itself' : ''}`);
  $('more').hidden = now.next === '';
  $('more').textContent = n === 0 ? 'Look further' : 'More';
  $('end-shown').hidden = !now.sessions.some((s) => s.active);
  say($('empty'), n > 0 ? '' : emptiness());
}

function emptiness() {
  if (now.next) return 'None among those that were looked at so far.';
  if (now.line.trim()) return 'No session matches this search.';
  if (now.chosen.active === false) return 'No session that has ended is remembered here.';
  return everything() ? 'Nobody is signed in.' : 'No session matches these filters.';
}

// table.js shows sessions as rows. A row that stays keeps its element, and with it the focus and what is selected.
import { $, el, moment, nameOf, plain, program, short } from './dom.js';

const rows = new Map(); // handle → { tr, seen }

// show makes the table hold these sessions in this order. open is called with the handle of a row somebody chose.
export function show(sessions, chosen, open) {
  const body = $('rows');
  const gone = new Set(rows.keys());
  let place = body.firstElementChild;
  for (const s of sessions) {
    const row = rowOf(s, open);
    gone.delete(s.handle);
    mark(row.tr, s.handle === chosen);
    if (row.tr === place) place = place.nextElementSibling;
    else body.insertBefore(row.tr, place);
  }
  for (const handle of gone) {
    rows.get(handle).tr.remove();
    rows.delete(handle);
  }
}

// choose marks one row as the one whose details are shown.
export function choose(handle) {
  for (const [key, row] of rows) mark(row.tr, key === handle);
}

// focus returns the keyboard to a row; false when it is no more.
export function focus(handle) {
  const button = rows.get(handle)?.tr.querySelector('button');
  button?.focus();
  return button !== undefined;
}

function mark(tr, chosen) {
  if (chosen) tr.setAttribute('aria-current', 'true');
  else tr.removeAttribute('aria-current');
}

function rowOf(s, open) {
  let row = rows.get(s.handle);
  if (!row) {
    const name = el('button', { class: 'link', type: 'button' });
    const cells = Array.from({ length: 6 }, () => el('td'));
    const second = el('span', { class: 'second' });
    cells[0].append(name, second);
    const tr = el('tr', { 'data-handle': s.handle, onclick: () => open(s.handle) }, ...cells);
    row = { tr, name, second, cells };
    rows.set(s.handle, row);
  }
  write(row, s);
  return row;
}

function write(row, s) {
  const who = s.identity;
  const name = nameOf(s);
  const device = s.devices?.at(-1);
  row.tr.classList.toggle('over', !s.active);
  row.name.textContent = name;
  row.second.textContent = short(plain([who.name, who.email, who.subject].find((v) => v && v !== name) ?? ''));
  const [, source, from, begun, seen, ends] = row.cells;
  source.replaceChildren(el('span', { text: s.source }), badge(s));
  from.replaceChildren(el('span', { text: device?.ip || '–' }), el('span', { class: 'second', text: program(device?.user_agent), title: device?.user_agent ?? '' }));
  begun.replaceChildren(moment(s.authenticated_at || s.issued_at));
  seen.replaceChildren(moment(s.last_access_at));
  ends.replaceChildren(s.active ? moment(endOf(s), 'not known') : el('span', { class: 'state over', text: s.refused_at ? 'refused here' : 'ended' }));
}

function badge(s) {
  return el('span', { class: 'second', text: s.foreign ? 'foreign' : 'ours' });
}

// endOf is the earlier of the two ends of a session, "" when none is known.
export function endOf(s) {
  return [s.expires_at, s.idle_expires_at].filter(Boolean).sort((a, b) => new Date(a) - new Date(b))[0] ?? '';
}

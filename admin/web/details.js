// details.js shows everything that is known of one session.
import { at, call, Trouble } from './api.js';
import { $, el, exact, nameOf, program, say, span } from './dom.js';
import { operationsOn } from './powers.js';

let shown = null; // { handle, parts }

export const handle = () => shown?.handle ?? null;

// open shows the session with that handle and moves the keyboard there. acts are what can be done with it.
export async function open(wanted, sourceOf, acts) {
  shown = { handle: wanted };
  const panel = $('details');
  panel.hidden = false;
  panel.replaceChildren(el('p', { class: 'soft', text: 'One moment …' }));
  panel.focus({ preventScroll: matchMedia('(min-width: 70rem)').matches });
  let session;
  try {
    session = await call('GET', at(wanted));
  } catch (e) {
    if (handle() === wanted) panel.replaceChildren(bar(acts), el('p', { class: 'wrong', id: 'details-title', text: wordsOf(e) }));
    return;
  }
  if (handle() !== wanted) return;
  build(panel, session, sourceOf(session.source), acts);
  for (const [name, path, draw] of [['life', '/ttl', drawLife], ['devices', '/devices', drawDevices], ['properties', '/properties', drawProperties]]) {
    void part(wanted, name, path, draw);
  }
}

// renew shows the session as it is now. What its authority would have to be asked for stays as it was.
export async function renew(sourceOf) {
  const wanted = handle();
  if (wanted === null || !shown.parts) return;
  try {
    const session = await call('GET', at(wanted));
    if (handle() !== wanted) return;
    drawFacts(session);
    drawPowers(session, sourceOf(session.source));
    await part(wanted, 'life', '/ttl', drawLife);
  } catch (e) {
    if (handle() === wanted && e.status === 404) over();
    else if (!(e instanceof Trouble)) throw e;
  }
}

export function close() {
  shown = null;
  $('details').hidden = true;
  $('details').replaceChildren();
}

const wordsOf = (e) => (e.status === 404 ? 'This session has ended, and nothing of it is kept.' : e.message);

function over() {
  say(shown.parts.state, 'This session has ended, and nothing of it is kept.');
  shown.parts.state.className = 'state over';
  for (const b of shown.parts.actions.querySelectorAll('[data-needs-active]')) b.disabled = true;
}

async function part(wanted, name, path, draw) {
  let answer;
  try {
    answer = await call('GET', at(wanted, path));
  } catch (e) {
    if (handle() === wanted) shown.parts[name].replaceChildren(el('p', { class: 'soft', text: wordsOf(e) }));
    return;
  }
  if (handle() === wanted) shown.parts[name].replaceChildren(...draw(answer));
}

function bar(acts) {
  return el('button', { class: 'quiet close', type: 'button', 'aria-label': 'Close the details', onclick: acts.close, text: 'Close' });
}

function build(panel, session, source, acts) {
  const state = el('p', { class: 'state' });
  const parts = { state, actions: actions(session, acts), facts: el('dl'), claims: el('div') };
  for (const name of ['life', 'devices', 'properties', 'powers']) parts[name] = el('div');
  shown.parts = parts;
  panel.replaceChildren(
    el('div', { class: 'headline' }, el('h2', { id: 'details-title', text: nameOf(session) }), bar(acts)),
    state, parts.life, parts.actions, parts.facts,
    el('h3', { text: 'Devices' }), parts.devices,
    el('h3', { text: 'Properties' }), parts.properties, parts.claims,
    el('h3', { text: 'What can be done' }), parts.powers,
  );
  drawFacts(session);
  drawPowers(session, source);
}

function actions(session, acts) {
  const button = (text, name, kind, props = { 'data-needs-active': true }) => el('button', { class: kind, type: 'button', text, onclick: () => acts[name](session), ...props });
  const nobody = !session.identity.subject && !session.identity.username;
  return el('div', { class: 'actions' },
    button('Renew', 'refresh', 'quiet'), button('End…', 'revoke', 'danger'), button('End all of this user…', 'revokeUser', 'danger', { disabled: nobody, title: nobody ? 'Its authority has not said whose it is' : null }));
}

function drawFacts(s) {
  const who = s.identity;
  const { parts } = shown;
  say(parts.state, `${s.active ? 'Active' : s.refused_at ? 'Refused here' : 'Ended'} · ${s.foreign ? 'lives at its authority' : 'session of ours'}`);
  parts.state.className = s.active ? 'state' : 'state over';
  for (const b of parts.actions.querySelectorAll('[data-needs-active]')) b.disabled = !s.active;
  const methods = (s.authentication_methods ?? []).map((m) => m.method + (m.aal ? ` (${m.aal})` : '')).join(', ');
  const facts = [
    ['Source', s.source], ['Realm', s.realm], ['Subject', who.subject], ['User name', who.username],
    ['Email', who.email && `${who.email} (${who.email_verified ? 'verified' : 'not verified'})`], ['Name', who.name], ['Groups', who.groups?.join(', ')],
    ['Proved by', methods], ['Assurance', s.aal], ['Context', s.acr],
    ['Began', exact(s.issued_at)], ['Signed in', exact(s.authenticated_at)], ['Last seen', exact(s.last_access_at)],
    ['Ends', exact(s.expires_at)], ['Ends when idle', exact(s.idle_expires_at)], ['Token ends', exact(s.token_expires_at)], ['Refused since', exact(s.refused_at)],
    ['Handle', el('code', { text: s.handle })],
  ];
  parts.facts.replaceChildren(...facts.filter(([, v]) => v).flatMap(([name, value]) => [el('dt', { text: name }), el('dd', {}, value)]));
  if (parts.claims.childElementCount === 0 && who.claims && Object.keys(who.claims).length > 0) {
    parts.claims.append(el('details', {}, el('summary', { text: 'Claims' }), el('pre', { text: JSON.stringify(who.claims, null, 2) })));
  }
}

function drawLife(l) {
  const words = [l.ttl < 0 ? 'Its end is not known' : `${span(l.ttl)} left`];
  if (l.token_ends_at) words.push(l.valid_token ? 'its token holds' : 'its token is past its end');
  return [el('p', { class: 'soft', text: `${words.join('; ')}.` })];
}

function drawDevices({ devices }) {
  if (devices.length === 0) return [el('p', { class: 'soft', text: 'Nobody has said where it is used from.' })];
  return [el('ul', { class: 'plain' }, ...devices.map((d) => el('li', {},
    el('strong', { text: [program(d.user_agent) || 'Unknown program', d.ip].filter(Boolean).join(', ') }),
    el('span', { class: 'second' }, 'seen ', exact(d.last_seen_at) ?? 'at an unknown time', d.first_seen_at ? ', first ' : null, exact(d.first_seen_at)),
    d.user_agent ? el('span', { class: 'second', text: d.user_agent }) : null)))];
}

function drawProperties({ properties }) {
  const all = Object.entries(properties).sort();
  if (all.length === 0) return [el('p', { class: 'soft', text: 'It has none.' })];
  return [el('dl', {}, ...all.flatMap(([name, value]) => [el('dt', { text: name }), el('dd', { text: value || '(not set)' })]))];
}

function drawPowers(session, source) {
  shown.parts.powers.replaceChildren(el('ul', { class: 'plain powers' }, ...operationsOn(session, source).map((o) => el('li', { class: o.can ? 'can' : 'cannot' },
    el('span', { text: o.can ? 'Yes' : 'No', class: 'answer' }), el('span', {}, el('strong', { text: o.what }), el('span', { class: 'second', text: o.why }))))));
}

// page.js puts the page together: who may see it, what is renewed and when, and which button does what.
import * as actions from './actions.js';
import { call, ready, takeToken, token, Trouble } from './api.js';
import * as charts from './charts.js';
import * as chips from './chips.js';
import * as details from './details.js';
import { $, say } from './dom.js';
import * as list from './list.js';
import * as sources from './sources.js';
import * as table from './table.js';

const every = 5000; // ms between renewals while the page is seen
const pause = 250; // ms without a key until what was typed is searched

let inside = false;
let timer = 0;
let renewing = false;
let renewedAt = new Date();
let outage = ''; // what went wrong at the last renewal

async function enter() {
  clearTimeout(timer);
  if (inside) return;
  try {
    await Promise.all([renewSources(), showCaller()]);
  } catch (e) {
    turnAway(e);
    return;
  }
  inside = true;
  $('door').hidden = true;
  $('house').hidden = false;
  $('forget').hidden = token.get() === '';
  say($('trouble'), '');
  await guard(async () => {
    await list.ask($('search').value, list.chosen());
    $('search').focus();
  });
  await renew();
}

// showCaller says who looks. Who may only look is offered nothing else.
async function showCaller() {
  const { name, scope } = await call('GET', '/whoami');
  const reading = scope !== 'write';
  say($('caller'), `${name}${reading ? ', who may only look' : ''}`);
  $('house').classList.toggle('reading', reading);
}

// turnAway shows the door. What was typed there is wrong only when something was typed.
function turnAway(e) {
  inside = false;
  clearTimeout(timer);
  if (e.status !== 401) timer = setTimeout(enter, every); // nobody was turned away: there was no answer
  const shown = token.get() !== '';
  if (e.status === 401) token.forget();
  details.close();
  for (const id of ['house', 'forget', 'caller', 'said', 'trouble']) $(id).hidden = true;
  const there = !$('door').hidden;
  $('door').hidden = false;
  say($('counts'), '');
  say($('live'), '');
  say($('door-trouble'), e.status === 401 && !shown ? '' : e.message);
  if (there && e.status !== 401) return; // somebody may be typing
  $('token').value = '';
  $('token').focus();
}

function leave() {
  token.forget();
  inside = false;
  location.reload(); // and whatever this tab remembers of anybody is gone
}

// guard does something and shows in words what goes wrong. It reports whether nothing did.
async function guard(work) {
  try {
    await work();
    return true;
  } catch (e) {
    if (!(e instanceof Trouble)) throw e;
    if (e.status === 401) turnAway(e);
    else say($('trouble'), e.message);
    return false;
  }
}

async function renewSources() {
  const [{ sources: all }, stats] = await Promise.all([call('GET', '/sources'), readStats()]);
  const live = stats?.sessions;
  sources.show(all, live?.sources);
  charts.draw(stats);
  say($('counts'), live ? `${live.own.toLocaleString('en')} ours · ${live.foreign.toLocaleString('en')} foreign${live.complete ? '' : ', at least'}` : '');
  drawChips();
}

function drawChips() {
  chips.show(sources.names(), list.chosen(), (chosen) => guard(() => {
    const asked = list.ask($('search').value, chosen);
    drawChips();
    return asked;
  }));
}

// readStats returns null where the gateway counts nothing.
async function readStats() {
  try {
    return await call('GET', '/stats');
  } catch (e) {
    if (e.status === 404) return null;
    throw e;
  }
}

// renew shows everything as it is now, and does so again while somebody looks.
async function renew() {
  if (!inside || renewing) return;
  clearTimeout(timer);
  if (document.visibilityState === 'visible') {
    renewing = true;
    const well = await guard(async () => {
      await Promise.all([renewSources(), list.renew(), details.renew(sources.named), ready().then(sources.parts, () => {})]);
    }).finally(() => { renewing = false; });
    if (!inside) return;
    if (well && $('trouble').textContent === outage) say($('trouble'), '');
    outage = well ? '' : $('trouble').textContent;
    $('live').classList.toggle('stale', !well);
    if (well) renewedAt = new Date();
    say($('live'), `${well ? 'As of' : 'Not renewed since'} ${renewedAt.toLocaleTimeString()}`);
  }
  timer = setTimeout(renew, every);
}

// act does what a button says, says what came of it, and shows how things are then.
async function act(work) {
  say($('said'), '');
  let words = '';
  if (await guard(async () => { words = await work(); })) {
    if (words === '') return;
    say($('said'), words);
    say($('trouble'), '');
    await guard(() => Promise.all([list.renew(true), details.renew(sources.named)]));
  }
}

const acts = {
  close: () => {
    const last = details.handle();
    details.close();
    table.choose(null);
    if (!table.focus(last)) $('search').focus();
  },
  refresh: (s) => act(() => actions.refresh(s)),
  revoke: (s) => act(() => actions.revoke(s)),
  revokeUser: (s) => act(() => actions.revokeUser(s)),
};

function begin() {
  list.begin((handle) => {
    table.choose(handle);
    void details.open(handle, sources.named, acts);
  }, details.handle);
  let typed = 0;
  $('search').addEventListener('input', () => {
    clearTimeout(typed);
    typed = setTimeout(() => guard(() => list.ask($('search').value, list.chosen())), pause);
  });
  $('more').addEventListener('click', () => guard(list.more));
  $('end-shown').addEventListener('click', () => act(actions.revokeShown));
  $('forget').addEventListener('click', leave);
  $('door-form').addEventListener('submit', (e) => {
    e.preventDefault();
    token.set($('token').value.trim());
    void enter();
  });
  document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') void renew(); });
  document.addEventListener('keydown', keys);
  addEventListener('hashchange', () => { if (takeToken()) location.reload(); });
  takeToken();
  void enter();
}

// keys: "/" goes to the search, Escape closes the details. In a search with text the browser takes Escape to empty it.
function keys(e) {
  if ($('dialog').open || !inside) return;
  const emptying = document.activeElement === $('search') && $('search').value !== '';
  if (e.key === 'Escape' && details.handle() !== null && !emptying) acts.close();
  if (e.key === '/' && !/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? '')) {
    e.preventDefault();
    $('search').focus();
  }
}

begin();

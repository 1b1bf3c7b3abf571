// actions.js ends and renews sessions. Nothing ends without a question.
import { at, call, stream } from './api.js';
import { confirm, progress, unsettled } from './dialog.js';
import { count, nameOf } from './dom.js';
import { ofUser } from './filter.js';
import * as list from './list.js';
import { named } from './sources.js';

const place = (s) => `${nameOf(s)} at ${s.source}`;

// refresh renews a session and returns what to say.
export async function refresh(s) {
  await call('POST', at(s.handle, '/refresh'));
  return `The session of ${place(s)} was renewed.`;
}

// revoke ends one session and returns what to say; "" when it was not wanted after all.
export async function revoke(s) {
  const text = `It is refused from the next request on, and open connections are closed. ${nameOf(s)} has to sign in again.`;
  if ((await confirm({ title: `End the session of ${place(s)}?`, text, yes: 'End it' })) === null) return '';
  const ended = await call('DELETE', at(s.handle));
  const theirs = unsettled(ended) ? ` Its authority: ${ended.at_authority}` : '';
  return `The session of ${place(s)} has ended.${theirs}`;
}

// revokeUser ends all sessions of the user of a session.
export async function revokeUser(s) {
  const filter = ofUser(s);
  const found = await call('GET', `/sessions?${new URLSearchParams({ filter, limit: 1000 })}`);
  const choices = named(s.source)?.powers.includes('revoke_user')
    ? [{ name: 'authority', text: `Also those at ${s.source} that the gateway has never seen`, ticked: true }] : [];
  const n = found.next ? 'More than ' + count(found.sessions.length, 'session') : count(found.sessions.length, 'session');
  const ticked = await confirm({ title: `End all sessions of ${place(s)}?`, text: `${n} that the gateway knows will end.`, yes: 'End all of them', choices });
  if (ticked === null) return '';
  let theirs = '';
  const ours = await progress({
    title: `Ending the sessions of ${place(s)}`, total: found.next ? 0 : found.sessions.length,
    work: async (told, signal) => {
      await stream('/sessions/revoke', { filter }, signal, told);
      if (ticked.includes('authority')) theirs = await atAuthority(s);
    },
  });
  return `${ours} ${theirs}`.trim();
}

async function atAuthority(s) {
  const user = { subject: s.identity.subject, username: s.identity.username, realm: s.realm };
  try {
    const { ended } = await call('POST', `/sources/${encodeURIComponent(s.source)}/revoke-user`, user);
    return ended < 0 ? `${s.source} ended the sessions of ${nameOf(s)}.` : `${s.source} ended ${count(ended, 'session')} of ${nameOf(s)}.`;
  } catch (e) {
    return `${s.source} did not end those of ${nameOf(s)} that the gateway has never seen: ${e.message}`;
  }
}

// revokeShown ends the sessions in the table or, when there are more than it shows, all that match when that is ticked.
export async function revokeShown() {
  const handles = list.sessions().filter((s) => s.active).map((s) => s.handle);
  const filter = list.filter();
  const choices = [];
  if (!list.complete()) choices.push({ name: 'all', text: `Not only the ${handles.length} shown but all that match` });
  if (list.everything()) choices.push({ name: 'sure', text: 'Yes, although no search narrows this down', required: true });
  const ticked = await confirm({
    title: `End ${count(handles.length, 'session')}?`, yes: 'End them', choices,
    text: 'They are refused from the next request on, and open connections are closed. Everybody concerned has to sign in again.',
  });
  if (ticked === null) return '';
  const all = ticked.includes('all');
  return progress({
    title: 'Ending sessions', total: all ? 0 : handles.length,
    work: all ? (told, signal) => stream('/sessions/revoke', { filter }, signal, told) : (told, signal) => inTurns(handles, signal, told),
  });
}

const atOnce = 1000; // handles the API takes in one call

async function inTurns(handles, signal, told) {
  for (let i = 0; i < handles.length; i += atOnce) {
    await stream('/sessions/revoke', { handles: handles.slice(i, i + atOnce) }, signal, told);
  }
}

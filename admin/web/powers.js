// powers.js says what can be done with a session, and why the rest cannot. It goes by the powers of the session's source;
// the authority may still say no to one session, and then its reason is shown.

// operationsOn lists what there is: what, whether it can be done, and the reason or the manner.
export function operationsOn(session, source) {
  const kind = source ? `${source.name} (${source.kind})` : session.source;
  const has = (...names) => names.some((n) => source?.powers.includes(n));
  const theirs = (names, yes, no) => (has(...names) ? [true, yes] : [false, source ? no : `no source is named ${session.source} any more`]);
  const ours = !session.foreign;
  return [
    ['End here', true, ours ? 'its record is deleted; the next request is refused' : 'the gateway refuses it from the next request on'],
    ['End at its authority', ...theirs(['revoke', 'revoke_ids'], ours ? `asked of ${kind} in the background` : `asked of ${kind}`, `${kind} has no call for it`)],
    ['Renew', ...theirs(['refresh'], ours ? 'its tokens are exchanged for newer ones' : 'its authority prolongs it while it is in use', `${kind} cannot renew or prolong sessions`)],
    ['Move its end', ...(ours ? [false, 'the end of a session of ours never moves'] : theirs(['refresh'], 'by renewing it', `${kind} cannot prolong sessions`))],
    ['Reset its idle clock', ...(ours ? [true, 'here'] : theirs(['touch'], `at ${kind}`, `sessions of ${kind} have no idle clock, or looking at one resets it`))],
    ['Ask whether it holds', ...(ours ? [true, has('verify') ? `asked of ${kind}` : 'answered here'] : theirs(['look'], `asked of ${kind} while it is in use`, `${kind} cannot say without using it`))],
    ['Read properties', ...(ours && !has('read_properties') ? [true, 'those kept here'] : theirs(['read_properties'], `those ${kind} keeps`, `${kind} keeps none that could be read`))],
    ['Change properties', ...(ours && !has('update_properties') ? [true, 'those whose names the configuration allows'] : theirs(['update_properties'], `at ${kind}`, `${kind} has no call for it`))],
    ['Make a token of it', ...(has('tokenize') || !(ours || has('look')) ? theirs(['tokenize'], `by a template of ${kind}`, `${kind} cannot say without using it that it holds`) : [true, 'by the gateway, for an audience of admin.token_audiences'])],
    ['End all of this user at the authority', ...theirs(['revoke_user'], 'those the gateway has never seen as well', `${kind} has no call for it`)],
  ].map(([what, can, why]) => ({ what, can, why }));
}

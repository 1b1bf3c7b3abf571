// dialog.js asks before anything is ended, and shows how far it is while much is.
import { $, count, el } from './dom.js';

// confirm asks. choices are lines that can be ticked: { name, text, ticked, required }. It resolves to the ticked names, or
// to null when the answer is no.
export function confirm({ title, text, yes, choices = [] }) {
  return new Promise((resolve) => {
    const boxes = choices.map((c) => el('input', { type: 'checkbox', id: `choice-${c.name}`, name: c.name, checked: c.ticked, 'data-required': c.required }));
    const go = el('button', { class: 'danger', type: 'button', id: 'dialog-yes', text: yes });
    const check = () => { go.disabled = boxes.some((b) => b.dataset.required !== undefined && !b.checked); };
    const answer = (value) => { end(); resolve(value); };
    boxes.forEach((b) => b.addEventListener('change', check));
    go.addEventListener('click', () => answer(boxes.filter((b) => b.checked).map((b) => b.name)));
    begin(title, () => answer(null), el('p', { text }),
      ...boxes.map((b, i) => el('p', { class: 'choice' }, b, el('label', { for: b.id, text: choices[i].text }))),
      el('div', { class: 'actions' }, el('button', { class: 'quiet', type: 'button', autofocus: true, text: 'Cancel', onclick: () => answer(null) }), go));
    check();
  });
}

// progress shows how far a bulk operation is. work(tell, signal) does it and calls tell with each session that was ended.
// It resolves to what came of it, in words.
export async function progress({ title, total, work }) {
  const stopper = new AbortController();
  const tally = { done: 0, elsewhere: 0, failed: [], reasons: new Map() };
  const meter = el('progress', total ? { max: total, value: 0 } : {});
  meter.setAttribute('aria-label', title);
  const text = el('p', { role: 'status', id: 'progress-text', text: 'Beginning …' });
  const list = el('ul', { class: 'plain reasons' });
  const button = el('button', { class: 'quiet', type: 'button', text: 'Stop', autofocus: true });
  button.addEventListener('click', () => (button.dataset.over ? end() : stopper.abort()));
  begin(title, () => (button.dataset.over ? end() : stopper.abort()), meter, text, list, el('div', { class: 'actions' }, button));
  let trouble = '';
  try {
    await work((e) => {
      note(tally, e);
      if (total) meter.value = tally.done + tally.failed.length;
      text.textContent = `${count(tally.done, 'session')} ended …`;
    }, stopper.signal);
  } catch (e) {
    trouble = stopper.signal.aborted ? 'You stopped it. What had ended stays ended.' : e.message;
  }
  meter.max = 1;
  meter.value = trouble ? meter.value : 1;
  text.textContent = [`${count(tally.done, 'session')} ended here.`, trouble].filter(Boolean).join(' ');
  for (const [reason, n] of tally.reasons) list.append(el('li', { text: `${count(n, 'session')}: ${reason}` }));
  for (const e of tally.failed.slice(0, 20)) list.append(el('li', { class: 'wrong', text: `${e.handle || 'The rest'} did not end: ${e.error}` }));
  if (tally.failed.length > 20) list.append(el('li', { class: 'wrong', text: `and ${tally.failed.length - 20} more` }));
  button.textContent = 'Close';
  button.dataset.over = 'true';
  button.focus();
  return text.textContent;
}

function note(tally, e) {
  if (e.error) {
    tally.failed.push(e);
    return;
  }
  tally.done++;
  if (unsettled(e)) {
    const reason = e.at_authority.replaceAll(e.handle, '…');
    if (tally.reasons.size < 20 || tally.reasons.has(reason)) tally.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1);
  }
}

// unsettled reports whether the authority of an ended session had something to say but that it ended it, or is asked to.
export const unsettled = (e) => Boolean(e.at_authority) && !['ended', 'asked'].includes(e.at_authority);

let onCancel = null;

function begin(title, cancel, ...children) {
  const dialog = $('dialog');
  onCancel = cancel;
  dialog.replaceChildren(el('h2', { id: 'dialog-title', text: title }), ...children);
  if (!dialog.open) dialog.showModal();
  (dialog.querySelector('[autofocus]') ?? dialog).focus();
}

function end() {
  $('dialog').close();
  $('dialog').replaceChildren();
}

// The key Escape means what the button that ends nothing means.
$('dialog').addEventListener('cancel', (e) => {
  e.preventDefault();
  onCancel?.();
});

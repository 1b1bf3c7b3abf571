// chips.js are the filters one presses: source, active or ended, ours or foreign. Those pressed are joined.
import { $, el } from './dom.js';

// show draws the chips. changed is called with what is chosen after each press.
export function show(sources, chosen, changed) {
  const signature = JSON.stringify([sources, chosen]);
  if ($('chips').dataset.signature === signature) return;
  $('chips').dataset.signature = signature;
  const focused = document.activeElement?.dataset?.chip;
  const chip = (attribute, value, text) => el('button', {
    class: 'chip', type: 'button', text, 'data-chip': `${attribute}:${value}`, 'aria-pressed': String(chosen[attribute] === value),
    onclick: () => changed({ ...chosen, [attribute]: chosen[attribute] === value ? null : value }),
  });
  const group = (name, ...chips) => el('div', { class: 'group', role: 'group', 'aria-label': name }, ...chips);
  $('chips').replaceChildren(
    group('State', chip('active', true, 'Active'), chip('active', false, 'Ended')),
    group('Whose', chip('foreign', false, 'Ours'), chip('foreign', true, 'Foreign')),
    group('Source', ...sources.map((s) => chip('source', s, s))));
  if (focused) [...$('chips').querySelectorAll('button')].find((b) => b.dataset.chip === focused)?.focus();
}

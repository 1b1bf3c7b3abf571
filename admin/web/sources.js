// sources.js shows the sources, how each is, and what it can do.
import { $, count, el, say } from './dom.js';

let known = [];

// named returns the source of that name, undefined when there is none.
export const named = (name) => known.find((s) => s.name === name);

// names lists the sources in the order of the configuration.
export const names = () => known.map((s) => s.name);

// show draws the sources; bySource is how many sessions each has now, where that is known.
export function show(sources, bySource) {
  const open = new Set([...$('sources').querySelectorAll('details[open]')].map((d) => d.dataset.source));
  const signature = JSON.stringify([sources, bySource]);
  known = sources;
  if ($('sources').dataset.signature === signature) return;
  $('sources').dataset.signature = signature;
  $('sources').replaceChildren(...sources.map((s) => el('li', { class: s.health ? 'ill' : 'well' },
    el('div', { class: 'headline' }, el('h3', { text: s.name }), el('span', { class: 'soft', text: s.kind }),
      bySource ? el('span', { class: 'soft', text: count(bySource[s.name] ?? 0, 'session') }) : null),
    el('p', { class: 'health', text: s.health ? `Not well: ${s.health}` : 'Well' }),
    el('details', { 'data-source': s.name, open: open.has(s.name) }, el('summary', { text: count(s.powers.length, 'power') }),
      el('p', { class: 'second', text: s.powers.map((p) => p.replaceAll('_', ' ')).join(', ') })))));
  if (sources.length === 0) $('sources').replaceChildren(el('li', { class: 'soft', text: 'There are none.' }));
}

// parts shows how the parts of the gateway are that are no sources.
export function parts(report) {
  const words = report.parts.filter((p) => !p.name.startsWith('source ')).map((p) => `${p.name}: ${p.status}${p.reason ? ` (${p.reason})` : ''}`);
  if (report.status === 'stopping') words.unshift('The gateway is stopping');
  say($('parts'), words.join(' · '));
}

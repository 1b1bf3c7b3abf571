// charts.js draws the last hour: one bar for each minute, and the same in words for those who do not see it.
import { $, count, el, svg } from './dom.js';

const height = 48;
const kinds = [
  { name: 'logins', title: 'Logins', unit: 'login' },
  { name: 'refreshes', title: 'Renewals', unit: 'renewal' },
  { name: 'denials', title: 'Denials', unit: 'denial' },
  { name: 'hits', title: 'Cache hits', unit: 'hit', beside: 'misses' },
];

// draw shows the charts, or hides them when there is nothing to draw.
export function draw(stats) {
  const minutes = stats?.minutes ?? [];
  $('charts').hidden = minutes.length === 0;
  if (minutes.length > 0) $('charts').replaceChildren(...kinds.map((k) => chart(k, minutes)));
}

function chart(kind, minutes) {
  const values = minutes.map((m) => m[kind.name] ?? 0);
  const sum = values.reduce((a, b) => a + b, 0);
  const figure = kind.beside ? share(sum, minutes.reduce((a, m) => a + (m[kind.beside] ?? 0), 0)) : sum.toLocaleString('en');
  return el('figure', { class: `card chart ${kind.name}`, 'data-chart': kind.name },
    el('figcaption', {}, el('span', { class: 'soft', text: kind.title }), el('strong', { text: figure })),
    bars(values, inWords(kind, values, sum, minutes), minutes),
    el('div', { class: 'axis', 'aria-hidden': 'true' }, el('span', { text: 'an hour ago' }), el('span', { text: 'now' })));
}

const share = (hits, misses) => (hits + misses === 0 ? '–' : `${Math.floor((1000 * hits) / (hits + misses)) / 10} %`);

const clock = (at) => new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

function inWords(kind, values, sum, minutes) {
  if (sum === 0) return `${kind.title}: none in the last hour.`;
  const most = Math.max(...values);
  const beside = kind.beside ? ` Misses: ${minutes.reduce((a, m) => a + (m[kind.beside] ?? 0), 0)}.` : '';
  return `${kind.title} in the last hour: ${count(sum, kind.unit)}, at most ${most} in a minute, at ${clock(minutes[values.indexOf(most)].at)}.${beside}`;
}

function bars(values, words, minutes) {
  const most = Math.max(...values, 1);
  const step = 4;
  const picture = svg('svg', { viewBox: `0 0 ${values.length * step} ${height}`, role: 'img', 'aria-label': words, preserveAspectRatio: 'none' }, svg('title', { text: words }));
  picture.append(svg('line', { x1: 0, x2: values.length * step, y1: height - 0.5, y2: height - 0.5, class: 'ground' }));
  values.forEach((v, i) => {
    if (v === 0) return;
    const h = Math.max(2, (v / most) * (height - 2));
    picture.append(svg('rect', { x: i * step + 0.5, y: height - h, width: step - 1, height: h }, svg('title', { text: `${clock(minutes[i].at)}: ${v}` })));
  });
  return picture;
}

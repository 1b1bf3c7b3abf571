// dom.js makes elements. Whatever comes from outside becomes text and never markup: nothing here or elsewhere on the page
// reads HTML, and the page's policy (require-trusted-types-for) forbids it besides.

export const $ = (id) => document.getElementById(id);

// plain is a text from elsewhere as it may be shown: what nobody sees and what turns the direction of the rest is marked.
export const plain = (text) => String(text).replace(/(?![\n\t])\p{Cc}|[\p{Cf}\u2028\u2029]/gu, '\ufffd');

// short is a text of one line that may be of any length.
export const short = (text) => (text.length > 80 ? `${[...text].slice(0, 79).join('')}…` : text);

// el makes an element. Members of props are attributes, but text is the text and onX a listener; children that are
// null or false are left out.
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

// svg is el for drawings.
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children);
}

function fill(e, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name === 'text') e.textContent = plain(value);
    else if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (value === true) e.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) e.setAttribute(name, value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== false).map((c) => (typeof c === 'string' ? plain(c) : c)));
  return e;
}

// say shows text in a place that may be empty.
export function say(place, text) {
  const shown = plain(text);
  if (place.textContent !== shown) place.textContent = shown;
  place.hidden = shown === '';
}

// count says how many of what: count(1, 'session') is "1 session".
export const count = (n, what) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;

const units = [['day', 86400], ['h', 3600], ['min', 60], ['s', 1]];

// span says a number of seconds as exactly as people care: "2 days 3 h", "3 h 20 min", "20 min", "20 s".
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const first = Math.max(0, units.findIndex(([, size]) => whole >= size));
  if (whole < 60) return `${whole} s`;
  const words = [];
  let rest = whole;
  for (const [unit, size] of units.slice(first, first < 2 ? first + 2 : first + 1)) {
    const n = Math.floor(rest / size);
    if (n > 0) words.push(unit === 'day' ? count(n, 'day') : `${n} ${unit}`);
    rest -= n * size;
  }
  return words.join(' ');
}

// moment shows a time as people say it, with the exact one to read on hover. "" stands for a time nobody knows.
export function moment(at, unknown = '–') {
  if (!at) return el('span', { class: 'soft', text: unknown });
  const date = new Date(at);
  const ahead = (date - Date.now()) / 1000;
  let text = ahead > 0 ? `in ${span(ahead)}` : `${span(-ahead)} ago`;
  if (Math.abs(ahead) < 5) text = 'now';
  return el('time', { datetime: at, title: date.toLocaleString(), text });
}

// exact shows a time in full, and how far away it is.
export function exact(at) {
  if (!at) return null;
  const near = moment(at);
  return el('span', {}, new Date(at).toLocaleString(), ' ', el('span', { class: 'soft', text: `(${near.textContent})` }));
}

const programs = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari'], ['curl/', 'curl']];
const systems = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS X', 'macOS'], ['CrOS', 'ChromeOS'], ['Linux', 'Linux']];

// program names what a User-Agent claims to be; where it is not known, its first word.
export function program(agent) {
  if (!agent) return '';
  const find = (list) => list.find(([mark]) => agent.includes(mark))?.[1];
  const name = find(programs) ?? agent.split(/[\s/]/)[0].slice(0, 40);
  const system = find(systems);
  return system ? `${name} on ${system}` : name;
}

// nameOf is what to call the user of a session.
export function nameOf(session) {
  const who = session.identity;
  return short(plain(who.username || who.email || who.name || who.subject || 'nobody'));
}

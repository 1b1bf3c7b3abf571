// filter.js turns what is typed and chosen into a filter of the API (SCIM, RFC 7644 §3.4.2.2).

// attributes are what a filter can ask about.
export const attributes = ['aal', 'acr', 'active', 'authenticated_at', 'email', 'expires_at', 'foreign', 'groups', 'handle', 'idle_expires_at', 'ip',
  'issued_at', 'last_access_at', 'name', 'realm', 'source', 'subject', 'user_agent', 'username'];

// quote writes a text as the filter language has it. Its parser takes hex digits in upper case alone.
export function quote(text) {
  const hex = (c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[\u0000-\u001f]/g, hex)}"`;
}

// isFilter reports whether a line is meant as a filter and not as words: it begins with an attribute and an operator.
export function isFilter(line) {
  const text = line.trim();
  if (text === 'true') return true;
  const found = /^(?:not\b|\(|\s)*([a-z_]+)\s+(?:(?:eq|ne|co|sw|ew|gt|ge|lt|le)(?=\s|")|pr(?=[\s)]|$))/i.exec(text);
  return found !== null && attributes.includes(found[1].toLowerCase());
}

// wordsOf splits a line at spaces; what stands in quotes stays together.
function wordsOf(line) {
  return [...line.matchAll(/"([^"]+)"?|[^\s"]+/g)].map((m) => m[1] ?? m[0]);
}

// spellings of a word: but for user name and email the filter compares exactly, and people do not.
function spellings(word) {
  const small = word.toLowerCase();
  return [...new Set([word, small, small.charAt(0).toUpperCase() + small.slice(1)])];
}

function wordFilter(word) {
  const parts = ['username', 'email'].map((name) => `${name} co ${quote(word)}`);
  for (const spelt of spellings(word)) {
    for (const name of ['name', 'subject', 'source']) parts.push(`${name} co ${quote(spelt)}`);
  }
  if (/^[0-9a-f.:]+$/i.test(word)) parts.push(`ip sw ${quote(word.toLowerCase())}`);
  return `(${parts.join(' or ')})`;
}

// filterOf joins what is typed with what is chosen: chosen maps attributes to a text, a truth, or null for any.
export function filterOf(line, chosen = {}) {
  const parts = [];
  if (isFilter(line)) {
    if (line.trim() !== 'true') parts.push(`(${line.trim()})`);
  } else {
    parts.push(...wordsOf(line).map(wordFilter));
  }
  for (const [name, value] of Object.entries(chosen)) {
    if (value !== null) parts.push(`${name} eq ${typeof value === 'string' ? quote(value) : value}`);
  }
  return parts.join(' and ') || 'true';
}

// ofUser chooses all sessions of the user of a session that still hold.
export function ofUser(session) {
  const who = session.identity;
  const chosen = { source: session.source };
  if (who.subject) chosen.subject = who.subject;
  else chosen.username = who.username ?? '';
  if (session.realm) chosen.realm = session.realm;
  return filterOf('', { ...chosen, active: true });
}

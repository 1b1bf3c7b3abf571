// api.js asks the API. The token is in the storage of this tab and in the header of each call, never in an address.

const place = 'sessionward-admin-token';

export const token = {
  get: () => sessionStorage.getItem(place) ?? '',
  set: (value) => sessionStorage.setItem(place, value),
  forget: () => sessionStorage.removeItem(place),
};

// takeToken takes a token out of the address (#token=…), once: it stays neither there nor in the history.
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return false;
  history.replaceState(null, '', location.pathname + location.search);
  if (given) token.set(given);
  return given !== '';
}

// Trouble is an answer that is none, in words. code is that of the API; "" when it did not answer at all.
export class Trouble extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

async function ask(method, path, body, signal) {
  const headers = {};
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let res;
  try {
    res = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal, redirect: 'error', cache: 'no-store' });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new Trouble(0, '', 'The gateway does not answer.');
  }
  if (!res.ok) throw await troubleOf(res);
  return res;
}

async function troubleOf(res) {
  const problem = await res.json().catch(() => ({}));
  const words = {
    unauthorized: 'This token is not known here.',
    insufficient_scope: 'This token may only read. Ending and renewing sessions needs one with the scope write.',
  };
  return new Trouble(res.status, problem.code ?? '', words[problem.code] ?? problem.detail ?? `The gateway answered ${res.status} and no reason.`);
}

const seconds = 30000;

// call sends one call and returns its answer.
export async function call(method, path, body) {
  const res = await ask(method, `/api/v1${path}`, body, AbortSignal.timeout(seconds)).catch((e) => {
    throw e instanceof Trouble ? e : new Trouble(0, '', 'The gateway has not answered for 30 seconds.');
  });
  try {
    return await res.json();
  } catch {
    throw new Trouble(res.status, '', 'The answer of the gateway broke off.');
  }
}

// ready returns how the parts of the gateway are.
export async function ready() {
  const res = await fetch('/readyz', { signal: AbortSignal.timeout(seconds), redirect: 'error', cache: 'no-store' });
  return res.json();
}

const brokeOff = 'The answer of the gateway broke off; the rest may not have ended.';

// stream sends one call and tells each line of its answer as it comes.
export async function stream(path, body, signal, told) {
  const res = await ask('POST', `/api/v1${path}`, body, signal);
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read().catch((e) => {
      if (signal.aborted) throw e;
      throw new Trouble(0, '', brokeOff);
    });
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line) told(JSON.parse(line));
  }
  if (rest.trim()) throw new Trouble(0, '', brokeOff);
}

export const at = (handle, rest = '') => `/sessions/${encodeURIComponent(handle)}${rest}`;

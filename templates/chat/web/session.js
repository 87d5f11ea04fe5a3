/** The login of this window. A second window has one of its own, so that you can try two users. */
const KEY = 'session';
const base = new URL('auth/', document.baseURI);

let session = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');

export const currentUser = () => session?.user;

export const signUp = (name, password) => begin('signup', { name, password });
export const logIn = (name, password) => begin('login', { name, password });

export async function logOut() {
  const { refresh_token } = session;
  keep(null);
  await ask('logout', { refresh_token }).catch(() => {});
}

/** For the client: the access token, or a new one when the server refused the last or it ends soon. */
export async function token({ renew }) {
  if (renew) await begin('refresh', { refresh_token: session.refresh_token });
  return session.access_token;
}

async function begin(action, body) {
  keep({ ...session, ...(await ask(action, body)) });
}

function keep(value) {
  session = value;
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, JSON.stringify(value));
}

async function ask(action, body) {
  const response = await fetch(new URL(action, base), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = response.status === 204 ? null : await response.json();
  if (response.ok) return answer;
  const details = answer.errors?.map(({ field, message }) => `${field} ${message}`).join(', ');
  throw new Error(details || answer.detail || answer.title);
}

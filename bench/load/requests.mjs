// The requests of the benchmark as text. Every write differs from all before it: an equal PUT would be no work for a
// server that notices. All contents have the same length, so all frames have.
import { nowUs } from './child.mjs';

/** Once in every content and nowhere else in a frame or event, so that deliveries are counted by counting it. */
export const MARK = 0x5e;
export const STAMP_DIGITS = 16;
const FILLER = ' The quick brown fox jumps over the lazy dog; a message of usual length.';
const JSON_HEAD = 'Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ';
let counter = 0;
/** Greater than that of every line that was there before. */
let made = 1_000_000_000;

function makeContent() {
  counter += 1;
  const stamp = String(Math.round(nowUs())).padStart(STAMP_DIGITS, '0');
  return `^${stamp} ${String(counter).padStart(10, '0')}${FILLER}`;
}

function makeWrite(line, body, token) {
  return `${line} HTTP/1.1\r\n${authorization(token)}${JSON_HEAD}${body.length}\r\n\r\n${body}`;
}

function makeRead(path, token) {
  return `GET ${path} HTTP/1.1\r\n${authorization(token)}Host: 127.0.0.1\r\n\r\n`;
}

function authorization(token) {
  return token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
}

/** Each maker takes {ids, titles, prefix, listQuery} once and gives a function that makes the next request. */
export const makers = {
  get: ({ ids }) => {
    let i = 0;
    return () => {
      i = (i + 7919) % ids;
      return makeRead(`/my-app/Message/msg-${i}`);
    };
  },
  list: ({ titles, listQuery }) => {
    let i = 0;
    return () => {
      i = (i + 7) % titles;
      return makeRead(`/my-app/Note?${listQuery}title-${i}&limit=20`);
    };
  },
  put: ({ ids }) => {
    let i = 0;
    return () => {
      i = (i + 1) % ids;
      return makeWrite(`PUT /my-app/Message/msg-${i}`, `{"title":"Hello","content":"${makeContent()}"}`);
    };
  },
  patch: ({ ids }) => {
    let i = 0;
    return () => {
      i = (i + 1) % ids;
      return makeWrite(`PATCH /my-app/Message/msg-${i}`, `{"content":"${makeContent()}"}`);
    };
  },
  post: ({ prefix }) => {
    let i = 0;
    return () => {
      const id = `${prefix}-${i++}`;
      return makeWrite('POST /my-app/Message', `{"id":"${id}","title":"Hello","content":"${makeContent()}"}`);
    };
  },
  /** The paths one after the other. */
  paths: ({ paths, token }) => {
    let i = 0;
    return () => {
      i = (i + 1) % paths.length;
      return makeRead(paths[i], token);
    };
  },
  /** Records that stay in their rooms: one that leaves a room is told there too. */
  chat: ({ ids, rooms }) => {
    let i = 0;
    return () => {
      i = (i + 1) % ids;
      return makeWrite(
        `PUT /my-app/Chat/chat-${rooms}-${i}`,
        `{"roomId":"room-${i % rooms}","content":"${makeContent()}"}`,
      );
    };
  },
  /** Lines that are made anew: each becomes the newest one of its room. */
  line: ({ ids, rooms }) => {
    let i = 0;
    return () => {
      i = (i + 7919) % ids;
      const body = `{"roomId":"room-${i % rooms}","made":${++made},"content":"${makeContent()}"}`;
      return makeWrite(`PUT /my-app/Line/line-${rooms}-${i}`, body);
    };
  },
  /** Entries that refer to another owner each time. */
  entry: ({ table, ids, owners }) => {
    let i = 0;
    let round = 0;
    return () => {
      i = (i + 1) % ids;
      if (i === 0) round += 1;
      const body = `{"ownerId":"owner-${(i + round) % owners}","begin":${i},"end":${i + 10},"content":"${makeContent()}"}`;
      return makeWrite(`PUT /my-app/${table}/entry-${i}`, body);
    };
  },
  /** Records that keep their team and their owner. */
  note: ({ table, ids, owners, token }) => {
    let i = 0;
    return () => {
      i = (i + 1) % ids;
      const body = `{"team":"a","ownerId":"user-${i % owners}","content":"${makeContent()}"}`;
      return makeWrite(`PUT /my-app/${table}/note-${i}`, body, token);
    };
  },
  /** To all members of a room. */
  tell: () => () => makeWrite('POST /my-app/api/tell', `{"title":"Hello","content":"${makeContent()}"}`),
  live: () => () => makeRead('/health/live'),
};

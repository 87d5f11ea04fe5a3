// The live half of the baseline: plain ws and SSE on the table and on each record, a loop over the sockets per write.
import { Sender, WebSocketServer } from 'ws';

const TABLE = '/my-app/Message';
const ROOMS = '/my-app/ws';

/** With `batch`, the frames of one turn of the event loop are sent to each socket with one write. */
export function startLive(app, { batch = false } = {}) {
  const sockets = new Set();
  const streams = new Set();
  const socketOfRecord = new Map();
  const rooms = new Map();
  const waiting = [];
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  let seq = Date.now() * 1000;

  app.server.on('upgrade', (request, socket, head) => {
    server.handleUpgrade(request, socket, head, (ws) => {
      if (request.url === ROOMS) return enterRooms(ws);
      const id = request.url.startsWith(`${TABLE}/`) ? request.url.slice(TABLE.length + 1) : undefined;
      ws.on('error', () => ws.terminate());
      if (id === undefined) {
        sockets.add(ws);
        ws.on('close', () => sockets.delete(ws));
      } else {
        socketOfRecord.set(id, ws);
        ws.on('close', () => socketOfRecord.delete(id));
      }
      ws.send('{"type":"ready"}');
    });
  });

  app.get(TABLE, (request, reply) => {
    if (request.headers.accept !== 'text/event-stream') return reply.code(404).send();
    reply.hijack();
    const stream = reply.raw;
    stream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    streams.add(stream);
    stream.on('close', () => streams.delete(stream));
    stream.write('event: ready\ndata: {"type":"ready"}\n\n');
  });

  function publish(record) {
    const own = socketOfRecord.get(record.id);
    if (own === undefined && sockets.size === 0 && streams.size === 0) return;
    seq += 1;
    if (own !== undefined || sockets.size > 0) {
      // A buffer made once: ws would otherwise convert the same string again for every socket.
      const frame = Buffer.from(JSON.stringify(makeFrame(record, seq)));
      own?.send(frame, { binary: false });
      if (batch) sendAtEndOfTurn(frame);
      else sendAll(frame);
    }
    if (streams.size > 0) {
      const event = Buffer.from(`event: update\nid: ${seq}\ndata: ${JSON.stringify(record)}\n\n`);
      for (const stream of streams) stream.write(event);
    }
  }

  function sendAll(frame) {
    for (const ws of sockets) {
      if (ws.readyState === ws.OPEN) ws.send(frame, { binary: false });
    }
  }

  function sendAtEndOfTurn(frame) {
    waiting.push(...frameParts(frame));
    if (waiting.length > 2) return;
    setImmediate(() => {
      const bytes = Buffer.concat(waiting.splice(0));
      for (const ws of sockets) {
        if (ws.readyState === ws.OPEN) ws._socket.write(bytes);
      }
    });
  }

  function enterRooms(ws) {
    const joined = new Set();
    ws.on('message', (data) => {
      const { type, room } = JSON.parse(data.toString());
      if (type !== 'join_room') return;
      if (!rooms.has(room)) rooms.set(room, new Set());
      rooms.get(room).add(ws);
      joined.add(room);
      ws.send(JSON.stringify({ type: 'joined', room }));
    });
    ws.on('close', () => {
      for (const room of joined) rooms.get(room).delete(ws);
    });
  }

  app.post('/my-app/api/tell', (request) => {
    const members = rooms.get('bench') ?? [];
    const frame = Buffer.from(JSON.stringify({ type: 'message', data: request.body, room: 'bench' }));
    for (const ws of members) {
      if (ws.readyState === ws.OPEN) ws.send(frame, { binary: false });
    }
    return { told: members.size };
  });
  return { publish };
}

/** Header and payload of a text frame (RFC 6455, section 5.2), as `ws` makes it. */
function frameParts(payload) {
  return Sender.frame(payload, { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true });
}

function makeFrame(record, seq) {
  const timestamp = new Date().toISOString();
  return { message_type: 'Update', data: record, id: record.id, timestamp, seq, op: 'update' };
}

// The chat: who you are, which room you look at, and what the backend tells of it.
import { Room } from './room.js';
import * as view from './view.js';

const backend = new URLSearchParams(location.search).get('backend') ?? 'http://localhost:9996/chat';

view.onEnter(async (name) => {
  // The client comes from the backend, so that both are always of one version.
  const { connect } = await import(`${backend}/client.js`);
  const client = connect(backend, { userId: name });
  const rooms = client.rooms('ws', {
    onMessage: (_message, room) => {
      if (room !== undefined && room !== current?.name) view.addUnread(room);
    },
    onPresence: (room, members) => {
      if (room === current?.name) view.showMembers(members);
    },
    onStatus: view.showStatus,
    onError: (error) => view.showError(error.message),
  });
  let current;

  const enter = async (room) => {
    current?.leave();
    current = new Room(client, room, name);
    view.showRoom(room);
    view.showMembers(rooms.members(room));
    await Promise.all([rooms.join(room), current.enter()]);
  };

  view.onSay((text) => rooms.send({ room: current.name, text }));
  view.onTyping(() => current.tellTyping());
  view.onOpenRoom(async (room) => {
    await client.tables.Room.create({ id: room }).catch((error) => {
      // Somebody has opened it before.
      if (error.code !== 'CONFLICT') throw error;
    });
    await enter(room);
  });
  view.onChoose(enter);

  // Every room is joined, so that its messages are counted; only one is looked at.
  const list = client.tables.Room.live('sort=id', {
    onChange: (records) => {
      view.showRooms(records.map(({ id }) => id));
      for (const { id } of records) if (!rooms.joined.includes(id)) rooms.join(id).catch(() => {});
    },
  });
  await list.ready;
  if (list.get('lobby') === undefined) await client.tables.Room.create({ id: 'lobby' }).catch(() => {});
  await enter('lobby');
});

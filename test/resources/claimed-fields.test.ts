import { describe, expect, onTestFinished, test } from 'vitest';
import { ANONYMOUS, type Principal, SERVER } from '../../src/auth/identity.ts';
import { PropertyHarness } from '../property/harness.ts';

const SDL = `type Note @table @export(public: [read, create, update, delete]) {
  id: ID! @primaryKey
  ownerId: ID! @default(value: "$auth.sub")
  level: Int @default(value: "$auth.org.level")
  team: String @default(value: "$auth.team") @hidden
  text: String
}`;

const person = (sub: string, claims: Principal['claims'] = {}): Principal => ({
  type: 'principal',
  sub,
  roles: [],
  claims,
  expiresAt: undefined,
});
const ADA = person('ada', { org: { level: 3 }, team: 'red' });
const BEN = person('ben', { org: { level: 'high' } });

function open() {
  const rig = new PropertyHarness({ sdl: SDL });
  onTestFinished(() => rig[Symbol.dispose]());
  return rig.resource('Note');
}

const refused = (name: string, claim: string) => ({
  code: 'FORBIDDEN',
  errors: [
    { field: name, message: `is set by the server to ${claim} of the caller that creates the record; leave it out` },
  ],
});

describe('a default that is a claim', () => {
  test('is set in every new record, and no other value is taken', async () => {
    const notes = open();
    const json = async (write: Promise<{ readonly json: string }>) => JSON.parse((await write).json) as object;
    expect(await json(notes.create(ADA, { id: '1' }))).toEqual({ id: '1', ownerId: 'ada', level: 3, text: null });
    // A claim that is no value of the field counts as absent.
    expect(await json(notes.put(BEN, '2', { text: 'x' }))).toEqual({ id: '2', ownerId: 'ben', level: null, text: 'x' });
    expect(await json(notes.create(ADA, { id: '3', ownerId: 'ada', level: 3 }))).toMatchObject({ ownerId: 'ada' });
    await notes.createMany(ADA, [{ id: '4' }, { id: '5' }]);
    await expect(notes.create(ADA, { id: '6', ownerId: 'ben' })).rejects.toMatchObject(refused('ownerId', 'sub'));
    await expect(notes.put(BEN, '6', { level: 9 })).rejects.toMatchObject(refused('level', 'org.level'));
    await expect(notes.createMany(ADA, [{ id: '6' }, { id: '7', ownerId: 'x' }])).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    await expect(notes.create(ADA, { id: '6', team: 'red' })).rejects.toMatchObject(refused('team', 'team'));
    await expect(notes.create(ANONYMOUS, { id: '6' })).rejects.toMatchObject({
      errors: [{ field: 'ownerId', message: 'is required' }],
    });
  });

  test('stays with the record when another user changes it', async () => {
    const notes = open();
    await notes.create(ADA, { id: '1' });
    const owner = async () => (JSON.parse((await notes.get(SERVER, '1'))?.json ?? '') as { ownerId: string }).ownerId;
    await notes.put(BEN, '1', { text: 'all but the owner' });
    await notes.put(BEN, '1', { ownerId: 'ada', level: 3, text: 'as it was read' });
    await notes.patch(BEN, '1', { ownerId: 'ada' });
    expect(await owner()).toBe('ada');
    await expect(notes.patch(BEN, '1', { ownerId: 'ben' })).rejects.toMatchObject(refused('ownerId', 'sub'));
    await expect(notes.put(BEN, '1', { ownerId: 'ben' })).rejects.toMatchObject(refused('ownerId', 'sub'));
    await expect(notes.patchMany(ADA, 'all=true', { ownerId: 'ben' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await owner()).toBe('ada');
    // Code in the server may write what it likes.
    await notes.patch(SERVER, '1', { ownerId: 'ben' });
    expect(await owner()).toBe('ben');
  });
});

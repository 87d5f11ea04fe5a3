import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes (1 MiB) that must have room: as much as a commit of the largest records may need. */
const PROBE_ROOM = 1024 ** 2;

/** Writes a file and removes it. Throws what the file system says, also where the file cannot be made. */
export async function probeRoom(dir: string): Promise<void> {
  const path = join(dir, 'probe.tmp');
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(Buffer.alloc(PROBE_ROOM));
    // Some file systems find out only then that there is no room.
    await file.datasync();
  } finally {
    await file.close();
    await unlink(path);
  }
}

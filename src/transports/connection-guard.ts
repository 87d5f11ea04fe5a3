import type { FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import type { Admission } from '../server/limits/admission.ts';

/** What connections that stay open have to pass: before hooks are asked about them, and after that again. */
export class ConnectionGuard {
  readonly #admission: Admission;

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  get isClosed(): boolean {
    return this.#admission.isClosed;
  }

  /** The server stops: whatever is still on its way in is refused. */
  close(): void {
    this.#admission.close();
  }

  /** Throws STOPPING, OVERLOADED or TOO_MANY_CONNECTIONS. */
  admit(request: FastifyRequest): void {
    this.#admission.check(request);
  }

  /** Much may have happened while a token or a hook was waited for. Throws BAD_REQUEST when nobody waits, and as `check`. */
  readmit(request: FastifyRequest, isGone = false): void {
    if (isGone) throw new AppError('BAD_REQUEST', 'The connection was closed.');
    this.#admission.check(request);
  }
}

import type { ConnectorType, FlowData, SourceType, SourceUse, TargetUse } from '../connector.ts';
import type { CelExpression, CelScope } from './expressions/cel.ts';

/** How often what fails is tried, and how long to wait between: milliseconds. */
export interface RetryPolicy {
  /** In all, the first time included. */
  readonly attempts: number;
  readonly delay: number;
  readonly maxDelay: number;
}

/** `from:` of a flow, read. */
export interface FlowSource {
  readonly connector: string;
  readonly type: SourceType;
  readonly use: SourceUse;
}

/** One `to:` of a flow, read. */
export interface FlowTarget {
  readonly connector: string;
  readonly use: TargetUse;
  /** Its `target:` for one event; a name stands for itself. */
  readonly target: CelExpression;
  readonly as: 'caller' | 'server';
  /** For people, and to know it again: `table create Message`. */
  readonly label: string;
}

/** One flow of config.yaml, checked and compiled. */
export interface Flow {
  readonly name: string;
  readonly source: FlowSource;
  readonly when: CelExpression | undefined;
  readonly transform: ((scope: CelScope) => FlowData) | undefined;
  /** It has a `transform`, and none of its expressions reads `input.body`. */
  readonly ignoresBody?: boolean;
  readonly targets: readonly FlowTarget[];
  readonly retry: RetryPolicy;
  /** Milliseconds that one delivery to a target may take. */
  readonly timeout: number;
  /** Events that are at work at once; others wait. */
  readonly concurrency: number;
}

/** A connector of config.yaml, or one that is built in and used. */
export interface ConnectorPlan {
  readonly name: string;
  /** `type:` */
  readonly typeName: string;
  readonly type: ConnectorType;
  readonly settings: unknown;
}

/** Connectors and flows of one application. */
export interface FlowsPlan {
  readonly connectors: readonly ConnectorPlan[];
  readonly flows: readonly Flow[];
}

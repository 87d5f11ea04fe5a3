import type { ConnectorType, FlowData, SourceType, SourceUse, TargetUse } from '../connector.ts';
import type { CelExpression, CelScope } from './expressions/cel.ts';

/** Attempts of a failed delivery, and the delays between them in milliseconds. */
export interface RetryPolicy {
  /** Number of attempts, including the first one. */
  readonly attempts: number;
  readonly delay: number;
  readonly maxDelay: number;
}

/** Parsed `from:` of a flow. */
export interface FlowSource {
  readonly connector: string;
  readonly type: SourceType;
  readonly use: SourceUse;
}

/** Parsed `to:` of a flow. */
export interface FlowTarget {
  readonly connector: string;
  readonly use: TargetUse;
  /** Value of `target:` for one event; a name is its own value. */
  readonly target: CelExpression;
  readonly as: 'caller' | 'server';
  /** Name in messages and dead letters: `table create Message`. */
  readonly label: string;
  /** True where the target accepts an event together with others, or not at all. */
  readonly isAtomic: boolean;
}

/** A flow of config.yaml, checked and compiled. */
export interface Flow {
  readonly name: string;
  readonly source: FlowSource;
  readonly when: CelExpression | undefined;
  readonly transform: ((scope: CelScope) => FlowData) | undefined;
  /** True with a `transform` where no expression reads `input.body`. */
  readonly ignoresBody?: boolean;
  readonly targets: readonly FlowTarget[];
  readonly retry: RetryPolicy;
  /** True to write the tables among the targets in one transaction, and to deliver to the others after that. */
  readonly atomic: boolean;
  /** Milliseconds that one delivery to a target may take. */
  readonly timeout: number;
  /** Events that run at the same time; others wait. */
  readonly concurrency: number;
}

/** A connector of config.yaml, or a built-in one that is used. */
export interface ConnectorPlan {
  readonly name: string;
  /** Value of `type:`. */
  readonly typeName: string;
  readonly type: ConnectorType;
  readonly settings: unknown;
}

/** Connectors and flows of one application. */
export interface FlowsPlan {
  readonly connectors: readonly ConnectorPlan[];
  readonly flows: readonly Flow[];
}

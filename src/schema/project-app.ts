import type { AppConfig } from '../config/config.ts';
import type { Plan } from './plan.ts';

/** One application as its files describe it. */
export interface ProjectApp {
  readonly config: AppConfig;
  readonly plan: Plan;
}

import type { AppConfig } from '../config/config.ts';
import type { Plan } from './plan.ts';

/** Configuration and plan of one application, as its files describe it. */
export interface ProjectApp {
  readonly config: AppConfig;
  readonly plan: Plan;
}

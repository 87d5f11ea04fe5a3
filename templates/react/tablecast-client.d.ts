// Made by `tablecast types` from the schema: what is written here is lost when it is made again.

/** A task on the list. Add a field, save this file, and every API of the table has it. */
export interface Task {
  id: string;
  /** What is to be done. */
  title: string;
  done: boolean;
  /**
   * The server sets it when the task is created.
   * Set by the server when the record is created.
   */
  readonly createdAt: string | null;
}

/** A new record of Task. */
export interface NewTask {
  id?: string;
  /** What is to be done. */
  title: string;
  /** Default: false */
  done?: boolean;
}

/** Fields of Task that are replaced, or changed by an operator. */
export interface TaskPatch {
  /** What is to be done. */
  title?: string;
  done?: boolean;
}

interface TaskTable {
  readonly $record: Task;
  readonly $create: NewTask;
  readonly $patch: TaskPatch;
  readonly $key: 'id';
  readonly $relations: {  };
}

interface AppTables {
  /** A task on the list. Add a field, save this file, and every API of the table has it. */
  readonly Task: TaskTable;
}

/** Types of the application: `connect<App>(url)`. */
export interface App {
  readonly $tables: AppTables;
  readonly $rooms: never;
}

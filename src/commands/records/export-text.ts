import { isJson } from '../../resources/body/batch-body.ts';
import type { FieldPlan } from '../../schema/plan.ts';
import { toCsv } from '../../server/content/content.ts';
import type { SnapshotRecord } from '../../store/engine.ts';
import type { FileFormat } from './rows.ts';

/** Property of the first line of an export, which no record has: names of fields have no "$". */
export const EXPORT_MARK = '$export';

export interface ExportHead {
  readonly table: string;
  /** Position of the snapshot: a client that resumes from it receives what came later. */
  readonly position: number;
}

/** Text of an export: the head once, each page of records, the end once. */
export interface ExportText {
  readonly head: string;
  page(records: readonly SnapshotRecord[]): string;
  readonly end: string;
}

export function exportTextOf(fields: readonly FieldPlan[], format: FileFormat, head: ExportHead): ExportText {
  const mark = JSON.stringify({ [EXPORT_MARK]: head });
  if (format === 'ndjson') return { head: `${mark}\n`, page: toLines, end: '' };
  if (format === 'json') {
    let isFirst = true;
    return {
      head: `${mark.slice(0, -1)},"records":[\n`,
      page: (records) => {
        const text = records.map(({ json }) => json).join(',\n');
        const separator = isFirst || text === '' ? '' : ',\n';
        isFirst &&= text === '';
        return separator + text;
      },
      end: '\n]}\n',
    };
  }
  const columns = fields.map(({ name, type }) => ({ name, isJson: isJson(type) }));
  return {
    head: toCsv([], columns),
    page: (records) =>
      withoutHeader(
        toCsv(
          records.map(({ json }) => JSON.parse(json) as Record<string, unknown>),
          columns,
        ),
      ),
    end: '',
  };
}

function toLines(records: readonly SnapshotRecord[]): string {
  return records.map(({ json }) => `${json}\n`).join('');
}

/** The header has names of fields only, so that its end is the first line break. */
function withoutHeader(csv: string): string {
  return csv.slice(csv.indexOf('\r\n') + 2);
}

/** Tables that are read as they are, and are Markdown too. */

/** Which side a column's text keeps to. */
export type Side = 'left' | 'right';

/** Lines of a Markdown table whose columns are as wide as their widest cell. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  sides: readonly Side[],
): string {
  const widths = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const pad = (cell: string, column: number): string =>
    sides[column] === 'right'
      ? cell.padStart(widths[column] ?? 0)
      : cell.padEnd(widths[column] ?? 0);
  const line = (cells: readonly string[]): string => `| ${cells.map(pad).join(' | ')} |`;
  const rules = widths.map((width, column) =>
    sides[column] === 'right' ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  );
  return [line(head), line(rules), ...rows.map(line)].join('\n');
}

/** A number of operations in each second: `0.94 M`, `213 k`, `870`, `8.73`. */
export function perSecond(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(0)} k`;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Microseconds: `2.15`, `180`. */
export function micros(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

/** A part of something: `4.2 %`. */
export function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}

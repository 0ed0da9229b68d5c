/** The command line of the benches. */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import type { Driver } from './kits-wakering.ts';
import { isWanted, rowNames } from './rows.ts';

/** What was asked for. */
export interface Options {
  readonly quick: boolean;
  readonly list: boolean;
  readonly driver: Driver;
  /** Where the files are made. */
  readonly folder: string;
  /** Rows by the beginning of their names; all, where there is none. */
  readonly rows: readonly string[];
}

const DRIVERS = ['auto', 'uring', 'poll'] as const;

/** @throws Error that says what is wrong and what there is. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      driver: { type: 'string', default: process.env['WAKERING_DRIVER'] || 'auto' },
      folder: { type: 'string', default: tmpdir() },
      rows: { type: 'string', default: '' },
    },
  });
  const driver = DRIVERS.find((name) => name === values.driver);
  if (driver === undefined) {
    throw new Error(`--driver ${values.driver}: there are ${DRIVERS.join(', ')}`);
  }
  const rows = values.rows.split(',').filter((name) => name !== '');
  const names = rowNames();
  for (const name of rows) {
    if (names.some((row) => isWanted(row, [name]))) continue;
    throw new Error(`--rows ${name}: there is no such row; --list shows them`);
  }
  return { quick: values.quick, list: values.list, driver, folder: values.folder, rows };
}

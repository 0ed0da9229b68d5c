// The other Nodes that the tests run under: `node tools/nodes.mjs 22` fetches it into
// .build/nodes/22 when it is not there and prints the path of its binary.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { at, fail, run, say } from './project.mjs';

const versions = { 22: '22.23.3', 24: '24.21.0' };

const major = process.argv[2];
const version = versions[major];
if (version === undefined) fail(`usage: node tools/nodes.mjs ${Object.keys(versions).join('|')}`);

const folder = `.build/nodes/${version}`;
const name = `node-linux-${process.arch}`;
const binary = at(folder, 'node_modules', name, 'bin/node');
if (!existsSync(binary)) {
  say(`wakering: fetching Node ${version} from npm (about 50 MB)`);
  mkdirSync(at(folder), { recursive: true });
  writeFileSync(at(folder, 'package.json'), '{ "private": true }\n');
  const { status, output } = run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefix', at(folder), `${name}@${version}`],
    { quiet: true, cwd: at(folder) },
  );
  if (status !== 0 || !existsSync(binary)) fail(`could not fetch ${name}@${version}\n${output}`);
}
console.log(binary);

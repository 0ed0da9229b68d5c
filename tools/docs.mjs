// The TypeScript documentation: every public name has a sentence, and every example runs.
//
// Public is what the two entry points export, found by following their `export … from`. Examples
// are the ```ts blocks of TSDoc comments and of README.md; a block opened with ```ts no-run is
// only checked for its types.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { at, bin, devNode, files, run, say } from './project.mjs';

const problems = [];
for (const entry of ['dist/index.d.ts', 'dist/fs/index.d.ts']) checkNames(entry);
checkExamples();
// Both entry points may reach the same name.
for (const problem of new Set(problems)) say(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

/** Follows re-exports from `file`; `wanted` narrows to some names, undefined means all of them. */
function checkNames(file, wanted) {
  const text = readFileSync(at(file), 'utf8');
  const reexport = /^export (?:type )?(\*|\{[^}]*\}) from ['"](\.[^'"]+)['"];$/gmu;
  for (const [, what, from] of text.matchAll(reexport)) {
    const next = path.join(path.dirname(file), from.replace(/\.[jt]s$/, '.d.ts'));
    checkNames(next, what === '*' ? undefined : originalNames(what));
  }
  const lines = text.split('\n');
  lines.forEach((line, index) => {
    const match =
      /^export (?:declare )?(?:abstract )?(class|interface|function|const|type) (\w+)/u.exec(line);
    if (match === null || (wanted && !wanted.has(match[2]))) return;
    checkSentence(file, match[2], lines, index);
    if (match[1] === 'class' || match[1] === 'interface')
      checkMembers(file, match[2], lines, index);
  });
}

/** `{ a, type B as C }` names a and B in the file that it comes from. */
function originalNames(list) {
  const parts = list
    .slice(1, -1)
    .split(',')
    .map((part) => part.trim().replace(/^type /, ''));
  return new Set(parts.filter(Boolean).map((part) => part.split(/\s+as\s+/u)[0]));
}

/**
 * Members stand four spaces deep in what tsc writes, one a line, overloads in a row. What
 * `[Symbol.…]` members mean is the platform's to say.
 */
function checkMembers(file, owner, lines, start) {
  let last = '';
  for (let index = start + 1; index < lines.length && lines[index] !== '}'; index++) {
    const name =
      /^ {4}(?:(?:readonly|static|get|set|abstract|declare) )*(\w+|\[[\w.]+\])[?(<:]/u.exec(
        lines[index],
      )?.[1];
    if (name === undefined || name === 'constructor' || name.startsWith('[Symbol.')) continue;
    if (name !== last) checkSentence(file, `${owner}.${name}`, lines, index);
    last = name;
  }
}

/** The comment right above must begin with words, not with a tag. */
function checkSentence(file, name, lines, index) {
  let begin = index - 1;
  if (lines[begin]?.trimEnd().endsWith('*/')) {
    while (begin > 0 && !lines[begin].includes('/**')) begin--;
    const comment = lines
      .slice(begin, index)
      .join(' ')
      .replaceAll(/\/\*\*|\*\/|\s\*\s/gu, ' ')
      .trim();
    if (comment !== '' && !comment.startsWith('@')) return;
  }
  problems.push(`${file}: ${name} is public and has no documentation`);
}

/** Types of all examples are checked at once; then each runs in its own process and folder. */
function checkExamples() {
  const folder = '.build/examples';
  rmSync(at(folder), { recursive: true, force: true });
  mkdirSync(at(folder), { recursive: true });
  const examples = ['README.md', ...files('ts')]
    .filter((name) => existsSync(at(name)))
    .flatMap(examplesOf);
  if (examples.length === 0) return;
  for (const { name, code } of examples) writeFileSync(at(folder, name), `${code}\nexport {};\n`);
  const options = { noEmit: true, composite: false, declaration: false, declarationMap: false };
  const compilerOptions = { ...options, isolatedDeclarations: false, noUnusedLocals: false };
  const project = { extends: '../../tsconfig.base.json', compilerOptions, include: ['*.ts'] };
  writeFileSync(at(folder, 'tsconfig.json'), JSON.stringify(project));
  const checked = run(bin('tsc'), ['-p', folder], { quiet: true });
  if (checked.status !== 0) problems.push(`the examples do not compile\n${checked.output}`);
  for (const example of examples.filter(({ runs }) => runs)) runExample(folder, example);
  console.log(
    `${examples.length} examples, ${examples.filter(({ runs }) => runs).length} of them run`,
  );
}

function runExample(folder, { name, source }) {
  const own = at(folder, `${name}.d`);
  mkdirSync(own);
  // An example stands in a project of its reader's.
  writeFileSync(`${own}/package.json`, '{ "name": "example", "type": "module" }\n');
  const args = ['--unhandled-rejections=strict', at(folder, name)];
  const { status, output } = run(devNode, args, { quiet: true, cwd: own });
  if (status !== 0) problems.push(`${source}: the example fails\n${output}`);
}

/** The ```ts blocks of a file, without the stars of the comment that they stand in. */
function examplesOf(file) {
  const text = readFileSync(at(file), 'utf8');
  const block = /^([ \t]*(?:\* ?)?)```ts( no-run)?\n([\s\S]*?)^[ \t]*(?:\* ?)?```$/gmu;
  return [...text.matchAll(block)].map((match) => {
    const line = text.slice(0, match.index).split('\n').length;
    const code = match[1].trim() === '*' ? match[3].replaceAll(/^[ \t]*\* ?/gmu, '') : match[3];
    const name = `${file.replaceAll(/[/.]/gu, '_')}_${line}.ts`;
    return { name, code, source: `${file}:${line}`, runs: match[2] === undefined };
  });
}

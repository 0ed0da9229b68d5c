// The house rules that no compiler or linter knows. A rule that matters is a row here.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { at, root, say } from './project.mjs';

const linesMax = 500;

/**
 * One row a rule: in files whose path matches `files` (and not `except`), no line may match `line`,
 * unless `excused` says that the line, seen with the one before it, is all right.
 */
const rules = [
  {
    line: ofThisMachine(),
    why: 'a path of one machine: build paths from the file, a temporary folder or an option',
  },
  {
    line: /https?:\/\/(?!(?:github\.com|rustup\.rs|example\.(?:com|org)|127\.0\.0\.1|localhost|\[::1\])(?![\w.-]))/,
    except: /^Cargo\.lock$|^package-lock\.json$|^LICENSE/,
    why: 'the address of a host: name the package or the page, its client knows the host',
  },
  {
    // `SKIP|TODO` is what a reader of TAP looks for.
    line: /(?<!SKIP\|)\b(?:TODO|FIXME|XXX)\b|\b(?:todo|unimplemented)!\(|\btest\.todo\(/,
    why: 'unfinished work: finish it, or say in prose what is not there and why',
  },
  {
    line: /#\[ignore\]/,
    files: /\.rs$/,
    why: 'an ignored test without a reason: write #[ignore = "reason"]',
  },
  {
    line: /\btest(?:\.serial)?\.(?:skip|failing)\(/,
    files: /\.ts$/,
    excused: (line, before) => /\/\/ \S/.test(line) || /^\s*\/\/ \S/.test(before),
    why: 'a skipped test without a reason: put it in a comment on the line before',
  },
  {
    line: /\btest(?:\.serial)?\.only\(/,
    files: /\.ts$/,
    why: 'the other tests of this file would not run: remove .only',
  },
  {
    line: /\b(?:std|core)::sync::atomic\b/,
    files: /^crates\/core\/src\//,
    except: /^crates\/core\/src\/loom(?:\.rs|\/)/,
    excused: isComment,
    why: 'atomics come from crate::loom, so that loom can watch them',
  },
  {
    line: /\bio_uring::/,
    files: /^(?:crates|bindings)\/.*\.rs$/,
    except: /^crates\/uring-loop\//,
    excused: isComment,
    why: 'only crates/uring-loop names io_uring',
  },
  {
    line: /\bprocess\.dlopen\(|\.node['"`]\)?/,
    files: /^ts\//,
    except: /^ts\/native\.ts$/,
    excused: isComment,
    why: 'only ts/native.ts loads the addon',
  },
  {
    line: /\benum\s+\w+\s*\{|\bnamespace\s+\w+\s*\{|^\s*private\s+(?!constructor)\w/,
    files: /^(?:ts|__test__)\/.*(?<!\.d)\.ts$/,
    excused: isComment,
    why: 'erasable syntax only: `as const` objects, modules and #private fields',
  },
];

/** Where this checkout lies, and the home of who runs it: neither belongs into a file. */
function ofThisMachine() {
  const folders = [root, homedir()].filter((folder) => folder.length > 1);
  const escaped = folders.map((folder) => folder.replace(/[^\w/]/g, String.raw`\$&`));
  return new RegExp(String.raw`(?<![\w.$}-])(?:${escaped.join('|')})/`);
}

function isComment(line) {
  return /^\s*(?:\/\/|\*|\/\*)/.test(line);
}

/** Files whose length nobody chooses. */
const anyLength = /\.(?:md|json|lock|csv|snap)$|^LICENSE|^ts\/generated\//;
const notText = /\.(?:png|snap|gz|xz|bin)$/;
/** The rules and their explanations name what they forbid. */
const self = 'tools/tidy.mjs';

const tracked = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  {
    cwd: root,
    encoding: 'utf8',
  },
);
const findings = [];
for (const file of tracked.split('\0')) {
  if (file === '' || file === self || notText.test(file) || !existsSync(at(file))) continue;
  check(file, readFileSync(at(file), 'utf8').split('\n'));
}
for (const finding of findings) say(finding);
process.exitCode = findings.length === 0 ? 0 : 1;

function check(file, lines) {
  for (const rule of rules) {
    if ((rule.files && !rule.files.test(file)) || rule.except?.test(file)) continue;
    lines.forEach((line, index) => {
      if (!rule.line.test(line) || rule.excused?.(line, lines[index - 1] ?? '')) return;
      findings.push(`${file}:${index + 1}: ${rule.why}`);
    });
  }
  if (lines.length > linesMax && !anyLength.test(file) && !lines.some(excusesLength)) {
    findings.push(
      `${file}: ${lines.length} lines, more than ${linesMax}: split it, or say why not in a line 'tidy: long because …'`,
    );
  }
}

function excusesLength(line) {
  return /tidy: long because \S/.test(line);
}

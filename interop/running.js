// Starts a program of `programs.json` on a free port, and stops it; over PostgreSQL where `TESTS_STORE=postgres` says so.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const STORE = process.env.TESTS_STORE;
assert.ok([undefined, 'postgres'].includes(STORE), `TESTS_STORE is postgres or not set, and not ${STORE}`);

/** Whether a program stands on the store that is asked for: the examples keep what they have in memory. */
const isOnStore = ({ program }) => STORE === undefined || program === 'countersign';
const only = (programs, chosen) => Object.fromEntries(Object.entries(programs).filter(([, facts]) => chosen(facts)));
/** All programs, and those that are not only for the tests of tokens. */
export const SIGNERS = only(JSON.parse(readFileSync(join(ROOT, 'interop', 'programs.json'), 'utf8')), isOnStore);
export const PROGRAMS = only(SIGNERS, (facts) => !facts.only_tokens);
export const ARTIFACTS = join(ROOT, 'artifacts');

const START_TIMEOUT = 60_000; // milliseconds; a debug build on a busy machine
const STOP_TIMEOUT = 60_000; // milliseconds
// A login waits for its turn, and is not answered 503 as early as it is for people.
const PATIENT = { COUNTERSIGN_HASH_WAIT: '60' };

// Where cargo puts what `cargo test` builds.
const DIRECTORY = process.env.PROGRAMS_DIR ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug');

let postgres;
let databases = 0;
/** The URL of a new, empty database in the PostgreSQL of this process, which ends with it. */
async function database() {
  const script = join(ROOT, 'scripts', 'postgres.sh');
  postgres ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-postgres-'));
    const child = spawn('bash', [script, 'run', folder], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(child.stdout, 'readable');
    assert.match(`${child.stdout.read()}`, /^postgres:/);
    // It ends when its input does, as this process ends.
    for (const held of [child, child.stdin, child.stdout]) held.unref();
    return folder;
  })();
  const { status, stdout, stderr } = spawnSync('bash', [script, 'database', await postgres, `test_${databases++}`], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** Starts a program of `programs.json`, or any of which these facts are known; `runner` names its log. Resolves once it says
 * where it listens. */
export async function start(name, runner, facts = SIGNERS[name]) {
  // What a developer has set for a server of their own is not for this one.
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('COUNTERSIGN_')));
  const program = resolve(DIRECTORY, facts.program);
  // What it keeps it keeps here.
  const options = { env: { ...inherited, ...PATIENT, ...facts.environment }, cwd: mkdtempSync(join(tmpdir(), 'interop-')) };
  const words = [...(facts.arguments ?? [])];
  if (STORE && isOnStore(facts)) {
    options.env.COUNTERSIGN_DATABASE = await database();
    // Which plays with a database only if it is named here.
    if (words[0] === 'dev') words.push('--database', options.env.COUNTERSIGN_DATABASE);
  }
  const run = ({ arguments: given, input = '' }) => {
    const { status, stdout, stderr } = spawnSync(program, given, { ...options, input, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  if (facts.before) run(facts.before);
  const child = spawn(program, words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  const logs = join(ARTIFACTS, 'logs');
  mkdirSync(logs, { recursive: true });
  const file = createWriteStream(join(logs, `${[runner, STORE, name].filter(Boolean).join('.')}.err`));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
    file.write(text);
  });
  const base = await new Promise((resolve, reject) => {
    let said = '';
    const fail = (why) => reject(new Error(`${name} did not say where it listens (${why}):\n${said}${log}`));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail('time is up');
    }, START_TIMEOUT);
    ended.then(fail, fail).finally(() => clearTimeout(timer));
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
      const found = said.match(/http:\/\/127\.0\.0\.1:\d+(?=\D)/);
      if (found) {
        clearTimeout(timer);
        resolve(found[0]);
      }
    });
  });
  return {
    name,
    base,
    ...facts,
    protected: facts.protected && new URL(facts.protected, base),
    log: () => log,
    /** Registers a client, which the program hears of while it runs, and gives what was printed of it. */
    addClient(...given) {
      return JSON.parse(run({ arguments: ['client', 'add', '--json', ...given] }));
    },
    /** Asks it to end, and resolves to its exit code. */
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT);
      const code = await ended;
      clearTimeout(timer);
      file.end();
      rmSync(options.cwd, { recursive: true });
      assertTellsNoSecret(log, facts);
      return code;
    },
  };
}

/** Fails if the log holds a token, a client's secret, or a password in any spelling. */
export function assertTellsNoSecret(log, { password, international }) {
  assert.doesNotMatch(log, /eyJ[\w-]{10,}\.eyJ/);
  assert.doesNotMatch(log, /\bcs_[a-z]+_[\w-]{20,}/);
  for (const secret of ['not the password', password, international?.password]) {
    // A password that is a plain word may be in the log as that word.
    if (secret?.length > 6) for (const spelling of spellings(secret)) assert.ok(!log.includes(spelling), spelling);
  }
}

/** The ways in which a secret may stand in a log. */
export function spellings(secret) {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams([['', secret]]).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('hex'),
  ];
}

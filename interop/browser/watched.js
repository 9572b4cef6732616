// A page in Debian's Chromium, with a record of all it asked for and all it complained about.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ARTIFACTS } from '../running.js';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const WAIT = 120_000; // milliseconds; a debug build on a busy machine

/** Starts the browser. Without one this fails: these tests are never skipped. */
export function launch() {
  return chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    timeout: WAIT,
    // As root there is no sandbox to be had; the rest keeps the browser from asking for things of its own.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** Opens a page of a new, empty profile; `prepare` gets it before anything is loaded. */
export async function open(browser, url, prepare = async () => {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  context.setDefaultTimeout(WAIT);
  const page = await context.newPage();
  const requests = [];
  const complaints = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('websocket', (socket) => requests.push(socket.url()));
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  // What the page's own events do not show: requests that the policy stopped, and the policy's reports.
  const tools = await context.newCDPSession(page);
  await tools.send('Network.enable');
  tools.on('Network.requestWillBeSent', ({ request }) => requests.push(request.url));
  await tools.send('Audits.enable');
  tools.on('Audits.issueAdded', ({ issue }) => {
    if (issue.code === 'ContentSecurityPolicyIssue') {
      complaints.push(`policy: ${JSON.stringify(issue.details.contentSecurityPolicyIssueDetails)}`);
    }
  });
  // The page is as patient as its test is: this time-out heeds no clock but the machine's own.
  await page.addInitScript(() => {
    AbortSignal.timeout = () => new AbortController().signal;
  });
  await prepare(page);
  await page.goto(url, { waitUntil: 'networkidle' });
  return { context, page, requests, complaints };
}

/** The body of an answer, to be awaited by whoever wants it: if the page is gone by then, nobody else minds. */
export function bodyOf(answer) {
  const body = answer.json();
  body.catch(() => {});
  return body;
}

/** Everything that the page's origin keeps in the browser, as one text. */
export async function kept({ context, page }) {
  const inPage = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: (await indexedDB.databases()).map(({ name }) => name),
    caches: await caches.keys(),
    cookie: document.cookie,
    name: window.name,
    address: location.href,
    history: JSON.stringify(history.state),
  }));
  return JSON.stringify({ inPage, state: await context.storageState({ indexedDB: true }) });
}

/** Fails if the page asked anything of another host. */
export function assertStayedAt(base, requests) {
  const elsewhere = requests.filter((url) => !/^(data|blob|about):/.test(url) && new URL(url).origin !== base);
  assert.deepEqual(elsewhere, []);
  assert.ok(requests.length > 0);
}

export async function screenshot(page, ...name) {
  mkdirSync(ARTIFACTS, { recursive: true });
  await page.screenshot({ path: join(ARTIFACTS, `${name.join('-')}.png`) });
}

// The docs page renews a login before it runs out, silently, and ends it when somebody logs out.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { SIGNERS, start } from '../running.js';
import { SwaggerUi, assertCalm } from './swagger_ui.js';
import { assertStayedAt, bodyOf, kept, launch, open, screenshot } from './watched.js';

const LIFETIME = 600; // seconds, of which those that pass meanwhile are few
const ME = '/users/me';
const RAN_OUT = 'Your login ran out. Authorize again.';
const NOT_NOW = 'Your login cannot be renewed now. The page tries again.';
const SHORT_LIVED = {
  ...SIGNERS.countersign,
  environment: { COUNTERSIGN_ACCESS_TOKEN_LIFETIME: `${LIFETIME}` },
};

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

describe('a login with a refresh token', () => {
  let server;
  let watched;
  let page;
  let ui;
  /** What was asked of the token endpoint, and what it granted: promises, in their order. */
  let asked;
  let granted;

  before(async () => {
    server = await start('renewed', 'browser', SHORT_LIVED);
  });
  after(async () => assert.equal(await server?.stop(), 0));

  beforeEach(async () => {
    watched = await open(browser, `${server.base}/docs`, (opened) => opened.clock.install());
    page = watched.page;
    ui = new SwaggerUi(page, server);
    asked = [];
    granted = [];
    page.on('request', (request) => {
      if (request.url() === `${server.base}/token`) asked.push(request);
    });
    page.on('response', (answer) => {
      if (answer.url() === `${server.base}/token` && answer.ok()) granted.push(bodyOf(answer));
    });
  });
  afterEach(async () => {
    assertStayedAt(server.base, watched.requests);
    await watched.context.close();
  });

  const later = (seconds) => page.clock.fastForward(seconds * 1000);
  /** What the page takes for now, in milliseconds. */
  const pageTime = () => page.evaluate(() => Date.now());
  const renewed = () => page.waitForResponse(`${server.base}/token`);
  const form = (request) => Object.fromEntries(new URLSearchParams(request.postData()));
  const post = (path, fields) =>
    fetch(server.base + path, { method: 'POST', body: new URLSearchParams(fields) });
  const renew = (refresh_token) => post('/token', { grant_type: 'refresh_token', refresh_token });
  const opens = async (token) => (await fetch(server.protected, { headers: { authorization: `Bearer ${token}` } })).ok;

  /** What an access token is after its time, for the server too, whose clock nobody turns here. */
  async function expire({ access_token: token }) {
    assert.equal((await post('/revoke', { token })).status, 200);
    assert.ok(!(await opens(token)));
  }

  /** What the page shows for *Try it out*, however often it asked. */
  async function shown(method, path) {
    const status = ui.operation(method, path).locator('.live-responses-table tbody > tr.response .response-col_status');
    await status.first().waitFor();
    return Number.parseInt(await status.first().innerText(), 10);
  }

  async function assertRanOut() {
    await ui.status.filter({ hasText: RAN_OUT }).waitFor();
    assert.equal(await ui.status.innerText(), RAN_OUT);
    assert.ok(!(await ui.isLocked()));
  }

  async function assertLoggedIn() {
    assert.equal(await ui.status.innerText(), '');
    assert.ok(await ui.isLocked());
  }

  /** Holds what is asked of the token endpoint until it is let go: before the server has it, or what it `answered`. Says, too,
   * when there is something that it holds. */
  async function hold({ answered = false } = {}) {
    let release;
    let tell;
    const held = new Promise((resolve) => {
      release = resolve;
    });
    const holds = new Promise((resolve) => {
      tell = resolve;
    });
    await page.route('**/token', async (route) => {
      const response = answered ? await route.fetch() : undefined;
      tell();
      await held;
      await (response ? route.fulfill({ response }) : route.continue());
    });
    return { holds, release };
  }

  test('b16 a grant that was ended is a login that ran out', async () => {
    await ui.logIn('me');
    assert.equal((await post('/revoke', { token: (await granted[0]).refresh_token })).status, 200);
    await later(LIFETIME);
    await assertRanOut();
    await screenshot(page, 'docs-page', 'not-renewed');
    const { status, authorization } = await ui.tryOut('get', ME);
    assert.deepEqual({ status, authorization }, { status: 401, authorization: null });
    await later(LIFETIME);
    assert.equal(asked.length, 2, 'what was refused is not tried again');
    assertCalm(watched, 2);
  });

  test('b16 a token that is refused although it was just renewed is a login that ran out', async () => {
    await ui.logIn('me');
    const calls = [];
    await page.route(`**${ME}`, async (route) => {
      calls.push(route.request());
      await route.continue({ headers: { ...route.request().headers(), authorization: 'Bearer not.a.token' } });
    });
    const ended = page.waitForResponse(`${server.base}/revoke`);
    await ui.execute('get', ME);
    await assertRanOut();
    assert.equal(await shown('get', ME), 401);
    assert.equal(calls.length, 2);
    await ended;
    assert.equal((await renew((await granted[1]).refresh_token)).status, 400);
    assertCalm(watched, 2);
  });

  test('b16 Try it out gives 200 after the token expired, twice, and each refresh token is used once', async () => {
    await ui.logIn('me');
    for (const round of [1, 2]) {
      await expire(await granted[round - 1]);
      await later(LIFETIME);
      const { status, authorization } = await ui.tryOut('get', ME);
      assert.equal(status, 200);
      assert.equal(authorization, `Bearer ${(await granted[round]).access_token}`);
      assert.equal(form(asked[round]).refresh_token, (await granted[round - 1]).refresh_token);
      await assertLoggedIn();
    }
    await screenshot(page, 'docs-page', 'renewed');
    assert.equal(asked.length, 3);
    const answers = await Promise.all(granted);
    assert.equal(new Set(answers.map((answer) => answer.refresh_token)).size, 3);
    const found = await kept(watched);
    for (const answer of answers) {
      assert.ok(!found.includes(answer.access_token) && !found.includes(answer.refresh_token), found);
    }
    assertCalm(watched);
  });

  test('b16 a login is renewed before it runs out, and nobody notices', async () => {
    await ui.logIn('me');
    await later(LIFETIME / 2);
    assert.equal(asked.length, 1);
    const answer = renewed();
    await later(LIFETIME / 2 - 5);
    assert.equal((await answer).status(), 200);
    await assertLoggedIn();
    await later(10);
    await assertLoggedIn();
    assert.equal((await ui.tryOut('get', ME)).authorization, `Bearer ${(await granted[1]).access_token}`);
    assert.equal(asked.length, 2);
    assertCalm(watched);
  });

  test('b16 a call that is refused for its token is made once more with the next', async () => {
    // Without `expires_in` the refusal is the first that the page hears of it.
    await page.route('**/token', async (route) => {
      const response = await route.fetch();
      const { expires_in: _, ...json } = await response.json();
      await route.fulfill({ response, json });
    });
    await ui.logIn('me');
    await later(10 * LIFETIME);
    assert.equal(asked.length, 1);
    await expire(await granted[0]);
    await ui.execute('get', ME);
    assert.equal(await shown('get', ME), 200);
    await assertLoggedIn();
    assert.equal(asked.length, 2);
    assertCalm(watched, 1);
  });

  for (const [what, answer] of [
    ['a server that is busy', (route) => route.fulfill({ status: 503, json: { error: 'temporarily_unavailable' } })],
    ['a network that is away', (route) => route.abort('connectionfailed')],
    ['a proxy that answers for itself', (route) => route.fulfill({ status: 400, body: 'Bad Request' })],
  ]) {
    test(`b16 ${what} ends no login, and is asked again`, async () => {
      const began = await pageTime();
      await ui.logIn('me');
      await page.route('**/token', answer);
      const isSecond = (request) => request === asked[1];
      const over = Promise.race(['requestfinished', 'requestfailed'].map((end) => page.waitForEvent(end, isSecond)));
      await later(LIFETIME - 10);
      await over;
      const said = await ui.status.innerText();
      // Who took so long may have seen the end of the login.
      if ((await pageTime()) < began + LIFETIME * 1000) assert.equal(said, '');
      assert.ok(await ui.isLocked());
      await later(15);
      await ui.status.filter({ hasText: NOT_NOW }).waitFor();
      assert.ok(await ui.isLocked());
      await screenshot(page, 'docs-page', 'not-now');
      await page.unroute('**/token');
      const again = page.waitForResponse((last) => last.url() === `${server.base}/token` && last.ok());
      await later(LIFETIME / 2);
      await again;
      await ui.status.waitFor({ state: 'hidden' });
      await assertLoggedIn();
      assert.equal((await ui.tryOut('get', ME)).authorization, `Bearer ${(await granted.at(-1)).access_token}`);
    });
  }

  test('b16 calls that are made meanwhile wait for the one renewal', async () => {
    await ui.logIn('me');
    const { holds, release } = await hold();
    await later(LIFETIME);
    await holds;
    const answered = page.waitForResponse((answer) => answer.url().endsWith(ME));
    await ui.execute('get', ME);
    await later(1);
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    release();
    assert.equal(await (await answered).request().headerValue('authorization'), `Bearer ${(await granted[1]).access_token}`);
    assert.equal(asked.length, 2);
  });

  test('b16 a page that nobody looks at keeps no login alive', async () => {
    await ui.logIn('me');
    await page.evaluate(() => {
      window.seen = false;
      Object.defineProperty(document, 'hidden', { get: () => !window.seen });
    });
    await later(LIFETIME);
    await later(LIFETIME);
    assert.equal(asked.length, 1);
    const answer = renewed();
    await page.evaluate(() => {
      window.seen = true;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    assert.equal((await answer).status(), 200);
    await assertLoggedIn();
  });

  test('b16 a logout ends the refresh token, and the access token with it', async () => {
    await ui.logIn('me');
    await ui.tryOut('get', ME);
    const ended = page.waitForResponse(`${server.base}/revoke`);
    await ui.logOut();
    const answer = await ended;
    assert.equal(answer.status(), 200);
    assert.equal(form(answer.request()).token, (await granted[0]).refresh_token);
    const refused = await renew((await granted[0]).refresh_token);
    assert.equal(refused.status, 400);
    assert.equal((await refused.json()).error, 'invalid_grant');
    assert.ok(!(await opens((await granted[0]).access_token)));
    await later(LIFETIME);
    assert.equal(await ui.status.innerText(), '');
    assert.equal(asked.length, 1);
    assertCalm(watched);
  });

  test('b16 a logout that the server cannot hear of is one all the same', async () => {
    await ui.logIn('me');
    await page.route('**/revoke', (route) => route.abort('connectionfailed'));
    await ui.logOut();
    assert.ok(!(await ui.isLocked()));
    assert.equal((await ui.tryOut('get', ME)).authorization, null);
    assert.equal(await ui.status.innerText(), '');
  });

  test('b16 who logged out during a renewal stays logged out', async () => {
    await ui.logIn('me');
    const { holds, release } = await hold({ answered: true });
    await later(LIFETIME);
    await holds;
    const ended = page.waitForResponse(`${server.base}/revoke`);
    await ui.logOut();
    await ended;
    const late = renewed();
    release();
    await (await late).finished();
    assert.equal((await ui.tryOut('get', ME)).authorization, null);
    assert.ok(!(await ui.isLocked()));
    assert.equal(await ui.status.innerText(), '');
    assert.ok(!(await opens((await granted.at(-1)).access_token)), 'what was granted late has ended with the rest');
  });

  test('b16 a client says who it is as it did when it logged in', async () => {
    await ui.authorizeButton.click();
    await page.getByLabel('client_id:').fill('a client');
    await page.getByLabel('client_secret:').fill('geheim: ü');
    await ui.logInHere();
    const answer = renewed();
    await later(LIFETIME);
    await answer;
    const ended = page.waitForRequest(`${server.base}/revoke`);
    await ui.logOut();
    const requests = [...asked, await ended];
    const credentials = await Promise.all(requests.map((request) => request.headerValue('authorization')));
    const basic = `Basic ${Buffer.from('a client:geheim: ü').toString('base64')}`;
    assert.deepEqual(credentials, [basic, basic, basic]);
  });
});

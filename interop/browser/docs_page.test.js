// The docs page over time and in other places: when a login that cannot be renewed runs out, what stays ticked, under a
// prefix, moved, restyled.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { SIGNERS, start } from '../running.js';
import { strip } from './proxy.js';
import { SwaggerUi, assertCalm } from './swagger_ui.js';
import { assertStayedAt, kept, launch, open, screenshot } from './watched.js';

const LIFETIME = 600; // seconds, of which those that pass meanwhile are few
const RAN_OUT = 'Your login ran out. Authorize again.';
const REFUSED = /^error: Failed to load resource: the server responded with a status of 40[13] /;

const SHORT_LIVED = {
  ...SIGNERS.countersign,
  environment: { COUNTERSIGN_ACCESS_TOKEN_LIFETIME: `${LIFETIME}` },
};
const MOVED = {
  program: 'examples/docs_page',
  arguments: [],
  environment: { LISTEN: '127.0.0.1:0' },
  username: 'alice',
  password: 'secret',
  scopes: ['orders:read', 'orders:write'],
  protected: '/api/v1/orders',
};

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Answers of the token endpoint come without a refresh token. */
const withoutRefreshToken = (page) =>
  page.route('**/token', async (route) => {
    const response = await route.fetch();
    const { refresh_token: _, ...json } = await response.json();
    await route.fulfill({ response, json });
  });

describe('a login without a refresh token runs out', () => {
  const ME = '/users/me';
  let server;
  let watched;
  let ui;

  before(async () => {
    server = await start('short_lived', 'browser', SHORT_LIVED);
  });
  after(async () => assert.equal(await server?.stop(), 0));

  beforeEach(async () => {
    watched = await open(browser, `${server.base}/docs`, async (page) => {
      await page.clock.install();
      await withoutRefreshToken(page);
    });
    ui = new SwaggerUi(watched.page, server);
  });
  afterEach(() => watched.context.close());

  const later = (seconds) => watched.page.clock.fastForward(seconds * 1000);

  test('b16 the page says so when the time is over, and sends the token no more', async () => {
    await ui.logIn('me');
    await later(LIFETIME / 2);
    assert.equal(await ui.status.innerText(), '');
    assert.ok(await ui.isLocked());
    assert.equal((await ui.tryOut('get', ME)).status, 200);
    await screenshot(watched.page, 'docs-page', 'authorised');

    await later(LIFETIME);
    await ui.status.filter({ hasText: RAN_OUT }).waitFor();
    assert.equal(await ui.status.innerText(), RAN_OUT);
    assert.ok(!(await ui.isLocked()));
    assert.match(await ui.padlock('get', ME).getAttribute('aria-label'), / unlocked$/);
    await ui.operation('get', ME).scrollIntoViewIfNeeded();
    await watched.page.mouse.wheel(0, 400);
    const { y } = await ui.status.boundingBox();
    assert.ok(y >= 0 && y < 10, `the line is in sight wherever the page is scrolled to: ${y}`);
    await screenshot(watched.page, 'docs-page', 'ran-out');
    const { status, authorization } = await ui.tryOut('get', ME);
    assert.deepEqual({ status, authorization }, { status: 401, authorization: null });

    await ui.authorizeButton.click();
    await ui.logInHere();
    assert.equal(await ui.status.innerText(), '');
    assert.equal((await ui.tryOut('get', ME)).status, 200);
    assertCalm(watched, 1);
    assert.ok(!(await kept(watched)).includes('eyJ'));
  });

  test('b16 the page says so when the server refuses the token', async () => {
    await ui.logIn('me');
    const forged = async (route) => {
      await route.continue({ headers: { ...route.request().headers(), authorization: 'Bearer not.a.token' } });
    };
    await watched.page.route(`**${ME}`, forged);
    assert.equal((await ui.tryOut('get', ME)).status, 401);
    await ui.status.filter({ hasText: RAN_OUT }).waitFor();
    assert.ok(!(await ui.isLocked()));
    assertCalm(watched, 1);
  });

  test('b16 a refusal for want of a scope or of a token is not a login that ran out', async () => {
    assert.equal((await ui.tryOut('get', ME)).status, 401);
    assert.equal(await ui.status.innerText(), '');
    await ui.logIn('me');
    const answer = (headers) => watched.page.route(`**${ME}`, (route) => route.fulfill({ status: 401, headers, body: '{}' }));
    await answer({ 'www-authenticate': 'Bearer realm="api", error="insufficient_scope", scope="me"' });
    assert.equal((await ui.tryOut('get', ME)).status, 401);
    await answer({ 'www-authenticate': 'Bearer realm="api"' });
    assert.equal((await ui.tryOut('get', ME)).status, 401);
    assert.equal(await ui.status.innerText(), '');
    assert.ok(await ui.isLocked());
  });

  test('b16 what is refused late for an older token leaves the new login alone', async () => {
    await ui.logIn('me');
    let release;
    const held = new Promise((resolve) => {
      release = resolve;
    });
    await watched.page.route(`**${ME}`, async (route) => {
      await held;
      await route.continue({ headers: { ...route.request().headers(), authorization: 'Bearer not.a.token' } });
    });
    const refused = watched.page.waitForResponse((answer) => answer.url().endsWith(ME));
    await ui.execute('get', ME);
    await ui.logOut();
    // Two tokens of one second differ by their `jti`.
    await ui.authorizeButton.click();
    await ui.logInHere();
    release();
    assert.equal((await refused).status(), 401);
    await ui.operation('get', ME).locator('.live-responses-table').waitFor();
    assert.equal(await ui.status.innerText(), '');
    assert.ok(await ui.isLocked());
  });

  test('b16 a login is not ended by the time of the one before it, and a logout ends nothing twice', async () => {
    await ui.logIn('me');
    await later((LIFETIME * 2) / 3);
    await ui.logOut();
    await ui.authorizeButton.click();
    await ui.logInHere();
    await later((LIFETIME * 2) / 3);
    assert.equal(await ui.status.innerText(), '');
    assert.ok(await ui.isLocked());
    await ui.logOut();
    await later(LIFETIME);
    assert.equal(await ui.status.innerText(), '', 'who logged out knows it');
  });

  test('b16 a machine that slept through the end says so when somebody looks', async () => {
    await ui.logIn('me');
    // Time that passes without its timers.
    await watched.page.clock.setFixedTime(new Date(Date.now() + 2 * LIFETIME * 1000));
    await watched.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await ui.status.filter({ hasText: RAN_OUT }).waitFor();
  });

  test('b16 the scopes that were asked for last are ticked again', async () => {
    await ui.authorizeButton.click();
    assert.deepEqual(await ui.ticks(), { offered: ['items', 'me'], ticked: [] });
    await ui.tick('me');
    await ui.close();
    await ui.authorizeButton.click();
    assert.deepEqual((await ui.ticks()).ticked, [], 'a dialog that was closed chose nothing');
    await ui.tick('items');
    await ui.logInHere();
    await later(LIFETIME);
    await ui.status.filter({ hasText: RAN_OUT }).waitFor();
    await ui.authorizeButton.click();
    assert.deepEqual((await ui.ticks()).ticked, ['items']);
    await ui.tick('me', 'items');
    await ui.logInHere();
    await ui.padlock('get', ME).click();
    await ui.dialog.getByRole('button', { name: 'Remove authorization' }).click();
    await ui.close();
    await ui.authorizeButton.click();
    assert.deepEqual((await ui.ticks()).ticked, ['me']);
  });
});

for (const [where, proxied] of [['nested under a prefix', false], ['nested, and behind a proxy that strips another', true]]) {
  describe(`the docs page, moved, ${where}`, () => {
    let server;
    let proxy;
    let base;
    let watched;

    before(async () => {
      server = await start('docs_page', 'browser', MOVED);
      if (proxied) proxy = await strip('/behind/it', server.base);
      base = `${proxy?.base ?? server.base}/api/v1`;
    });
    after(async () => {
      await proxy?.stop();
      assert.equal(await server?.stop(), 0);
    });
    afterEach(async () => {
      await watched.context.close();
      if (proxy) assert.deepEqual(proxy.asked.filter((path) => !path.startsWith('/behind/it/api/v1/')), []);
    });

    const view = async (path, prepare) => {
      watched = await open(browser, base + path, prepare);
      return watched.page;
    };
    const assertStayed = () => assertStayedAt(new URL(base).origin, watched.requests);

    test('b16 the padlock of an operation logs in with its scopes, and Try it out gives 200', async () => {
      const page = await view('/internal/api-docs');
      const ui = new SwaggerUi(page, server);
      await ui.padlock('get', '/orders').click();
      assert.deepEqual(await ui.ticks(), { offered: ['orders:read'], ticked: ['orders:read'] });
      await ui.close();
      await ui.padlock('get', '/users/me').click();
      assert.deepEqual(await ui.ticks(), { offered: [], ticked: [] });
      await ui.close();
      await ui.padlock('post', '/orders').click();
      assert.deepEqual((await ui.ticks()).ticked, ['orders:read', 'orders:write']);
      await ui.dialog.locator('.auth-btn-wrapper').scrollIntoViewIfNeeded();
      await screenshot(page, 'docs-page', 'operation-dialog');
      await ui.logInHere();
      assert.equal((await ui.tryOut('get', '/orders')).status, 200);
      assert.equal((await ui.tryOut('post', '/orders')).status, 200);
      await ui.logOut();
      await ui.authorizeButton.click();
      assert.deepEqual((await ui.ticks()).ticked, [], 'the padlock of one operation says nothing of the whole API');
      assertCalm(watched);
      assertStayed();
    });

    test('b16 a login is renewed where it was made, and ended there', async () => {
      const page = await view('/internal/api-docs', (page) => page.clock.install());
      const ui = new SwaggerUi(page, server);
      await ui.logIn('orders:read');
      const first = (await ui.tryOut('get', '/orders')).authorization;
      await page.clock.fastForward(900_000);
      const { status, authorization } = await ui.tryOut('get', '/orders');
      assert.equal(status, 200);
      assert.notEqual(authorization, first);
      const ended = page.waitForResponse(`${base}/revoke`);
      await ui.logOut();
      assert.equal((await ended).status(), 200);
      const headers = { authorization };
      assert.equal((await fetch(`${base}/orders`, { headers })).status, 401);
      assertCalm(watched);
      assertStayed();
    });

    test('b16 the page to which a login returns is there', async () => {
      const page = await view('/internal/api-docs/');
      assert.equal(page.url(), `${base}/internal/api-docs`, 'a slash at the end leads to the page');
      const url = await page.evaluate(() => window.ui.getConfigs().oauth2RedirectUrl);
      assert.equal(url, `${base}/internal/api-docs/oauth2-redirect.html`);
      assert.equal((await fetch(url)).status, 200);
    });

    test('the author\'s style is in force, as a file', async () => {
      const page = await view('/internal/api-docs');
      const color = await page.locator('.info .title').evaluate((title) => getComputedStyle(title).color);
      assert.equal(color, 'rgb(122, 31, 92)');
      const policy = (await fetch(`${base}/internal/api-docs`)).headers.get('content-security-policy');
      assert.match(policy, /style-src 'self';/);
      await page.setViewportSize({ width: 390, height: 844 });
      await screenshot(page, 'docs-page', 'moved-narrow');
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wider <= 0, `the page is ${wider} px wider than the screen`);
    });

    for (const viewer of ['redoc', 'scalar']) {
      test(`b16 ${viewer} shows the document, and asks nobody else`, async () => {
        const page = await view(`/${viewer}`);
        await page.getByRole('heading', { name: 'Orders' }).first().waitFor();
        await page.getByText('/orders').first().waitFor();
        await screenshot(page, 'docs-page', viewer);
        await page.setViewportSize({ width: 390, height: 844 });
        await screenshot(page, 'docs-page', `${viewer}-narrow`);
        assertCalm(watched);
        assertStayed();
        const policy = (await fetch(`${base}/${viewer}`)).headers.get('content-security-policy');
        assert.match(policy, /script-src 'self';/);
      });
    }

    test('b16 scalar logs in, and keeps nothing of it', async () => {
      const page = await view('/scalar');
      const username = page.locator('td').filter({ has: page.getByText('Username', { exact: true }) }).first();
      await username.getByRole('textbox').fill(server.username);
      await page.getByPlaceholder('********').first().fill(server.password);
      const granted = page.waitForResponse((answer) => answer.url() === `${base}/token`);
      await page.getByRole('button', { name: 'Authorize', exact: true }).click();
      const token = (await (await granted).json()).access_token;
      await page.getByPlaceholder('********').first().waitFor({ state: 'hidden' });
      await screenshot(page, 'docs-page', 'scalar-authorised');
      const found = await kept(watched);
      assert.ok(!found.includes(token) && !found.includes(server.password), found);
      assertCalm(watched);
      assertStayed();
    });
  });
}

describe('the docs page without the password grant', () => {
  test('b16 a token that was pasted and is refused is forgotten too', async () => {
    const environment = { COUNTERSIGN_PASSWORD_GRANT: 'off' };
    const server = await start('without_password', 'browser', { ...SIGNERS.countersign, environment });
    const watched = await open(browser, `${server.base}/docs`);
    const ui = new SwaggerUi(watched.page, server);
    const paste = async () => {
      await ui.authorizeButton.click();
      await ui.dialog.locator('input').fill('not.a.token');
      await ui.dialog.getByRole('button', { name: 'Apply credentials' }).click();
      await ui.close();
    };
    await paste();
    assert.equal((await ui.tryOut('get', '/users/me')).authorization, 'Bearer not.a.token');
    await ui.status.filter({ hasText: RAN_OUT }).waitFor();
    assert.equal((await ui.tryOut('get', '/users/me')).authorization, null);
    await paste();
    assert.equal(await ui.status.innerText(), '');
    assertCalm(watched, 2);
    await watched.context.close();
    assert.equal(await server.stop(), 0);
  });
});

describe('the docs page where it is by default, behind a proxy that strips a prefix', () => {
  test('b16 Authorize, then Try it out, gives 200', async () => {
    const server = await start('countersign', 'browser');
    const proxy = await strip('/login', server.base);
    const watched = await open(browser, `${proxy.base}/docs`);
    const ui = new SwaggerUi(watched.page, server);
    await ui.logIn('me');
    assert.equal((await ui.tryOut('get', '/users/me')).status, 200);
    assert.deepEqual(proxy.asked.filter((path) => !path.startsWith('/login/')), []);
    assertCalm(watched);
    assertStayedAt(proxy.origin, watched.requests);
    await watched.context.close();
    await proxy.stop();
    assert.equal(await server.stop(), 0);
  });
});

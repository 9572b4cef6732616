// The docs page, as a person uses it: Authorize, Try it out, log out.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { PROGRAMS, spellings, start } from '../running.js';
import { assertStayedAt, bodyOf, kept, launch, open, screenshot } from './watched.js';

const REFUSED = /^error: Failed to load resource: the server responded with a status of 40[013] /;
// Swagger UI says this of every operation id with an underscore in it, its own among them, when a deep link opens it.
const OF_ITS_OWN = /^warning: Warning: escaping deep link whitespace with `_` will be unsupported/;
const PATIENCE = 60_000; // milliseconds; what another process tells of, on a busy machine

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

for (const name of Object.keys(PROGRAMS)) {
  describe(`the docs page of ${name}`, () => {
    let server;
    let document;
    let watched;
    let page;
    let granted;

    before(async () => {
      server = await start(name, 'browser');
      document = await (await fetch(`${server.base}/openapi.json`)).json();
    });
    after(async () => assert.equal(await server?.stop(), 0));

    beforeEach(async () => {
      watched = await open(browser, `${server.base}/docs`);
      page = watched.page;
      granted = [];
      page.on('response', (answer) => {
        if (answer.url() === `${server.base}/token` && answer.ok()) granted.push(bodyOf(answer));
      });
    });
    afterEach(() => watched.context.close());

    const authorizeButton = () => page.locator('.scheme-container .btn.authorize');
    const dialog = () => page.locator('.modal-ux');
    const operation = (method, path) =>
      page.locator(`.opblock-${method}`).filter({ has: page.locator(`[data-path="${path}"]`) });
    const padlock = (method, path) => operation(method, path).locator('.authorization__btn');

    async function fillIn({ username = server.username, password = server.password, scopes = server.scopes } = {}) {
      await authorizeButton().click();
      await page.getByLabel('username:').fill(username);
      await page.getByLabel('password:', { exact: true }).fill(password);
      for (const scope of scopes) await page.locator(`label[for^="${scope}-password-checkbox"]`).click();
    }
    const submit = () => dialog().getByRole('button', { name: 'Apply given OAuth2 credentials' }).click();
    const closeDialog = () => dialog().locator('.btn-done').click();

    async function logIn(login) {
      await fillIn(login);
      const sent = page.waitForRequest((request) => request.method() === 'POST');
      const answered = page.waitForResponse(`${server.base}/token`);
      await submit();
      await answered;
      await dialog().getByText('Authorized', { exact: true }).waitFor();
      await closeDialog();
      assert.equal(granted.length, 1);
      return sent;
    }

    async function logOut() {
      await authorizeButton().click();
      await dialog().getByRole('button', { name: 'Remove authorization' }).click();
      await closeDialog();
    }

    /** Presses *Try it out* and *Execute*; gives the status and the body that the page shows. */
    async function tryOut(method, path) {
      const block = operation(method, path);
      const control = block.locator('.opblock-summary-control');
      if ((await control.getAttribute('aria-expanded')) === 'false') await control.click();
      // The one button says *Cancel* once it was pressed.
      const tryItOut = block.locator('.try-out__btn:not(.reset)');
      if ((await tryItOut.innerText()) === 'Try it out') await tryItOut.click();
      const answered = page.waitForResponse((answer) => new URL(answer.url()).pathname === path);
      await block.getByRole('button', { name: 'Execute', exact: true }).click();
      await answered;
      const live = block.locator('.live-responses-table tbody > tr.response').first();
      await live.waitFor();
      const status = (await live.locator('.response-col_status').innerText()).trim();
      const body = await live.locator('.response-col_description .highlight-code code').first().innerText();
      return { status: Number.parseInt(status, 10), body };
    }

    /** What a person does on the page goes without a sound in its console, and to this server alone. */
    function assertCalm({ refusals = 0 } = {}) {
      assertStayedAt(server.base, watched.requests);
      const refused = watched.complaints.filter((complaint) => REFUSED.test(complaint));
      const others = watched.complaints.filter((complaint) => !REFUSED.test(complaint) && !OF_ITS_OWN.test(complaint));
      assert.deepEqual(others, []);
      assert.equal(refused.length, refusals);
    }

    async function assertNothingKept(secrets) {
      const found = await kept(watched);
      for (const secret of secrets.flatMap(spellings)) assert.ok(!found.includes(secret), found);
      const { inPage, state } = JSON.parse(found);
      assert.deepEqual(
        { ...inPage, address: undefined, history: undefined },
        { local: {}, session: {}, databases: [], caches: [], cookie: '', name: '', address: undefined, history: undefined },
      );
      assert.deepEqual(state, { cookies: [], origins: [] });
    }

    test('b16 the padlocks are there, open, and only where a login is needed', async () => {
      await screenshot(page, name, 'docs');
      assert.match(await authorizeButton().getAttribute('class'), /\bunlocked\b/);
      for (const [path, methods] of Object.entries(document.paths)) {
        for (const [method, { security }] of Object.entries(methods)) {
          await operation(method, path).waitFor();
          const locks = padlock(method, path);
          assert.equal(await locks.count(), security?.length ? 1 : 0, `${method} ${path}`);
          if (security?.length) assert.match(await locks.getAttribute('aria-label'), / unlocked$/);
        }
      }
      assertCalm();
    });

    test('b16 Authorize with no client, then Try it out, gives 200 and the body', async () => {
      await fillIn();
      await screenshot(page, name, 'authorize');
      assert.equal(await page.getByLabel('client_id:').inputValue(), '');
      assert.equal(await page.getByLabel('client_secret:').inputValue(), '');
      await page.keyboard.press('Escape');
      await dialog().locator('.close-modal').click();
      const sent = await logIn();
      // An empty id and an empty secret: the page sends them all the same, and they name no client.
      assert.equal(await sent.headerValue('authorization'), 'Basic Og==');
      assert.equal(new URL(sent.url()).pathname, '/token');
      assert.match(await authorizeButton().getAttribute('class'), / locked\b/);
      assert.match(await padlock('get', server.protected.pathname).getAttribute('aria-label'), / locked$/);
      const { status, body } = await tryOut('get', server.protected.pathname);
      await operation('get', server.protected.pathname).locator('.live-responses-table').scrollIntoViewIfNeeded();
      await screenshot(page, name, 'result');
      assert.equal(status, 200, body);
      assert.equal(JSON.parse(body).username, server.username);
      assertCalm();
    });

    test('b16 the token endpoint has a field for each member, and can be tried out', async () => {
      const block = operation('post', '/token');
      await block.locator('.opblock-summary-control').click();
      await block.locator('.try-out__btn').click();
      const field = (name) =>
        block.locator(`[data-property-name="${name}"]`).locator('input:not([type=checkbox]), select');
      await field('username').fill(server.username);
      await field('password').fill(server.password);
      for (const name of ['scope', 'client_id', 'client_secret', 'refresh_token']) await field(name).fill('');
      assert.equal(await field('grant_type').inputValue(), 'password');
      await block.scrollIntoViewIfNeeded();
      await screenshot(page, name, 'token-endpoint');
      const loggedIn = await tryOut('post', '/token');
      assert.equal(loggedIn.status, 200, loggedIn.body);
      const { refresh_token: token } = JSON.parse(loggedIn.body);
      for (const name of ['username', 'password']) await field(name).fill('');
      await field('grant_type').selectOption('refresh_token');
      await field('refresh_token').fill(token);
      const renewed = page.waitForResponse(`${server.base}/token`);
      await tryOut('post', '/token');
      assert.equal((await renewed).status(), 200);
      const sent = new URLSearchParams((await renewed).request().postData());
      assert.deepEqual([sent.get('grant_type'), sent.get('refresh_token')], ['refresh_token', token]);
      assertCalm();
    });

    test('b16 each locked operation gives 200 after the login', async () => {
      await logIn();
      for (const [path, methods] of Object.entries(document.paths)) {
        if (methods.get?.security) assert.equal((await tryOut('get', path)).status, 200, path);
      }
      assertCalm();
    });

    test('b16 nothing of the login is kept, and a reload forgets it', async () => {
      await logIn();
      await tryOut('get', server.protected.pathname);
      const { access_token: token } = await granted[0];
      await assertNothingKept([token, server.password]);
      await page.reload({ waitUntil: 'networkidle' });
      await authorizeButton().waitFor();
      assert.match(await authorizeButton().getAttribute('class'), /\bunlocked\b/);
      await assertNothingKept([token, server.password]);
      assert.ok(!(await page.content()).includes(token));
      assert.equal((await tryOut('get', server.protected.pathname)).status, 401);
      assertCalm({ refusals: 1 });
    });

    test('b16 neither the token nor the password is ever in an address', async () => {
      await logIn();
      await tryOut('get', server.protected.pathname);
      const { access_token: token } = await granted[0];
      for (const secret of [...spellings(server.password).filter((spelling) => spelling.length > 6), token]) {
        assert.ok(watched.requests.every((url) => !url.includes(secret)), secret);
      }
    });

    test('b16 after the logout a locked operation gives 401', async () => {
      await logIn();
      assert.equal((await tryOut('get', server.protected.pathname)).status, 200);
      await logOut();
      assert.match(await authorizeButton().getAttribute('class'), /\bunlocked\b/);
      const { status, body } = await tryOut('get', server.protected.pathname);
      assert.equal(status, 401);
      assert.deepEqual(JSON.parse(body), { detail: 'Not authenticated' });
      await assertNothingKept([(await granted[0]).access_token, server.password]);
      assertCalm({ refusals: 1 });
    });

    test('b16 a wrong password shows its reason on the page', async () => {
      await fillIn({ password: 'not the password' });
      await submit();
      const reason = dialog().locator('.errors');
      await reason.waitFor();
      await screenshot(page, name, 'wrong-password');
      assert.match(await reason.innerText(), /Incorrect username or password/);
      assert.deepEqual(granted, []);
      await assertNothingKept(['not the password']);
      assertCalm({ refusals: 1 });
    });

    test('b16 a login with a missing password shows its reason on the page', async () => {
      await fillIn({ password: '' });
      await submit();
      const reason = dialog().locator('.errors');
      await reason.waitFor();
      await screenshot(page, name, 'missing-password');
      assert.match(await reason.innerText(), /password/);
      assertCalm({ refusals: 1 });
    });

    test('b16 a login without a scope opens what needs none, and only that', async () => {
      await logIn({ scopes: [] });
      for (const [path, methods] of Object.entries(document.paths)) {
        const security = methods.get?.security;
        if (!security) continue;
        const needed = Object.values(security[0]).flat();
        assert.equal((await tryOut('get', path)).status, needed.length ? 403 : 200, path);
      }
    });

    if (PROGRAMS[name].international) {
      test('b16 a name and a password beyond ASCII log in', async () => {
        await logIn({ ...server.international, scopes: ['me'] });
        const { status, body } = await tryOut('get', server.protected.pathname);
        assert.equal(status, 200);
        assert.equal(JSON.parse(body).username, server.international.username);
        assertCalm();
      });
    }

    test('j8 the watch sees what the policy stops', async () => {
      // Without this, a page that complains of nothing would prove nothing.
      await page.evaluate(() => {
        const script = window.document.createElement('script');
        script.textContent = 'window.ran = true';
        window.document.body.append(script);
        return fetch('http://elsewhere.invalid/').catch(() => {});
      });
      assert.equal(await page.evaluate(() => window.ran), undefined);
      // The reports come from another process, when they come.
      const until = Date.now() + PATIENCE;
      const isComplainedOf = (directive) => watched.complaints.some((complaint) => complaint.includes(directive));
      while (!['script-src', 'connect-src'].every(isComplainedOf)) {
        assert.ok(Date.now() < until, watched.complaints.join('\n'));
        await page.waitForTimeout(20);
      }
      assert.throws(() => assertCalm());
    });

    test('j8 the page cannot be shown inside another', async () => {
      const outside = await open(browser, 'about:blank');
      await outside.page.setContent(`<iframe src="${server.base}/docs" width="800" height="600"></iframe>`);
      await outside.page.waitForLoadState('networkidle');
      const inside = outside.page.frames().at(-1);
      assert.equal(await inside.locator('#swagger-ui').count(), 0);
      await outside.context.close();
    });

    test('the page fits a telephone', async () => {
      await page.setViewportSize({ width: 390, height: 844 });
      await screenshot(page, name, 'docs-narrow');
      await authorizeButton().click();
      await screenshot(page, name, 'authorize-narrow');
      const wider = await page.evaluate(() => window.document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wider <= 0, `the page is ${wider} px wider than the screen`);
    });
  });
}

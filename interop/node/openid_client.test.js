// openid-client: discovery, the password grant, and a protected route.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oidc from 'openid-client';
import { PROGRAMS, start } from '../running.js';

for (const name of Object.keys(PROGRAMS)) {
  describe(`openid-client against ${name}`, () => {
    let server;
    before(async () => {
      server = await start(name, 'openid-client');
    });
    after(async () => assert.equal(await server?.stop(), 0));

    // The address of the server is its issuer; plain HTTP is only for this machine.
    const discover = (authentication = oidc.None(), id = 'any') =>
      oidc.discovery(new URL(server.base), id, undefined, authentication, {
        algorithm: 'oauth2',
        execute: [oidc.allowInsecureRequests],
      });
    const logIn = (config, more = {}) =>
      oidc.genericGrantRequest(config, 'password', { username: server.username, password: server.password, ...more });

    const clients = {
      none: () => oidc.None(),
      client_secret_basic: () => oidc.ClientSecretBasic('thing'),
      client_secret_post: () => oidc.ClientSecretPost('thing'),
    };
    for (const [method, authentication] of Object.entries(clients)) {
      test(`logs in and calls a protected route (${method})`, async () => {
        const config = await discover(authentication());
        const tokens = await logIn(config, { scope: server.scopes.join(' ') });
        assert.equal(tokens.token_type, 'bearer');
        assert.ok(tokens.expiresIn() > 0);
        const answer = await oidc.fetchProtectedResource(config, tokens.access_token, server.protected, 'GET');
        assert.equal(answer.status, 200);
        assert.equal((await answer.json()).username, server.username);
      });
    }

    for (const scope of [undefined, '', 'me', 'items me']) {
      test(`takes the answer when it asks for scope ${JSON.stringify(scope)}`, async () => {
        const tokens = await logIn(await discover(), scope === undefined ? {} : { scope });
        assert.ok(tokens.access_token);
        assert.notEqual(tokens.scope, '');
      });
    }

    if (PROGRAMS[name].international) {
      test('logs in with a name and a password beyond ASCII', async () => {
        const config = await discover();
        const tokens = await logIn(config, { ...server.international, scope: 'me' });
        const answer = await oidc.fetchProtectedResource(config, tokens.access_token, server.protected, 'GET');
        assert.equal((await answer.json()).username, server.international.username);
      });
    }

    test('names a wrong password', async () => {
      const config = await discover();
      await assert.rejects(logIn(config, { password: 'not the password' }), (error) => {
        assert.ok(error instanceof oidc.ResponseBodyError, error);
        assert.equal(error.error, 'invalid_grant');
        assert.equal(error.error_description, 'Incorrect username or password');
        assert.equal(error.status, 400);
        return true;
      });
    });

    test('names a scope that does not exist', async () => {
      const config = await discover();
      await assert.rejects(logIn(config, { scope: 'nonesuch' }), { error: 'invalid_scope' });
    });

    test('reads the challenge of a protected route', async () => {
      const config = await discover();
      await assert.rejects(oidc.fetchProtectedResource(config, 'johndoe', server.protected, 'GET'), (error) => {
        assert.ok(error instanceof oidc.WWWAuthenticateChallengeError, error);
        assert.equal(error.cause[0].scheme, 'bearer');
        assert.equal(error.cause[0].parameters.error, 'invalid_token');
        return true;
      });
    });
  });
}

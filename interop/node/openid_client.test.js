// openid-client: discovery, the password grant, a protected route, renewing and ending a login, and clients of its own.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as oidc from 'openid-client';
import { ARTIFACTS, PROGRAMS, start } from '../running.js';

const { subtle } = globalThis.crypto;
const PATIENCE = 60; // seconds; a debug build on a busy machine

// The address of the server is its issuer; plain HTTP is only for this machine.
const discover = (server, id, authentication) =>
  oidc.discovery(new URL(server.base), id, undefined, authentication, {
    algorithm: 'oauth2',
    execute: [oidc.allowInsecureRequests],
    timeout: PATIENCE,
  });
const logIn = (server, config, more = {}) =>
  oidc.genericGrantRequest(config, 'password', { username: server.username, password: server.password, ...more });
const call = (server, config, token) => oidc.fetchProtectedResource(config, token, server.protected, 'GET');
const isRefused = (error, code) => {
  assert.ok(error instanceof oidc.ResponseBodyError, error);
  assert.equal(error.error, code);
  return true;
};

for (const name of Object.keys(PROGRAMS)) {
  describe(`openid-client against ${name}`, () => {
    let server;
    before(async () => {
      server = await start(name, 'openid-client');
    });
    after(async () => assert.equal(await server?.stop(), 0));

    const clients = {
      none: () => oidc.None(),
      client_secret_basic: () => oidc.ClientSecretBasic('thing'),
      client_secret_post: () => oidc.ClientSecretPost('thing'),
    };
    for (const [method, authentication] of Object.entries(clients)) {
      test(`logs in and calls a protected route (${method})`, async () => {
        const config = await discover(server, 'any', authentication());
        const tokens = await logIn(server, config, { scope: server.scopes.join(' ') });
        assert.equal(tokens.token_type, 'bearer');
        assert.ok(tokens.expiresIn() > 0);
        const answer = await call(server, config, tokens.access_token);
        assert.equal(answer.status, 200);
        assert.equal((await answer.json()).username, server.username);
      });
    }

    for (const scope of [undefined, '', 'me', 'items me']) {
      test(`takes the answer when it asks for scope ${JSON.stringify(scope)}`, async () => {
        const tokens = await logIn(server, await discover(server, 'any', oidc.None()), scope === undefined ? {} : { scope });
        assert.ok(tokens.access_token);
        assert.notEqual(tokens.scope, '');
      });
    }

    if (PROGRAMS[name].international) {
      test('logs in with a name and a password beyond ASCII', async () => {
        const config = await discover(server, 'any', oidc.None());
        const tokens = await logIn(server, config, { ...server.international, scope: 'me' });
        const answer = await call(server, config, tokens.access_token);
        assert.equal((await answer.json()).username, server.international.username);
      });
    }

    test('names a wrong password', async () => {
      const config = await discover(server, 'any', oidc.None());
      await assert.rejects(logIn(server, config, { password: 'not the password' }), (error) => {
        assert.ok(error instanceof oidc.ResponseBodyError, error);
        assert.equal(error.error, 'invalid_grant');
        assert.equal(error.error_description, 'Incorrect username or password');
        assert.equal(error.status, 400);
        return true;
      });
    });

    test('names a scope that does not exist', async () => {
      const config = await discover(server, 'any', oidc.None());
      await assert.rejects(logIn(server, config, { scope: 'nonesuch' }), { error: 'invalid_scope' });
    });

    test('e1 renews a login, with less scope if it wants', async () => {
      const config = await discover(server, 'any', oidc.None());
      const first = await logIn(server, config, { scope: 'me items' });
      const second = await oidc.refreshTokenGrant(config, first.refresh_token);
      assert.notEqual(second.refresh_token, first.refresh_token);
      assert.equal((await call(server, config, second.access_token)).status, 200);
      const third = await oidc.refreshTokenGrant(config, second.refresh_token, { scope: 'me' });
      assert.equal((await call(server, config, third.access_token)).status, 200);
    });

    test('f4 ends a login: nothing of it is good any more', async () => {
      const config = await discover(server, 'any', oidc.None());
      const tokens = await logIn(server, config, { scope: 'me' });
      await oidc.tokenRevocation(config, tokens.refresh_token, { token_type_hint: 'refresh_token' });
      await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), (error) => isRefused(error, 'invalid_grant'));
      await assert.rejects(call(server, config, tokens.access_token), oidc.WWWAuthenticateChallengeError);
      await oidc.tokenRevocation(config, tokens.refresh_token);
    });

    test('ends an access token alone', async () => {
      const config = await discover(server, 'any', oidc.None());
      const tokens = await logIn(server, config, { scope: 'me' });
      await oidc.tokenRevocation(config, tokens.access_token);
      await assert.rejects(call(server, config, tokens.access_token), oidc.WWWAuthenticateChallengeError);
      const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
      assert.equal((await call(server, config, next.access_token)).status, 200);
    });

    test('reads the challenge of a protected route', async () => {
      const config = await discover(server, 'any', oidc.None());
      await assert.rejects(call(server, config, 'johndoe'), (error) => {
        assert.ok(error instanceof oidc.WWWAuthenticateChallengeError, error);
        assert.equal(error.cause[0].scheme, 'bearer');
        assert.equal(error.cause[0].parameters.error, 'invalid_token');
        return true;
      });
    });
  });
}

describe('openid-client as a registered client', () => {
  const OWN = ['--grant-type', 'client_credentials', '--scope', 'items'];
  const OF_USERS = ['--first-party', '--grant-type', 'password', '--grant-type', 'refresh_token', '--any-scope'];
  let server;
  before(async () => {
    server = await start('countersign_registry', 'openid-client');
  });
  after(async () => assert.equal(await server?.stop(), 0));

  /** A key pair, and the client that has it. */
  async function signer(id, ...more) {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
    const { privateKey, publicKey } = await subtle.generateKey(algorithm, false, ['sign', 'verify']);
    const file = join(ARTIFACTS, `${id}.jwks.json`);
    writeFileSync(file, JSON.stringify({ keys: [await subtle.exportKey('jwk', publicKey)] }));
    server.addClient(id, '--jwks', file, ...more);
    return privateKey;
  }

  for (const [method, flag, authentication] of [
    ['client_secret_basic', 'basic', oidc.ClientSecretBasic],
    ['client_secret_post', 'post', oidc.ClientSecretPost],
  ]) {
    test(`gets a token of its own (${method}), and none with another secret`, async () => {
      const { client_secret: secret } = server.addClient(method, '--auth', flag, ...OWN);
      const wrong = await discover(server, method, authentication(`${secret}x`));
      await assert.rejects(oidc.clientCredentialsGrant(wrong), (error) => {
        // With `Basic` the refusal is a challenge too (RFC 6749 §5.2).
        assert.equal(error.status, 401);
        return true;
      });
      const config = await discover(server, method, authentication(secret));
      const tokens = await oidc.clientCredentialsGrant(config, { scope: 'items' });
      assert.ok(tokens.access_token);
      assert.equal(tokens.refresh_token, undefined);
      // It is no user, and the route is of users.
      await assert.rejects(call(server, config, tokens.access_token), { status: 401 });
      await assert.rejects(oidc.clientCredentialsGrant(config, { scope: 'me' }), (error) => isRefused(error, 'invalid_scope'));
    });
  }

  test('h7 gets a token of its own by signing for it (private_key_jwt), and none with another key', async () => {
    const key = await signer('signer', ...OWN);
    const other = await signer('other-signer', ...OWN);
    const wrong = await discover(server, 'signer', oidc.PrivateKeyJwt(other));
    await assert.rejects(oidc.clientCredentialsGrant(wrong), { status: 401 });
    const config = await discover(server, 'signer', oidc.PrivateKeyJwt(key));
    const tokens = await oidc.clientCredentialsGrant(config, { scope: 'items' });
    assert.ok(tokens.expiresIn() > 0);
    await oidc.tokenRevocation(config, tokens.access_token);
    // Each assertion is another, so a second request is none that was seen.
    assert.ok((await oidc.clientCredentialsGrant(config)).access_token);
  });

  test('e9 renews and ends a login as the client that made it, and no other can', async () => {
    const key = await signer('portal', ...OF_USERS);
    server.addClient('page', '--public', ...OF_USERS);
    const portal = await discover(server, 'portal', oidc.PrivateKeyJwt(key));
    const page = await discover(server, 'page', oidc.None());
    const tokens = await logIn(server, portal, { scope: 'me' });
    await assert.rejects(oidc.refreshTokenGrant(page, tokens.refresh_token), (error) => isRefused(error, 'invalid_grant'));
    // What another client's token is, nobody is told (RFC 7009 §2.2): nothing was done.
    await oidc.tokenRevocation(page, tokens.refresh_token);
    const next = await oidc.refreshTokenGrant(portal, tokens.refresh_token);
    assert.equal((await call(server, portal, next.access_token)).status, 200);
    await oidc.tokenRevocation(portal, next.refresh_token);
    await assert.rejects(oidc.refreshTokenGrant(portal, next.refresh_token), (error) => isRefused(error, 'invalid_grant'));
  });

  test('f7 asks what a token is, as the API that it is for', async () => {
    const { client_secret: secret } = server.addClient('web', ...OF_USERS);
    const web = await discover(server, 'web', oidc.ClientSecretPost(secret));
    const { client_secret: own } = server.addClient('items', '--serves', server.base);
    const { client_secret: strange } = server.addClient('stranger');
    const signing = await signer('signing-items', '--serves', server.base);
    const tokens = await logIn(server, web, { scope: 'me' });
    const wrong = await discover(server, 'items', oidc.ClientSecretPost(`${own}x`));
    await assert.rejects(oidc.tokenIntrospection(wrong, tokens.access_token), { status: 401 });
    const stranger = await discover(server, 'stranger', oidc.ClientSecretBasic(strange));
    assert.deepEqual(await oidc.tokenIntrospection(stranger, tokens.access_token), { active: false });
    const apis = [
      await discover(server, 'items', oidc.ClientSecretBasic(own)),
      await discover(server, 'items', oidc.ClientSecretPost(own)),
      await discover(server, 'signing-items', oidc.PrivateKeyJwt(signing)),
    ];
    for (const api of apis) {
      const told = await oidc.tokenIntrospection(api, tokens.access_token, { token_type_hint: 'access_token' });
      const { sub, jti, iat, exp, ...rest } = told;
      assert.ok(sub && jti);
      assert.equal(exp - iat, tokens.expires_in);
      const { base, username } = server;
      const wanted = { active: true, token_type: 'Bearer', scope: 'me', client_id: 'web', username, iss: base, aud: base };
      assert.deepEqual(rest, wanted);
    }
    await oidc.tokenRevocation(web, tokens.access_token);
    for (const api of apis) {
      assert.deepEqual(await oidc.tokenIntrospection(api, tokens.access_token), { active: false });
    }
    assert.equal((await oidc.tokenIntrospection(web, tokens.refresh_token)).token_type, 'N_A');
    await oidc.tokenRevocation(web, tokens.refresh_token);
    assert.deepEqual(await oidc.tokenIntrospection(web, tokens.refresh_token), { active: false });
  });
});

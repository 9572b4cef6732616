// oidc-provider with everything in memory: the password grant through its documented way to add a grant type, refresh tokens
// with rotation, client credentials, introspection. Access tokens for the API are JWTs signed ES256; those for its own
// userinfo endpoint, and those that it introspects, are opaque, because it takes no others there.

import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { hash, verify } from '@node-rs/argon2';
import Provider, { errors } from 'oidc-provider';

const API = 'https://api.example.com';
const SCOPE = 'me items';
const DAY = 24 * 60 * 60; // seconds
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

const accounts = new Map([
  ['alice', {
    passwordHash: await hash('correct horse battery', COST),
    claims: { sub: 'alice', preferred_username: 'alice', name: 'Alice Chains', email: 'alice@example.com' },
  }],
]);

/** The adapter of its documentation's example, in a map that forgets nothing: the one that it brings keeps a thousand things. */
class Memory {
  static things = new Map();

  static grants = new Map();

  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    const key = this.key(id);
    if (payload.grantId !== undefined) {
      const keys = Memory.grants.get(payload.grantId);
      if (keys === undefined) Memory.grants.set(payload.grantId, new Set([key]));
      else keys.add(key);
    }
    Memory.things.set(key, payload);
  }

  async find(id) {
    return Memory.things.get(this.key(id));
  }

  async consume(id) {
    Memory.things.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    Memory.things.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of Memory.grants.get(grantId) ?? []) Memory.things.delete(key);
    Memory.grants.delete(grantId);
  }
}

const configuration = {
  adapter: Memory,
  clients: [{
    client_id: 'bench',
    client_secret: 'bench-secret',
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['password', 'refresh_token', 'client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: `openid ${SCOPE}`,
    id_token_signed_response_alg: 'ES256',
  }],
  jwks: {
    keys: [{
      ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig',
    }],
  },
  scopes: ['openid', 'offline_access', 'me', 'items'],
  claims: { openid: ['sub', 'preferred_username', 'name', 'email'] },
  findAccount: (ctx, id) => (accounts.has(id) ? { accountId: id, claims: () => accounts.get(id).claims } : undefined),
  rotateRefreshToken: true,
  ttl: { AccessToken: DAY, ClientCredentials: DAY, Grant: 14 * DAY, RefreshToken: 14 * DAY },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        audience: API, scope: SCOPE, accessTokenFormat: 'jwt', accessTokenTTL: DAY, jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
};

/** RFC 6749 section 4.3, written with the models that the other grants of the provider use. */
async function passwordGrant(ctx) {
  const { client, params, provider } = ctx.oidc;
  const account = accounts.get(params.username);
  if (account === undefined || !(await verify(account.passwordHash, params.password))) {
    throw new errors.InvalidGrant('the user name or the password is wrong');
  }
  const grant = new provider.Grant({ accountId: params.username, clientId: client.clientId });
  const scope = params.scope ?? '';
  const shared = { accountId: params.username, client, gty: 'password' };
  const accessToken = new provider.AccessToken({ ...shared, scope });
  if (params.resource === undefined) {
    grant.addOIDCScope(scope);
  } else {
    grant.addResourceScope(params.resource, scope);
    const info = configuration.features.resourceIndicators.getResourceServerInfo();
    accessToken.resourceServer = new provider.ResourceServer(params.resource, info);
  }
  const grantId = await grant.save();
  accessToken.grantId = grantId;
  const refreshToken = new provider.RefreshToken({ ...shared, grantId, scope, resource: params.resource, rotations: 0 });
  ctx.body = {
    access_token: await accessToken.save(),
    expires_in: accessToken.expiration,
    refresh_token: await refreshToken.save(),
    scope,
    token_type: accessToken.tokenType,
  };
}

const server = createServer((request, response) => server.handle(request, response));
server.listen(Number(process.env.PORT), '127.0.0.1');
await once(server, 'listening');
const provider = new Provider(`http://127.0.0.1:${server.address().port}`, configuration);
provider.registerGrantType('password', passwordGrant, ['username', 'password', 'scope', 'resource']);
server.handle = provider.callback();
process.on('SIGTERM', () => process.exit(0));

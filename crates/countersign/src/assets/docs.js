// Starts Swagger UI on this API's document. Nothing is kept in web storage, and nothing is asked of another host.
"use strict";

(() => {
  const RAN_OUT = "Your login ran out. Authorize again.";
  const NOT_NOW = "Your login cannot be renewed now. The page tries again.";
  const EARLY = 10_000; // milliseconds for which a login is still good when it is renewed
  // Milliseconds until a renewal that nobody answered is tried again, longer each time. The first is within the time in
  // which a refresh token whose answer was lost may be used once more.
  const RETRY = 5_000;
  const LONGEST_RETRY = 300_000; // milliseconds
  const PATIENCE = 20_000; // milliseconds in which an answer is waited for
  const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds; browsers take more for zero
  const OF_OPERATION = "x-of-operation";
  const BY_HEADER = ["password", "clientCredentials", "application"];

  const documentUrl = document.querySelector("link[rel=service-desc]").href;
  const files = document.currentScript.src;
  const status = document.getElementById("login-status");

  /** The logins, by the name of their security scheme: what was asked for and granted, when that runs out, and when
   * to do something about it (milliseconds). This page's alone, and in memory alone. */
  const logins = new Map();
  /** The scopes that were last asked for in the dialog of the whole API, by the name of the security scheme. */
  const chosen = new Map();
  /** The call of each operation that may be repeated once with a renewed token. */
  const calls = new Map();

  /** Says that these logins ran out, and forgets their tokens: the padlocks open, and nothing is sent any more. */
  function end(system, names) {
    if (names.length === 0) return;
    system.getSystem().authActions.logout(names);
    status.textContent = RAN_OUT;
  }

  function forget(name) {
    clearTimeout(logins.get(name)?.timer);
    logins.delete(name);
  }

  /** What the document names relative to its server (OpenAPI 3.1 §4.6). */
  function resolve(system, url) {
    const { oas3Selectors } = system.getSystem();
    return new URL(url, oas3Selectors.serverEffectiveValue(oas3Selectors.selectedServer())).href;
  }

  /** Where a login is renewed, if the document tells of it and there is something to renew it with. */
  function renewalUrl(system, { auth, token }) {
    const path = ["components", "securitySchemes", auth.name, "flows", auth.schema.get("flow"), "refreshUrl"];
    const url = system.getSystem().specSelectors.specJson().getIn(path);
    return token.refresh_token && url ? resolve(system, url) : undefined;
  }

  /** Where a login is ended: beside the token endpoint, if the document tells of an operation there. */
  function revocationUrl(system, { auth }) {
    const tokenUrl = auth.schema.get("tokenUrl");
    if (!tokenUrl || !system.getSystem().specSelectors.specJson().hasIn(["paths", "/revoke", "post"])) return undefined;
    const url = new URL("revoke", resolve(system, tokenUrl)).href;
    // A token of an issuer elsewhere is no business of whatever is at this path here.
    return url === resolve(system, "").replace(/\/?$/, "/revoke") ? url : undefined;
  }

  /** Posts a form as the client that logged in, which says who it is as Swagger UI did then. */
  function post(url, { auth }, fields, more) {
    const { clientId, clientSecret, passwordType, schema } = auth;
    const body = new URLSearchParams(fields);
    const headers = {};
    if (clientId && BY_HEADER.includes(schema.get("flow")) && passwordType !== "request-body") {
      const bytes = new TextEncoder().encode(`${clientId}:${clientSecret}`);
      headers.Authorization = `Basic ${btoa(String.fromCodePoint(...bytes))}`;
    } else if (clientId) {
      body.set("client_id", clientId);
      if (clientSecret) body.set("client_secret", clientSecret);
    }
    return fetch(url, { method: "POST", body, headers, redirect: "error", ...more });
  }

  /** Asks for the next tokens (RFC 6749 §6): `granted`, `refused`, or neither where nobody knows. */
  async function ask(url, login) {
    try {
      const fields = { grant_type: "refresh_token", refresh_token: login.token.refresh_token };
      const answer = await post(url, login, fields, { signal: AbortSignal.timeout(PATIENCE) });
      // RFC 6749 §5.2: what is refused is answered with 400, or 401 if it is the client. Others do not know.
      if (!answer.ok && ![400, 401].includes(answer.status)) return {};
      const { access_token, error, ...rest } = await answer.json();
      if (answer.ok && access_token) return { granted: { access_token, ...rest } };
      return { refused: !answer.ok && Boolean(error) };
    } catch {
      return {};
    }
  }

  async function renewOnce(system, login, url) {
    const { granted, refused } = await ask(url, login);
    const { name } = login.auth;
    // Who logged out meanwhile, or in again, has no use for the answer.
    if (logins.get(name) !== login) return false;
    if (granted) {
      // RFC 6749 §6: the server "MAY issue a new refresh token"; else the old one stays.
      system.getSystem().authActions.authorizeOauth2({ auth: login.auth, token: { ...login.token, ...granted } });
      return true;
    }
    if (refused) {
      forget(name);
      end(system, [name]);
      return false;
    }
    if (login.until <= Date.now()) status.textContent = NOT_NOW;
    login.due = Date.now() + login.retry;
    login.retry = Math.min(login.retry * 2, LONGEST_RETRY);
    schedule(system, login);
    return false;
  }

  /** Renews a login, or ends it where that cannot be done. Resolves to whether it was renewed. One try at a time: who
   * comes meanwhile waits for the same answer. */
  function renew(system, login) {
    const url = renewalUrl(system, login);
    if (!url) {
      forget(login.auth.name);
      end(system, [login.auth.name]);
      return Promise.resolve(false);
    }
    login.renewing ??= renewOnce(system, login, url).finally(() => {
      login.renewing = undefined;
    });
    return login.renewing;
  }

  const isDue = (login) => login.due <= Date.now();

  /** Sees to the logins whose time has come. A page that nobody looks at keeps none alive. */
  function look(system) {
    if (!document.hidden) [...logins.values()].filter(isDue).forEach((login) => renew(system, login));
  }

  function schedule(system, login) {
    clearTimeout(login.timer);
    if (login.due === Infinity) return;
    login.timer = setTimeout(() => {
      look(system);
      if (logins.get(login.auth.name) === login && !isDue(login)) schedule(system, login);
    }, Math.min(Math.max(login.due - Date.now(), 0), LONGEST_TIMER));
  }

  /** RFC 6749 §5.1: `expires_in` is "the lifetime in seconds". Without one the first refusal tells. */
  function keep(system, auth, token) {
    forget(auth.name);
    const lifetime = Number(token.expires_in) * 1000;
    const until = lifetime > 0 ? Date.now() + lifetime : Infinity;
    const login = { auth, token, until, due: until, retry: RETRY };
    if (until < Infinity && renewalUrl(system, login)) login.due -= Math.min(EARLY, lifetime / 2);
    logins.set(auth.name, login);
    schedule(system, login);
  }

  /** Tells the server that the login is over (RFC 7009). If it does not hear of it, time will end it. */
  function revoke(system, login) {
    const url = revocationUrl(system, login);
    const { refresh_token, access_token } = login.token;
    // Even if the page is closed at once.
    if (url) post(url, login, { token: refresh_token ?? access_token }, { keepalive: true }).catch(() => {});
  }

  /** The logins whose token this request carried. One that was made since has another token, and stays. */
  function carried(system, request) {
    const header = request?.headers?.Authorization ?? "";
    const authorized = system.getSystem().authSelectors.authorized()?.toJS() ?? {};
    const names = Object.keys(authorized);
    return names.filter((name) => {
      const token = authorized[name].token?.access_token ?? authorized[name].value;
      return typeof token === "string" && header === `Bearer ${token}`;
    });
  }

  /** RFC 6750 §3.1: a token that is "expired, revoked, malformed, or invalid for other reasons". */
  function refusesToken({ err, ...answer }) {
    const response = err?.response ?? answer;
    return response.status === 401 && /\berror="?invalid_token\b/.test(response.headers?.["www-authenticate"] ?? "");
  }

  const login = (system) => ({
    statePlugins: {
      auth: {
        wrapActions: {
          authorize: (authorize) => (payload) => {
            status.textContent = "";
            return authorize(payload);
          },
          authorizeOauth2: (authorize) => (payload) => {
            status.textContent = "";
            const done = authorize(payload);
            keep(system, payload.auth, payload.token);
            return done;
          },
          logout: (logout) => (names) => {
            for (const login of names.map((name) => logins.get(name)).filter(Boolean)) revoke(system, login);
            names.forEach(forget);
            return logout(names);
          },
        },
        wrapSelectors: {
          // Marks what the padlock of an operation asks for, so that its dialog can tell.
          definitionsForRequirements: (select) => (state, ...others) =>
            select(...others).map((schemes) => schemes.map((scheme) => scheme.set(OF_OPERATION, true))),
        },
      },
      oas3: {
        wrapSelectors: {
          // A relative server is relative to the document (OpenAPI 3.1 §4.8.5); Swagger UI takes it for the page's.
          serverEffectiveValue: (select, { specSelectors }) => (state, ...others) => {
            const server = select(...others) || specSelectors.servers()?.first()?.get("url") || "/";
            return new URL(server, documentUrl).href;
          },
        },
      },
      spec: {
        wrapActions: {
          execute: (execute) => (call) => {
            const key = `${call.method} ${call.path}`;
            // RFC 6750 §3.1: "The client MAY request a new access token and retry the protected resource request."
            calls.set(key, () => execute(call));
            const due = [...logins.values()].filter(isDue);
            if (due.length === 0) return execute(call);
            return Promise.all(due.map((login) => renew(system, login))).then(() => execute(call));
          },
          setResponse: (set) => (path, method, response) => {
            const key = `${method} ${path}`;
            const again = calls.get(key);
            calls.delete(key);
            if (!refusesToken(response)) return set(path, method, response);
            const names = carried(system, system.getSystem().specSelectors.requestFor(path, method)?.toJS());
            const renewable = names.map((name) => logins.get(name)).filter(Boolean);
            if (!again || renewable.length === 0) {
              end(system, names);
              return set(path, method, response);
            }
            return Promise.all(renewable.map((login) => renew(system, login))).then((renewed) =>
              renewed.includes(true) ? again() : set(path, method, response),
            );
          },
        },
      },
    },
    wrapComponents: {
      // The scopes of the operation whose padlock it was are ticked; else those that were asked for last.
      oauth2: (Oauth2) =>
        class extends Oauth2 {
          constructor(props, context) {
            super(props, context);
            const { schema, name } = props;
            if (schema.has(OF_OPERATION)) {
              this.state.scopes = schema.get("scopes")?.keySeq().toArray() ?? [];
              return;
            }
            if (chosen.has(name)) this.state.scopes = chosen.get(name);
            const authorize = this.authorize;
            this.authorize = () => {
              chosen.set(name, this.state.scopes);
              authorize();
            };
          }
        },
      // One server, this one, is no choice.
      ServersContainer: (Servers, { React, specSelectors }) =>
        function (props) {
          return specSelectors.servers().size > 1 ? React.createElement(Servers, props) : null;
        },
    },
    // A machine that slept has slept through its timers.
    afterLoad: () => document.addEventListener("visibilitychange", () => look(system)),
  });

  window.ui = SwaggerUIBundle({
    url: documentUrl,
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [login],
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    persistAuthorization: false,
    oauth2RedirectUrl: new URL("oauth2-redirect.html", files).href,
  });

  // RFC 9700 section 2.1.1: where people log in elsewhere, by a code that is worth nothing to others.
  window.ui.initOAuth({ usePkceWithAuthorizationCodeGrant: true });
})();

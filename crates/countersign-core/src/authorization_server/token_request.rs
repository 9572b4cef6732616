//! Token requests (RFC 6749 §3.2): who asks, by which grant, and what comes of it.

use std::time::Duration;

use super::{AuthorizationServer, GrantTypeParameter, Request};
use crate::{
    client::{Client, auth},
    clock::Timestamp,
    error::{GrantProblem, OAuthError, RequestProblem},
    extra_claims::{IssuedFor, Map, Value},
    form::Form,
    grant::{self, Facts, Home, OWNER_RETRY},
    grant_record::{Decision, Source, VerifiedElsewhere},
    grant_type::GrantType,
    key::KeyRing,
    meters::Answered,
    names::{ClientId, GrantId, Subject},
    scope::Scope,
    store::StoreError,
    throttle,
    token::issue::{self, Issued, Mint, TokenResponse},
};

/// How often a token request is decided upon: once, and again if the owner or the grant changed before it was recorded.
const MAX_DECISIONS: usize = 3;

/// How long ago the write may have been that won a race for a refresh token against this request.
const LOST_RACE: Duration = Duration::from_secs(60);

impl AuthorizationServer {
    /// Answers a token request (RFC 6749 §3.2).
    ///
    /// # Errors
    /// [`OAuthError`], each as its variant says.
    pub async fn token(&self, request: Request<'_>) -> Result<TokenResponse, OAuthError> {
        let mut answered = None;
        let answer = self.answer(request, &mut answered).await;
        match (&answer, answered) {
            (_, Some((grant_type, answered))) => self.token_meters.answered(grant_type, answered),
            (Err(error), None) => self.token_meters.refused(self.asked_for(request.form), error),
            (Ok(_), None) => {}
        }
        answer
    }

    /// As [`AuthorizationServer::token`]; `answered` is for the meters.
    async fn answer(
        &self,
        request: Request<'_>,
        answered: &mut Option<(GrantType, Answered)>,
    ) -> Result<TokenResponse, OAuthError> {
        let Request { form, source, .. } = request;
        // What is issued without a write is of the moment before the client was let in: what ends the client ends that too.
        let asked_at = self.ports.clock.now();
        let client = self.authenticate_client(request).await?;
        let grant_type = self.grant_type(&client, form)?;
        self.keep_keys().await?;
        self.hear_of_cuts(&client).await?;
        self.refuse_if_cut(&client.id, asked_at)?;
        for round in 0..MAX_DECISIONS {
            match grant::decide(grant_type, self.facts(round, source), &client, form).await? {
                Decision::Issue(authorized) => {
                    let own = match &authorized.source {
                        // The author's claims are of users: for a client's own token, the author's code would look for
                        // a user by the client's name.
                        Source::Client => Map::new(),
                        Source::New { .. } | Source::Renewed(_) => {
                            self.own_claims(&authorized.subject, &client.id, &authorized.scope).await?
                        }
                    };
                    // Deciding took its time: what is issued lives from now on.
                    let now = match &authorized.source {
                        Source::Client => asked_at,
                        Source::New { .. } | Source::Renewed(_) => self.ports.clock.now(),
                    };
                    let keys = self.keys();
                    let mint = self.mint(&client, &keys, now);
                    let elsewhere = authorized.owner_elsewhere();
                    let issued = issue::issue(mint, client.id.clone(), authorized, own).await?;
                    let Issued::Tokens { response, grant } = issued else { continue };
                    if let (Some(owner), Some(grant)) = (elsewhere, grant)
                        && !self.still_stands(&owner, &grant).await?
                    {
                        continue;
                    }
                    self.sweep_now_and_then().await;
                    let refresh_token = response.refresh_token.is_some();
                    *answered = Some((grant_type, Answered::Anew { refresh_token }));
                    return Ok(response);
                }
                Decision::Again(again) => {
                    let own = self.own_claims(&again.grant.subject, &client.id, &again.scope).await?;
                    let keys = self.keys();
                    let response = issue::issue_again(self.mint(&client, &keys, asked_at), again, own).await?;
                    *answered = Some((grant_type, Answered::Again));
                    return Ok(response);
                }
                Decision::Stolen(grant) => {
                    // It was, whether the store hears of its end or not.
                    *answered = Some((grant_type, Answered::Stolen));
                    self.end_stolen(&grant).await?;
                    return Err(OAuthError::InvalidGrant(GrantProblem::RefreshToken));
                }
            }
        }
        Err(OAuthError::TemporarilyUnavailable { retry_after: OWNER_RETRY })
    }

    /// What a grant may look at, now, in its n-th try.
    fn facts(&self, round: usize, source: throttle::Source) -> Facts<'_> {
        Facts {
            owners: self.owners(),
            home: if self.owners_are_in_store() { Home::Store } else { Home::Elsewhere },
            hashing: &self.ports.hashing,
            throttle: &self.throttle,
            source,
            default_scope: &self.settings.default_scope,
            grants: &*self.ports.store,
            now: self.ports.clock.now(),
            refresh_leeway: self.refresh_leeway(round),
            audience: self.audience(),
        }
    }

    /// For how long the use of a refresh token may be tried again. Who lost a race in this very request is no thief,
    /// however long the winner's write took.
    fn refresh_leeway(&self, round: usize) -> Duration {
        let leeway = self.settings.refresh.leeway;
        if round == 0 || leeway.is_zero() { leeway } else { leeway.max(LOST_RACE) }
    }

    /// Whether an owner of the author's table still is what was verified, now that the grant is recorded; ends the grant if
    /// not. The author changes the table first and then ends grants, so one of the two finds it.
    async fn still_stands(&self, verified: &VerifiedElsewhere, grant: &GrantId) -> Result<bool, StoreError> {
        let owner = self.owners().find_by_subject(&verified.subject).await;
        let stands = matches!(&owner, Ok(Some(owner)) if owner.is_active()
            && (owner.password_hash.is_none() || owner.password_hash == verified.password_hash));
        if !stands {
            self.end_grant(grant).await?;
            owner?;
        }
        Ok(stands)
    }

    fn mint<'a>(&'a self, client: &Client, keys: &'a KeyRing, now: Timestamp) -> Mint<'a> {
        Mint {
            store: &*self.ports.store,
            keys,
            now,
            rng: &*self.ports.rng,
            issuer: self.issuer(),
            audience: self.audience(),
            format: client.token_format.unwrap_or(self.settings.token_format),
            lifetime: self.settings.access_token_lifetime,
            refresh: self.can_renew(client).then_some(self.settings.refresh),
        }
    }

    fn can_renew(&self, client: &Client) -> bool {
        self.settings.grant_types.contains(&GrantType::RefreshToken) && client.may_use(GrantType::RefreshToken)
    }

    /// The client that makes a request, to whichever endpoint. Where none is registered, or none is named, that is
    /// [`Client::built_in`], which proves nothing.
    ///
    /// # Errors
    /// - [`OAuthError::InvalidClient`]: a client is named that is unknown or disabled, or does not prove who it is by the
    ///   method that it is registered for.
    /// - [`OAuthError::InvalidRequest`]: it authenticates in two ways.
    /// - [`OAuthError::Throttled`]: it failed to do so too often.
    /// - [`OAuthError::TemporarilyUnavailable`]: the store is away.
    pub async fn authenticate_client(&self, request: Request<'_>) -> Result<Client, OAuthError> {
        let door = auth::Door {
            store: &*self.ports.store,
            clients: &self.clients,
            issuer: self.issuer(),
            leeway: self.settings.leeway,
            now: self.ports.clock.now(),
            throttle: &self.throttle,
            source: request.source,
        };
        auth::authenticate(door, request.authorization, request.form).await
    }

    async fn own_claims(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        scope: &Scope,
    ) -> Result<Map<String, Value>, StoreError> {
        let Some(claims) = &self.ports.claims else { return Ok(Map::new()) };
        claims.claims(IssuedFor { subject, client_id, scope }).await
    }

    /// Which grant type is asked for, if the server has it on and the client may use it.
    fn grant_type(&self, client: &Client, form: &Form) -> Result<GrantType, OAuthError> {
        let named = self.asked_for(form).ok_or_else(|| match form.find("grant_type") {
            Some(_) => OAuthError::UnsupportedGrantType,
            None => OAuthError::InvalidRequest(RequestProblem::Missing(vec!["grant_type"])),
        })?;
        if !self.settings.grant_types.contains(&named) {
            return Err(OAuthError::UnsupportedGrantType);
        }
        match client.may_use(named) {
            true => Ok(named),
            // RFC 6749 §5.2, `invalid_client`: "no client authentication included".
            false if client.is_built_in() => Err(OAuthError::InvalidClient),
            false => Err(OAuthError::UnauthorizedClient),
        }
    }

    /// The grant type that is asked for, if it is one.
    fn asked_for(&self, form: &Form) -> Option<GrantType> {
        match form.find("grant_type") {
            Some(name) => GrantType::find_by_name(name),
            None => self.looks_like_a_login(form).then_some(GrantType::Password),
        }
    }

    /// What is still missing of a login is then told as missing, and not the grant type.
    fn looks_like_a_login(&self, form: &Form) -> bool {
        self.settings.grant_type_parameter == GrantTypeParameter::Lenient
            && ["username", "password"].iter().any(|name| form.find(name).is_some())
    }
}

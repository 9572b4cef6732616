//! A walk through the document: every operation does what it says.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use axum::{
    extract::FromRef,
    http::{Method, StatusCode},
};
use countersign_core::scope::Scope;
use serde_json::{Map, Value};

use super::{
    ask::{Ask, Place},
    plan::{Ground, Plan, Unclear},
    problem::TestError,
};
use crate::{oauth2::OAuth2, router::Router, table};

/// Calls every operation that the document tells of: without credentials, with exactly what it needs, and with one thing
/// less of that at a time.
///
/// What needs credentials must answer 401 without them, and nothing else may; with exactly what is needed it must be
/// neither 401 nor 403, unless a rule of yours says so (`x-rules`); with one scope less it must be 403. Alternatives are
/// tried one by one, and what is needed together is sent together. Credentials of schemes of yours are made up, unless
/// [`Plan::credentials`] gives some that your code lets in.
///
/// Handlers run, without a body and with good tokens: a `DELETE` deletes.
///
/// ```
/// use countersign::{AccessToken, Memory, OAuth2, routing::get, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> countersign::Result<()> {
/// let oauth2 = OAuth2::new(Memory::new()).build().await?;
/// let report = testing::walk(oauth2.router().route("/status", get(async |_: AccessToken| "fine"))).await?;
/// report.assert_held();
/// assert_eq!(report.operations(), 8, "this one, the login, the logout, and five of the user's own");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`TestError`]: the API does not start, or there is no such user.
pub fn walk<S>(app: Router<S>) -> Plan<S, WalkReport> {
    Plan::of(app)
}

/// What came of a walk: as a table through `Display`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkReport {
    operations: usize,
    calls: Vec<Call>,
    unclear: Vec<Unclear>,
}

/// One call of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The operation: its method and path.
    pub operation: String,
    /// The credentials that were sent.
    pub with: String,
    /// What the document says of such a call.
    pub expected: Expected,
    /// What was answered.
    pub status: StatusCode,
    /// Whether that tells nothing.
    is_unclear: bool,
}

/// What a document says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// 401: credentials are needed.
    Unauthorized,
    /// Anything but 401: nothing is needed.
    Open,
    /// Neither 401 nor 403: it has what is needed.
    LetIn,
    /// Anything but 401: it has what is needed, and a rule may refuse it.
    LetInOrRule,
    /// 403: the token allows too little.
    Forbidden,
}

impl Expected {
    fn is_met_by(self, status: StatusCode) -> bool {
        match self {
            Self::Unauthorized => status == StatusCode::UNAUTHORIZED,
            Self::Open | Self::LetInOrRule => status != StatusCode::UNAUTHORIZED,
            Self::LetIn => status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN,
            Self::Forbidden => status == StatusCode::FORBIDDEN,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthorized => "401",
            Self::Open | Self::LetInOrRule => "not 401",
            Self::LetIn => "neither 401 nor 403",
            Self::Forbidden => "403",
        })
    }
}

impl WalkReport {
    /// How many operations the document tells of.
    #[must_use]
    pub const fn operations(&self) -> usize {
        self.operations
    }

    /// Every call, whatever came of it.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The calls that were answered otherwise than the document says.
    pub fn broken(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| !call.expected.is_met_by(call.status) && !call.is_unclear)
    }

    /// The operations of which it cannot be told.
    #[must_use]
    pub fn unclear(&self) -> &[Unclear] {
        &self.unclear
    }

    /// Passes if every call was answered as the document says.
    ///
    /// # Panics
    /// With the report, if one was not.
    #[track_caller]
    pub fn assert_held(&self) {
        assert!(self.broken().next().is_none(), "{self}");
    }
}

impl fmt::Display for WalkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, calls, unclear } = self;
        let row = |call: &Call| {
            [call.operation.clone(), call.with.clone(), call.expected.to_string(), call.status.to_string()]
        };
        let broken: Vec<_> = self.broken().map(row).collect();
        let (calls, held) = (calls.len(), broken.len());
        writeln!(f, "{calls} calls of {operations} operations: {held} not as documented, {} unclear", unclear.len())?;
        if !broken.is_empty() {
            table::write(f, ["OPERATION", "WITH", "EXPECTED", "ANSWER"], &broken)?;
        }
        unclear.iter().try_for_each(|unclear| writeln!(f, "unclear: {unclear}"))
    }
}

/// What is needed together: schemes, each with its scopes.
type Together = Vec<(String, Vec<String>)>;

/// An operation of the document.
struct Operation {
    method: Method,
    path: String,
    security: Vec<Together>,
    has_rules: bool,
}

impl Operation {
    fn all_of(document: &Value) -> Vec<Self> {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let Ok(method) = method.to_uppercase().parse() else { continue };
                let locks = operation["security"].as_array().into_iter().flatten();
                let security = locks.filter_map(Value::as_object).map(together).collect();
                let has_rules = !operation["x-rules"].is_null();
                operations.push(Self { method, path: path.clone(), security, has_rules });
            }
        }
        operations
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn is_open(&self) -> bool {
        self.security.is_empty() || self.security.iter().any(Vec::is_empty)
    }
}

fn together(lock: &Map<String, Value>) -> Together {
    let scopes = |scopes: &Value| {
        let scopes = scopes.as_array().into_iter().flatten().filter_map(Value::as_str);
        scopes.map(str::to_owned).collect()
    };
    lock.iter().map(|(scheme, needed)| (scheme.clone(), scopes(needed))).collect()
}

/// Credentials for people: `OAuth2PasswordBearer read:items and ShopKey`.
fn shown(given: &Together) -> String {
    let one = |(scheme, scopes): &(String, Vec<String>)| format!("{scheme} {}", scopes.join(" ")).trim_end().to_owned();
    let all: Vec<_> = given.iter().map(one).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" and ") }
}

/// The document, and the API that should do what it says.
struct Walk<'a> {
    ground: &'a Ground,
    schemes: &'a Value,
}

impl Walk<'_> {
    async fn through(&self, operation: &Operation, report: &mut WalkReport) -> Result<(), TestError> {
        let nothing = if operation.is_open() { Expected::Open } else { Expected::Unauthorized };
        let mut calls = vec![(Together::new(), nothing)];
        for needed in operation.security.iter().filter(|needed| !needed.is_empty()) {
            let exactly = if operation.has_rules { Expected::LetInOrRule } else { Expected::LetIn };
            calls.push((needed.clone(), exactly));
            calls.extend(less_of(needed).into_iter().filter(|(less, _)| !self.is_enough(operation, less)));
        }
        let probe = if operation.is_open() { Ask::default().bearer("garbage") } else { Ask::default() };
        let path = if operation.security.is_empty() { &Ask::default() } else { &probe };
        let path = self.ground.path(&operation.method, &operation.path, path).await;
        let mut done = Vec::new();
        for (given, expected) in calls {
            let Some(ask) = self.ask(&given).await? else {
                let what = format!("{} cannot be sent together", shown(&given));
                report.unclear.push(Unclear { route: operation.name(), what });
                return Ok(());
            };
            let status = self.ground.call(&operation.method, &path, &ask).await.status;
            done.push((given, expected, status));
        }
        let guards_answered = done.iter().any(|(.., status)| is_refused(*status));
        for (given, expected, status) in done {
            let unclear = if expected.is_met_by(status) {
                None
            } else {
                self.find_unclear(&given, expected, status, guards_answered)
            };
            let is_unclear = unclear.is_some();
            let known =
                |what: &String| report.unclear.iter().any(|one| one.route == operation.name() && one.what == *what);
            if let Some(what) = unclear.filter(|what| !known(what)) {
                report.unclear.push(Unclear { route: operation.name(), what });
            }
            report.calls.push(Call { operation: operation.name(), with: shown(&given), expected, status, is_unclear });
        }
        Ok(())
    }

    /// Whether these credentials are all that an alternative needs; `{}` is for those who have none.
    fn is_enough(&self, operation: &Operation, given: &Together) -> bool {
        let has = |(scheme, scopes): &(String, Vec<String>)| {
            let is_own = self.is_own(scheme);
            given.iter().any(|(known, more)| {
                // A scheme of the author's that looks in the same place finds what was meant for another.
                let found = known == scheme || !is_own && self.place(known) == self.place(scheme);
                found && scopes.iter().all(|scope| more.contains(scope))
            })
        };
        operation.security.iter().any(|needed| !needed.is_empty() && needed.iter().all(has))
    }

    fn is_own(&self, scheme: &str) -> bool {
        scheme == self.ground.oauth2.scheme_name()
    }

    /// Where the credentials of a scheme stand.
    fn place(&self, scheme: &str) -> Option<Place> {
        if self.is_own(scheme) { Some(Place::bearer()) } else { Place::of(&self.schemes[scheme]) }
    }

    /// Why an answer that is not the expected one tells nothing, if that is so.
    fn find_unclear(
        &self,
        given: &Together,
        expected: Expected,
        status: StatusCode,
        guards_answered: bool,
    ) -> Option<String> {
        if matches!(expected, Expected::LetIn | Expected::LetInOrRule) {
            let is_made_up = |scheme: &str| !self.is_own(scheme) && self.ground.find_credentials(scheme).is_none();
            let made_up = given.iter().find(|(scheme, _)| is_made_up(scheme));
            if let Some((scheme, _)) = made_up {
                return Some(format!(
                    "what was made up for {scheme} is refused: give good credentials by `credentials`"
                ));
            }
            let no_user = !self.ground.has_user() && status == StatusCode::UNAUTHORIZED;
            return no_user.then(|| "no active user is known: name one by `as_user`".to_owned());
        }
        let of_path = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY];
        let untold = of_path.contains(&status) && !guards_answered;
        untold.then(|| format!("{}, from before the guards or behind: say where to call it by `at`", status.as_u16()))
    }

    /// A request with these credentials; `None` if they cannot stand beside each other.
    async fn ask(&self, given: &Together) -> Result<Option<Ask>, TestError> {
        let mut ask = Ask::default();
        let mut taken: Vec<Place> = Vec::new();
        for (scheme, scopes) in given {
            let Some(place) = self.place(scheme) else { return Ok(None) };
            let is_header = |place: &Place| matches!(place, Place::Authorization(_));
            if is_header(&place) && taken.iter().any(is_header) {
                return Ok(None);
            }
            ask = if self.is_own(scheme) {
                let scope = scopes.join(" ").parse().unwrap_or_else(|_| Scope::empty());
                ask.good(&self.ground.good_token(&scope).await?, scope)
            } else {
                ask.at(&place, self.ground.credentials(scheme, &place))
            };
            taken.push(place);
        }
        Ok(Some(ask))
    }
}

fn is_refused(status: StatusCode) -> bool {
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status)
}

/// One scope less, and one scheme less, at a time.
fn less_of(needed: &Together) -> Vec<(Together, Expected)> {
    let mut less = Vec::new();
    for (place, (_, scopes)) in needed.iter().enumerate() {
        for missing in scopes {
            let mut fewer = needed.clone();
            fewer[place].1.retain(|scope| scope != missing);
            less.push((fewer, Expected::Forbidden));
        }
        if needed.len() > 1 {
            let mut fewer = needed.clone();
            fewer.remove(place);
            less.push((fewer, Expected::Unauthorized));
        }
    }
    less
}

impl<S> IntoFuture for Plan<S, WalkReport>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    type Output = Result<WalkReport, TestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (_, document, ground) = self.start()?.choose().await?;
            let document: Value = serde_json::from_str(&document)?;
            let walk = Walk { ground: &ground, schemes: &document["components"]["securitySchemes"] };
            let operations = Operation::all_of(&document);
            let mut report = WalkReport { operations: operations.len(), ..WalkReport::default() };
            for operation in &operations {
                walk.through(operation, &mut report).await?;
            }
            Ok(report)
        })
    }
}

//! `countersign doctor timing`: whether logins that fail can be told apart, by their time or their bytes.

mod kind;
mod probe;
mod report;

use std::{
    io,
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use countersign::{Clock as _, NewUser, OAuth2, core::clock::System};

use self::{
    kind::{Kind, Pass, USERS},
    probe::Prober,
    report::{Judged, Report},
};
use super::statistics::Sequence;
use crate::{
    announce,
    cli::{dev::OwnDatabase, open},
    config::{LogFormat, Settings, SigningAlgorithm, Switch, Value, Whole},
    failure::{Failure, Outcome},
    listen::Listening,
    telemetry,
};

/// Rounds before those that count: the first logins find nothing where it will be.
const ROUNDS_TO_WARM_UP: u32 = 5;

/// As long as logins that must wait are measured at most: the first delay is 30 seconds, and who came after it would be
/// looked at.
const THROTTLED_FOR: Duration = Duration::from_secs(24);

/// How often it is said how far it is.
const STEPS: u32 = 10;

/// Measure whether a stranger can tell who has an account: logins that fail, on a server of its own.
///
/// The server has these settings and a database of its own that goes away at the end; yours is not touched. Logins of all
/// kinds come in random order, one after the other, over one connection; those that must wait in a second pass. Run it on a
/// quiet machine like the server's.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing can be told apart, 1 something can, 2 wrong usage or settings, 3 it is not decided."
)]
pub(super) struct Timing {
    /// How many logins of each kind. More tell smaller differences: 10,000 take some ten minutes.
    #[arg(long, value_name = "NUMBER", default_value_t = 400, value_parser = clap::value_parser!(u32).range(5..=100_000))]
    probes: u32,
}

impl Timing {
    pub(super) async fn run(self, settings: Settings, json: bool) -> Outcome {
        // The lines of the log are made as they are in the server, which is part of the time, and go nowhere.
        let format = settings.log_format.unwrap_or(LogFormat::Json);
        let _ = tracing::subscriber::set_global_default(telemetry::log(format, settings.log_level, io::sink));
        let passes = [self.pass(Pass::Hashed, settings.clone()).await?, self.pass(Pass::Throttled, settings).await?];
        announce::line(&if json { report::json(&passes)? } else { report::text(&passes) })?;
        report::outcome(&passes)
    }

    /// Measures on a server of its own.
    async fn pass(&self, pass: Pass, settings: Settings) -> Result<Judged, Failure> {
        let own = OwnDatabase::new("countersign-doctor-")?;
        let settings = of_its_own(settings, pass, &own)?;
        let (oauth2, place) = open(&settings).await?;
        let password = add_users(&oauth2).await?;
        let server = Listening::bind(oauth2, &place).await?;
        let mut prober = Prober::new(&server.url(), password)?;
        tokio::select! {
            report = measure(&mut prober, pass, self.probes) => Ok(report?.judge()),
            ended = server.serve(settings.connections()) => {
                ended?;
                Err(Failure::failed("told to end before all was measured"))
            }
        }
    }
}

/// The operator's settings, with a database, an address and keys that are nobody's.
fn of_its_own(settings: Settings, pass: Pass, own: &OwnDatabase) -> Result<Settings, Failure> {
    let listen = Value::read_text("127.0.0.1:0").ok_or_else(|| Failure::failed("there is no loopback address"))?;
    Ok(Settings {
        database: own.url()?,
        listen,
        issuer: None,
        allow_insecure_issuer: Switch::Off,
        signing_algorithm: SigningAlgorithm::Es256,
        hs256_secret_file: None,
        key_encryption_key_file: None,
        password_grant: Switch::On,
        throttle: Some(match pass {
            // Else all would wait after some failures, whoever they are.
            Pass::Hashed => Switch::Off,
            Pass::Throttled => Switch::On,
        }),
        // Whoever failed once waits, for the account's sake and not for the address they all come from.
        throttle_failures_per_account: Whole(1),
        throttle_failures_per_source: Whole(100_000),
        throttle_longest_delay: Whole(3_600),
        ..settings
    })
}

/// Adds the users that probes name, all with the password that is returned.
async fn add_users(oauth2: &OAuth2) -> Result<String, Failure> {
    let password = probe::random_password();
    for kind in [Kind::Wrong, Kind::Disabled] {
        for number in 0..USERS {
            let user = NewUser::new(kind.user(number)).password(&password);
            oauth2.add_user(if kind == Kind::Disabled { user.disabled() } else { user }).await?;
        }
    }
    Ok(password)
}

/// Logs in `probes` times in each kind: in rounds, and within each in random order, so that whatever else the machine does
/// meets all kinds alike.
async fn measure(prober: &mut Prober, pass: Pass, probes: u32) -> Result<Report, Failure> {
    let mut order = Sequence(probe::seed());
    let mut report = Report::new(pass);
    let mut kinds = pass.kinds();
    let (began, start) = (System.now(), Instant::now());
    if pass == Pass::Throttled {
        for user in 0..USERS {
            prober.guess(Kind::Throttled, user).await?;
            prober.guess(Kind::ThrottledUnknown, user).await?;
        }
    }
    for round in 0..ROUNDS_TO_WARM_UP + probes {
        if pass == Pass::Throttled && start.elapsed() > THROTTLED_FOR {
            break;
        }
        order.shuffle(&mut kinds);
        for &kind in &kinds {
            let user = order.below(USERS);
            let (time, answer) = prober.probe(kind, user).await?;
            if round >= ROUNDS_TO_WARM_UP {
                report.add(kind, time, answer);
            }
        }
        tell_progress(round, ROUNDS_TO_WARM_UP + probes);
    }
    report.seconds = System.now().seconds().saturating_sub(began.seconds());
    Ok(report)
}

/// On standard error, for whoever waits.
fn tell_progress(round: u32, rounds: u32) {
    let step = |round: u32| u64::from(round) * u64::from(STEPS) / u64::from(rounds);
    if io::stderr().is_terminal() && step(round + 1) > step(round) {
        announce::aside(&format!("{} %", step(round + 1) * 100 / u64::from(STEPS)));
    }
}

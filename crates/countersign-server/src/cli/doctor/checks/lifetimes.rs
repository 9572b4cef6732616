//! For how long what was issued is good.

use crate::{
    cli::doctor::finding::{Check, Finding},
    config::{AccessTokenFormat, Settings, Staleness, Switch},
};

const MINUTE: u32 = 60;
const DAY: u32 = 24 * 60 * MINUTE;

/// The longest life of an access token for which nothing speaks: the default.
const SHORT_ACCESS_TOKEN: u32 = 15 * MINUTE;

/// RFC 6750 §5.3: "one hour or less".
const LONGEST_ACCESS_TOKEN: u32 = 60 * MINUTE;

/// Who comes less than once a month has forgotten the login.
const LONG_IDLE: u32 = 30 * DAY;

/// In a year people change their telephones.
const LONG_LOGIN: u32 = 365 * DAY;

/// Longer than any retry of a client; a thief has time too.
const LONG_LEEWAY: u32 = 30;

/// In this time an operator has seen that the database is away.
const LONG_STALENESS: u32 = 10 * MINUTE;

pub(super) fn find(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![access_token(settings.access_token_lifetime.0)];
    if settings.refresh_tokens == Switch::On {
        findings.extend([
            idle(settings.refresh_token_idle.0),
            login(settings.refresh_token_lifetime.0),
            leeway(settings.refresh_leeway.0),
        ]);
    }
    findings.push(when_stale(settings));
    findings
}

fn access_token(seconds: u32) -> Finding {
    let change = "access_token_lifetime = 900; clients renew their tokens";
    match () {
        () if seconds <= SHORT_ACCESS_TOKEN => Check::AccessTokenLifetime.fine(format!("{seconds} seconds")),
        () if seconds <= LONGEST_ACCESS_TOKEN => {
            Check::AccessTokenLifetime.advice(format!("{seconds} seconds"), change)
        }
        () => Check::AccessTokenLifetime.problem(format!("{seconds} seconds"), change),
    }
}

fn idle(seconds: u32) -> Finding {
    let found = format!("{} days", seconds / DAY);
    if seconds > LONG_IDLE {
        Check::RefreshTokenIdle.advice(found, "refresh_token_idle = 1209600, which is 14 days")
    } else {
        Check::RefreshTokenIdle.fine(found)
    }
}

fn login(seconds: u32) -> Finding {
    let found = format!("{} days", seconds / DAY);
    if seconds > LONG_LOGIN {
        Check::RefreshTokenLifetime.advice(found, "refresh_token_lifetime = 7776000, which is 90 days")
    } else {
        Check::RefreshTokenLifetime.fine(found)
    }
}

fn leeway(seconds: u32) -> Finding {
    match seconds {
        0 => Check::RefreshLeeway.advice("0: every answer that is lost ends a login", "refresh_leeway = 10"),
        1..=LONG_LEEWAY => Check::RefreshLeeway.fine(format!("{seconds} seconds")),
        _ => Check::RefreshLeeway.advice(format!("{seconds} seconds, which a thief has too"), "refresh_leeway = 10"),
    }
}

fn when_stale(settings: &Settings) -> Finding {
    let seconds = settings.revocation_max_staleness.0;
    match (settings.token_format, settings.when_stale) {
        (AccessTokenFormat::Opaque, _) => Check::WhenStale.fine("opaque tokens are looked up at each use"),
        (AccessTokenFormat::Jwt, Staleness::Accept) => Check::WhenStale.advice(
            "accept: while the database is away, JWTs are believed that have ended",
            "when_stale = \"refuse\", unless being there matters more",
        ),
        (AccessTokenFormat::Jwt, Staleness::Refuse) if seconds > LONG_STALENESS => Check::WhenStale
            .advice(format!("refuse, but only after {seconds} seconds"), "revocation_max_staleness = 60"),
        (AccessTokenFormat::Jwt, Staleness::Refuse) => {
            Check::WhenStale.fine(format!("refuse, after {seconds} seconds"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::finding::Severity, *};

    #[test]
    fn o5_an_hour_is_long_and_more_is_a_problem() {
        for (seconds, severity) in [
            (900, Severity::Fine),
            (901, Severity::Advice),
            (3600, Severity::Advice),
            (3601, Severity::Problem),
            (86_400, Severity::Problem),
        ] {
            assert_eq!(access_token(seconds).severity, severity, "{seconds}");
        }
    }

    #[test]
    fn e11_long_logins_are_told() {
        assert_eq!((idle(LONG_IDLE).severity, idle(LONG_IDLE + 1).severity), (Severity::Fine, Severity::Advice));
        assert_eq!((login(LONG_LOGIN).severity, login(LONG_LOGIN + 1).severity), (Severity::Fine, Severity::Advice));
    }

    #[test]
    fn e5_no_leeway_and_a_long_one_are_told() {
        for (seconds, severity) in
            [(0, Severity::Advice), (1, Severity::Fine), (30, Severity::Fine), (31, Severity::Advice)]
        {
            assert_eq!(leeway(seconds).severity, severity, "{seconds}");
        }
    }
}

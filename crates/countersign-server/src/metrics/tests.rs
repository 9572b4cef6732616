//! The reference page, the dashboard and the alerts, each held against the table of meters.

use std::{collections::BTreeSet, env, fmt::Write, fs, path::PathBuf};

use countersign::{
    RevocationSettings,
    core::meters::{ALL, Meter, MeterKind},
};
use serde_json::Value;

use super::OWN;

const HEAD: &str = "\
<!-- Generated; a test fails when it is stale. -->

# Metrics

What `GET /metrics` of a server with [`metrics_listen`](settings.md#metrics_listen) tells, in Prometheus' text. In an API that
uses the library, those of the library go to whatever recorder of the crate [metrics](https://docs.rs/metrics) was installed
before the handle is built. No label holds a user, a client, a token or what somebody wrote into an address.

What to do about them: [watch it](../how-to/watch-it.md).
";

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect()
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (title, meters) in [("Of the library", ALL), ("Of the program", &OWN)] {
        writeln!(page, "\n## {title}").unwrap();
        for Meter { name, kind, help, labels } in meters {
            writeln!(page, "\n### `{name}`\n\n{help}\n\n- {}", kind.name()).unwrap();
            for (label, values) in *labels {
                let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
                writeln!(page, "- `{label}`: {}", values.join(", ")).unwrap();
            }
            if let MeterKind::Histogram(buckets) = kind {
                let buckets: Vec<_> = buckets.iter().map(ToString::to_string).collect();
                writeln!(page, "- buckets: {} s", buckets.join(", ")).unwrap();
            }
        }
    }
    page
}

#[test]
fn the_reference_page_of_the_metrics_is_the_table() {
    let (path, page) = (root().join("docs/reference/metrics.md"), page());
    if env::var_os("WRITE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/reference/metrics.md is stale: WRITE=1 cargo test -p countersign-server reference_page"
    );
}

#[test]
fn names_are_as_prometheus_wants_them() {
    let mut seen = BTreeSet::new();
    for Meter { name, kind, help, .. } in ALL.iter().chain(&OWN) {
        assert!(seen.insert(name), "{name} stands twice");
        assert!(name.starts_with("countersign_") || name.starts_with("process_"), "{name}");
        assert_eq!(*kind == MeterKind::Counter, name.ends_with("_total"), "{name}");
        if let MeterKind::Histogram(buckets) = kind {
            assert!(name.ends_with("_seconds") && buckets.is_sorted(), "{name}");
        }
        assert!(help.ends_with('.') && !help.starts_with(' ') && !help.contains("  "), "{name}: {help}");
    }
}

/// The names of meters that stand in a text, with the part of a histogram taken off.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let meters = words.filter(|word| word.starts_with("countersign_") || word.starts_with("process_"));
    let histogram = |name: &str| {
        ALL.iter().chain(&OWN).any(|meter| meter.name == name && matches!(meter.kind, MeterKind::Histogram(_)))
    };
    let whole = |word: &str| {
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|part| word.strip_suffix(part));
        base.filter(|base| histogram(base)).unwrap_or(word).to_owned()
    };
    meters.map(whole).collect()
}

fn known() -> BTreeSet<String> {
    ALL.iter().chain(&OWN).map(|meter| meter.name.to_owned()).collect()
}

/// What stands under this key, wherever it is.
fn all_of<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(key).and_then(Value::as_str));
            members.values().for_each(|value| all_of(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| all_of(value, key, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_has_a_panel_for_every_meter_and_names_no_other() {
    let text = fs::read_to_string(root().join("contrib/grafana/countersign.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(names_in(&text), known());
    let (mut asked, mut sources) = (Vec::new(), Vec::new());
    all_of(&dashboard["panels"], "expr", &mut asked);
    all_of(&dashboard["panels"], "uid", &mut sources);
    assert_eq!(names_in(&asked.join(" ")), known(), "each in a panel");
    assert!(sources.iter().all(|source| *source == "${DS_PROMETHEUS}"), "whoever imports it says which Prometheus");
    check_labels(&asked.join(" "));
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each has a number of its own");
}

#[test]
fn the_alerts_name_meters_and_values_that_there_are() {
    let text = fs::read_to_string(root().join("contrib/prometheus/countersign.rules.yml")).unwrap();
    let names = names_in(&text);
    assert!(names.is_subset(&known()), "{names:?}");
    for needed in [
        "refreshes_total",
        "feed_lag_seconds",
        "hashes_refused_total",
        "store_seconds",
        "database_wait_seconds",
        "logins_total",
        "connections_held_up_total",
    ] {
        assert!(names.contains(&format!("countersign_{needed}")), "nothing wakes anybody for {needed}");
    }
    check_labels(&text);
    let how_to = fs::read_to_string(root().join("docs/how-to/watch-it.md")).unwrap();
    let alerts: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 5, "{alerts:?}");
    for alert in alerts {
        assert!(how_to.contains(&format!("`{alert}`")), "what to do about {alert}?");
    }
}

#[test]
fn a_feed_that_is_not_heard_wakes_somebody_before_tokens_are_answered_503() {
    let text = fs::read_to_string(root().join("contrib/prometheus/countersign.rules.yml")).unwrap();
    let (_, rule) = text.split_once("- alert: CountersignFeedStale").unwrap();
    let rule = rule.split("- alert: ").next().unwrap();
    let number = |before: &str, after: &str| {
        let (_, rest) = rule.split_once(before).unwrap();
        rest.split(after).next().unwrap().trim().parse::<u64>().unwrap()
    };
    // Half of the time is left for the reading, and for whoever is woken.
    let stale = RevocationSettings::default().max_staleness.as_secs();
    assert!(number("countersign_feed_lag_seconds) >", "\n") + number("for:", "s\n") <= stale / 2, "{rule}");
}

#[test]
fn one_process_of_many_that_is_away_wakes_somebody() {
    let text = fs::read_to_string(root().join("contrib/prometheus/countersign.rules.yml")).unwrap();
    let (_, rule) = text.split_once("- alert: CountersignAway").unwrap();
    let rule = rule.split("- alert: ").next().unwrap();
    // Where others still answer, nothing is absent.
    assert!(rule.contains("absent(countersign_logins_total)") && rule.contains("or (up == 0 and on (job)"), "{rule}");
}

/// Each value that a query asks a `result` or an `operation` for is one that there is.
#[track_caller]
fn check_labels(queries: &str) {
    let mut checked = 0;
    for label in ["result", "operation"] {
        let labels = ALL.iter().flat_map(|meter| meter.labels).filter(|(name, _)| *name == label);
        let values: BTreeSet<_> = labels.flat_map(|(_, values)| *values).copied().collect();
        for asked in queries.split(&format!("{label}=")).skip(1) {
            let asked = asked.trim_start_matches('~').trim_start_matches('"');
            for value in asked.split('"').next().unwrap().split('|') {
                assert!(values.contains(value), "{label} is never {value}");
                checked += 1;
            }
        }
    }
    assert!(checked > 0, "nothing was checked");
}

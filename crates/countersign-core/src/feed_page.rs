//! The feed of what has ended as it goes over HTTP: one page of it, written and read.

use serde_json::{Map, Value, json};

use crate::{
    clock::Timestamp,
    jose::json::parse_object,
    names::{ClientId, GrantId, KeyId},
    store::{Ended, FeedEntry},
};

/// The most entries of a page. A page with fewer is the last one for now.
pub const MAX_FEED_ENTRIES: usize = 1000;

/// The longest page that is read, in bytes: more than so many entries with the longest names need.
pub const MAX_FEED_BYTES: usize = 1024 * 1024;

/// Some entries of the feed, in their order, and how to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// The entries.
    pub entries: Vec<FeedEntry>,
    /// After which number the next page begins. It is lower than what was asked for where the feed begins anew.
    pub next: u64,
}

/// Why a page is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedProblem {
    /// Longer than [`MAX_FEED_BYTES`], or of more than [`MAX_FEED_ENTRIES`].
    #[error("the page of the feed is too large")]
    TooLarge,
    /// No JSON object that says each thing once and each of its type, or not in order.
    #[error("the page of the feed cannot be read")]
    Malformed,
}

impl FeedPage {
    /// The page of these entries, which come after the number `after`.
    #[must_use]
    pub fn new(after: u64, entries: Vec<FeedEntry>) -> Self {
        let next = entries.last().map_or(after, |entry| entry.number);
        Self { entries, next }
    }

    /// Whether there may be more.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.entries.len() >= MAX_FEED_ENTRIES
    }

    /// The page as JSON: without owners who changed, which ends no token, and is nobody's business elsewhere.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "entries": self.entries.iter().filter_map(write).collect::<Vec<_>>(), "next": self.next })
    }

    /// Reads a page. Members of other names are ignored; an entry that tells of something nobody here knows is not, but is
    /// [`Ended::Other`]: who leaves it out goes on believing what has ended.
    ///
    /// # Errors
    /// [`FeedProblem`]: nothing of the page is taken, since nobody would know what is missing.
    pub fn parse(body: &[u8]) -> Result<Self, FeedProblem> {
        if body.len() > MAX_FEED_BYTES {
            return Err(FeedProblem::TooLarge);
        }
        let mut page = parse_object(body).ok_or(FeedProblem::Malformed)?;
        let (Some(Value::Array(members)), Some(next)) = (page.remove("entries"), number(&page, "next")) else {
            return Err(FeedProblem::Malformed);
        };
        if members.len() > MAX_FEED_ENTRIES {
            return Err(FeedProblem::TooLarge);
        }
        let entries = members.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let is_in_order = entries.is_sorted_by(|a, b| a.number < b.number);
        if !is_in_order || entries.last().is_some_and(|last| last.number > next) {
            return Err(FeedProblem::Malformed);
        }
        Ok(Self { entries, next })
    }
}

fn write(entry: &FeedEntry) -> Option<Value> {
    let mut object = json!({ "number": entry.number, "until": entry.until.seconds() });
    match &entry.ended {
        Ended::Grant(id) => object["grant_id"] = id.as_str().into(),
        Ended::Token(id) => object["token_id"] = id.as_str().into(),
        Ended::Client(id, issued_until) => {
            object["client_id"] = id.as_str().into();
            object["issued_until"] = issued_until.seconds().into();
        }
        Ended::Everything(issued_until) => {
            object["everything"] = true.into();
            object["issued_until"] = issued_until.seconds().into();
        }
        Ended::Key(id) => object["key_id"] = id.as_str().into(),
        Ended::Other(issued_until) => {
            if let Some(issued_until) = issued_until {
                object["issued_until"] = issued_until.seconds().into();
            }
        }
        Ended::Owner(_) => return None,
    }
    Some(object)
}

fn read(entry: &Value) -> Result<FeedEntry, FeedProblem> {
    let entry = entry.as_object().ok_or(FeedProblem::Malformed)?;
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let named = |name: &str| entry.get(name).map(|value| text(value).ok_or(FeedProblem::Malformed)).transpose();
    let kinds = ["grant_id", "token_id", "client_id", "key_id"];
    let mut told = Vec::with_capacity(1);
    for kind in kinds {
        told.extend(named(kind)?.map(|id| (kind, id)));
    }
    let ended = match (told.pop(), entry.get("everything")) {
        (None, None) if entry.contains_key("issued_until") => Ended::Other(Some(time(entry, "issued_until")?)),
        (None, None) => Ended::Other(None),
        (None, Some(Value::Bool(true))) => Ended::Everything(time(entry, "issued_until")?),
        (Some(_), _) if !told.is_empty() => return Err(FeedProblem::Malformed),
        (_, Some(_)) => return Err(FeedProblem::Malformed),
        (Some(("grant_id", id)), None) => Ended::Grant(GrantId::new(id)),
        (Some(("token_id", id)), None) => Ended::Token(id),
        (Some(("client_id", id)), None) => Ended::Client(ClientId::new(id), time(entry, "issued_until")?),
        (Some((_, id)), None) => Ended::Key(KeyId::new(id)),
    };
    let number = number(entry, "number").ok_or(FeedProblem::Malformed)?;
    Ok(FeedEntry { number, ended, until: time(entry, "until")? })
}

fn number(object: &Map<String, Value>, name: &str) -> Option<u64> {
    object.get(name).and_then(Value::as_u64)
}

fn time(object: &Map<String, Value>, name: &str) -> Result<Timestamp, FeedProblem> {
    object.get(name).and_then(Value::as_i64).map(Timestamp::from_seconds).ok_or(FeedProblem::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Subject;

    fn one_of_each() -> Vec<FeedEntry> {
        let ended = [
            Ended::Grant(GrantId::new("g")),
            Ended::Token("t".to_owned()),
            Ended::Client(ClientId::new("c \"\u{fc}"), Timestamp::from_seconds(-5)),
            Ended::Key(KeyId::new("k")),
            Ended::Everything(Timestamp::from_seconds(1_700_000_000)),
        ];
        let entry = |(i, ended)| FeedEntry { number: i * 7 + 1, ended, until: Timestamp::from_seconds(1_800_000_000) };
        (0_u64..).zip(ended).map(entry).collect()
    }

    #[test]
    fn entries_of_every_kind_are_read_as_they_were_written() {
        for entries in [one_of_each(), Vec::new()] {
            let page = FeedPage::new(5, entries);
            assert_eq!(FeedPage::parse(page.to_json().to_string().as_bytes()), Ok(page));
        }
        assert_eq!(FeedPage::new(5, Vec::new()).next, 5);
        assert_eq!(FeedPage::new(0, one_of_each()).next, 29);
    }

    #[test]
    fn the_format_is_the_documented_one() {
        let owner = Ended::Owner(Subject::new("s"));
        let owner = FeedEntry { number: 36, ended: owner, until: Timestamp::from_seconds(1_800_000_000) };
        let page = FeedPage::new(0, one_of_each().into_iter().chain([owner]).collect());
        let documented = json!({ "entries": [
            { "number": 1, "grant_id": "g", "until": 1_800_000_000 },
            { "number": 8, "token_id": "t", "until": 1_800_000_000 },
            { "number": 15, "client_id": "c \"\u{fc}", "issued_until": -5, "until": 1_800_000_000 },
            { "number": 22, "key_id": "k", "until": 1_800_000_000 },
            { "number": 29, "everything": true, "issued_until": 1_700_000_000, "until": 1_800_000_000 },
        ], "next": 36 });
        assert_eq!(page.to_json(), documented);
    }

    #[test]
    fn n8_what_is_of_another_kind_is_read_and_told_on() {
        let page = br#"{"entries":[{"number":1,"owner_id":"o","until":9},
            {"number":2,"session_id":"s","issued_until":5,"until":9},{"number":3,"grant_id":"g","until":9}],"next":3}"#;
        let page = FeedPage::parse(page).unwrap();
        let ended: Vec<_> = page.entries.iter().map(|entry| entry.ended.clone()).collect();
        let issued_until = Timestamp::from_seconds(5);
        assert_eq!(ended, [Ended::Other(None), Ended::Other(Some(issued_until)), Ended::Grant(GrantId::new("g"))]);
        assert_eq!(FeedPage::parse(page.to_json().to_string().as_bytes()), Ok(page), "who asks us hears of it");
    }

    #[test]
    fn what_is_no_page_is_not_taken_in_part() {
        let good = r#"{"number":1,"grant_id":"g","until":9}"#;
        for (bad, problem) in [
            (String::new(), FeedProblem::Malformed),
            ("[]".to_owned(), FeedProblem::Malformed),
            (r#"{"entries":[]}"#.to_owned(), FeedProblem::Malformed),
            (r#"{"next":1}"#.to_owned(), FeedProblem::Malformed),
            (r#"{"entries":{},"next":1}"#.to_owned(), FeedProblem::Malformed),
            (r#"{"entries":[],"next":-1}"#.to_owned(), FeedProblem::Malformed),
            (r#"{"entries":[],"next":1,"next":2}"#.to_owned(), FeedProblem::Malformed),
            (format!(r#"{{"entries":[{good}],"next":0}}"#), FeedProblem::Malformed),
            (format!(r#"{{"entries":[{good},{good}],"next":1}}"#), FeedProblem::Malformed),
            (format!(r#"{{"entries":[{good},1],"next":1}}"#), FeedProblem::Malformed),
            (r#"{"entries":[{"number":1,"grant_id":"g"}],"next":1}"#.to_owned(), FeedProblem::Malformed),
            (r#"{"entries":[{"number":1,"grant_id":"","until":9}],"next":1}"#.to_owned(), FeedProblem::Malformed),
            (r#"{"entries":[{"number":1,"grant_id":2,"until":9}],"next":1}"#.to_owned(), FeedProblem::Malformed),
            (r#"{"entries":[{"number":1,"client_id":"c","until":9}],"next":1}"#.to_owned(), FeedProblem::Malformed),
            (
                r#"{"entries":[{"number":1,"key_id":"k","grant_id":"g","until":9}],"next":1}"#.to_owned(),
                FeedProblem::Malformed,
            ),
            (r#"{"entries":[{"number":1,"everything":true,"until":9}],"next":1}"#.to_owned(), FeedProblem::Malformed),
            (
                r#"{"entries":[{"number":1,"everything":false,"issued_until":1,"until":9}],"next":1}"#.to_owned(),
                FeedProblem::Malformed,
            ),
            (
                r#"{"entries":[{"number":1,"everything":true,"client_id":"c","issued_until":1,"until":9}],"next":1}"#
                    .to_owned(),
                FeedProblem::Malformed,
            ),
            (r#"{"entries":[{"number":1,"owner_id":"o"}],"next":1}"#.to_owned(), FeedProblem::Malformed),
            (
                r#"{"entries":[{"number":1,"owner_id":"o","issued_until":"5","until":9}],"next":1}"#.to_owned(),
                FeedProblem::Malformed,
            ),
            (format!(r#"{{"entries":[],"next":1}}{}"#, " ".repeat(MAX_FEED_BYTES)), FeedProblem::TooLarge),
        ] {
            assert_eq!(FeedPage::parse(bad.as_bytes()), Err(problem), "{}", &bad[..bad.len().min(100)]);
        }
        let entries = |count: u64| {
            let entry = |number| FeedEntry { number, ..one_of_each()[0].clone() };
            FeedPage::new(0, (1..=count).map(entry).collect())
        };
        assert_eq!(FeedPage::parse(entries(1001).to_json().to_string().as_bytes()), Err(FeedProblem::TooLarge));
        let full = FeedPage::parse(entries(1000).to_json().to_string().as_bytes()).unwrap();
        assert!(full.is_full() && !entries(999).is_full());
        let extended = r#"{"entries":[{"number":1,"grant_id":"g","until":9,"why":"x"}],"next":1,"more":true}"#;
        assert!(FeedPage::parse(extended.as_bytes()).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_page_panics(body in "\\{\"entries\":\\[(\\{\"(number|grant_id|until)\":(1|\"a\"|-1|null|9e9)\\},?){0,3}\\],\"next\":1\\}|\\PC{0,60}") {
            let _ = FeedPage::parse(body.as_bytes());
        }
    }
}

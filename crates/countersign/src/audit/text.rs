//! The audit as a table for people.

use std::fmt;

use super::{Audit, AuditedAccess, AuditedGuard, AuditedRoute, CheckedBy, Finding, Origin};
use crate::table;

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 5]> = self.routes.iter().map(row).collect();
        table::write(f, ["METHOD", "PATH", "ACCESS", "NEEDS", "GUARDS"], &rows)?;
        for finding in &self.findings {
            writeln!(f, "finding: {finding}")?;
        }
        if self.unseen_changes > 0 {
            writeln!(f, "not seen: {} change(s) made by `map`, and the routes they may add", self.unseen_changes)?;
        }
        Ok(())
    }
}

fn row(route: &AuditedRoute) -> [String; 5] {
    let guards: Vec<_> = route.guards.iter().map(ToString::to_string).collect();
    [route.method.clone(), route.path.clone(), route.access.to_string(), needs(route), guards.join("; ")]
}

fn needs(route: &AuditedRoute) -> String {
    let alternatives = route.security.iter().map(|needs| {
        let schemes = needs.iter().map(|need| {
            let unchecked = if need.checked_by == CheckedBy::You { " (checked by you)" } else { "" };
            let space = if need.scopes.is_empty() { "" } else { " " };
            format!("{}{space}{}{unchecked}", need.scheme, need.scopes.join(" "))
        });
        let schemes: Vec<_> = schemes.collect();
        if schemes.is_empty() { "nothing".to_owned() } else { schemes.join(" and ") }
    });
    alternatives.collect::<Vec<_>>().join(" or ")
}

impl fmt::Display for AuditedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl fmt::Display for AuditedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guarded => "guarded",
            Self::Optional => "optional",
            Self::Public => "public",
            Self::Undecided => "UNDECIDED",
            Self::Unreadable => "UNREADABLE",
        })
    }
}

impl fmt::Display for AuditedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.guard, self.from)?;
        let named: Vec<_> = self.rules.iter().filter(|rule| **rule != self.guard).map(String::as_str).collect();
        if named.is_empty() { Ok(()) } else { write!(f, ", rule {}", named.join(", rule ")) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Router(path) => write!(f, "the router at {path}"),
            Self::Route => f.write_str("the route"),
            Self::Argument(place) => write!(f, "argument {place}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockWithoutCheck { route, scheme } => {
                write!(f, "the document locks {route} with {scheme}, which no guard of it checks")
            }
            Self::ScopeWithoutCheck { route, scope } => {
                write!(f, "the document says that {route} needs the scope {scope}, which no guard of it checks")
            }
            Self::CheckWithoutLock { route } => write!(f, "{route} is guarded, and the document does not tell of it"),
            Self::DocumentedWithoutRoute { route } => {
                write!(f, "the document tells of {route}, which no route answers")
            }
        }
    }
}

/// A type's name without the paths of its parts: `CurrentUser<Admin>`.
pub(super) fn short_type_name(name: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    for character in name.chars() {
        match character {
            ':' => word.clear(),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => word.push(character),
            other => {
                short.push_str(&std::mem::take(&mut word));
                short.push(other);
            }
        }
    }
    short + &word
}

#[cfg(test)]
mod tests {
    use super::short_type_name;

    #[test]
    fn types_are_named_without_their_paths() {
        for (long, short) in [
            ("countersign::extract::current_user::CurrentUser<app::Admin>", "CurrentUser<Admin>"),
            ("core::option::Option<a::B<(c::D, e::F)>>", "Option<B<(D, F)>>"),
            ("plain", "plain"),
            ("owner_of_item", "owner_of_item"),
        ] {
            assert_eq!(short_type_name(long), short);
        }
    }
}

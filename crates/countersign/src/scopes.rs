//! Scopes declared once, as types: the type that names a scope is the check, and the document's words.

use std::borrow::Cow;

use countersign_core::scope::{Scope, ScopeToken, is_scope_token};

/// One scope as a type; made by [`scopes!`](crate::scopes!).
pub trait ScopeType: 'static {
    /// The scope token (RFC 6749 §3.3).
    const NAME: &'static str;

    /// What it allows, for people; the first line of the type's documentation.
    const DESCRIPTION: &'static str;
}

/// What a guard needs: no scope `()`, one [`ScopeType`], or several as a tuple, of which every one is needed.
///
/// They are listed in the order in which they are written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a scope",
    label = "not a scope",
    note = "declare scopes with `scopes! {{ /// Read items.\\n pub ReadItems = \"read:items\"; }}` and name one, or several as `(A, B)`"
)]
pub trait ScopeSet: 'static {
    /// The scopes that are needed.
    fn declarations() -> Vec<Declaration>;

    /// Whether `scope` has all of them. Asks for no memory: it runs on each request.
    fn is_covered_by(scope: &Scope) -> bool;

    /// The scopes that are needed, as a set.
    #[must_use]
    fn scope() -> Scope {
        Self::declarations().into_iter().map(|declared| declared.token).collect()
    }
}

/// What is said of a scope where it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The scope token.
    pub token: ScopeToken,
    /// What it allows, for people.
    pub description: Cow<'static, str>,
}

impl Declaration {
    /// What `S` says of itself. A name outside of the grammar of RFC 6749 §3.3 does not compile.
    #[must_use]
    pub fn of<S: ScopeType>() -> Self {
        const {
            assert!(
                is_scope_token(S::NAME),
                "a scope is printable ASCII without spaces, quotes and backslashes (RFC 6749, section 3.3)"
            );
        }
        #[expect(clippy::expect_used, reason = "what is not a scope token does not compile")]
        let token = ScopeToken::parse(S::NAME).expect("a scope token");
        Self { token, description: Cow::Borrowed(S::DESCRIPTION.trim()) }
    }
}

impl ScopeSet for () {
    fn is_covered_by(_: &Scope) -> bool {
        true
    }

    fn declarations() -> Vec<Declaration> {
        Vec::new()
    }
}

macro_rules! tuples {
    ($($($set:ident)+;)*) => {$(
        impl<$($set: ScopeSet),+> ScopeSet for ($($set,)+) {
            fn is_covered_by(scope: &Scope) -> bool {
                $($set::is_covered_by(scope))&&+
            }

            fn declarations() -> Vec<Declaration> {
                [$($set::declarations()),+].concat()
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}

/// Declares scopes, each as a type with its description and its token.
///
/// ```
/// countersign::scopes! {
///     /// Read items.
///     pub ReadItems = "read:items";
///     /// Full access.
///     pub Admin = "admin";
/// }
/// ```
///
/// A token outside of the grammar of RFC 6749 §3.3 does not compile:
///
/// ```compile_fail
/// countersign::scopes! {
///     /// Read items.
///     pub ReadItems = "read items";
/// }
/// ```
#[macro_export]
macro_rules! scopes {
    ($($(#[doc = $doc:literal])+ $vis:vis $name:ident = $token:literal);+ $(;)?) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        $vis struct $name;

        const _: () = ::std::assert!(
            $crate::core::scope::is_scope_token($token),
            "a scope is printable ASCII without spaces, quotes and backslashes (RFC 6749, section 3.3)"
        );

        impl $crate::ScopeType for $name {
            const NAME: &'static str = $token;
            const DESCRIPTION: &'static str = ::std::concat!($($doc),+);
        }

        impl $crate::ScopeSet for $name {
            fn is_covered_by(scope: &$crate::Scope) -> bool {
                scope.iter().any(|token| token.as_str() == $token)
            }

            fn declarations() -> ::std::vec::Vec<$crate::Declaration> {
                ::std::vec![$crate::Declaration::of::<Self>()]
            }
        }
    )+};
    ($($other:tt)*) => {
        ::std::compile_error!(
            "declare each scope as: /// What it allows, in a sentence.\n pub Name = \"token\";"
        );
    };
}

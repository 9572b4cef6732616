//! The glue to aide: each extractor tells what it needs to the operation in which it stands.
//!
//! aide describes `Option<T>` by describing `T` twice: on a scratch operation, and then on the real one, as if it were
//! compulsory. So each description of a guard is numbered, and one whose predecessor is missing from the operation
//! stood in an `Option`.

use std::collections::BTreeMap;

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{MediaType, Operation, ReferenceOr, RequestBody},
    operation::set_body,
    transform::TransformOperation,
};
use schemars::json_schema;
use serde_json::{Value, json};

use super::requirement::{Presence, Requirement, schema};
use crate::{
    extract::{AccessToken, BearerToken, CurrentUser, OAuth2PasswordRequestForm},
    scopes::{Declaration, ScopeSet},
};

/// The mark under which an operation carries the numbered descriptions of its guards until it is settled.
const GUARDS: &str = "x-countersign-guards";

/// The mark under which the generator counts descriptions, beside the types it has met, until those are taken.
pub(crate) const COUNT: &str = "x-countersign-count";

type Descriptions = BTreeMap<u64, Vec<(String, String)>>;

fn describe<S: ScopeSet>(context: &mut GenContext, operation: &mut Operation) {
    let count = context.schema.definitions_mut().entry(COUNT).or_insert(json!(0));
    let number = count.as_u64().unwrap_or_default();
    *count = json!(number + 1);
    let scopes = S::declarations().into_iter().map(|Declaration { token, description }| json!([token, description]));
    let guards = operation.extensions.entry(GUARDS.to_owned()).or_insert(json!({}));
    guards[number.to_string()] = scopes.collect();
}

/// Where types come from that hold no guard, as their names begin.
const HOLD_NO_GUARD: [&str; 5] = ["axum::", "axum_core::", "alloc::string::", "bytes::", "http::"];

/// Writes the locks of a handler's guards, once all of its arguments `I` are described.
///
/// A handler that takes a guard's refusal as an argument is locked by nobody: it stays without a lock, so that its author
/// has to say that it is public.
pub(crate) fn settle<I>(mut operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let guards = operation.inner_mut().extensions.shift_remove(GUARDS).unwrap_or(Value::Null);
    if hands_a_refusal_over(std::any::type_name::<I>()) {
        return operation;
    }
    let descriptions: Descriptions = serde_json::from_value(guards).unwrap_or_default();
    for (number, scopes) in &descriptions {
        let alone = number.checked_sub(1).is_none_or(|before| descriptions.contains_key(&before));
        let presence = if alone { Presence::Required } else { Presence::Optional };
        Requirement { scopes: scopes.clone(), presence }.write(operation.inner_mut());
    }
    operation
}

/// Whether one of these arguments is a `Result` that may hold a guard, by itself or inside of another type.
///
/// aide describes `Result<T, E>` as `T`, so only the name of the type tells, and what is not known to be harmless counts.
fn hands_a_refusal_over(arguments: &str) -> bool {
    const RESULT: &str = "result::Result<";
    arguments.match_indices(RESULT).any(|(at, _)| {
        let held = &arguments[at + RESULT.len()..];
        !HOLD_NO_GUARD.iter().any(|known| held.starts_with(known))
    })
}

macro_rules! guards {
    ($($guard:ident<$($generic:ident $(: $bound:ident)?),*>, $scopes:ty;)*) => {$(
        impl<$($generic $(: $bound)?),*> OperationInput for $guard<$($generic),*> {
            fn operation_input(context: &mut GenContext, operation: &mut Operation) {
                describe::<$scopes>(context, operation);
            }
        }
    )*};
}

guards! {
    BearerToken<>, ();
    AccessToken<S: ScopeSet>, S;
    CurrentUser<S: ScopeSet, U>, S;
}

impl OperationInput for OAuth2PasswordRequestForm {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let login = MediaType {
            schema: Some(schema(json_schema!({
                "type": "object",
                "required": ["username", "password"],
                "properties": {
                    "grant_type": { "type": "string", "const": "password", "default": "password" },
                    "username": { "type": "string" },
                    "password": { "type": "string", "format": "password" },
                    "scope": { "type": "string" },
                    "client_id": { "type": "string" },
                    "client_secret": { "type": "string", "format": "password" },
                },
            }))),
            ..MediaType::default()
        };
        let mut body = RequestBody { required: true, ..RequestBody::default() };
        body.content.insert("application/x-www-form-urlencoded".to_owned(), login);
        if let Some(ReferenceOr::Item(known)) = &operation.request_body
            && *known == body
        {
            return;
        }
        set_body(context, operation, body);
    }
}

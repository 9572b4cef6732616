//! What the document tells of the forms that ask for tokens.

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{MediaType, Operation, RequestBody, SchemaObject},
    operation::set_body,
};
use countersign_core::{
    authorization_server::{GrantTypeParameter, Settings},
    grant_type::GrantType,
};
use schemars::json_schema;
use serde_json::{Value, json};

use crate::{
    extract::{OAuth2PasswordRequestForm, OAuth2PasswordRequestFormStrict},
    guard::Argument,
};

/// Writes into the operation of the token endpoint what it takes: one of the forms of the grant types that are on
/// (RFC 6749 §4.3.2, §6, §4.4.2).
///
/// All members stand beside the alternatives too, so that a viewer has a field for each.
pub(crate) fn describe_token_endpoint(operation: &mut Value, settings: &Settings) {
    let on = &settings.grant_types;
    let Some(first) = on.first() else { return };
    let names: Vec<_> = on.iter().copied().map(GrantType::name).collect();
    let mut properties = json!({ "grant_type": { "type": "string", "enum": names, "default": first.name() } });
    let own = on.iter().copied().flat_map(own_members);
    for &name in own.chain(&["scope", "client_id", "client_secret"]) {
        properties[name] = match name {
            "password" | "refresh_token" | "client_secret" => json!({ "type": "string", "format": "password" }),
            _ => json!({ "type": "string" }),
        };
    }
    let forms: Vec<_> = on.iter().map(|&grant_type| form(grant_type, settings.grant_type_parameter)).collect();
    let schema = json!({ "type": "object", "properties": properties, "oneOf": forms });
    let given: Vec<_> = on.iter().copied().map(given).collect();
    operation["summary"] = format!("Get a token for {}", given.join(" or ")).into();
    operation["requestBody"] =
        json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": schema } } });
}

/// What makes the form one of this grant type.
fn form(grant_type: GrantType, parameter: GrantTypeParameter) -> Value {
    let name = grant_type.name();
    let said: &[&str] = match (grant_type, parameter) {
        (GrantType::Password, GrantTypeParameter::Lenient) => &[],
        _ => &["grant_type"],
    };
    let required = [said, own_members(grant_type)].concat();
    json!({ "title": name, "required": required, "properties": { "grant_type": { "const": name } } })
}

/// The members that the form of no other grant type has.
const fn own_members(grant_type: GrantType) -> &'static [&'static str] {
    match grant_type {
        GrantType::Password => &["username", "password"],
        GrantType::RefreshToken => &["refresh_token"],
        GrantType::ClientCredentials => &[],
    }
}

/// What a client gives for a token.
const fn given(grant_type: GrantType) -> &'static str {
    match grant_type {
        GrantType::Password => "a login",
        GrantType::RefreshToken => "a refresh token",
        GrantType::ClientCredentials => "a client's own credentials",
    }
}

fn describe(context: &mut GenContext, operation: &mut Operation, required: &[&str]) {
    let json_schema = json_schema!({
        "type": "object",
        "required": required,
        "properties": {
            "grant_type": { "type": "string", "const": "password", "default": "password" },
            "username": { "type": "string" },
            "password": { "type": "string", "format": "password" },
            "scope": { "type": "string" },
            "client_id": { "type": "string" },
            "client_secret": { "type": "string", "format": "password" },
        },
    });
    let schema = SchemaObject { json_schema, external_docs: None, example: None };
    let login = MediaType { schema: Some(schema), ..MediaType::default() };
    let mut body = RequestBody { required: true, ..RequestBody::default() };
    body.content.insert("application/x-www-form-urlencoded".to_owned(), login);
    set_body(context, operation, body);
}

impl OperationInput for OAuth2PasswordRequestForm {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        describe(context, operation, &["username", "password"]);
    }
}

impl OperationInput for OAuth2PasswordRequestFormStrict {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        describe(context, operation, &["grant_type", "username", "password"]);
    }
}

impl<S> Argument<S> for OAuth2PasswordRequestForm {}

impl<S> Argument<S> for OAuth2PasswordRequestFormStrict {}

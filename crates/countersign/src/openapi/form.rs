//! What the document tells of the forms of a login.

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{MediaType, Operation, RequestBody, SchemaObject},
    operation::set_body,
};
use schemars::json_schema;

use crate::{
    extract::{OAuth2PasswordRequestForm, OAuth2PasswordRequestFormStrict},
    guard::Argument,
};

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

//! HTTP tests, in process: an API with a clock to turn, and every example.
#![expect(clippy::unwrap_used, reason = "a test program")]

mod attack;
mod attack_each_guard;
mod audit;
mod bearer;
mod bearer_form;
mod broken;
mod clients;
mod docs_page;
mod document;
mod elsewhere_owners;
mod examples;
mod faults;
mod feed;
mod grant_password;
mod grant_refresh_token;
mod guards;
mod headers;
mod introspect;
mod keys;
mod logins;
mod meters;
mod password_policy;
mod refused;
mod remembered;
mod remote;
mod schemes;
mod start;
mod support;
mod swapped;
mod throttle;
mod token_endpoint;
mod token_forms;
mod tokens;
mod users;
mod utoipa;

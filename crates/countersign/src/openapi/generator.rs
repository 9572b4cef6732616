//! The glue to aide: what it says of a handler's types, as JSON.

use aide::{
    axum::{ApiRouter, routing::ApiMethodRouter},
    openapi::{OpenApi, PathItem, Paths, ReferenceOr},
    transform::TransformOpenApi,
};
use serde_json::Value;

use crate::schemas::Schemas;

/// What the generator tells of a method with one handler: its operation, and the types that it names.
///
/// Each handler is described alone, at once and on one thread, because the generator keeps types by thread; a router is
/// built across awaits, and so across threads. The generator's own way to a document is not taken, because it forgets the
/// names that types have, and two would get one.
pub(crate) fn describe<S>(method: ApiMethodRouter<S>) -> (Option<Value>, Schemas)
where
    S: Clone + Send + Sync + 'static,
{
    let mut item = PathItem::default();
    drop(ApiRouter::new().api_route_with("/", method, |mut told| {
        item = told.inner_mut().clone();
        told
    }));
    let mut schemas = Schemas::default();
    schemas.add(aide::generate::in_context(|context| context.schema.take_definitions(true)));
    (operation(item), schemas)
}

/// The operation of a path with one method.
fn operation(item: PathItem) -> Option<Value> {
    let mut paths = Paths::default();
    paths.paths.insert("/".to_owned(), ReferenceOr::Item(item));
    let mut document = OpenApi { paths: Some(paths), ..OpenApi::default() };
    let _ = TransformOpenApi::new(&mut document).strip_null_from_query_params();
    match document.paths?.paths.shift_remove("/")? {
        ReferenceOr::Item(item) => serde_json::to_value(item.iter().next()?.1).ok(),
        ReferenceOr::Reference { .. } => None,
    }
}

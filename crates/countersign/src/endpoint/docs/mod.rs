//! The pages that show the API's document, out of the binary: Swagger UI, and Redoc and Scalar where they are wanted.

mod page;
mod policy;
mod settings;
mod viewer;

use std::sync::Arc;

use axum::{
    http::{StatusCode, header},
    routing::{MethodRouter, get},
};

pub use self::settings::DocsPage;
use self::viewer::File;
use super::Finished;

/// Every route of the pages; none where they are off.
pub(super) fn routes(api: &Finished) -> axum::Router<Arc<Finished>> {
    let settings = api.oauth2.docs();
    let mut router = axum::Router::new();
    let Some(document) = settings.document() else { return router };
    let connect = policy::origins(&api.document);
    for (viewer, path) in settings.pages() {
        let policy: Arc<str> = policy::policy(*viewer, &connect).into();
        let page = page::html(*viewer, path, document, api.oauth2.title(), settings.css());
        router = router.route(path, served("text/html; charset=utf-8", "no-store", &policy, page));
        // The page's links are relative to a path without a slash at the end.
        let back: Arc<str> = format!("../{}", page::last_segment(path)).into();
        let redirect = async move || (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, back.to_string())]);
        router = router.route(&super::with_slash(path), get(redirect));
        for File { name, content_type, bytes } in viewer.files() {
            let file = served(content_type, "public, max-age=3600", &policy, bytes);
            router = router.route(&format!("{path}/{name}"), file);
        }
        if let Some(css) = settings.css() {
            // It changes with the program, and its name does not.
            let file = served("text/css; charset=utf-8", "no-cache", &policy, css.to_owned());
            router = router.route(&format!("{path}/{}", viewer::STYLESHEET), file);
        }
    }
    router
}

/// One thing that is served as it is.
fn served(
    content_type: &'static str,
    keep: &'static str,
    policy: &Arc<str>,
    content: impl Into<axum::body::Bytes>,
) -> MethodRouter<Arc<Finished>> {
    let (policy, content) = (policy.clone(), content.into());
    get(async move || {
        let headers = [
            (header::CONTENT_TYPE, content_type.to_owned()),
            (header::CACHE_CONTROL, keep.to_owned()),
            (header::CONTENT_SECURITY_POLICY, policy.to_string()),
        ];
        (headers, content)
    })
}

/// The paths that these settings take, with all that is below a page.
pub(super) fn taken(settings: &DocsPage) -> impl Iterator<Item = &str> {
    settings.document().into_iter().chain(settings.pages().iter().map(|(_, path)| path.as_str()))
}

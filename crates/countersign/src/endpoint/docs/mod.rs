//! The pages that show the API's document, out of the binary: Swagger UI, and Redoc and Scalar where they are wanted.

mod page;
mod policy;
mod settings;
mod viewer;

use std::{future::ready, sync::Arc};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::{MethodRouter, get},
};

pub use self::settings::DocsPage;
use self::viewer::File;
use super::Finished;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Every route of the pages; none where they are off.
pub(super) fn routes(api: &Finished) -> axum::Router<Arc<Finished>> {
    let settings = api.oauth2.docs();
    let mut router = axum::Router::new();
    let Some(document) = settings.document() else { return router };
    let connect = policy::origins(&api.document);
    let opens_windows = policy::opens_windows(&api.document);
    for (viewer, path) in settings.pages() {
        let policy: Arc<str> = policy::policy(*viewer, &connect).into();
        let page = page::html(*viewer, path, document, &api.title, settings.css());
        let page = served("text/html; charset=utf-8", "no-store", &policy, page);
        router = router.route(path, if opens_windows { opened_by("same-origin-allow-popups", page) } else { page });
        // The page's links are relative to a path without a slash at the end.
        let back: Arc<str> = format!("../{}", page::last_segment(path)).into();
        let redirect = async move || (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, back.to_string())]);
        router = router.route(&super::with_slash(path), get(redirect));
        for File { name, content_type, bytes } in viewer.files() {
            let file = served(content_type, "public, max-age=3600", &policy, bytes);
            let comes_back = opens_windows && name == viewer::REDIRECT_PAGE;
            let file = if comes_back { opened_by("unsafe-none", file) } else { file };
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

/// The window in which people log in elsewhere comes back to the page that opened it, which then must still know it: the
/// page opens it, and the other is where it comes back to.
fn opened_by(policy: &'static str, page: MethodRouter<Arc<Finished>>) -> MethodRouter<Arc<Finished>> {
    page.layer(map_response(move |mut response: Response| {
        response.headers_mut().insert(OPENER_POLICY, HeaderValue::from_static(policy));
        ready(response)
    }))
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

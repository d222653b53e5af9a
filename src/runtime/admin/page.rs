//! `GET /`: the status page. It brings all it needs, and asks `/status` and `/status/recent` for what it shows.
//!
//! It tells nothing itself, so it needs no token; what it asks for does, and it asks its reader for one. It orders nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use ring::digest::{SHA256, digest};

use crate::runtime::admin::answer::text;

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str =
    concat!(include_str!("page/plots.js"), include_str!("page/tables.js"), include_str!("page/page.js"));

/// The page as it is sent: made once.
pub struct Page {
    body: Bytes,
    /// What a browser is to run and to ask: what is in the page, and this listener.
    policy: HeaderValue,
}

impl Page {
    /// # Errors
    /// When its policy is no header.
    pub fn new() -> Result<Self, String> {
        let body = HTML.replace("STYLE", STYLE).replace("SCRIPT", SCRIPT);
        let hash = |part: &str| STANDARD.encode(digest(&SHA256, part.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        let policy = HeaderValue::from_str(&policy).map_err(|error| format!("the status page's policy: {error}"))?;
        Ok(Self { body: body.into(), policy })
    }

    #[must_use]
    pub fn response(&self) -> Response<Full<Bytes>> {
        let mut response = text(StatusCode::OK, self.body.clone());
        response.headers_mut().extend([
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CONTENT_SECURITY_POLICY, self.policy.clone()),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ]);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_and_asks_nobody_else() {
        let page = Page::new().unwrap();
        let body = std::str::from_utf8(&page.body).unwrap();
        let between = |open: &str, close: &str| {
            let (_, rest) = body.split_once(open).unwrap();
            rest.split_once(close).unwrap().0
        };
        // The policy names what is between the tags, to the octet.
        assert_eq!((between("<style>", "</style>"), between("<script>", "</script>")), (STYLE, SCRIPT));
        let namespace = "http://www.w3.org/2000/svg";
        let rest = body.replace(namespace, "");
        for outside in
            ["http:", "https:", "//cdn", "@import", "url(", "<link rel=\"stylesheet\"", "src=", "innerHTML", " style="]
        {
            assert!(!rest.contains(outside), "{outside}");
        }
        assert!(body.len() < 64 << 10, "{}", body.len());
    }
}

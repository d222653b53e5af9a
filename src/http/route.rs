//! What of ours a request is for: by its path, then its method. A path is what it says: a slash more at its end is another one.

use ::http::header::{ALLOW, HeaderValue};
use ::http::{Method, Request, Response};
use bytes::Bytes;

use super::problem::{Kind, Problem};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Route<'a> {
    /// `POST /v1/messages`
    Submit,
    /// `GET /v1/messages?reference=`
    Find,
    /// `GET /v1/messages/{id}`
    Status(&'a str),
    /// `GET /v1/openapi.json`
    Document,
    /// `/cgi-bin/sendsms`, Kannel's
    Sendsms,
    /// The same by another method than it has.
    WrongSendsms,
    /// Something is there, for these methods.
    WrongMethod(&'static str),
    Nowhere,
}

impl<'a> Route<'a> {
    pub(super) fn of(request: &'a Request<Bytes>) -> Self {
        let method = request.method();
        // What HEAD is answered, the server sends without its body.
        let is_read = method == Method::GET || method == Method::HEAD;
        let read = |route| if is_read { route } else { Self::WrongMethod("GET, HEAD") };
        match request.uri().path() {
            "/v1/messages" if method == Method::POST => Self::Submit,
            "/v1/messages" if is_read => Self::Find,
            "/v1/messages" => Self::WrongMethod("GET, HEAD, POST"),
            "/v1/openapi.json" => read(Self::Document),
            "/cgi-bin/sendsms" if method == Method::GET || method == Method::POST => Self::Sendsms,
            "/cgi-bin/sendsms" => Self::WrongSendsms,
            path => match path.strip_prefix("/v1/messages/") {
                Some(id) if !id.is_empty() && !id.contains('/') => read(Self::Status(id)),
                _ => Self::Nowhere,
            },
        }
    }

    /// Whether it has to be known who asks.
    pub(super) fn needs_account(self) -> bool {
        match self {
            Self::Submit | Self::Find | Self::Status(_) | Self::Sendsms => true,
            Self::Document | Self::WrongSendsms | Self::WrongMethod(_) | Self::Nowhere => false,
        }
    }
}

pub(super) fn not_found() -> Response<Bytes> {
    Problem::new(Kind::NotFound, "Nothing has this path.").response()
}

pub(super) fn wrong_method(allowed: &'static str) -> Response<Bytes> {
    let detail = format!("Possible here: {allowed}.");
    let mut response = Problem::new(Kind::MethodNotAllowed, detail).response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_what_its_path_and_method_say() {
        for (method, uri, route) in [
            ("POST", "/v1/messages", Route::Submit),
            ("POST", "http://gateway.example:8080/v1/messages?x=1", Route::Submit),
            ("GET", "/v1/messages?reference=a", Route::Find),
            ("HEAD", "/v1/messages", Route::Find),
            ("PUT", "/v1/messages", Route::WrongMethod("GET, HEAD, POST")),
            ("GET", "/v1/messages/0123", Route::Status("0123")),
            ("HEAD", "/v1/messages/0123", Route::Status("0123")),
            ("DELETE", "/v1/messages/0123", Route::WrongMethod("GET, HEAD")),
            ("GET", "/v1/openapi.json", Route::Document),
            ("POST", "/v1/openapi.json", Route::WrongMethod("GET, HEAD")),
            ("GET", "/cgi-bin/sendsms?to=1", Route::Sendsms),
            ("POST", "/cgi-bin/sendsms", Route::Sendsms),
            ("HEAD", "/cgi-bin/sendsms", Route::WrongSendsms),
            ("GET", "/cgi-bin/sendsms/", Route::Nowhere),
            ("GET", "/v1/messages/", Route::Nowhere),
            ("GET", "/v1/messages/1/2", Route::Nowhere),
            ("GET", "/v1/messages/0123/", Route::Nowhere),
            ("GET", "/V1/messages", Route::Nowhere),
            ("GET", "//v1/messages", Route::Nowhere),
            ("GET", "/", Route::Nowhere),
            ("OPTIONS", "*", Route::Nowhere),
        ] {
            let request = Request::builder().method(method).uri(uri).body(Bytes::new()).unwrap();
            assert_eq!(Route::of(&request), route, "{method} {uri}");
        }
    }
}

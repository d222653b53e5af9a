//! Reading an account's `callback`: where its customer is told, and how such calls go out.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::config::reader::{Fields, Value};
use crate::config::scalars::{callback_url, flag, whole};
use crate::config::{Callback, Calls, Secret};

/// Each costs a signature more in every call.
const MOST_SECRETS: usize = 4;
/// As Standard Webhooks writes a secret: base64 behind this.
const BASE64_PREFIX: &[u8] = b"whsec_";

/// `needs_url`: what is told has nowhere else to go.
pub(super) fn read_callback(callback: &mut Fields<'_>, needs_url: bool) -> (Option<Callback>, Calls) {
    let url_value = if needs_url { callback.required("url") } else { callback.take("url") };
    let url = url_value.as_ref().and_then(|value| value.parse_unquoted(callback_url));
    let allow_http = callback.parse_or("allow_http", false, flag);
    if let (Some(value), Some(url)) = (&url_value, &url)
        && url.starts_with("http://")
        && !allow_http
    {
        value.problem("must begin with https://, or `allow_http: true` must stand beside it");
    }
    let calls = Calls {
        secrets: read_secrets(callback),
        allow_http,
        allow_private: callback.parse_or("allow_private", false, flag),
        ca: callback.take("ca").and_then(|value| value.path()),
    };
    let batch = callback.parse_or("batch", 1, whole(1..=1000));
    (url.map(|url| Callback { url, batch }), calls)
}

fn read_secrets(callback: &mut Fields<'_>) -> Vec<Secret> {
    let Some(value) = callback.take("secret") else { return Vec::new() };
    let elements = value.elements();
    if elements.len() > MOST_SECRETS {
        value.problem(format!("are too many: at most {MOST_SECRETS} sign"));
    }
    elements.iter().filter_map(read_secret).collect()
}

/// The key that signs.
fn read_secret(value: &Value<'_>) -> Option<Secret> {
    let written = value.nonempty_secret()?;
    let Some(in_base64) = written.expose().strip_prefix(BASE64_PREFIX) else { return Some(written) };
    let either = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    match GeneralPurpose::new(&alphabet::STANDARD, either).decode(in_base64) {
        Ok(key) if !key.is_empty() => Some(Secret::new(key)),
        Ok(_) | Err(_) => {
            value.problem("begins with whsec_, and what follows is not base64");
            None
        }
    }
}

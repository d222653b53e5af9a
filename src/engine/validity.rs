//! When a submit's validity ends, as far as that matters here: before its response deadline.

use std::time::Duration;

use super::context::Context;
use super::message::SubmitInfo;
use super::time::{Instant, nanos};
use crate::smpp;
use crate::smpp::time::SmppTime;
use crate::smpp::view::SmView;

/// When the validity_period of a submit that was read then ends, to the second; a moment that is past when it is over.
/// `None` without one, and for what is no time: the carrier judges that.
pub fn end(validity: &[u8], read_at: Instant, cx: &Context<'_>) -> Option<Instant> {
    match SmppTime::parse(validity)? {
        // Some write zeros when they mean none.
        SmppTime::In(Duration::ZERO) => None,
        SmppTime::In(span) => Some(read_at + span),
        SmppTime::At(unix_seconds) => {
            let left = unix_seconds - i64::from(cx.unix_seconds());
            Some(u64::try_from(left).map_or(Instant::ZERO, |left| cx.now + Duration::from_secs(left)))
        }
    }
}

/// How long that is from a moment in Unix seconds on; nothing when it is over.
pub fn span(validity: &[u8], unix_seconds: u32) -> Option<Duration> {
    match SmppTime::parse(validity)? {
        SmppTime::In(Duration::ZERO) => None,
        SmppTime::In(span) => Some(span),
        SmppTime::At(end) => {
            let left = u64::try_from(end - i64::from(unix_seconds)).unwrap_or(0);
            Some(Duration::from_secs(left))
        }
    }
}

/// What is left of a relative validity_period after a wait, as the wire has it; `None` when it can stay as it is.
pub fn left(validity: &[u8], waited: Duration) -> Option<[u8; 16]> {
    match SmppTime::parse(validity)? {
        SmppTime::In(span) if !span.is_zero() && !waited.is_zero() => {
            Some(smpp::time::relative(span.saturating_sub(waited).max(Duration::from_secs(1))))
        }
        SmppTime::In(_) | SmppTime::At(_) => None,
    }
}

/// When it ends, at the carrier's home, which knows the submit by its octets.
pub fn end_of(body: &[u8], info: &SubmitInfo, cx: &Context<'_>) -> Instant {
    let response = nanos(cx.config.smpp.timers.response);
    let read_at = Instant::from_nanos(info.deadline.as_nanos().saturating_sub(response));
    SmView::submit(body).ok().and_then(|view| end(view.validity, read_at, cx)).unwrap_or(Instant::NEVER)
}

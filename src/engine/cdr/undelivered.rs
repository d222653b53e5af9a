//! The lines of receipts and MO that are given up: nothing that was acknowledged to a carrier goes without a word (GUARANTEES A4).

use super::{Event, Line};
use crate::engine::account::Account;
use crate::engine::carrier::Carrier;
use crate::engine::context::Context;
use crate::engine::message::DeliveryKind;
use crate::engine::slab::Key;
use crate::engine::web::What;
use crate::smpp::command::CommandStatus;
use crate::smpp::view::SmView;

/// Why nobody gets it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum GivenUp {
    /// The customer refused it for good.
    Refused(CommandStatus),
    Retention,
    /// By an operator's order.
    Purged,
}

impl Carrier {
    /// An MO is given up that nobody was named for. Its record goes in the same commit.
    pub(in crate::engine) fn line_of_unrouted(&self, body: &[u8], born: u32, cx: &mut Context<'_>) {
        if !cx.keeps_cdr() {
            return;
        }
        let (config, time) = (cx.config, cx.unix_seconds());
        let carrier = config.carrier(self.id).name.as_bytes();
        let line = Account::undelivered(body, GivenUp::Retention);
        cx.append_line(&Line { time, submitted: born, carrier, ..line });
    }
}

impl Account {
    /// A delivery is given up. Its record goes in the same commit.
    pub(in crate::engine) fn line_of_undelivered(&self, key: Key, why: GivenUp, cx: &mut Context<'_>) {
        if !cx.keeps_cdr() {
            return;
        }
        let Some(delivery) = self.deliveries.get(key) else { return };
        let id = (delivery.kind != DeliveryKind::Mo).then_some(delivery.id);
        let line = Line { submitted: delivery.kept.born, ..Self::undelivered(&delivery.body, why) };
        cx.write_line(self.id, id, None, line);
    }

    /// What a callback was to be told is given up.
    pub(in crate::engine) fn line_of_untold(&self, what: &What, why: GivenUp, cx: &mut Context<'_>) {
        let (id, line) = match what {
            What::Receipt { status, .. } => (Some(status.id), Self::undelivered(b"", why)),
            What::Message { parts, .. } => (None, Self::undelivered(parts.first().map_or(b"", |part| part), why)),
        };
        cx.write_line(self.id, id, None, line);
    }

    /// From whom to whom it was is what a receipt or MO says itself.
    pub(super) fn undelivered(body: &[u8], why: GivenUp) -> Line<'_> {
        let (from, to) =
            SmView::deliver(body).map_or((&b""[..], &b""[..]), |view| (view.source.digits, view.destination.digits));
        let (reason, status): (&[u8], _) = match why {
            GivenUp::Refused(status) => (b"refused", Some(status.0)),
            GivenUp::Retention => (b"retention", None),
            GivenUp::Purged => (b"purged", None),
        };
        Line { event: Event::Undelivered, from, to, reason, status, ..Line::default() }
    }
}

//! The lines of receipts and MO that are given up: nothing that was acknowledged to a carrier goes without a word (GUARANTEES A4).

use super::{Event, Line};
use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::message::DeliveryKind;
use crate::engine::slab::Key;
use crate::engine::web::What;
use crate::smpp::command::CommandStatus;
use crate::smpp::view::SmView;

impl Account {
    /// A delivery is given up: refused for good with this status, or beyond retention. Its record goes in the same commit.
    pub(in crate::engine) fn line_of_undelivered(&self, key: Key, status: Option<CommandStatus>, cx: &mut Context<'_>) {
        if !cx.keeps_cdr() {
            return;
        }
        let Some(delivery) = self.deliveries.get(key) else { return };
        let id = (delivery.kind != DeliveryKind::Mo).then_some(delivery.id);
        let line = Line {
            status: status.map(|status| status.0),
            submitted: delivery.kept.born,
            ..Self::undelivered(&delivery.body, status.is_some())
        };
        cx.write_line(self.id, id, None, line);
    }

    /// What a callback was to be told is beyond retention.
    pub(in crate::engine) fn line_of_untold(&self, what: &What, cx: &mut Context<'_>) {
        let (id, line) = match what {
            What::Receipt { status, .. } => (Some(status.id), Self::undelivered(b"", false)),
            What::Message { parts, .. } => (None, Self::undelivered(parts.first().map_or(b"", |part| part), false)),
        };
        cx.write_line(self.id, id, None, line);
    }

    /// From whom to whom it was is what a receipt or MO says itself.
    fn undelivered(body: &[u8], is_refused: bool) -> Line<'_> {
        let (from, to) =
            SmView::deliver(body).map_or((&b""[..], &b""[..]), |view| (view.source.digits, view.destination.digits));
        let reason: &[u8] = if is_refused { b"refused" } else { b"retention" };
        Line { event: Event::Undelivered, from, to, reason, ..Line::default() }
    }
}

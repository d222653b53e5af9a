//! What is counted, for `/metrics`: plain integers on each shard, published once a second.
//!
//! A shard counts in `AccountCounts`, `CarrierCounts` and `ShardCounts` without atomics, labels or formatting; the
//! `...Metrics` beside each hold the handles, looked up once. Labels are account, carrier, shard, command and status, and
//! the last two come from closed enums here: no address, number or id ever becomes a label. Each table below is the one
//! place that names a metric: its field, its name and its help text. Over 400 lines, for they belong together.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;

use alone::ALONE;
use described::{Described, Kind};
use exposition::{HistogramHandle, Named, SecondsHandle};

mod alone;
pub mod described;
mod exposition;
mod histogram;
mod refusals;
mod settled;

pub use alone::{Process, publish_build};
pub use exposition::Exporter;
pub use histogram::{Delays, Latencies};
pub use refusals::{RefusalMetrics, Refusals};
pub use settled::{Settled, SettledMetrics};

/// A closed set of `status` labels, or of those of another key, each with a place in an array of counts.
macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident { $($variants:tt)* }) => {
        statuses! { $(#[$doc])* $name, label "status" { $($variants)* } }
    };
    (
        $(#[$doc:meta])* $name:ident, label $key:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$variant),*];
            pub const COUNT: usize = Self::ALL.len();
            pub const LABELS: [&'static str; Self::COUNT] = [$($label),*];
            /// The label's key.
            pub const KEY: &'static str = $key;

            /// The label's value.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

/// One table makes the counts, their handles, the help texts and `publish`. What is timed is counted in nanoseconds (`seconds`, a
/// sum, and `ages`, a level) or in the buckets of a histogram, and published in seconds.
macro_rules! family {
    (
        $(#[$doc:meta])* $counts:ident, $handles:ident, label $label:literal;
        counters { $($counter:ident = $counter_name:literal, $counter_help:literal;)* }
        by_status { $($status:ident: $statuses:ident = $status_name:literal, $status_help:literal;)* }
        seconds { $($second:ident = $second_name:literal, $second_help:literal;)* }
        histograms { $($histogram:ident: $scale:ident = $histogram_name:literal, $histogram_help:literal;)* }
        gauges { $($gauge:ident = $gauge_name:literal, $gauge_help:literal;)* }
        ages { $($age:ident = $age_name:literal, $age_help:literal;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub struct $counts {
            $(#[doc = $counter_help] pub $counter: u64,)*
            $(#[doc = $status_help] pub $status: [u64; $statuses::COUNT],)*
            $(#[doc = $second_help] pub $second: u64,)*
            $(#[doc = $histogram_help] pub $histogram: $scale,)*
            $(#[doc = $gauge_help] pub $gauge: u64,)*
            $(#[doc = $age_help] pub $age: u64,)*
        }

        /// The handles behind the counts of the same name, looked up once.
        pub struct $handles {
            $($counter: Counter,)*
            $($status: [Counter; $statuses::COUNT],)*
            $($second: SecondsHandle,)*
            $($histogram: HistogramHandle,)*
            $($gauge: Gauge,)*
            $($age: Gauge,)*
        }

        impl $handles {
            /// All there is of them.
            pub const DESCRIBED: &[Described] = &[
                $(Described::new(Kind::Counter, $counter_name, &[$label], $counter_help),)*
                $(Described::new(Kind::Counter, $status_name, &[$label, $statuses::KEY], $status_help)
                    .with_values(&$statuses::LABELS),)*
                $(Described::new(Kind::Counter, $second_name, &[$label], $second_help),)*
                $(Described::new(Kind::Histogram, $histogram_name, &[$label], $histogram_help),)*
                $(Described::new(Kind::Gauge, $gauge_name, &[$label], $gauge_help),)*
                $(Described::new(Kind::Gauge, $age_name, &[$label], $age_help),)*
            ];

            #[must_use]
            pub fn new(name: &str, exporter: &Exporter) -> Self {
                Self {
                    $($counter: counter!($counter_name, $label => name.to_owned()),)*
                    $($status: $statuses::ALL
                        .map(|of| counter!($status_name, $label => name.to_owned(), $statuses::KEY => of.label())),)*
                    $($second: exporter
                        .seconds(&Named { name: $second_name, help: $second_help }, Some(($label, name))),)*
                    $($histogram: exporter.histogram(
                        &Named { name: $histogram_name, help: $histogram_help }, Some(($label, name)), $scale::SCALE,
                    ),)*
                    $($gauge: gauge!($gauge_name, $label => name.to_owned()),)*
                    $($age: gauge!($age_name, $label => name.to_owned()),)*
                }
            }

            pub fn publish(&self, counts: &$counts) {
                $(self.$counter.absolute(counts.$counter);)*
                $(for (handle, count) in self.$status.iter().zip(counts.$status) { handle.absolute(count); })*
                $(self.$second.publish(counts.$second);)*
                $(self.$histogram.publish(&counts.$histogram.0);)*
                $(self.$gauge.set(counts.$gauge as f64);)*
                $(self.$age.set(counts.$age as f64 / 1e9);)*
            }
        }
    };
}

statuses! {
    /// Why a submit got another answer than ESME_ROK.
    RefusedReason {
        /// Over the account's rate.
        Throttled = "throttled",
        /// Over the account's window.
        Window = "window",
        NoRoute = "no_route",
        /// The carrier's queue, or what its rate can send in time, is full.
        QueueFull = "queue_full",
        /// The store cannot take more now.
        StoreFull = "store_full",
        /// The account's daily or monthly segments are used up.
        Quota = "quota",
        /// Those for its destination are, for a while.
        Cap = "destination_cap",
        /// Nothing is sent to its destination.
        OptedOut = "opted_out",
        Sender = "sender",
        Destination = "destination",
        Malformed = "malformed",
        /// A receiver, or an account that may not submit.
        NotAllowed = "not_allowed",
        /// A final status of the carrier, passed on.
        CarrierRefused = "carrier_refused",
        /// No carrier of the route has a bound link.
        CarrierDown = "carrier_down",
        /// Sent, and the outcome was never learnt.
        InDoubt = "in_doubt",
        /// Not sent within its deadline.
        Expired = "expired",
        Draining = "draining",
    }
}

statuses! {
    /// How a submit ended that a carrier had.
    SettledAs {
        Accepted = "accepted",
        /// The carrier refused it for good.
        Refused = "refused",
        /// It was not sent: no link was bound, no room or no time was left, or nobody waited for it any more.
        Unsent = "unsent",
        InDoubt = "in_doubt",
    }
}

statuses! {
    /// What a request about a message came to.
    OperationResult {
        QueryOk = "query_ok",
        QueryRefused = "query_refused",
        CancelOk = "cancel_ok",
        CancelRefused = "cancel_refused",
        ReplaceOk = "replace_ok",
        ReplaceRefused = "replace_refused",
    }
}

statuses! {
    /// What a carrier's `submit_sm_resp` meant.
    AnswerClass {
        Ok = "ok",
        Throttled = "throttled",
        /// The next carrier may do better.
        Temporary = "temporary",
        Error = "error",
    }
}

statuses! {
    /// What became of a receipt a carrier sent.
    ReceiptOutcome {
        Matched = "matched",
        /// Came before its `submit_sm_resp`, and was parked.
        Early = "early",
        /// Parked, and no answer ever claimed it.
        Unclaimed = "unclaimed",
        /// No submit of ours is known by its id.
        Unknown = "unknown",
        /// The submit had asked for none.
        Muted = "muted",
        /// Not acknowledged: the account's home or the store had no room; the carrier sends it again.
        Deferred = "deferred",
    }
}

statuses! {
    /// Why a bind was refused, more exactly than the ESME is told.
    BindRefusal {
        Account = "account",
        Password = "password",
        Disabled = "disabled",
        Address = "address",
        Tls = "tls",
        /// Its TLS certificate has none of the account's names.
        Certificate = "certificate",
        Mode = "mode",
        TooManyBinds = "too_many_binds",
        Banned = "banned",
        Unavailable = "unavailable",
    }
}

statuses! {
    /// Why a connection was closed before it could say anything.
    ConnectionRefusal {
        Total = "total",
        Unbound = "unbound",
        PerAddress = "per_address",
        Address = "address",
        Banned = "banned",
        /// Over the cap on HTTP connections.
        Http = "http",
        /// No PROXY header that can be read, or none in time.
        ProxyHeader = "proxy_header",
    }
}

statuses! {
    /// The class of an HTTP response.
    ResponseClass {
        Fine = "2xx",
        Refused = "4xx",
        Failed = "5xx",
    }
}

statuses! {
    /// Why an HTTP connection or request ended before anybody asked what it wants.
    WebRefusal {
        /// It can be read in two ways, or in none.
        Malformed = "malformed",
        HeadTooLarge = "head_too_large",
        BodyTooLarge = "body_too_large",
        /// Its TLS handshake or head did not come in time.
        HeadLate = "head_late",
        BodyLate = "body_late",
        /// Its response was not taken in time.
        NotTaken = "not_taken",
        /// Too many bodies were being read at once.
        Busy = "busy",
    }
}

statuses! {
    /// How a password was compared that is not a plain one.
    PasswordCheck {
        /// With an argon2id hash.
        Hashed = "hashed",
        /// With what is known of the last right one.
        Cached = "cached",
        /// With nothing: there is no such account, or it has no hash.
        Unmatched = "unmatched",
        /// Not at all: too many waited.
        Refused = "refused",
    }
}

statuses! {
    /// The state a receipt tells.
    ReceiptState {
        Enroute = "enroute",
        Delivered = "delivered",
        Expired = "expired",
        Deleted = "deleted",
        Undeliverable = "undeliverable",
        Accepted = "accepted",
        Unknown = "unknown",
        Rejected = "rejected",
        /// The next network has it.
        Acknowledged = "acknowledged",
        /// The handset is away, it will be tried again.
        Buffered = "buffered",
    }
}

statuses! {
    /// What a submit waits for at its carrier.
    WaitReason {
        /// The carrier's rate, or what its throttling left of it.
        Rate = "rate",
        /// No link has room in its window.
        Window = "window",
        /// The link that the other parts of its message took has no room.
        Link = "link",
        /// The rate of its sender address.
        Sender = "sender",
    }
}

statuses! {
    /// Why a session or link ended.
    EndReason {
        PeerClosed = "peer_closed",
        PeerUnbound = "peer_unbound",
        /// Two enquire_links went unanswered.
        EnquireLink = "enquire_link",
        Inactive = "inactive",
        /// It never bound within `session_init`.
        SessionInit = "session_init",
        /// It did not read what we wrote.
        Stalled = "stalled",
        LostFraming = "lost_framing",
        TooManyErrors = "too_many_errors",
        BindRefused = "bind_refused",
        Drained = "drained",
    }
}

statuses! {
    /// The command of a PDU, a request or its answer.
    Command, label "command" {
        SubmitSm = "submit_sm",
        SubmitSmResp = "submit_sm_resp",
        DeliverSm = "deliver_sm",
        DeliverSmResp = "deliver_sm_resp",
        EnquireLink = "enquire_link",
        EnquireLinkResp = "enquire_link_resp",
        Bind = "bind",
        BindResp = "bind_resp",
        Unbind = "unbind",
        UnbindResp = "unbind_resp",
        SubmitMulti = "submit_multi",
        DataSm = "data_sm",
        DataSmResp = "data_sm_resp",
        /// query_sm, cancel_sm and replace_sm.
        Operation = "operation",
        OperationResp = "operation_resp",
        AlertNotification = "alert_notification",
        GenericNack = "generic_nack",
        Other = "other",
    }
}

family! {
    /// What an account's home counted for it since the process started.
    AccountCounts, AccountMetrics, label "account";
    counters {
        submits = "trunkline_submits_total", "Submits read from the account's sessions and HTTP requests.";
        multis = "trunkline_submit_multi_total", "submit_multi taken; each of their destinations counts as a submit.";
        segments = "trunkline_submit_segments_total", "Segments in those submits.";
        accepted = "trunkline_submits_accepted_total", "Submits answered with ESME_ROK.";
        withdrawn = "trunkline_submits_withdrawn_total", "Submits whose session ended before they were sent or answered.";
        receipts_delivered = "trunkline_receipts_delivered_total", "Receipts the account acknowledged.";
        receipts_retried = "trunkline_receipts_retried_total", "Receipts offered to the account once more.";
        receipts_joined = "trunkline_receipts_joined_total", "Receipts of parts not passed on, for another receipt tells of their message.";
        mo_delivered = "trunkline_mo_delivered_total", "Mobile originated messages the account acknowledged.";
        deliveries_replayed = "trunkline_deliveries_replayed_total", "Receipts and MO sent that had waited for the account to bind.";
        deliveries_refused = "trunkline_deliveries_refused_total", "Receipts and MO not taken because the delivery queue was full.";
        deliveries_expired = "trunkline_deliveries_expired_total", "Receipts and MO nobody took within the retention.";
        deliveries_rejected = "trunkline_deliveries_rejected_total", "Receipts and MO the account refused for good.";
        deliveries_purged = "trunkline_deliveries_purged_total", "Receipts and MO forgotten by an operator's order.";
        deliveries_cut = "trunkline_deliveries_cut_total", "Texts over 254 octets cut for a session of SMPP 3.3.";
        events_told = "trunkline_events_told_total", "Receipts and MO the account's callbacks took.";
        events_retried = "trunkline_events_retried_total", "Receipts and MO that a callback did not take, to be offered again.";
        events_expired = "trunkline_events_expired_total", "Receipts and MO for callbacks nobody took within the retention.";
        events_refused = "trunkline_events_refused_total", "MO for callbacks not taken because the delivery queue or the store was full.";
        breakers_opened = "trunkline_callback_breaker_opened_total", "Times a callback was left alone for a while, because it failed again and again.";
        mo_parts_repeated = "trunkline_mo_parts_repeated_total", "Parts of long MO that a carrier brought once more.";
        mo_incomplete = "trunkline_mo_incomplete_total", "Long MO told of by a callback without some of their parts.";
        alerts = "trunkline_alerts_total", "alert_notifications passed to the account.";
        alerts_dropped = "trunkline_alerts_dropped_total", "alert_notifications dropped because no session of the account could take them.";
        stored_accepted = "trunkline_stored_accepted_total", "Stored submits a carrier took.";
        stored_expired = "trunkline_stored_expired_total", "Stored submits that no carrier took within their validity.";
        stored_rejected = "trunkline_stored_rejected_total", "Stored submits a carrier refused for good.";
        stored_cancelled = "trunkline_stored_cancelled_total", "Stored submits the account cancelled.";
        stored_in_doubt = "trunkline_stored_in_doubt_total", "Stored submits that were sent, and the outcome was never learnt.";
        operations_passed = "trunkline_operations_passed_total", "query_sm, cancel_sm and replace_sm the carrier was asked.";
        binds = "trunkline_binds_total", "Binds accepted.";
        outbinds = "trunkline_outbinds_total", "Times the account was called with outbind.";
        outbinds_bound = "trunkline_outbinds_bound_total", "Times it bound when called.";
        late_answers = "trunkline_delivery_late_answers_total", "Answers to deliveries that came after our timeout.";
        window_waits = "trunkline_window_waits_total", "Times a session was not read on because the account's window was full.";
    }
    by_status {
        sessions_ended: EndReason = "trunkline_sessions_ended_total", "Sessions that ended, by why.";
        refused: RefusedReason = "trunkline_submits_refused_total", "Submits refused, by why.";
        operations: OperationResult = "trunkline_operations_total", "query_sm, cancel_sm and replace_sm, by how they were answered.";
    }
    seconds {}
    histograms {
        answered: Latencies = "trunkline_submit_seconds", "From when a submit was read until its answer was written, of those that were not refused at once.";
        committed: Latencies = "trunkline_submit_commit_seconds", "From a carrier's acceptance until what the receipt needs was durable, of submits that ask for one.";
        acknowledged: Latencies = "trunkline_delivery_seconds", "From when a receipt or MO was sent to a session until it was acknowledged.";
    }
    gauges {
        states = "trunkline_states", "Messages whose state is kept.";
        deliveries_queued = "trunkline_deliveries_queued", "Receipts and MO that wait for the account.";
        receipts_held = "trunkline_receipts_held", "Receipts of parts held back until their message can be told of.";
        deliveries_outstanding = "trunkline_deliveries_outstanding", "Receipts and MO sent and not yet acknowledged.";
        events_queued = "trunkline_events_queued", "Receipts and MO that the account's callbacks have not taken yet.";
        mo_parts = "trunkline_mo_parts", "Parts of long MO that wait for the others.";
        posts_outstanding = "trunkline_callbacks_outstanding", "Calls to the account's callbacks not answered yet.";
        stored_waiting = "trunkline_stored", "Stored submits whose fate is not known.";
        sessions_bound = "trunkline_sessions_bound", "Sessions bound.";
        outstanding = "trunkline_submits_outstanding", "Submits read and not yet answered.";
        held_back = "trunkline_submits_held_back", "Submits of them that wait for the account's rate.";
        storing = "trunkline_submits_storing", "Segments that came by HTTP and wait to be durable here.";
        keys = "trunkline_idempotency_keys", "Idempotency-Keys that are remembered.";
        window = "trunkline_account_window", "Submits that may be outstanding.";
    }
    ages {
        deliveries_age_ns = "trunkline_deliveries_oldest_seconds", "Age of the receipt or MO that goes to the account next.";
        stored_age_ns = "trunkline_stored_oldest_seconds", "Age of the oldest stored submit whose fate is not known.";
    }
}

family! {
    /// What a carrier's home counted for it since the process started.
    CarrierCounts, CarrierMetrics, label "carrier";
    counters {
        submits_sent = "trunkline_carrier_submits_total", "Submits written to the carrier's links.";
        timeouts = "trunkline_carrier_timeouts_total", "Submits the carrier did not answer in time.";
        in_doubt = "trunkline_carrier_in_doubt_total", "Submits whose outcome was never learnt.";
        retried_in_doubt = "trunkline_carrier_retried_in_doubt_total", "Submits put back to be sent again although the carrier may have accepted them.";
        rerouted = "trunkline_carrier_rerouted_total", "Submits that moved on to the next carrier.";
        unfit = "trunkline_carrier_unfit_total", "Submits not sent, for the profile could not make them what the carrier takes.";
        late_answers = "trunkline_carrier_late_answers_total", "Answers that came after our timeout.";
        duplicate_ids = "trunkline_carrier_duplicate_ids_total", "Answers with an id that another live submit has.";
        mo = "trunkline_carrier_mo_total", "Mobile originated messages the carrier delivered.";
        mo_unrouted = "trunkline_carrier_mo_unrouted_total", "Mobile originated messages no rule sends to an account.";
        mo_expired = "trunkline_carrier_mo_expired_total", "Mobile originated messages no rule sent to an account within the retention.";
        alerts_unrouted = "trunkline_carrier_alerts_unrouted_total", "alert_notifications of the carrier no rule sends to an account.";
        unknown_states = "trunkline_carrier_unknown_states_total", "Receipts without a state we know; their submits wait for another.";
        correlations_expired = "trunkline_correlations_expired_total", "Submits whose receipt did not come within the retention.";
        link_ups = "trunkline_link_binds_total", "Binds the carrier accepted.";
        link_failures = "trunkline_link_failures_total", "Connections or binds to the carrier that failed, and links that broke.";
    }
    by_status {
        answers: AnswerClass = "trunkline_carrier_answers_total", "Answers of the carrier, by class.";
        receipts: ReceiptOutcome = "trunkline_carrier_receipts_total", "Receipts of the carrier, by what became of them.";
        receipt_states: ReceiptState = "trunkline_carrier_receipt_states_total", "Receipts of the carrier, by the state they tell.";
        waits: WaitReason = "trunkline_carrier_waits_total", "Submits that could not leave at once, by what they waited for.";
        links_ended: EndReason = "trunkline_links_ended_total", "Links that ended and tries to bind that failed, by why.";
    }
    seconds {}
    histograms {
        queued_for: Latencies = "trunkline_carrier_queue_seconds", "From when a submit came to the carrier's queue, or back to it, until it was written to a link.";
        answered: Latencies = "trunkline_carrier_answer_seconds", "From when a submit was written to a link until the carrier answered it.";
        receipt_delay: Delays = "trunkline_carrier_receipt_delay_seconds", "From the carrier's acceptance of a submit until its final receipt.";
    }
    gauges {
        links_bound = "trunkline_links_bound", "Links bound.";
        links_configured = "trunkline_links_configured", "Links there should be.";
        links_withheld = "trunkline_links_withheld", "Links nothing is submitted on by order: paused, draining or stopped.";
        queued = "trunkline_carrier_queued", "Submits that wait for the carrier's rate or window.";
        outstanding = "trunkline_carrier_outstanding", "Submits sent and not yet answered.";
        window = "trunkline_carrier_window", "Submits that may be outstanding on the links bound now.";
        correlations = "trunkline_correlations", "Submits whose receipt may still come.";
        early_receipts = "trunkline_early_receipts", "Receipts parked until their submit is answered.";
        mo_kept = "trunkline_carrier_mo_kept", "Mobile originated messages kept until a rule sends them to an account.";
        rate = "trunkline_carrier_rate", "Segments per second in force after the carrier's throttling; 0 is unlimited.";
    }
    ages {
        queue_age_ns = "trunkline_carrier_queue_oldest_seconds", "Age of the oldest submit that waits for its turn.";
    }
}

family! {
    /// What one shard counted since the process started.
    ShardCounts, ShardMetrics, label "shard";
    counters {
        accepted = "trunkline_connections_accepted_total", "Connections accepted.";
        bytes_in = "trunkline_read_bytes_total", "Octets read from sessions and links.";
        bytes_out = "trunkline_written_bytes_total", "Octets written to sessions and links.";
        turns = "trunkline_turns_total", "Turns of the shard's loop.";
        protocol_errors = "trunkline_protocol_errors_total", "Malformed, misdirected or unknown PDUs.";
        unsolicited = "trunkline_unsolicited_answers_total", "Answers to requests that were never sent.";
        handshakes_failed = "trunkline_tls_handshakes_failed_total", "TLS handshakes of ESMEs that did not come to an end.";
        http_accepted = "trunkline_http_connections_accepted_total", "HTTP connections accepted.";
        panics = "trunkline_panics_total", "Panics caught; each ended one connection.";
        records = "trunkline_store_records_total", "Records appended to the journal.";
        cdr_lines = "trunkline_cdr_lines_total", "Lines of call detail records.";
        commits = "trunkline_store_commits_total", "Commits made durable.";
        clock_jumps = "trunkline_clock_jumps_total", "Jumps of the wall clock by more than a minute.";
    }
    by_status {
        pdus_in: Command = "trunkline_pdus_read_total", "PDUs read from sessions and links, by command.";
        binds_refused: BindRefusal = "trunkline_binds_refused_total", "Binds refused, by why.";
        connections_refused: ConnectionRefusal = "trunkline_connections_refused_total", "Connections closed at accept, by why.";
        http_requests: ResponseClass = "trunkline_http_requests_total", "HTTP requests answered, by the class of the response.";
        http_refused: WebRefusal = "trunkline_http_refused_total", "HTTP requests and connections refused before it was asked what they want, by why.";
        http_unauthorized: BindRefusal = "trunkline_http_unauthorized_total", "HTTP requests whose credentials were not let in, by why.";
        password_checks: PasswordCheck = "trunkline_password_checks_total", "Passwords compared that are not plain ones, by how.";
    }
    seconds {
        busy_ns = "trunkline_shard_busy_seconds_total", "CPU time of the shard's thread; its rate is the share of a core it uses.";
    }
    histograms {
        committed: Latencies = "trunkline_store_commit_seconds", "From a commit's start until it was durable.";
        lag: Latencies = "trunkline_shard_lag_seconds", "How late the shard's loop came to a call that is made twenty times a second.";
    }
    gauges {
        store_octets = "trunkline_store_bytes", "Octets written to the journal's segments.";
        store_live = "trunkline_store_live_bytes", "Octets of them that are still needed, about.";
        store_segments = "trunkline_store_segments", "Segments of the journal.";
        cdr_lines_waiting = "trunkline_cdr_lines_waiting", "Lines of call detail records that no file has yet.";
        store_has_room = "trunkline_store_has_room", "1 while the journal has room beyond its reserve.";
        connections = "trunkline_connections", "Connections open.";
        http_connections = "trunkline_http_connections", "HTTP connections open.";
        unbound = "trunkline_connections_unbound", "Connections open that have not bound yet.";
    }
    ages {}
}

impl AccountCounts {
    pub fn count_refused(&mut self, reason: RefusedReason) {
        self.refused[reason as usize] += 1;
    }

    pub fn count_session_end(&mut self, why: EndReason) {
        self.sessions_ended[why as usize] += 1;
    }

    pub fn count_operation(&mut self, result: OperationResult) {
        self.operations[result as usize] += 1;
    }
}

impl CarrierCounts {
    pub fn count_answer(&mut self, class: AnswerClass) {
        self.answers[class as usize] += 1;
    }

    pub fn count_wait(&mut self, reason: WaitReason) {
        self.waits[reason as usize] += 1;
    }

    pub fn count_link_end(&mut self, why: EndReason) {
        self.links_ended[why as usize] += 1;
    }

    pub fn count_receipt_state(&mut self, state: ReceiptState) {
        self.receipt_states[state as usize] += 1;
    }

    pub fn count_receipt(&mut self, outcome: ReceiptOutcome) {
        self.receipts[outcome as usize] += 1;
    }
}

impl ShardCounts {
    pub fn count_pdu(&mut self, command: Command) {
        self.pdus_in[command as usize] += 1;
    }

    pub fn count_bind_refused(&mut self, why: BindRefusal) {
        self.binds_refused[why as usize] += 1;
    }

    pub fn count_response(&mut self, status: u16) {
        let class = match status {
            0..400 => ResponseClass::Fine,
            400..500 => ResponseClass::Refused,
            500.. => ResponseClass::Failed,
        };
        self.http_requests[class as usize] += 1;
    }

    pub fn count_web_refused(&mut self, why: WebRefusal) {
        self.http_refused[why as usize] += 1;
    }

    pub fn count_web_unauthorized(&mut self, why: BindRefusal) {
        self.http_unauthorized[why as usize] += 1;
    }

    pub fn count_password_check(&mut self, how: PasswordCheck) {
        self.password_checks[how as usize] += 1;
    }

    pub fn count_connection_refused(&mut self, why: ConnectionRefusal) {
        self.connections_refused[why as usize] += 1;
    }
}

/// Every metric there is, family by family.
pub fn described() -> impl Iterator<Item = &'static Described> {
    let families = [AccountMetrics::DESCRIBED, CarrierMetrics::DESCRIBED, ShardMetrics::DESCRIBED, ALONE];
    families.into_iter().flatten()
}

/// Installs the process's recorder with all help texts. `Err` when there is one already.
pub fn install() -> Result<Exporter, String> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = Exporter::new(recorder.handle());
    metrics::set_global_recorder(recorder).map_err(|_| "metrics: a recorder is installed already".to_owned())?;
    describe();
    Ok(exporter)
}

fn describe() {
    for metric in described() {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, Unit::Count, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, Unit::Count, metric.help),
            // Rendered with its text (`exposition`).
            Kind::Histogram => {}
        }
    }
}

#[cfg(test)]
mod tests;

//! Metrics that belong to no account, carrier or shard: which build it is, and how the process is.

use std::time::Duration;

use metrics::gauge;

use super::SettledAs;
use super::described::{Described, Kind};
use super::exposition::{Exporter, Named};
use super::refusals::RefusalMetrics;
use super::settled::SettledMetrics;

const CPU: Named =
    Named { name: "process_cpu_seconds_total", help: "CPU time of the process, in user and kernel mode." };

pub(super) const ALONE: &[Described] = &[
    Described::new(Kind::Gauge, "trunkline_build_info", &["version"], "Which build this is; always 1."),
    Described::new(
        Kind::Gauge,
        "trunkline_store_durability",
        &["status"],
        "What an acknowledgement survives; always 1.",
    )
    .with_values(&["fsync", "process"]),
    Described::new(Kind::Gauge, "trunkline_ready", &[], "1 while /readyz says so."),
    Described::new(Kind::Counter, CPU.name, &[], CPU.help),
    Described::new(Kind::Gauge, "process_resident_memory_bytes", &[], "Memory of the process that is resident."),
    Described::new(Kind::Gauge, "process_open_fds", &[], "Descriptors open."),
    Described::new(Kind::Gauge, "process_max_fds", &[], "Descriptors that may be open."),
    Described::new(Kind::Gauge, "process_start_time_seconds", &[], "When the process started, in Unix seconds."),
    Described::new(
        Kind::Counter,
        SettledMetrics::NAME,
        &["account", "carrier", "status"],
        "Submits of an account settled, by the carrier that had them last and how they ended.",
    )
    .with_values(&SettledAs::LABELS),
    Described::new(
        Kind::Counter,
        RefusalMetrics::NAME,
        &["carrier", "status"],
        "Answers of the carrier other than ESME_ROK, by command_status: its name, or its number when the specification has none; \
         `vendor` from 0x400 to 0x4FF, `other` for the rest.",
    ),
];

/// How the process is at a scrape.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub is_ready: bool,
    pub cpu: Duration,
    pub resident_bytes: u64,
    pub open_fds: u64,
    pub max_fds: u64,
    /// Since 1970.
    pub started: Duration,
}

/// What does not change while the process runs: which build it is, and what an acknowledgement survives (`fsync` or `process`).
pub fn publish_build(version: &'static str, durability: &'static str) {
    gauge!("trunkline_build_info", "version" => version).set(1);
    gauge!("trunkline_store_durability", "status" => durability).set(1);
}

impl Exporter {
    pub fn publish_process(&self, process: &Process) {
        self.seconds(&CPU, None).publish(process.cpu.as_nanos() as u64);
        gauge!("trunkline_ready").set(if process.is_ready { 1.0 } else { 0.0 });
        gauge!("process_resident_memory_bytes").set(process.resident_bytes as f64);
        gauge!("process_open_fds").set(process.open_fds as f64);
        gauge!("process_max_fds").set(process.max_fds as f64);
        gauge!("process_start_time_seconds").set(process.started.as_secs_f64());
    }
}

//! Logs: one event a line on stderr, as text or JSON. What a peer wrote can never forge a line or steer a terminal.

mod repeats;
mod stderr;

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::{Log, LogFormat, LogLevel};
use crate::runtime::clock;
use repeats::Repeats;
use stderr::Stderr;

/// Directives in this variable replace the configured level, for an hour of looking closely. RUST_LOG is not read: it is
/// set on many machines for something else.
const VARIABLE: &str = "TRUNKLINE_LOG";

/// Starts logging for the whole process. `Err` for directives that do not parse, or when it was started before.
pub fn start(log: &Log) -> Result<(), String> {
    let directives = std::env::var(VARIABLE).ok();
    let format = log.format;
    let subscriber = subscriber(log, directives.as_deref(), move || OneLine { to: Stderr, format })?;
    tracing::subscriber::set_global_default(subscriber).map_err(|error| format!("log: {error}"))
}

/// Says how much was not told, for there was too much of it or nobody took it. To be called now and then.
pub fn tell_untold(now_ns: u64) {
    repeats::tell_untold(now_ns);
    let count = stderr::take_lost();
    if count > 0 {
        tracing::warn!(count, "events were not logged: nobody read what this process writes");
    }
}

fn subscriber<W>(log: &Log, directives: Option<&str>, writer: W) -> Result<Box<Dispatched>, String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Who changed what is told however little else is.
    let filter = match directives.filter(|text| !text.trim().is_empty()) {
        Some(text) => {
            EnvFilter::builder().parse(format!("audit=info,{text}")).map_err(|error| format!("{VARIABLE}: {error}"))?
        }
        None => EnvFilter::builder().parse(directives_of(log)).map_err(|error| format!("log.targets: {error}"))?,
    };
    let repeats = Repeats { now_ns: clock::monotonic_ns };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    Ok(match log.format {
        LogFormat::Text => Box::new(builder.finish().with(repeats)),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish().with(repeats)),
    })
}

/// The level of everything, then those of targets that have one of their own; the longest that fits an event counts.
fn directives_of(log: &Log) -> String {
    let targets = log.targets.iter().map(|(target, of_target)| format!(",{target}={}", level(*of_target)));
    format!("{},audit=info{}", level(log.level), targets.collect::<String>())
}

type Dispatched = dyn tracing::Subscriber + Send + Sync;

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

/// Escapes every control character except the end of the line. The subscriber writes each event with one call.
struct OneLine<W> {
    to: W,
    format: LogFormat,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        if text.contains(char::is_control) {
            let mut line = String::with_capacity(event.len() + 16);
            for c in text.chars() {
                match self.format {
                    _ if !c.is_control() => line.push(c),
                    LogFormat::Text => line.extend(c.escape_default()),
                    // A string takes all. Of what is below U+0020 the encoder has left nothing.
                    LogFormat::Json => drop(write!(line, "\\u{:04x}", u32::from(c))),
                }
            }
            line.push_str(end);
            self.to.write_all(line.as_bytes())?;
        } else {
            self.to.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: Log, directives: Option<&str>, work: impl FnOnce()) -> String {
        let captured = Captured::default();
        let to = captured.clone();
        let format = log.format;
        let subscriber = subscriber(&log, directives, move || OneLine { to: to.clone(), format }).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const TEXT: Log = Log { format: LogFormat::Text, level: LogLevel::Info, targets: Vec::new() };
    const JSON: Log = Log { format: LogFormat::Json, level: LogLevel::Info, targets: Vec::new() };

    #[test]
    fn a_peer_cannot_forge_a_line_or_steer_the_terminal() {
        for log in [TEXT, JSON] {
            let text = logged(log, None, || {
                let system_id = "x\n2026-01-01 ERROR forged\x1b[2J\u{9b}";
                tracing::info!(system_id, %system_id, "bind refused\r\nfor {system_id}");
            });
            assert_eq!(text.lines().count(), 1, "{text:?}");
            assert!(text.ends_with('\n') && !text.trim_end_matches('\n').contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn the_level_is_the_configured_one_unless_directives_replace_it() {
        let work = || {
            tracing::info!("seen");
            tracing::debug!("hidden");
        };
        let text = logged(TEXT, None, work);
        assert!(text.contains("seen") && !text.contains("hidden"), "{text}");
        let quiet = Log { level: LogLevel::Error, ..TEXT };
        let text = logged(quiet, None, || {
            tracing::info!("hidden");
            tracing::info!(target: "audit", "who did what");
        });
        assert!(text.contains("who did what") && !text.contains("hidden"), "{text}");
        let text = logged(TEXT, Some("error"), || tracing::info!(target: "audit", "who did what"));
        assert!(text.contains("who did what"), "{text}");
        let text = logged(TEXT, Some("debug"), work);
        assert!(text.contains("seen") && text.contains("hidden"), "{text}");
        assert!(subscriber(&TEXT, Some("trunkline=loud"), io::stderr).is_err());
    }

    #[test]
    fn a_target_may_have_a_level_of_its_own() {
        let targets = [("trunkline::runtime::tls", LogLevel::Debug), ("audit", LogLevel::Error)];
        let log = Log { targets: targets.map(|(target, level)| (target.to_owned(), level)).into(), ..TEXT };
        let text = logged(log, None, || {
            tracing::debug!("hidden");
            tracing::debug!(target: "trunkline::runtime::tls", "a handshake");
            tracing::info!(target: "audit", "also hidden");
        });
        assert!(text.contains("a handshake") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn a_json_event_is_json_whatever_octets_a_peer_wrote() {
        let octets: String = (0..=0xFF_u8).map(char::from).collect();
        let text = logged(JSON, None, || tracing::info!(system_id = octets, "bind refused"));
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["system_id"], octets);
        assert!(!text.trim_end_matches('\n').contains(char::is_control), "{text:?}");
    }

    #[test]
    fn a_json_event_is_one_object_with_its_fields_beside_the_message() {
        let text = logged(JSON, None, || tracing::warn!(carrier = "north", links = 2, "link lost"));
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["level"], "WARN");
        assert_eq!(event["message"], "link lost");
        assert_eq!((&event["carrier"], &event["links"]), (&"north".into(), &2.into()));
    }
}

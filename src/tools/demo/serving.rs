//! `trunkline demo --serve`: the gateway between a simulated carrier and whoever wants to try it, by SMPP and by HTTP, until it is
//! interrupted.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Carrier, DemoArgs, Gateway, callbacks};

const LOOK: Duration = Duration::from_millis(100);
/// Of the carrier.
const LINKS: u32 = 2;
/// SHA-256 of `demo-token`.
const TOKEN: &str = "7c43ef5ae21d43ce2743f770c68e24def1a43ee2f416d2438410c8af7af2ff2c";

/// Serves until `stop` is raised.
pub(super) fn serve(args: &DemoArgs, directory: &Path, stop: &Arc<AtomicBool>) -> Result<(), String> {
    let carrier = Carrier::start("--receipts 1s..2s")?;
    let callbacks = callbacks::start()?;
    let [admin] = crate::tools::free_addresses().map_err(|error| format!("no free port: {error}"))?;
    let mut gateway = Gateway::start(directory, &configuration(args, admin, carrier.address, callbacks))?;
    gateway.wait_until_ready(admin, stop)?;
    gateway.wait_for_links(admin, LINKS, stop)?;
    println!("{}", welcome(args, admin));
    while !stop.load(Ordering::Relaxed) {
        if !gateway.is_running() {
            return Err(format!("the gateway ended{}", gateway.log_tail()));
        }
        std::thread::park_timeout(LOOK);
    }
    gateway.end();
    carrier.end().map(drop)
}

fn welcome(args: &DemoArgs, admin: SocketAddr) -> String {
    let (smpp, http, shards) = (args.smpp, args.http, args.shards);
    format!(
        r#"SMPP       {smpp}   system_id demo, password demo
HTTP       http://{http}   account demo, password demo; or the bearer token demo-token
metrics    http://{admin}/metrics
{shards} shards; a simulated carrier delivers everything after a second or two. Callbacks are printed here. Ctrl-C ends it.

curl -u demo:demo -H 'Content-Type: application/json' \
  -d '{{"to": "4917012345678", "from": "ACME", "text": "Hello", "receipt": true}}' \
  http://{http}/v1/messages
"#
    )
}

fn configuration(args: &DemoArgs, admin: SocketAddr, carrier: SocketAddr, callbacks: SocketAddr) -> String {
    let (smpp, http, shards) = (args.smpp, args.http, args.shards);
    format!(
        r#"shards: {shards}
drain: 5s
store: {{ path: store }}
smpp: {{ listen: ["{smpp}"] }}
http: {{ listen: ["{http}"] }}
admin: {{ listen: "{admin}" }}
accounts:
  demo:
    password: demo
    tokens: [{{ sha256: {TOKEN} }}]
    max_binds: 100
    status: 24h
    callback: {{ url: "http://{callbacks}/", secret: demo-secret, allow_http: true, allow_private: true }}
    callback_override: true
carriers:
  north: {{ connect: "{carrier}", system_id: us, password: secret, links: {LINKS} }}
routes:
  - to: [north]
mo:
  - to: demo
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Surroundings};

    #[test]
    fn its_configuration_is_sound_and_its_token_is_the_one_that_is_told() {
        let args: DemoArgs = crate::tools::from_flags("--serve").unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let text = configuration(&args, address, address, address);
        let surroundings = Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
        let config = config::parse(&text, &surroundings).unwrap().config;
        let digest = ring::digest::digest(&ring::digest::SHA256, b"demo-token");
        assert_eq!(config.accounts[0].tokens[0], digest.as_ref());
    }
}

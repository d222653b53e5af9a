//! What stands between load and carrier in a measured run, and the load.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;

use trunkline::tools::free_addresses;

use crate::processes::{Failure, Process, Site, TRUNKLINE, ask};

impl Site {
    /// This program again, as the bare relay.
    pub(crate) fn relay(&self, to: SocketAddr) -> Result<(Process, SocketAddr), Failure> {
        let flags = format!("relay --listen 127.0.0.1:0 --to {to}");
        self.start_announcing("relay", &std::env::current_exe()?, &flags, "listening ")
    }

    /// `trunkline serve` between a free port and the carrier, once all its `links` are bound.
    pub(crate) fn gateway(
        &self,
        to: SocketAddr,
        shards: u16,
        durability: &str,
        links: u32,
    ) -> Result<(Process, SocketAddr), Failure> {
        let [smpp, admin] = free_addresses()?;
        let file = self.directory.join("ratio.yaml");
        File::create(&file)?.write_all(configuration(smpp, admin, to, (shards, durability), links).as_bytes())?;
        let mut gateway = self.start("gateway", TRUNKLINE.as_ref(), &format!("serve --config {}", file.display()))?;
        let bound = format!("trunkline_links_bound{{carrier=\"north\"}} {links}\n");
        gateway.wait(|| ask(admin, "/metrics").is_some_and(|page| page.contains(&bound)))?;
        Ok((gateway, smpp))
    }

    /// Runs `trunkline load` to its end; its report.
    pub(crate) fn load(&self, to: SocketAddr, flags: &str) -> Result<serde_json::Value, Failure> {
        let flags = format!("load --connect {to} --system-id ratio --password ratio --dlr --json {flags}");
        let output = self.command(TRUNKLINE.as_ref(), &flags).stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            return Err(format!("load: {}\n{said}{why}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// With one shard nothing crosses; with two, account and carrier are pinned apart, so that everything does.
fn configuration(
    smpp: SocketAddr,
    admin: SocketAddr,
    carrier: SocketAddr,
    (shards, durability): (u16, &str),
    links: u32,
) -> String {
    let away = shards - 1;
    format!(
        r#"shards: {shards}
drain: 5s
store: {{ path: store, durability: {durability} }}
log: {{ level: warn }}
smpp: {{ listen: ["{smpp}"] }}
admin: {{ listen: "{admin}" }}
accounts:
  ratio: {{ password: ratio, max_binds: 1000, window: 100000, delivery_window: 100, shard: {away} }}
carriers:
  north: {{ connect: "{carrier}", system_id: us, password: secret, links: {links}, window: 100, queue: 100000, shard: 0 }}
routes:
  - to: [north]
"#
    )
}

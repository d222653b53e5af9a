//! Who answers HTTP requests in a measured run.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;

use trunkline::tools::free_addresses;

use crate::processes::{Failure, Process, Site, TRUNKLINE, ask};

impl Site {
    /// This program again, as the bare echo.
    pub(crate) fn echo(&self) -> Result<(Process, SocketAddr), Failure> {
        self.start_announcing("echo", &std::env::current_exe()?, "echo --listen 127.0.0.1:0", "listening ")
    }

    /// `trunkline serve` with HTTP, once its links to the carrier are bound.
    pub(crate) fn web_gateway(
        &self,
        to: SocketAddr,
        (shards, durability): (u16, &str),
    ) -> Result<(Process, SocketAddr), Failure> {
        let [smpp, admin, http] = free_addresses()?;
        let file = self.directory.join("http.yaml");
        let configuration = format!(
            r#"shards: {shards}
drain: 5s
store: {{ path: store, durability: {durability} }}
log: {{ level: warn }}
smpp: {{ listen: ["{smpp}"] }}
http: {{ listen: ["{http}"] }}
admin: {{ listen: "{admin}" }}
accounts:
  bench: {{ password: bench, window: 100000, shard: 0 }}
carriers:
  north: {{ connect: "{to}", system_id: us, password: secret, links: 4, window: 100, queue: 100000, shard: 0 }}
routes:
  - to: [north]
"#
        );
        File::create(&file)?.write_all(configuration.as_bytes())?;
        let mut gateway = self.start("gateway", TRUNKLINE.as_ref(), &format!("serve --config {}", file.display()))?;
        let bound = "trunkline_links_bound{carrier=\"north\"} 4\n";
        gateway.wait(|| ask(admin, "/metrics").is_some_and(|page| page.contains(bound)))?;
        Ok((gateway, http))
    }
}

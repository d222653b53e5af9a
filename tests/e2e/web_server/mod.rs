//! HTTP over raw sockets: what SECURITY.md says of bad requests, of who is let in, and of the end of the process. The rows of its table
//! on HTTP are tests here, named after them.

mod access;
pub mod client;
mod drain;
mod framing;
mod limits;
mod over_tls;
mod smuggling;

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::gateway::free_address;
use crate::world::World;
use client::Client;

/// The usual stage, with HTTP in clear.
struct Stage {
    world: World,
    address: SocketAddr,
}

impl Stage {
    fn new() -> Self {
        Self::with("", "", "")
    }

    /// With more settings of `acme`, more keys of `http`, and more lines for the file.
    fn with(acme: &str, http: &str, more: &str) -> Self {
        let address = free_address();
        let world = World::with(acme, &format!("http: {{ listen: \"{address}\", {http} }}\n{more}"));
        Self { world, address }
    }

    fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address).unwrap())
    }

    /// From another address of this machine, `127.0.0.LAST`.
    fn connect_from(&self, last: u8) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        Client::over(socket.into())
    }

    /// Texts of what a carrier was given, but for what the customer beside sent.
    fn sent(&self) -> Vec<String> {
        let submits = self.world.carrier.submits();
        let text = |body: &Vec<u8>| {
            let view = trunkline::smpp::view::SmView::submit(body).unwrap();
            String::from_utf8_lossy(view.short_message).into_owned()
        };
        submits.iter().map(text).filter(|text| text != "first" && text != "beside").collect()
    }

    /// The sum over both shards, once it passes.
    fn wait_for_sum(&self, name: &str, labels: &str, expected: f64) {
        let give_up = std::time::Instant::now() + crate::peer::PATIENCE;
        loop {
            let of_shard = |shard: u8| {
                let series = format!("{name}{{shard=\"{shard}\"{labels}}}");
                self.world.gateway.wait_for_metric(&series, |_| true)
            };
            let sum = of_shard(0) + of_shard(1);
            if sum == expected {
                return;
            }
            assert!(sum < expected && std::time::Instant::now() < give_up, "{name}{labels}: {sum}, not {expected}");
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
    }

    /// Nobody noticed anything: a good connection is served, the session beside too, and nothing panicked.
    fn is_well(&mut self) {
        let mut good = self.connect();
        good.send(&client::submit("well"));
        assert_eq!(good.answer().status, 200);
        self.world.is_well();
        let log = self.world.gateway.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

//! What faces the network: SMPP, HTTP and admin listeners, their TLS, and the limits on who may connect.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ahash::AHashMap;

use super::reader::{Fields, Reading, Value, shown_key};
use super::scalars::{duration, flag, listen_address, printable, size, whole};
use super::{Admin, Config, DeliverMo, Http, HttpTimers, Limits, Network, Smpp, Timers, TlsListener};

const DEFAULT_SMPP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 2775);
const DEFAULT_SMPP_TLS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 3550);
const DEFAULT_HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

pub(super) fn read_smpp(smpp: &mut Fields<'_>) -> Smpp {
    let (listen, tls) = read_listen_and_tls(smpp, DEFAULT_SMPP, Some(DEFAULT_SMPP_TLS));
    let timers = Timers {
        session_init: smpp.parse_or("session_init", Duration::from_secs(5), duration),
        enquire_link: smpp.parse_or("enquire_link", Duration::from_secs(30), duration),
        inactivity: smpp.parse_or("inactivity", Duration::from_secs(300), duration),
        response: smpp.parse_or("response", Duration::from_secs(20), duration),
    };
    if timers.inactivity <= timers.enquire_link {
        let message = "is not longer than enquire_link, so idle sessions end before they are asked";
        smpp.reading.warn(smpp.path_of("inactivity"), message);
    }
    let proxy_protocol = smpp.parse_or("proxy_protocol", false, flag);
    let proxy_from = smpp.parse_list("proxy_from", Network::parse);
    if proxy_from.is_some() && !proxy_protocol {
        smpp.reading.warn(smpp.path_of("proxy_from"), "has no effect without `proxy_protocol: true`");
    }
    if proxy_protocol && proxy_from.is_none() {
        let message = "is missing: whoever reaches these listeners says where he comes from, and is believed by allow_from, \
                       bans and caps";
        smpp.reading.warn(smpp.path_of("proxy_from"), message);
    }
    let max_pdu = smpp.parse_or("max_pdu", 64 << 10, size(1 << 10..=1 << 20));
    Smpp {
        listen,
        tls,
        proxy_protocol,
        proxy_from,
        system_id: smpp.parse_or("system_id", "trunkline".to_owned(), printable(1..=15)),
        timers,
        max_pdu: usize::try_from(max_pdu).unwrap_or(usize::MAX),
    }
}

pub(super) fn read_http(http: &mut Fields<'_>) -> Http {
    let (listen, tls) = read_listen_and_tls(http, DEFAULT_HTTP, None);
    let forwarded_from = http.parse_list("forwarded_from", Network::parse).unwrap_or_default();
    let default = HttpTimers::default();
    let timers = HttpTimers {
        head: http.parse_or("head", default.head, duration),
        body: http.parse_or("body", default.body, duration),
        idle: http.parse_or("idle", default.idle, duration),
        unread: http.parse_or("unread", default.unread, duration),
    };
    Http { listen, tls, forwarded_from, timers }
}

pub(super) fn read_admin(admin: &mut Fields<'_>) -> Admin {
    let listen = admin.parse_or("listen", DEFAULT_ADMIN, listen_address);
    // A token that is there but wrong has its own problem; only its absence is told here.
    let token_value = admin.take("token");
    let token = token_value.as_ref().and_then(Value::nonempty_secret);
    if token_value.is_none() && !listen.ip().to_canonical().is_loopback() {
        let message = format!("is missing: {listen} is not on loopback, and whoever reaches it may change this node");
        admin.reading.problem(admin.path_of("token"), message);
    }
    Admin { listen, token }
}

pub(super) fn read_limits(limits: &mut Fields<'_>) -> Limits {
    let count = || whole(1..=u64::from(u32::MAX));
    Limits {
        connections: limits.parse_or("connections", 20_000, count()),
        unbound: limits.parse_or("unbound", 2_000, count()),
        unbound_per_address: limits.parse_or("unbound_per_address", 200, count()),
        http: limits.parse_or("http", 10_000, count()),
        http_per_address: limits.parse_or("http_per_address", 1_000, count()),
        ban_exempt: limits
            .parse_list("ban_exempt", Network::parse)
            .unwrap_or_else(|| vec![Network { address: Ipv4Addr::new(127, 0, 0, 0).into(), prefix: 8 }]),
    }
}

/// Problems that only show when all listeners are known.
pub(super) fn check(config: &Config, reading: &Reading<'_>) {
    let mut listeners: Vec<(&str, SocketAddr)> = Vec::new();
    let tls = |tls: &Option<TlsListener>| tls.as_ref().map(|tls| tls.listen.clone()).unwrap_or_default();
    let mut add = |path, addresses: &[SocketAddr]| listeners.extend(addresses.iter().map(|address| (path, *address)));
    add("smpp.listen", &config.smpp.listen);
    add("smpp.tls.listen", &tls(&config.smpp.tls));
    if let Some(http) = &config.http {
        add("http.listen", &http.listen);
        add("http.tls.listen", &tls(&http.tls));
    }
    add("admin.listen", &[config.admin.listen]);
    for (i, (path, address)) in listeners.iter().enumerate() {
        if let Some((other, taken)) = listeners[..i].iter().find(|(_, other)| collide(*other, *address)) {
            reading.problem(*path, format!("{address} cannot be listened on: {other} has {taken}"));
        }
    }
}

/// What accounts ask of TLS must be possible over one of the listeners.
pub(super) fn check_accounts(config: &Config, reading: &Reading<'_>) {
    let over_http = config.http.as_ref().and_then(|http| http.tls.as_ref());
    let tls: Vec<_> = config.smpp.tls.iter().chain(over_http).collect();
    let mut tokens = AHashMap::new();
    for account in &config.accounts {
        let path = |key| format!("accounts.{}.{key}", shown_key(&account.name));
        if account.client_certificate.as_ref().is_some_and(|names| !names.is_empty())
            && tls.iter().all(|tls| tls.client_ca.is_none())
        {
            reading.problem(
                path("client_certificate"),
                "needs `smpp.tls` or `http.tls` with a `client_ca`: no certificate is asked for",
            );
        }
        if account.tls_required && tls.is_empty() {
            reading.warn(path("tls"), "is required, and there is no `smpp.tls` to bind over, nor `http.tls`");
        }
        let only_over_http = [
            ("tokens", !account.tokens.is_empty()),
            ("callback_override", account.callback_override),
            ("callback", account.callback.is_some() && account.deliver == DeliverMo::Smpp),
        ];
        for (key, _) in only_over_http.into_iter().filter(|(_, is_set)| *is_set && config.http.is_none()) {
            reading.warn(path(key), "has no effect without an `http` section");
        }
        for token in &account.tokens {
            if let Some(other) = tokens.insert(token, &account.name).filter(|other| **other != account.name) {
                reading
                    .problem(path("tokens"), format!("holds a token that opens `accounts.{}` too", shown_key(other)));
            }
        }
    }
}

/// Port 0 is any free port and never collides.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_address = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && a.is_ipv4() == b.is_ipv4() && same_address
}

fn read_listen_and_tls(
    fields: &mut Fields<'_>,
    default: SocketAddr,
    default_tls: Option<SocketAddr>,
) -> (Vec<SocketAddr>, Option<TlsListener>) {
    let value = fields.take("listen");
    let tls = fields.optional("tls", |tls| read_tls(tls, default_tls));
    if let Some(value) = &value
        && value.is_empty_list()
        && tls.is_none()
    {
        value.problem("must name at least one address");
    }
    let listen = value.map_or_else(|| vec![default], |value| addresses(&value));
    (listen, tls)
}

fn read_tls(tls: &mut Fields<'_>, default: Option<SocketAddr>) -> TlsListener {
    let value = if default.is_some() { tls.take("listen") } else { tls.required("listen") };
    let listen = match value {
        Some(value) => {
            if value.is_empty_list() {
                value.problem("must name at least one address");
            }
            addresses(&value)
        }
        None => default.into_iter().collect(),
    };
    let path = |value: Option<Value<'_>>| value.and_then(|value| value.path());
    TlsListener {
        listen,
        certificate: path(tls.required("certificate")).unwrap_or_else(PathBuf::new),
        key: path(tls.required("key")).unwrap_or_else(PathBuf::new),
        client_ca: path(tls.take("client_ca")),
    }
}

fn addresses(value: &Value<'_>) -> Vec<SocketAddr> {
    value.elements().iter().filter_map(|element| element.parse(listen_address)).collect()
}

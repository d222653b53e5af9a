//! What a configuration will do, in its operator's words. No secret is in it.

use std::fmt::Write;
use std::net::SocketAddr;

use super::{
    Account, Accounts, Carrier, CarrierState, CarrierTls, Choose, Conditions, Config, Connect, MoRoute, Pattern, Rate,
    Route, RouteTarget, ShardPin, TlsListener, UnroutedMo,
};

const EVERYTHING: &str = "everything";

/// Listeners, accounts, carriers and routes, a line each.
#[must_use]
pub fn summary(config: &Config) -> String {
    let mut lines = vec![node(config)];
    lines.extend(listeners(config));
    lines.extend(config.cdr.as_ref().map(|cdr| format!("call detail records in {}", cdr.path.display())));
    lines.push(format!("accounts: {}", config.accounts.len()));
    lines.extend(config.accounts.iter().map(account));
    lines.push(format!("carriers: {}", config.carriers.len()));
    lines.extend(config.carriers.iter().map(carrier));
    if let Some(numbers) = &config.numbers {
        let networks = counted(numbers.networks().len() as u32, "network");
        lines.push(format!("numbers: {} of {networks}", counted(numbers.ranges() as u32, "range")));
    }
    lines.push(format!("routes: {}, the first that matches decides", config.routes.len()));
    lines.extend(config.routes.iter().map(|route| format!("  {}", route_in_words(config, route))));
    lines.push(format!(
        "mobile originated: {}; otherwise {}",
        config.mo.len(),
        match config.unrouted_mo {
            UnroutedMo::Keep => "kept",
            UnroutedMo::Refuse => "refused",
        }
    ));
    lines.extend(config.mo.iter().map(|entry| mo_route(config, entry)));
    lines.join("\n") + "\n"
}

fn node(config: &Config) -> String {
    let shards =
        config.shards.map_or_else(|| "one shard per core".to_owned(), |shards| counted(shards.get().into(), "shard"));
    format!("node {}: {shards}, store {}", config.node, config.store.path.display())
}

fn listeners(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |what: &str, listen: &[SocketAddr], tls: &Option<TlsListener>| {
        if !listen.is_empty() {
            lines.push(format!("{what} on {}", joined(listen.iter(), ", ")));
        }
        if let Some(tls) = tls {
            lines.push(format!("{what} over TLS on {}", joined(tls.listen.iter(), ", ")));
        }
    };
    add("SMPP", &config.smpp.listen, &config.smpp.tls);
    if let Some(http) = &config.http {
        add("HTTP", &http.listen, &http.tls);
    }
    add("admin", &[config.admin.listen], &None);
    lines
}

fn account(account: &Account) -> String {
    let mut line =
        format!("  {}: up to {}, window {}", account.name, counted(account.max_binds, "bind"), account.window);
    if let Some(group) = &account.group {
        let _ = write!(line, ", of group {group}");
    }
    push_rate(&mut line, account.rate);
    match account.allow_from.as_deref() {
        None => {}
        Some([]) => line.push_str(", allowed from nowhere"),
        Some(networks) => {
            let networks = networks.iter().map(|network| format!("{}/{}", network.address, network.prefix));
            let _ = write!(line, ", only from {}", joined(networks, " "));
        }
    }
    if account.tls_required {
        line.push_str(", TLS only");
    }
    if let Some(sender) = &account.force_sender {
        let _ = write!(line, ", always sends as {sender}");
    } else if let Some(senders) = &account.senders {
        let _ = write!(line, ", sends as {}", patterns(senders));
    }
    if let Some(destinations) = &account.destinations {
        let _ = write!(line, ", sends to {}", patterns(destinations));
    }
    push_pin(&mut line, account.shard);
    if !account.submit {
        line.push_str(", its submits are refused");
    }
    if !account.enabled {
        line.push_str(", DISABLED");
    }
    line
}

fn carrier(carrier: &Carrier) -> String {
    let links = carrier.links.get().into();
    let (links, at) = match &carrier.connect {
        Connect::Transceiver(at) => (counted(links, "transceiver link"), at.clone()),
        Connect::TransmitterReceiver { transmitter, receiver } if transmitter == receiver => {
            (format!("{} and as many receivers", counted(links, "transmitter link")), transmitter.clone())
        }
        Connect::TransmitterReceiver { transmitter, receiver } => (
            format!("{} and as many receivers", counted(links, "transmitter link")),
            format!("{transmitter} and {receiver}"),
        ),
    };
    let tls = match &carrier.tls {
        CarrierTls::Off => "",
        CarrierTls::On { .. } => " over TLS",
    };
    let mut line =
        format!("  {}: {links} to {at}{tls} as {}, window {} each", carrier.name, carrier.system_id, carrier.window);
    push_rate(&mut line, carrier.rate);
    push_pin(&mut line, carrier.shard);
    line.push_str(match carrier.state {
        CarrierState::Active => "",
        CarrierState::Drain => ", DRAINED: receives only",
        CarrierState::Off => ", OFF",
    });
    line
}

/// What a route asks for, and its carriers.
#[must_use]
pub fn route_in_words(config: &Config, route: &Route) -> String {
    let target = |target: &RouteTarget| {
        let name = &config.carrier(target.carrier).name;
        match target.weight {
            None => name.clone(),
            Some(0) => format!("{name} (draining)"),
            Some(weight) => format!("{name} ({weight})"),
        }
    };
    let (first, between) = match route.choose {
        Choose::Order => ("", ", then "),
        Choose::Weight => ("", " or "),
        Choose::LeastLoaded => ("the least loaded of ", ", "),
    };
    format!("{} -> {first}{}", conditions(config, &route.when), joined(route.to.iter().map(target), between))
}

fn conditions(config: &Config, when: &Conditions) -> String {
    let who = match &when.accounts {
        Accounts::All => None,
        Accounts::Named(ids) => Some(format!("from {}", joined(ids.iter().map(|id| &config.account(*id).name), "|"))),
        Accounts::Groups(names) => Some(format!("from group {}", names.join("|"))),
    };
    let mut text = condition(who, &when.destination, &when.source);
    let codings = when.data_coding.as_ref().map(|codings| {
        let shown = codings.iter().map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => format!("{first:#04x}"),
            (first, last) => format!("{first:#04x}..{last:#04x}"),
        });
        format!("data_coding {}", joined(shown, "|"))
    });
    let network = when.network.as_ref().map(|network| format!("to {network}"));
    for further in [codings, network].into_iter().flatten() {
        text = if text == EVERYTHING { further } else { format!("{text} {further}") };
    }
    text
}

fn mo_route(config: &Config, route: &MoRoute) -> String {
    let who = route.carrier.map(|id| format!("from {}", config.carrier(id).name));
    let mut when = condition(who, &route.destination, &route.source);
    if let Some(keywords) = &route.keyword {
        let keywords = keywords.iter().map(|word| format!("{}{}", word.text, if word.is_prefix { "*" } else { "" }));
        when = format!("{when} that begins with {}", joined(keywords, "|"));
    }
    format!("  {when} -> {}", config.account(route.to).name)
}

fn condition(who: Option<String>, destination: &Option<Vec<Pattern>>, source: &Option<Vec<Pattern>>) -> String {
    let destination = destination.as_ref().map(|list| format!("to {}", patterns(list)));
    let source = source.as_ref().map(|list| format!("sent as {}", patterns(list)));
    let parts: Vec<String> = [who, destination, source].into_iter().flatten().collect();
    if parts.is_empty() { EVERYTHING.to_owned() } else { parts.join(" ") }
}

fn push_rate(line: &mut String, rate: Option<Rate>) {
    let _ = match rate {
        None => write!(line, ", no rate limit"),
        Some(rate) => write!(line, ", {} segments/s (burst {})", rate.per_second, rate.burst),
    };
}

fn push_pin(line: &mut String, pin: ShardPin) {
    if let ShardPin::Shard(shard) = pin {
        let _ = write!(line, ", on shard {shard}");
    }
}

fn patterns(patterns: &[Pattern]) -> String {
    if patterns.is_empty() {
        return "nothing".to_owned();
    }
    joined(patterns.iter(), "|")
}

fn counted(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn joined(items: impl Iterator<Item = impl ToString>, between: &str) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}

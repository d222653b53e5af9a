//! The admin API of carriers: how they stand, and orders to them or to one of their links.
//!
//! `GET /carriers`, `GET /carriers/NAME`, and `POST /carriers/NAME/pause`, `drain` (`?within=10m`), `resume`; the same behind
//! `/carriers/NAME/links/N/`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, Request, StatusCode};
use serde_json::Value;

use crate::config::{CarrierId, Config, Connect, parse_duration};
use crate::engine::orders::Order;
use crate::engine::snapshot::CarrierStatus;
use crate::runtime::admin::answer::{Answered, Refusal, is_method, is_no_web_page, refusal, shown_address};
use crate::runtime::admin::path;
use crate::runtime::admin::routing::find_carrier;
use crate::runtime::admin::shards::Shards;
use crate::runtime::admin::status::shown_standing;
use crate::runtime::mailbox::Question;

pub struct Carriers {
    shards: Shards,
}

/// What a path asks for.
#[derive(Debug, Eq, PartialEq)]
enum Asked {
    All,
    One(CarrierId),
    Order { carrier: CarrierId, link: Option<u16>, order: Order },
}

impl Carriers {
    #[must_use]
    pub fn new(shards: Shards) -> Self {
        Self { shards }
    }

    fn config(&self) -> Arc<Config> {
        self.shards.config()
    }

    pub async fn answer<B>(&self, request: &Request<B>, from: Option<IpAddr>) -> Answered {
        let uri = request.uri();
        let asked = self.read(request.method(), uri.path(), uri.query())?;
        let Asked::Order { carrier, link, order } = asked else {
            let all = self.ask(None).await?;
            return Ok(match asked {
                Asked::One(carrier) => self.shown_one(&all, carrier),
                Asked::All | Asked::Order { .. } => {
                    let config = self.config();
                    let there = all.iter().filter(|status| !config.carrier(status.carrier).is_gone);
                    there.map(|status| self.shown(status)).collect()
                }
            });
        };
        is_no_web_page(request)?;
        let config = self.config();
        let name = config.carrier(carrier).name.as_str();
        let from = shown_address(from);
        match order {
            Order::Pause => tracing::info!(target: "audit", carrier = name, link, from, "pause"),
            Order::Drain { within } => tracing::info!(target: "audit", carrier = name, link, from, ?within, "drain"),
            Order::Resume => tracing::info!(target: "audit", carrier = name, link, from, "resume"),
        }
        // Told before: a shard that answers too late has taken the order all the same.
        let all = self.ask(Some((carrier, link, order))).await?;
        Ok(self.shown_one(&all, carrier))
    }

    fn read(&self, method: &Method, path: &str, query: Option<&str>) -> Result<Asked, Refusal> {
        let parts = path::parts(path);
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let takes_no_query = || match query {
            None | Some("") => Ok(()),
            Some(_) => Err(refusal(StatusCode::BAD_REQUEST, "takes no query")),
        };
        let Some((name, rest)) = parts.split_first() else {
            is_method(method, "GET")?;
            return takes_no_query().map(|()| Asked::All);
        };
        let carrier = self.carrier(name)?;
        if rest.is_empty() {
            is_method(method, "GET")?;
            return takes_no_query().map(|()| Asked::One(carrier));
        }
        let (link, word) = match rest {
            [word] => (None, *word),
            ["links", link, word] => (Some(self.link(carrier, link)?), *word),
            _ => return Err(refusal(StatusCode::NOT_FOUND, "not found")),
        };
        let order = match word {
            "pause" => Order::Pause,
            "drain" => Order::Drain { within: None },
            "resume" => Order::Resume,
            _ => return Err(refusal(StatusCode::NOT_FOUND, "not found: there are pause, drain and resume")),
        };
        is_method(method, "POST")?;
        let order = match (order, query.filter(|query| !query.is_empty())) {
            (Order::Drain { .. }, Some(query)) => Order::Drain { within: Some(read_within(query)?) },
            (order @ Order::Drain { .. }, None) => order,
            (order @ (Order::Pause | Order::Resume), _) => takes_no_query().map(|()| order)?,
        };
        Ok(Asked::Order { carrier, link, order })
    }

    fn carrier(&self, name: &str) -> Result<CarrierId, Refusal> {
        find_carrier(&self.config(), name)
    }

    fn link(&self, carrier: CarrierId, text: &str) -> Result<u16, Refusal> {
        let config = self.config();
        let config = config.carrier(carrier);
        let each = match config.connect {
            Connect::Transceiver(_) => 1,
            Connect::TransmitterReceiver { .. } => 2,
        };
        let count = u32::from(config.links.get()) * each;
        let is_number = text.bytes().all(|octet| octet.is_ascii_digit());
        let link = text.parse::<u16>().ok().filter(|_| is_number).filter(|link| u32::from(*link) < count);
        link.ok_or_else(|| {
            let why = format!("there is no link {text:?}: {:?} has 0 to {}", config.name, count - 1);
            refusal(StatusCode::NOT_FOUND, why)
        })
    }

    /// Asks every shard; the carriers come in the order of the file.
    async fn ask(&self, order: Option<(CarrierId, Option<u16>, Order)>) -> Result<Vec<CarrierStatus>, Refusal> {
        let mut all = self.shards.all(|answer| Question::Carriers { order, answer }).await?;
        all.sort_by_key(|status| status.carrier);
        Ok(all)
    }

    fn shown_one(&self, all: &[CarrierStatus], carrier: CarrierId) -> Value {
        all.iter().find(|status| status.carrier == carrier).map_or(Value::Null, |status| self.shown(status))
    }

    fn shown(&self, status: &CarrierStatus) -> Value {
        shown_standing(self.config().carrier(status.carrier), status)
    }
}

fn read_within(query: &str) -> Result<Duration, Refusal> {
    let bad = |why: &str| refusal(StatusCode::BAD_REQUEST, why);
    let text = query.strip_prefix("within=").ok_or_else(|| bad("knows `within` alone, as in ?within=10m"))?;
    parse_duration(text).map_err(|why| bad(&format!("within: {why}")))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{self, Surroundings};
    use crate::runtime::live::Current;
    use crate::runtime::mailbox::Mailboxes;

    fn carriers() -> Carriers {
        let text = "carriers:\n  north: { connect: \"h:1\", system_id: u, password: p, links: 3 }\n  \
                    \"a/b c\": { connect: \"h:1\", system_id: u, password: p, bind: transmitter_receiver, links: 1 }\n";
        let file = |_: &Path| Err("no files".to_owned());
        let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
        let config = Arc::new(config::parse(text, &surroundings).unwrap().config);
        Carriers::new(Shards::new(Current::new(config), Arc::new(Mailboxes::new(1))))
    }

    #[test]
    fn a_path_says_which_carrier_which_link_and_what() {
        let (north, other) = (CarrierId(0), CarrierId(1));
        let drain = |seconds: u64| Order::Drain { within: Some(Duration::from_secs(seconds)) };
        for (method, path, query, asked) in [
            (Method::GET, "/carriers", None, Asked::All),
            (Method::GET, "/carriers/north", None, Asked::One(north)),
            (Method::GET, "/carriers/a%2Fb%20c", None, Asked::One(other)),
            (
                Method::POST,
                "/carriers/north/pause",
                None,
                Asked::Order { carrier: north, link: None, order: Order::Pause },
            ),
            (
                Method::POST,
                "/carriers/north/links/2/resume",
                Some(""),
                Asked::Order { carrier: north, link: Some(2), order: Order::Resume },
            ),
            (
                Method::POST,
                "/carriers/a%2fb%20c/links/1/drain",
                Some("within=5m"),
                Asked::Order { carrier: other, link: Some(1), order: drain(300) },
            ),
        ] {
            assert_eq!(carriers().read(&method, path, query), Ok(asked), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_or_not_meant_is_refused_with_its_reason() {
        for (method, path, query, status, why) in [
            (Method::GET, "/carriers/", None, 404, "no carrier \"\""),
            (Method::GET, "/carriers/south", None, 404, "no carrier \"south\""),
            (Method::POST, "/carriers/north/links/3/pause", None, 404, "\"north\" has 0 to 2"),
            (Method::POST, "/carriers/north/links/-1/pause", None, 404, "no link \"-1\""),
            (Method::POST, "/carriers/north/links/+1/pause", None, 404, "no link \"+1\""),
            (Method::GET, "/carriers/%+a", None, 404, "no carrier \"%+a\""),
            (Method::POST, "/carriers/north/links/0", None, 404, "not found"),
            (Method::POST, "/carriers/north/stop", None, 404, "pause, drain and resume"),
            (Method::POST, "/carriers", None, 405, "only GET"),
            (Method::POST, "/carriers/north", None, 405, "only GET"),
            (Method::GET, "/carriers/north/pause", None, 405, "only POST"),
            (Method::POST, "/carriers/north/drain", Some("within=5"), 400, "within: "),
            (Method::POST, "/carriers/north/drain", Some("until=5m"), 400, "`within` alone"),
            (Method::POST, "/carriers/north/pause", Some("within=5m"), 400, "takes no query"),
        ] {
            let refused = carriers().read(&method, path, query).unwrap_err();
            assert_eq!(refused.status.as_u16(), status, "{method} {path}: {refused:?}");
            assert!(refused.why.contains(why), "{method} {path}: {refused:?}");
            assert_eq!(refused.allow.is_some(), status == 405);
        }
    }

    #[test]
    fn a_shard_that_takes_no_questions_is_told_of_and_holds_no_more_than_a_box_full() {
        let mailboxes = Mailboxes::new(2);
        let question = |answer| Question::Carriers { order: None, answer };
        let asked = (0..1_000).filter(|_| mailboxes.ask(question).is_some()).count();
        assert_eq!((asked, mailboxes.take(0).len()), (64, 64));
        assert!(mailboxes.ask(question).is_none(), "the other's is full");
    }
}

//! The admin API: what an operator sees and changes while it runs, over the admin listener.

use std::time::Instant;

use serde_json::Value;
use trunkline::smpp::command::CommandId;

use crate::gateway::{Gateway, http, http_with};
use crate::peer::{PATIENCE, plain, with_receipt};
use crate::world::Scripted;

/// What `GET` answers, as JSON.
pub fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = http(gateway.admin, path).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("application/json"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Looks at a path until this is so.
pub fn wait_for(gateway: &Gateway, path: &str, passes: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let value = get(gateway, path);
        if passes(&value) {
            return value;
        }
        assert!(Instant::now() < give_up, "{value:#}");
    }
}

#[test]
fn the_status_tells_of_the_process_its_shards_accounts_and_carriers_at_one_moment() {
    let mut stage = Scripted::with("max_binds: 3, rate: 500, quota: { day: 1000 }", "rate: 200", "");
    stage.accepted(&with_receipt("one"), "n1");
    stage.acme.refused(&crate::peer::body("1000", "3310", b"nowhere", |_| {}), 0x0B);
    let (_, _) = stage.submit(&plain("two"));
    let status = get(&stage.gateway, "/status");
    assert_eq!(
        (&status["phase"], &status["durability"], &status["node"]),
        (&"ready".into(), &"fsync".into(), &0.into())
    );
    assert_eq!((&status["not_live"], &status["not_ready"]), (&Value::Null, &Value::Null));
    let (started, now) = (status["started"].as_u64().unwrap(), status["now_ms"].as_u64().unwrap());
    assert!(started > 1_600_000_000 && now >= started * 1000, "{started} {now}");

    let shards = status["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 2);
    for (at, shard) in shards.iter().enumerate() {
        assert_eq!((&shard["shard"], &shard["answers"], &shard["panics"]), (&at.into(), &true.into(), &0.into()));
        assert_eq!(shard["store"]["has_room"], true);
    }
    // The ESME's; links are not accepted.
    assert_eq!(shards[0]["connections"]["open"], 1);
    assert!(shards[1].get("connections").is_none(), "shard 0 alone knows of them");

    let acme = &status["accounts"][0];
    for (field, value) in [
        ("account", Value::from("acme")),
        ("shard", 1.into()),
        ("enabled", true.into()),
        ("sessions", 1.into()),
        ("receivers", 1.into()),
        ("max_binds", 3.into()),
        ("rate", 500.into()),
        ("submits", 3.into()),
        ("accepted", 1.into()),
        ("outstanding", 1.into()),
    ] {
        assert_eq!(acme[field], value, "{field} of {acme:#}");
    }
    assert_eq!(acme["refused"], serde_json::json!({ "no_route": 1 }));
    assert_eq!(acme["quota"]["day"], serde_json::json!({ "used": 2, "limit": 1000 }));

    let north = &status["carriers"][0];
    for (field, value) in [
        ("carrier", Value::from("north")),
        ("shard", 0.into()),
        ("order", "active".into()),
        ("configured_rate", 200.into()),
        ("links_bound", 1.into()),
        ("submits", 2.into()),
        ("outstanding", 1.into()),
        ("receipts_outstanding", 1.into()),
    ] {
        assert_eq!(north[field], value, "{field} of {north:#}");
    }
    assert_eq!(north["answers"], serde_json::json!({ "ok": 1 }));
    assert_eq!((&north["links"][0]["state"], &north["links"][0]["last_down"]), (&"bound".into(), &Value::Null));

    stage.link().shutdown();
    let status = wait_for(&stage.gateway, "/status", |status| status["carriers"][0]["links_bound"] == 0);
    let link = &status["carriers"][0]["links"][0];
    assert_eq!(link["last_down"]["why"], "peer_closed", "{link:#}");
    assert_eq!(status["carriers"][0]["in_doubt"], 1);
    let answer = http_with(stage.gateway.admin, "POST", "/status", "").unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 405 ") && answer.contains("allow: get"), "{answer}");
    assert_eq!(stage.acme.expect(CommandId::SUBMIT_SM_RESP).status, 0xFF);
}

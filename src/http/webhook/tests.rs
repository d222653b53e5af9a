use super::*;

/// The example of Standard Webhooks' own documentation and libraries.
#[test]
fn a_call_is_signed_as_standard_webhooks_has_it() {
    let key = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let body = r#"{"test": 2432232314}"#.to_owned();
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned();
    let secrets = [Secret::new(key), Secret::new("new")];
    let call = signed("https://h/", &secrets, id, body, 1_614_265_330);
    let header = |name| call.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let signatures: Vec<&str> = header("webhook-signature").unwrap().split(' ').collect();
    assert_eq!(signatures[0], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    // printf '%s' 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}' | openssl dgst -sha256 -hmac new -binary | base64
    assert_eq!(signatures[1..], ["v1,XlVor52g67coafEFmAiDjPDMvUPchV6NZJbEcXMNqUQ="]);
    assert_eq!(header("webhook-timestamp"), Some("1614265330"));
}

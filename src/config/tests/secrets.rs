//! Where secrets come from, and that they go nowhere.

use super::{Password, account, config, parse_text, problems, summary};

fn password(written: &str) -> String {
    format!("accounts: {{ a: {{ password: {written} }} }}")
}

#[test]
fn a_secret_is_a_value_a_variable_or_a_file() {
    for (written, expected) in [
        ("plain", "plain"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("true", "true"),
        ("\" x \"", " x "),
        ("{ env: SECRET }", "from-env"),
        ("{ file: secret }", "from-file"),
        ("{ file: /etc/trunkline/windows }", "from-file"),
        ("{ file: /run/two-lines }", "one\ntwo\n"),
    ] {
        let config = config(&password(written));
        let [Password::Plain(secret)] = config.accounts[0].passwords.as_slice() else { panic!("{written}") };
        assert_eq!(secret.expose(), expected.as_bytes(), "{written}");
    }
}

#[test]
fn several_passwords_and_hashes_stand_side_by_side() {
    let hash = "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KE5a/l/zqlNNBRVutrAt1wQ";
    let config = config(&password(&format!("[old, {{ env: SECRET }}, {{ argon2id: \"{hash}\" }}]")));
    let [Password::Plain(old), Password::Plain(new), Password::Argon2id(hashed)] =
        config.accounts[0].passwords.as_slice()
    else {
        panic!("{:?}", config.accounts[0].passwords)
    };
    assert_eq!((old.expose(), new.expose(), hashed.expose()), (&b"old"[..], &b"from-env"[..], hash.as_bytes()));
}

#[test]
fn a_callbacks_secrets_are_octets_or_base64_behind_whsec() {
    for (written, expected) in [
        ("plain", vec![&b"plain"[..]]),
        ("[{ env: SECRET }, whsec_AP8Q]", vec![b"from-env", b"\x00\xFF\x10"]),
        ("[whsec_/+A=, whsec_/+A]", vec![b"\xFF\xE0", b"\xFF\xE0"]),
    ] {
        let config = config(&account(&format!("callback: {{ url: \"https://h/\", secret: {written} }}")));
        let found: Vec<&[u8]> = config.accounts[0].calls.secrets.iter().map(|secret| secret.expose()).collect();
        assert_eq!(found, expected, "{written}");
    }
}

#[test]
fn an_account_whose_requests_name_callbacks_needs_none_of_its_own() {
    let config = config(&account("callback: { allow_http: true }, callback_override: true"));
    let account = &config.accounts[0];
    assert!(account.callback.is_none() && account.calls.allow_http);
}

#[test]
fn a_secret_that_is_not_there_is_a_problem() {
    for (written, path, message) in [
        ("", "password", "has no value"),
        ("\"\"", "password", "must not be empty"),
        ("[]", "password", "at least one"),
        ("[a, ~]", "password[1]", "must be"),
        ("[[a]]", "password[0]", "must be"),
        ("{ env: NOWHERE }", "password", "the environment variable \"NOWHERE\" is not set"),
        ("{ env: EMPTY }", "password", "the environment variable \"EMPTY\" is empty"),
        ("{ file: none }", "password", "the file /etc/trunkline/none cannot be read: no such file"),
        ("{ file: /run/empty }", "password", "the file /run/empty is empty"),
        ("{ file: /run/nul }", "password", "NUL"),
        ("{ env: SECRET, file: secret }", "password", "must be a value"),
        ("{ argon2id: hunter2 }", "password", "PHC"),
        ("{ argon2id: \"$argon2i$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KA\" }", "password", "PHC"),
        ("{ argon2id: \"$argon2id$v=16$m=1024,t=1,p=1$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KA\" }", "password", "PHC"),
        ("{ argon2id: \"$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ\" }", "password", "PHC"),
        ("{ argon2id: \"$argon2id$v=19$m=1024,t=0,p=1$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KA\" }", "password", "PHC"),
        ("{ argon2id: \"$argon2id$v=19$m=1024,t=1,p=999$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KA\" }", "password", "PHC"),
        (
            "{ argon2id: \"$argon2id$v=19$m=1048577,t=1,p=1$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KA\" }",
            "password",
            "too long",
        ),
        (
            "{ argon2id: \"$argon2id$v=19$m=65536,t=65,p=1$c2FsdHNhbHQ$q/cS8NQ2ebhnKjj1D+r8KA\" }",
            "password",
            "too long",
        ),
    ] {
        let found = problems(&password(written));
        assert_eq!(found.len(), 1, "{written}: {found:?}");
        assert_eq!(found[0].path, format!("accounts.a.{path}"), "{written}");
        assert!(found[0].message.contains(message), "{written}: {found:?}");
    }
}

#[test]
fn no_message_quotes_a_secret() {
    let hash = "hunter2".repeat(9);
    for text in [
        password("{ hunter2 }"),
        password("{ hunter2: x, hunter2: y }"),
        password("{ env: { hunter2: x } }"),
        password("[[hunter2]]"),
        password("[{ argon2id: hunter2 }]"),
        password(&format!("\"{}\"", "hunter2".repeat(1000))),
        password("\"hunter2\\0\""),
        password("!!int hunter2"),
        account(&format!("tokens: [{{ sha256: {hash} }}]")),
        account("tokens: [hunter2, { hunter2: x }]"),
        account("callback: { url: \"https://u:hunter2@h/\" }"),
        account("callback: { url: \"https://h/\", secret: [[hunter2]] }"),
        account("callback: { url: \"https://h/\", secret: whsec_hunter2! }"),
        "accounts: { a: hunter2 }".to_owned(),
        "admin: { token: [hunter2] }".to_owned(),
        "carriers: { c: { password: [hunter2], connect: \"h:1\", system_id: u } }".to_owned(),
    ] {
        for problem in problems(&text) {
            assert!(!problem.to_string().contains("hunter2"), "{text}: {problem}");
        }
    }
}

#[test]
fn neither_debug_output_nor_summary_nor_warnings_hold_a_secret() {
    let text = "admin: { token: hunter2-token }\n\
                accounts:\n  a:\n    password: [hunter2, { argon2id: \"$argon2id$v=19$m=64,t=1,p=1$hunter2hunter2AA$hunter2hunter2hunter2AAA\" }]\n\
                \x20   callback: { url: \"https://h/\", secret: hunter2 }\n\
                carriers: { c: { connect: \"h:1\", system_id: u, password: hunter2-is-long } }\n";
    let parsed = parse_text(text).unwrap();
    assert!(parsed.warnings.len() >= 2, "{:?}", parsed.warnings);
    for shown in [format!("{parsed:?}"), format!("{parsed:#?}"), summary(&parsed.config)] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

//! `trunkline ctl` as an operator finds it: with the configuration at hand but not its secrets, with the wrong token, with nobody there.

use std::net::TcpListener;

use crate::gateway::{Directory, Gateway, free_address, run};

const CONFIG: &str = r#"
admin: { LISTENS, token: { file: token } }
accounts:
  acme: { password: { env: ACME_PASSWORD } }
carriers:
  north: { connect: "127.0.0.1:1", system_id: us, password: { file: of-root } }
routes:
  - to: north
"#;

fn ctl(args: &[&str]) -> (i32, String, String) {
    run(&[&["ctl"], args].concat())
}

#[test]
fn the_configuration_says_where_and_with_which_token_though_its_secrets_are_not_to_be_had() {
    let gateway = Gateway::start("accounts:\n  acme: { password: secret }\n");
    let directory = Directory::new();
    directory.write("token", "s3cret\n");
    let yaml = CONFIG.replace("LISTENS", &format!("listen: \"{}\"", gateway.admin));
    let file = directory.write("trunkline.yaml", &yaml);
    let (code, out, error) = ctl(&["accounts", "--config", file.to_str().unwrap()]);
    assert_eq!((code, out.contains("acme"), error.as_str()), (0, true, ""));
    // What it needs must be right.
    let file = directory.write("trunkline.yaml", &yaml.replace("file: token", "env: NO_SUCH_TOKEN"));
    let (code, _, error) = ctl(&["accounts", "--config", file.to_str().unwrap()]);
    assert_eq!((code, error.contains("admin.token: ") && error.contains("NO_SUCH_TOKEN")), (78, true), "{error}");
}

#[test]
fn a_token_that_is_needed_and_one_that_is_wrong_are_told_apart() {
    let gateway = Gateway::start("accounts:\n  acme: { password: secret }\n");
    let answer = gateway.reload("admin: {", "admin: { token: s3cret,");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let admin = gateway.admin.to_string();
    let of = |name: &str, text: &str| gateway.directory.write(name, text).to_str().unwrap().to_owned();
    let (right, wrong, torn) = (of("right", "s3cret\n"), of("wrong", "S3cret"), of("torn", "s3\ncret"));
    assert_eq!(ctl(&["--admin", &admin, "--token-file", &right, "shards"]).0, 0);
    for (file, said) in
        [(Some(&wrong), "does not take this token"), (Some(&torn), "one line"), (None, "asks for a token")]
    {
        let more = file.map(|file| ["--token-file", file.as_str()]);
        let args = [&["--admin", admin.as_str(), "shards"][..], more.as_ref().map_or(&[], |more| &more[..])].concat();
        let (code, out, error) = ctl(&args);
        assert_eq!((code, out.as_str(), error.contains(said)), (1, "", true), "{file:?}: {error}");
    }
    assert!(gateway.log().contains("admin: a wrong token") && !gateway.log().contains("S3cret"), "{}", gateway.log());
}

#[test]
fn where_nobody_listens_or_somebody_else_does_is_said_in_a_line() {
    let nobody = free_address().to_string();
    let (code, _, error) = ctl(&["--admin", &nobody, "status"]);
    assert_eq!((code, error.lines().count()), (1, 1), "{error}");
    assert!(error.contains(&nobody) && error.contains("refused"), "{error}");
    let (code, _, error) = ctl(&["--admin", "127.0.0.1", "status"]);
    assert_eq!((code, error.as_str()), (1, "127.0.0.1: is no address such as 127.0.0.1:9090\n"));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let closing = std::thread::spawn(move || drop(other.accept()));
    let (code, _, error) = ctl(&["--admin", &address, "status"]);
    closing.join().unwrap();
    assert_eq!((code, error.lines().count()), (1, 1), "{error}");
}

//! schemathesis reads the OpenAPI document and asks all it says, and much that it does not.

use std::process::Stdio;

use crate::carrier::Carrier;
use crate::gateway::{Gateway, free_address};
use crate::peers::{self, skipped};

/// What schemathesis has to find right. Left out: that what its schema allows is always taken, for no schema says that a time must
/// be to come, or a header agree with its length; and that what it forbids never is, for of several messages the wrong ones have
/// their problems in an answer of 200.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,missing_required_header,unsupported_method,allow_header_conformance,ignored_auth";

#[test]
#[ignore = "fetches foreign software: just interop"]
fn no_request_is_answered_but_as_the_document_says() {
    let mut program = match peers::schemathesis() {
        Ok(program) => program,
        Err(why) => return skipped(&why),
    };
    let carrier = Carrier::listen().run();
    let http = free_address();
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, default_sender: ACME }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret }} }}
routes: [{{ to: north }}]
http: {{ listen: "{http}" }}
"#,
        carrier.address
    ));
    gateway.wait_for_metric("trunkline_links_bound{carrier=\"north\"}", |bound| bound >= 1.0);
    // Kannel's way to say who asks.
    gateway
        .directory
        .write("schemathesis.toml", "[parameters]\n\"query.username\" = \"acme\"\n\"query.password\" = \"secret\"\n");
    let examples = std::env::var("EXAMPLES").unwrap_or_else(|_| "100".to_owned());
    let document = format!("http://{http}/v1/openapi.json");
    program.args(["run", &document, "--auth", "acme:secret", "--continue-on-failure", "--output-sanitize", "false"]);
    program.args(["--max-examples", &examples, "--checks", CHECKS]).env("NO_COLOR", "1").stdin(Stdio::null());
    let output = program.current_dir(&gateway.directory.0).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{}", told.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
    assert!(output.status.success(), "{told}\n{}\n{}", String::from_utf8_lossy(&output.stderr), gateway.log());
    assert!(told.contains("5 selected / 5 total"), "{told}");
    assert!(!carrier.submits().is_empty(), "some were good");
}

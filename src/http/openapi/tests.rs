//! The document, held against the code it tells of.

use std::collections::BTreeSet;

use super::*;
use crate::http::fields::Field;

#[test]
fn the_document_in_the_repository_is_what_the_code_makes() {
    let written = include_str!("../../../docs/openapi.json");
    assert!(
        written == document(),
        "docs/openapi.json is another: UPDATE=1 cargo test --test e2e openapi writes it anew"
    );
}

#[test]
fn every_problem_is_a_requests_answer_or_a_paths() {
    let lists = [answers::OF_ANY, answers::OF_ACCOUNTS, answers::OF_SUBMIT, answers::OF_STATUS, &answers::OF_PATHS];
    for kind in Kind::ALL {
        assert!(lists.iter().any(|list| list.contains(kind)), "{kind:?} is no answer to anything");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn collect<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| collect(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut found = BTreeSet::new();
    collect(&document, &mut found);
    assert!(found.len() >= 8, "{found:?}");
    for reference in &found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(found.contains(format!("#/components/schemas/{name}").as_str()), "{name} is used nowhere");
    }
}

#[test]
fn the_message_has_every_field() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let properties = document["components"]["schemas"]["Message"]["properties"].as_object().unwrap();
    let names: BTreeSet<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    assert_eq!(properties.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
}

#[test]
fn sendsms_has_the_parameters_its_page_has() {
    let page = include_str!("../../../docs/kannel.md");
    let table = page.split("| parameter | what it does |").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let firsts = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let told: BTreeSet<&str> = firsts.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let names: BTreeSet<&str> = sendsms::PARAMETERS.iter().map(|(name, ..)| *name).collect();
    assert!(names.is_subset(&told), "{:?}", names.difference(&told));
    // Other names of the same, and what is passed over.
    let others = ["user", "pass", "dlrmask", "dlrurl", "account", "smsc", "meta-data", "flash", "tag"];
    assert_eq!(told.difference(&names).copied().collect::<BTreeSet<_>>(), others.into());
}

#[test]
fn the_page_for_customers_names_every_field_state_and_problem() {
    let page = include_str!("../../../docs/http.md");
    let names = Field::ALL.iter().map(|field| field.name()).chain(Kind::ALL.iter().map(|kind| kind.name()));
    for name in names.chain(crate::http::status::STATES.map(|(_, word)| word)) {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    for kind in Kind::ALL {
        let row = page.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{}`", kind.name())));
        assert!(row.is_some_and(|row| row.contains(kind.status().as_str())), "{kind:?}");
    }
    assert!(page.contains(&format!("the {} newest of them", Messages::MOST_FOUND)));
}

//! The OpenAPI document, made of the tables that requests are read by and answers are made from; `docs/openapi.json` is what it
//! makes, and a test holds them together.

mod answers;
mod schemas;
mod sendsms;

use serde_json::{Map, Value, json};

use super::fields::MOST_KEY;
use super::problem::Kind;
use crate::engine::web::Messages;

/// The document, as people read it.
#[must_use]
pub fn document() -> String {
    let [nowhere, wrong_method] = answers::OF_PATHS.map(|kind| format!("{} `{}`", kind.status().as_u16(), kind.name()));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Trunkline",
            "version": "1",
            "summary": "Sends short messages and tells what became of them.",
            "description": format!(
                "Errors are problem documents (RFC 9457); `field` names what is wrong. Another path is answered {nowhere}, another \
                 method {wrong_method}."
            ),
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "basic": [] }, { "bearer": [] }],
        "paths": paths(),
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "basic": { "type": "http", "scheme": "basic", "description": "The account and its password." },
                "bearer": { "type": "http", "scheme": "bearer", "description": "One of the account's tokens." },
            },
        },
    });
    let mut text = format!("{document:#}");
    text.push('\n');
    text
}

fn paths() -> Value {
    json!({
        "/v1/messages": {
            "post": {
                "operationId": "submit",
                "summary": "Sends a message, or several.",
                "description": "200: a carrier accepted it, and what is to be known of it is durable. Of several, each has its result \
                                in its place, and what is wrong with one does not keep the others.",
                "parameters": [key_parameter()],
                "requestBody": {
                    "required": true,
                    "content": { "application/json": { "schema": reference("Request") } },
                },
                "responses": answers::submit(),
            },
            "get": {
                "operationId": "find",
                "summary": format!("How the messages with a reference stand: the {} newest.", Messages::MOST_FOUND),
                "parameters": [{
                    "name": "reference",
                    "in": "query",
                    "required": true,
                    "schema": schemas::reference_parameter(),
                }],
                "responses": answers::find(),
            },
        },
        "/v1/messages/{id}": {
            "get": {
                "operationId": "status",
                "summary": "How a message stands.",
                "parameters": [{
                    "name": "id",
                    "in": "path",
                    "required": true,
                    "description": "As the message was answered with.",
                    "schema": { "type": "string" },
                }],
                "responses": answers::status(),
            },
        },
        "/cgi-bin/sendsms": sendsms::path(),
        "/v1/openapi.json": {
            "get": {
                "operationId": "document",
                "summary": "This document.",
                "security": [],
                "responses": answers::document(),
            },
        },
    })
}

fn key_parameter() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "A request that is sent again with the key of the first, and the same body, is answered as the first was, for \
                        24 hours, and nothing is sent again.",
        "schema": { "type": "string", "minLength": 1, "maxLength": MOST_KEY, "pattern": "^[!-~]+$" },
    })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// Members by name.
fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// Kinds of problems as a schema's list.
fn types(kinds: &[Kind]) -> Value {
    kinds.iter().map(|kind| kind.uri()).collect()
}

#[cfg(test)]
mod tests;

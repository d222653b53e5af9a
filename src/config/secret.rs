//! Secrets: as values that are never printed, and as the file writes them: a value, `{ env: NAME }` or `{ file: PATH }`.
//!
//! No message here quotes what was written: even a key may be a secret that lost its quotes.

use std::fmt;
use std::path::PathBuf;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Params, Version};

use super::raw::Node;
use super::reader::{Fields, Value, shown};

/// A value that is never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Vec<u8>);

impl Secret {
    #[must_use]
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Password {
    Plain(Secret),
    /// A PHC string, `$argon2id$...`.
    Argon2id(Secret),
}

const EXPECTED_SECRET: &str = "must be a value, { env: NAME } or { file: PATH }";
/// Longer cannot be sent in a bind; what is longer is the wrong file.
const LONGEST_SECRET: usize = 1024;

impl Value<'_> {
    /// A secret; as a value it may be empty, from the environment or a file that is a mistake.
    pub(super) fn secret(&self) -> Option<Secret> {
        let map = match self.node {
            Node::Scalar(text) => return self.bounded(text.clone().into_bytes()),
            Node::Map(map) => map,
            Node::Null | Node::List(_) => {
                self.problem(EXPECTED_SECRET);
                return None;
            }
        };
        let octets = match map.as_slice() {
            [(key, Node::Scalar(name))] if key == "env" => self.read_environment(name),
            [(key, Node::Scalar(path))] if key == "file" => self.read_file(path),
            _ => Err(EXPECTED_SECRET.to_owned()),
        };
        match octets {
            Ok(octets) => self.bounded(octets),
            Err(message) => {
                self.problem(message);
                None
            }
        }
    }

    pub(super) fn nonempty_secret(&self) -> Option<Secret> {
        let secret = self.secret()?;
        if secret.expose().is_empty() {
            self.problem("must not be empty");
            return None;
        }
        Some(secret)
    }

    fn read_environment(&self, name: &str) -> Result<Vec<u8>, String> {
        match (self.reading.surroundings.env)(name) {
            Some(value) if value.is_empty() => Err(format!("the environment variable {} is empty", shown(name))),
            Some(value) => Ok(value.into_bytes()),
            None => Err(format!("the environment variable {} is not set", shown(name))),
        }
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.reading.surroundings.base.join(path);
        let mut octets = (self.reading.surroundings.file)(&path)
            .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?;
        // Editors and `echo` end a file with a newline that is no part of the secret.
        if octets.last() == Some(&b'\n') {
            octets.pop();
            if octets.last() == Some(&b'\r') {
                octets.pop();
            }
        }
        if octets.is_empty() {
            return Err(format!("the file {} is empty", path.display()));
        }
        Ok(octets)
    }

    fn bounded(&self, octets: Vec<u8>) -> Option<Secret> {
        if octets.len() > LONGEST_SECRET {
            self.problem(format!("is longer than {LONGEST_SECRET} octets"));
            return None;
        }
        if octets.contains(&0) {
            self.problem("must not hold a NUL octet");
            return None;
        }
        Some(Secret::new(octets))
    }

    /// An account's passwords: one, or several while rotating; each a secret or `{ argon2id: PHC }`.
    pub(super) fn passwords(&self) -> Vec<Password> {
        if self.is_empty_list() {
            self.problem("must name at least one password");
        }
        self.elements().iter().filter_map(Value::password).collect()
    }

    fn password(&self) -> Option<Password> {
        if matches!(self.node, Node::Map(map) if map.iter().any(|(key, _)| key == "argon2id")) {
            let hash = self.fields(|fields| fields.secret("argon2id"))??;
            return match check_argon2id(hash.expose()) {
                Ok(()) => Some(Password::Argon2id(hash)),
                Err(message) => {
                    self.problem(message);
                    None
                }
            };
        }
        self.nonempty_secret().map(Password::Plain)
    }

    /// The SHA-256 of a bearer token, as `{ sha256: HEX }`.
    pub(super) fn token(&self) -> Option<[u8; 32]> {
        let hex = match self.node {
            Node::Map(map) => match map.as_slice() {
                [(key, Node::Scalar(hex))] if key == "sha256" => hex,
                _ => return self.no_token(),
            },
            Node::Null | Node::Scalar(_) | Node::List(_) => return self.no_token(),
        };
        let mut hash = [0; 32];
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return self.no_token();
        }
        for (octet, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *octet = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())?;
        }
        Some(hash)
    }

    fn no_token(&self) -> Option<[u8; 32]> {
        self.problem("must be { sha256: HEX }, the 64 hex digits that sha256sum prints for the token");
        None
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        let text = self.scalar()?;
        if text.is_empty() {
            self.problem("must be a path");
            return None;
        }
        Some(self.reading.surroundings.base.join(text))
    }
}

impl Fields<'_> {
    pub(super) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        self.take(key)?.nonempty_secret()
    }
}

/// Memory of one comparison, in KiB.
const MOST_MEMORY: u32 = 1 << 20;
/// Memory times passes, which is what the time goes by: some seconds of a core.
const MOST_WORK: u64 = 4 << 20;

/// `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`
fn check_argon2id(phc: &[u8]) -> Result<(), String> {
    const EXPECTED: &str = "must be a PHC string: $argon2id$v=19$m=...,t=...,p=...$salt$hash";
    let text = std::str::from_utf8(phc).map_err(|_| EXPECTED.to_owned())?;
    let hash = PasswordHash::new(text).map_err(|_| EXPECTED.to_owned())?;
    let params = Params::try_from(&hash).map_err(|_| EXPECTED.to_owned())?;
    let has_all = hash.salt.is_some() && hash.hash.is_some() && hash.version == Some(Version::V0x13.into());
    if hash.algorithm.as_str() != Algorithm::Argon2id.as_str() || !has_all {
        return Err(EXPECTED.to_owned());
    }
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MOST_MEMORY || work > MOST_WORK {
        return Err(format!(
            "takes too long, or too much memory, at a bind: m is at most {MOST_MEMORY} (KiB), and m times t {MOST_WORK}"
        ));
    }
    Ok(())
}
